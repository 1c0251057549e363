/* Rules of failover/rules.h, one scenario each; where it helps, also with the rule switched off. */
#include "one_site.h"

#define OFF(rule) (FO_RULES_ALL & ~FO_RULE(FO_RULE_##rule))

static void config(struct one_site *t, uint64_t revision)
{
    step(t, &(struct fo_event){.type = FO_EV_CONFIG,
                               .config = {.config = &t->config, .revision = revision}});
}

/* The next lease heartbeat, sent but not answered. */
static struct heartbeat sent_beat(struct one_site *t)
{
    tick_at(t, t->core.heartbeat_due / MS);
    const struct fo_effect *e = sent(t, FO_KEY_LEASE);
    ck_assert_ptr_nonnull(e);
    return *e->send.record;
}

/* SEND_SHORTENS, SMALLEST_FENCE: an unacknowledged heartbeat with smaller values already binds. */
START_TEST(test_smaller_values_bind_from_the_send_on)
{
    struct one_site t;
    begin(&t, "site-a", FO_RULES_ALL);
    lead(&t);
    beat(&t);
    int64_t deadline = t.core.lease.deadline;
    t.config.heartbeat_interval_ms = 200;
    t.config.fence_timeout_ms = 100;
    config(&t, 2);
    const struct fo_effect *e = sent(&t, FO_KEY_LEASE); /* CONFIG_HEARTBEAT: at once */
    ck_assert_ptr_nonnull(e);
    ck_assert_int_eq(e->send.record->expires_in_ms, cluster_config_promise_ms(&t.config));
    ck_assert_int_eq(t.core.lease.deadline, (t.now + 600) * MS);
    ck_assert_int_lt(t.core.lease.deadline, deadline);
    ck_assert_int_eq(t.core.lease.fence_limit, 100 * MS);
}
END_TEST

/* ACK_TERMS: larger values count only once a heartbeat that carried them is acknowledged. */
START_TEST(test_larger_values_bind_from_the_acknowledgement_on)
{
    struct one_site t;
    begin(&t, "site-a", FO_RULES_ALL);
    lead(&t);
    struct heartbeat old = sent_beat(&t);
    int64_t s = t.now;
    t.config.failure_threshold = 9;
    t.config.failover_timeout_ms = 20000;
    config(&t, 2);
    answer(&t, FO_KEY_LEASE, old.counter, 1, FO_WRITE_STORED, ++t.revision);
    ck_assert_int_eq(t.core.lease.deadline, (s + 3000) * MS);
    const struct fo_effect *e = sent(&t, FO_KEY_LEASE);
    ck_assert_ptr_nonnull(e);
    answer(&t, FO_KEY_LEASE, e->send.counter, 1, FO_WRITE_STORED, ++t.revision);
    ck_assert_int_eq(t.core.lease.deadline, (t.now + 10000) * MS);
}
END_TEST

/* FROM_FIRST_SEND: an answer to the third send still counts from the first. */
START_TEST(test_deadline_counts_from_the_first_send)
{
    struct one_site t;
    begin(&t, "site-a", _i == 0 ? FO_RULES_ALL : OFF(FROM_FIRST_SEND));
    lead(&t);
    struct heartbeat hb = sent_beat(&t);
    int64_t s = t.now;
    tick_at(&t, s + 250);
    tick_at(&t, s + 500);
    t.now = s + 700;
    answer(&t, FO_KEY_LEASE, hb.counter, 3, FO_WRITE_DUPLICATE, ++t.revision);
    ck_assert_int_eq(t.core.lease.deadline, (s + (_i == 0 ? 0 : 700) + 3000) * MS);
    ck_assert_uint_eq(t.core.failures, 0);
}
END_TEST

/* OWN_ANSWER, LATE_IS_FAILURE: what comes after T gives a revision, no success. */
START_TEST(test_late_answer_is_no_success)
{
    struct one_site t;
    begin(&t, "site-a", FO_RULES_ALL);
    lead(&t);
    struct heartbeat late = sent_beat(&t);
    int64_t deadline = t.core.lease.deadline;
    tick_at(&t, t.now + 1000);
    ck_assert_uint_eq(t.core.failures, 1);
    answer(&t, FO_KEY_LEASE, late.counter, 1, FO_WRITE_STORED, 900);
    ck_assert_uint_eq(t.core.failures, 1);
    ck_assert_int_eq(t.core.lease.deadline, deadline);
    const struct fo_effect *e = sent(&t, FO_KEY_LEASE);
    ck_assert_ptr_nonnull(e); /* the attempt under way goes on from that revision */
    ck_assert_int_eq(e->send.expect_revision, 900);
}
END_TEST

/* REFUSED_IS_UNKNOWN */
START_TEST(test_refusal_is_no_success)
{
    struct one_site t;
    begin(&t, "site-a", FO_RULES_ALL);
    lead(&t);
    struct heartbeat hb = sent_beat(&t);
    int64_t s = t.now;
    answer(&t, FO_KEY_LEASE, hb.counter, 1, FO_WRITE_REFUSED, 0);
    ck_assert_uint_eq(t.core.lease_try.record.counter, hb.counter);
    tick_at(&t, s + 1000);
    ck_assert_uint_eq(t.core.failures, 1);
}
END_TEST

/* WATCH_NO_PROOF */
START_TEST(test_own_heartbeat_by_watch_proves_nothing)
{
    struct one_site t;
    begin(&t, "site-a", FO_RULES_ALL);
    lead(&t);
    struct heartbeat hb = sent_beat(&t);
    int64_t deadline = t.core.lease.deadline;
    lease_seen(&t, &hb, ++t.revision);
    ck_assert_int_eq(t.core.lease.deadline, deadline);
    ck_assert_int_eq(t.core.lease_try.kind, FO_TRY_HEARTBEAT);
}
END_TEST

/* REVISION_RESTARTS: the number in a rejection is enough. */
START_TEST(test_rejection_restarts_the_silence)
{
    struct one_site t;
    begin(&t, "site-b", FO_RULES_ALL);
    struct heartbeat hb = held_by("site-a", 4, 1);
    lease_seen(&t, &hb, 101);
    live_until(&t, 60000);
    ck_assert_int_eq(t.core.role, HB_ROLE_CLAIMING);
    int64_t at = t.now;
    answer(&t, FO_KEY_LEASE, t.core.lease_try.record.counter, 1, FO_WRITE_CONFLICT, 140);
    const struct fo_effect *read = effect(&t, FO_DO_READ, 0);
    ck_assert_ptr_nonnull(read);
    hb.counter = 20;
    step(&t, &(struct fo_event){.type = FO_EV_READ,
                                .read = {.request = read->read.request,
                                         .outcome = FO_READ_FOUND,
                                         .record = &hb,
                                         .revision = 140}});
    ck_assert_int_eq(t.core.role, HB_ROLE_REPLICA);
    ck_assert_int_eq(t.core.reason, HB_REASON_CLAIM_DENIED);
    ck_assert_int_eq(t.core.silence_since, at * MS);
    live_until(&t, at + 20000);
    ck_assert_int_eq(t.core.role, HB_ROLE_CLAIMING);
    ck_assert_int_ge(t.now, at + 5003);
}
END_TEST

static uint32_t read_request(struct one_site *t)
{
    for (;;) {
        ck_assert_int_lt(t->now, 60000);
        tick_at(t, (t->out.next_ns + MS - 1) / MS);
        const struct fo_effect *read = effect(t, FO_DO_READ, 0);
        uint32_t request = read ? read->read.request : 0;
        store_own(t);
        if (request != 0)
            return request;
    }
}

/* STALE_READ_DROPPED: dropped, and asked again at once. */
START_TEST(test_read_sent_before_the_last_revision_is_dropped)
{
    struct one_site t;
    begin(&t, "site-b", FO_RULES_ALL);
    struct heartbeat hb = held_by("site-a", 4, 1);
    lease_seen(&t, &hb, 101);
    uint32_t request = read_request(&t);
    t.now += 20;
    hb.counter = 2;
    lease_seen(&t, &hb, 105);
    t.now += 20;
    hb.counter = 1;
    step(&t, &(struct fo_event){.type = FO_EV_READ,
                                .read = {.request = request,
                                         .outcome = FO_READ_FOUND,
                                         .record = &hb,
                                         .revision = 101}});
    ck_assert_uint_eq(t.core.known.revision, 105);
}
END_TEST

/* MISSING_IS_OUTAGE */
START_TEST(test_missing_key_is_not_free)
{
    struct one_site t;
    begin(&t, "site-a", FO_RULES_ALL);
    for (int i = 0; i < 20; i++) {
        uint32_t request = read_request(&t);
        step(&t, &(struct fo_event){.type = FO_EV_READ,
                                    .read = {.request = request, .outcome = FO_READ_MISSING}});
        ck_assert_int_eq(t.core.role, HB_ROLE_REPLICA);
    }
    live_until(&t, t.now + 20000);
    ck_assert_int_eq(t.core.role, HB_ROLE_REPLICA);
}
END_TEST

/* UNREADABLE_HOLDS: the longest promise allowed. */
START_TEST(test_unreadable_record_is_waited_for)
{
    struct one_site t;
    begin(&t, "site-b", FO_RULES_ALL);
    lease_seen(&t, NULL, 101);
    int64_t seen = t.now;
    live_until(&t, 400000);
    ck_assert_int_eq(t.core.role, HB_ROLE_CLAIMING);
    ck_assert_int_ge(t.now, seen + 150000);
}
END_TEST

/* SILENCE_BY_ECHO: silence while the own heartbeats do not come back is none. */
START_TEST(test_gap_of_the_echo_restarts_the_silence)
{
    struct one_site t;
    begin(&t, "site-b", FO_RULES_ALL);
    struct heartbeat hb = held_by("site-a", 4, 1);
    lease_seen(&t, &hb, 101);
    live_until(&t, 4000);
    tick_at(&t, 9000); /* frozen */
    echo(&t, t.core.counter);
    ck_assert_int_eq(t.core.role, HB_ROLE_REPLICA);
    ck_assert_int_eq(t.core.silence_since, 9000 * MS);
}
END_TEST

/* STAMPS_AGREE, STAMPS_WAIVED: an hour's step of the stream leader's clock blocks nothing. */
START_TEST(test_stamps_from_another_clock_are_waived)
{
    struct one_site t;
    begin(&t, "site-b", _i == 0 ? FO_RULES_ALL : OFF(STAMPS_WAIVED));
    struct heartbeat hb = held_by("site-a", 4, 1);
    step(&t,
         &(struct fo_event){
             .type = FO_EV_LEASE,
             .entry = {.record = &hb, .revision = 101, .stamp_ns = (t.now + 3600 * 1000) * MS}});
    live_until(&t, 30000);
    ck_assert_int_eq(t.core.role, _i == 0 ? HB_ROLE_CLAIMING : HB_ROLE_REPLICA);
}
END_TEST

/* NEXT_FIRST, NEXT_EXPIRES */
START_TEST(test_release_to_another_is_left_for_3t)
{
    struct one_site t;
    begin(&t, "site-b", FO_RULES_ALL);
    live_until(&t, 5000);
    struct heartbeat r = released(4, "site-a");
    lease_seen(&t, &r, 101);
    int64_t seen = t.now;
    live_until(&t, 30000);
    ck_assert_int_eq(t.core.role, HB_ROLE_CLAIMING);
    ck_assert_int_eq(t.now, seen + 3000);
}
END_TEST

/* PAUSE_ACKNOWLEDGED, PAUSE_REARMS */
START_TEST(test_pause_counts_from_its_acknowledgement)
{
    struct one_site t;
    begin(&t, "site-a", FO_RULES_ALL);
    lead(&t);
    t.config.paused = true;
    config(&t, 2);
    struct heartbeat hb = *sent(&t, FO_KEY_LEASE)->send.record;
    ck_assert(hb.paused && !t.core.lease.paused);
    answer(&t, FO_KEY_LEASE, hb.counter, 1, FO_WRITE_STORED, ++t.revision);
    ck_assert(t.core.lease.paused);
    live_until(&t, t.now + 60000); /* nothing is answered any more */
    ck_assert_int_eq(t.core.role, HB_ROLE_LEADER);
    t.config.paused = false;
    config(&t, 3);
    tick_at(&t, (t.core.lease_try.give_up + MS - 1) / MS);
    ck_assert(!t.core.lease.paused);
    ck_assert_int_eq(t.core.lease.deadline, (t.now + 3000) * MS);
}
END_TEST

/* PAUSED_RECORD, PAUSE_HOLDS */
START_TEST(test_nobody_promotes_over_a_paused_record)
{
    struct one_site t;
    begin(&t, "site-b", FO_RULES_ALL);
    struct heartbeat hb = held_by("site-a", 4, 1);
    hb.paused = true;
    lease_seen(&t, &hb, 101);
    live_until(&t, 300000);
    ck_assert_int_eq(t.core.role, HB_ROLE_REPLICA);
    ck_assert_int_eq(fo_promotes_at(&t.core, t.now * MS), FO_NEVER);
}
END_TEST

/* PAUSED_RECORD: whatever the configuration says by now, and whichever run of the agent heard of the pause. */
START_TEST(test_nobody_promotes_over_what_may_be_a_paused_record)
{
    struct one_site t;
    begin_with_marks(&t, "site-b", FO_RULES_ALL, (struct fo_unread){.paused = true});
    live_until(&t, t.now + 3000);
    lease_seen(&t, NULL, ++t.revision);
    live_until(&t, t.now + 200000);
    ck_assert_int_eq(t.core.role, HB_ROLE_REPLICA);
    struct heartbeat hb = held_by("site-a", 4, 1);
    lease_seen(&t, &hb, ++t.revision);
    ck_assert(!effect(&t, FO_DO_PERSIST, 0)->persist.unread.paused);
    lease_seen(&t, NULL, ++t.revision);
    live_until(&t, t.now + 200000);
    ck_assert_int_eq(t.core.role, HB_ROLE_CLAIMING);
}
END_TEST

/* WATCH_END_TO_END */
START_TEST(test_dead_watch_is_made_anew)
{
    struct one_site t;
    begin(&t, "site-b", FO_RULES_ALL);
    int64_t acked = 0;
    for (;;) {
        ck_assert_int_lt(t.now, 30000);
        tick_at(&t, (t.out.next_ns + MS - 1) / MS);
        const struct fo_effect *e = sent(&t, FO_KEY_REPLICA);
        if (effect(&t, FO_DO_RESTART_WATCH, 0))
            break;
        if (!e)
            continue;
        answer(&t, FO_KEY_REPLICA, e->send.counter, 1, FO_WRITE_STORED, ++t.revision);
        if (acked == 0)
            acked = t.now;
    }
    ck_assert_int_eq(t.now, acked + 3000);
}
END_TEST

static void probe(struct one_site *t, bool ok)
{
    while (!t->core.probe.pending) {
        tick_at(t, (t->out.next_ns + MS - 1) / MS);
        if (sent(t, FO_KEY_LEASE))
            answer(t, FO_KEY_LEASE, sent(t, FO_KEY_LEASE)->send.counter, 1, FO_WRITE_STORED,
                   ++t->revision);
    }
    step(t, &(struct fo_event){.type = FO_EV_PROBE, .probe = {.ok = ok, .lag = -1}});
}

/* PROBE_FENCES: nobody else is there, so it is restarted here, in a higher epoch. */
/* Due a little after it, it goes with it; from there on both are due at one instant. One that is not answered
 * yet keeps its time. */
START_TEST(test_probe_joins_the_heartbeat)
{
    struct one_site t;
    begin(&t, "site-a", FO_RULES_ALL);
    lead(&t);
    t.core.probe.exists = true;
    t.core.probe.due = t.core.heartbeat_due + 200 * MS;
    tick_at(&t, t.core.heartbeat_due / MS);
    ck_assert_ptr_nonnull(effect(&t, FO_DO_PROBE, 0));
    ck_assert_int_eq(t.core.probe.due, (t.now + 1000) * MS);
    answer(&t, FO_KEY_LEASE, t.core.counter, 1, FO_WRITE_STORED, ++t.revision);
    ck_assert_int_eq(t.core.heartbeat_due, t.core.probe.due);
    t.core.probe.due += 200 * MS;
    tick_at(&t, t.core.heartbeat_due / MS);
    ck_assert_ptr_null(effect(&t, FO_DO_PROBE, 0));
    ck_assert_uint_eq(t.core.probe.failures, 0);
}
END_TEST

START_TEST(test_failed_probes_restart_the_workload)
{
    struct one_site t;
    begin(&t, "site-a", FO_RULES_ALL);
    lead(&t);
    t.core.probe.exists = true;
    probe(&t, true);
    probe(&t, false);
    ck_assert_int_eq(t.core.role, HB_ROLE_LEADER);
    probe(&t, false);
    ck_assert_int_eq(t.core.role, HB_ROLE_DEMOTING);
    step(&t, &(struct fo_event){.type = FO_EV_WORKLOAD_STOPPED, .workload = {.epoch = 1}});
    ck_assert_int_eq(t.core.role, HB_ROLE_REPLICA); /* nobody to release to */
    ck_assert_ptr_null(sent(&t, FO_KEY_LEASE));
}
END_TEST

/* PROMOTE_LIMIT, BACK_OFF */
START_TEST(test_promotion_that_takes_too_long_is_fenced)
{
    struct one_site t;
    begin(&t, "site-a", FO_RULES_ALL);
    struct heartbeat first = released(0, "site-a");
    lease_seen(&t, &first, ++t.revision);
    live_until(&t, t.now + 3000);
    answer(&t, FO_KEY_LEASE, t.core.lease_try.record.counter, 1, FO_WRITE_STORED, ++t.revision);
    int64_t began = t.now;
    while (t.core.role == HB_ROLE_PROMOTING) {
        ck_assert_int_lt(t.now, 200000);
        tick_at(&t, (t.out.next_ns + MS - 1) / MS);
        if (sent(&t, FO_KEY_LEASE))
            answer(&t, FO_KEY_LEASE, sent(&t, FO_KEY_LEASE)->send.counter, 1, FO_WRITE_STORED,
                   ++t.revision);
    }
    ck_assert_int_eq(t.now, began + 60000);
    ck_assert_ptr_nonnull(effect(&t, FO_DO_STOP_WORKLOAD, 0));
    ck_assert(!fo_fit(&t.core, t.now * MS));
}
END_TEST

/* The promotion of an epoch fails, the stop is verified, the release is given up. Returns the pause noted. */
static int64_t fail_promotion(struct one_site *t)
{
    while (t->core.role != HB_ROLE_CLAIMING) {
        ck_assert_int_lt(t->now, 2000000);
        int64_t next = (t->out.next_ns + MS - 1) / MS;
        tick_at(t, next > t->now ? next : t->now + 1);
        store_own(t);
    }
    uint64_t epoch = t->core.lease.epoch;
    answer(t, FO_KEY_LEASE, t->core.lease_try.record.counter, 1, FO_WRITE_STORED, ++t->revision);
    step(t, &(struct fo_event){.type = FO_EV_WORKLOAD_FAILED, .workload = {.epoch = epoch}});
    int64_t pause = noted(t, FO_NOTE_BACK_OFF);
    step(t, &(struct fo_event){.type = FO_EV_WORKLOAD_STOPPED, .workload = {.epoch = epoch}});
    struct heartbeat free = released(epoch, NULL);
    lease_seen(t, &free, ++t->revision);
    return pause;
}

/* BACK_OFF: doubled only when it was waited for; the only site there tries on, and waits no longer for it
 * when another one is back. */
START_TEST(test_back_off_doubles_when_it_was_waited_for)
{
    struct one_site t;
    begin(&t, "site-a", FO_RULES_ALL);
    struct heartbeat first = released(0, "site-a");
    lease_seen(&t, &first, ++t.revision);
    ck_assert_int_eq(fail_promotion(&t), 10000);
    ck_assert_int_eq(fail_promotion(&t), 10000);
    ck_assert_int_lt(t.now, 20000); /* it did not wait */
    t.now += 15000;
    ck_assert_int_eq(fail_promotion(&t), 20000);
}
END_TEST

/* EPOCH_ABOVE_SEEN: also above what only a peer has seen, and what the marks say. */
START_TEST(test_epoch_exceeds_every_seen_one)
{
    struct one_site t;
    begin(&t, "site-a", FO_RULES_ALL);
    struct heartbeat peer = held_by("site-b", 3, 1);
    peer.seen_epoch = 12;
    step(&t, &(struct fo_event){.type = FO_EV_PEER, .entry = {.record = &peer}});
    ck_assert_ptr_nonnull(effect(&t, FO_DO_PERSIST, 0));
    struct heartbeat first = released(3, NULL);
    lease_seen(&t, &first, ++t.revision);
    live_until(&t, t.now + 4000);
    ck_assert_int_eq(t.core.role, HB_ROLE_CLAIMING);
    ck_assert_uint_eq(t.core.lease.epoch, 13);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("rules");
    TCase *tc = tcase_create("rules");
    tcase_add_test(tc, test_smaller_values_bind_from_the_send_on);
    tcase_add_test(tc, test_larger_values_bind_from_the_acknowledgement_on);
    tcase_add_loop_test(tc, test_deadline_counts_from_the_first_send, 0, 2);
    tcase_add_test(tc, test_late_answer_is_no_success);
    tcase_add_test(tc, test_refusal_is_no_success);
    tcase_add_test(tc, test_own_heartbeat_by_watch_proves_nothing);
    tcase_add_test(tc, test_rejection_restarts_the_silence);
    tcase_add_test(tc, test_read_sent_before_the_last_revision_is_dropped);
    tcase_add_test(tc, test_missing_key_is_not_free);
    tcase_add_test(tc, test_unreadable_record_is_waited_for);
    tcase_add_test(tc, test_gap_of_the_echo_restarts_the_silence);
    tcase_add_loop_test(tc, test_stamps_from_another_clock_are_waived, 0, 2);
    tcase_add_test(tc, test_release_to_another_is_left_for_3t);
    tcase_add_test(tc, test_pause_counts_from_its_acknowledgement);
    tcase_add_test(tc, test_nobody_promotes_over_a_paused_record);
    tcase_add_test(tc, test_nobody_promotes_over_what_may_be_a_paused_record);
    tcase_add_test(tc, test_dead_watch_is_made_anew);
    tcase_add_test(tc, test_failed_probes_restart_the_workload);
    tcase_add_test(tc, test_probe_joins_the_heartbeat);
    tcase_add_test(tc, test_promotion_that_takes_too_long_is_fenced);
    tcase_add_test(tc, test_back_off_doubles_when_it_was_waited_for);
    tcase_add_test(tc, test_epoch_exceeds_every_seen_one);
    suite_add_tcase(suite, tc);
    SRunner *sr = srunner_create(suite);
    srunner_run_all(sr, CK_NORMAL);
    int failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed == 0 ? 0 : 1;
}
