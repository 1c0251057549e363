#include "guardian/clock.h"

#include <string.h>
#include <time.h>

#include "tests/unit/guardian/suite.h"

/* Against libc's own calendar, every 11 hours or so for 170 years. */
START_TEST(dates_are_those_of_the_calendar)
{
    for (int64_t s = 0; s < 170LL * 365 * 86400; s += 39541) {
        char text[CLOCK_TEXT_MAX], expected[CLOCK_TEXT_MAX];
        time_t t = s;
        struct tm tm;
        gmtime_r(&t, &tm);
        strftime(expected, sizeof expected, "%Y-%m-%dT%H:%M:%S.007Z", &tm);
        clock_text(s * SEC + 7 * MS, text);
        ck_assert_str_eq(text, expected);
    }
}
END_TEST

START_TEST(later_does_not_overflow)
{
    ck_assert_int_eq(clock_later(5, 7), 12);
    ck_assert_int_eq(clock_later(INT64_MAX, 1), INT64_MAX);
    ck_assert_int_eq(clock_later(INT64_MAX - 3, 7), INT64_MAX);
}
END_TEST

START_TEST(boottime_goes_on)
{
    int64_t before = clock_boot_ns();
    ck_assert_int_gt(before, 0);
    ck_assert_int_ge(clock_boot_ns(), before);
}
END_TEST

RUN_SUITE("clock", dates_are_those_of_the_calendar, later_does_not_overflow, boottime_goes_on)
