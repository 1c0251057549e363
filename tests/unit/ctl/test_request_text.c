/* When an operator's switchover is due, and how it is told. */
#include "ctl/request_text.h"

#include "suite.h"

/* 2026-11-30T00:41:12.5Z */
#define NOW_NS (1795999272LL * 1000000000LL + 500000000LL)

static int64_t due(const char *text)
{
    int64_t ns = 0;
    ck_assert_msg(request_time(text, NOW_NS, &ns), "%s", text);
    return (ns - NOW_NS / 1000000000LL * 1000000000LL) / 1000000000LL;
}

START_TEST(times_are_read)
{
    ck_assert_int_eq(due("2026-11-30T00:41:30Z"), 18);
    ck_assert_int_eq(due("2026-11-30T00:42Z"), 48);
    ck_assert_int_eq(due("2026-11-30T00:41:30.000Z"), 18);
    ck_assert_int_eq(due("00:42"), 48);
    ck_assert_int_eq(due("00:41"), 24 * 3600 - 12); /* has passed: tomorrow */
}
END_TEST

START_TEST(what_is_no_time_is_none)
{
    static const char *const wrong[] = {"",
                                        "now",
                                        "0:61",
                                        "00:42 PM",
                                        "2026-11-30T00:42",
                                        "2026-13-30T00:42Z",
                                        "1013-11-30T00:42Z",
                                        "9999-01-01T00:00:00Z",
                                        "9999-01-01T00:00:00.000Z"};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        int64_t ns = 7;
        ck_assert_msg(!request_time(wrong[i], NOW_NS, &ns), "%s", wrong[i]);
        ck_assert_int_eq(ns, 7);
    }
}
END_TEST

START_TEST(a_request_is_told_in_words)
{
    struct failover_request r = {.by = "ann\n", .why = "disks", .at_ns = NOW_NS};
    ck_assert(hb_site_from("site-b", &r.site));
    HM_AUTOFREE char *text = request_text(&r);
    ck_assert_msg(strstr(text, "switchover to site-b, planned for 2026-") == text, "%s", text);
    ck_assert_ptr_nonnull(strstr(text, ": disks"));
    ck_assert_ptr_null(strchr(text, '\n'));
    r.action = FAILOVER_PROMOTE;
    r.at_ns = 0;
    r.why[0] = '\0';
    HM_AUTOFREE char *forced = request_text(&r);
    ck_assert_msg(!strncmp(forced, "forced promotion of site-b, by ann", 34), "%s", forced);
}
END_TEST

RUN_SUITE("request_text", times_are_read, what_is_no_time_is_none, a_request_is_told_in_words)
