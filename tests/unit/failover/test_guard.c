/* What the guardian is to hold, what its death and its firing do, and what a successor inherits. */
#include "one_site.h"

static struct fo_guard view(const struct one_site *t)
{
    struct fo_guard g;
    fo_guard_view(&t->core, &g);
    return g;
}

static void guardian(struct one_site *t, bool up, uint64_t fired)
{
    step(t,
         &(struct fo_event){.type = FO_EV_GUARDIAN, .guardian = {.up = up, .fired_epoch = fired}});
}

static void stop_verified(struct one_site *t, uint64_t epoch)
{
    step(t, &(struct fo_event){.type = FO_EV_WORKLOAD_STOPPED, .workload = {.epoch = epoch}});
}

/* Its successor, `away` ms later, with what the guardian holds. It is connected at once. */
static void succeed_where(struct one_site *t, const struct fo_guard *inherit, int64_t away,
                          uint64_t marks, uint64_t open, fo_rules rules)
{
    struct fo_setup setup = {.site = named("site-a"), .nonce = 99, .seed = 1, .rules = rules};
    t->now += away;
    fo_init(&t->core, &setup, t->now * MS);
    step(t,
         &(struct fo_event){.type = FO_EV_CONFIG, .config = {.config = &t->config, .revision = 1}});
    guardian(t, true, 0);
    step(t, &(struct fo_event){.type = FO_EV_CONNECTED});
    step(t, &(struct fo_event){.type = FO_EV_START,
                               .start = {.seen_epoch = marks,
                                         .led_epoch = marks,
                                         .open_epoch = open,
                                         .inherit = inherit}});
}

static void succeed(struct one_site *t, const struct fo_guard *inherit, int64_t away,
                    uint64_t marks, fo_rules rules)
{
    succeed_where(t, inherit, away, marks, marks, rules);
}

/* -- the view -------------------------------------------------------------------------------------- */

START_TEST(armed_before_the_start_and_serving_after_it)
{
    struct one_site t;
    begin(&t, "site-a", FO_RULES_ALL);
    ck_assert_int_eq(view(&t).phase, FO_GUARD_NONE);
    struct heartbeat first = released(0, "site-a");
    lease_seen(&t, &first, ++t.revision);
    live_until(&t, t.now + 3000);
    ck_assert_int_eq(t.core.role, HB_ROLE_CLAIMING);
    ck_assert_int_eq(view(&t).phase, FO_GUARD_NONE);
    ck_assert_uint_eq(view(&t).epoch, 0);
    int64_t s = t.now;
    answer(&t, FO_KEY_LEASE, t.core.lease_try.record.counter, 1, FO_WRITE_STORED, 500);
    ck_assert_ptr_nonnull(effect(&t, FO_DO_START_WORKLOAD, 0));
    struct fo_guard g = view(&t);
    ck_assert_int_eq(g.phase, FO_GUARD_ARMED);
    ck_assert_uint_eq(g.epoch, 1);
    ck_assert_uint_eq(g.nonce, 77);
    ck_assert_uint_eq(g.revision, 500);
    ck_assert_uint_ge(g.counter, g.first_counter);
    ck_assert_uint_eq(g.counter, t.core.counter + 1); /* the next one needs no word */
    ck_assert_int_eq(g.begun, s * MS);
    ck_assert_int_eq(g.deadline, (s + 3000) * MS);
    ck_assert_int_eq(g.fence_limit, 1500 * MS);
    step(&t, &(struct fo_event){.type = FO_EV_WORKLOAD_STARTED, .workload = {.epoch = 1}});
    ck_assert_int_eq(view(&t).phase, FO_GUARD_SERVING);
}
END_TEST

START_TEST(deadline_moves_with_acknowledgements_alone)
{
    struct one_site t;
    begin(&t, "site-a", FO_RULES_ALL);
    lead(&t);
    int64_t before = view(&t).deadline;
    tick_at(&t, t.core.heartbeat_due / MS);
    int64_t s = t.now;
    ck_assert_int_eq(view(&t).deadline, before);
    ck_assert_uint_eq(view(&t).counter, sent(&t, FO_KEY_LEASE)->send.counter);
    answer(&t, FO_KEY_LEASE, view(&t).counter, 1, FO_WRITE_STORED, 700);
    ck_assert_int_eq(view(&t).deadline, (s + 3000) * MS);
    ck_assert_uint_eq(view(&t).revision, 700);
}
END_TEST

/* What is sent under the number that it was told already changes nothing that it holds; any further attempt
 * does, before it is sent. */
START_TEST(heartbeat_that_is_answered_is_one_word_to_it)
{
    struct one_site t;
    begin(&t, "site-a", FO_RULES_ALL);
    lead(&t);
    for (int i = 0; i < 3; i++) {
        struct fo_guard told = view(&t), now;
        tick_at(&t, t.core.heartbeat_due / MS);
        ck_assert_uint_eq(sent(&t, FO_KEY_LEASE)->send.counter, told.counter);
        now = view(&t);
        ck_assert_mem_eq(&now, &told, sizeof now);
        if (i < 2)
            answer(&t, FO_KEY_LEASE, told.counter, 1, FO_WRITE_STORED, ++t.revision);
    }
    struct fo_guard told = view(&t);
    tick_at(&t, t.now + 1000);
    ck_assert_uint_eq(sent(&t, FO_KEY_LEASE)->send.counter, told.counter + 1);
    ck_assert_uint_eq(view(&t).counter, told.counter + 1);
}
END_TEST

/* Whether the one before had sent under the last number or not. */
START_TEST(successor_counts_on_above_what_may_have_been_sent)
{
    struct one_site t;
    begin(&t, "site-a", FO_RULES_ALL);
    lead(&t);
    struct fo_guard told = view(&t);
    tick_at(&t, t.core.heartbeat_due / MS);
    uint64_t last = sent(&t, FO_KEY_LEASE)->send.counter;
    succeed(&t, &told, 10, 1, FO_RULES_ALL);
    ck_assert_uint_gt(sent(&t, FO_KEY_LEASE)->send.counter, last);
}
END_TEST

START_TEST(fence_moves_the_kill_to_the_end_of_the_soft_stop)
{
    struct one_site t;
    begin(&t, "site-a", FO_RULES_ALL);
    lead(&t);
    struct heartbeat other = held_by("site-b", 7, 1);
    lease_seen(&t, &other, ++t.revision);
    ck_assert_int_eq(t.core.role, HB_ROLE_FENCING);
    struct fo_guard g = view(&t);
    ck_assert_int_eq(g.phase, FO_GUARD_FENCING);
    ck_assert_uint_eq(g.epoch, 1);
    ck_assert_int_eq(g.deadline, (t.now + 1000) * MS);
    ck_assert_int_eq(g.fence_limit, 500 * MS);
    tick_at(&t, t.now + 400);
    ck_assert_int_eq(view(&t).deadline, g.deadline);
    stop_verified(&t, 1);
    ck_assert_int_eq(view(&t).phase, FO_GUARD_NONE);
    ck_assert_uint_eq(view(&t).epoch, 1);
}
END_TEST

/* However late the loop was, the kill is not put off beyond what was promised. */
START_TEST(late_fence_kills_at_once)
{
    struct one_site t;
    begin(&t, "site-a", FO_RULES_ALL);
    lead(&t);
    int64_t deadline = view(&t).deadline / MS;
    tick_at(&t, deadline + 250 + 1400);
    ck_assert_int_eq(t.core.role, HB_ROLE_FENCING);
    ck_assert_int_eq(view(&t).deadline, t.now * MS);
    ck_assert_int_eq(view(&t).deadline + view(&t).fence_limit, (deadline + 250 + 1500) * MS);
}
END_TEST

START_TEST(paused_lease_has_no_deadline)
{
    struct one_site t;
    begin(&t, "site-a", FO_RULES_ALL);
    lead(&t);
    t.config.paused = true;
    step(&t,
         &(struct fo_event){.type = FO_EV_CONFIG, .config = {.config = &t.config, .revision = 2}});
    ck_assert(!view(&t).paused);
    ck_assert_int_ne(view(&t).deadline, FO_NEVER);
    answer(&t, FO_KEY_LEASE, t.core.counter, 1, FO_WRITE_STORED, ++t.revision);
    ck_assert(view(&t).paused);
    ck_assert_int_eq(view(&t).deadline, FO_NEVER);
}
END_TEST

/* -- what it says ---------------------------------------------------------------------------------- */

START_TEST(no_guardian_no_lease)
{
    struct one_site t;
    begin(&t, "site-a", FO_RULES_ALL);
    guardian(&t, false, 0);
    struct heartbeat first = released(0, "site-a");
    lease_seen(&t, &first, ++t.revision);
    live_until(&t, t.now + 10000);
    ck_assert_int_eq(t.core.role, HB_ROLE_REPLICA);
    ck_assert(!fo_fit(&t.core, t.now * MS));
    guardian(&t, true, 0);
    ck_assert(fo_fit(&t.core, t.now * MS));
    live_until(&t, t.now + 10000);
    ck_assert_int_eq(t.core.role, HB_ROLE_CLAIMING);
}
END_TEST

static void pause_lease(struct one_site *t)
{
    t->config.paused = true;
    step(t,
         &(struct fo_event){.type = FO_EV_CONFIG, .config = {.config = &t->config, .revision = 2}});
    answer(t, FO_KEY_LEASE, t->core.counter, 1, FO_WRITE_STORED, ++t->revision);
    ck_assert(t->core.lease.paused);
}

/* _i: under a pause, which this overrides. */
START_TEST(death_of_the_guardian_ends_the_epoch)
{
    struct one_site t;
    begin(&t, "site-a", FO_RULES_ALL);
    lead(&t);
    if (_i == 1)
        pause_lease(&t);
    guardian(&t, false, 0);
    guardian(&t, true, 0);
    ck_assert_int_eq(t.core.role, HB_ROLE_FENCING);
    ck_assert_int_eq(t.core.reason, HB_REASON_GUARDIAN_LOST);
    ck_assert_int_eq(view(&t).phase, FO_GUARD_FENCING);
    stop_verified(&t, 1);
    ck_assert_int_eq(sent(&t, FO_KEY_LEASE)->send.record->status, HB_RELEASED);
}
END_TEST

START_TEST(claim_is_given_up_with_the_guardian)
{
    struct one_site t;
    begin(&t, "site-a", FO_RULES_ALL);
    struct heartbeat first = released(0, "site-a");
    lease_seen(&t, &first, ++t.revision);
    live_until(&t, t.now + 3000);
    uint64_t counter = t.core.lease_try.record.counter;
    guardian(&t, false, 0);
    ck_assert_int_eq(t.core.role, HB_ROLE_REPLICA);
    answer(&t, FO_KEY_LEASE, counter, 1, FO_WRITE_STORED, ++t.revision);
    ck_assert_ptr_null(effect(&t, FO_DO_START_WORKLOAD, 0));
    ck_assert_int_eq(view(&t).phase, FO_GUARD_NONE);
}
END_TEST

START_TEST(epoch_that_was_fired_is_over)
{
    struct one_site t;
    begin(&t, "site-a", FO_RULES_ALL);
    lead(&t);
    guardian(&t, true, 0);
    ck_assert_int_eq(t.core.role, HB_ROLE_LEADER);
    guardian(&t, true, 1);
    ck_assert_int_eq(t.core.role, HB_ROLE_FENCING);
    ck_assert_int_eq(t.core.reason, HB_REASON_GUARDIAN_FIRED);
}
END_TEST

/* -- what a successor inherits ------------------------------------------------------------------------- */

START_TEST(lease_is_resumed_and_the_workload_left_alone)
{
    struct one_site t;
    begin(&t, "site-a", FO_RULES_ALL);
    lead(&t);
    beat(&t);
    struct fo_guard g = view(&t);
    succeed(&t, &g, 1200, 1, FO_RULES_ALL);
    ck_assert_ptr_null(effect(&t, FO_DO_STOP_WORKLOAD, 0));
    ck_assert_ptr_null(effect(&t, FO_DO_START_WORKLOAD, 0));
    ck_assert_int_eq(t.core.role, HB_ROLE_LEADER);
    const struct fo_effect *e = sent(&t, FO_KEY_LEASE);
    ck_assert_ptr_nonnull(e);
    ck_assert_uint_eq(e->send.record->nonce, 77);
    ck_assert_uint_eq(e->send.record->epoch, 1);
    ck_assert_uint_eq(e->send.counter, g.counter + 1);
    ck_assert_int_eq(e->send.expect_revision, (int64_t)g.revision);
    ck_assert_int_eq(view(&t).deadline, g.deadline);
    ck_assert_int_eq(view(&t).phase, FO_GUARD_SERVING);
    answer(&t, FO_KEY_LEASE, e->send.counter, 1, FO_WRITE_STORED, ++t.revision);
    ck_assert_int_eq(view(&t).deadline, (t.now + 3000) * MS);
}
END_TEST

/* What its predecessor had on its way when it died costs one round trip, not three. */
START_TEST(successor_reads_what_its_predecessor_wrote_last)
{
    struct one_site t;
    begin(&t, "site-a", FO_RULES_ALL);
    lead(&t);
    tick_at(&t, t.core.heartbeat_due / MS);
    struct heartbeat unanswered = *sent(&t, FO_KEY_LEASE)->send.record;
    struct fo_guard g = view(&t);
    succeed(&t, &g, 100, 1, FO_RULES_ALL);
    const struct fo_effect *read = effect(&t, FO_DO_READ, 0);
    ck_assert_ptr_nonnull(read);
    step(&t, &(struct fo_event){.type = FO_EV_READ,
                                .read = {.request = read->read.request,
                                         .outcome = FO_READ_FOUND,
                                         .record = &unanswered,
                                         .revision = 900}});
    const struct fo_effect *e = sent(&t, FO_KEY_LEASE);
    ck_assert_ptr_nonnull(e);
    ck_assert_int_eq(e->send.expect_revision, 900);
    ck_assert_int_eq(view(&t).deadline, g.deadline); /* a read proves nothing */
}
END_TEST

/* Anything but a lease that served and has not expired is fenced; the guardian stays armed. */
START_TEST(anything_else_is_fenced)
{
    struct one_site t;
    begin(&t, "site-a", FO_RULES_ALL);
    lead(&t);
    struct fo_guard g = view(&t);
    int64_t away = 500;
    uint64_t marks = 1, open = 1;
    if (_i == 0)
        g.phase = FO_GUARD_ARMED;
    else if (_i == 1)
        away = g.deadline / MS - t.now;
    else if (_i == 2)
        marks = 2; /* somebody has led since */
    else if (_i == 3)
        open = 0; /* an agent between the two found no guardian, and stopped it */
    succeed_where(&t, &g, away, marks, open, FO_RULES_ALL);
    ck_assert_int_eq(t.core.role, HB_ROLE_STARTING);
    const struct fo_effect *stop = effect(&t, FO_DO_STOP_WORKLOAD, 0);
    ck_assert_ptr_nonnull(stop);
    ck_assert_int_le(stop->workload.deadline_ns, g.deadline + (250 + 1500) * MS);
    ck_assert_int_eq(view(&t).phase, FO_GUARD_FENCING);
    ck_assert_uint_eq(view(&t).epoch, 1);
    stop_verified(&t, 0);
    ck_assert_int_eq(t.core.role, HB_ROLE_REPLICA);
    ck_assert_int_eq(view(&t).phase, FO_GUARD_NONE);
}
END_TEST

/* A fence that had begun keeps its kill, however long the new agent would have for one. */
START_TEST(fence_under_way_keeps_its_kill)
{
    struct one_site t;
    begin(&t, "site-a", FO_RULES_ALL);
    lead(&t);
    guardian(&t, true, 1);
    struct fo_guard g = view(&t);
    ck_assert_int_eq(g.phase, FO_GUARD_FENCING);
    succeed(&t, &g, 700, 1, FO_RULES_ALL);
    ck_assert_int_eq(view(&t).deadline, g.deadline);
    ck_assert_int_eq(effect(&t, FO_DO_STOP_WORKLOAD, 0)->workload.deadline_ns,
                     g.deadline + g.fence_limit);
}
END_TEST

START_TEST(nothing_inherited_is_fenced_as_ever)
{
    struct one_site t;
    begin(&t, "site-a", FO_RULES_ALL);
    succeed(&t, NULL, 100, 0, FO_RULES_ALL);
    ck_assert_ptr_nonnull(effect(&t, FO_DO_STOP_WORKLOAD, 0));
    ck_assert_int_eq(view(&t).phase, FO_GUARD_NONE);
}
END_TEST

START_TEST(pause_is_inherited)
{
    struct one_site t;
    begin(&t, "site-a", FO_RULES_ALL);
    lead(&t);
    pause_lease(&t);
    struct fo_guard g = view(&t);
    succeed(&t, &g, 100000, 1, FO_RULES_ALL);
    ck_assert_int_eq(t.core.role, HB_ROLE_LEADER);
    ck_assert(view(&t).paused);
    ck_assert_int_eq(view(&t).deadline, FO_NEVER);
}
END_TEST

/* What it says before the start must not overwrite the marks, which are not known yet. */
START_TEST(marks_outlast_what_the_guardian_says_first)
{
    struct one_site t;
    begin(&t, "site-a", FO_RULES_ALL);
    struct fo_setup setup = {
        .site = named("site-a"), .nonce = 99, .seed = 1, .rules = FO_RULES_ALL};
    fo_init(&t.core, &setup, t.now * MS);
    guardian(&t, true, 7);
    ck_assert_ptr_null(effect(&t, FO_DO_PERSIST, 0));
    step(&t,
         &(struct fo_event){.type = FO_EV_START,
                            .start = {.workload_stopped = true, .seen_epoch = 5, .seen = {2, 5}}});
    const struct fo_effect *e = effect(&t, FO_DO_PERSIST, 0);
    ck_assert_ptr_nonnull(e);
    ck_assert_uint_eq(e->persist.seen_epoch, 7);
    ck_assert_uint_eq(e->persist.seen.generation, 2);
    ck_assert_uint_eq(e->persist.seen.epoch, 5);
}
END_TEST

/* A guardian that hung while this agent started holds the lease of the one before. _i: still running. */
START_TEST(what_was_not_resumed_is_ended_at_the_guardian)
{
    struct one_site t;
    begin(&t, "site-a", FO_RULES_ALL);
    guardian(&t, false, 0);
    succeed(&t, NULL, 100, 3, FO_RULES_ALL);
    if (_i == 0)
        stop_verified(&t, 0);
    struct fo_guard held = {.phase = FO_GUARD_SERVING,
                            .generation = 1,
                            .epoch = 3,
                            .deadline = (t.now + 10000) * MS,
                            .fence_limit = 1500 * MS};
    step(&t, &(struct fo_event){.type = FO_EV_GUARDIAN, .guardian = {.up = true, .armed = &held}});
    ck_assert_int_eq(view(&t).phase, _i == 0 ? FO_GUARD_NONE : FO_GUARD_FENCING);
    ck_assert_uint_eq(view(&t).generation, 1);
    ck_assert_uint_eq(view(&t).epoch, 3);
    if (_i == 1)
        stop_verified(&t, 0);
    ck_assert_int_eq(view(&t).phase, FO_GUARD_NONE);
}
END_TEST

/* The one before promised that its fence takes 600 ms; the configuration that this agent starts with allows 1500. _i: it
 * served; it was fencing already, with 100 ms to go. */
START_TEST(what_was_not_resumed_ends_by_what_was_promised_for_it)
{
    struct one_site t;
    begin(&t, "site-a", FO_RULES_ALL);
    guardian(&t, false, 0);
    succeed(&t, NULL, 100, 3, FO_RULES_ALL);
    int64_t began = t.now;
    t.now += 200;
    struct fo_guard held = {.phase = _i == 0 ? FO_GUARD_SERVING : FO_GUARD_FENCING,
                            .epoch = 3,
                            .deadline = (_i == 0 ? began + 100 : t.now + 100) * MS,
                            .fence_limit = (_i == 0 ? 600 : 200) * MS};
    step(&t, &(struct fo_event){.type = FO_EV_GUARDIAN, .guardian = {.up = true, .armed = &held}});
    struct fo_guard g = view(&t);
    ck_assert_int_eq(g.phase, FO_GUARD_FENCING);
    ck_assert_int_le(g.deadline + g.fence_limit, held.deadline + 250 * MS + held.fence_limit);
    if (_i == 1)
        ck_assert_int_le(g.deadline, held.deadline);
    const struct fo_effect *stop = effect(&t, FO_DO_STOP_WORKLOAD, 0);
    ck_assert_ptr_nonnull(stop); /* sooner than it was asked to */
}
END_TEST

/* RESUME_CONNECTED: no failure is counted before there is a connection; the deadline runs on. */
START_TEST(resumed_lease_waits_for_the_connection)
{
    struct one_site t;
    begin(&t, "site-a", FO_RULES_ALL);
    lead(&t);
    struct fo_guard g = view(&t);
    g.deadline = (t.now + 20000) * MS; /* a planned restart */
    struct fo_setup setup = {
        .site = named("site-a"), .nonce = 99, .seed = 1, .rules = FO_RULES_ALL};
    fo_init(&t.core, &setup, t.now * MS);
    step(&t,
         &(struct fo_event){.type = FO_EV_CONFIG, .config = {.config = &t.config, .revision = 1}});
    guardian(&t, true, 0);
    step(&t, &(struct fo_event){
                 .type = FO_EV_START,
                 .start = {.seen_epoch = 1, .led_epoch = 1, .open_epoch = 1, .inherit = &g}});
    ck_assert_ptr_null(sent(&t, FO_KEY_LEASE));
    tick_at(&t, t.now + 9000);
    ck_assert_uint_eq(t.core.failures, 0);
    ck_assert_int_eq(t.core.role, HB_ROLE_LEADER);
    step(&t, &(struct fo_event){.type = FO_EV_CONNECTED});
    ck_assert_ptr_nonnull(sent(&t, FO_KEY_LEASE));
    ck_assert_ptr_nonnull(effect(&t, FO_DO_READ, 0));         /* CATCH_UP */
    ck_assert_int_eq(view(&t).deadline, (t.now + 3000) * MS); /* what is sent promises no more */
}
END_TEST

/* -- a clean handover --------------------------------------------------------------------------- */

static const struct fo_effect *hand_over(struct one_site *t, int64_t clean_ms)
{
    begin(t, "site-a", FO_RULES_ALL);
    lead(t);
    step(t, &(struct fo_event){.type = FO_EV_CLEAN_STOP, .clean_stop = {.limit_ms = clean_ms}});
    step(t, &(struct fo_event){.type = FO_EV_STEP_DOWN});
    return effect(t, FO_DO_STOP_WORKLOAD, 0);
}

/* HANDOVER_PROMISE: 30 s of grace need a promise of more than that. */
START_TEST(clean_handover_gets_a_longer_promise_first)
{
    struct one_site t;
    ck_assert_ptr_null(hand_over(&t, 30000));
    const struct fo_effect *e = sent(&t, FO_KEY_LEASE);
    ck_assert_ptr_nonnull(e);
    ck_assert_int_ge(e->send.record->expires_in_ms, 30000 + 250 + 1000);
    t.now += 900;
    answer(&t, FO_KEY_LEASE, e->send.counter, 1, FO_WRITE_STORED, ++t.revision);
    const struct fo_effect *stop = effect(&t, FO_DO_STOP_WORKLOAD, 0);
    ck_assert_ptr_nonnull(stop);
    ck_assert_int_eq(stop->workload.deadline_ns, (t.now + 30000) * MS);
    ck_assert_int_eq(view(&t).phase, FO_GUARD_FENCING);
    ck_assert_int_eq(view(&t).deadline, (t.now + 29500) * MS);
    ck_assert_int_eq(t.core.terms.promise_ms, 4753);
}
END_TEST

START_TEST(handover_goes_on_without_an_acknowledgement)
{
    struct one_site t;
    ck_assert_ptr_null(hand_over(&t, 30000));
    int64_t deadline = view(&t).deadline;
    for (int i = 0; i < 4 && !effect(&t, FO_DO_STOP_WORKLOAD, 0); i++)
        tick_at(&t, t.now + 1000);
    const struct fo_effect *stop = effect(&t, FO_DO_STOP_WORKLOAD, 0);
    ck_assert_ptr_nonnull(stop);
    ck_assert_int_le(stop->workload.deadline_ns, deadline + (250 + 1500) * MS);
}
END_TEST

/* Without a guardian nobody would end it, should the agent die as well. */
START_TEST(clean_stop_is_cut_short_with_the_guardian)
{
    struct one_site t;
    hand_over(&t, 30000);
    answer(&t, FO_KEY_LEASE, t.core.lease_try.record.counter, 1, FO_WRITE_STORED, ++t.revision);
    t.now += 5000;
    guardian(&t, false, 0);
    const struct fo_effect *stop = effect(&t, FO_DO_STOP_WORKLOAD, 0);
    ck_assert_ptr_nonnull(stop);
    ck_assert_int_eq(stop->workload.deadline_ns, (t.now + 1500) * MS);
    ck_assert_int_eq(t.core.role, HB_ROLE_DEMOTING);
    guardian(&t, false, 0);
    ck_assert_ptr_null(effect(&t, FO_DO_STOP_WORKLOAD, 0));
}
END_TEST

START_TEST(short_stop_needs_no_longer_promise)
{
    struct one_site t;
    const struct fo_effect *stop = hand_over(&t, 1000);
    ck_assert_ptr_nonnull(stop);
    ck_assert_int_eq(stop->workload.deadline_ns, (t.now + 1500) * MS);
}
END_TEST

/* -- a planned restart ------------------------------------------------------------------------------- */

static void leave(struct one_site *t, int64_t promise_ms)
{
    step(t, &(struct fo_event){.type = FO_EV_LEAVE, .leave = {.promise_ms = promise_ms}});
}

START_TEST(leader_leaves_once_the_longer_promise_is_acknowledged)
{
    struct one_site t;
    begin(&t, "site-a", FO_RULES_ALL);
    lead(&t);
    int64_t deadline = view(&t).deadline;
    leave(&t, 30000);
    const struct fo_effect *e = sent(&t, FO_KEY_LEASE);
    ck_assert_ptr_nonnull(e);
    ck_assert_int_eq(e->send.record->expires_in_ms, 30000);
    ck_assert_int_lt(noted(&t, FO_NOTE_MAY_LEAVE), 0);
    ck_assert_int_eq(view(&t).deadline, deadline);
    answer(&t, FO_KEY_LEASE, e->send.counter, 1, FO_WRITE_STORED, ++t.revision);
    int64_t room = 30000 - 15 - 250 - 1500; /* drift, lateness, fence */
    ck_assert_int_eq(noted(&t, FO_NOTE_MAY_LEAVE), room);
    ck_assert_int_eq(view(&t).deadline, (t.now + room) * MS);
    struct fo_guard g = view(&t);
    succeed(&t, &g, room - 10, 1, FO_RULES_ALL);
    ck_assert_int_eq(t.core.role, HB_ROLE_LEADER);
    ck_assert_int_eq(sent(&t, FO_KEY_LEASE)->send.record->expires_in_ms, 4753);
}
END_TEST

START_TEST(promise_is_bounded_and_taken_back)
{
    struct one_site t;
    begin(&t, "site-a", FO_RULES_ALL);
    lead(&t);
    leave(&t, 1000000);
    ck_assert_int_eq(sent(&t, FO_KEY_LEASE)->send.record->expires_in_ms, 150000);
    tick_at(&t, t.now + 1000);
    tick_at(&t, t.now + 1000); /* n = 2: lost, as it would be without */
    tick_at(&t, t.now + 1000);
    ck_assert_int_eq(noted(&t, FO_NOTE_CANNOT_LEAVE), 0);
    ck_assert_int_eq(t.core.terms.promise_ms, 4753);
}
END_TEST

START_TEST(replica_leaves_at_once)
{
    struct one_site t;
    begin(&t, "site-b", FO_RULES_ALL);
    leave(&t, 30000);
    ck_assert_ptr_nonnull(effect(&t, FO_DO_NOTE, 0));
    ck_assert_int_eq(effect(&t, FO_DO_NOTE, 0)->note.note, FO_NOTE_MAY_LEAVE);
}
END_TEST

START_TEST(who_is_about_to_leave_claims_nothing)
{
    struct one_site t;
    begin(&t, "site-a", FO_RULES_ALL);
    leave(&t, 8000);
    int64_t asked = t.now;
    struct heartbeat first = released(0, "site-a");
    lease_seen(&t, &first, ++t.revision);
    live_until(&t, asked + 7900);
    ck_assert_int_eq(t.core.role, HB_ROLE_REPLICA);
    live_until(&t, asked + 12000); /* it did not go */
    ck_assert_int_eq(t.core.role, HB_ROLE_CLAIMING);
}
END_TEST

static void add_view_tests(TCase *tc)
{
    tcase_add_test(tc, armed_before_the_start_and_serving_after_it);
    tcase_add_test(tc, deadline_moves_with_acknowledgements_alone);
    tcase_add_test(tc, heartbeat_that_is_answered_is_one_word_to_it);
    tcase_add_test(tc, successor_counts_on_above_what_may_have_been_sent);
    tcase_add_test(tc, fence_moves_the_kill_to_the_end_of_the_soft_stop);
    tcase_add_test(tc, late_fence_kills_at_once);
    tcase_add_test(tc, paused_lease_has_no_deadline);
}

static void add_event_tests(TCase *tc)
{
    tcase_add_test(tc, no_guardian_no_lease);
    tcase_add_loop_test(tc, death_of_the_guardian_ends_the_epoch, 0, 2);
    tcase_add_test(tc, claim_is_given_up_with_the_guardian);
    tcase_add_test(tc, epoch_that_was_fired_is_over);
}

static void add_inherit_tests(TCase *tc)
{
    tcase_add_test(tc, lease_is_resumed_and_the_workload_left_alone);
    tcase_add_test(tc, successor_reads_what_its_predecessor_wrote_last);
    tcase_add_loop_test(tc, anything_else_is_fenced, 0, 4);
    tcase_add_test(tc, fence_under_way_keeps_its_kill);
    tcase_add_test(tc, nothing_inherited_is_fenced_as_ever);
    tcase_add_test(tc, pause_is_inherited);
    tcase_add_test(tc, marks_outlast_what_the_guardian_says_first);
    tcase_add_loop_test(tc, what_was_not_resumed_is_ended_at_the_guardian, 0, 2);
    tcase_add_loop_test(tc, what_was_not_resumed_ends_by_what_was_promised_for_it, 0, 2);
    tcase_add_test(tc, resumed_lease_waits_for_the_connection);
}

static void add_leave_tests(TCase *tc)
{
    tcase_add_test(tc, leader_leaves_once_the_longer_promise_is_acknowledged);
    tcase_add_test(tc, promise_is_bounded_and_taken_back);
    tcase_add_test(tc, replica_leaves_at_once);
    tcase_add_test(tc, who_is_about_to_leave_claims_nothing);
}

static void add_handover_tests(TCase *tc)
{
    tcase_add_test(tc, clean_handover_gets_a_longer_promise_first);
    tcase_add_test(tc, handover_goes_on_without_an_acknowledgement);
    tcase_add_test(tc, clean_stop_is_cut_short_with_the_guardian);
    tcase_add_test(tc, short_stop_needs_no_longer_promise);
}

int main(void)
{
    Suite *suite = suite_create("guard");
    TCase *tc = tcase_create("guard");
    add_view_tests(tc);
    add_event_tests(tc);
    add_inherit_tests(tc);
    add_leave_tests(tc);
    add_handover_tests(tc);
    suite_add_tcase(suite, tc);
    SRunner *sr = srunner_create(suite);
    srunner_run_all(sr, CK_NORMAL);
    int failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed == 0 ? 0 : 1;
}
