#include "base/nearest.h"

#include <check.h>
#include <stdlib.h>

static const char *nearest_of(const char *wanted)
{
    static const char *const words[] = {"memory", "max_memory", "vcpus", "disks", "on"};
    struct hm_nearest near = hm_nearest_to(wanted);
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
        hm_nearest_offer(&near, words[i]);
    return near.best;
}

START_TEST(finds_a_word_with_few_mistakes)
{
    ck_assert_str_eq(nearest_of("memmory"), "memory");
    ck_assert_str_eq(nearest_of("memroy"), "memory");
    ck_assert_str_eq(nearest_of("vcpu"), "vcpus");
    ck_assert_str_eq(nearest_of("disk"), "disks");
}
END_TEST

START_TEST(offers_nothing_that_is_far)
{
    ck_assert_ptr_null(nearest_of("firmware"));
    ck_assert_ptr_null(nearest_of(""));
    ck_assert_ptr_null(nearest_of("of")); /* half of the word is another one */
    ck_assert_ptr_null(
        nearest_of("memoryyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyy"));
}
END_TEST

START_TEST(keeps_the_first_of_equals)
{
    struct hm_nearest near = hm_nearest_to("stat");
    hm_nearest_offer(&near, "start");
    hm_nearest_offer(&near, "stats");
    ck_assert_str_eq(near.best, "start");
    ck_assert_uint_eq(near.distance, 1);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("nearest");
    TCase *tc = tcase_create("nearest");
    tcase_add_test(tc, finds_a_word_with_few_mistakes);
    tcase_add_test(tc, offers_nothing_that_is_far);
    tcase_add_test(tc, keeps_the_first_of_equals);
    suite_add_tcase(suite, tc);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
