/* `request` of a failover group: what is rendered is read back, and what is wrong is refused. */
#include "proto/failover_request.h"

#include <check.h>
#include <string.h>

static int parse(const char *text, struct failover_request *ret, struct hm_error *err)
{
    return failover_request_parse(text, strlen(text), ret, err);
}

static struct hb_site site(const char *name)
{
    struct hb_site s;
    ck_assert(hb_site_from(name, &s));
    return s;
}

START_TEST(test_a_switchover_reads_back)
{
    char text[FAILOVER_REQUEST_TEXT_MAX];
    struct failover_request back, r = {
                                      .action = FAILOVER_SWITCHOVER,
                                      .state = REQUEST_REFUSED,
                                      .site = site("site-b"),
                                      .by = "ann@desk",
                                      .why = "new \"disks\"",
                                      .host_time_ns = 1764460800123000000,
                                      .at_ns = 1764464400000000000,
                                      .answered_by = site("site-a"),
                                      .text = "it is not fit",
                                  };
    size_t len = failover_request_render(&r, text);
    ck_assert_uint_eq(len, strlen(text));
    ck_assert_int_eq(parse(text, &back, NULL), 0);
    ck_assert_mem_eq(&r, &back, sizeof r);
    ck_assert(!failover_request_is_open(&back));
}
END_TEST

START_TEST(test_a_promotion_reads_back)
{
    char text[FAILOVER_REQUEST_TEXT_MAX];
    struct failover_request back, r = {
                                      .action = FAILOVER_PROMOTE,
                                      .site = site("site-b"),
                                      .by = "?",
                                      .run = UINT64_MAX,
                                      .counter = 7,
                                      .off = site("site-a"),
                                      .off_epoch = 12,
                                  };
    failover_request_render(&r, text);
    ck_assert_int_eq(parse(text, &back, NULL), 0);
    ck_assert_mem_eq(&r, &back, sizeof r);
    ck_assert(failover_request_is_open(&back));
}
END_TEST

START_TEST(test_the_longest_fits)
{
    char text[FAILOVER_REQUEST_TEXT_MAX];
    struct failover_request back, r = {.action = FAILOVER_PROMOTE, .site = site("b")};
    memset(r.by, 1, FAILOVER_BY_MAX);
    memset(r.why, 1, FAILOVER_WHY_MAX);
    memset(r.text, 1, FAILOVER_WHY_MAX);
    ck_assert_uint_lt(failover_request_render(&r, text), FAILOVER_REQUEST_TEXT_MAX);
    memset(r.by, 'x', FAILOVER_BY_MAX);
    memset(r.why, '"', FAILOVER_WHY_MAX);
    memset(r.text, 'y', FAILOVER_WHY_MAX);
    failover_request_render(&r, text);
    ck_assert_int_eq(parse(text, &back, NULL), 0);
    ck_assert_str_eq(back.why, r.why);
}
END_TEST

#define HEAD "{\"action\":\"switchover\",\"site\":\"b\",\"state\":\"asked\",\"by\":\"a\""

static const struct {
    const char *text, *word;
} wrong[] = {
    {"", "empty"},
    {"{}", "action"},
    {"[]", ""},
    {"{\"action\":\"shutdown\",\"site\":\"b\",\"state\":\"asked\",\"by\":\"a\"}", "action"},
    {"{\"action\":\"promote\",\"site\":\"B b\",\"state\":\"asked\",\"by\":\"a\"}", "site"},
    {"{\"action\":\"promote\",\"site\":\"b\",\"state\":\"maybe\",\"by\":\"a\"}", "state"},
    {"{\"action\":\"promote\",\"site\":\"b\",\"state\":\"asked\"}", "by"},
    {HEAD ",\"at\":\"tomorrow\"}", "at"},
    {HEAD ",\"run\":\"0x1\"}", "run"},
    {HEAD ",\"run\":\"00000000000000000\"}", "run"},
    {HEAD ",\"counter\":\"1\"}", "counter"},
    {HEAD ",\"off\":{\"site\":\"a\"}}", "epoch"},
    {HEAD ",\"to\":\"b\"}", "to"},
};

START_TEST(test_wrong_is_refused)
{
    struct failover_request r, before;
    struct hm_error err = {0};
    memset(&r, 0x5A, sizeof r);
    before = r;
    ck_assert_int_lt(parse(wrong[_i].text, &r, &err), 0);
    ck_assert_msg(strstr(err.text, wrong[_i].word) != NULL, "%s", err.text);
    ck_assert_mem_eq(&r, &before, sizeof r);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("failover_request");
    TCase *tc = tcase_create("failover_request");
    tcase_add_test(tc, test_a_switchover_reads_back);
    tcase_add_test(tc, test_a_promotion_reads_back);
    tcase_add_test(tc, test_the_longest_fits);
    tcase_add_loop_test(tc, test_wrong_is_refused, 0, sizeof wrong / sizeof wrong[0]);
    suite_add_tcase(suite, tc);
    SRunner *sr = srunner_create(suite);
    srunner_run_all(sr, CK_NORMAL);
    int failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed == 0 ? 0 : 1;
}
