#include "base/buf.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

START_TEST(empty_is_valid)
{
    struct hm_buf b = {0};
    ck_assert_ptr_null(b.data);
    char *text = hm_buf_steal(&b);
    ck_assert_str_eq(text, "");
    free(text);
    hm_buf_free(&b);
}
END_TEST

START_TEST(grows_and_stays_terminated)
{
    struct hm_buf b = {0};
    for (int i = 0; i < 10000; i++) {
        hm_buf_printf(&b, "%d,", i % 10);
        ck_assert_int_eq(b.data[b.len], '\0');
    }
    ck_assert_uint_eq(b.len, 20000);
    ck_assert_int_eq(strncmp(b.data, "0,1,2,3,", 8), 0);
    ck_assert(!b.overflowed);
    hm_buf_free(&b);
    ck_assert_ptr_null(b.data);
}
END_TEST

START_TEST(beyond_the_limit_nothing_is_added)
{
    struct hm_buf b = {.limit = 5};
    hm_buf_puts(&b, "12345");
    ck_assert(!b.overflowed);
    hm_buf_puts(&b, "6");
    ck_assert(b.overflowed);
    ck_assert_str_eq(b.data, "12345");
    hm_buf_add(&b, "x", (size_t)-1);
    ck_assert_uint_eq(b.len, 5);
    hm_buf_free(&b);
    ck_assert_uint_eq(b.limit, 5);
}
END_TEST

START_TEST(holds_any_byte)
{
    struct hm_buf b = {0};
    hm_buf_add(&b, "a\0b", 3);
    hm_buf_add(&b, NULL, 0);
    ck_assert_uint_eq(b.len, 3);
    ck_assert_mem_eq(b.data, "a\0b", 4);
    hm_buf_free(&b);
}
END_TEST

START_TEST(stolen_leaves_it_reusable)
{
    struct hm_buf b = {.limit = 3};
    hm_buf_puts(&b, "abc");
    hm_buf_puts(&b, "d");
    char *text = hm_buf_steal(&b);
    ck_assert_str_eq(text, "abc");
    ck_assert(!b.overflowed);
    hm_buf_puts(&b, "xyz");
    ck_assert_str_eq(b.data, "xyz");
    ck_assert_str_eq(text, "abc");
    free(text);
    hm_buf_free(&b);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("buf");
    TCase *c = tcase_create("buf");
    tcase_add_test(c, empty_is_valid);
    tcase_add_test(c, grows_and_stays_terminated);
    tcase_add_test(c, beyond_the_limit_nothing_is_added);
    tcase_add_test(c, holds_any_byte);
    tcase_add_test(c, stolen_leaves_it_reusable);
    suite_add_tcase(s, c);
    SRunner *sr = srunner_create(s);
    srunner_run_all(sr, CK_NORMAL);
    int failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed ? 1 : 0;
}
