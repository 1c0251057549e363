#include "agent/workload.h"

#include <check.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/clock.h"
#include "tests/lib/turn.h"

static uv_loop_t loop;
static struct hooks *hooks;
static struct workload *w;
static struct hm_buf story; /* what happened, in order: "start promote " */

/* Documents that only take note. `held` calls are answered by the test, the others at once. */
static struct {
    bool any, hold_start;
    workload_done start_done;
    void *start_arg;
    int64_t stop_deadline_ns;
    struct hm_error stop_error, health_error;
} fake;

static void fake_start(void *data, uint64_t epoch, int64_t deadline_ns, workload_done done,
                       void *arg)
{
    (void)data;
    (void)deadline_ns;
    hm_buf_printf(&story, "start-documents(%d) ", (int)epoch);
    fake.start_done = done;
    fake.start_arg = arg;
    if (!fake.hold_start)
        done(arg, NULL);
}

static void fake_stop(void *data, uint64_t epoch, struct stop_times times, workload_done done,
                      void *arg)
{
    (void)data;
    hm_buf_printf(&story, "stop-documents(%d) ", (int)epoch);
    fake.stop_deadline_ns = times.deadline_ns;
    done(arg, fake.stop_error.code == HM_OK ? NULL : &fake.stop_error);
}

static int fake_health(void *data, struct hm_error *err)
{
    (void)data;
    *err = fake.health_error;
    return -(int)fake.health_error.code;
}

static bool fake_any(void *data)
{
    (void)data;
    return fake.any;
}

static void note_result(const char *what, const struct hm_error *err)
{
    hm_buf_printf(&story, "%s:%s ", what, err ? hm_code_name(err->code) : "ok");
}

static void started(void *arg, const struct hm_error *err)
{
    (void)arg;
    note_result("started", err);
}

static void stopped(void *arg, const struct hm_error *err)
{
    (void)arg;
    note_result("stopped", err);
}

/* Virtual IPs that only take note. A call that is held is answered by the test. */
static struct {
    struct hm_error up_error, away_error;
    int hold_away; /* so many */
    workload_done away_done;
    void *away_arg;
} vips;

static void fake_put_up(void *data, int64_t deadline_ns, workload_done done, void *arg)
{
    (void)data;
    ck_assert_int_gt(deadline_ns, hm_boottime_ns());
    hm_buf_puts(&story, "vips-up ");
    done(arg, vips.up_error.code ? &vips.up_error : NULL);
}

static void fake_take_away(void *data, int64_t deadline_ns, workload_done done, void *arg)
{
    (void)data;
    ck_assert_int_gt(deadline_ns, hm_boottime_ns());
    hm_buf_puts(&story, "vips-away ");
    vips.away_done = done;
    vips.away_arg = arg;
    if (vips.hold_away > 0)
        vips.hold_away--;
    else
        done(arg, vips.away_error.code ? &vips.away_error : NULL);
}

static void fake_resume_vips(void *data)
{
    (void)data;
    hm_buf_puts(&story, "vips-resumed ");
}

static void answer_away(enum hm_code code)
{
    struct hm_error err;
    hm_fail(&err, code, "held by the test");
    vips.away_done(vips.away_arg, code ? &err : NULL);
}

static struct workload_health health;
static int probes;

static void probed(void *arg, const struct workload_health *h)
{
    (void)arg;
    health = *h;
    probes++;
}

static char *argv_of[HOOK_COUNT][4];

/* Scripts of sh stand in for the operator's hooks; NULL: no hook. */
static void set_up_with(const char *promote, const char *fence, const char *probe)
{
    const char *scripts[HOOK_COUNT] = {
        [HOOK_PROMOTE] = promote, [HOOK_FENCE] = fence, [HOOK_PROBE] = probe};
    struct hooks_options o = {.loop = &loop, .site = "site-a", .group = "default"};
    struct workload_documents documents = {
        .start = fake_start, .stop = fake_stop, .health = fake_health, .any = fake_any};
    for (int i = 0; i < HOOK_COUNT; i++)
        if (scripts[i]) {
            argv_of[i][0] = (char *)"/bin/sh";
            argv_of[i][1] = (char *)"-c";
            argv_of[i][2] = (char *)scripts[i];
            o.commands[i].argv = argv_of[i];
        }
    hooks = hooks_new(&o);
    w = workload_new(hooks, &documents);
}

static void give_vips(void)
{
    struct workload_vips given = {fake_put_up, fake_resume_vips, fake_take_away, NULL};
    workload_set_vips(w, &given);
}

static void set_up(void)
{
    uv_loop_init(&loop);
    memset(&vips, 0, sizeof vips);
    memset(&fake, 0, sizeof fake);
    probes = 0;
}

static void tear_down(void)
{
    workload_free(w);
    hooks_free(hooks);
    uv_run(&loop, UV_RUN_DEFAULT);
    ck_assert_int_eq(uv_loop_close(&loop), 0);
    hm_buf_free(&story);
}

static const struct hook_context context = {.epoch = 3, .leader = "", .reason = "a test"};

static void start(void)
{
    workload_start(w, &context, hm_boottime_ns() + 10000 * HM_MS, started, NULL);
}

static void stop_within(int64_t ms)
{
    int64_t deadline = hm_boottime_ns() + ms * HM_MS;
    struct stop_times times = {.kill_ns = deadline, .deadline_ns = deadline};
    workload_stop(w, &context, times, stopped, NULL);
}

static void run(void)
{
    uv_run(&loop, UV_RUN_DEFAULT);
}

START_TEST(documents_first_then_the_promote_hook)
{
    set_up_with("true", "true", NULL);
    start();
    ck_assert_str_eq(story.data, "start-documents(3) ");
    run();
    ck_assert_str_eq(story.data, "start-documents(3) started:ok ");
}
END_TEST

START_TEST(failed_promote_hook_fails_the_start)
{
    set_up_with("exit 1", NULL, NULL);
    start();
    run();
    ck_assert_str_eq(story.data, "start-documents(3) started:process-failed ");
}
END_TEST

START_TEST(fence_hook_first_then_the_documents)
{
    set_up_with(NULL, "true", NULL);
    stop_within(10000);
    ck_assert_ptr_null(story.data);
    run();
    ck_assert_str_eq(story.data, "stop-documents(3) stopped:ok ");
}
END_TEST

START_TEST(documents_are_stopped_though_the_fence_hook_failed)
{
    set_up_with(NULL, "exit 1", NULL);
    stop_within(10000);
    run();
    ck_assert_str_eq(story.data, "stop-documents(3) stopped:process-failed ");
}
END_TEST

START_TEST(what_cannot_be_seen_stopped_is_not_stopped)
{
    set_up_with(NULL, "true", NULL);
    hm_fail(&fake.stop_error, HM_E_LIBVIRT, "vm db: unknown");
    stop_within(10000);
    run();
    ck_assert_str_eq(story.data, "stop-documents(3) stopped:libvirt-error ");
}
END_TEST

START_TEST(hanging_fence_hook_leaves_half_of_the_time_to_the_documents)
{
    set_up_with(NULL, "exec sleep 60", NULL);
    fake.any = true;
    int64_t begin = hm_boottime_ns();
    stop_within(2000);
    run();
    ck_assert_str_eq(story.data, "stop-documents(3) stopped:timeout ");
    ck_assert_int_ge(hm_boottime_ns() - begin, 900 * HM_MS);
    ck_assert_int_ge(fake.stop_deadline_ns, begin + 2000 * HM_MS);
    ck_assert_int_lt(hm_boottime_ns(), fake.stop_deadline_ns);
}
END_TEST

START_TEST(stop_kills_the_promote_hook_before_the_fence_hook_runs)
{
    set_up_with("exec sleep 60", "true", NULL);
    start();
    ck_assert(hooks_running(hooks, HOOK_PROMOTE));
    stop_within(10000);
    ck_assert(!hooks_running(hooks, HOOK_FENCE));
    run();
    ck_assert_str_eq(story.data,
                     "start-documents(3) started:cancelled stop-documents(3) stopped:ok ");
}
END_TEST

START_TEST(documents_that_come_up_late_are_followed_by_no_hook)
{
    set_up_with("true", NULL, NULL);
    fake.hold_start = true;
    start();
    stop_within(10000);
    fake.start_done(fake.start_arg, NULL);
    ck_assert(!hooks_running(hooks, HOOK_PROMOTE));
    ck_assert_str_eq(story.data,
                     "start-documents(3) stop-documents(3) stopped:ok started:cancelled ");
}
END_TEST

START_TEST(second_stop_takes_over_the_first)
{
    set_up_with(NULL, "true", NULL);
    stop_within(10000);
    stop_within(10000);
    run();
    ck_assert_str_eq(story.data, "stop-documents(3) stopped:ok ");
}
END_TEST

START_TEST(start_is_refused_while_a_stop_is_under_way)
{
    set_up_with(NULL, "true", NULL);
    stop_within(10000);
    start();
    ck_assert_str_eq(story.data, "started:busy ");
}
END_TEST

static void probe(int64_t ms)
{
    workload_probe(w, &context, ms * HM_MS, probed, NULL);
}

START_TEST(no_probe_hook_is_well)
{
    set_up_with(NULL, NULL, NULL);
    probe(1000);
    ck_assert_int_eq(probes, 1);
    ck_assert(health.well);
    ck_assert(!health.lag_known);
}
END_TEST

START_TEST(probe_hook_tells_the_lag)
{
    set_up_with(NULL, NULL, "echo 4096");
    probe(10000);
    run();
    ck_assert(health.well);
    ck_assert(health.lag_known);
    ck_assert_int_eq(health.lag_bytes, 4096);
}
END_TEST

START_TEST(words_are_no_lag)
{
    set_up_with(NULL, NULL, "echo 4096 bytes");
    probe(10000);
    run();
    ck_assert(health.well);
    ck_assert(!health.lag_known);
}
END_TEST

START_TEST(failing_probe_says_why)
{
    set_up_with(NULL, NULL, "echo no connection >&2; exit 2");
    probe(10000);
    run();
    ck_assert(!health.well);
    ck_assert_str_eq(health.why.text, "probe hook exited with 2: no connection");
}
END_TEST

START_TEST(hanging_probe_is_answered_once_and_the_next_one_busy)
{
    set_up_with(NULL, NULL, "exec sleep 60");
    probe(100);
    probe(100);
    ck_assert_int_eq(probes, 1);
    ck_assert_int_eq(health.why.code, HM_E_BUSY);
    run();
    ck_assert_int_eq(probes, 2);
    ck_assert_int_eq(health.why.code, HM_E_TIMEOUT);
}
END_TEST

START_TEST(sick_document_fails_the_probe_of_who_serves)
{
    set_up_with(NULL, NULL, "true");
    hm_fail(&fake.health_error, HM_E_LIBVIRT, "vm db: crashed");
    start();
    probe(10000);
    run();
    ck_assert(!health.well);
    ck_assert_str_eq(health.why.text, "vm db: crashed");
    stop_within(10000);
    probe(10000);
    run();
    ck_assert(health.well);
}
END_TEST

/* A frozen host that woke: kill first, ask later. */
START_TEST(late_stop_kills_beside_the_hook)
{
    fake.any = true;
    set_up_with(NULL, "exec sleep 0.2", NULL);
    stop_within(-1000);
    ck_assert_str_eq(story.data,
                     "stop-documents(3) "); /* the hook has not even been begun to wait for */
    run();
    ck_assert_str_eq(story.data, "stop-documents(3) stopped:ok ");
}
END_TEST

START_TEST(stop_that_is_asked_for_sooner_kills_sooner)
{
    fake.any = true;
    set_up_with(NULL, "exec sleep 0.2", NULL);
    stop_within(10000);
    ck_assert_ptr_null(story.data);
    stop_within(-1);
    ck_assert_str_eq(story.data, "stop-documents(3) ");
    run();
    ck_assert_str_eq(story.data, "stop-documents(3) stopped:ok ");
}
END_TEST

/* The loop stands still, as on a machine that does. */
static void stand_still(int64_t ms)
{
    int64_t until = hm_boottime_ns() + ms * HM_MS;
    while (hm_boottime_ns() < until)
        sched_yield();
}

START_TEST(documents_wait_for_no_hook_that_begins_when_the_kill_is_due)
{
    fake.any = true;
    set_up_with("exec sleep 60", "exec sleep 60", NULL);
    start();
    stop_within(100); /* the promote hook is killed first */
    stand_still(100);
    TURN_UNTIL(&loop, hooks_running(hooks, HOOK_FENCE));
    ck_assert_str_eq(story.data, "start-documents(3) started:cancelled stop-documents(3) ");
}
END_TEST

START_TEST(nothing_is_promoted_when_the_lease_ran_out_meanwhile)
{
    struct lease_limit lease = {0};
    fake.hold_start = true;
    set_up_with("exit 0", NULL, NULL);
    workload_set_lease(w, &lease);
    lease_set(&lease, hm_boottime_ns() + 60000 * HM_MS);
    start();
    lease_set(&lease, hm_boottime_ns() - 1);
    fake.start_done(fake.start_arg, NULL);
    run();
    ck_assert_str_eq(story.data, "start-documents(3) started:refused ");
}
END_TEST

/* -- Virtual IPs ------------------------------------------------------------------ */

START_TEST(virtual_ips_are_put_up_last_and_taken_away_first)
{
    set_up_with("true", "true", NULL);
    give_vips();
    start();
    run();
    stop_within(10000);
    run();
    ck_assert_str_eq(story.data, "start-documents(3) vips-up started:ok "
                                 "vips-away stop-documents(3) stopped:ok ");
}
END_TEST

START_TEST(no_virtual_ip_over_what_does_not_run)
{
    set_up_with("exit 1", NULL, NULL);
    give_vips();
    start();
    run();
    ck_assert_str_eq(story.data, "start-documents(3) started:process-failed ");
}
END_TEST

START_TEST(a_virtual_ip_that_can_not_be_put_up_fails_the_start)
{
    set_up_with(NULL, NULL, NULL);
    give_vips();
    hm_fail(&vips.up_error, HM_E_CONFLICT, "somebody else's");
    start();
    ck_assert_str_eq(story.data, "start-documents(3) vips-up started:conflict ");
}
END_TEST

START_TEST(a_resumed_workload_has_its_virtual_ips)
{
    set_up_with(NULL, NULL, NULL);
    give_vips();
    workload_resume(w, 3);
    ck_assert_str_eq(story.data, "vips-resumed ");
}
END_TEST

START_TEST(nothing_is_stopped_while_a_virtual_ip_is_being_taken_away)
{
    set_up_with(NULL, "true", NULL);
    give_vips();
    vips.hold_away = 1;
    stop_within(10000);
    ck_assert(!hooks_running(hooks, HOOK_FENCE));
    answer_away(HM_OK);
    ck_assert(hooks_running(hooks, HOOK_FENCE));
    run();
    ck_assert_str_eq(story.data, "vips-away stop-documents(3) stopped:ok ");
}
END_TEST

START_TEST(a_slow_one_holds_up_nothing_and_is_seen_gone_in_the_end)
{
    set_up_with(NULL, "true", NULL);
    give_vips();
    vips.hold_away = 1;
    stop_within(10000);
    answer_away(HM_E_TIMEOUT);
    run();
    ck_assert_str_eq(story.data, "vips-away stop-documents(3) vips-away stopped:ok ");
}
END_TEST

START_TEST(a_virtual_ip_that_stays_is_no_good_stop)
{
    set_up_with(NULL, "true", NULL);
    give_vips();
    vips.hold_away = 2;
    stop_within(10000);
    answer_away(HM_E_TIMEOUT);
    run();
    answer_away(HM_E_TIMEOUT);
    ck_assert_str_eq(story.data, "vips-away stop-documents(3) vips-away stopped:timeout ");
}
END_TEST

START_TEST(one_that_can_not_be_taken_away_is_no_good_stop)
{
    set_up_with(NULL, "true", NULL);
    give_vips();
    hm_fail(&vips.away_error, HM_E_IO, "rtnetlink");
    stop_within(10000);
    run();
    ck_assert_str_eq(story.data, "vips-away stop-documents(3) stopped:io-error ");
}
END_TEST

START_TEST(a_late_stop_waits_for_no_virtual_ip)
{
    fake.any = true;
    set_up_with(NULL, "true", NULL);
    give_vips();
    vips.hold_away = 1;
    stop_within(-1000);
    ck_assert_str_eq(story.data, "stop-documents(3) vips-away ");
    ck_assert(hooks_running(hooks, HOOK_FENCE));
    run();
    ck_assert_str_eq(story.data, "stop-documents(3) vips-away ");
    answer_away(HM_OK);
    ck_assert_str_eq(story.data, "stop-documents(3) vips-away stopped:ok ");
}
END_TEST

START_TEST(documents_wait_for_no_hook_when_virtual_ips_took_all_the_time)
{
    fake.any = true;
    set_up_with(NULL, "exec sleep 60", NULL);
    give_vips();
    vips.hold_away = 1;
    stop_within(20);
    stand_still(20);
    answer_away(HM_OK);
    ck_assert(hooks_running(hooks, HOOK_FENCE));
    ck_assert_str_eq(story.data, "vips-away stop-documents(3) ");
}
END_TEST

START_TEST(a_promote_hook_that_ends_meanwhile_is_followed_by_one_fence_hook)
{
    set_up_with("true", "true", NULL);
    give_vips();
    vips.hold_away = 1;
    start();
    stop_within(10000);
    run();
    ck_assert_str_eq(story.data, "start-documents(3) vips-away started:cancelled ");
    answer_away(HM_OK);
    run();
    ck_assert_str_eq(story.data, "start-documents(3) vips-away started:cancelled "
                                 "stop-documents(3) stopped:ok ");
}
END_TEST

int main(void)
{
    Suite *s = suite_create("workload");
    TCase *t = tcase_create("workload");
    tcase_set_timeout(t, 60);
    tcase_add_checked_fixture(t, set_up, tear_down);
    tcase_add_test(t, documents_first_then_the_promote_hook);
    tcase_add_test(t, failed_promote_hook_fails_the_start);
    tcase_add_test(t, fence_hook_first_then_the_documents);
    tcase_add_test(t, documents_are_stopped_though_the_fence_hook_failed);
    tcase_add_test(t, what_cannot_be_seen_stopped_is_not_stopped);
    tcase_add_test(t, hanging_fence_hook_leaves_half_of_the_time_to_the_documents);
    tcase_add_test(t, stop_kills_the_promote_hook_before_the_fence_hook_runs);
    tcase_add_test(t, documents_that_come_up_late_are_followed_by_no_hook);
    tcase_add_test(t, second_stop_takes_over_the_first);
    tcase_add_test(t, start_is_refused_while_a_stop_is_under_way);
    tcase_add_test(t, no_probe_hook_is_well);
    tcase_add_test(t, probe_hook_tells_the_lag);
    tcase_add_test(t, words_are_no_lag);
    tcase_add_test(t, failing_probe_says_why);
    tcase_add_test(t, hanging_probe_is_answered_once_and_the_next_one_busy);
    tcase_add_test(t, sick_document_fails_the_probe_of_who_serves);
    tcase_add_test(t, late_stop_kills_beside_the_hook);
    tcase_add_test(t, stop_that_is_asked_for_sooner_kills_sooner);
    tcase_add_test(t, documents_wait_for_no_hook_that_begins_when_the_kill_is_due);
    tcase_add_test(t, nothing_is_promoted_when_the_lease_ran_out_meanwhile);
    tcase_add_test(t, virtual_ips_are_put_up_last_and_taken_away_first);
    tcase_add_test(t, no_virtual_ip_over_what_does_not_run);
    tcase_add_test(t, a_virtual_ip_that_can_not_be_put_up_fails_the_start);
    tcase_add_test(t, a_resumed_workload_has_its_virtual_ips);
    tcase_add_test(t, nothing_is_stopped_while_a_virtual_ip_is_being_taken_away);
    tcase_add_test(t, a_slow_one_holds_up_nothing_and_is_seen_gone_in_the_end);
    tcase_add_test(t, a_virtual_ip_that_stays_is_no_good_stop);
    tcase_add_test(t, one_that_can_not_be_taken_away_is_no_good_stop);
    tcase_add_test(t, a_late_stop_waits_for_no_virtual_ip);
    tcase_add_test(t, documents_wait_for_no_hook_when_virtual_ips_took_all_the_time);
    tcase_add_test(t, a_promote_hook_that_ends_meanwhile_is_followed_by_one_fence_hook);
    suite_add_tcase(s, t);
    SRunner *sr = srunner_create(s);
    srunner_run_all(sr, CK_NORMAL);
    int failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed != 0;
}
