/* What operators ask for, and what they are answered; also when two words cross. */
#include "lead_fixture.h"

#include <inttypes.h>

#include "agent/lead_internal.h"

static void ask(const char *by, const char *fields)
{
    char text[512];
    snprintf(text, sizeof text, "{\"by\":\"%s\",%s}", by, fields);
    fake_bus_put_text("request", text);
}

#define SWITCHOVER "\"action\":\"switchover\",\"state\":\"asked\","
#define PROMOTE    "\"action\":\"promote\",\"state\":\"asked\",\"site\":\"site-a\","
#define TO_SITE_A  SWITCHOVER "\"site\":\"site-a\""
#define TO_SITE_B  SWITCHOVER "\"site\":\"site-b\""
#define TO_NOBODY  SWITCHOVER "\"site\":\"site-z\"" /* refused at once */
#define LATER      TO_SITE_B ",\"at\":\"2199-01-01T00:00:00.000Z\""

static struct failover_request last_word(void)
{
    struct failover_request r;
    struct hm_error err;
    const struct fake_entry *e = fake_bus_last("request");
    ck_assert_msg(failover_request_parse(e->value, strlen(e->value), &r, &err) >= 0, "%s",
                  err.text);
    return r;
}

static bool is_answered(void)
{
    return last_word().state != REQUEST_ASKED;
}

static void until_it_leads(void)
{
    init_group();
    lead_start(lead);
    ck_assert(wait_for(leads));
}

static void until_answered(const char *by, enum failover_request_state state)
{
    ck_assert(wait_for(is_answered));
    struct failover_request r = last_word();
    ck_assert_str_eq(r.by, by);
    ck_assert_msg(r.state == state, "%s: %s", failover_request_state_name(r.state), r.text);
    ck_assert_str_eq(r.answered_by.text, "site-a");
}

/* Whose request is open, by the status; "": none is. */
static const char *open_is_of(void)
{
    static char by[FAILOVER_BY_MAX + 1];
    json_t *status = lead_request_status(lead);
    const char *text = json_string_value(json_object_get(status, "by"));
    snprintf(by, sizeof by, "%s", text ? text : "");
    json_decref(status);
    return by;
}

/* -- Answers ------------------------------------------------------------------------------- */

/* Heard again and again, and able to lead. */
static void site_b_beats(void)
{
    static int64_t last;
    char text[512];
    if (hm_boottime_ns() - last < 20 * HM_MS)
        return;
    last = hm_boottime_ns();
    snprintf(text, sizeof text,
             "{\"site_id\":\"site-b\",\"status\":\"HEALTHY\",\"epoch\":1,\"counter\":%u,"
             "\"nonce\":\"00000000000000b1\",\"expires_in_ms\":1000,\"interval_ms\":50,"
             "\"fit\":true}",
             fake_bus.count + 1);
    fake_bus_put_text("replica_heartbeat.site-b", text);
}

static bool site_b_is_ready(void)
{
    struct lead_numbers numbers;
    site_b_beats();
    lead_numbers(lead, &numbers);
    return numbers.peers[0].ready;
}

static bool is_answered_while_b_beats(void)
{
    site_b_beats();
    return is_answered();
}

START_TEST(switchover_that_begins_is_answered_before_the_workload_has_stopped)
{
    until_it_leads();
    ck_assert(wait_for(site_b_is_ready));
    fake.hold_stop = true;
    int stops = fake.stops;
    ask("ann", TO_SITE_B);
    ck_assert(wait_for(is_answered_while_b_beats));
    until_answered("ann", REQUEST_BEGUN);
    ck_assert_str_eq(open_is_of(), "ann");
    ck_assert_int_eq(fake.stops, stops + 1);
    fake.stop_done(fake.stop_arg, NULL);
}
END_TEST

START_TEST(switchover_to_a_site_that_is_not_heard_is_refused)
{
    until_it_leads();
    ask("ann", TO_SITE_B);
    until_answered("ann", REQUEST_REFUSED);
    ck_assert_str_eq(last_word().text, fo_refusal_text(FO_REFUSED_NOT_HEARD));
    ck_assert_str_eq(open_is_of(), "");
    ck_assert(leads());
}
END_TEST

/* The loop has no turn for longer than site-b may be silent. */
static void stand_still(void)
{
    int64_t until = hm_boottime_ns() + 6 * HEARTBEAT_MS * HM_MS;
    while (hm_boottime_ns() < until)
        continue;
}

START_TEST(a_leader_that_stood_still_listens_before_it_refuses)
{
    until_it_leads();
    ck_assert(wait_for(site_b_is_ready));
    ask("ann", TO_SITE_B);
    stand_still();
    ck_assert(wait_for(is_answered_while_b_beats));
    ck_assert_msg(last_word().state != REQUEST_REFUSED, "%s", last_word().text);
}
END_TEST

START_TEST(a_leader_that_stood_still_refuses_a_site_that_stays_silent)
{
    until_it_leads();
    ck_assert(wait_for(site_b_is_ready));
    ask("ann", TO_SITE_B);
    stand_still();
    until_answered("ann", REQUEST_REFUSED);
    ck_assert_str_eq(last_word().text, fo_refusal_text(FO_REFUSED_NOT_HEARD));
}
END_TEST

START_TEST(switchover_to_whoever_leads_is_done)
{
    until_it_leads();
    ask("ann", "\"action\":\"switchover\",\"site\":\"site-a\",\"state\":\"begun\","
               "\"answered_by\":\"site-b\"");
    fake_bus_deliver();
    until_answered("ann", REQUEST_DONE);
    ck_assert_str_eq(last_word().text, "site-a leads in epoch 1");
}
END_TEST

START_TEST(planned_one_waits_and_can_be_withdrawn)
{
    until_it_leads();
    ask("ann", LATER);
    fake_bus_deliver();
    ck_assert_str_eq(open_is_of(), "ann");
    ck_assert(!is_answered());
    ask("ann", "\"action\":\"switchover\",\"site\":\"site-b\",\"state\":\"cancelled\"");
    fake_bus_deliver();
    ck_assert_str_eq(open_is_of(), "");
}
END_TEST

START_TEST(promotion_that_was_asked_of_another_run_is_refused)
{
    until_it_leads();
    ask("ann", PROMOTE "\"run\":\"1\",\"counter\":1");
    until_answered("ann", REQUEST_REFUSED);
    ck_assert_ptr_nonnull(strstr(last_word().text, "an earlier run"));
}
END_TEST

START_TEST(own_answer_is_known_before_the_watch_tells_it)
{
    until_it_leads();
    ask("ann", TO_SITE_A);
    fake_bus_give_entries();
    fake_bus_answer();
    ck_assert_str_eq(open_is_of(), "");
    until_answered("ann", REQUEST_DONE);
    uint64_t revision = fake_bus_last("request")->revision;
    patience_end = hm_boottime_ns() + 200 * HM_MS;
    ck_assert(wait_for(patience_is_over));
    ck_assert_uint_eq(fake_bus_last("request")->revision, revision);
}
END_TEST

START_TEST(answer_that_was_not_stored_is_sent_again)
{
    until_it_leads();
    fake_bus.refuses_writes = true;
    ask("ann", TO_SITE_A);
    fake_bus_give_entries();
    fake_bus.refuses_writes = false;
    ck_assert(!is_answered());
    until_answered("ann", REQUEST_DONE);
}
END_TEST

/* -- Words that cross ------------------------------------------------------------------------- */

/* The watch is ahead: it tells the answer, and bob's word upon it, before the answer is known to be stored. */
START_TEST(stored_answer_does_not_hide_the_next_word)
{
    until_it_leads();
    fake_bus_answer();
    ask("ann", TO_NOBODY);
    fake_bus_give_entries();
    ck_assert_int_eq(last_word().state, REQUEST_REFUSED);
    ask("bob", TO_SITE_A);
    fake_bus_give_entries();
    ck_assert(!is_answered()); /* one at a time */
    fake_bus_answer();
    until_answered("bob", REQUEST_DONE);
}
END_TEST

/* Bob's word comes while the answer to ann is lost: it is not put over his. */
START_TEST(lost_answer_is_not_put_over_the_next_word)
{
    until_it_leads();
    fake_bus_answer();
    fake_bus.refuses_writes = true;
    ask("ann", TO_NOBODY);
    fake_bus_give_entries();
    fake_bus.refuses_writes = false;
    ck_assert(!is_answered());
    ask("bob", TO_SITE_A);
    fake_bus_give_entries();
    fake_bus_answer();
    until_answered("bob", REQUEST_DONE);
}
END_TEST

/* Its answer is known to be stored, and not given yet, when a watch that is made anew gives the word again. */
START_TEST(word_that_is_given_again_is_answered_once)
{
    until_it_leads();
    fake_bus_answer();
    ask("ann", TO_SITE_A);
    unsigned word = fake_bus.count - 1;
    fake_bus_give_entries();
    fake_bus_answer();
    uint64_t answered = fake_bus_last("request")->revision;
    fake_bus_give(&fake_bus.log[word]);
    ck_assert_str_eq(open_is_of(), "");
    fake_bus_deliver();
    ck_assert_uint_eq(fake_bus_last("request")->revision, answered);
}
END_TEST

/* -- Another bucket --------------------------------------------------------------------------- */

/* Deleted and made anew, empty; the watch begins again. */
static void renew_bucket(void)
{
    for (unsigned i = 0; i < fake_bus.count; i++) {
        free(fake_bus.log[i].key);
        free(fake_bus.log[i].value);
    }
    fake_bus.count = fake_bus.watched = 0;
    fake_bus.bucket.created_ns = hm_wall_ns();
}

static void until_a_planned_one_is_known(void)
{
    until_it_leads();
    ask("ann", LATER);
    fake_bus_deliver();
    ck_assert_str_eq(open_is_of(), "ann");
}

START_TEST(request_is_gone_with_its_bucket)
{
    until_a_planned_one_is_known();
    renew_bucket();
    lead_check_store(lead);
    ck_assert_str_eq(open_is_of(), "");
}
END_TEST

START_TEST(request_is_gone_with_its_bucket_however_far_the_new_one_is)
{
    until_a_planned_one_is_known();
    uint64_t revision = fake_bus_last("request")->revision;
    renew_bucket();
    while (fake_bus.count <= revision)
        fake_bus_put_text("replica_heartbeat.site-b", "{}");
    lead_check_store(lead);
    ck_assert_str_eq(open_is_of(), "");
}
END_TEST

START_TEST(request_in_a_new_bucket_is_looked_at_whatever_its_revision)
{
    until_a_planned_one_is_known();
    renew_bucket();
    ask("bob", LATER);
    fake_bus_give_entries();
    ck_assert_str_eq(open_is_of(), "bob");
    lead_check_store(lead); /* the watch was first */
    ck_assert_str_eq(open_is_of(), "bob");
}
END_TEST

START_TEST(request_stays_while_its_bucket_does)
{
    until_a_planned_one_is_known();
    lead_check_store(lead);
    ck_assert_str_eq(open_is_of(), "ann");
}
END_TEST

int main(void)
{
    Suite *s = suite_create("lead_request");
    TCase *t = tcase_create("lead_request");
    tcase_set_timeout(t, 60);
    tcase_add_checked_fixture(t, set_up, tear_down);
    tcase_add_test(t, switchover_that_begins_is_answered_before_the_workload_has_stopped);
    tcase_add_test(t, switchover_to_a_site_that_is_not_heard_is_refused);
    tcase_add_test(t, a_leader_that_stood_still_listens_before_it_refuses);
    tcase_add_test(t, a_leader_that_stood_still_refuses_a_site_that_stays_silent);
    tcase_add_test(t, switchover_to_whoever_leads_is_done);
    tcase_add_test(t, planned_one_waits_and_can_be_withdrawn);
    tcase_add_test(t, promotion_that_was_asked_of_another_run_is_refused);
    tcase_add_test(t, own_answer_is_known_before_the_watch_tells_it);
    tcase_add_test(t, answer_that_was_not_stored_is_sent_again);
    tcase_add_test(t, stored_answer_does_not_hide_the_next_word);
    tcase_add_test(t, lost_answer_is_not_put_over_the_next_word);
    tcase_add_test(t, word_that_is_given_again_is_answered_once);
    tcase_add_test(t, request_is_gone_with_its_bucket);
    tcase_add_test(t, request_is_gone_with_its_bucket_however_far_the_new_one_is);
    tcase_add_test(t, request_in_a_new_bucket_is_looked_at_whatever_its_revision);
    tcase_add_test(t, request_stays_while_its_bucket_does);
    suite_add_tcase(s, t);
    SRunner *sr = srunner_create(s);
    srunner_run_all(sr, CK_NORMAL);
    int failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed != 0;
}
