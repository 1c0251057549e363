/* Failsafe by consent: what a leader counts, and what a voter promises. T 1000, n 2, F 3000, promise 4753. */
#include "one_site.h"

static void configure(struct one_site *t, bool failsafe, const char *voters)
{
    static uint64_t revision = 10;
    t->config.site_count = 3;
    t->config.sites[2] = named("site-c");
    t->config.failsafe = failsafe;
    for (unsigned i = 0; i < 3; i++) {
        bool has = strchr(voters, "abc"[i]) != NULL;
        strcpy(t->config.addresses[i], has ? "host:1" : "");
    }
    step(t, &(struct fo_event){.type = FO_EV_CONFIG,
                               .config = {.config = &t->config, .revision = ++revision}});
}

/* site-a leads, with this group known from the start of its epoch. */
static void lead_with(struct one_site *t, bool failsafe, const char *voters, fo_rules rules)
{
    begin(t, "site-a", rules);
    configure(t, failsafe, voters);
    lead(t);
    beat(t);
}

/* The nonce of the first request in this epoch. */
static uint64_t first_of(const struct one_site *t)
{
    return t->core.nonce + t->core.consent.first_round;
}

static void answer_consent(struct one_site *t, const char *from, uint64_t nonce, bool granted,
                           uint64_t lease_epoch)
{
    step(t, &(struct fo_event){.type = FO_EV_CONSENT_ANSWER,
                               .answer = {.from = named(from),
                                          .nonce = nonce,
                                          .era = {0, t->core.lease.epoch},
                                          .granted = granted,
                                          .lease = {0, lease_epoch}}});
}

/* Go on to `until` with no write answered and each request granted by the sites in `by`, at once. */
static void without_store(struct one_site *t, int64_t until, const char *by)
{
    while (t->out.next_ns <= until * MS && t->core.lease.held) {
        tick_at(t, (t->out.next_ns + MS - 1) / MS);
        struct fo_effects asked = t->out;
        for (unsigned i = 0; i < asked.count; i++) {
            const struct fo_effect *e = &asked.items[i];
            if (e->type == FO_DO_CONSENT_ASK && strchr(by, e->consent.to.text[5]))
                answer_consent(t, e->consent.to.text, e->consent.nonce, true, t->core.lease.epoch);
        }
    }
}

START_TEST(a_heartbeat_names_its_voters)
{
    struct one_site t;
    lead_with(&t, true, "abc", FO_RULES_ALL);
    struct hb_site b = named("site-b"), c = named("site-c"), a = named("site-a");
    tick_at(&t, t.core.heartbeat_due / MS);
    const struct heartbeat *hb = sent(&t, FO_KEY_LEASE)->send.record;
    ck_assert(hb->failsafe);
    ck_assert_uint_eq(hb->voter_count, 2);
    ck_assert(heartbeat_names_voter(hb, &b) && heartbeat_names_voter(hb, &c));
    ck_assert(!heartbeat_names_voter(hb, &a));
}
END_TEST

START_TEST(it_asks_before_the_first_failure_and_every_half_t)
{
    struct one_site t;
    lead_with(&t, true, "ab", FO_RULES_ALL);
    tick_at(&t, t.core.heartbeat_due / MS);
    int64_t begun = t.now;
    ck_assert_ptr_null(effect(&t, FO_DO_CONSENT_ASK, 0));
    tick_at(&t, begun + 250);
    const struct fo_effect *e = effect(&t, FO_DO_CONSENT_ASK, 0);
    ck_assert_ptr_nonnull(e);
    ck_assert_str_eq(e->consent.to.text, "site-b");
    ck_assert_uint_eq(e->consent.era.epoch, 1);
    ck_assert_int_eq(e->consent.promise_ms, 4753);
    tick_at(&t, begun + 700);
    ck_assert_ptr_null(effect(&t, FO_DO_CONSENT_ASK, 0));
    tick_at(&t, begun + 750);
    ck_assert_ptr_nonnull(effect(&t, FO_DO_CONSENT_ASK, 0));
}
END_TEST

START_TEST(nobody_is_asked_while_writes_are_answered_or_failsafe_is_off)
{
    struct one_site t;
    lead_with(&t, true, "ab", FO_RULES_ALL);
    for (int i = 0; i < 10; i++) {
        beat(&t);
        ck_assert_ptr_null(effect(&t, FO_DO_CONSENT_ASK, 0));
    }
    lead_with(&t, false, "ab", FO_RULES_ALL);
    int64_t acked = t.now;
    without_store(&t, acked + 10000, "b");
    ck_assert_uint_lt(t.core.consent.rounds, t.core.consent.first_round);
    ck_assert_int_eq(t.core.role, HB_ROLE_FENCING);
    ck_assert_int_eq(t.now, acked + 3000);
}
END_TEST

START_TEST(it_goes_on_while_all_consent)
{
    struct one_site t;
    lead_with(&t, true, "abc", FO_RULES_ALL);
    int64_t acked = t.now;
    without_store(&t, acked + 60000, "bc");
    ck_assert_int_eq(t.core.role, HB_ROLE_LEADER);
    ck_assert(fo_goes_on_by_consent(&t.core, t.now * MS));
    ck_assert_int_gt(t.core.lease.deadline, (acked + 62000) * MS);
    int64_t last_asked = t.core.consent.voters[0].asked / MS;
    without_store(&t, acked + 90000, ""); /* the links of the peers fail too */
    ck_assert_int_eq(t.core.role, HB_ROLE_FENCING);
    ck_assert_int_eq(t.now, last_asked + 3000);
}
END_TEST

START_TEST(one_voter_that_is_silent_ends_it)
{
    struct one_site t;
    lead_with(&t, true, "abc", FO_RULES_ALL);
    int64_t acked = t.now;
    without_store(&t, acked + 60000, "b");
    ck_assert_int_eq(t.core.role, HB_ROLE_FENCING);
    ck_assert_int_eq(t.now, acked + 3000);
}
END_TEST

START_TEST(it_is_back_to_normal_once_a_write_is_answered)
{
    struct one_site t;
    lead_with(&t, true, "ab", FO_RULES_ALL);
    without_store(&t, t.now + 20000, "b");
    answer(&t, FO_KEY_LEASE, t.core.lease_try.record.counter, 1, FO_WRITE_STORED, ++t.revision);
    ck_assert_uint_eq(t.core.failures, 0);
    ck_assert(!fo_goes_on_by_consent(&t.core, t.now * MS));
    beat(&t);
    ck_assert_int_eq(t.core.lease.deadline, t.now * MS + 3000 * MS);
}
END_TEST

/* A voter that was asked while 1500 ms of fence were promised knows nothing of the 3500 ms since. */
START_TEST(a_longer_fence_since_begins_sooner_by_as_much)
{
    struct one_site t;
    lead_with(&t, true, "ab", FO_RULES_ALL);
    t.config.fence_timeout_ms = 3500;
    configure(&t, true, "ab");
    int64_t begun = t.core.lease_try.begun;
    const struct fo_effect *ask = NULL;
    while (!ask) {
        tick_at(&t, (t.out.next_ns + MS - 1) / MS);
        ask = effect(&t, FO_DO_CONSENT_ASK, 0);
    }
    uint64_t nonce = ask->consent.nonce;
    ck_assert_int_eq(ask->consent.promise_ms, 4753);
    int64_t asked = t.now * MS;
    answer(&t, FO_KEY_LEASE, t.core.lease_try.record.counter, 1, FO_WRITE_STORED, ++t.revision);
    ck_assert_int_eq(t.core.lease.fence_limit, 3500 * MS);
    answer_consent(&t, "site-b", nonce, true, t.core.lease.epoch);
    ck_assert_int_eq(t.core.consent.voters[0].asked, asked);
    ck_assert_int_eq(t.core.lease.deadline, begun + 3000 * MS);
}
END_TEST

START_TEST(a_record_sent_since_without_failsafe_ends_it)
{
    struct one_site t;
    lead_with(&t, true, "ab", FO_RULES_ALL);
    int64_t acked = t.now;
    without_store(&t, acked + 10000, "b");
    ck_assert_int_eq(t.core.role, HB_ROLE_LEADER);
    configure(&t, false, "ab");
    without_store(&t, acked + 30000, "b");
    ck_assert_int_eq(t.core.role, HB_ROLE_FENCING);
    ck_assert_int_lt(t.now, acked + 14100);
}
END_TEST

START_TEST(a_voter_named_since_has_to_consent_too)
{
    struct one_site t;
    lead_with(&t, true, "ab", FO_RULES_ALL);
    int64_t acked = t.now;
    without_store(&t, acked + 5000, "b");
    configure(&t, true, "ac"); /* the record that names b is the last one acknowledged */
    without_store(&t, acked + 20000, "c");
    ck_assert_int_eq(t.core.role, HB_ROLE_FENCING);
    lead_with(&t, true, "ab", FO_RULES_ALL);
    acked = t.now;
    without_store(&t, acked + 5000, "b");
    configure(&t, true, "ac");
    without_store(&t, acked + 20000, "bc");
    ck_assert_int_eq(t.core.role, HB_ROLE_LEADER);
}
END_TEST

START_TEST(only_what_was_asked_in_this_epoch_is_counted)
{
    struct one_site t;
    lead_with(&t, true, "ab", FO_RULES_ALL);
    int64_t acked = t.now;
    for (int64_t at = acked + 1000; at < acked + 3000; at += 250) {
        tick_at(&t, at);
        answer_consent(&t, "site-b", 12345, true, 1);            /* somebody else's nonce */
        answer_consent(&t, "site-b", first_of(&t) - 1, true, 1); /* no round */
        answer_consent(&t, "site-c", first_of(&t), true, 1);     /* no voter */
        answer_consent(&t, "site-b", first_of(&t), false, 1);
        answer_consent(&t, "site-b", t.core.nonce + t.core.consent.rounds + 1, true, 1);
    }
    ck_assert_int_eq(t.core.lease.deadline, (acked + 3000) * MS);
    answer_consent(&t, "site-b", first_of(&t), true, 1); /* late, and counted from its send */
    ck_assert_int_eq(t.core.lease.deadline, (acked + 1250 + 3000) * MS);
}
END_TEST

START_TEST(a_higher_epoch_in_an_answer_fences_at_once)
{
    struct one_site t;
    lead_with(&t, true, "ab", FO_RULES_ALL);
    tick_at(&t, t.now + 1000);
    tick_at(&t, t.now + 250);
    answer_consent(&t, "site-b", first_of(&t), false, UINT64_C(1) << 40); /* made up */
    ck_assert_int_eq(t.core.role, HB_ROLE_LEADER);
    answer_consent(&t, "site-b", first_of(&t), false, 2);
    ck_assert_int_eq(t.core.role, HB_ROLE_FENCING);
    ck_assert_int_eq(t.core.reason, HB_REASON_LOST);
    ck_assert_uint_eq(t.core.seen_epoch, 2);
}
END_TEST

/* -- the voter ---------------------------------------------------------------------------------- */

static struct heartbeat failsafe_of(const char *site, uint64_t epoch, const char *voter)
{
    struct heartbeat hb = held_by(site, epoch, 1);
    hb.failsafe = true;
    hb.voter_count = 1;
    hb.voters[0] = named(voter);
    return hb;
}

/* site-b, which knows that site-a leads epoch 7. */
static void follow(struct one_site *t, const char *voter, fo_rules rules)
{
    begin(t, "site-b", rules);
    configure(t, true, "ab");
    struct heartbeat hb = failsafe_of("site-a", 7, voter);
    live_until(t, t->now + 3000);
    lease_seen(t, &hb, ++t->revision);
}

static bool grants(struct one_site *t, const char *from, uint64_t epoch, int64_t promise_ms)
{
    step(t, &(struct fo_event){.type = FO_EV_CONSENT_REQUEST,
                               .request = {.from = named(from),
                                           .nonce = 99,
                                           .era = {0, epoch},
                                           .promise_ms = promise_ms}});
    const struct fo_effect *e = effect(t, FO_DO_CONSENT_ANSWER, 0);
    ck_assert_ptr_nonnull(e);
    ck_assert_str_eq(e->consent.to.text, from);
    ck_assert_uint_eq(e->consent.nonce, 99);
    ck_assert_uint_eq(e->consent.era.epoch, epoch);
    return e->consent.granted;
}

START_TEST(a_voter_consents_to_the_holder_alone)
{
    struct one_site t;
    follow(&t, "site-b", FO_RULES_ALL);
    ck_assert(grants(&t, "site-a", 7, 4753));
    ck_assert(!grants(&t, "site-c", 7, 4753));
    ck_assert(!grants(&t, "site-a", 6, 4753));
    ck_assert(!grants(&t, "site-a", 8, 4753));
    ck_assert(!grants(&t, "site-a", 7, 4754)); /* more than the record promises */
    ck_assert(!grants(&t, "site-a", 7, 0));
    ck_assert_uint_eq(effect(&t, FO_DO_CONSENT_ANSWER, 0)->consent.lease.epoch, 7);
    step(&t, &(struct fo_event){.type = FO_EV_DISCONNECTED});
    ck_assert(grants(&t, "site-a", 7, 4753)); /* whether or not it reaches the store */
}
END_TEST

START_TEST(a_voter_keeps_its_consent)
{
    struct one_site t;
    follow(&t, "site-b", FO_RULES_ALL);
    int64_t learnt = t.now;
    live_until(&t, learnt + 4900);
    ck_assert(grants(&t, "site-a", 7, 4753));
    int64_t granted = t.now;
    live_until(&t, granted + 20000);
    ck_assert_int_eq(t.core.role, HB_ROLE_CLAIMING);
    ck_assert_int_ge(t.now, granted + 4755); /* 4753 x 1.0005 */
    ck_assert_int_le(t.now, granted + 4757);
    ck_assert(!grants(&t, "site-a", 7, 4753)); /* its claim is on its way */
    ck_assert_uint_eq(effect(&t, FO_DO_CONSENT_ANSWER, 0)->consent.lease.epoch, 7);
    tick_at(&t, t.now + 1100);
    ck_assert(!grants(&t, "site-a", 7, 4753)); /* not answered: it may still be stored */
    struct heartbeat hb = failsafe_of("site-a", 7, "site-b");
    hb.counter = 2;
    lease_seen(&t, &hb, ++t.revision);
    ck_assert(grants(&t, "site-a", 7, 4753)); /* it can't any more */
}
END_TEST

START_TEST(a_release_frees_the_voter)
{
    struct one_site t;
    follow(&t, "site-b", FO_RULES_ALL);
    ck_assert(grants(&t, "site-a", 7, 4753));
    struct heartbeat release = released(7, "site-b");
    lease_seen(&t, &release, ++t.revision);
    ck_assert_int_eq(t.core.role, HB_ROLE_CLAIMING);
    follow(&t, "site-b", FO_RULES_ALL);
    ck_assert(grants(&t, "site-a", 7, 4753));
    release = released(6, "site-b"); /* of the past */
    lease_seen(&t, &release, ++t.revision);
    ck_assert_int_eq(t.core.role, HB_ROLE_REPLICA);
}
END_TEST

START_TEST(who_is_no_voter_does_not_promote_by_silence)
{
    struct one_site t;
    follow(&t, "site-c", FO_RULES_ALL);
    ck_assert_int_eq(fo_promotes_at(&t.core, t.now * MS), FO_NEVER);
    live_until(&t, t.now + 300000);
    ck_assert_int_eq(t.core.role, HB_ROLE_REPLICA);
    struct heartbeat release = released(7, NULL);
    lease_seen(&t, &release, ++t.revision);
    ck_assert_int_eq(t.core.role, HB_ROLE_CLAIMING);
    follow(&t, "site-c", FO_RULES_ALL & ~FO_RULE(FO_RULE_CONSENT_VOTERS_ONLY));
    live_until(&t, t.now + 300000);
    ck_assert_int_eq(t.core.role, HB_ROLE_CLAIMING);
}
END_TEST

START_TEST(what_cant_be_read_may_name_other_voters)
{
    struct one_site t;
    follow(&t, "site-b", FO_RULES_ALL);
    lease_seen(&t, NULL, ++t.revision);
    live_until(&t, t.now + 400000);
    ck_assert_int_eq(t.core.role, HB_ROLE_REPLICA);
    ck_assert(!grants(&t, "site-a", 7, 4753));
}
END_TEST

START_TEST(a_voter_that_has_just_started_consents_within_limits)
{
    struct one_site t;
    begin(&t, "site-b", FO_RULES_ALL);
    ck_assert(!grants(&t, "site-a", 7, 4753)); /* failsafe is off here */
    configure(&t, true, "ab");
    ck_assert(grants(&t, "site-a", 7, 4753));
    ck_assert_int_ge(t.core.vote.until, (t.now + 4755) * MS);
    ck_assert(!grants(&t, "site-x", 7, 4753));
    ck_assert(!grants(&t, "site-a", 7, 150001)); /* above max_promise_ms */
}
END_TEST

/* -- found by the simulator ----------------------------------------------------------------------- */

/* Each T/4 it reads again what a rejection named; answers that take longer count all the same. */
START_TEST(a_read_that_is_slower_than_the_next_one_is_asked_for_counts)
{
    struct one_site t;
    lead_with(&t, true, "ab", FO_RULES_ALL);
    tick_at(&t, t.core.heartbeat_due / MS);
    struct heartbeat current = *sent(&t, FO_KEY_LEASE)->send.record;
    answer(&t, FO_KEY_LEASE, current.counter, 1, FO_WRITE_CONFLICT, ++t.revision);
    uint32_t first = effect(&t, FO_DO_READ, 0)->read.request;
    tick_at(&t, t.now + 250);
    ck_assert_uint_eq(effect(&t, FO_DO_READ, 0)->read.request, first + 1);
    struct fo_event read = {.type = FO_EV_READ,
                            .read = {.request = first,
                                     .outcome = FO_READ_FOUND,
                                     .record = &current,
                                     .revision = t.revision}};
    step(&t, &read);
    ck_assert_int_eq(t.core.lease_try.kind, FO_TRY_NONE);
    ck_assert_uint_eq(t.core.lease.revision, t.revision);
    ck_assert_uint_eq(t.core.failures, 0);
}
END_TEST

/* It was not seen which epoch the record is of that can't be read. */
START_TEST(a_claim_over_an_unreadable_record_leaves_epochs_out)
{
    struct one_site t;
    begin(&t, "site-b", FO_RULES_ALL);
    struct heartbeat hb = held_by("site-a", 3, 1);
    live_until(&t, t.now + 3000);
    lease_seen(&t, &hb, ++t.revision);
    lease_seen(&t, NULL, ++t.revision);
    live_until(&t, t.now + 200000);
    ck_assert_int_eq(t.core.role, HB_ROLE_CLAIMING);
    ck_assert_uint_ge(t.core.lease.epoch, 3 + 16);
}
END_TEST

/* That failsafe is off now says nothing of whom a record names that can't be read. */
START_TEST(an_unreadable_record_of_failsafe_stays_one_when_failsafe_is_switched_off)
{
    struct one_site t;
    begin(&t, "site-b", FO_RULES_ALL);
    configure(&t, true, "abc");
    ck_assert(effect(&t, FO_DO_PERSIST, 0)->persist.unread.failsafe);
    live_until(&t, t.now + 3000);
    lease_seen(&t, NULL, ++t.revision);
    configure(&t, false, "abc");
    live_until(&t, t.now + 200000);
    ck_assert_int_eq(t.core.role, HB_ROLE_REPLICA);
    struct heartbeat hb = held_by("site-a", 3, 1);
    lease_seen(&t, &hb, ++t.revision);
    ck_assert(!effect(&t, FO_DO_PERSIST, 0)->persist.unread.failsafe);
    lease_seen(&t, NULL, ++t.revision);
    live_until(&t, t.now + 200000);
    ck_assert_int_eq(t.core.role, HB_ROLE_CLAIMING);
}
END_TEST

START_TEST(that_failsafe_was_on_is_remembered_over_a_restart)
{
    struct one_site t;
    begin_with_marks(&t, "site-b", FO_RULES_ALL, (struct fo_unread){.failsafe = true});
    live_until(&t, t.now + 3000);
    lease_seen(&t, NULL, ++t.revision);
    live_until(&t, t.now + 200000);
    ck_assert_int_eq(t.core.role, HB_ROLE_REPLICA);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("consent");
    TCase *tc = tcase_create("consent");
    tcase_add_test(tc, a_heartbeat_names_its_voters);
    tcase_add_test(tc, it_asks_before_the_first_failure_and_every_half_t);
    tcase_add_test(tc, nobody_is_asked_while_writes_are_answered_or_failsafe_is_off);
    tcase_add_test(tc, it_goes_on_while_all_consent);
    tcase_add_test(tc, one_voter_that_is_silent_ends_it);
    tcase_add_test(tc, it_is_back_to_normal_once_a_write_is_answered);
    tcase_add_test(tc, a_longer_fence_since_begins_sooner_by_as_much);
    tcase_add_test(tc, a_record_sent_since_without_failsafe_ends_it);
    tcase_add_test(tc, a_voter_named_since_has_to_consent_too);
    tcase_add_test(tc, only_what_was_asked_in_this_epoch_is_counted);
    tcase_add_test(tc, a_higher_epoch_in_an_answer_fences_at_once);
    tcase_add_test(tc, a_voter_consents_to_the_holder_alone);
    tcase_add_test(tc, a_voter_keeps_its_consent);
    tcase_add_test(tc, a_release_frees_the_voter);
    tcase_add_test(tc, who_is_no_voter_does_not_promote_by_silence);
    tcase_add_test(tc, what_cant_be_read_may_name_other_voters);
    tcase_add_test(tc, a_voter_that_has_just_started_consents_within_limits);
    tcase_add_test(tc, a_read_that_is_slower_than_the_next_one_is_asked_for_counts);
    tcase_add_test(tc, a_claim_over_an_unreadable_record_leaves_epochs_out);
    tcase_add_test(tc, an_unreadable_record_of_failsafe_stays_one_when_failsafe_is_switched_off);
    tcase_add_test(tc, that_failsafe_was_on_is_remembered_over_a_restart);
    suite_add_tcase(suite, tc);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? 1 : 0;
}
