/* NOFAILOVER, SWITCHOVER_*, CHOICE_*, FORCE_*: what operators ask for, and why it is refused. */
#include "one_site.h"

#define OFF(rule) (FO_RULES_ALL & ~FO_RULE(FO_RULE_##rule))

static void config(struct one_site *t)
{
    step(t, &(struct fo_event){
                .type = FO_EV_CONFIG,
                .config = {.config = &t->config, .revision = t->core.config_revision + 1}});
}

static void ask(struct one_site *t, const char *to)
{
    struct fo_event event = {.type = FO_EV_SWITCHOVER};
    if (to)
        event.switchover.to = named(to);
    step(t, &event);
}

static void force(struct one_site *t, bool leader_is_off)
{
    step(t, &(struct fo_event){.type = FO_EV_FORCE, .force = {.leader_is_off = leader_is_off}});
}

/* The next heartbeat of another site arrives. */
static void peer_beats(struct one_site *t, const char *name, bool fit, uint64_t counter)
{
    struct heartbeat hb = {.site = named(name),
                           .nonce = 9,
                           .counter = counter,
                           .epoch = t->core.seen_epoch,
                           .seen_epoch = t->core.seen_epoch,
                           .interval_ms = 1000,
                           .fit = fit};
    step(t, &(struct fo_event){
                .type = FO_EV_PEER,
                .entry = {.record = &hb, .revision = ++t->revision, .stamp_ns = t->now * MS}});
}

/* site-b has just been heard three times in a row, with a heartbeat of the leader after each. */
static void hear_ready(struct one_site *t)
{
    for (uint64_t i = 1; i <= 3; i++) {
        beat(t);
        peer_beats(t, "site-b", true, i);
    }
}

/* site-a leads epoch 1, and site-b is ready. */
static void lead_beside_ready(struct one_site *t, fo_rules rules)
{
    begin(t, "site-a", rules);
    lead(t);
    hear_ready(t);
}

static void stopped(struct one_site *t)
{
    step(t, &(struct fo_event){.type = FO_EV_WORKLOAD_STOPPED,
                               .workload = {.epoch = t->core.lease.epoch}});
}

static int64_t refused(const struct one_site *t)
{
    return noted(t, FO_NOTE_SWITCHOVER_REFUSED);
}

/* -- Switchover ----------------------------------------------------------------------------------- */

START_TEST(switchover_stops_and_releases_to_its_target)
{
    struct one_site t;
    lead_beside_ready(&t, FO_RULES_ALL);
    ask(&t, "site-b");
    ck_assert_int_eq(noted(&t, FO_NOTE_SWITCHOVER_BEGINS), 0);
    ck_assert_int_eq(t.core.role, HB_ROLE_DEMOTING);
    stopped(&t);
    const struct fo_effect *e = sent(&t, FO_KEY_LEASE);
    ck_assert_ptr_nonnull(e);
    ck_assert_int_eq(e->send.record->status, HB_RELEASED);
    ck_assert_int_eq(e->send.record->reason, HB_REASON_SWITCHOVER);
    ck_assert_str_eq(e->send.record->next.text, "site-b");
    ck_assert_int_eq(e->send.expect_revision, (int64_t)t.core.lease.revision);
    ck_assert_int_eq(refused(&t), -1);
    ck_assert(!hb_site_is_set(&t.core.switchover.to));
}
END_TEST

START_TEST(switchover_waits_for_the_heartbeat_under_way)
{
    struct one_site t;
    lead_beside_ready(&t, FO_RULES_ALL);
    tick_at(&t, t.core.heartbeat_due / MS);
    uint64_t counter = t.core.lease_try.record.counter;
    ask(&t, "site-b");
    ck_assert_int_eq(t.core.role, HB_ROLE_LEADER);
    answer(&t, FO_KEY_LEASE, counter, 1, FO_WRITE_STORED, ++t.revision);
    ck_assert_int_eq(t.core.role, HB_ROLE_DEMOTING);
    stopped(&t);
    ck_assert_int_eq(sent(&t, FO_KEY_LEASE)->send.expect_revision, (int64_t)t.revision);
}
END_TEST

START_TEST(switchover_is_refused_with_its_reason)
{
    struct one_site t;
    lead_beside_ready(&t, FO_RULES_ALL);
    ask(&t, "site-a");
    ck_assert_int_eq(refused(&t), FO_REFUSED_LEADS);
    ask(&t, "site-z");
    ck_assert_int_eq(refused(&t), FO_REFUSED_NO_MEMBER);
    peer_beats(&t, "site-b", false, 10);
    ask(&t, "site-b");
    ck_assert_int_eq(refused(&t), FO_REFUSED_NOT_FIT);
    peer_beats(&t, "site-b", true, 11);
    t.config.nofailover[1] = true;
    config(&t);
    ask(&t, "site-b");
    ck_assert_int_eq(refused(&t), FO_REFUSED_NOFAILOVER);
    t.config.nofailover[1] = false;
    t.config.paused = true;
    config(&t);
    ask(&t, "site-b");
    ck_assert_int_eq(refused(&t), FO_REFUSED_PAUSED);
    ck_assert_int_eq(t.core.role, HB_ROLE_LEADER);
    ck_assert(!hb_site_is_set(&t.core.switchover.to));
}
END_TEST

START_TEST(switchover_to_a_site_that_is_not_heard_is_refused)
{
    struct one_site t;
    begin(&t, "site-a", FO_RULES_ALL);
    lead(&t);
    ask(&t, "site-b");
    ck_assert_int_eq(refused(&t), FO_REFUSED_NOT_HEARD);
    hear_ready(&t);
    for (int i = 0; i < 3; i++)
        beat(&t);
    ask(&t, "site-b");
    ck_assert_int_eq(refused(&t), FO_REFUSED_NOT_HEARD);
    peer_beats(&t, "site-b", true, 20); /* the first in a row again */
    ask(&t, "site-b");
    ck_assert_int_eq(refused(&t), FO_REFUSED_NOT_READY);
}
END_TEST

START_TEST(switchover_of_a_replica_is_refused)
{
    struct one_site t;
    begin(&t, "site-b", FO_RULES_ALL);
    ask(&t, "site-b");
    ck_assert_int_eq(refused(&t), FO_REFUSED_NOT_LEADER);
}
END_TEST

/* SWITCHOVER_HEARD: it has died while the workload was stopped here. */
START_TEST(switchover_keeps_the_role_when_its_target_is_gone)
{
    struct one_site t;
    for (int off = 0; off < 2; off++) {
        lead_beside_ready(&t, off ? OFF(SWITCHOVER_HEARD) : FO_RULES_ALL);
        ask(&t, "site-b");
        ck_assert_int_eq(t.core.role, HB_ROLE_DEMOTING);
        t.now += 2500;
        stopped(&t);
        ck_assert_int_eq(t.core.role, off ? HB_ROLE_RELEASING : HB_ROLE_REPLICA);
        ck_assert_int_eq(refused(&t), off ? -1 : FO_REFUSED_NOT_HEARD);
    }
}
END_TEST

START_TEST(switchover_can_be_withdrawn_until_it_begins)
{
    struct one_site t;
    lead_beside_ready(&t, FO_RULES_ALL);
    tick_at(&t, t.core.heartbeat_due / MS);
    uint64_t counter = t.core.lease_try.record.counter;
    ask(&t, "site-b"); /* waits for the heartbeat */
    ask(&t, NULL);
    answer(&t, FO_KEY_LEASE, counter, 1, FO_WRITE_STORED, ++t.revision);
    ck_assert_int_eq(t.core.role, HB_ROLE_LEADER);
    ask(&t, "site-b");
    ck_assert_int_eq(t.core.role, HB_ROLE_DEMOTING);
    ask(&t, NULL);
    stopped(&t);
    ck_assert_int_eq(t.core.role, HB_ROLE_RELEASING);
    ask(&t, "site-b");
    ck_assert_int_eq(refused(&t), FO_REFUSED_NOT_LEADER);
}
END_TEST

/* -- The choice ----------------------------------------------------------------------------------- */

/* site-b takes what was released to it by an operator, and leads epoch 2. */
static void lead_by_choice(struct one_site *t, fo_rules rules)
{
    begin(t, "site-b", rules);
    struct heartbeat open = released(1, "site-b");
    open.reason = HB_REASON_SWITCHOVER;
    lease_seen(t, &open, ++t->revision);
    live_until(t, t->now + 3000);
    ck_assert_int_eq(t->core.role, HB_ROLE_CLAIMING);
    answer(t, FO_KEY_LEASE, t->core.lease_try.record.counter, 1, FO_WRITE_STORED, ++t->revision);
    step(t, &(struct fo_event){.type = FO_EV_WORKLOAD_STARTED,
                               .workload = {.epoch = t->core.lease.epoch}});
    ck_assert_int_eq(t->core.role, HB_ROLE_LEADER);
}

/* CHOICE_STAYS: the preferred primary has been ready for longer than yield_after. */
START_TEST(who_was_chosen_does_not_yield)
{
    struct one_site t;
    for (int off = 0; off < 2; off++) {
        lead_by_choice(&t, off ? OFF(CHOICE_STAYS) : FO_RULES_ALL);
        ck_assert(fo_leads_by_choice(&t.core));
        for (uint64_t i = 1; i < 50 && t.core.role == HB_ROLE_LEADER; i++) {
            beat(&t);
            ck_assert(sent(&t, FO_KEY_LEASE) == NULL);
            ck_assert(t.core.lease_try.record.chosen);
            peer_beats(&t, "site-a", true, i);
        }
        ck_assert_int_eq(t.core.role, off ? HB_ROLE_DEMOTING : HB_ROLE_LEADER);
    }
}
END_TEST

START_TEST(the_choice_outlasts_the_retaking)
{
    struct one_site t;
    lead_by_choice(&t, FO_RULES_ALL);
    uint64_t epoch = t.core.lease.epoch;
    struct heartbeat own = held_by("site-b", epoch, t.core.counter);
    own.nonce = t.core.nonce;
    own.chosen = true;
    lease_seen(&t, &own, t.revision);
    while (!effect(&t, FO_DO_STOP_WORKLOAD, 0)) /* nothing is answered any more */
        tick_at(&t, (t.out.next_ns + MS - 1) / MS);
    stopped(&t);
    live_until(&t, t.now + 20000);
    ck_assert_int_eq(t.core.role, HB_ROLE_CLAIMING);
    ck_assert_int_eq(t.core.lease.reason, HB_REASON_RETAKE);
    ck_assert(fo_leads_by_choice(&t.core));
    ck_assert_uint_gt(t.core.lease.epoch, epoch);
}
END_TEST

/* -- nofailover ------------------------------------------------------------------------------------- */

START_TEST(a_barred_site_takes_no_lease_by_itself)
{
    struct one_site t;
    for (int off = 0; off < 2; off++) {
        begin(&t, "site-b", off ? OFF(NOFAILOVER) : FO_RULES_ALL);
        t.config.nofailover[1] = true;
        config(&t);
        ck_assert(!fo_fit(&t.core, t.now * MS));
        struct heartbeat dead = held_by("site-a", 1, 5);
        lease_seen(&t, &dead, ++t.revision);
        live_until(&t, t.now + 20000);
        ck_assert_int_eq(t.core.role, off ? HB_ROLE_CLAIMING : HB_ROLE_REPLICA);
    }
}
END_TEST

START_TEST(who_is_barred_is_not_waited_for)
{
    struct one_site t;
    int64_t needed[2];
    for (int barred = 0; barred < 2; barred++) {
        begin(&t, "site-c", FO_RULES_ALL);
        t.config.sites[2] = named("site-c");
        t.config.site_count = 3;
        t.config.nofailover[1] = barred;
        config(&t);
        struct heartbeat dead = held_by("site-a", 1, 5);
        lease_seen(&t, &dead, ++t.revision);
        needed[barred] = t.core.known.needed;
    }
    ck_assert_int_eq(needed[0] - needed[1], 2000 * MS);
}
END_TEST

/* -- By force --------------------------------------------------------------------------------------- */

/* site-b, barred, over a record of site-a that it has just seen. */
static void barred_beside(struct one_site *t, const struct heartbeat *record, fo_rules rules)
{
    begin(t, "site-b", rules);
    t->config.nofailover[1] = true;
    config(t);
    live_until(t, t->now + 3000);
    lease_seen(t, record, ++t->revision);
}

START_TEST(nobody_is_forced_over_a_leader_that_is_heard)
{
    struct one_site t;
    struct heartbeat leader = held_by("site-a", 1, 5);
    barred_beside(&t, &leader, FO_RULES_ALL);
    force(&t, true); /* whatever the operator says */
    ck_assert_int_eq(noted(&t, FO_NOTE_FORCE_REFUSED), FO_REFUSED_HEARD);
    live_until(&t, t.now + 20000);
    force(&t, false);
    ck_assert_int_eq(t.core.role, HB_ROLE_CLAIMING);
    ck_assert_int_eq(t.core.lease.reason, HB_REASON_FORCED);
    ck_assert(fo_leads_by_choice(&t.core));

    barred_beside(&t, &leader, OFF(FORCE_SILENT));
    force(&t, false);
    ck_assert_int_eq(t.core.role, HB_ROLE_CLAIMING);
}
END_TEST

/* What was claimed by force may be stored without an answer: tried again for another reason, in the same
 * epoch, it is still the operator's choice. */
START_TEST(a_choice_that_was_not_answered_is_one_still)
{
    struct one_site t;
    struct heartbeat leader = held_by("site-a", 1, 5);
    barred_beside(&t, &leader, FO_RULES_ALL);
    live_until(&t, t.now + 20000);
    force(&t, false);
    uint64_t epoch = t.core.lease.epoch;
    while (t.core.role == HB_ROLE_CLAIMING)
        tick_at(&t, (t.out.next_ns + MS - 1) / MS);
    t.config.nofailover[1] = false;
    config(&t);
    live_until(&t, t.now + 20000);
    ck_assert_int_eq(t.core.role, HB_ROLE_CLAIMING);
    ck_assert_uint_eq(t.core.lease.epoch, epoch);
    ck_assert_int_ne(t.core.lease.reason, HB_REASON_FORCED);
    ck_assert(fo_leads_by_choice(&t.core));
}
END_TEST

START_TEST(over_a_pause_it_takes_an_operators_word)
{
    struct one_site t;
    struct heartbeat paused = held_by("site-a", 1, 5);
    paused.paused = true;
    barred_beside(&t, &paused, FO_RULES_ALL);
    t.config.paused = true;
    config(&t);
    live_until(&t, t.now + 20000);
    force(&t, false);
    ck_assert_int_eq(noted(&t, FO_NOTE_FORCE_REFUSED), FO_REFUSED_NOT_CERTAIN);
    ck_assert_int_eq(t.core.role, HB_ROLE_REPLICA);
    force(&t, true);
    ck_assert_int_eq(t.core.role, HB_ROLE_CLAIMING);
    /* It would be a pause that nobody could end if this site died now. */
    ck_assert(!sent(&t, FO_KEY_LEASE)->send.record->paused);

    barred_beside(&t, &paused, OFF(FORCE_WORD));
    live_until(&t, t.now + 20000);
    force(&t, false);
    ck_assert_int_eq(t.core.role, HB_ROLE_CLAIMING);
}
END_TEST

START_TEST(over_the_consent_of_others_it_takes_an_operators_word)
{
    struct one_site t;
    struct heartbeat by_consent = held_by("site-a", 1, 5);
    by_consent.failsafe = true;
    by_consent.voter_count = 1;
    by_consent.voters[0] = named("site-c");
    barred_beside(&t, &by_consent, FO_RULES_ALL);
    live_until(&t, t.now + 20000);
    force(&t, false);
    ck_assert_int_eq(noted(&t, FO_NOTE_FORCE_REFUSED), FO_REFUSED_NOT_CERTAIN);
    by_consent.voters[0] = named("site-b"); /* without this site it could not go on */
    barred_beside(&t, &by_consent, FO_RULES_ALL);
    live_until(&t, t.now + 20000);
    force(&t, false);
    ck_assert_int_eq(t.core.role, HB_ROLE_CLAIMING);
}
END_TEST

START_TEST(a_forced_promotion_is_refused_with_its_reason)
{
    struct one_site t;
    lead_beside_ready(&t, FO_RULES_ALL);
    force(&t, true);
    ck_assert_int_eq(noted(&t, FO_NOTE_FORCE_REFUSED), FO_REFUSED_LEADS);

    struct heartbeat dead = held_by("site-a", 1, 5);
    barred_beside(&t, &dead, FO_RULES_ALL);
    live_until(&t, t.now + 20000);
    step(&t, &(struct fo_event){.type = FO_EV_GUARDIAN});
    force(&t, true);
    ck_assert_int_eq(noted(&t, FO_NOTE_FORCE_REFUSED), FO_REFUSED_NO_GUARDIAN);

    struct heartbeat open = released(1, "site-a");
    barred_beside(&t, &open, FO_RULES_ALL);
    force(&t, true);
    ck_assert_int_eq(noted(&t, FO_NOTE_FORCE_REFUSED), FO_REFUSED_FOR_ANOTHER);
    live_until(&t, t.now + 4000);
    ck_assert_int_eq(t.core.role, HB_ROLE_REPLICA);
    force(&t, false);
    ck_assert_int_eq(t.core.role, HB_ROLE_CLAIMING);

    barred_beside(&t, NULL, FO_RULES_ALL); /* one that can't be read */
    live_until(&t, t.now + 20000);
    force(&t, true);
    ck_assert_int_eq(noted(&t, FO_NOTE_FORCE_REFUSED), FO_REFUSED_UNKNOWN_LEASE);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("operator");
    TCase *c = tcase_create("operator");
    tcase_add_test(c, switchover_stops_and_releases_to_its_target);
    tcase_add_test(c, switchover_waits_for_the_heartbeat_under_way);
    tcase_add_test(c, switchover_is_refused_with_its_reason);
    tcase_add_test(c, switchover_to_a_site_that_is_not_heard_is_refused);
    tcase_add_test(c, switchover_of_a_replica_is_refused);
    tcase_add_test(c, switchover_keeps_the_role_when_its_target_is_gone);
    tcase_add_test(c, switchover_can_be_withdrawn_until_it_begins);
    tcase_add_test(c, who_was_chosen_does_not_yield);
    tcase_add_test(c, the_choice_outlasts_the_retaking);
    tcase_add_test(c, a_barred_site_takes_no_lease_by_itself);
    tcase_add_test(c, who_is_barred_is_not_waited_for);
    tcase_add_test(c, nobody_is_forced_over_a_leader_that_is_heard);
    tcase_add_test(c, a_choice_that_was_not_answered_is_one_still);
    tcase_add_test(c, over_a_pause_it_takes_an_operators_word);
    tcase_add_test(c, over_the_consent_of_others_it_takes_an_operators_word);
    tcase_add_test(c, a_forced_promotion_is_refused_with_its_reason);
    suite_add_tcase(s, c);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
