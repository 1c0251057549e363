#include "base/alloc.h"

#include <check.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* With the address sanitizer, too, an allocation that can't be had shall come back as NULL. */
const char *__asan_default_options(void);
const char *__asan_default_options(void)
{
    return "allocator_may_return_null=1";
}

START_TEST(memory_is_zeroed)
{
    char *p = hm_alloc(4096);
    for (int i = 0; i < 4096; i++)
        ck_assert_int_eq(p[i], 0);
    free(p);
    p = hm_alloc(0);
    ck_assert_ptr_nonnull(p);
    free(p);
}
END_TEST

START_TEST(array_keeps_its_contents)
{
    int *p = hm_realloc_array(NULL, 2, sizeof *p);
    p[0] = 1;
    p[1] = 2;
    p = hm_realloc_array(p, 1000, sizeof *p);
    ck_assert_int_eq(p[0], 1);
    ck_assert_int_eq(p[1], 2);
    p = hm_realloc_array(p, 0, sizeof *p);
    ck_assert_ptr_nonnull(p);
    free(p);
}
END_TEST

START_TEST(texts_are_copied)
{
    char from[] = "harmony";
    char *whole = hm_strdup(from), *part = hm_strndup(from, 4), *more = hm_strndup(from, 99);
    char *bytes = hm_memdup("a\0b", 3), *none = hm_memdup(NULL, 0);
    char *made = hm_printf("%s-%d", "site", 7);
    memset(from, 'x', sizeof from - 1);
    ck_assert_str_eq(whole, "harmony");
    ck_assert_str_eq(part, "harm");
    ck_assert_str_eq(more, "harmony");
    ck_assert_mem_eq(bytes, "a\0b", 4);
    ck_assert_str_eq(none, "");
    ck_assert_str_eq(made, "site-7");
    free(whole);
    free(part);
    free(more);
    free(bytes);
    free(none);
    free(made);
}
END_TEST

static void (*volatile use)(void *) = free;

START_TEST(too_much_aborts)
{
    use(hm_alloc(SIZE_MAX / 2));
}
END_TEST

/* A product that does not fit must not become a small allocation. */
START_TEST(overflowing_array_aborts)
{
    use(hm_realloc_array(NULL, SIZE_MAX / 2 + 2, 2));
}
END_TEST

START_TEST(freed_at_the_end_of_its_scope)
{
    HM_AUTOFREE char *text = hm_strdup("the leak checker sees whether this works");
    HM_AUTOFREE char *nothing = NULL;
    ck_assert_ptr_nonnull(text);
    ck_assert_ptr_null(nothing);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("alloc");
    TCase *c = tcase_create("alloc");
    tcase_add_test(c, memory_is_zeroed);
    tcase_add_test(c, array_keeps_its_contents);
    tcase_add_test(c, texts_are_copied);
    tcase_add_test_raise_signal(c, too_much_aborts, SIGABRT);
    tcase_add_test_raise_signal(c, overflowing_array_aborts, SIGABRT);
    tcase_add_test(c, freed_at_the_end_of_its_scope);
    suite_add_tcase(s, c);
    SRunner *sr = srunner_create(s);
    srunner_run_all(sr, CK_NORMAL);
    int failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed ? 1 : 0;
}
