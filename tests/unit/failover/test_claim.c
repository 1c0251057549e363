/* RETAKE_OWN: what carries this site's name was held here only if this run, or the marks, say so. */
#include "one_site.h"

/* A new run of site-a on a host whose marks say that it led `led_epoch`. */
static void restart(struct one_site *t, uint64_t led_epoch, fo_rules rules)
{
    begin(t, "site-a", rules);
    struct fo_setup setup = {.site = named("site-a"), .nonce = 78, .seed = 1, .rules = rules};
    fo_init(&t->core, &setup, t->now * MS);
    step(t,
         &(struct fo_event){.type = FO_EV_CONFIG, .config = {.config = &t->config, .revision = 1}});
    step(t, &(struct fo_event){.type = FO_EV_CONNECTED});
    step(t, &(struct fo_event){.type = FO_EV_GUARDIAN, .guardian = {.up = true}});
    step(t,
         &(struct fo_event){
             .type = FO_EV_START,
             .start = {.workload_stopped = true, .seen_epoch = led_epoch, .led_epoch = led_epoch}});
    store_own(t);
}

START_TEST(retake_own_waits_for_another_agent_of_the_same_site)
{
    struct one_site t;
    restart(&t, 0, FO_RULES_ALL);
    struct heartbeat twin = held_by("site-a", 7, 1);
    for (int i = 0; i < 30; i++) {
        lease_seen(&t, &twin, ++t.revision);
        live_until(&t, t.now + 1000);
        ck_assert_int_eq(t.core.role, HB_ROLE_REPLICA);
        twin.counter++;
    }
    int64_t last = t.core.known.learnt / MS;
    live_until(&t, t.now + 20000); /* now it is silent, like any other holder */
    ck_assert_int_eq(t.core.role, HB_ROLE_CLAIMING);
    ck_assert_int_ge(t.now, last + 5003);
    ck_assert_int_eq(t.core.lease.reason, HB_REASON_STALE);
}
END_TEST

START_TEST(retake_own_believes_the_marks_after_2t_of_silence)
{
    struct one_site t;
    restart(&t, 7, FO_RULES_ALL);
    struct heartbeat old = held_by("site-a", 7, 1);
    live_until(&t, t.now + 3000); /* success_threshold is no longer in the way */
    lease_seen(&t, &old, ++t.revision);
    int64_t learnt = t.now;
    live_until(&t, t.now + 20000);
    ck_assert_int_eq(t.core.role, HB_ROLE_CLAIMING);
    ck_assert_int_eq(t.now, learnt + 2000);
    ck_assert_int_eq(t.core.lease.reason, HB_REASON_RETAKE);
    ck_assert_uint_eq(t.core.lease.epoch, 8);
}
END_TEST

START_TEST(retake_own_does_not_believe_copied_marks_while_another_serves)
{
    struct one_site t;
    restart(&t, 7, FO_RULES_ALL); /* a clone of the host that leads epoch 7 */
    struct heartbeat twin = held_by("site-a", 7, 1);
    for (int i = 0; i < 30; i++) {
        lease_seen(&t, &twin, ++t.revision);
        live_until(&t, t.now + 1000);
        ck_assert_int_eq(t.core.role, HB_ROLE_REPLICA);
        twin.counter++;
    }
}
END_TEST

START_TEST(retake_own_is_for_the_epoch_of_the_marks_alone)
{
    struct one_site t;
    restart(&t, 6, FO_RULES_ALL);
    struct heartbeat other = held_by("site-a", 7, 1);
    other.expires_in_ms = 20000;
    lease_seen(&t, &other, ++t.revision);
    int64_t learnt = t.now;
    live_until(&t, t.now + 60000);
    ck_assert_int_eq(t.core.role, HB_ROLE_CLAIMING);
    ck_assert_int_ge(t.now, learnt + 20010);
}
END_TEST

START_TEST(retake_own_at_once_in_the_same_run)
{
    struct one_site t;
    begin(&t, "site-a", FO_RULES_ALL);
    lead(&t);
    beat(&t);
    uint64_t counter = t.core.counter;
    struct heartbeat own = held_by("site-a", 1, counter);
    own.nonce = t.core.nonce;
    lease_seen(&t, &own, t.revision);
    while (!effect(&t, FO_DO_STOP_WORKLOAD, 0)) /* nothing is answered any more */
        tick_at(&t, (t.out.next_ns + MS - 1) / MS);
    step(&t, &(struct fo_event){.type = FO_EV_WORKLOAD_STOPPED, .workload = {.epoch = 1}});
    int64_t freed = t.now;
    live_until(&t, t.now + 20000); /* the release is lost, the store is back */
    ck_assert_int_eq(t.core.role, HB_ROLE_CLAIMING);
    ck_assert_int_eq(t.core.lease.reason, HB_REASON_RETAKE);
    ck_assert_int_lt(t.now, freed + 4000);
}
END_TEST

START_TEST(paused_record_is_kept_from_an_agent_of_the_same_name)
{
    struct one_site t;
    restart(&t, 0, FO_RULES_ALL);
    struct heartbeat twin = held_by("site-a", 7, 1);
    twin.paused = true;
    lease_seen(&t, &twin, ++t.revision);
    live_until(&t, t.now + 60000);
    ck_assert_int_eq(t.core.role, HB_ROLE_REPLICA);
}
END_TEST

START_TEST(nothing_is_claimed_above_the_last_epoch)
{
    struct one_site t;
    begin(&t, "site-a", FO_RULES_ALL);
    struct heartbeat open = released(HB_EPOCH_MAX - 1, NULL);
    lease_seen(&t, &open, ++t.revision);
    live_until(&t, t.now + 5000);
    ck_assert_int_eq(t.core.role, HB_ROLE_CLAIMING); /* the last one that can be written */
    ck_assert_uint_eq(t.core.lease.epoch, HB_EPOCH_MAX);

    begin(&t, "site-a", FO_RULES_ALL);
    open.epoch = HB_EPOCH_MAX;
    lease_seen(&t, &open, ++t.revision);
    ck_assert_int_eq(noted(&t, FO_NOTE_ALARM_EPOCHS_SPENT), (int64_t)HB_EPOCH_MAX);
    live_until(&t, t.now + 60000);
    ck_assert_int_eq(t.core.role, HB_ROLE_REPLICA);

    restart(&t, HB_EPOCH_MAX, FO_RULES_ALL); /* told again, by the marks */
    lease_seen(&t, &open, ++t.revision);
    live_until(&t, t.now + 60000);
    ck_assert_int_eq(t.core.role, HB_ROLE_REPLICA);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("claim");
    TCase *tc = tcase_create("claim");
    tcase_add_test(tc, retake_own_waits_for_another_agent_of_the_same_site);
    tcase_add_test(tc, retake_own_believes_the_marks_after_2t_of_silence);
    tcase_add_test(tc, retake_own_does_not_believe_copied_marks_while_another_serves);
    tcase_add_test(tc, retake_own_is_for_the_epoch_of_the_marks_alone);
    tcase_add_test(tc, retake_own_at_once_in_the_same_run);
    tcase_add_test(tc, paused_record_is_kept_from_an_agent_of_the_same_name);
    tcase_add_test(tc, nothing_is_claimed_above_the_last_epoch);
    suite_add_tcase(suite, tc);
    SRunner *sr = srunner_create(suite);
    srunner_run_all(sr, CK_NORMAL);
    int failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed == 0 ? 0 : 1;
}
