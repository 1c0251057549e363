/* Heartbeats: what is accepted, what is refused, and that a rendered one reads back as it was. */
#include "proto/heartbeat.h"

#include <check.h>
#include <stdlib.h>

static int parse(const char *text, bool is_lease, struct heartbeat *hb, struct hm_error *err)
{
    return heartbeat_parse(text, strlen(text), is_lease, hb, err);
}

static struct hb_site site(const char *name)
{
    struct hb_site s;
    ck_assert(hb_site_from(name, &s));
    return s;
}

START_TEST(test_least_release_is_read)
{
    struct heartbeat hb;
    const char *text = "{\"site_id\":null,\"status\":\"RELEASED\",\"epoch\":0,\"next\":\"site-a\"}";
    ck_assert_int_eq(parse(text, true, &hb, NULL), 0);
    ck_assert_int_eq(hb.status, HB_RELEASED);
    ck_assert(!hb_site_is_set(&hb.site));
    ck_assert_str_eq(hb.next.text, "site-a");
    ck_assert_uint_eq(hb.epoch, 0);
    ck_assert_uint_eq(hb.nonce, 0);
}
END_TEST

static struct heartbeat full(void)
{
    return (struct heartbeat){
        .site = site("site-a"),
        .status = HB_DEGRADED,
        .role = HB_ROLE_LEADER,
        .reason = HB_REASON_STALE,
        .probe = HB_PROBE_OK,
        .nonce = 0xFEDCBA9876543210u,
        .generation = 2,
        .epoch = 7,
        .seen_epoch = 9,
        .counter = 10452,
        .config_revision = 3,
        .timestamp_ms = 1704661549000,
        .expires_in_ms = 4753,
        .interval_ms = 1000,
        .rtt_us = 31000,
        .probe_latency_us = 4000,
        .lag = -1,
        .failures = 1,
        .successes = 0,
        .paused = true,
        .chosen = true,
        .failsafe = true,
        .voter_count = 2,
        .voters = {site("site-b"), site("site-c")},
    };
}

START_TEST(test_lease_reads_back)
{
    char text[HB_TEXT_MAX];
    struct heartbeat hb = full(), back;
    size_t len = heartbeat_render(&hb, true, text);
    ck_assert_uint_eq(len, strlen(text));
    ck_assert_int_eq(heartbeat_parse(text, len, true, &back, NULL), 0);
    ck_assert_mem_eq(&back, &hb, sizeof(hb));
}
END_TEST

START_TEST(test_replica_reads_back)
{
    char text[HB_TEXT_MAX];
    struct heartbeat hb = full(), back;
    hb.paused = hb.chosen = hb.failsafe = false;
    hb.voter_count = 0;
    memset(hb.voters, 0, sizeof(hb.voters));
    hb.expires_in_ms = 0;
    hb.fit = true;
    hb.lag = 4096;
    size_t len = heartbeat_render(&hb, false, text);
    ck_assert_int_eq(heartbeat_parse(text, len, false, &back, NULL), 0);
    ck_assert_mem_eq(&back, &hb, sizeof(hb));
}
END_TEST

START_TEST(test_the_longest_fits)
{
    char text[HB_TEXT_MAX], name[HB_SITE_MAX + 1];
    memset(name, 'x', HB_SITE_MAX);
    name[HB_SITE_MAX] = '\0';
    struct heartbeat hb = full(), back;
    hb.site = site(name);
    hb.nonce = UINT64_MAX;
    hb.generation = hb.epoch = hb.seen_epoch = hb.counter = hb.config_revision = HB_EPOCH_MAX;
    hb.timestamp_ms = hb.rtt_us = hb.probe_latency_us = (int64_t)HB_EPOCH_MAX;
    hb.expires_in_ms = HB_PROMISE_MAX_MS;
    hb.interval_ms = 3600 * 1000;
    hb.failures = hb.successes = UINT32_MAX;
    hb.reason = HB_REASON_HEARTBEATS_FAILED;
    hb.voter_count = HB_VOTERS_MAX;
    for (unsigned i = 0; i < HB_VOTERS_MAX; i++)
        hb.voters[i] = site(name);
    size_t len = heartbeat_render(&hb, true, text);
    ck_assert_uint_lt(len, HB_TEXT_MAX);
    ck_assert_int_eq(heartbeat_parse(text, len, true, &back, NULL), 0);
    ck_assert_mem_eq(&back, &hb, sizeof(hb));
}
END_TEST

START_TEST(test_newer_agents_are_understood)
{
    struct heartbeat hb;
    const char *text = "{\"site_id\":\"a\",\"status\":\"HEALTHY\",\"epoch\":1,\"expires_in_ms\":5,"
                       "\"voters\":[\"b\"],\"reason\":\"NOT_YET_INVENTED\",\"role\":\"witness\"}";
    ck_assert_int_eq(parse(text, true, &hb, NULL), 0);
    ck_assert_int_eq(hb.reason, HB_REASON_NONE);
}
END_TEST

START_TEST(test_voters)
{
    struct heartbeat hb;
    struct hb_site b = site("b"), c = site("c");
    const char *text = "{\"site_id\":\"a\",\"status\":\"HEALTHY\",\"epoch\":1,\"expires_in_ms\":5,"
                       "\"failsafe\":true,\"voters\":[\"b\"]}";
    ck_assert_int_eq(parse(text, true, &hb, NULL), 0);
    ck_assert(hb.failsafe && hb.voter_count == 1);
    ck_assert(heartbeat_names_voter(&hb, &b) && !heartbeat_names_voter(&hb, &c));
    text = "{\"site_id\":\"a\",\"status\":\"HEALTHY\",\"epoch\":1,\"expires_in_ms\":5,"
           "\"failsafe\":false,\"voters\":[\"b\"]}";
    ck_assert_int_eq(parse(text, true, &hb, NULL), 0);
    ck_assert(!hb.failsafe && !heartbeat_names_voter(&hb, &b));
}
END_TEST

/* Each is refused with a sentence that holds the word, and nothing is written. */
static const struct {
    const char *text, *word;
    bool is_lease;
} hostile[] = {
    {"", "object", true},
    {"[]", "object", true},
    {"\"x\"", "", true},
    {"{", "", true},
    {"{\"site_id\":\"a\"}", "status", true},
    {"{\"status\":\"HEALTHY\",\"epoch\":1,\"expires_in_ms\":1}", "site_id", true},
    {"{\"site_id\":\"a\",\"status\":null,\"epoch\":1,\"expires_in_ms\":1}", "status", true},
    {"{\"site_id\":\"a\",\"status\":\"HEALTHY\",\"expires_in_ms\":1}", "epoch", true},
    {"{\"site_id\":\"a\",\"status\":\"HEALTHY\",\"epoch\":1}", "expires_in_ms", true},
    {"{\"site_id\":\"a\",\"status\":\"FINE\",\"epoch\":1,\"expires_in_ms\":1}", "FINE", true},
    {"{\"site_id\":\"a\",\"status\":\"RELEASED\",\"epoch\":1}", "null", true},
    {"{\"site_id\":null,\"status\":\"HEALTHY\",\"epoch\":1,\"expires_in_ms\":1}", "site_id", true},
    {"{\"site_id\":\"A/..\",\"status\":\"HEALTHY\",\"epoch\":1,\"expires_in_ms\":1}", "site_id",
     true},
    {"{\"site_id\":\"a\",\"status\":\"HEALTHY\",\"epoch\":-1,\"expires_in_ms\":1}", "epoch", true},
    {"{\"site_id\":\"a\",\"status\":\"HEALTHY\",\"epoch\":1.5,\"expires_in_ms\":1}", "epoch", true},
    {"{\"site_id\":\"a\",\"status\":\"HEALTHY\",\"epoch\":9007199254740993,\"expires_in_ms\":1}",
     "epoch", true},
    {"{\"site_id\":\"a\",\"status\":\"HEALTHY\",\"epoch\":99999999999999999999,\"expires_in_ms\":"
     "1}",
     "", true},
    {"{\"site_id\":\"a\",\"status\":\"HEALTHY\",\"epoch\":1,\"expires_in_ms\":99999999999}",
     "expires_in_ms", true},
    {"{\"site_id\":\"a\",\"status\":\"HEALTHY\",\"epoch\":1,\"expires_in_ms\":\"5\"}",
     "expires_in_ms", true},
    {"{\"site_id\":\"a\",\"status\":\"HEALTHY\",\"epoch\":1,\"expires_in_ms\":5,\"nonce\":\"xyz\"}",
     "nonce", true},
    {"{\"site_id\":\"a\",\"status\":\"HEALTHY\",\"epoch\":1,\"expires_in_ms\":5,\"paused\":1}",
     "paused", true},
    {"{\"site_id\":\"a\",\"status\":\"HEALTHY\",\"epoch\":1,\"expires_in_ms\":5,\"chosen\":1}",
     "chosen", true},
    {"{\"site_id\":\"a\",\"status\":\"HEALTHY\",\"epoch\":1,\"expires_in_ms\":5,\"failsafe\":true}",
     "voters", true},
    {"{\"site_id\":\"a\",\"status\":\"HEALTHY\",\"epoch\":1,\"expires_in_ms\":5,\"failsafe\":true,"
     "\"voters\":[]}",
     "voters", true},
    {"{\"site_id\":\"a\",\"status\":\"HEALTHY\",\"epoch\":1,\"expires_in_ms\":5,\"failsafe\":true,"
     "\"voters\":\"b\"}",
     "voters", true},
    {"{\"site_id\":\"a\",\"status\":\"HEALTHY\",\"epoch\":1,\"expires_in_ms\":5,\"failsafe\":true,"
     "\"voters\":[\"b\",1]}",
     "voters", true},
    {"{\"site_id\":\"a\",\"status\":\"HEALTHY\",\"epoch\":1,\"expires_in_ms\":5,\"failsafe\":true,"
     "\"voters\":[\"B/..\"]}",
     "voters", true},
    {"{\"site_id\":\"a\",\"status\":\"HEALTHY\",\"epoch\":1,\"expires_in_ms\":5,\"failsafe\":true,"
     "\"voters\":[\"a\",\"b\",\"c\",\"d\",\"e\",\"f\",\"g\",\"h\"]}",
     "voters", true},
    {"{\"site_id\":\"a\",\"status\":\"HEALTHY\",\"epoch\":1,\"expires_in_ms\":5,\"failsafe\":1}",
     "failsafe", true},
    {"{\"site_id\":\"a\",\"status\":\"HEALTHY\",\"status\":\"HEALTHY\"}", "status", false},
    {"{\"site_id\":\"a\",\"status\":\"RELEASED\"}", "status", false},
};

START_TEST(test_hostile_is_refused)
{
    struct heartbeat hb, before;
    struct hm_error err = {0};
    memset(&hb, 0x5A, sizeof(hb));
    before = hb;
    ck_assert_int_lt(parse(hostile[_i].text, hostile[_i].is_lease, &hb, &err), 0);
    ck_assert_mem_eq(&hb, &before, sizeof(hb));
    ck_assert_ptr_nonnull(strstr(err.text, hostile[_i].word));
}
END_TEST

START_TEST(test_too_long_is_refused)
{
    size_t len = 600 * 1024;
    char *text = malloc(len);
    memset(text, ' ', len);
    struct heartbeat hb;
    ck_assert_int_eq(heartbeat_parse(text, len, true, &hb, NULL), -HM_E_TOO_LARGE);
    free(text);
}
END_TEST

START_TEST(test_site_names)
{
    struct hb_site s;
    ck_assert(!hb_site_from("", &s));
    ck_assert(!hb_site_from("-a", &s));
    ck_assert(!hb_site_from("a.b", &s));
    struct hb_site a = site("a"), aa = site("aa");
    ck_assert(!hb_site_equal(&a, &aa));
    ck_assert(hb_site_is_set(&a));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("heartbeat");
    TCase *tc = tcase_create("heartbeat");
    tcase_add_test(tc, test_least_release_is_read);
    tcase_add_test(tc, test_lease_reads_back);
    tcase_add_test(tc, test_replica_reads_back);
    tcase_add_test(tc, test_the_longest_fits);
    tcase_add_test(tc, test_newer_agents_are_understood);
    tcase_add_test(tc, test_voters);
    tcase_add_loop_test(tc, test_hostile_is_refused, 0, sizeof(hostile) / sizeof(hostile[0]));
    tcase_add_test(tc, test_too_long_is_refused);
    tcase_add_test(tc, test_site_names);
    suite_add_tcase(suite, tc);
    SRunner *sr = srunner_create(suite);
    srunner_run_all(sr, CK_NORMAL);
    int failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed == 0 ? 0 : 1;
}
