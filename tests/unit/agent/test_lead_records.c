#include "agent/lead_records.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "base/clock.h"

static struct hb_site site(const char *name)
{
    struct hb_site s = {0};
    ck_assert(hb_site_from(name, &s));
    return s;
}

START_TEST(default_group_has_bare_keys_and_others_a_prefix)
{
    char key[LEAD_KEY_MAX + 1];
    lead_key("default", "primary_heartbeat", key);
    ck_assert_str_eq(key, "primary_heartbeat");
    ck_assert_str_eq(lead_key_name("default", key), "primary_heartbeat");
    lead_key("db", "primary_heartbeat", key);
    ck_assert_str_eq(key, "db.primary_heartbeat");
    ck_assert_str_eq(lead_key_name("db", key), "primary_heartbeat");
    lead_key_filter("db", key);
    ck_assert_str_eq(key, "db.>");
    lead_key_filter("default", key);
    ck_assert_str_eq(key, ">");
}
END_TEST

START_TEST(keys_of_other_groups_are_nobodys)
{
    ck_assert_ptr_null(lead_key_name("db", "db2.primary_heartbeat"));
    ck_assert_ptr_null(lead_key_name("db", "primary_heartbeat"));
    ck_assert_str_ne(lead_key_name("default", "db.primary_heartbeat"), "primary_heartbeat");
}
END_TEST

START_TEST(message_id_names_the_attempt)
{
    char id[LEAD_MESSAGE_ID_MAX];
    struct hb_site writer = site("site-a");
    struct heartbeat record = {.nonce = 0xabcdef, .epoch = 7, .counter = 42};
    lead_message_id(&record, &writer, id);
    ck_assert_str_eq(id, "site-a.0000000000abcdef.7.42");
}
END_TEST

START_TEST(longest_message_id_fits)
{
    char name[HB_SITE_MAX + 1], id[LEAD_MESSAGE_ID_MAX];
    memset(name, 'x', HB_SITE_MAX);
    name[HB_SITE_MAX] = '\0';
    struct hb_site writer = site(name);
    struct heartbeat record = {.nonce = UINT64_MAX, .epoch = HB_EPOCH_MAX, .counter = HB_EPOCH_MAX};
    lead_message_id(&record, &writer, id);
    ck_assert_ptr_nonnull(strstr(id, ".1125899906842624.1125899906842624"));
}
END_TEST

static int64_t number(const json_t *o, const char *name)
{
    return json_integer_value(json_object_get(o, name));
}

static const char *text(const json_t *o, const char *name)
{
    return json_string_value(json_object_get(o, name));
}

START_TEST(incident_keeps_the_evidence)
{
    struct fo_incident incident = {
        .epoch = 8,
        .from_epoch = 7,
        .from = site("site-a"),
        .to = site("site-b"),
        .reason = HB_REASON_STALE,
        .taken_at = 9000 * HM_MS,
        .silence = 1010 * HM_MS,
        .needed = 1000 * HM_MS,
        .count = 2,
        .seen = {{.revision = 5, .counter = 10, .epoch = 7, .arrival = 7000 * HM_MS, .rtt_us = 300},
                 {.revision = 6, .counter = 11, .epoch = 7, .arrival = 7900 * HM_MS, .rtt_us = -1}},
    };
    struct lead_takeover takeover = {
        .gap_ended_ns = 8500 * HM_MS, .gap_ms = 700, .epoch = 8, .serving_ns = 9400 * HM_MS};
    char *raw = lead_incident_text(&incident, &takeover, 9500 * HM_MS, 1700000000500 * HM_MS);
    json_t *o = json_loads(raw, 0, NULL);
    ck_assert_int_eq(number(o, "epoch"), 8);
    ck_assert_str_eq(text(o, "from"), "site-a");
    ck_assert_str_eq(text(o, "reason"), "STALE");
    ck_assert_str_eq(text(o, "taken_at"), "2023-11-14T22:13:20.000Z"); /* half a second ago */
    ck_assert_int_eq(number(o, "silence_ms"), 1010);
    json_t *beats = json_object_get(o, "heartbeats");
    ck_assert_uint_eq(json_array_size(beats), 2);
    ck_assert(json_is_null(json_object_get(json_array_get(beats, 0), "gap_ms")));
    ck_assert_int_eq(number(json_array_get(beats, 1), "gap_ms"), 900);
    ck_assert_int_eq(number(json_array_get(beats, 1), "before_ms"), 1100);
    ck_assert_int_eq(number(json_object_get(o, "own_gap"), "ms"), 700);
    ck_assert_int_eq(number(json_object_get(o, "own_gap"), "before_ms"), 500);
    ck_assert_int_eq(number(o, "serving_ms"), 400);
    json_decref(o);
    free(raw);
}
END_TEST

START_TEST(an_incident_without_an_old_leader_says_null)
{
    struct fo_incident incident = {.epoch = 1, .to = site("site-a")};
    char *raw = lead_incident_text(&incident, &(struct lead_takeover){0}, 0, 0);
    json_t *o = json_loads(raw, 0, NULL);
    ck_assert(json_is_null(json_object_get(o, "from")));
    ck_assert_uint_eq(json_array_size(json_object_get(o, "heartbeats")), 0);
    json_decref(o);
    free(raw);
}
END_TEST

/* It was over before the old leader fell silent: it has nothing to do with it. */
START_TEST(an_incident_leaves_out_an_older_gap)
{
    struct fo_incident incident = {.epoch = 2,
                                   .to = site("site-b"),
                                   .taken_at = 9000 * HM_MS,
                                   .count = 1,
                                   .seen = {{.arrival = 7000 * HM_MS}}};
    struct lead_takeover takeover = {.gap_ended_ns = 6999 * HM_MS, .gap_ms = 700};
    char *raw = lead_incident_text(&incident, &takeover, 9000 * HM_MS, 0);
    json_t *o = json_loads(raw, 0, NULL);
    ck_assert(json_is_null(json_object_get(o, "own_gap")));
    json_decref(o);
    free(raw);
}
END_TEST

START_TEST(an_account_says_what_its_run_saw)
{
    struct lead_account account = {
        .site = site("site-a"),
        .epoch = 7,
        .same_run = true,
        .same_boot = true,
        .reason = HB_REASON_DEADLINE,
        .left_ns = 9000 * HM_MS,
        .acked_ns = 7500 * HM_MS,
        .rtt_us = 31000,
        .attempts = 3,
        .heard_back = 1,
        .heard_back_ns = 800 * HM_MS,
        .late_ns = 5 * HM_MS,
    };
    char *raw = lead_account_text(&account, 9500 * HM_MS, 1700000000500 * HM_MS);
    json_t *o = json_loads(raw, 0, NULL);
    ck_assert_str_eq(text(o, "run"), "same");
    ck_assert_str_eq(text(o, "reason"), "DEADLINE");
    ck_assert_str_eq(text(o, "left_at"), "2023-11-14T22:13:20.000Z"); /* half a second ago */
    ck_assert_int_eq(number(o, "acked_ms"), 1500);
    ck_assert_int_eq(number(o, "attempts"), 3);
    ck_assert_int_eq(number(o, "heard_back_ms"), 800);
    ck_assert(json_is_null(json_object_get(o, "guardian_fired")));
    json_decref(o);
    free(raw);
}
END_TEST

START_TEST(an_account_of_another_run_says_only_what_is_known)
{
    struct lead_account account = {
        .site = site("site-a"), .epoch = 7, .fired = true, .fired_late_ns = 2 * HM_MS};
    char *raw = lead_account_text(&account, 0, 0);
    ck_assert_str_eq(raw, "{\"site_id\":\"site-a\",\"epoch\":7,\"run\":\"new\",\"boot\":\"new\","
                          "\"guardian_fired\":{\"late_ms\":2}}");
    free(raw);
}
END_TEST

START_TEST(cluster_state_says_who_since_when_and_why)
{
    struct hb_site who = site("site-b");
    char *raw = lead_cluster_state_text(&who, 8, HB_REASON_STALE, 1700000000000 * HM_MS);
    ck_assert_str_eq(raw, "{\"current_primary\":\"site-b\",\"epoch\":8,\"since\":"
                          "\"2023-11-14T22:13:20.000Z\",\"reason\":\"the leader was silent\"}");
    free(raw);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("lead_records");
    TCase *t = tcase_create("lead_records");
    tcase_add_test(t, default_group_has_bare_keys_and_others_a_prefix);
    tcase_add_test(t, keys_of_other_groups_are_nobodys);
    tcase_add_test(t, message_id_names_the_attempt);
    tcase_add_test(t, longest_message_id_fits);
    tcase_add_test(t, incident_keeps_the_evidence);
    tcase_add_test(t, an_incident_without_an_old_leader_says_null);
    tcase_add_test(t, an_incident_leaves_out_an_older_gap);
    tcase_add_test(t, an_account_says_what_its_run_saw);
    tcase_add_test(t, an_account_of_another_run_says_only_what_is_known);
    tcase_add_test(t, cluster_state_says_who_since_when_and_why);
    suite_add_tcase(s, t);
    SRunner *sr = srunner_create(s);
    srunner_run_all(sr, CK_NORMAL);
    int failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed != 0;
}
