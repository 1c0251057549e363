#include "base/clock.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

START_TEST(boottime_is_the_kernels_and_never_goes_back)
{
    struct timespec t;
    int64_t before = hm_boottime_ns();
    clock_gettime(CLOCK_BOOTTIME, &t);
    int64_t between = (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
    int64_t after = hm_boottime_ns();
    ck_assert_int_le(before, between);
    ck_assert_int_le(between, after);
}
END_TEST

START_TEST(wall_is_the_time_of_day)
{
    int64_t seconds = hm_wall_ns() / 1000000000;
    int64_t now = (int64_t)time(NULL);
    ck_assert_int_ge(seconds, now - 2);
    ck_assert_int_le(seconds, now + 2);
}
END_TEST

static const struct {
    int64_t wall_ns;
    const char *text;
} times[] = {
    {0, "1970-01-01T00:00:00.000Z"},
    {1795356192481LL * HM_MS, "2026-11-22T14:03:12.481Z"},
    {1795356192481LL * HM_MS + 999999, "2026-11-22T14:03:12.481Z"},
    {951782400000LL * HM_MS, "2000-02-29T00:00:00.000Z"},
    {INT64_MAX, "2262-04-11T23:47:16.854Z"},
};

START_TEST(text_is_rfc_3339_in_utc)
{
    char text[HM_TIME_TEXT_MAX];
    setenv("TZ", "America/New_York", 1);
    tzset();
    hm_time_text(times[_i].wall_ns, text);
    ck_assert_str_eq(text, times[_i].text);
}
END_TEST

START_TEST(text_before_1970_is_safe)
{
    char text[HM_TIME_TEXT_MAX];
    hm_time_text(INT64_MIN, text);
    ck_assert_uint_lt(strlen(text), HM_TIME_TEXT_MAX);
    hm_time_text(-1, text);
    ck_assert_uint_lt(strlen(text), HM_TIME_TEXT_MAX);
}
END_TEST

START_TEST(time_text_is_parsed_again)
{
    int64_t ns = 0;
    ck_assert(hm_time_parse("2026-11-22T14:03:12.481Z", &ns));
    char text[HM_TIME_TEXT_MAX];
    hm_time_text(ns, text);
    ck_assert_str_eq(text, "2026-11-22T14:03:12.481Z");
}
END_TEST

static const char *const no_times[] = {"1013-11-22T14:03:12.481Z",
                                       "9999-11-22T14:03:12.481Z",
                                       "",
                                       "?",
                                       "2026-11-22",
                                       "2026-11-22T14:03:12Z",
                                       "2026-11-22T14:03:12.48Z",
                                       "2026-11-22T14:03:12.4811Z",
                                       "2026-11-22T14:03:12.481",
                                       "2026-11-22T14:03:12.481Z ",
                                       "2026-11-22T14:03:12.-48Z",
                                       "2026-13-22T14:03:12.481Z"};

START_TEST(other_texts_are_no_times)
{
    int64_t ns = 42;
    ck_assert_msg(!hm_time_parse(no_times[_i], &ns), "%s", no_times[_i]);
    ck_assert_int_eq(ns, 42);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("clock");
    TCase *c = tcase_create("clock");
    tcase_add_test(c, boottime_is_the_kernels_and_never_goes_back);
    tcase_add_test(c, wall_is_the_time_of_day);
    tcase_add_loop_test(c, text_is_rfc_3339_in_utc, 0, 5);
    tcase_add_test(c, text_before_1970_is_safe);
    tcase_add_test(c, time_text_is_parsed_again);
    tcase_add_loop_test(c, other_texts_are_no_times, 0, (int)(sizeof no_times / sizeof *no_times));
    suite_add_tcase(s, c);
    SRunner *sr = srunner_create(s);
    srunner_run_all(sr, CK_NORMAL);
    int failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed ? 1 : 0;
}
