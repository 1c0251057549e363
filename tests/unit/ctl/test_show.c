#include "ctl/show.h"

#include "suite.h"

static void assert_clean(const char *given, const char *expected)
{
    char *clean = show_cleaned(given);
    ck_assert_str_eq(clean, expected);
    free(clean);
}

START_TEST(lets_ordinary_text_through)
{
    assert_clean("web up, 192.168.100.12", "web up, 192.168.100.12");
    assert_clean("größer 漢字 \xf0\x9f\x90\x9f", "größer 漢字 \xf0\x9f\x90\x9f");
    assert_clean(NULL, "");
}
END_TEST

START_TEST(takes_orders_from_no_text)
{
    assert_clean("\033[2J\033]0;title\007", "?[2J?]0;title?");
    assert_clean("a\rb\nc\td\177", "a?b?c?d?");
    assert_clean("\xc2\x9b"
                 "31m",
                 "?31m"); /* U+009B, a one-character CSI */
    assert_clean("a\xe2\x80\xae"
                 "b",
                 "a?b"); /* U+202E turns the text round */
    assert_clean("a\xe2\x80\xa8z\xef\xbb\xbfz", "a?z?z");
}
END_TEST

START_TEST(replaces_broken_utf8)
{
    assert_clean("a\xff"
                 "b",
                 "a?b");
    assert_clean("\xc0\x80", "??");           /* overlong NUL */
    assert_clean("\xed\xa0\x80", "???");      /* surrogate */
    assert_clean("\xe2\x82", "??");           /* cut */
    assert_clean("\xf5\x80\x80\x80", "????"); /* beyond Unicode */
}
END_TEST

START_TEST(measures_code_points)
{
    ck_assert_uint_eq(show_width("abc"), 3);
    ck_assert_uint_eq(show_width("größer"), 6);
}
END_TEST

static void assert_duration(int64_t ms, const char *expected)
{
    char text[SHOW_TIME_MAX];
    show_duration(ms, text);
    ck_assert_str_eq(text, expected);
}

START_TEST(says_durations_as_people_do)
{
    assert_duration(-5, "0.0 s");
    assert_duration(449, "0.4 s");
    assert_duration(9999, "9.9 s");
    assert_duration(47000, "47 s");
    assert_duration(245000, "4 min 5 s");
    assert_duration(3600000, "60 min");
    assert_duration(7500000, "2 h 5 min");
    assert_duration((3 * 24 + 4) * 3600000LL, "3 d 4 h");
}
END_TEST

static void assert_latency(int64_t us, const char *expected)
{
    char text[SHOW_TIME_MAX];
    show_latency(us, text);
    ck_assert_str_eq(text, expected);
}

START_TEST(says_latencies_in_fitting_units)
{
    char text[SHOW_TIME_MAX];
    assert_latency(-1, "-");
    assert_latency(310, "0.3 ms");
    assert_latency(31400, "31 ms");
    assert_latency(1000000, "1.00 s");
    show_latencies(30100, 34400, text);
    ck_assert_str_eq(text, "30-34 ms");
    show_latencies(31000, 31100, text);
    ck_assert_str_eq(text, "31 ms");
    show_latencies(300, 2100, text);
    ck_assert_str_eq(text, "0.3-2.1 ms");
}
END_TEST

START_TEST(says_short_gaps_exactly)
{
    char text[SHOW_TIME_MAX];
    show_span(230000000, text);
    ck_assert_str_eq(text, "230 ms");
    show_span(8100000000, text);
    ck_assert_str_eq(text, "8.10 s");
    show_span(47200000000, text);
    ck_assert_str_eq(text, "47 s");
}
END_TEST

START_TEST(says_the_time_of_day_in_utc)
{
    char text[SHOW_TIME_MAX];
    show_clock(1763820192481000000, text);
    ck_assert_str_eq(text, "14:03:12.4");
    show_date(1763820192481000000, text);
    ck_assert_str_eq(text, "2025-11-22");
}
END_TEST

START_TEST(colours_only_when_asked)
{
    struct hm_buf out = {0};
    show_mood(&out, "Running", MOOD_GOOD, false);
    ck_assert_str_eq(out.data, "Running");
    hm_buf_free(&out);
    show_mood(&out, "Running", MOOD_GOOD, true);
    ck_assert_str_eq(out.data, "\033[32mRunning\033[0m");
    hm_buf_free(&out);
}
END_TEST

RUN_SUITE("show", says_short_gaps_exactly, lets_ordinary_text_through, takes_orders_from_no_text,
          replaces_broken_utf8, measures_code_points, says_durations_as_people_do,
          says_latencies_in_fitting_units, says_the_time_of_day_in_utc, colours_only_when_asked)
