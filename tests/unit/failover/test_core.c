/* The straight path: take the first release, serve, fence, release, take over, yield. */
#include "one_site.h"

START_TEST(test_first_release_is_taken)
{
    struct one_site t;
    begin(&t, "site-a", FO_RULES_ALL);
    struct heartbeat first = released(0, "site-a");
    lease_seen(&t, &first, 101);
    ck_assert_int_eq(t.core.role, HB_ROLE_REPLICA); /* success_threshold is 2 */
    live_until(&t, 4000);
    ck_assert_int_eq(t.core.role, HB_ROLE_CLAIMING);
    ck_assert_uint_eq(t.core.lease.epoch, 1);
    ck_assert_int_eq(t.core.lease_try.expect, 101);
    answer(&t, FO_KEY_LEASE, t.core.lease_try.record.counter, 1, FO_WRITE_STORED, 102);
    const struct fo_effect *start = effect(&t, FO_DO_START_WORKLOAD, 0);
    ck_assert_ptr_nonnull(start);
    ck_assert_uint_eq(start->workload.epoch, 1);
    ck_assert_ptr_nonnull(effect(&t, FO_DO_INCIDENT, 0));
    ck_assert_ptr_nonnull(effect(&t, FO_DO_AUDIT, 0));
}
END_TEST

START_TEST(test_heartbeats_expect_the_last_revision)
{
    struct one_site t;
    begin(&t, "site-a", FO_RULES_ALL);
    lead(&t);
    uint64_t was = t.revision;
    tick_at(&t, t.core.heartbeat_due / MS);
    const struct fo_effect *e = sent(&t, FO_KEY_LEASE);
    ck_assert_ptr_nonnull(e);
    ck_assert_int_eq(e->send.expect_revision, (int64_t)was);
    ck_assert_int_eq(e->send.record->expires_in_ms, 4753);
    ck_assert_int_eq(e->send.record->status, HB_HEALTHY);
}
END_TEST

START_TEST(test_resends_every_quarter_with_the_same_counter)
{
    struct one_site t;
    begin(&t, "site-a", FO_RULES_ALL);
    lead(&t);
    int64_t s = t.core.heartbeat_due / MS;
    tick_at(&t, s);
    uint64_t counter = sent(&t, FO_KEY_LEASE)->send.counter;
    for (unsigned send = 2; send <= 4; send++) {
        ck_assert_int_eq(t.out.next_ns, (s + 250 * (send - 1)) * MS);
        tick_at(&t, s + 250 * (send - 1));
        const struct fo_effect *e = sent(&t, FO_KEY_LEASE);
        ck_assert_ptr_nonnull(e);
        ck_assert_uint_eq(e->send.counter, counter);
        ck_assert_uint_eq(e->send.send, send);
    }
    tick_at(&t, s + 1000);
    ck_assert_uint_eq(t.core.failures, 1);
    ck_assert_uint_eq(sent(&t, FO_KEY_LEASE)->send.counter, counter + 1);
    ck_assert_int_eq(sent(&t, FO_KEY_LEASE)->send.record->status, HB_DEGRADED);
}
END_TEST

/* Nothing is answered from now on. The time when the stop was asked for. */
static int64_t fence_time(struct one_site *t)
{
    while (!effect(t, FO_DO_STOP_WORKLOAD, 0)) {
        ck_assert_int_lt(t->now, 1000000);
        tick_at(t, (t->out.next_ns + MS - 1) / MS);
    }
    return t->now;
}

START_TEST(test_fences_at_f)
{
    struct one_site t;
    begin(&t, "site-a", FO_RULES_ALL);
    lead(&t);
    beat(&t);
    int64_t s = t.now;
    ck_assert_int_eq(fence_time(&t), s + 3000);
    const struct fo_effect *stop = effect(&t, FO_DO_STOP_WORKLOAD, 0);
    ck_assert_int_eq(stop->workload.deadline_ns, (s + 4500) * MS);
    ck_assert_int_eq(t.core.role, HB_ROLE_FENCING);
    ck_assert_ptr_null(sent(&t, FO_KEY_LEASE));
}
END_TEST

START_TEST(test_release_follows_the_verified_stop)
{
    struct one_site t;
    begin(&t, "site-a", FO_RULES_ALL);
    lead(&t);
    beat(&t);
    fence_time(&t);
    step(&t, &(struct fo_event){.type = FO_EV_STOP_FAILED, .workload = {.epoch = 1}});
    ck_assert_ptr_null(sent(&t, FO_KEY_LEASE));
    int64_t failed_at = t.now;
    ck_assert_int_le(fence_time(&t), failed_at + 1000); /* asked for again */
    ck_assert_ptr_null(sent(&t, FO_KEY_LEASE));
    step(&t, &(struct fo_event){.type = FO_EV_WORKLOAD_STOPPED, .workload = {.epoch = 1}});
    const struct fo_effect *e = sent(&t, FO_KEY_LEASE);
    ck_assert_ptr_nonnull(e);
    ck_assert_int_eq(e->send.record->status, HB_RELEASED);
    ck_assert(!hb_site_is_set(&e->send.record->site));
    ck_assert(!hb_site_is_set(&e->send.record->next));
    ck_assert_int_eq(e->send.record->reason, HB_REASON_HEARTBEATS_FAILED);
    answer(&t, FO_KEY_LEASE, e->send.counter, 1, FO_WRITE_STORED, ++t.revision);
    ck_assert_int_eq(t.core.role, HB_ROLE_REPLICA);
}
END_TEST

START_TEST(test_replica_waits_for_silence)
{
    struct one_site t;
    begin(&t, "site-b", FO_RULES_ALL);
    struct heartbeat hb = held_by("site-a", 4, 1);
    lease_seen(&t, &hb, 101);
    int64_t heard = t.now;
    live_until(&t, 60000);
    ck_assert_int_eq(t.core.role, HB_ROLE_CLAIMING);
    ck_assert_uint_eq(t.core.lease.epoch, 5);
    ck_assert_int_ge(t.now, heard + 5003); /* 5000 x 1.0005 */
    ck_assert_int_le(t.now, heard + 5005);
}
END_TEST

START_TEST(test_promise_above_the_timeout_is_honoured)
{
    struct one_site t;
    begin(&t, "site-b", FO_RULES_ALL);
    struct heartbeat hb = held_by("site-a", 4, 1);
    hb.expires_in_ms = 20000;
    lease_seen(&t, &hb, 101);
    int64_t heard = t.now;
    live_until(&t, 60000);
    ck_assert_int_eq(t.core.role, HB_ROLE_CLAIMING);
    ck_assert_int_ge(t.now, heard + 20010);
}
END_TEST

START_TEST(test_nothing_starts_on_a_duplicate)
{
    struct one_site t;
    begin(&t, "site-a", FO_RULES_ALL);
    struct heartbeat first = released(0, "site-a");
    lease_seen(&t, &first, 101);
    live_until(&t, 4000);
    answer(&t, FO_KEY_LEASE, t.core.lease_try.record.counter, 2, FO_WRITE_DUPLICATE, 150);
    ck_assert_ptr_null(effect(&t, FO_DO_START_WORKLOAD, 0));
    const struct fo_effect *e = sent(&t, FO_KEY_LEASE);
    ck_assert_ptr_nonnull(e);
    ck_assert_int_eq(e->send.expect_revision, 150);
    answer(&t, FO_KEY_LEASE, e->send.counter, 1, FO_WRITE_STORED, 151);
    ck_assert_ptr_nonnull(effect(&t, FO_DO_START_WORKLOAD, 0));
}
END_TEST

static void read_back(struct one_site *t, const struct heartbeat *record, uint64_t revision)
{
    const struct fo_effect *e = effect(t, FO_DO_READ, 0);
    ck_assert_ptr_nonnull(e);
    step(t, &(struct fo_event){.type = FO_EV_READ,
                               .read = {.request = e->read.request,
                                        .outcome = FO_READ_FOUND,
                                        .record = record,
                                        .revision = revision}});
}

START_TEST(test_own_earlier_record_is_adopted)
{
    struct one_site t;
    begin(&t, "site-a", FO_RULES_ALL);
    lead(&t);
    int64_t s = t.core.heartbeat_due / MS;
    tick_at(&t, s); /* this one is stored late */
    struct heartbeat late = *sent(&t, FO_KEY_LEASE)->send.record;
    tick_at(&t, s + 1000);
    uint64_t counter = sent(&t, FO_KEY_LEASE)->send.counter;
    answer(&t, FO_KEY_LEASE, counter, 1, FO_WRITE_CONFLICT, 500);
    read_back(&t, &late, 500);
    const struct fo_effect *e = sent(&t, FO_KEY_LEASE);
    ck_assert_ptr_nonnull(e);
    ck_assert_uint_eq(e->send.counter, counter);
    ck_assert_int_eq(e->send.expect_revision, 500);
    ck_assert_uint_eq(t.core.failures, 1); /* a read proves nothing */
}
END_TEST

START_TEST(test_another_holder_is_a_lost_lease)
{
    struct one_site t;
    begin(&t, "site-a", FO_RULES_ALL);
    lead(&t);
    struct heartbeat other = held_by("site-b", 2, 9);
    lease_seen(&t, &other, ++t.revision);
    ck_assert_ptr_nonnull(effect(&t, FO_DO_STOP_WORKLOAD, 0));
    step(&t, &(struct fo_event){.type = FO_EV_WORKLOAD_STOPPED, .workload = {.epoch = 1}});
    ck_assert_ptr_null(sent(&t, FO_KEY_LEASE)); /* nothing to release */
    ck_assert_int_eq(t.core.role, HB_ROLE_REPLICA);
}
END_TEST

START_TEST(test_restarted_agent_fences_first)
{
    struct one_site t;
    memset(&t, 0, sizeof(t));
    struct fo_setup setup = {
        .site = named("site-a"), .nonce = 78, .seed = 1, .rules = FO_RULES_ALL};
    fo_init(&t.core, &setup, 0);
    step(&t, &(struct fo_event){.type = FO_EV_START});
    ck_assert_ptr_nonnull(effect(&t, FO_DO_STOP_WORKLOAD, 0));
    ck_assert_uint_eq(t.out.count, 1);
    ck_assert_int_eq(t.core.role, HB_ROLE_STARTING);
    step(&t, &(struct fo_event){.type = FO_EV_WORKLOAD_STOPPED, .workload = {.epoch = 0}});
    ck_assert_int_eq(t.core.role, HB_ROLE_REPLICA);
}
END_TEST

START_TEST(test_yields_to_the_preferred_primary)
{
    struct one_site t;
    begin(&t, "site-b", FO_RULES_ALL);
    struct heartbeat open = released(3, NULL);
    lease_seen(&t, &open, 101);
    live_until(&t, 4000);
    answer(&t, FO_KEY_LEASE, t.core.lease_try.record.counter, 1, FO_WRITE_STORED, ++t.revision);
    step(&t, &(struct fo_event){.type = FO_EV_WORKLOAD_STARTED, .workload = {.epoch = 4}});
    struct heartbeat peer = held_by("site-a", 4, 0);
    peer.fit = true;
    int64_t since = 0;
    for (int i = 0; t.core.role == HB_ROLE_LEADER; i++) {
        ck_assert_int_lt(i, 60);
        peer.counter++;
        step(&t, &(struct fo_event){.type = FO_EV_PEER, .entry = {.record = &peer}});
        if (i == 2)
            since = t.now; /* the first one only says where to count from */
        if (t.core.role == HB_ROLE_LEADER)
            beat(&t);
    }
    ck_assert_int_ge(t.now, since + 30000);
    ck_assert_int_le(t.now, since + 31000);
    ck_assert_int_eq(t.core.role, HB_ROLE_DEMOTING);
    step(&t, &(struct fo_event){.type = FO_EV_WORKLOAD_STOPPED, .workload = {.epoch = 4}});
    const struct fo_effect *e = sent(&t, FO_KEY_LEASE);
    ck_assert_ptr_nonnull(e);
    ck_assert_str_eq(e->send.record->next.text, "site-a");
    ck_assert_int_eq(e->send.record->reason, HB_REASON_YIELD);
}
END_TEST

/* How often yield_after is doubled after site-a took a lease released for this reason, and died. */
static unsigned doublings_after(enum hb_reason reason)
{
    struct one_site t;
    begin(&t, "site-b", FO_RULES_ALL);
    struct heartbeat open = released(3, "site-a"), held = held_by("site-a", 4, 1);
    open.reason = reason;
    held.reason = HB_REASON_RELEASED_TO;
    lease_seen(&t, &open, 101);
    lease_seen(&t, &held, t.revision = 102);
    live_until(&t, t.now + 20000);
    ck_assert_int_eq(t.core.role, HB_ROLE_CLAIMING);
    answer(&t, FO_KEY_LEASE, t.core.lease_try.record.counter, 1, FO_WRITE_STORED, ++t.revision);
    ck_assert_int_eq(t.core.role, HB_ROLE_PROMOTING);
    return t.core.yield.doublings;
}

START_TEST(test_only_a_short_return_doubles_the_wait)
{
    ck_assert_uint_eq(doublings_after(HB_REASON_YIELD), 1);
    ck_assert_uint_eq(doublings_after(HB_REASON_NONE), 0); /* the first election */
    ck_assert_uint_eq(doublings_after(HB_REASON_PROBE_FAILED), 0);
}
END_TEST

START_TEST(test_step_down_hands_over)
{
    struct one_site t;
    begin(&t, "site-a", FO_RULES_ALL);
    lead(&t);
    step(&t, &(struct fo_event){.type = FO_EV_STEP_DOWN});
    ck_assert_ptr_nonnull(effect(&t, FO_DO_STOP_WORKLOAD, 0));
    step(&t, &(struct fo_event){.type = FO_EV_WORKLOAD_STOPPED, .workload = {.epoch = 1}});
    ck_assert(!fo_has_stepped_down(&t.core));
    answer(&t, FO_KEY_LEASE, t.core.lease_try.record.counter, 1, FO_WRITE_STORED, ++t.revision);
    ck_assert(fo_has_stepped_down(&t.core));
    struct heartbeat open = released(1, NULL);
    lease_seen(&t, &open, ++t.revision);
    live_until(&t, t.now + 20000);
    ck_assert_int_eq(t.core.role, HB_ROLE_REPLICA);
}
END_TEST

START_TEST(test_config_heartbeat_for_new_content_under_the_same_revision)
{
    struct one_site t;
    begin(&t, "site-a", FO_RULES_ALL);
    lead(&t);
    beat(&t);
    struct cluster_config other = t.config; /* as in a bucket that was made anew */
    struct fo_event event = {.type = FO_EV_CONFIG, .config = {.config = &other, .revision = 1}};
    step(&t, &event);
    ck_assert_ptr_null(effect(&t, FO_DO_NOTE, 0));
    ck_assert_ptr_null(sent(&t, FO_KEY_LEASE));
    other.fence_timeout_ms = 700;
    step(&t, &event);
    ck_assert_int_eq(noted(&t, FO_NOTE_CONFIG), 1);
    ck_assert_int_eq(t.core.config.fence_timeout_ms, 700);
    ck_assert_ptr_nonnull(sent(&t, FO_KEY_LEASE));
    ck_assert_int_lt(sent(&t, FO_KEY_LEASE)->send.record->expires_in_ms, 4753);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("core");
    TCase *tc = tcase_create("core");
    tcase_add_test(tc, test_first_release_is_taken);
    tcase_add_test(tc, test_heartbeats_expect_the_last_revision);
    tcase_add_test(tc, test_resends_every_quarter_with_the_same_counter);
    tcase_add_test(tc, test_fences_at_f);
    tcase_add_test(tc, test_release_follows_the_verified_stop);
    tcase_add_test(tc, test_replica_waits_for_silence);
    tcase_add_test(tc, test_promise_above_the_timeout_is_honoured);
    tcase_add_test(tc, test_nothing_starts_on_a_duplicate);
    tcase_add_test(tc, test_own_earlier_record_is_adopted);
    tcase_add_test(tc, test_another_holder_is_a_lost_lease);
    tcase_add_test(tc, test_restarted_agent_fences_first);
    tcase_add_test(tc, test_yields_to_the_preferred_primary);
    tcase_add_test(tc, test_only_a_short_return_doubles_the_wait);
    tcase_add_test(tc, test_step_down_hands_over);
    tcase_add_test(tc, test_config_heartbeat_for_new_content_under_the_same_revision);
    suite_add_tcase(suite, tc);
    SRunner *sr = srunner_create(suite);
    srunner_run_all(sr, CK_NORMAL);
    int failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed == 0 ? 0 : 1;
}
