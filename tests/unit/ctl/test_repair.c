#include "ctl/repair.h"

#include "suite.h"

#define NOW_NS (1795356192LL * 1000000000LL)
#define MS     1000000LL

#define CONFIG                                                                                     \
    "{'primary_site_id':'site-a','replica_site_id':'site-b','failover_timeout_ms':8000,"           \
    "'heartbeat_interval_ms':1000,'failure_threshold':3,'fence_timeout_ms':2000}"

static void put_lease(struct entries *last, const char *status, int epoch, int64_t ago_ms)
{
    HM_AUTOFREE char *text =
        strcmp(status, "RELEASED") == 0
            ? hm_printf("{'site_id':null,'status':'RELEASED','epoch':%d,'next':'site-a'}", epoch)
            : hm_printf("{'site_id':'site-a','status':'%s','epoch':%d,'expires_in_ms':6254}",
                        status, epoch);
    put_entry(last, "primary_heartbeat", text, 90, NOW_NS - ago_ms * MS);
}

static void put_replica(struct entries *last, const char *site, int generation, int epoch,
                        int seen_epoch)
{
    HM_AUTOFREE char *key = hm_printf("replica_heartbeat.%s", site);
    HM_AUTOFREE char *text =
        hm_printf("{'site_id':'%s','status':'HEALTHY','generation':%d,'epoch':%d,'seen_epoch':%d}",
                  site, generation, epoch, seen_epoch);
    put_entry(last, key, text, 91, NOW_NS - 200 * MS);
}

static void put_agent(struct entries *status, const char *site, const char *failover)
{
    HM_AUTOFREE char *key = hm_printf("%s.agent", site);
    HM_AUTOFREE char *text = hm_printf("{'site':'%s','failover':%s}", site, failover);
    put_entry(status, key, text, 5, NOW_NS);
}

static struct repair looked(struct entries *last, struct entries *status)
{
    struct repair r;
    entries_keep_last(last);
    entries_keep_last(status);
    repair_look(last, status, "default", NULL, last->count > 0, NOW_NS, &r);
    entries_clear(last);
    entries_clear(status);
    return r;
}

START_TEST(lease_as_new_as_all_that_was_seen_needs_nothing)
{
    struct entries last = {0}, status = {0};
    put_entry(&last, "cluster_config", CONFIG, 3, NOW_NS);
    put_lease(&last, "HEALTHY", 7, 300);
    put_replica(&last, "site-b", 0, 7, 9); /* 9 was only claimed */
    struct repair r = looked(&last, &status);
    ck_assert_int_eq(repair_verdict(&r), REPAIR_NOT_NEEDED);
    ck_assert(repair_is_live(&r));
    ck_assert_uint_eq(r.epoch, 9);
}
END_TEST

START_TEST(lease_below_what_a_site_has_seen_needs_it)
{
    static const struct hb_site nobody;
    struct entries last = {0}, status = {0};
    struct heartbeat record;
    put_entry(&last, "cluster_config", CONFIG, 3, NOW_NS);
    put_lease(&last, "RELEASED", 6, 90000);
    put_replica(&last, "site-b", 0, 7, 8);
    struct repair r = looked(&last, &status);
    ck_assert_int_eq(repair_verdict(&r), REPAIR_NEEDED);
    ck_assert(!repair_is_live(&r));
    ck_assert_int_eq(r.promise_ms, 6254); /* of the configuration */
    ck_assert_int_eq(repair_wait_ms(&r),
                     6254 + 4 + 3000); /* drift, and 3T until all have noticed */
    repair_record(&r, &nobody, 17, &record);
    ck_assert_uint_eq(record.generation, 1);
    ck_assert_uint_eq(record.epoch, 8);
    ck_assert_int_eq(record.status, HB_RELEASED);
    ck_assert_int_eq(record.reason, HB_REASON_OPERATOR);
    ck_assert(!hb_site_is_set(&record.next));
}
END_TEST

/* The generation exceeds that of whoever has seen most, and the epoch all numbers. */
START_TEST(generation_exceeds_all)
{
    static const struct hb_site nobody;
    struct entries last = {0}, status = {0};
    struct heartbeat record;
    put_lease(&last, "RELEASED", 60, 90000);
    put_replica(&last, "site-b", 2, 7, 7);
    put_agent(&status, "site-a", "{'group':'default','generation':3,'seen_epoch':1,'epoch':4}");
    struct repair r = looked(&last, &status);
    ck_assert_int_eq(repair_verdict(&r), REPAIR_NEEDED);
    repair_record(&r, &nobody, 17, &record);
    ck_assert_uint_eq(record.generation, 4);
    ck_assert_uint_eq(record.epoch, 60);
}
END_TEST

START_TEST(missing_bucket_with_a_witness_needs_it)
{
    struct entries last = {0}, status = {0};
    put_agent(&status, "site-b",
              "{'group':'default','generation':0,'seen_epoch':7,'epoch':7,'serving':false,"
              "'config':{'promise_ms':30000,'paused':false}}");
    put_agent(&status, "site-c", "{'group':'other','generation':9,'seen_epoch':9,'epoch':9}");
    struct repair r = looked(&last, &status);
    ck_assert_int_eq(repair_verdict(&r), REPAIR_NEEDED);
    ck_assert_uint_eq(r.site_count, 1);
    ck_assert_uint_eq(r.highest.epoch, 7);
    ck_assert_int_eq(r.promise_ms, 30000);
    ck_assert_uint_eq(r.revision, 0);
}
END_TEST

/* The record that follows it would be one that nobody can read. */
START_TEST(an_era_that_none_can_be_is_not_known)
{
    struct entries last = {0}, status = {0};
    struct heartbeat record, again;
    struct hb_site next = {"site-a"};
    char text[HB_TEXT_MAX];
    put_agent(&status, "site-a", "{'group':'default','generation':-1,'seen_epoch':7,'epoch':-3}");
    put_agent(&status, "site-b",
              "{'group':'default','generation':9223372036854775807,'seen_epoch':2e15,'epoch':8}");
    struct repair r = looked(&last, &status);
    repair_record(&r, &next, 0, &record);
    ck_assert_uint_eq(record.generation, 1);
    ck_assert_uint_eq(record.epoch, 8);
    size_t len = heartbeat_render(&record, true, text);
    ck_assert_int_eq(heartbeat_parse(text, len, true, &again, NULL), 0);
}
END_TEST

START_TEST(a_promise_that_none_can_be_is_waited_for_as_the_longest)
{
    struct entries last = {0}, status = {0};
    put_agent(
        &status, "site-b",
        "{'group':'default','seen_epoch':7,'epoch':7,'config':{'promise_ms':9223372036854775807}}");
    struct repair r = looked(&last, &status);
    ck_assert_int_eq(r.promise_ms, HB_PROMISE_MAX_MS);
    ck_assert_int_ge(repair_wait_ms(&r), HB_PROMISE_MAX_MS);
}
END_TEST

START_TEST(group_that_nobody_knows_is_made_by_init)
{
    struct entries last = {0}, status = {0};
    struct repair r = looked(&last, &status);
    ck_assert_int_eq(repair_verdict(&r), REPAIR_FIRST_TIME);
}
END_TEST

START_TEST(deleted_or_damaged_lease_needs_it)
{
    for (int i = 0; i < 2; i++) {
        struct entries last = {0}, status = {0};
        put_entry(&last, "primary_heartbeat", i == 0 ? NULL : "{'epoch':", 90, NOW_NS);
        struct repair r = looked(&last, &status);
        ck_assert_int_eq(repair_verdict(&r), REPAIR_NEEDED);
        ck_assert(!r.has_lease);
        ck_assert_uint_eq(r.revision, 90); /* what the write has to expect */
    }
}
END_TEST

START_TEST(lease_is_live_until_its_promise_is_over)
{
    static const struct {
        const char *status;
        int64_t ago_ms;
        bool live;
    } cases[] = {
        {"HEALTHY", 6254, true},
        {"HEALTHY", 6255, false},
        {"DEGRADED", 100, true},
        {"RELEASED", 100, false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct entries last = {0}, status = {0};
        put_lease(&last, cases[i].status, 6, cases[i].ago_ms);
        struct repair r = looked(&last, &status);
        ck_assert_int_eq(repair_is_live(&r), cases[i].live);
    }
}
END_TEST

START_TEST(leader_under_a_pause_is_named)
{
    struct entries last = {0}, status = {0};
    put_agent(&status, "site-b",
              "{'group':'default','epoch':7,'serving':true,'config':{'paused':true}}");
    struct repair r = looked(&last, &status);
    const struct repair_site *s = repair_paused_leader(&r);
    ck_assert_ptr_nonnull(s);
    ck_assert_str_eq(s->site.text, "site-b");
    put_agent(&status, "site-b",
              "{'group':'default','epoch':7,'serving':true,'config':{'paused':false}}");
    r = looked(&last, &status);
    ck_assert_ptr_null(repair_paused_leader(&r));
}
END_TEST

/* site-a served when its agent last said so; is site-b heard now? */
static struct repair away(bool failsafe, bool other_is_heard)
{
    struct entries last = {0}, status = {0};
    HM_AUTOFREE char *said =
        hm_printf("{'group':'default','epoch':7,'serving':true,'failsafe':{'on':%s}}",
                  failsafe ? "true" : "false");
    put_entry(&last, "cluster_config", CONFIG, 3, NOW_NS);
    put_agent(&status, "site-a", said);
    put_agent(&status, "site-b", "{'group':'default','epoch':7,'serving':false}");
    if (other_is_heard)
        put_replica(&last, "site-b", 0, 7, 7);
    return looked(&last, &status);
}

/* The others consent as long as they do not see that the store has lost something; one that is heard does. */
START_TEST(leader_by_consent_is_named)
{
    struct repair r = away(true, false);
    const struct repair_site *s = repair_consented_leader(&r);
    ck_assert_ptr_nonnull(s);
    ck_assert_str_eq(s->site.text, "site-a");
    r = away(true, true);
    ck_assert_ptr_null(repair_consented_leader(&r));
    r = away(false, false);
    ck_assert_ptr_null(repair_consented_leader(&r));
}
END_TEST

START_TEST(says_what_is_known)
{
    struct entries last = {0}, status = {0};
    struct hm_buf out = {0};
    put_lease(&last, "RELEASED", 6, 47000);
    put_replica(&last, "site-b", 1, 7, 8);
    put_agent(&status, "site-a", "{'group':'default','seen_epoch':5,'epoch':5,'serving':true}");
    struct repair r = looked(&last, &status);
    repair_render(&r, "default", &out);
    char *text = hm_buf_steal(&out);
    ck_assert_ptr_nonnull(strstr(text, "cluster_config     missing"));
    ck_assert_ptr_nonnull(strstr(text, "rev 90, written 47 s ago: nobody leads, epoch 6\n"));
    ck_assert_ptr_nonnull(
        strstr(text, "site-b             has seen epoch 7 of generation 1, heard 0.2 s ago\n"));
    ck_assert_ptr_nonnull(strstr(text, "site-a             has seen epoch 5, by its agent's last "
                                       "status; served when its agent last said so\n"));
    free(text);
    json_t *json = repair_json(&r, "default");
    ck_assert(json_is_false(json_object_get(json, "cluster_config")));
    ck_assert_uint_eq(json_array_size(json_object_get(json, "sites")), 2);
    json_decref(json);
}
END_TEST

RUN_SUITE("repair", lease_as_new_as_all_that_was_seen_needs_nothing,
          lease_below_what_a_site_has_seen_needs_it, generation_exceeds_all,
          missing_bucket_with_a_witness_needs_it, an_era_that_none_can_be_is_not_known,
          a_promise_that_none_can_be_is_waited_for_as_the_longest,
          group_that_nobody_knows_is_made_by_init, deleted_or_damaged_lease_needs_it,
          lease_is_live_until_its_promise_is_over, leader_under_a_pause_is_named,
          leader_by_consent_is_named, says_what_is_known)
