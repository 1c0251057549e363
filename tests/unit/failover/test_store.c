/* Section 10: the store goes backwards or disappears. */
#include "one_site.h"

static void store_is(struct one_site *t, uint64_t identity, uint64_t last, uint64_t at_least)
{
    step(t, &(struct fo_event){.type = FO_EV_STORE,
                               .store = {.exists = identity != 0,
                                         .identity = identity,
                                         .last_revision = last,
                                         .at_least = at_least}});
}

static uint32_t request_of(struct one_site *t)
{
    const struct fo_effect *read = effect(t, FO_DO_READ, 0);
    ck_assert_ptr_nonnull(read);
    return read->read.request;
}

/* The answer to the last read. */
static void read_is(struct one_site *t, const struct heartbeat *record, uint64_t revision)
{
    step(t, &(struct fo_event){.type = FO_EV_READ,
                               .read = {.request = t->core.read.request,
                                        .outcome = record ? FO_READ_FOUND : FO_READ_MISSING,
                                        .record = record,
                                        .revision = revision,
                                        .stamp_ns = t->now * MS}});
}

static struct heartbeat own_record(const struct one_site *t, uint64_t counter)
{
    struct heartbeat hb = t->core.lease_try.record;
    hb.counter = counter;
    return hb;
}

/* site-b as a replica that could lead, and has seen epoch 7 of site-a. */
static void follow(struct one_site *t)
{
    begin(t, "site-b", FO_RULES_ALL);
    store_is(t, 1, t->revision, 0);
    struct heartbeat seven = held_by("site-a", 7, 1);
    lease_seen(t, &seven, ++t->revision);
    live_until(t, t->now + 3000);
    ck_assert_int_eq(t->core.role, HB_ROLE_REPLICA);
}

/* Goes on until this note is noted, or fails. The key shows `shown`, if anything. */
static void until_noted(struct one_site *t, enum fo_note note, const struct heartbeat *shown)
{
    for (int i = 0; i < 100 && noted(t, note) < 0; i++) {
        tick_at(t, (t->out.next_ns + MS - 1) / MS);
        if (noted(t, note) >= 0)
            break;
        store_own(t);
        if (shown && noted(t, note) < 0)
            read_is(t, shown, t->core.known.revision);
    }
    ck_assert_int_ge(noted(t, note), 0);
}

/* -- eras ---------------------------------------------------------------------------------------- */

START_TEST(era_is_generation_then_epoch)
{
    struct hb_era low = {0, 9}, high = {1, 2};
    ck_assert_int_lt(hb_era_compare(low, high), 0);
    ck_assert_int_gt(hb_era_compare(high, low), 0);
    ck_assert_int_eq(hb_era_compare(high, high), 0);
    high.generation = 0;
    ck_assert_int_gt(hb_era_compare(low, high), 0);
}
END_TEST

/* -- hold ---------------------------------------------------------------------------------------- */

START_TEST(lower_epoch_than_seen_is_not_taken)
{
    struct one_site t;
    follow(&t);
    struct heartbeat past = released(6, "site-b");
    read_is(&t, &past, 90);
    lease_seen(&t, &past, 300);
    ck_assert_int_eq(fo_holds(&t.core), FO_HOLD_LOWER);
    until_noted(&t, FO_NOTE_ALARM_LOWER, &past);
    ck_assert_int_eq(noted(&t, FO_NOTE_ALARM_LOWER), 7);
    live_until(&t, t.now + 60000);
    ck_assert_int_eq(t.core.role, HB_ROLE_REPLICA);
    ck_assert_int_eq(fo_promotes_at(&t.core, t.now * MS), FO_NEVER);
}
END_TEST

/* It may be a node that has lost the others, and shows what was there before. */
START_TEST(hold_is_no_alarm_while_nothing_is_acknowledged)
{
    struct one_site t;
    follow(&t);
    struct heartbeat past = released(6, "site-b");
    read_is(&t, &past, 90);
    lease_seen(&t, &past, 300);
    for (int i = 0; i < 40; i++) {
        tick_at(&t, (t.out.next_ns + MS - 1) / MS);
        ck_assert_int_lt(noted(&t, FO_NOTE_ALARM_LOWER), 0);
        read_is(&t, &past, 300);
        ck_assert_int_lt(noted(&t, FO_NOTE_ALARM_LOWER), 0);
    }
    ck_assert_int_eq(fo_holds(&t.core), FO_HOLD_LOWER);
    until_noted(&t, FO_NOTE_ALARM_LOWER, &past);
}
END_TEST

START_TEST(lower_epoch_than_the_marks_is_not_taken)
{
    struct one_site t;
    begin(&t, "site-b", FO_RULES_ALL);
    struct fo_setup setup = {.site = named("site-b"), .nonce = 77, .rules = FO_RULES_ALL};
    fo_init(&t.core, &setup, t.now * MS);
    step(&t,
         &(struct fo_event){.type = FO_EV_CONFIG, .config = {.config = &t.config, .revision = 1}});
    step(&t, &(struct fo_event){.type = FO_EV_GUARDIAN, .guardian = {.up = true}});
    step(&t, &(struct fo_event){.type = FO_EV_CONNECTED});
    step(&t,
         &(struct fo_event){
             .type = FO_EV_START,
             .start = {.workload_stopped = true, .seen_epoch = 7, .seen = {0, 7}, .identity = 1}});
    struct heartbeat past = released(6, "site-b");
    lease_seen(&t, &past, 300);
    live_until(&t, t.now + 10000);
    ck_assert_int_eq(fo_holds(&t.core), FO_HOLD_LOWER);
    ck_assert_int_eq(t.core.role, HB_ROLE_REPLICA);
}
END_TEST

/* What a peer has seen of the key was there. */
START_TEST(lower_epoch_than_a_peer_has_seen_is_not_taken)
{
    struct one_site t;
    begin(&t, "site-b", FO_RULES_ALL);
    struct heartbeat peer = {.site = named("site-a"), .nonce = 3, .counter = 1, .epoch = 7};
    step(&t, &(struct fo_event){.type = FO_EV_PEER, .entry = {.record = &peer, .revision = 1}});
    struct heartbeat past = released(6, "site-b");
    lease_seen(&t, &past, 300);
    live_until(&t, t.now + 10000);
    ck_assert_int_eq(fo_holds(&t.core), FO_HOLD_LOWER);
    ck_assert_int_eq(t.core.role, HB_ROLE_REPLICA);
}
END_TEST

/* An epoch that was claimed and never stored is no reason to hold; the next one is above it. */
START_TEST(epoch_that_was_only_claimed_does_not_hold)
{
    struct one_site t;
    begin(&t, "site-b", FO_RULES_ALL);
    struct fo_setup setup = {.site = named("site-b"), .nonce = 77, .rules = FO_RULES_ALL};
    fo_init(&t.core, &setup, t.now * MS);
    step(&t,
         &(struct fo_event){.type = FO_EV_CONFIG, .config = {.config = &t.config, .revision = 1}});
    step(&t, &(struct fo_event){.type = FO_EV_GUARDIAN, .guardian = {.up = true}});
    step(&t, &(struct fo_event){.type = FO_EV_CONNECTED});
    step(&t,
         &(struct fo_event){.type = FO_EV_START,
                            .start = {.workload_stopped = true, .seen_epoch = 7, .seen = {0, 6}}});
    store_own(&t);
    struct heartbeat last = released(6, "site-b");
    lease_seen(&t, &last, 300);
    live_until(&t, t.now + 10000);
    ck_assert_int_eq(t.core.role, HB_ROLE_CLAIMING);
    ck_assert_uint_eq(t.core.lease.epoch, 8);
}
END_TEST

START_TEST(hold_ends_when_the_key_shows_it_again)
{
    struct one_site t;
    follow(&t);
    struct heartbeat past = released(6, "site-b"), now = held_by("site-a", 7, 9);
    read_is(&t, &past, 90);
    lease_seen(&t, &past, 300);
    until_noted(&t, FO_NOTE_ALARM_LOWER, &past);
    lease_seen(&t, &now, 301);
    ck_assert_int_eq(noted(&t, FO_NOTE_HOLD_ENDED), 7);
    ck_assert_int_eq(fo_holds(&t.core), FO_HOLD_NONE);
}
END_TEST

/* One answer of a node that is behind alarms nobody. */
/* It may be of a later generation, put there by an operator: who has seen it go back, and then can't read
 * it, knows less than before, not more. */
START_TEST(record_that_cannot_be_read_ends_no_hold)
{
    struct one_site t;
    follow(&t);
    struct heartbeat past = released(6, "site-b");
    read_is(&t, &past, 90);
    lease_seen(&t, NULL, ++t.revision + 200);
    ck_assert_int_eq(fo_holds(&t.core), FO_HOLD_LOWER);
    live_until(&t, t.now + 2 * t.config.max_promise_ms);
    ck_assert_int_eq(t.core.role, HB_ROLE_REPLICA);
    struct heartbeat later = released(0, "site-b");
    later.generation = 1;
    lease_seen(&t, &later, t.revision + 300);
    ck_assert_int_eq(fo_holds(&t.core), FO_HOLD_NONE);
}
END_TEST

START_TEST(record_of_another_bucket_has_to_be_read_first)
{
    struct one_site t;
    follow(&t);
    store_is(&t, 2, 300, 0);
    lease_seen(&t, NULL, 301);
    live_until(&t, t.now + 2 * t.config.max_promise_ms);
    ck_assert_int_eq(t.core.role, HB_ROLE_REPLICA);
    struct heartbeat as_before = released(7, "site-b");
    lease_seen(&t, &as_before, 900);
    live_until(&t, t.now + 10000);
    ck_assert_int_eq(t.core.role, HB_ROLE_CLAIMING);
}
END_TEST

/* A paused leader has no deadline. That its record can't be read any more does not end the pause, and
 * neither does a store that has lost some writes since. */
START_TEST(record_that_cannot_be_read_ends_no_pause)
{
    struct one_site t;
    follow(&t);
    struct heartbeat paused = held_by("site-a", 7, 2);
    paused.paused = true;
    lease_seen(&t, &paused, ++t.revision);
    lease_seen(&t, NULL, t.revision + 50);
    store_is(&t, 1, t.revision, t.revision + 100);
    lease_seen(&t, NULL, t.revision + 60);
    live_until(&t, t.now + 2 * t.config.max_promise_ms);
    ck_assert_int_eq(t.core.role, HB_ROLE_REPLICA);
    struct heartbeat ended = held_by("site-a", 7, 3);
    lease_seen(&t, &ended, t.revision + 500);
    live_until(&t, t.now + 20000);
    ck_assert_int_eq(t.core.role, HB_ROLE_CLAIMING);
}
END_TEST

START_TEST(hold_of_less_than_2t_is_not_told)
{
    struct one_site t;
    follow(&t);
    struct heartbeat past = released(6, "site-b"), now = held_by("site-a", 7, 9);
    lease_seen(&t, &past, 300);
    ck_assert_int_eq(fo_holds(&t.core), FO_HOLD_LOWER);
    ck_assert_int_lt(noted(&t, FO_NOTE_ALARM_LOWER), 0);
    tick_at(&t, t.now + 1900);
    ck_assert_int_lt(noted(&t, FO_NOTE_ALARM_LOWER), 0);
    lease_seen(&t, &now, 301);
    ck_assert_int_lt(noted(&t, FO_NOTE_HOLD_ENDED), 0);
}
END_TEST

/* -- the operator --------------------------------------------------------------------------------- */

START_TEST(higher_generation_ends_the_hold_whatever_its_epoch)
{
    struct one_site t;
    follow(&t);
    step(&t, &(struct fo_event){.type = FO_EV_STORE});
    until_noted(&t, FO_NOTE_ALARM_MISSING, NULL);
    store_is(&t, 2, 1, 0);
    struct heartbeat repaired = released(0, "site-b");
    repaired.generation = 1;
    lease_seen(&t, &repaired, 2);
    ck_assert_int_eq(fo_holds(&t.core), FO_HOLD_NONE);
    live_until(&t, t.now + 10000);
    ck_assert_int_eq(t.core.role, HB_ROLE_CLAIMING);
    ck_assert_uint_eq(t.core.lease.generation, 1);
    ck_assert_uint_eq(t.core.lease.epoch, 8); /* also above those of the old generation */
    const struct heartbeat *claim = &t.core.lease_try.record;
    ck_assert_uint_eq(claim->generation, 1);
}
END_TEST

START_TEST(leader_is_fenced_by_a_higher_generation)
{
    struct one_site t;
    begin(&t, "site-a", FO_RULES_ALL);
    lead(&t);
    struct heartbeat repaired = released(0, NULL);
    repaired.generation = 1;
    lease_seen(&t, &repaired, 1000);
    ck_assert_int_eq(t.core.role, HB_ROLE_FENCING);
}
END_TEST

/* The number of its own last write may be that of a heartbeat of the new leader by now. */
START_TEST(overtaken_leader_releases_nothing)
{
    struct one_site t;
    begin(&t, "site-a", FO_RULES_ALL);
    lead(&t);
    beat(&t);
    while (!effect(&t, FO_DO_STOP_WORKLOAD, 0))
        tick_at(&t, (t.out.next_ns + MS - 1) / MS);
    struct heartbeat repaired = held_by("site-b", 2, 9);
    repaired.generation = 1;
    lease_seen(&t, &repaired, t.core.lease.revision);
    step(&t, &(struct fo_event){.type = FO_EV_WORKLOAD_STOPPED,
                                .workload = {.epoch = t.core.workload_epoch}});
    ck_assert_int_eq(t.core.role, HB_ROLE_REPLICA);
    ck_assert_ptr_null(sent(&t, FO_KEY_LEASE));
}
END_TEST

START_TEST(made_up_generation_is_not_believed)
{
    struct one_site t;
    follow(&t);
    struct heartbeat bad = held_by("site-a", 8, 2);
    bad.generation = (uint64_t)1 << 40;
    lease_seen(&t, &bad, 300);
    ck_assert_uint_eq(t.core.history.seen.generation, 0);
    ck_assert(!t.core.known.readable);
}
END_TEST

/* -- missing -------------------------------------------------------------------------------------- */

START_TEST(missing_key_is_never_free)
{
    struct one_site t;
    follow(&t);
    while (!effect(&t, FO_DO_READ, 0))
        tick_at(&t, (t.out.next_ns + MS - 1) / MS);
    request_of(&t);
    read_is(&t, NULL, 0);
    ck_assert_int_eq(fo_holds(&t.core), FO_HOLD_MISSING);
    until_noted(&t, FO_NOTE_ALARM_MISSING, NULL);
    live_until(&t, t.now + 60000);
    ck_assert_int_eq(t.core.role, HB_ROLE_REPLICA);
}
END_TEST

/* Before `failover init` there is nothing to hold for. */
START_TEST(key_that_never_was_is_no_alarm)
{
    struct one_site t;
    begin(&t, "site-b", FO_RULES_ALL);
    step(&t, &(struct fo_event){.type = FO_EV_STORE});
    ck_assert_int_eq(fo_holds(&t.core), FO_HOLD_NONE);
    for (int i = 0; i < 20; i++) {
        tick_at(&t, t.now + 500);
        ck_assert_int_lt(noted(&t, FO_NOTE_ALARM_MISSING), 0);
    }
    ck_assert_int_eq(t.core.role, HB_ROLE_REPLICA);
}
END_TEST

START_TEST(leader_without_a_bucket_serves_until_its_deadline)
{
    struct one_site t;
    begin(&t, "site-a", FO_RULES_ALL);
    store_is(&t, 1, t.revision, 0);
    lead(&t);
    beat(&t);
    int64_t s = t.now;
    step(&t, &(struct fo_event){.type = FO_EV_STORE});
    while (!effect(&t, FO_DO_STOP_WORKLOAD, 0))
        tick_at(&t, (t.out.next_ns + MS - 1) / MS);
    ck_assert_int_eq(t.now, s + 3000);
}
END_TEST

/* -- backwards ------------------------------------------------------------------------------------ */

START_TEST(leader_adopts_its_own_record_of_a_lower_revision)
{
    struct one_site t;
    begin(&t, "site-a", FO_RULES_ALL);
    lead(&t);
    beat(&t);
    tick_at(&t, t.core.heartbeat_due / MS);
    struct fo_attempt *a = &t.core.lease_try;
    int64_t expected = a->expect;
    answer(&t, FO_KEY_LEASE, a->record.counter, 1, FO_WRITE_CONFLICT, 60);
    request_of(&t);
    struct heartbeat earlier = own_record(&t, a->record.counter - 1);
    read_is(&t, &earlier, 60);
    const struct fo_effect *again = sent(&t, FO_KEY_LEASE);
    ck_assert_ptr_nonnull(again);
    ck_assert_int_eq(again->send.expect_revision, 60);
    ck_assert_int_eq(noted(&t, FO_NOTE_ALARM_BACKWARDS), expected - 60);
    answer(&t, FO_KEY_LEASE, again->send.counter, again->send.send, FO_WRITE_STORED, 61);
    ck_assert_uint_eq(t.core.lease.revision, 61);
    ck_assert_uint_eq(t.core.failures, 0);
    ck_assert_int_eq(t.core.role, HB_ROLE_LEADER);
}
END_TEST

/* The rejection is of one node, what is read of another, which is behind: nothing is lost. */
START_TEST(node_that_is_behind_has_lost_nothing)
{
    struct one_site t;
    begin(&t, "site-a", FO_RULES_ALL);
    lead(&t);
    beat(&t);
    tick_at(&t, t.core.heartbeat_due / MS);
    struct fo_attempt *a = &t.core.lease_try;
    uint64_t named = (uint64_t)a->expect + 5;
    answer(&t, FO_KEY_LEASE, a->record.counter, 1, FO_WRITE_CONFLICT, named);
    struct heartbeat earlier = own_record(&t, a->record.counter - 1);
    read_is(&t, &earlier, 60);
    ck_assert_int_lt(noted(&t, FO_NOTE_ALARM_BACKWARDS), 0);
    ck_assert_ptr_null(sent(&t, FO_KEY_LEASE));
    tick_at(&t, (t.out.next_ns + MS - 1) / MS);
    ck_assert_ptr_nonnull(effect(&t, FO_DO_READ, 0)); /* again */
    read_is(&t, &earlier, named);
    ck_assert_ptr_nonnull(sent(&t, FO_KEY_LEASE));
    ck_assert_int_eq(sent(&t, FO_KEY_LEASE)->send.expect_revision, (int64_t)named);
    ck_assert_int_lt(noted(&t, FO_NOTE_ALARM_BACKWARDS), 0);
}
END_TEST

START_TEST(leader_retries_over_a_lower_epoch_until_its_deadline)
{
    struct one_site t;
    begin(&t, "site-a", FO_RULES_ALL);
    lead(&t);
    beat(&t);
    int64_t s = t.now;
    tick_at(&t, t.core.heartbeat_due / MS);
    struct fo_attempt *a = &t.core.lease_try;
    answer(&t, FO_KEY_LEASE, a->record.counter, 1, FO_WRITE_CONFLICT, 60);
    request_of(&t);
    struct heartbeat past = released(0, NULL);
    read_is(&t, &past, 60);
    ck_assert_int_eq(t.core.role, HB_ROLE_LEADER);
    ck_assert(!a->must_read);
    while (!effect(&t, FO_DO_STOP_WORKLOAD, 0)) {
        ck_assert_int_eq(t.core.role, HB_ROLE_LEADER);
        tick_at(&t, (t.out.next_ns + MS - 1) / MS);
    }
    ck_assert_int_eq(t.now, s + 3000);
}
END_TEST

/* The number of a lost record is used again: the silence counts from the new one. */
START_TEST(record_of_a_known_number_is_new_by_its_counter)
{
    struct one_site t;
    follow(&t);
    int64_t before = t.core.silence_since;
    struct heartbeat other = held_by("site-a", 7, 2);
    t.now += 100;
    lease_seen(&t, &other, t.core.known.revision);
    ck_assert_int_eq(t.core.silence_since, t.now * MS);
    ck_assert_int_gt(t.core.silence_since, before);
    other.counter = 3;
    t.now += 100;
    lease_seen(&t, &other, t.core.known.revision - 5); /* lower, and later by its counter */
    ck_assert_int_eq(t.core.silence_since, t.now * MS);
    other.counter = 1;
    t.now += 100;
    lease_seen(&t, &other, t.core.known.revision - 1); /* late */
    ck_assert_int_lt(t.core.silence_since, t.now * MS);
}
END_TEST

/* A number alone says nothing of when its record was stored: a store that has lost it gives it to a later one. */
START_TEST(silence_counts_from_the_record_not_from_its_number)
{
    struct one_site t;
    follow(&t);
    live_until(&t, t.now + 20000);
    ck_assert_int_eq(t.core.role, HB_ROLE_CLAIMING);
    uint64_t named = ++t.revision;
    answer(&t, FO_KEY_LEASE, t.core.lease_try.record.counter, 1, FO_WRITE_CONFLICT, named);
    ck_assert_uint_eq(t.core.known.revision, named);
    ck_assert(!t.core.known.has_record);
    live_until(&t, t.now + 900);
    struct heartbeat other = held_by("site-a", 8, 2);
    lease_seen(&t, &other, named);
    int64_t arrived = t.now;
    ck_assert_int_eq(t.core.silence_since, arrived * MS);
    live_until(&t, t.now + 20000);
    ck_assert_int_eq(t.core.role, HB_ROLE_CLAIMING);
    ck_assert_int_ge(t.now, arrived + 5000);
}
END_TEST

START_TEST(fewer_revisions_than_known_are_an_alarm)
{
    struct one_site t;
    follow(&t);
    t.now += 100;
    store_is(&t, 1, 120, 100);
    ck_assert_int_lt(noted(&t, FO_NOTE_ALARM_BACKWARDS), 0);
    store_is(&t, 1, 95, 100);
    ck_assert_int_eq(noted(&t, FO_NOTE_ALARM_BACKWARDS), 5);
    ck_assert_int_eq(t.core.silence_since, t.now * MS);
    ck_assert(!t.core.known.any);
}
END_TEST

/* -- another bucket -------------------------------------------------------------------------------- */

START_TEST(nothing_is_sent_by_the_numbers_of_another_bucket)
{
    struct one_site t;
    begin(&t, "site-a", FO_RULES_ALL);
    store_is(&t, 1, t.revision, 0);
    lead(&t);
    beat(&t);
    store_is(&t, 2, 500, 0);
    ck_assert_int_ge(noted(&t, FO_NOTE_ALARM_OTHER_BUCKET), 0);
    tick_at(&t, t.core.heartbeat_due / MS);
    ck_assert_ptr_null(sent(&t, FO_KEY_LEASE));
    request_of(&t);
    struct heartbeat own = own_record(&t, 1); /* restored from a copy */
    read_is(&t, &own, 400);
    const struct fo_effect *again = sent(&t, FO_KEY_LEASE);
    ck_assert_ptr_nonnull(again);
    ck_assert_int_eq(again->send.expect_revision, 400);
}
END_TEST

START_TEST(same_bucket_seen_again_changes_nothing)
{
    struct one_site t;
    follow(&t);
    store_is(&t, 1, 500, 100);
    ck_assert(t.core.known.has_record);
    ck_assert_ptr_null(effect(&t, FO_DO_NOTE, 0));
}
END_TEST

/* -- connections ------------------------------------------------------------------------------------ */

START_TEST(new_connection_restarts_the_silence_and_wants_the_key_seen)
{
    struct one_site t;
    follow(&t);
    t.now += 1000;
    step(&t, &(struct fo_event){.type = FO_EV_CONNECTED});
    ck_assert_int_eq(t.core.silence_since, t.now * MS);
    ck_assert_int_eq(fo_promotes_at(&t.core, t.now * MS), FO_NEVER);
    struct heartbeat same = t.core.known.record;
    lease_seen(&t, &same, t.core.known.revision);
    store_own(&t);
    live_until(&t, t.now + 20000);
    ck_assert_int_eq(t.core.role, HB_ROLE_CLAIMING);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("store");
    TCase *tc = tcase_create("store");
    tcase_add_test(tc, era_is_generation_then_epoch);
    tcase_add_test(tc, lower_epoch_than_seen_is_not_taken);
    tcase_add_test(tc, hold_is_no_alarm_while_nothing_is_acknowledged);
    tcase_add_test(tc, lower_epoch_than_the_marks_is_not_taken);
    tcase_add_test(tc, lower_epoch_than_a_peer_has_seen_is_not_taken);
    tcase_add_test(tc, epoch_that_was_only_claimed_does_not_hold);
    tcase_add_test(tc, hold_ends_when_the_key_shows_it_again);
    tcase_add_test(tc, record_that_cannot_be_read_ends_no_hold);
    tcase_add_test(tc, record_of_another_bucket_has_to_be_read_first);
    tcase_add_test(tc, record_that_cannot_be_read_ends_no_pause);
    tcase_add_test(tc, hold_of_less_than_2t_is_not_told);
    tcase_add_test(tc, higher_generation_ends_the_hold_whatever_its_epoch);
    tcase_add_test(tc, leader_is_fenced_by_a_higher_generation);
    tcase_add_test(tc, overtaken_leader_releases_nothing);
    tcase_add_test(tc, made_up_generation_is_not_believed);
    tcase_add_test(tc, missing_key_is_never_free);
    tcase_add_test(tc, key_that_never_was_is_no_alarm);
    tcase_add_test(tc, leader_without_a_bucket_serves_until_its_deadline);
    tcase_add_test(tc, leader_adopts_its_own_record_of_a_lower_revision);
    tcase_add_test(tc, node_that_is_behind_has_lost_nothing);
    tcase_add_test(tc, leader_retries_over_a_lower_epoch_until_its_deadline);
    tcase_add_test(tc, record_of_a_known_number_is_new_by_its_counter);
    tcase_add_test(tc, silence_counts_from_the_record_not_from_its_number);
    tcase_add_test(tc, fewer_revisions_than_known_are_an_alarm);
    tcase_add_test(tc, nothing_is_sent_by_the_numbers_of_another_bucket);
    tcase_add_test(tc, same_bucket_seen_again_changes_nothing);
    tcase_add_test(tc, new_connection_restarts_the_silence_and_wants_the_key_seen);
    suite_add_tcase(suite, tc);
    SRunner *sr = srunner_create(suite);
    srunner_run_all(sr, CK_NORMAL);
    int failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed == 0 ? 0 : 1;
}
