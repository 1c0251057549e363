#include "ctl/timeline.h"

#include <stdio.h>

#include "suite.h"

/* 2026-11-22T14:03:00Z */
#define START_NS (1795356180LL * 1000000000LL)
#define MS       1000000LL

struct recording {
    struct entries entries;
    uint64_t revision;
};

static void record(struct recording *r, const char *key, const char *value, int64_t at_ms)
{
    put_entry(&r->entries, key, value, ++r->revision, START_NS + at_ms * MS);
}

struct beat {
    const char *site, *role;
    int epoch, rtt_us, failures;
};

static void lease(struct recording *r, struct beat b, int64_t at_ms, const char *reason)
{
    char value[512];
    snprintf(value, sizeof value,
             "{'site_id':'%s','status':'HEALTHY','role':'%s','epoch':%d,'counter':%d,'rtt_us':%d,"
             "'failures':%d,'interval_ms':1000,'expires_in_ms':4600,'reason':'%s','timestamp':1}",
             b.site, b.role, b.epoch, (int)r->revision, b.rtt_us, b.failures, reason);
    record(r, "primary_heartbeat", value, at_ms);
}

static void replica(struct recording *r, const char *site, int rtt_us, int64_t at_ms)
{
    char key[64], value[512];
    snprintf(key, sizeof key, "replica_heartbeat.%s", site);
    snprintf(
        value, sizeof value,
        "{'site_id':'%s','status':'HEALTHY','role':'replica','epoch':6,'counter':%d,'rtt_us':%d,"
        "'interval_ms':1000,'fit':true,'timestamp':1}",
        site, (int)r->revision, rtt_us);
    record(r, key, value, at_ms);
}

static char *told(const struct recording *r, int64_t from_ns)
{
    struct timeline t;
    struct hm_buf out = {0};
    timeline_make(&r->entries, "default", &t);
    timeline_render(&t, "default", from_ns, false, &out);
    timeline_clear(&t);
    return hm_buf_steal(&out);
}

/* A power cut of the leader, seen by the replica. */
static void record_power_cut(struct recording *r)
{
    for (int i = 0; i <= 7; i++) {
        lease(r, (struct beat){"site-a", "leader", 6, 30000 + i * 500, 0}, 5400 + i * 1000,
              "STALE");
        replica(r, "site-b", 80000 + i * 1000, 5900 + i * 1000);
    }
    for (int i = 8; i <= 14; i++)
        replica(r, "site-b", 90000, 5900 + i * 1000);
    lease(r, (struct beat){"site-b", "promoting", 7, -1, 0}, 20500, "STALE");
    lease(r, (struct beat){"site-b", "leader", 7, 81000, 0}, 20900, "STALE");
    lease(r, (struct beat){"site-b", "leader", 7, 82000, 0}, 21900, "STALE");
}

START_TEST(tells_a_power_cut)
{
    struct recording r = {0};
    record_power_cut(&r);
    char *text = told(&r, 0);
    ck_assert_str_eq(
        text,
        "group default    26 records\n"
        "2026-11-22 (UTC)\n"
        "  14:03:05.4 - 14:03:12.4  site-a  leads, epoch 6: 8 heartbeats every 1.00 s, rtt 30-34 "
        "ms, no "
        "failures\n"
        "  14:03:05.9 - 14:03:19.9  site-b  replica: 15 heartbeats every 1.00 s, rtt 80-90 ms\n"
        "  14:03:12.4 - 14:03:20.5  site-a  no heartbeat for 8.10 s\n"
        "  14:03:20.5               site-b  promotes: epoch 6 -> 7, after site-a (the leader was "
        "silent; "
        "revision 24)\n"
        "  14:03:20.5               site-b  holds the lease, promoting, epoch 7: 1 heartbeat, no "
        "failures\n"
        "  14:03:20.9               site-b  serves, epoch 7, 8.50 s after the last heartbeat of "
        "the "
        "leader "
        "before\n"
        "  14:03:20.9 - 14:03:21.9  site-b  leads, epoch 7: 2 heartbeats every 1.00 s, rtt 81-82 "
        "ms, no "
        "failures\n");
    free(text);
    entries_clear(&r.entries);
}
END_TEST

START_TEST(tells_a_handover)
{
    struct recording r = {0};
    struct timeline t;
    record(&r, "primary_heartbeat",
           "{'site_id':null,'status':'RELEASED','epoch':0,'next':'site-a'}", 0);
    lease(&r, (struct beat){"site-a", "leader", 1, 1000, 0}, 500, "RELEASED_TO");
    record(&r, "primary_heartbeat",
           "{'site_id':null,'status':'RELEASED','epoch':1,'next':'site-b','reason':'YIELD'}", 1500);
    lease(&r, (struct beat){"site-b", "leader", 2, 1000, 0}, 1700, "RELEASED_TO");
    timeline_make(&r.entries, "default", &t);
    static const enum tl_type expected[] = {TL_RELEASE, TL_PROMOTION, TL_SERVING, TL_LEADING,
                                            TL_RELEASE, TL_PROMOTION, TL_SERVING, TL_LEADING};
    ck_assert_uint_eq(t.count, HM_COUNT(expected));
    for (size_t i = 0; i < t.count; i++)
        ck_assert_int_eq(t.items[i].type, expected[i]);
    ck_assert(!hb_site_is_set(&t.items[0].site));
    ck_assert_str_eq(t.items[4].site.text, "site-a");
    ck_assert_str_eq(t.items[4].other.text, "site-b");
    ck_assert_int_eq(t.items[4].reason, HB_REASON_YIELD);
    ck_assert_int_eq(t.items[6].since_last_ns, 1200 * MS);
    timeline_clear(&t);
    entries_clear(&r.entries);
}
END_TEST

START_TEST(a_late_heartbeat_is_a_gap)
{
    struct recording r = {0};
    struct timeline t;
    struct beat b = {"site-a", "leader", 3, 1000, 0};
    lease(&r, b, 0, "STALE");
    lease(&r, b, 1900, "STALE"); /* one lost: within two intervals */
    lease(&r, b, 4000, "STALE"); /* more than two */
    timeline_make(&r.entries, "default", &t);
    ck_assert_uint_eq(t.count, 3);
    ck_assert_int_eq(t.items[0].type, TL_LEADING);
    ck_assert_uint_eq(t.items[0].beats, 2);
    ck_assert_int_eq(t.items[1].type, TL_GAP);
    ck_assert_int_eq(t.items[1].to_ns - t.items[1].from_ns, 2100 * MS);
    ck_assert_int_eq(t.items[2].type, TL_LEADING);
    timeline_clear(&t);
    entries_clear(&r.entries);
}
END_TEST

START_TEST(a_leader_owes_no_replica_heartbeats)
{
    struct recording r = {0};
    struct timeline t;
    replica(&r, "site-a", 1000, 0);
    for (int i = 1; i < 6; i++)
        lease(&r,
              (struct beat){"site-a",
                            i == 1   ? "claiming"
                            : i == 2 ? "promoting"
                                     : "leader",
                            3, 1000, 0},
              i * 1000, "STALE");
    replica(&r, "site-a", 1000, 6000);
    replica(&r, "site-a", 1000, 7000);
    timeline_make(&r.entries, "default", &t);
    static const enum tl_type expected[] = {TL_STANDING_BY, TL_LEADING, TL_SERVING, TL_LEADING,
                                            TL_STANDING_BY};
    ck_assert_uint_eq(t.count, HM_COUNT(expected));
    for (size_t i = 0; i < t.count; i++)
        ck_assert_int_eq(t.items[i].type, expected[i]);
    ck_assert_uint_eq(t.items[1].beats, 2);
    timeline_clear(&t);
    entries_clear(&r.entries);
}
END_TEST

START_TEST(failures_break_a_run)
{
    struct recording r = {0};
    struct timeline t;
    for (int i = 0; i < 6; i++)
        lease(&r, (struct beat){"site-a", "leader", 3, 1000, i == 2 || i == 3 ? i - 1 : 0},
              i * 1000, "STALE");
    timeline_make(&r.entries, "default", &t);
    ck_assert_uint_eq(t.count, 3);
    ck_assert_uint_eq(t.items[1].failures, 2);
    ck_assert_uint_eq(t.items[1].beats, 2);
    timeline_clear(&t);
    entries_clear(&r.entries);
}
END_TEST

START_TEST(tells_changes_of_the_configuration)
{
    struct recording r = {0};
    record(&r, "cluster_config", "{'failover_timeout_ms':5000}", 0);
    record(&r, "cluster_config", "{'failover_timeout_ms':8000}", 1000);
    char *text = told(&r, START_NS + 1);
    ck_assert_str_eq(
        text, "group default    2 records\n"
              "2026-11-22 (UTC)\n"
              "  14:03:01.0                 cluster_config rev 2: failover_timeout_ms 5000 -> "
              "8000\n");
    free(text);
    entries_clear(&r.entries);
}
END_TEST

START_TEST(survives_what_others_write)
{
    struct recording r = {0};
    record(&r, "primary_heartbeat", "nonsense \033[2J", 0);
    record(&r, "primary_heartbeat", NULL, 100);
    record(&r, "cluster_config", "[]", 200);
    record(&r, "replica_heartbeat.site-b", "{'site_id':'site-c'}", 300);
    record(&r, "replica_heartbeat.\033x", "{}", 400);
    record(&r, "incident.4", "5", 500);
    record(&r, "blue.primary_heartbeat", "{}", 600);
    char *text = told(&r, 0);
    ck_assert_ptr_nonnull(strstr(text, "6 records"));
    ck_assert_ptr_nonnull(strstr(text, "primary_heartbeat can't be read"));
    ck_assert_ptr_nonnull(strstr(text, "primary_heartbeat was deleted"));
    for (const char *c = text; *c; c++)
        ck_assert(*c == '\n' || (unsigned char)*c >= 0x20);
    free(text);
    entries_clear(&r.entries);
}
END_TEST

START_TEST(gives_the_same_as_json)
{
    struct recording r = {0};
    struct timeline t;
    record_power_cut(&r);
    timeline_make(&r.entries, "default", &t);
    json_t *json = timeline_json(&t, "default", 0);
    json_t *items = json_object_get(json, "items");
    ck_assert_uint_eq(json_array_size(items), 7);
    json_t *promotion = json_array_get(items, 3), *serving = json_array_get(items, 5);
    ck_assert_str_eq(json_string_value(json_object_get(promotion, "type")), "promotion");
    ck_assert_str_eq(json_string_value(json_object_get(promotion, "after")), "site-a");
    ck_assert_str_eq(json_string_value(json_object_get(promotion, "from")),
                     "2026-11-22T14:03:20.500Z");
    ck_assert_int_eq(json_integer_value(json_object_get(serving, "since_last_heartbeat_ms")), 8500);
    json_decref(json);
    timeline_clear(&t);
    entries_clear(&r.entries);
}
END_TEST

START_TEST(tells_what_a_person_did)
{
    struct recording r = {0};
    record(&r, "operator", "{'action':'pause','by':'anna@hv1','reason':'NATS upgrade'}", 0);
    record(&r, "operator", "{'action':'resume','by':'anna@hv1'}", 1000);
    record(&r, "operator", "no JSON", 2000);
    HM_AUTOFREE char *text = told(&r, 0);
    ck_assert_ptr_nonnull(strstr(text, "pause by anna@hv1: NATS upgrade\n"));
    ck_assert_ptr_nonnull(strstr(text, "resume by anna@hv1\n"));
    entries_clear(&r.entries);
}
END_TEST

START_TEST(tells_what_was_asked_for_and_what_became_of_it)
{
    struct recording r = {0};
    record(&r, "request",
           "{'action':'switchover','site':'site-b','state':'asked','by':'ann','reason':'disks'}",
           0);
    record(&r, "request",
           "{'action':'switchover','site':'site-b','state':'refused','by':'ann','reason':'disks',"
           "'answered_by':'site-a','text':'it is not fit'}",
           1000);
    record(&r, "request", "{'action':'dance'}", 2000);
    HM_AUTOFREE char *text = told(&r, 0);
    ck_assert_ptr_nonnull(strstr(text, "switchover to site-b, by ann: disks\n"));
    ck_assert_ptr_nonnull(
        strstr(text, "refused (switchover to site-b, by ann: disks): it is not fit\n"));
    ck_assert_ptr_nonnull(strstr(text, "request can't be read"));
    entries_clear(&r.entries);
}
END_TEST

RUN_SUITE("timeline", tells_what_a_person_did, tells_what_was_asked_for_and_what_became_of_it,
          a_leader_owes_no_replica_heartbeats, tells_a_power_cut, tells_a_handover,
          a_late_heartbeat_is_a_gap, failures_break_a_run, tells_changes_of_the_configuration,
          survives_what_others_write, gives_the_same_as_json)
