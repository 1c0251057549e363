/* cluster_config: form, ranges, and the timing check with the sum shown. */
#include "proto/cluster_config.h"

#include <check.h>

static int parse(const char *text, struct cluster_config *config, struct hm_error *err)
{
    return cluster_config_parse(text, strlen(text), config, err);
}

#define SITES "\"primary_site_id\":\"site-a\",\"replica_site_id\":\"site-b\""

START_TEST(test_the_example_of_the_adr)
{
    struct cluster_config c;
    ck_assert_int_eq(
        parse("{" SITES ",\"failover_timeout_ms\":5000,\"heartbeat_interval_ms\":1000}", &c, NULL),
        0);
    ck_assert_uint_eq(c.site_count, 2);
    ck_assert_uint_eq(c.failure_threshold, 2);
    ck_assert_uint_eq(c.success_threshold, 2);
    ck_assert_int_eq(c.fence_timeout_ms, 1500);
    ck_assert_int_eq(c.yield_after_ms, 30000);
    ck_assert_int_eq(c.maximum_lag, -1);
    ck_assert(c.yield_to_primary && !c.paused);
    ck_assert_int_eq(cluster_config_fence_start_ms(&c), 3000);
    ck_assert_int_eq(cluster_config_promise_ms(&c), 4753); /* ceil(4750 / 0.9995) */
}
END_TEST

/* "(The ADR's 1000/5000 with n=2 allows fence_timeout up to about 1740 ms.)" */
START_TEST(test_largest_fence_of_the_adr)
{
    struct cluster_config c;
    const char *head = "{" SITES ",\"failover_timeout_ms\":5000,\"heartbeat_interval_ms\":1000,";
    char text[300];
    snprintf(text, sizeof(text), "%s\"fence_timeout_ms\":1737}", head);
    ck_assert_int_eq(parse(text, &c, NULL), 0);
    snprintf(text, sizeof(text), "%s\"fence_timeout_ms\":1738}", head);
    ck_assert_int_lt(parse(text, &c, NULL), 0);
}
END_TEST

START_TEST(test_the_sum_is_shown)
{
    struct hm_error err = {0};
    struct cluster_config c = {.site_count = 0};
    const char *text = "{" SITES ",\"failover_timeout_ms\":3000,\"heartbeat_interval_ms\":750,"
                       "\"failure_threshold\":2,\"fence_timeout_ms\":1750}";
    ck_assert_int_eq(parse(text, &c, &err), -HM_E_INVALID);
    ck_assert_str_eq(err.text, "failover_timeout_ms 3000 is below 4263 = (F 2250 + fence_timeout "
                               "1750 + guardian 250) / 0.9995 + 10");
    ck_assert_uint_eq(c.site_count, 0);
}
END_TEST

START_TEST(test_longest_promise)
{
    struct hm_error err = {0};
    struct cluster_config c;
    const char *text = "{" SITES ",\"failover_timeout_ms\":900000,\"heartbeat_interval_ms\":60000,"
                       "\"failure_threshold\":5}";
    ck_assert_int_lt(parse(text, &c, &err), 0);
    ck_assert_ptr_nonnull(strstr(err.text, "max_promise_ms 150000 is below"));
}
END_TEST

START_TEST(test_demo_timing_is_legal)
{
    struct cluster_config c;
    const char *text = "{" SITES ",\"failover_timeout_ms\":1000,\"heartbeat_interval_ms\":100,"
                       "\"failure_threshold\":3,\"fence_timeout_ms\":300,\"yield_after_ms\":5000}";
    ck_assert_int_eq(parse(text, &c, NULL), 0);
    ck_assert_int_eq(cluster_config_promise_ms(&c), 951);
}
END_TEST

START_TEST(test_ranks)
{
    struct cluster_config c;
    struct hb_site s;
    const char *text = "{\"primary_site_id\":\"a\",\"replica_site_ids\":[\"b\",\"c\"],"
                       "\"failover_timeout_ms\":5000,\"heartbeat_interval_ms\":1000}";
    ck_assert_int_eq(parse(text, &c, NULL), 0);
    ck_assert(hb_site_from("a", &s));
    ck_assert_uint_eq(cluster_config_rank(&c, &s), 1);
    ck_assert(hb_site_from("c", &s));
    ck_assert_uint_eq(cluster_config_rank(&c, &s), 3);
    ck_assert(hb_site_from("d", &s));
    ck_assert_uint_eq(cluster_config_rank(&c, &s), 0);
}
END_TEST

static bool barred(const struct cluster_config *c, const char *name)
{
    struct hb_site s;
    ck_assert(hb_site_from(name, &s));
    return cluster_config_bars(c, &s);
}

START_TEST(test_priority_and_nofailover_of_sites)
{
    struct cluster_config c;
    const char *text =
        "{\"primary_site_id\":\"a\",\"replica_site_ids\":[\"b\",\"c\",\"d\",\"e\"],"
        "\"sites\":[{\"site\":\"d\",\"priority\":200},{\"site\":\"b\",\"priority\":0},"
        "{\"site\":\"c\",\"nofailover\":true}],"
        "\"failover_timeout_ms\":5000,\"heartbeat_interval_ms\":1000}";
    static const char *const order[] = {"a", "d", "c", "e", "b"};
    ck_assert_int_eq(parse(text, &c, NULL), 0);
    ck_assert_uint_eq(c.site_count, 5);
    for (unsigned i = 0; i < 5; i++)
        ck_assert_str_eq(c.sites[i].text, order[i]);
    ck_assert(barred(&c, "c"));
    ck_assert(!barred(&c, "a") && !barred(&c, "b") && !barred(&c, "d") && !barred(&c, "x"));
}
END_TEST

#define TIMES "\"failover_timeout_ms\":5000,\"heartbeat_interval_ms\":1000"

static const struct {
    const char *text, *word;
} wrong[] = {
    {"", "empty"},
    {"{}", "primary_site_id"},
    {"[1]", ""},
    {"{" SITES "," TIMES ",\"heartbeat_intervall_ms\":5}", "heartbeat_interval_ms"},
    {"{" SITES "," TIMES ",\"consistency\":\"AP\"}", "\"AP\" is refused"},
    {"{" SITES "," TIMES ",\"failure_threshold\":0}", "failure_threshold"},
    {"{" SITES "," TIMES ",\"failure_threshold\":1001}", "failure_threshold"},
    {"{" SITES "," TIMES ",\"success_threshold\":\"2\"}", "success_threshold"},
    {"{" SITES "," TIMES ",\"fence_timeout_ms\":120001}", "fence_timeout_ms"},
    {"{" SITES ",\"failover_timeout_ms\":5000,\"heartbeat_interval_ms\":49}",
     "heartbeat_interval_ms"},
    {"{" SITES ",\"failover_timeout_ms\":5000,\"heartbeat_interval_ms\":60001}",
     "heartbeat_interval_ms"},
    {"{" SITES ",\"heartbeat_interval_ms\":1000}", "failover_timeout_ms"},
    {"{\"primary_site_id\":\"a\",\"replica_site_id\":\"a\"," TIMES "}", "twice"},
    {"{\"primary_site_id\":\"a\",\"replica_site_ids\":[\"b\",\"b\"]," TIMES "}", "twice"},
    {"{" SITES ",\"replica_site_ids\":[\"c\",\"site-b\"]," TIMES "}", "replica_site_id"},
    {"{\"primary_site_id\":\"Site A\"," TIMES "}", "primary_site_id"},
    {"{" SITES "," TIMES ",\"failsafe\":true}", "at least two sites"},
    {"{" SITES "," TIMES ",\"failsafe\":true,\"addresses\":{\"site-a\":\"a:1\"}}",
     "addresses has 1"},
    {"{" SITES "," TIMES ",\"addresses\":{\"site-x\":\"a:1\"}}", "\"site-x\" is no site"},
    {"{" SITES "," TIMES ",\"addresses\":{\"Site A\":\"a:1\"}}", "is no site"},
    {"{" SITES "," TIMES ",\"addresses\":{\"site-a\":\"a\"}}", "addresses.site-a"},
    {"{" SITES "," TIMES ",\"addresses\":{\"site-a\":7422}}", "addresses.site-a"},
    {"{" SITES "," TIMES ",\"addresses\":[\"a:1\"]}", "addresses"},
    {"{" SITES "," TIMES ",\"sites\":[{\"site\":\"site-x\"}]}", "\"site-x\" is no site"},
    {"{" SITES "," TIMES ",\"sites\":[{\"site\":\"site-a\",\"priority\":1}]}", "ranks first"},
    {"{" SITES "," TIMES ",\"sites\":[{\"site\":\"site-b\"},{\"site\":\"site-b\"}]}", "site-b"},
    {"{" SITES "," TIMES ",\"sites\":[{\"site\":\"site-b\",\"priority\":1001}]}", "priority"},
    {"{" SITES "," TIMES ",\"sites\":[{\"nofailover\":true}]}", "site"},
};

START_TEST(test_wrong_is_refused)
{
    struct cluster_config c, before;
    struct hm_error err = {0};
    memset(&c, 0x5A, sizeof(c));
    before = c;
    ck_assert_int_lt(parse(wrong[_i].text, &c, &err), 0);
    ck_assert_msg(strstr(err.text, wrong[_i].word) != NULL, "%s", err.text);
    ck_assert_mem_eq(&c, &before, sizeof(c));
}
END_TEST

START_TEST(test_renders_and_reads_back)
{
    struct cluster_config c = {0}, back;
    char text[CLUSTER_CONFIG_TEXT_MAX];
    const char *given = "{\"primary_site_id\":\"a\",\"replica_site_ids\":[\"b\",\"c\"],"
                        "\"paused\":true,\"failsafe\":true,"
                        "\"sites\":[{\"site\":\"c\",\"priority\":101,\"nofailover\":true},"
                        "{\"site\":\"a\",\"nofailover\":true}],"
                        "\"addresses\":{\"a\":\"[::1]:7422\",\"c\":\"c.example.net:1\"},"
                        "\"maximum_lag\":0,\"yield_to_primary\":false," TIMES "}";
    ck_assert_int_eq(parse(given, &c, NULL), 0);
    size_t len = cluster_config_render(&c, text);
    ck_assert_int_eq(cluster_config_parse(text, len, &back, NULL), 0);
    ck_assert_mem_eq(&c, &back, sizeof(c));
}
END_TEST

/* Each differs in one field from the first. */
static const char *const unlike[] = {
    "{" SITES "," TIMES "}",
    "{\"primary_site_id\":\"x\",\"replica_site_id\":\"site-b\"," TIMES "}",
    "{\"primary_site_id\":\"site-a\"," TIMES "}",
    "{" SITES "," TIMES ",\"failure_threshold\":1}",
    "{" SITES "," TIMES ",\"success_threshold\":3}",
    "{" SITES "," TIMES ",\"fence_timeout_ms\":7}",
    "{" SITES "," TIMES ",\"promote_timeout_ms\":700}",
    "{" SITES "," TIMES ",\"max_promise_ms\":140000}",
    "{" SITES "," TIMES ",\"yield_to_primary\":false}",
    "{" SITES "," TIMES ",\"yield_after_ms\":7}",
    "{" SITES "," TIMES ",\"maximum_lag\":7}",
    "{" SITES "," TIMES ",\"paused\":true}",
    "{" SITES "," TIMES ",\"sites\":[{\"site\":\"site-b\",\"nofailover\":true}]}",
    "{" SITES "," TIMES ",\"sites\":[{\"site\":\"site-b\",\"priority\":99}]}",
    "{" SITES "," TIMES ",\"addresses\":{\"site-b\":\"b:1\"}}",
    "{" SITES "," TIMES ",\"addresses\":{\"site-b\":\"b:2\"}}",
    "{" SITES "," TIMES ",\"failsafe\":true,\"addresses\":{\"site-a\":\"a:1\",\"site-b\":\"b:1\"}}",
    "{" SITES ",\"failover_timeout_ms\":5001,\"heartbeat_interval_ms\":1000}",
    "{" SITES ",\"failover_timeout_ms\":5000,\"heartbeat_interval_ms\":999}",
};

START_TEST(test_equal_in_every_field)
{
    struct cluster_config first, same, other;
    memset(&same, 0x5A, sizeof(same));
    ck_assert_int_eq(parse(unlike[0], &first, NULL), 0);
    ck_assert_int_eq(parse(unlike[0], &same, NULL), 0);
    ck_assert(cluster_config_equal(&first, &same));
    for (unsigned i = 1; i < sizeof(unlike) / sizeof(unlike[0]); i++) {
        ck_assert_int_eq(parse(unlike[i], &other, NULL), 0);
        ck_assert_msg(!cluster_config_equal(&first, &other), "%s", unlike[i]);
    }
}
END_TEST

START_TEST(test_warnings)
{
    struct cluster_config c;
    struct hm_error warnings[CLUSTER_WARNINGS_MAX];
    ck_assert_int_eq(parse("{" SITES "," TIMES ",\"failure_threshold\":1}", &c, NULL), 0);
    ck_assert_uint_eq(cluster_config_warnings(&c, false, warnings), 1);
    ck_assert_ptr_nonnull(strstr(warnings[0].text, "failure_threshold 1"));
    ck_assert_uint_eq(cluster_config_warnings(&c, true, warnings), 2);
    ck_assert_ptr_nonnull(strstr(warnings[1].text, "F = 2000 ms"));
    const char *three = "{\"primary_site_id\":\"a\",\"replica_site_ids\":[\"b\",\"c\"]," TIMES ","
                        "\"failsafe\":true,\"addresses\":{\"a\":\"a:1\",\"b\":\"b:1\"}}";
    ck_assert_int_eq(parse(three, &c, NULL), 0);
    ck_assert_uint_eq(cluster_config_warnings(&c, true, warnings), 1);
    ck_assert_ptr_nonnull(strstr(warnings[0].text, "failsafe: c has no address"));
    const char *nobody =
        "{" SITES "," TIMES ",\"sites\":[{\"site\":\"site-a\",\"nofailover\":true},"
        "{\"site\":\"site-b\",\"nofailover\":true}]}";
    ck_assert_int_eq(parse(nobody, &c, NULL), 0);
    ck_assert_uint_eq(cluster_config_warnings(&c, false, warnings), 2);
    ck_assert_ptr_nonnull(strstr(warnings[0].text, "site-a is the preferred primary"));
    ck_assert_ptr_nonnull(strstr(warnings[1].text, "every replica is nofailover"));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("cluster_config");
    TCase *tc = tcase_create("cluster_config");
    tcase_add_test(tc, test_the_example_of_the_adr);
    tcase_add_test(tc, test_largest_fence_of_the_adr);
    tcase_add_test(tc, test_the_sum_is_shown);
    tcase_add_test(tc, test_longest_promise);
    tcase_add_test(tc, test_demo_timing_is_legal);
    tcase_add_test(tc, test_ranks);
    tcase_add_test(tc, test_priority_and_nofailover_of_sites);
    tcase_add_loop_test(tc, test_wrong_is_refused, 0, sizeof(wrong) / sizeof(wrong[0]));
    tcase_add_test(tc, test_renders_and_reads_back);
    tcase_add_test(tc, test_equal_in_every_field);
    tcase_add_test(tc, test_warnings);
    suite_add_tcase(suite, tc);
    SRunner *sr = srunner_create(suite);
    srunner_run_all(sr, CK_NORMAL);
    int failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed == 0 ? 0 : 1;
}
