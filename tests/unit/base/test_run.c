#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/run.h"

enum { LONG_MS = 20000, SOME = 4096 };

static int sh(const char *script, int64_t ms, struct hm_ran *ret, struct hm_error *err)
{
    char *argv[] = {(char[]){"sh"}, (char[]){"-c"}, strdup(script), NULL};
    int r = hm_run(argv, ms, SOME, ret, err);
    free(argv[2]);
    return r;
}

START_TEST(what_it_says_and_how_it_ends)
{
    struct hm_ran ran = {0};
    struct hm_error err = {0};
    ck_assert_int_eq(
        sh("echo one; echo two >&2; printf 'thr\\033ee\\n' >&2; exit 3", LONG_MS, &ran, &err), 0);
    ck_assert_int_eq(ran.exit_code, 3);
    ck_assert_str_eq(ran.out, "one\n");
    ck_assert_uint_eq(ran.out_len, 4);
    ck_assert_str_eq(ran.err, "two; thr?ee");
    hm_ran_clear(&ran);
    ck_assert_int_eq(sh("true", LONG_MS, &ran, &err), 0);
    ck_assert_str_eq(ran.out, "");
    ck_assert_str_eq(ran.err, "");
    hm_ran_clear(&ran);
}
END_TEST

START_TEST(at_the_deadline_its_whole_group_is_killed)
{
    struct hm_ran ran = {0};
    struct hm_error err = {0};
    int64_t began = hm_boottime_ns();
    ck_assert_int_eq(sh("sleep 100 & sleep 100", 100, &ran, &err), -HM_E_TIMEOUT);
    ck_assert_ptr_nonnull(strstr(err.text, "100 ms"));
    ck_assert(hm_boottime_ns() - began < 50000 * HM_MS);
    ck_assert_ptr_null(ran.out);
}
END_TEST

START_TEST(too_much_output_ends_it)
{
    struct hm_ran ran = {0};
    struct hm_error err = {0};
    ck_assert_int_eq(sh("yes", LONG_MS, &ran, &err), -HM_E_TOO_LARGE);
    ck_assert_int_eq(sh("yes >&2", LONG_MS, &ran, &err), -HM_E_TOO_LARGE);
}
END_TEST

START_TEST(a_program_that_is_not_there_and_one_that_dies)
{
    char *argv[] = {(char[]){"/nowhere/at-all"}, NULL};
    struct hm_ran ran = {0};
    struct hm_error err = {0};
    ck_assert_int_eq(hm_run(argv, LONG_MS, SOME, &ran, &err), -HM_E_PROCESS);
    ck_assert_ptr_nonnull(strstr(err.text, "cannot start /nowhere/at-all"));
    ck_assert_int_eq(sh("kill -9 $$", LONG_MS, &ran, &err), -HM_E_PROCESS);
    ck_assert_ptr_nonnull(strstr(err.text, "signal 9"));
}
END_TEST

int main(void)
{
    Suite *s = suite_create("run");
    TCase *t = tcase_create("all");
    tcase_set_timeout(t, 60);
    tcase_add_test(t, what_it_says_and_how_it_ends);
    tcase_add_test(t, at_the_deadline_its_whole_group_is_killed);
    tcase_add_test(t, too_much_output_ends_it);
    tcase_add_test(t, a_program_that_is_not_there_and_one_that_dies);
    suite_add_tcase(s, t);
    SRunner *sr = srunner_create(s);
    srunner_run_all(sr, CK_NORMAL);
    int failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
