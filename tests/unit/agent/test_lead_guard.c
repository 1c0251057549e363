/* The driver and its guardian: what it is shown and when, what waits for it, and what it brings about. */
#include "lead_fixture.h"

#include <sys/socket.h>

#define DB  "1a3df4bc-3462-4334-9eb3-ade1334263be"
#define WEB "2a3df4bc-3462-4334-9eb3-ade1334263be"

static bool has_fenced(void)
{
    return fake.stops > 0;
}

static bool is_armed(void)
{
    return guardian.state.lease.phase == GUARD_ARMED;
}

static bool holds_nothing(void)
{
    return guardian.state.lease.phase == GUARD_NONE;
}

static bool stopped_serving(void)
{
    return !lead_may_serve(lead);
}

static bool retaken(void)
{
    return leads() && lead_epoch(lead) == 2;
}

static void wait_ms(int64_t ms)
{
    patience_end = hm_boottime_ns() + ms * HM_MS;
    ck_assert(wait_for(patience_is_over));
}

static uint64_t counter_to_reach;

static bool has_reached_it(void)
{
    return guardian.state.lease.counter >= counter_to_reach;
}

/* Go on for longer than the lease of now holds. */
static void outlast_the_lease(void)
{
    counter_to_reach = guardian.state.lease.counter + LEASE_HEARTBEATS + 1;
    ck_assert_msg(wait_for(has_reached_it), "%s", story.data);
}

static void lead_on(void)
{
    init_group();
    lead_start(lead);
    ck_assert(wait_for(leads));
}

/* -- Armed before anything starts ---------------------------------------------------------------- */

START_TEST(without_one_this_site_fences_and_does_not_lead)
{
    fake_guardian_close(&guardian);
    init_group();
    lead_start(lead);
    ck_assert_int_eq(fake.stops, 0); /* it may still come, and hold the lease */
    ck_assert(wait_for(has_fenced));
    wait_ms(300);
    ck_assert_int_eq(fake.starts, 0);
    ck_assert(warns_of("no guardian at"));
    fake_guardian_open(&guardian, &loop, socket_path());
    ck_assert(wait_for(leads));
    ck_assert(!warns_of("guardian"));
}
END_TEST

/* It was not there when this agent started, and what ran was fenced: nobody shall resume that. */
START_TEST(what_a_late_one_still_holds_is_ended)
{
    fake_guardian_close(&guardian);
    lead_start(lead);
    ck_assert(wait_for(has_fenced));
    guardian.state.lease = (struct guard_lease){
        .epoch = 7, .phase = GUARD_SERVING, .deadline_ns = hm_boottime_ns() + 60000 * HM_MS};
    fake_guardian_open(&guardian, &loop, socket_path());
    ck_assert(wait_for(holds_nothing));
    ck_assert_uint_eq(guardian.state.lease.epoch, 7);
    ck_assert_int_eq(fake.resumes, 0);
}
END_TEST

START_TEST(it_holds_the_epoch_before_anything_starts)
{
    lead_on();
    ck_assert_int_eq(fake.starts, 1);
    ck_assert_uint_eq(fake.held.phase, GUARD_ARMED);
    ck_assert_uint_eq(fake.held.epoch, 1);
    ck_assert_int_gt(fake.held.deadline_ns, 0);
    ck_assert_uint_eq(guardian.state.lease.phase, GUARD_SERVING);
}
END_TEST

/* Then nothing but the guardian's answer holds the start back. */
static bool epoch_is_on_disk(void)
{
    struct marks marks = {0};
    return marks_load(marks_path(), &marks, NULL) >= 0 && marks.led_epoch == 1;
}

START_TEST(a_start_waits_for_its_answer)
{
    guardian.holds_back = true;
    init_group();
    lead_start(lead);
    ck_assert(wait_for(is_armed));
    ck_assert(wait_for(epoch_is_on_disk));
    wait_ms(30);
    ck_assert_int_eq(fake.starts, 0);
    guardian.holds_back = false;
    fake_guardian_answer(&guardian);
    ck_assert(wait_for(leads));
    ck_assert_int_eq(fake.starts, 1);
}
END_TEST

static bool start_failed(void)
{
    return story.data && strstr(story.data, "promoting(1)") && strstr(story.data, "fencing");
}

START_TEST(what_it_refuses_to_hold_is_not_started)
{
    init_group();
    lead_start(lead);
    while (guardian.plans == 0)
        uv_run(&loop, UV_RUN_ONCE);
    guardian.refuses = GUARD_SYSTEM;
    ck_assert_msg(wait_for(start_failed), "%s", story.data);
    ck_assert_int_eq(fake.starts, 0);
}
END_TEST

START_TEST(every_heartbeat_is_shown_to_it)
{
    lead_on();
    struct guard_lease before = guardian.state.lease;
    outlast_the_lease();
    struct guard_lease after = guardian.state.lease;
    ck_assert_uint_gt(after.counter, before.counter);
    ck_assert_int_gt(after.deadline_ns, before.deadline_ns);
    ck_assert_uint_eq(after.nonce, before.nonce);
}
END_TEST

static void note_end(void *data)
{
    (void)data;
    fake.ended++;
}

static bool ended(void)
{
    return fake.ended > 0;
}

START_TEST(a_planned_end_leaves_nothing_armed)
{
    lead_on();
    lead_stop(lead, note_end, NULL);
    ck_assert(wait_for(ended));
    ck_assert(wait_for(holds_nothing));
}
END_TEST

/* -- Its death, and its fire --------------------------------------------------------------------- */

START_TEST(its_death_ends_the_epoch_however_soon_a_new_one_is_up)
{
    lead_on();
    replace_guardian();
    ck_assert(wait_for(retaken));
    ck_assert_int_eq(fake.stops, 2); /* at start and now */
    ck_assert_int_eq(fake.starts, 2);
    ck_assert_uint_eq(guardian.state.lease.epoch, 2);
}
END_TEST

/* The last of what lies in its socket, unread. */
static struct guard_lease last_shown(void)
{
    static _Alignas(8) char bytes[GUARD_MESSAGE_MAX];
    const struct guard_set *set = (const struct guard_set *)bytes;
    struct guard_lease last = guardian.state.lease;
    while (recv(guardian.agent, bytes, sizeof bytes, MSG_DONTWAIT) > 0)
        if (set->header.type == GUARD_SET)
            last = set->lease;
    return last;
}

/* Else it would give a lease that has ended to the next agent, when it goes on. */
START_TEST(one_that_hangs_is_shown_the_end_all_the_same)
{
    lead_on();
    fake.hold_stop = true;
    uv_poll_stop(&guardian.reads);
    uv_poll_stop(&guardian.accepts);
    ck_assert(wait_for(stopped_serving));
    ck_assert_uint_eq(last_shown().phase, GUARD_FENCING);
    fake.stop_done(fake.stop_arg, NULL);
}
END_TEST

START_TEST(one_that_shall_end_is_as_good_as_none)
{
    lead_on();
    guardian.state.leaving = 1;
    fake_guardian_answer(&guardian);
    ck_assert(wait_for(stopped_serving));
    ck_assert(wait_for(holds_nothing));
    wait_ms(200);
    ck_assert_int_eq(fake.starts, 1);
    guardian.state.leaving = 0;
    fake_guardian_answer(&guardian);
    ck_assert(wait_for(retaken));
}
END_TEST

static bool is_replica(void)
{
    return !strcmp(lead_role(lead), "replica");
}

/* The agent's own look takes its time; the other site need not wait for it, but this one does. */
START_TEST(a_stop_that_it_has_verified_is_one)
{
    lead_on();
    fake.hold_stop = true;
    fake_guardian_fire(&guardian, true);
    ck_assert(wait_for(is_replica));
    wait_ms(400);
    ck_assert_int_eq(fake.starts, 1);
    ck_assert(warns_of("has not seen its workload stopped yet"));
    fake.hold_stop = false;
    fake.stop_done(fake.stop_arg, NULL);
    ck_assert(wait_for(retaken));
}
END_TEST

/* It saw nothing, but libvirt has been asked for a VM and may yet bring it up. (ADR 2) */
START_TEST(a_kill_verifies_nothing_while_a_start_is_under_way)
{
    lead_on();
    fake.hold_stop = fake.may_still_start = true;
    fake_guardian_fire(&guardian, true);
    ck_assert(wait_for(stopped_serving));
    wait_ms(200);
    ck_assert(!is_replica());
    fake.hold_stop = fake.may_still_start = false;
    fake.stop_done(fake.stop_arg, NULL);
    ck_assert(wait_for(retaken));
}
END_TEST

static bool asked_again(void)
{
    return fake.stops == 3;
}

START_TEST(what_only_the_guardian_saw_is_looked_at_again)
{
    static const struct hm_error unknown = {HM_E_LIBVIRT, "vm db: unknown"};
    lead_on();
    fake.hold_stop = true;
    fake_guardian_fire(&guardian, true);
    ck_assert(wait_for(is_replica));
    fake.stop_done(fake.stop_arg, &unknown);
    ck_assert(wait_for(asked_again));
    fake.hold_stop = false;
    fake.stop_done(fake.stop_arg, NULL);
    ck_assert(wait_for(retaken));
}
END_TEST

START_TEST(a_fire_that_is_not_verified_releases_nothing)
{
    lead_on();
    fake.hold_stop = true;
    fake_guardian_fire(&guardian, false);
    ck_assert(wait_for(stopped_serving));
    wait_ms(200);
    ck_assert(!is_replica());
    ck_assert_ptr_null(
        strstr(fake_bus_last("primary_heartbeat")->value, "\"status\":\"RELEASED\""));
    fake.stop_done(fake.stop_arg, NULL);
    fake.hold_stop = false;
    ck_assert(wait_for(retaken));
}
END_TEST

/* -- The agent's own end ------------------------------------------------------------------------- */

START_TEST(the_next_agent_goes_on_with_the_lease)
{
    lead_on();
    end_lead(); /* without a word, as after a crash */
    uint64_t counter = guardian.state.lease.counter;
    make_lead();
    lead_start(lead);
    ck_assert(wait_for(leads));
    ck_assert_uint_eq(lead_epoch(lead), 1);
    ck_assert(lead_may_serve(lead));
    ck_assert_int_eq(fake.resumes, 1);
    ck_assert_int_eq(fake.starts, 1);
    ck_assert_int_eq(fake.stops, 1); /* the first agent's, at its start */
    outlast_the_lease();
    ck_assert_uint_gt(guardian.state.lease.counter, counter);
    ck_assert(leads());
    ck_assert_uint_eq(guardian.state.lease.epoch, 1);
}
END_TEST

/* As `systemctl stop` right behind `reload` has it: it waits to hear what it has to hand over. */
START_TEST(an_agent_that_is_stopped_at_once_hands_over_what_it_finds)
{
    lead_on();
    end_lead();
    make_lead();
    lead_start(lead);
    lead_stop(lead, note_end, NULL);
    ck_assert_int_eq(fake.ended, 0);
    ck_assert(wait_for(ended));
    ck_assert_int_eq(fake.stops, 2);
    ck_assert(wait_for(holds_nothing));
}
END_TEST

START_TEST(one_that_finds_nothing_touches_nothing)
{
    lead_start(lead);
    lead_stop(lead, note_end, NULL);
    ck_assert(wait_for(ended));
    ck_assert_int_eq(fake.stops, 0);
}
END_TEST

START_TEST(one_that_finds_no_guardian_ends_all_the_same)
{
    fake_guardian_close(&guardian);
    lead_start(lead);
    lead_stop(lead, note_end, NULL);
    ck_assert(wait_for(ended));
    ck_assert_int_eq(fake.stops, 0);
}
END_TEST

/* Once more, and the disk says that the epoch was given up. */
static bool has_fenced_again(void)
{
    struct marks marks = {.open_epoch = 1};
    marks_load(marks_path(), &marks, NULL);
    return fake.stops > 1 && marks.open_epoch == 0;
}

/* It hung while an agent came and went, and still holds what that one has stopped. */
START_TEST(a_lease_that_an_agent_has_given_up_is_not_resumed)
{
    lead_on();
    end_lead();
    struct guard_state held = guardian.state;
    guardian.mute = true;
    make_lead();
    lead_start(lead);
    ck_assert(wait_for(has_fenced_again));
    end_lead();
    guardian.mute = false;
    guardian.state = held;
    guardian.state.lease.deadline_ns = hm_boottime_ns() + 60000 * HM_MS;
    make_lead();
    lead_start(lead);
    ck_assert(wait_for(retaken));
    ck_assert_int_eq(fake.resumes, 0);
}
END_TEST

START_TEST(a_lease_that_has_run_out_is_fenced)
{
    lead_on();
    end_lead();
    guardian.state.lease.deadline_ns = hm_boottime_ns() - HM_MS;
    make_lead();
    lead_start(lead);
    ck_assert(wait_for(retaken));
    ck_assert_int_eq(fake.resumes, 0);
    ck_assert_int_eq(fake.stops, 2);
}
END_TEST

static int left; /* 1: may, -1: may not */

static void note_left(void *data, bool may)
{
    (void)data;
    left = may ? 1 : -1;
}

static bool has_left(void)
{
    return left != 0;
}

static bool holds_the_long_promise(void)
{
    return guardian.state.lease.deadline_ns > hm_boottime_ns() + 10000 * HM_MS;
}

START_TEST(a_planned_restart_gets_a_longer_promise_and_keeps_the_epoch)
{
    left = 0;
    lead_on();
    lead_leave(lead, note_left, NULL);
    ck_assert(wait_for(has_left));
    ck_assert_int_eq(left, 1);
    ck_assert(wait_for(holds_the_long_promise));
    unsigned written = fake_bus.count;
    struct guard_lease held = guardian.state.lease;
    wait_ms(LEASE_MS + 100); /* longer than the lease was before */
    ck_assert_uint_eq(fake_bus.count, written);
    ck_assert_int_eq(memcmp(&held, &guardian.state.lease, sizeof held), 0);
    end_lead();
    make_lead();
    lead_start(lead);
    ck_assert(wait_for(leads));
    ck_assert_uint_eq(lead_epoch(lead), 1);
    ck_assert_int_eq(fake.starts, 1);
    ck_assert_int_eq(fake.stops, 1);
}
END_TEST

START_TEST(without_a_store_a_restart_is_refused_and_all_goes_on)
{
    left = 0;
    lead_on();
    fake_bus.refuses_writes = true;
    lead_leave(lead, note_left, NULL);
    ck_assert(wait_for(has_left));
    ck_assert_int_eq(left, -1);
    fake_bus.refuses_writes = false;
    ck_assert(wait_for(retaken) || leads());
}
END_TEST

/* -- The plan ------------------------------------------------------------------------------------ */

static bool knows_web(void)
{
    return lead_guards(lead, WEB);
}

START_TEST(a_vm_is_guarded_once_the_plan_is_confirmed)
{
    fake.vms[0] = DB;
    lead_on();
    ck_assert(fake_guardian_has(&guardian, GUARD_PROCESS, "-uuid", DB));
    ck_assert(lead_guards(lead, DB));
    ck_assert(!lead_guards(lead, WEB));
    int rechecks = fake.rechecks;
    fake.vms[1] = WEB;
    guardian.mute = true;
    lead_documents_changed(lead);
    ck_assert(!lead_guards(lead, WEB));
    ck_assert(!lead_guards(lead, DB)); /* the old plan is being replaced */
    while (!fake_guardian_has(&guardian, GUARD_PROCESS, "-uuid", WEB))
        uv_run(&loop, UV_RUN_ONCE);
    ck_assert(!lead_guards(lead, WEB));
    guardian.mute = false;
    fake_guardian_answer(&guardian);
    ck_assert(wait_for(knows_web));
    ck_assert(lead_guards(lead, DB));
    ck_assert_int_gt(fake.rechecks, rechecks);
}
END_TEST

START_TEST(a_plan_that_has_not_changed_is_not_told_again)
{
    fake.vms[0] = DB;
    lead_on();
    int plans = guardian.plans;
    lead_documents_changed(lead);
    wait_ms(100);
    ck_assert_int_eq(guardian.plans, plans);
    end_lead();
    make_lead();
    lead_start(lead);
    ck_assert(wait_for(leads));
    ck_assert_int_eq(guardian.plans, plans); /* nor by the next agent */
    ck_assert(lead_guards(lead, DB));
}
END_TEST

static bool forgot_db(void)
{
    return !fake_guardian_has(&guardian, GUARD_PROCESS, "-uuid", DB);
}

/* What runs may have another UUID than what would be made: libvirt has not been asked yet. */
START_TEST(the_plan_of_the_agent_before_stays_until_its_things_were_seen)
{
    fake.vms[0] = DB;
    lead_on();
    end_lead();
    fake.vms[0] = WEB;
    fake.vms_unknown = true;
    make_lead();
    lead_start(lead);
    ck_assert(wait_for(leads));
    lead_documents_changed(lead);
    wait_ms(100);
    ck_assert(fake_guardian_has(&guardian, GUARD_PROCESS, "-uuid", DB));
    fake.vms_unknown = false;
    lead_documents_changed(lead);
    ck_assert(wait_for(forgot_db));
    ck_assert(wait_for(knows_web));
}
END_TEST

static bool plan_is_refused(void)
{
    return warns_of("does not take the plan");
}

START_TEST(a_plan_that_is_refused_keeps_this_site_from_leading)
{
    guardian.refuses = GUARD_MALFORMED;
    init_group();
    lead_start(lead);
    ck_assert(wait_for(plan_is_refused));
    wait_ms(200);
    ck_assert_int_eq(fake.starts, 0);
    guardian.refuses = GUARD_OK; /* it is told again by itself */
    ck_assert(wait_for(leads));
    ck_assert(!plan_is_refused());
}
END_TEST

/* What it was told before is still in force, and no other site could do better. */
START_TEST(a_plan_that_is_refused_does_not_end_what_serves)
{
    fake.vms[0] = DB;
    lead_on();
    guardian.refuses_plans = GUARD_SYSTEM;
    fake.vms[1] = WEB;
    lead_documents_changed(lead);
    ck_assert(wait_for(plan_is_refused));
    outlast_the_lease();
    ck_assert_msg(leads(), "%s", story.data);
    ck_assert_uint_eq(lead_epoch(lead), 1);
    ck_assert_int_eq(fake.stops, 1); /* at start */
    ck_assert(!lead_guards(lead, WEB));
}
END_TEST

START_TEST(steps_that_take_longer_than_was_promised_are_told)
{
    end_lead();
    config.guardian.fence.command = (char *[]){(char *)"/sbin/power", NULL};
    config.guardian.fence.limit_ms[GUARD_RUNG_COMMAND] = 1000;
    make_lead();
    lead_on();
    ck_assert(warns_of("guardian.fence may take 2200 ms together, fence_timeout_ms is 1200"));
}
END_TEST

/* -- What hooks start ---------------------------------------------------------------------------- */

static char *promote[] = {(char *)"/bin/sh", (char *)"-c", NULL, NULL};

static void use_promote_hook(const char *script)
{
    end_lead();
    promote[2] = (char *)script;
    config.failover.hooks[HOOK_PROMOTE] = promote;
    make_lead();
}

START_TEST(the_promote_hook_runs_in_the_cgroup_of_its_epoch)
{
    char script[128];
    snprintf(script, sizeof script, "cp %s/cgroup.procs %s/resync_ran", folder, folder);
    use_promote_hook(script);
    snprintf(guardian.state.cgroup, sizeof guardian.state.cgroup, "%s", folder);
    ck_assert_int_eq(hm_file_write_atomic(in_folder("cgroup.procs"), "", 0, 0600, NULL), 0);
    lead_on(); /* a plain file stands in for the cgroup's; the hook finds what was written before it ran */
    char *text;
    size_t len;
    ck_assert_int_eq(hm_file_read(in_folder("resync_ran"), 16, &text, &len, NULL), 0);
    ck_assert_str_eq(text, "0");
    free(text);
    unlink(in_folder("cgroup.procs"));
}
END_TEST

/* The new epoch exceeds every one seen; what the data have to be of is the record that was taken over from. */
START_TEST(the_promote_hook_is_told_from_which_epoch_it_takes_over)
{
    char script[128];
    snprintf(script, sizeof script, "echo $HARMONY_FROM_EPOCH $HARMONY_EPOCH >%s/resync_ran",
             folder);
    use_promote_hook(script);
    snprintf(guardian.state.cgroup, sizeof guardian.state.cgroup, "%s", folder);
    ck_assert_int_eq(hm_file_write_atomic(in_folder("cgroup.procs"), "", 0, 0600, NULL), 0);
    fake_bus_put_text("cluster_config", good_config);
    fake_bus_put_text("primary_heartbeat",
                      "{\"site_id\":null,\"status\":\"RELEASED\",\"epoch\":4,\"seen_epoch\":6,"
                      "\"next\":\"site-a\"}");
    lead_start(lead);
    ck_assert(wait_for(leads));
    char *text;
    size_t len;
    ck_assert_int_eq(hm_file_read(in_folder("resync_ran"), 16, &text, &len, NULL), 0);
    ck_assert_str_eq(text, "4 7\n");
    free(text);
    unlink(in_folder("cgroup.procs"));
}
END_TEST

static bool host_cannot(void)
{
    return warns_of("neither cgroup v2 nor the v1 freezer");
}

START_TEST(a_host_that_cannot_hold_what_hooks_start_does_not_lead)
{
    use_promote_hook("true");
    guardian.state.holds = 0;
    init_group();
    lead_start(lead);
    ck_assert(wait_for(host_cannot));
    wait_ms(300);
    ck_assert_int_eq(fake.starts, 0);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("lead_guard");
    TCase *t = tcase_create("lead_guard");
    tcase_set_timeout(t, 60);
    tcase_add_checked_fixture(t, set_up, tear_down);
    tcase_add_test(t, without_one_this_site_fences_and_does_not_lead);
    tcase_add_test(t, what_a_late_one_still_holds_is_ended);
    tcase_add_test(t, it_holds_the_epoch_before_anything_starts);
    tcase_add_test(t, a_start_waits_for_its_answer);
    tcase_add_test(t, what_it_refuses_to_hold_is_not_started);
    tcase_add_test(t, every_heartbeat_is_shown_to_it);
    tcase_add_test(t, a_planned_end_leaves_nothing_armed);
    tcase_add_test(t, its_death_ends_the_epoch_however_soon_a_new_one_is_up);
    tcase_add_test(t, one_that_hangs_is_shown_the_end_all_the_same);
    tcase_add_test(t, one_that_shall_end_is_as_good_as_none);
    tcase_add_test(t, a_stop_that_it_has_verified_is_one);
    tcase_add_test(t, a_kill_verifies_nothing_while_a_start_is_under_way);
    tcase_add_test(t, what_only_the_guardian_saw_is_looked_at_again);
    tcase_add_test(t, a_fire_that_is_not_verified_releases_nothing);
    tcase_add_test(t, the_next_agent_goes_on_with_the_lease);
    tcase_add_test(t, an_agent_that_is_stopped_at_once_hands_over_what_it_finds);
    tcase_add_test(t, one_that_finds_nothing_touches_nothing);
    tcase_add_test(t, one_that_finds_no_guardian_ends_all_the_same);
    tcase_add_test(t, a_lease_that_an_agent_has_given_up_is_not_resumed);
    tcase_add_test(t, a_lease_that_has_run_out_is_fenced);
    tcase_add_test(t, a_planned_restart_gets_a_longer_promise_and_keeps_the_epoch);
    tcase_add_test(t, without_a_store_a_restart_is_refused_and_all_goes_on);
    tcase_add_test(t, a_vm_is_guarded_once_the_plan_is_confirmed);
    tcase_add_test(t, a_plan_that_has_not_changed_is_not_told_again);
    tcase_add_test(t, the_plan_of_the_agent_before_stays_until_its_things_were_seen);
    tcase_add_test(t, a_plan_that_is_refused_keeps_this_site_from_leading);
    tcase_add_test(t, a_plan_that_is_refused_does_not_end_what_serves);
    tcase_add_test(t, steps_that_take_longer_than_was_promised_are_told);
    tcase_add_test(t, the_promote_hook_runs_in_the_cgroup_of_its_epoch);
    tcase_add_test(t, the_promote_hook_is_told_from_which_epoch_it_takes_over);
    tcase_add_test(t, a_host_that_cannot_hold_what_hooks_start_does_not_lead);
    suite_add_tcase(s, t);
    SRunner *sr = srunner_create(s);
    srunner_run_all(sr, CK_NORMAL);
    int failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed != 0;
}
