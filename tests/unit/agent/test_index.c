#include "agent/index.h"

#include <check.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

START_TEST(finds_what_was_put)
{
    struct index index;
    int a, b;
    index_init(&index, 0);
    ck_assert_ptr_null(index_get(&index, "vm", "web"));
    ck_assert_ptr_null(index_put(&index, "vm", "web", &a));
    ck_assert_ptr_null(index_put(&index, "disk", "web", &b));
    ck_assert_ptr_eq(index_get(&index, "vm", "web"), &a);
    ck_assert_ptr_eq(index_get(&index, "disk", "web"), &b);
    ck_assert_ptr_null(index_get(&index, "vm", "we"));
    index_free(&index);
    ck_assert_ptr_null(index_get(&index, "vm", "web"));
}
END_TEST

START_TEST(equal_key_is_replaced)
{
    struct index index;
    int a, b;
    index_init(&index, 1);
    index_put(&index, "vm", "web", &a);
    ck_assert_ptr_eq(index_put(&index, "vm", "web", &b), &a);
    ck_assert_ptr_eq(index_get(&index, "vm", "web"), &b);
    ck_assert_uint_eq(index.count, 1);
    index_free(&index);
}
END_TEST

/* The border between the two texts counts. */
START_TEST(pairs_are_not_joined)
{
    struct index index;
    int a, b;
    index_init(&index, 4);
    index_put(&index, "ab", "c", &a);
    index_put(&index, "a", "bc", &b);
    ck_assert_ptr_eq(index_get(&index, "ab", "c"), &a);
    ck_assert_ptr_eq(index_get(&index, "a", "bc"), &b);
    index_free(&index);
}
END_TEST

enum { MANY = 20000 };

START_TEST(grows)
{
    static char names[MANY][16];
    struct index index;
    index_init(&index, (size_t)_i);
    for (uintptr_t i = 0; i < MANY; i++) {
        snprintf(names[i], sizeof names[i], "n%d", (int)i);
        ck_assert_ptr_null(index_put(&index, "vm", names[i], (void *)(i + 1)));
    }
    ck_assert_uint_eq(index.count, MANY);
    for (uintptr_t i = 0; i < MANY; i++)
        ck_assert_ptr_eq(index_get(&index, "vm", names[i]), (void *)(i + 1));
    ck_assert_ptr_null(index_get(&index, "vm", "none"));
    index_free(&index);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("index");
    TCase *c = tcase_create("index");
    tcase_add_test(c, finds_what_was_put);
    tcase_add_test(c, equal_key_is_replaced);
    tcase_add_test(c, pairs_are_not_joined);
    tcase_add_loop_test(c, grows, 0, 2);
    suite_add_tcase(s, c);
    SRunner *sr = srunner_create(s);
    srunner_run_all(sr, CK_NORMAL);
    int failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed ? 1 : 0;
}
