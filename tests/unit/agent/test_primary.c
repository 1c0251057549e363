/* The documents of placement `primary` as a workload, over the fake driver. */
#include <check.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "fakes/status.c"
#include "site.h"
#include "vmm/vm_uuid.h"
#include "world.h"

static struct site s;
static struct hm_buf story; /* answers, in order: "started:ok stopped:ok " */

static void set_up(void)
{
    site_begin(&s);
}

static void tear_down(void)
{
    site_end(&s);
    hm_buf_free(&story);
}

static struct hm_error last_error;

static void answered(void *arg, const struct hm_error *err)
{
    hm_buf_printf(&story, "%s:%s ", (const char *)arg, err ? hm_code_name(err->code) : "ok");
    last_error = err ? *err : (struct hm_error){0};
}

static int64_t in_ms(int64_t ms)
{
    return hm_boottime_ns() + ms * HM_MS;
}

static void start(int64_t ms)
{
    s.workload.start(s.workload.data, 1, in_ms(ms), answered, (void *)(uintptr_t) "started");
}

static void stop_in(int64_t kill_ms, int64_t deadline_ms)
{
    struct stop_times times = {.kill_ns = in_ms(kill_ms), .deadline_ns = in_ms(deadline_ms)};
    s.workload.stop(s.workload.data, 1, times, answered, (void *)(uintptr_t) "stopped");
}

static void stop(int64_t ms)
{
    stop_in(ms, ms);
}

static bool has_answered(const char *text)
{
    return story.data && strstr(story.data, text);
}

static void expect_answers(const char *text)
{
    ck_assert_str_eq(story.data ? story.data : "", text);
}

static void start_and_wait(void)
{
    start(9000);
    SITE_UNTIL(&s, has_answered("started:ok"));
    hm_buf_free(&story);
}

static void stand_still(int64_t ms)
{
    int64_t until = in_ms(ms);
    while (hm_boottime_ns() < until)
        sched_yield();
}

/* Nothing of the primary comes up any more, however often one looks. */
static void expect_quiet(const char *name)
{
    int starts = fake_calls("start", name);
    site_settle(&s);
    site_settle(&s);
    ck_assert_int_eq(fake_calls("start", name), starts);
    ck_assert_int_ne(fake_state("vm", name), THING_RUNNING);
}

/* -- Start ----------------------------------------------------------------------------------------
 */

START_TEST(nothing_runs_before_the_start)
{
    site_put(&s, "primary.vm.db", VM "}");
    SITE_UNTIL(&s, !strcmp(site_phase(&s, "vm.db"), "Standby"));
    site_settle(&s);
    ck_assert_int_eq(fake_state("vm", "db"), THING_OFF);
    ck_assert_int_eq(fake_calls("start", NULL), 0);
}
END_TEST

START_TEST(all_run_in_order_of_dependency)
{
    site_put(&s, "primary.vm.web", VM ",\"depends_on\":[\"vm/db\"]}");
    site_put(&s, "primary.vm.db", VM "}");
    site_put(&s, "primary.vm.spare", VM ",\"power\":\"off\"}");
    start(9000);
    SITE_UNTIL(&s, has_answered("started"));
    expect_answers("started:ok ");
    ck_assert_int_eq(fake_state("vm", "db"), THING_RUNNING);
    ck_assert_int_eq(fake_state("vm", "web"), THING_RUNNING);
    HM_AUTOFREE char *calls = fake_story();
    ck_assert(strstr(calls, "start db") < strstr(calls, "start web"));
    ck_assert_int_eq(fake_calls("start", "spare"), 0);
}
END_TEST

START_TEST(no_documents_start_at_once)
{
    start(9000);
    SITE_UNTIL(&s, has_answered("started"));
    expect_answers("started:ok ");
    ck_assert(!s.workload.any(s.workload.data));
    ck_assert_int_eq(s.workload.health(s.workload.data, NULL), 0);
}
END_TEST

START_TEST(without_documents_a_backend_that_is_away_holds_nothing_up)
{
    fake_fail("open", NULL, HM_E_CONNECTION);
    start(9000);
    SITE_UNTIL(&s, has_answered("started"));
    expect_answers("started:ok ");
}
END_TEST

START_TEST(with_documents_a_backend_that_is_away_does)
{
    fake_fail("open", NULL, HM_E_CONNECTION);
    site_put(&s, "primary.vm.db", VM "}");
    start(300);
    SITE_UNTIL(&s, has_answered("started"));
    expect_answers("started:timeout ");
}
END_TEST

START_TEST(start_that_takes_too_long_says_why)
{
    fake_fail("start", "db", HM_E_LIBVIRT);
    site_put(&s, "primary.vm.db", VM "}");
    start(300);
    SITE_UNTIL(&s, has_answered("started"));
    expect_answers("started:timeout ");
    ck_assert_ptr_nonnull(strstr(last_error.text, "primary.vm.db"));
    ck_assert_ptr_nonnull(strstr(last_error.text, "start db fails"));
}
END_TEST

/* Its time is from now on, not from when the loop last looked at the clock. */
START_TEST(start_has_all_its_time_after_the_machine_stood_still)
{
    site_put(&s, "primary.vm.db", VM "}");
    site_settle(&s);
    fake_hold("start", "db");
    stand_still(300);
    int64_t deadline = in_ms(200);
    start(200);
    SITE_UNTIL(&s, has_answered("started"));
    ck_assert_int_ge(hm_boottime_ns(), deadline - 10 * HM_MS); /* uv's clock is a coarse one */
    expect_answers("started:timeout ");
    fake_let_go("start", "db");
}
END_TEST

START_TEST(start_that_needs_a_person_fails_at_once)
{
    fake_put("vm", "db", THING_RUNNING, NULL, NULL);
    site_put(&s, "primary.vm.db", VM "}");
    start(9000);
    SITE_UNTIL(&s, has_answered("started"));
    expect_answers("started:refused ");
}
END_TEST

/* A revision that is blocked must not keep the last good one from running elsewhere. */
START_TEST(blocked_change_does_not_prevent_a_start)
{
    site_made(&s, "primary.vm.db", THING_OFF, VM "}");
    site_put(&s, "primary.vm.db", VM_ON_DISK ",\"change\":\"live\"}");
    start(9000);
    SITE_UNTIL(&s, has_answered("started"));
    expect_answers("started:ok ");
    ck_assert_int_eq(fake_state("vm", "db"), THING_RUNNING);
}
END_TEST

START_TEST(start_waits_for_no_old_back_off)
{
    fake_fail("start", "db", HM_E_LIBVIRT);
    site_put(&s, "primary.vm.db", VM "}");
    start(200);
    SITE_UNTIL(&s, has_answered("started:timeout"));
    stop(9000);
    SITE_UNTIL(&s, has_answered("stopped:ok"));
    fake_fail("start", "db", HM_OK);
    hm_buf_free(&story);
    int64_t begun = hm_boottime_ns();
    start(9000);
    SITE_UNTIL(&s, has_answered("started:ok"));
    ck_assert_int_lt(hm_boottime_ns() - begun, 990 * HM_MS); /* the first back-off is 1 s */
}
END_TEST

/* What was seen before the fence of the last epoch says nothing about this one. */
START_TEST(start_does_not_believe_old_news)
{
    site_put(&s, "primary.vm.db", VM ",\"stop_grace\":\"0s\"}");
    start_and_wait();
    site_settle(&s);
    fake_hold("kill", "db");
    stop(9000);
    SITE_UNTIL(&s, fake_inside("kill", "db"));
    site_look(&s);
    fake_hold("observe", NULL);
    reconciler_kick(s.reconciler);
    SITE_UNTIL(&s, fake_inside("observe", NULL)); /* it has seen db running */
    fake_let_go("kill", "db");
    SITE_UNTIL(&s, has_answered("stopped:ok"));
    fake_hold("start", "db");
    start(9000);
    fake_let_go("observe", NULL);
    SITE_UNTIL(&s, fake_inside("start", "db"));
    expect_answers("stopped:ok ");
    fake_let_go("start", "db");
    SITE_UNTIL(&s, has_answered("started:ok"));
    ck_assert_int_eq(fake_state("vm", "db"), THING_RUNNING);
}
END_TEST

/* -- Health ---------------------------------------------------------------------------------------
 */

START_TEST(health_is_what_was_last_seen)
{
    struct hm_error err;
    site_put(&s, "primary.vm.db", VM "}");
    start_and_wait();
    ck_assert(s.workload.any(s.workload.data));
    ck_assert_int_eq(s.workload.health(s.workload.data, &err), 0);
    fake_fail("start", "db", HM_E_LIBVIRT);
    fake_set_state("vm", "db", THING_CRASHED);
    fake_change();
    SITE_UNTIL(&s, s.workload.health(s.workload.data, &err) < 0);
    ck_assert_ptr_nonnull(strstr(err.text, "primary.vm.db"));
    fake_fail("start", "db", HM_OK);
    SITE_UNTIL(&s, s.workload.health(s.workload.data, &err) == 0);
}
END_TEST

START_TEST(what_was_to_be_off_is_not_ill_while_it_starts_again)
{
    struct hm_error err;
    site_put(&s, "primary.vm.db", VM "}");
    start_and_wait();
    site_put(&s, "primary.vm.db", VM ",\"power\":\"off\"}");
    SITE_UNTIL(&s, !strcmp(site_phase(&s, "vm.db"), "Stopped"));
    fake_fail("start", "db", HM_E_LIBVIRT);
    site_put(&s, "primary.vm.db", VM "}");
    SITE_UNTIL(&s, !strcmp(site_phase(&s, "vm.db"), "Failed"));
    site_settle(&s);
    ck_assert_int_eq(s.workload.health(s.workload.data, &err), 0);
}
END_TEST

START_TEST(thing_without_a_document_counts)
{
    site_made(&s, "primary.vm.db", THING_RUNNING, VM "}");
    site_settle(&s);
    ck_assert(s.workload.any(s.workload.data));
}
END_TEST

/* -- Stop -----------------------------------------------------------------------------------------
 */

START_TEST(stop_ends_all_that_is_of_the_primary)
{
    site_put(&s, "primary.vm.db", VM "}");
    site_put(&s, "site-a.vm.local", VM "}");
    site_made(&s, "primary.vm.gone", THING_RUNNING, VM "}"); /* its document is lost */
    start_and_wait();
    SITE_UNTIL(&s, fake_state("vm", "local") == THING_RUNNING);
    stop(9000);
    SITE_UNTIL(&s, has_answered("stopped"));
    expect_answers("stopped:ok ");
    ck_assert_int_eq(fake_state("vm", "db"), THING_OFF);
    ck_assert_int_eq(fake_state("vm", "gone"), THING_OFF);
    ck_assert_int_eq(fake_state("vm", "local"), THING_RUNNING);
    expect_quiet("db");
    ck_assert_int_eq(fake_state("vm", "local"), THING_RUNNING);
}
END_TEST

START_TEST(stop_leaves_strangers_alone)
{
    fake_put("vm", "db", THING_RUNNING, NULL, NULL);
    site_made(&s, "site-a.vm.web", THING_RUNNING, VM "}");
    site_put(&s, "primary.vm.db", VM "}");
    site_put(&s, "primary.vm.web", VM "}");
    site_put(&s, "site-a.vm.web", VM "}");
    site_settle(&s);
    stop(3000);
    SITE_UNTIL(&s, has_answered("stopped"));
    expect_answers("stopped:ok ");
    ck_assert_int_eq(fake_state("vm", "db"), THING_RUNNING);
    ck_assert_int_eq(fake_state("vm", "web"), THING_RUNNING);
    ck_assert_int_eq(fake_calls("kill", NULL), 0);
}
END_TEST

/* The name may be taken by someone else between looking and stopping. */
START_TEST(stranger_who_came_late_is_no_failure)
{
    site_put(&s, "primary.vm.db", VM "}");
    fake_hold("create", "db");
    SITE_UNTIL(&s, fake_inside("create", "db"));
    fake_put("vm", "db", THING_RUNNING, NULL, NULL);
    stop(3000);
    SITE_UNTIL(&s, has_answered("stopped"));
    expect_answers("stopped:ok ");
    ck_assert_int_eq(fake_state("vm", "db"), THING_RUNNING);
    fake_let_go("create", "db");
}
END_TEST

START_TEST(stopped_is_what_was_seen_stopped)
{
    site_put(&s, "primary.vm.db", VM "}");
    start_and_wait();
    fake_fail("verify_stopped", "db", HM_E_REFUSED);
    stop(300);
    SITE_UNTIL(&s, has_answered("stopped"));
    expect_answers("stopped:refused ");
    fake_fail("verify_stopped", "db", HM_OK);
    hm_buf_free(&story);
    stop(9000);
    SITE_UNTIL(&s, has_answered("stopped:ok"));
}
END_TEST

START_TEST(stop_tries_again_until_its_deadline)
{
    site_put(&s, "primary.vm.db", VM "}");
    start_and_wait();
    fake_fail("kill", "db", HM_E_LIBVIRT);
    fake_fail("stop", "db", HM_E_LIBVIRT);
    stop(9000);
    SITE_UNTIL(&s, fake_calls("kill", "db") + fake_calls("stop", "db") >= 3);
    expect_answers("");
    fake_fail("kill", "db", HM_OK);
    fake_fail("stop", "db", HM_OK);
    SITE_UNTIL(&s, has_answered("stopped:ok"));
}
END_TEST

START_TEST(what_cannot_be_asked_is_not_stopped)
{
    site_put(&s, "primary.vm.db", VM "}");
    start_and_wait();
    fake_fail("open", NULL, HM_E_CONNECTION);
    fake_die();
    stop(300);
    SITE_UNTIL(&s, has_answered("stopped"));
    expect_answers("stopped:connection-failed ");
    SITE_UNTIL(&s, fake_state("vm", "db") == THING_CRASHED); /* killed all the same */
    fake_fail("open", NULL, HM_OK);
    stop(9000);
    SITE_UNTIL(&s, has_answered("stopped:ok"));
}
END_TEST

/* A fence at the start of the agent: it waits for the first look, to know all names. */
START_TEST(stop_before_anything_was_seen)
{
    site_made(&s, "primary.vm.gone", THING_RUNNING, VM "}");
    stop(9000);
    expect_answers("");
    SITE_UNTIL(&s, has_answered("stopped"));
    expect_answers("stopped:ok ");
    ck_assert_int_eq(fake_state("vm", "gone"), THING_OFF);
}
END_TEST

/* -- Stop against start ---------------------------------------------------------------------------
 */

START_TEST(stop_supersedes_a_start_in_flight)
{
    site_put(&s, "primary.vm.db", VM "}");
    site_settle(&s);
    fake_hold("start", "db");
    start(9000);
    SITE_UNTIL(&s, fake_inside("start", "db"));
    stop(9000);
    expect_answers("started:cancelled ");
    SITE_UNTIL(&s, fake_calls("kill", "db") >= 3); /* it looks again and again */
    expect_answers("started:cancelled ");
    fake_let_go("start", "db"); /* now it comes up, behind the fence */
    SITE_UNTIL(&s, has_answered("stopped"));
    expect_answers("started:cancelled stopped:ok ");
    ck_assert_int_eq(fake_state("vm", "db"), THING_OFF);
    expect_quiet("db");
}
END_TEST

START_TEST(start_in_flight_may_hang_beyond_the_deadline)
{
    site_put(&s, "primary.vm.db", VM "}");
    site_settle(&s);
    fake_hold("start", "db");
    start(9000);
    SITE_UNTIL(&s, fake_inside("start", "db"));
    int64_t begun = hm_boottime_ns();
    stop(100);
    SITE_UNTIL(&s, hm_boottime_ns() - begun > 300 * HM_MS);
    ck_assert(!has_answered("stopped:ok"));
    fake_let_go("start", "db");
    SITE_UNTIL(&s, has_answered("stopped"));
    if (!has_answered("stopped:ok")) /* late: it was not seen stopped within its time, or was caught running */
        stop(9000);
    SITE_UNTIL(&s, has_answered("stopped:ok"));
    ck_assert_int_eq(fake_state("vm", "db"), THING_OFF);
}
END_TEST

/* All workers hang in other documents' calls: the start that waits for one will never begin. */
START_TEST(stop_waits_for_no_queue)
{
    char key[40];
    site_put(&s, "primary.vm.db", VM "}");
    site_settle(&s);
    fake_hold("create", NULL);
    for (int i = 0; i < 4; i++) {
        snprintf(key, sizeof key, "site-a.vm.n%d", i);
        site_put(&s, key, VM "}");
    }
    SITE_UNTIL(&s, fake_inside("create", NULL) == 4);
    int seen = fake_calls("observe", NULL);
    start(9000);
    SITE_UNTIL(&s, fake_calls("observe", NULL) > seen + 1 ||
                       !strcmp(site_phase(&s, "vm.db"), "Pending"));
    stop(9000);
    SITE_UNTIL(&s, has_answered("stopped:ok"));
    ck_assert_int_eq(fake_inside("create", NULL), 4);
    fake_let_go("create", NULL);
    expect_quiet("db");
    ck_assert_int_eq(fake_calls("start", "db"), 0);
}
END_TEST

/* Making a volume may take minutes; it starts nothing. */
START_TEST(stop_waits_for_no_creation)
{
    fake_hold("create", "db");
    site_put(&s, "primary.vm.db", VM "}");
    start(9000);
    SITE_UNTIL(&s, fake_inside("create", "db"));
    stop(9000);
    SITE_UNTIL(&s, has_answered("stopped:ok"));
    fake_let_go("create", "db");
    expect_quiet("db");
}
END_TEST

START_TEST(kill_that_hangs_is_waited_for)
{
    site_put(&s, "primary.vm.db", VM ",\"stop_grace\":\"0s\"}");
    site_put(&s, "primary.vm.web", VM ",\"stop_grace\":\"0s\"}");
    start_and_wait();
    fake_hold("kill", "db");
    stop(200);
    SITE_UNTIL(&s, fake_state("vm", "web") == THING_OFF); /* not held up by db */
    int64_t begun = hm_boottime_ns();
    SITE_UNTIL(&s, hm_boottime_ns() - begun > 300 * HM_MS);
    ck_assert(!has_answered("stopped:ok"));
    fake_let_go("kill", "db");
    SITE_UNTIL(&s, has_answered("stopped:ok"));
    ck_assert_int_eq(fake_state("vm", "db"), THING_OFF);
}
END_TEST

START_TEST(during_a_fence_only_the_fence_acts)
{
    site_put(&s, "primary.vm.db", VM ",\"stop_grace\":\"0s\"}");
    start_and_wait();
    fake_hold("kill", "db");
    stop(9000);
    SITE_UNTIL(&s, fake_inside("kill", "db"));
    site_put(&s, "primary.vm.db", VM ",\"stop_grace\":\"0s\",\"labels\":{\"a\":\"b\"}}");
    site_put(&s, "primary.vm.new", VM "}");
    for (int i = 0; i < 4; i++) {
        int seen = fake_calls("observe", NULL);
        reconciler_kick(s.reconciler);
        SITE_UNTIL(&s, fake_calls("observe", NULL) > seen);
    }
    HM_AUTOFREE char *calls = fake_story();
    ck_assert_str_eq(calls, "create db, start db, kill db");
    fake_let_go("kill", "db");
    SITE_UNTIL(&s, has_answered("stopped:ok"));
    SITE_UNTIL(&s, fake_state("vm", "new") == THING_OFF);
}
END_TEST

/* -- Grace ----------------------------------------------------------------------------------------
 */

START_TEST(grace_ends_where_the_guardian_kills)
{
    site_put(&s, "primary.vm.db", VM ",\"stop_grace\":\"1m\"}");
    start_and_wait();
    stop_in(4000, 6000);
    SITE_UNTIL(&s, has_answered("stopped:ok"));
    ck_assert_int_eq(fake_calls("stop", "db"), 1);
    ck_assert_int_le(fake_last_grace_ms(), 4000);
    ck_assert_int_ge(fake_last_grace_ms(), 3000);
}
END_TEST

START_TEST(no_time_no_grace)
{
    site_put(&s, "primary.vm.db", VM ",\"stop_grace\":\"1m\"}");
    start_and_wait();
    stop_in(0, 5000);
    SITE_UNTIL(&s, has_answered("stopped:ok"));
    ck_assert_int_eq(fake_calls("stop", "db"), 0);
    ck_assert_int_eq(fake_calls("kill", "db"), 1);
}
END_TEST

/* -- The guardian, and the agent before ---------------------------------------------------------- */

static char uuid_of_db[VM_UUID_TEXT];

START_TEST(what_the_guardian_does_not_know_is_not_started)
{
    vm_uuid("site-a", "primary.vm.db", uuid_of_db);
    s.unguarded = uuid_of_db;
    site_put(&s, "primary.vm.db", VM "}");
    site_put(&s, "primary.vm.web", VM "}");
    start(60000);
    SITE_UNTIL(&s, fake_state("vm", "web") == THING_RUNNING);
    site_settle(&s);
    ck_assert_int_eq(fake_state("vm", "db"), THING_OFF);
    expect_answers("");
    s.unguarded = NULL;
    s.workload.recheck(s.workload.data);
    SITE_UNTIL(&s, has_answered("started:ok"));
    ck_assert_int_eq(fake_state("vm", "db"), THING_RUNNING);
}
END_TEST

static struct hm_buf uuids;

static void note_uuid(void *arg, const char *uuid)
{
    (void)arg;
    hm_buf_printf(&uuids, "%s ", uuid);
}

static bool collect_uuids(void)
{
    hm_buf_free(&uuids);
    return s.workload.each_vm(s.workload.data, note_uuid, NULL);
}

#define OLD "1a3df4bc-3462-4334-9eb3-ade1334263be"

START_TEST(tells_every_vm_there_may_be_once_and_no_stranger)
{
    HM_AUTOFREE char *both = NULL;
    vm_uuid("site-a", "primary.vm.db", uuid_of_db);
    site_put(&s, "primary.vm.db", VM "}"); /* declared, not made yet */
    ck_assert(!collect_uuids());           /* nothing was seen yet */
    SITE_UNTIL(&s, fake_state("vm", "db") == THING_OFF);
    site_made(&s, "primary.vm.old", THING_RUNNING, VM "}"); /* an orphan with a UUID of its own */
    fake_set_uuid("vm", "old", OLD);
    site_made(&s, "primary.vm.theirs", THING_RUNNING, VM "}");
    fake_set_uuid("vm", "theirs", "2a3df4bc-3462-4334-9eb3-ade1334263be");
    fake_set_site("vm", "theirs", "site-old");
    fake_put("vm", "stranger", THING_RUNNING, NULL, NULL);
    fake_set_uuid("vm", "stranger", "3a3df4bc-3462-4334-9eb3-ade1334263be");
    site_made(&s, "site-a.vm.pinned", THING_RUNNING, VM "}");
    fake_set_uuid("vm", "pinned", "4a3df4bc-3462-4334-9eb3-ade1334263be");
    site_look(&s);
    ck_assert(collect_uuids());
    both = hm_printf("%s %s ", uuid_of_db, OLD);
    ck_assert_str_eq(uuids.data, both);
    hm_buf_free(&uuids);
}
END_TEST

START_TEST(a_clean_stop_takes_what_the_longest_tower_takes)
{
    ck_assert_int_eq(s.workload.clean_stop_ms(s.workload.data), 0);
    site_put(&s, "primary.vm.db", VM ",\"stop_grace\":\"10s\"}");
    site_put(&s, "primary.vm.app", VM ",\"stop_grace\":\"5s\",\"depends_on\":[\"vm/db\"]}");
    site_put(&s, "primary.vm.alone", VM ",\"stop_grace\":\"12s\"}");
    site_put(&s, "primary.vm.off", VM ",\"stop_grace\":\"1m\",\"power\":\"off\"}");
    site_put(&s, "site-a.vm.pinned", VM ",\"stop_grace\":\"1m\"}");
    ck_assert_int_eq(s.workload.clean_stop_ms(s.workload.data), 15000);
}
END_TEST

/* The agent before has started it. */
START_TEST(what_is_resumed_is_not_touched_and_is_judged)
{
    struct hm_error why;
    site_made(&s, "primary.vm.db", THING_RUNNING, VM "}");
    s.workload.resume(s.workload.data, 1);
    site_put(&s, "primary.vm.db", VM "}");
    site_settle(&s);
    ck_assert_int_eq(fake_calls("start", "db"), 0);
    ck_assert_int_eq(fake_calls("kill", "db"), 0);
    ck_assert_int_eq(s.workload.health(s.workload.data, NULL), 0);
    fake_fail("start", "db", HM_E_LIBVIRT);
    fake_set_state("vm", "db", THING_CRASHED);
    fake_change();
    SITE_UNTIL(&s, s.workload.health(s.workload.data, &why) < 0);
    SITE_UNTIL(&s, fake_calls("start", "db") > 0); /* and it is started again */
}
END_TEST

/* A look that began before it says nothing about it, and the next one may show nothing new. */
START_TEST(what_is_resumed_is_judged_by_a_look_of_its_own)
{
    site_put(&s, "primary.vm.db", VM "}");
    start_and_wait();
    fake_put("vm", "db", THING_RUNNING, NULL,
             NULL); /* somebody else's now: nothing is to be done */
    fake_change();
    SITE_UNTIL(&s, s.workload.health(s.workload.data, NULL) < 0);
    site_settle(&s);
    fake_hold("observe", NULL);
    reconciler_kick(s.reconciler);
    SITE_UNTIL(&s, fake_inside("observe", NULL));
    s.workload.resume(s.workload.data, 1);
    ck_assert_int_eq(s.workload.health(s.workload.data, NULL), 0);
    fake_let_go("observe", NULL);
    SITE_UNTIL(&s, s.workload.health(s.workload.data, NULL) < 0);
}
END_TEST

/* -- Found running where it must not --------------------------------------------------------------
 */

START_TEST(what_someone_starts_on_a_replica_is_killed)
{
    site_put(&s, "primary.vm.db", VM "}");
    site_settle(&s);
    fake_set_state("vm", "db", THING_RUNNING);
    fake_change();
    SITE_UNTIL(&s, fake_calls("kill", "db") == 1);
    ck_assert_int_eq(fake_calls("stop", "db"), 0);
    expect_quiet("db");
}
END_TEST

START_TEST(kill_waits_for_no_back_off_of_something_else)
{
    fake_fail("start", "db", HM_E_LIBVIRT);
    site_put(&s, "primary.vm.db", VM "}");
    start(9000);
    SITE_UNTIL(&s, fake_calls("start", "db") == 1);
    SITE_UNTIL(&s, !strcmp(site_phase(&s, "vm.db"), "Failed"));
    stop(9000);
    SITE_UNTIL(&s, has_answered("stopped:ok"));
    int kills = fake_calls("kill", "db");
    int64_t begun = hm_boottime_ns();
    fake_set_state("vm", "db", THING_RUNNING);
    fake_change();
    SITE_UNTIL(&s, fake_calls("kill", "db") > kills);
    ck_assert_int_lt(hm_boottime_ns() - begun, 990 * HM_MS); /* the first back-off is 1 s */
}
END_TEST

/* -- The end --------------------------------------------------------------------------------------
 */

START_TEST(free_during_a_fence)
{
    FAKE_EXPECT_LEFT_BEHIND();
    site_put(&s, "primary.vm.db", VM "}");
    start_and_wait();
    fake_hold("kill", "db");
    fake_hold("stop", "db");
    stop(9000);
    SITE_UNTIL(&s, fake_inside("kill", "db") + fake_inside("stop", "db") == 1);
    site_free_reconciler(&s);
    fake_let_go("kill", "db");
    fake_let_go("stop", "db");
    int64_t limit = in_ms(10000);
    while (fake_inside("kill", "db") + fake_inside("stop", "db") > 0 && hm_boottime_ns() < limit)
        sched_yield();
    expect_answers(""); /* nobody is told any more */
}
END_TEST

START_TEST(free_during_a_start)
{
    FAKE_EXPECT_LEFT_BEHIND();
    fake_hold("start", "db");
    site_put(&s, "primary.vm.db", VM "}");
    start(9000);
    SITE_UNTIL(&s, fake_inside("start", "db"));
    site_free_reconciler(&s);
    fake_let_go("start", "db");
    int64_t limit = in_ms(10000);
    while (fake_inside("start", "db") > 0 && hm_boottime_ns() < limit)
        sched_yield();
    expect_answers("");
}
END_TEST

static TCase *starts(void)
{
    TCase *c = tcase_create("start");
    tcase_set_timeout(c, 30);
    tcase_add_checked_fixture(c, set_up, tear_down);
    tcase_add_test(c, nothing_runs_before_the_start);
    tcase_add_test(c, all_run_in_order_of_dependency);
    tcase_add_test(c, no_documents_start_at_once);
    tcase_add_test(c, without_documents_a_backend_that_is_away_holds_nothing_up);
    tcase_add_test(c, with_documents_a_backend_that_is_away_does);
    tcase_add_test(c, start_that_takes_too_long_says_why);
    tcase_add_test(c, start_has_all_its_time_after_the_machine_stood_still);
    tcase_add_test(c, start_that_needs_a_person_fails_at_once);
    tcase_add_test(c, blocked_change_does_not_prevent_a_start);
    tcase_add_test(c, start_waits_for_no_old_back_off);
    tcase_add_test(c, start_does_not_believe_old_news);
    tcase_add_test(c, health_is_what_was_last_seen);
    tcase_add_test(c, what_was_to_be_off_is_not_ill_while_it_starts_again);
    tcase_add_test(c, thing_without_a_document_counts);
    tcase_add_test(c, free_during_a_start);
    return c;
}

static TCase *stops(void)
{
    TCase *c = tcase_create("stop");
    tcase_set_timeout(c, 30);
    tcase_add_checked_fixture(c, set_up, tear_down);
    tcase_add_test(c, stop_ends_all_that_is_of_the_primary);
    tcase_add_test(c, stop_leaves_strangers_alone);
    tcase_add_test(c, stranger_who_came_late_is_no_failure);
    tcase_add_test(c, stopped_is_what_was_seen_stopped);
    tcase_add_test(c, stop_tries_again_until_its_deadline);
    tcase_add_test(c, what_cannot_be_asked_is_not_stopped);
    tcase_add_test(c, stop_before_anything_was_seen);
    tcase_add_test(c, stop_supersedes_a_start_in_flight);
    tcase_add_test(c, start_in_flight_may_hang_beyond_the_deadline);
    tcase_add_test(c, stop_waits_for_no_queue);
    tcase_add_test(c, stop_waits_for_no_creation);
    tcase_add_test(c, kill_that_hangs_is_waited_for);
    tcase_add_test(c, during_a_fence_only_the_fence_acts);
    tcase_add_test(c, grace_ends_where_the_guardian_kills);
    tcase_add_test(c, no_time_no_grace);
    tcase_add_test(c, what_the_guardian_does_not_know_is_not_started);
    tcase_add_test(c, tells_every_vm_there_may_be_once_and_no_stranger);
    tcase_add_test(c, a_clean_stop_takes_what_the_longest_tower_takes);
    tcase_add_test(c, what_is_resumed_is_not_touched_and_is_judged);
    tcase_add_test(c, what_is_resumed_is_judged_by_a_look_of_its_own);
    tcase_add_test(c, what_someone_starts_on_a_replica_is_killed);
    tcase_add_test(c, kill_waits_for_no_back_off_of_something_else);
    tcase_add_test(c, free_during_a_fence);
    return c;
}

int main(void)
{
    Suite *suite = suite_create("primary");
    suite_add_tcase(suite, starts());
    suite_add_tcase(suite, stops());
    SRunner *sr = srunner_create(suite);
    srunner_run_all(sr, CK_NORMAL);
    int failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed ? 1 : 0;
}
