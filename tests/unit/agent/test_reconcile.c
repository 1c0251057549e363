#include "agent/reconcile.h"

#include <check.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>

#include "agent/reconcile_state.h"
#include "base/alloc.h"
#include "fakes/status.c"
#include "site.h"

#define VM        "{\"disks\":[{\"device\":\"vda\",\"image\":\"/i/a\"}]"
#define VM_ON_LAN VM ",\"networks\":[{\"network\":\"lan\"}]}"

static struct site s;

static void set_up(void)
{
    site_begin(&s);
}

static void tear_down(void)
{
    site_end(&s);
}

static bool is_phase(const char *name, const char *phase)
{
    return !strcmp(site_phase(&s, name), phase);
}

static void expect_story(const char *expected)
{
    HM_AUTOFREE char *story = fake_story();
    ck_assert_str_eq(story, expected);
}

static void expect_order(const char *first, const char *second)
{
    HM_AUTOFREE char *story = fake_story();
    const char *a = strstr(story, first), *b = strstr(story, second);
    ck_assert_msg(a && b && a < b, "%s: %s must come before %s", story, first, second);
}

/* -- Straight -------------------------------------------------------------------------------------
 */

START_TEST(makes_the_host_match_its_documents)
{
    site_put(&s, "site-a.vm.web", VM_ON_LAN);
    site_put(&s, "site-a.network.lan", "{}");
    SITE_UNTIL(&s, is_phase("vm.web", "Running") && is_phase("network.lan", "Running"));
    site_settle(&s);
    expect_order("create lan", "create web");
    expect_order("start lan", "start web");
    ck_assert_int_eq(fake_calls("create", NULL) + fake_calls("start", NULL), 4);
    ck_assert_int_eq(s.facts, 1);
}
END_TEST

START_TEST(no_change_no_verb_no_word)
{
    site_put(&s, "site-a.vm.web", VM "}");
    SITE_UNTIL(&s, is_phase("vm.web", "Running"));
    site_settle(&s);
    int words = fake_status_words(s.status);
    site_settle(&s);
    ck_assert_int_eq(fake_status_words(s.status), words);
    expect_story("create web, start web");
}
END_TEST

START_TEST(kicks_are_gathered)
{
    site_put(&s, "site-a.vm.web", VM "}");
    SITE_UNTIL(&s, is_phase("vm.web", "Running"));
    site_settle(&s);
    int before = fake_calls("observe", NULL);
    for (int i = 0; i < 1000; i++)
        reconciler_kick(s.reconciler);
    SITE_UNTIL(&s, fake_calls("observe", NULL) > before);
    uv_run(&s.loop, UV_RUN_NOWAIT);
    ck_assert_int_le(fake_calls("observe", NULL), before + 2);
}
END_TEST

START_TEST(change_of_the_backend_is_noticed)
{
    site_put(&s, "site-a.vm.web", VM "}");
    SITE_UNTIL(&s, is_phase("vm.web", "Running"));
    site_settle(&s);
    fake_set_state("vm", "web", THING_CRASHED);
    fake_change();
    SITE_UNTIL(&s, fake_calls("start", "web") == 2);
    SITE_UNTIL(&s, fake_state("vm", "web") == THING_RUNNING && is_phase("vm.web", "Running"));
}
END_TEST

/* Whatever was missed is found by a later pass, for ever, and without anyone's telling. */
START_TEST(missed_change_is_found)
{
    site_end(&s);
    site_begin_resyncing(&s, 20);
    site_put(&s, "site-a.vm.web", VM "}");
    SITE_UNTIL(&s, is_phase("vm.web", "Running"));
    int seen = fake_calls("observe", NULL);
    SITE_UNTIL(&s, fake_calls("observe", NULL) > seen + 5); /* all the same: nothing to do */
    fake_set_state("vm", "web", THING_CRASHED);
    SITE_UNTIL(&s, fake_state("vm", "web") == THING_RUNNING);
    fake_fail("observe", NULL, HM_E_LIBVIRT);
    SITE_UNTIL(&s, is_phase("vm.web", "Waiting"));
    fake_fail("observe", NULL, HM_OK);
    SITE_UNTIL(&s, is_phase("vm.web", "Running"));
}
END_TEST

/* A pass that sees the same as the last one is not the same if that had more to do. */
START_TEST(blocked_guest_is_started_though_nothing_changed)
{
    site_made(&s, "site-a.vm.web", THING_CRASHED, VM "}");
    fake_fail("start", "web", HM_E_LIBVIRT);
    site_put(&s, "site-a.vm.web",
             "{\"disks\":[{\"device\":\"vda\",\"image\":\"/i/b\"}],\"change\":\"live\"}");
    SITE_UNTIL(&s, fake_calls("start", "web") == 1);
    fake_fail("start", "web", HM_OK);
    SITE_UNTIL(&s, fake_state("vm", "web") == THING_RUNNING);
}
END_TEST

START_TEST(change_goes_step_by_step)
{
    site_put(&s, "site-a.vm.web", VM "}");
    SITE_UNTIL(&s, is_phase("vm.web", "Running"));
    site_put(&s, "site-a.vm.web", VM ",\"vcpus\":3}");
    site_settle(&s);
    expect_story("create web, start web, stop web, update web, start web");
    site_put(&s, "site-a.vm.web", "{\"disks\":[{\"device\":\"vda\",\"image\":\"/i/b\"}]}");
    SITE_UNTIL(&s, fake_calls("create", "web") == 2 && fake_state("vm", "web") == THING_RUNNING);
    expect_story("create web, start web, stop web, update web, start web, stop web, remove web, "
                 "create web, start web");
}
END_TEST

START_TEST(marker_removes_and_absence_does_not)
{
    site_made(&s, "site-a.vm.gone", THING_RUNNING, VM "}");
    site_made(&s, "site-a.vm.orphan", THING_RUNNING, VM "}");
    fake_put("vm", "foreign", THING_RUNNING, NULL, NULL);
    site_put(&s, "site-a.vm.gone", NULL);
    site_put(&s, "site-a.vm.foreign", NULL);
    SITE_UNTIL(&s, fake_state("vm", "gone") == THING_ABSENT);
    SITE_UNTIL(&s, is_phase("vm.gone", "Deleted"));
    site_settle(&s);
    expect_story("stop gone, remove gone");
    ck_assert_int_eq(fake_state("vm", "orphan"), THING_RUNNING);
}
END_TEST

/* The next agent finds what the last one made, and goes on in the middle of a change. */
START_TEST(next_agent_goes_on)
{
    site_made(&s, "site-a.vm.web", THING_OFF, VM "}"); /* stopped for a restart, then killed */
    site_put(&s, "site-a.vm.web", VM ",\"vcpus\":3}");
    SITE_UNTIL(&s, is_phase("vm.web", "Running"));
    expect_story("update web, start web");
}
END_TEST

/* -- Failure --------------------------------------------------------------------------------------
 */

START_TEST(failing_document_holds_up_no_other)
{
    fake_fail("create", "bad", HM_E_LIBVIRT);
    site_put(&s, "site-a.vm.bad", VM "}");
    site_put(&s, "site-a.vm.good", VM "}");
    SITE_UNTIL(&s, is_phase("vm.good", "Running") && is_phase("vm.bad", "Failed"));
    ck_assert_str_eq(site_error(&s, "vm.bad"), "libvirt-error");
    site_settle(&s);
    ck_assert_int_eq(fake_calls("create", "bad"), 1); /* it backs off: passes do not try it */
    SITE_UNTIL(&s, fake_calls("create", "bad") == 2);
    fake_fail("create", "bad", HM_OK);
    SITE_UNTIL(&s, is_phase("vm.bad", "Running"));
    ck_assert_str_eq(site_error(&s, "vm.bad"), "");
}
END_TEST

/* It is too early for one document when the pass comes to it, and too late for a timer when the pass
 * has ended. */
/* What takes longer than a verb may is neither done nor failed. */
START_TEST(what_goes_on_behind_its_verb_is_asked_again)
{
    fake_fail("create", "web", HM_E_IN_PROGRESS);
    site_put(&s, "site-a.vm.web", VM "}");
    SITE_UNTIL(&s, fake_calls("create", "web") == 2);
    ck_assert(is_phase("vm.web", "Pending"));
    const char *progress =
        json_string_value(json_object_get(fake_status_of(s.status, "vm.web"), "progress"));
    ck_assert_ptr_nonnull(progress);
    ck_assert_str_eq(site_error(&s, "vm.web"), "");
    fake_fail("create", "web", HM_OK);
    SITE_UNTIL(&s, is_phase("vm.web", "Running"));
    ck_assert_ptr_null(json_object_get(fake_status_of(s.status, "vm.web"), "progress"));
}
END_TEST

START_TEST(back_off_that_ends_within_a_pass_is_not_missed)
{
    fake_fail("create", "a", HM_E_LIBVIRT);
    site_put(&s, "site-a.vm.a", VM "}");
    SITE_UNTIL(&s, is_phase("vm.a", "Failed"));
    int64_t due = s.reconciler->task_list[0]->next_try_ns;
    fake_fail("create", "a", HM_OK);
    SITE_UNTIL(&s, hm_boottime_ns() > due - 100 * HM_MS);
    s.busy_until_ns = due + 5 * HM_MS;
    site_put(&s, "site-a.vm.b", VM ",\"labels\":{}}");
    fake_hold("create", "b"); /* so that nothing else causes a pass */
    SITE_UNTIL(&s, is_phase("vm.a", "Running"));
    fake_let_go("create", "b");
}
END_TEST

START_TEST(new_revision_is_tried_at_once)
{
    fake_fail("create", "web", HM_E_LIBVIRT);
    site_put(&s, "site-a.vm.web", VM "}");
    SITE_UNTIL(&s, is_phase("vm.web", "Failed"));
    int64_t failed = hm_boottime_ns();
    fake_fail("create", "web", HM_OK);
    site_put(&s, "site-a.vm.web", VM ",\"vcpus\":1}");
    SITE_UNTIL(&s, is_phase("vm.web", "Running"));
    ck_assert_int_lt(hm_boottime_ns() - failed, 990 * HM_MS); /* the first back-off is 1 s */
}
END_TEST

static void crash_web_if_it_runs(void)
{
    if (fake_state("vm", "web") != THING_RUNNING)
        return;
    fake_set_state("vm", "web", THING_CRASHED);
    fake_change();
}

START_TEST(guest_that_always_crashes_is_not_started_in_a_loop)
{
    site_put(&s, "site-a.vm.web", VM "}");
    SITE_UNTIL(&s, fake_calls("start", "web") == 1);
    int64_t begun = hm_boottime_ns();
    while (hm_boottime_ns() - begun < 500 * HM_MS) {
        crash_web_if_it_runs();
        uv_run(&s.loop, UV_RUN_NOWAIT);
        sched_yield();
    }
    ck_assert_int_le(fake_calls("start", "web"), 2);
    crash_web_if_it_runs(); /* a machine that is slow may have come to its second start only now */
    SITE_UNTIL(&s, is_phase("vm.web", "Failed"));
}
END_TEST

static void put_with_policy(const char *policy)
{
    HM_AUTOFREE char *text = hm_printf(VM ",\"restart_policy\":\"%s\"}", policy);
    site_put(&s, "site-a.vm.web", text);
    SITE_UNTIL(&s, is_phase("vm.web", "Running"));
    site_settle(&s);
}

static void end_web(bool cleanly)
{
    fake_end("web", cleanly);
    fake_change();
}

START_TEST(what_its_policy_leaves_off_stays_off_through_any_restart)
{
    static const struct {
        const char *policy;
        bool cleanly;
        enum run_state noted;
    } cases[] = {
        {"no", true, RUN_ENDED}, {"no", false, RUN_FAILED}, {"on-failure", true, RUN_ENDED}};
    put_with_policy(cases[_i].policy);
    end_web(cases[_i].cleanly);
    SITE_UNTIL(&s, is_phase("vm.web", "Ended") && fake_note_of("web").state == cases[_i].noted);
    site_settle(&s);
    fake_forget_end("web"); /* libvirtd was restarted, too */
    site_free_reconciler(&s);
    site_begin_reconciler(&s);
    site_settle(&s);
    ck_assert_int_eq(fake_calls("start", "web"), 1);
    ck_assert(is_phase("vm.web", "Ended"));
}
END_TEST

START_TEST(off_and_on_again_is_a_new_beginning)
{
    put_with_policy("no");
    end_web(true);
    SITE_UNTIL(&s, is_phase("vm.web", "Ended"));
    site_put(&s, "site-a.vm.web", VM ",\"power\":\"off\"}");
    SITE_UNTIL(&s, is_phase("vm.web", "Stopped") && fake_note_of("web").state == RUN_STOPPED);
    put_with_policy("no");
    ck_assert_int_eq(fake_calls("start", "web"), 2);
    ck_assert_uint_eq(fake_note_of("web").restarts, 0);
}
END_TEST

START_TEST(failure_is_started_again_and_counted)
{
    put_with_policy("on-failure");
    end_web(false);
    SITE_UNTIL(&s, fake_calls("start", "web") == 2 && is_phase("vm.web", "Running"));
    ck_assert_uint_eq(fake_note_of("web").restarts, 1);
    ck_assert_uint_eq(fake_note_of("web").streak, 1);
    site_settle(&s);
    site_free_reconciler(&s);
    site_begin_reconciler(&s);
    site_settle(&s);
    end_web(false); /* the next agent counts on, and waits as this one would have */
    SITE_UNTIL(&s, is_phase("vm.web", "Failed"));
    site_settle(&s);
    ck_assert_int_eq(fake_calls("start", "web"), 2);
}
END_TEST

START_TEST(a_run_that_nobody_noted_is_noted)
{
    site_made(&s, "site-a.vm.web", THING_RUNNING, VM ",\"restart_policy\":\"no\"}");
    put_with_policy("no");
    ck_assert_int_eq(fake_note_of("web").state, RUN_STARTED);
    end_web(true);
    SITE_UNTIL(&s, is_phase("vm.web", "Ended"));
    ck_assert_int_eq(fake_calls("start", "web"), 0);
}
END_TEST

START_TEST(full_queue_is_no_failure)
{
    char key[40];
    for (int i = 0; i < 60; i++) { /* twice: networks and guests; the fake holds 64 things */
        snprintf(key, sizeof key, "site-a.vm.n%d", i);
        site_put(&s, key, VM "}");
    }
    fake_hold("create", NULL);
    site_put(&s, "site-a.vm.last", VM "}");
    SITE_UNTIL(&s, fake_inside("create", NULL) == 4);
    fake_let_go("create", NULL);
    SITE_UNTIL(&s, is_phase("vm.last", "Running") && is_phase("vm.n0", "Running") &&
                       is_phase("vm.n59", "Running"));
    site_settle(&s);
    ck_assert_int_eq(fake_calls("create", NULL), 61);
    ck_assert_int_eq(fake_calls("start", NULL), 61);
}
END_TEST

/* -- Old news -------------------------------------------------------------------------------------
 */

/* An observation that began before the call ended is given after it has. */
static void end_call_behind_an_observation(const char *verb, const char *name)
{
    SITE_UNTIL(&s, fake_inside(verb, name));
    fake_hold("observe", NULL);
    reconciler_kick(s.reconciler);
    SITE_UNTIL(&s, fake_inside("observe", NULL));
    fake_let_go(verb, name);
    SITE_UNTIL(&s, !s.reconciler->task_list[0]->in_flight);
}

START_TEST(stale_observation_is_not_acted_on)
{
    fake_hold("create", "web");
    site_put(&s, "site-a.vm.web", VM "}");
    end_call_behind_an_observation("create", "web");
    fake_let_go("observe", NULL); /* it says that there is no web */
    SITE_UNTIL(&s, is_phase("vm.web", "Running"));
    site_settle(&s);
    expect_story("create web, start web");
    ck_assert_int_eq(fake_status_failures(s.status), 0);
}
END_TEST

/* A pass that may not act yet has more to do, even if the next one sees the same. */
START_TEST(what_could_not_be_acted_on_is_not_forgotten)
{
    site_made(&s, "site-a.vm.web", THING_CRASHED, VM "}");
    fake_hold("start", "web");
    site_put(&s, "site-a.vm.web",
             "{\"disks\":[{\"device\":\"vda\",\"image\":\"/i/b\"}],\"change\":\"live\"}");
    end_call_behind_an_observation("start", "web");
    fake_set_state("vm", "web", THING_CRASHED); /* as the observation says, too */
    fake_let_go("observe", NULL);
    SITE_UNTIL(&s, fake_calls("start", "web") == 2);
    SITE_UNTIL(&s, fake_state("vm", "web") == THING_RUNNING);
}
END_TEST

START_TEST(one_call_at_a_time_for_a_document)
{
    fake_hold("start", "web");
    site_put(&s, "site-a.vm.web", VM "}");
    SITE_UNTIL(&s, fake_inside("start", "web"));
    site_put(&s, "site-a.vm.web", VM ",\"vcpus\":3}");
    site_put(&s, "site-a.vm.web", NULL);
    int seen = fake_calls("observe", NULL);
    for (int i = 0; i < 3; i++) {
        reconciler_kick(s.reconciler);
        SITE_UNTIL(&s, fake_calls("observe", NULL) > seen);
        seen = fake_calls("observe", NULL);
    }
    expect_story("create web, start web");
    fake_let_go("start", "web");
    SITE_UNTIL(&s, fake_state("vm", "web") == THING_ABSENT);
    expect_story("create web, start web, stop web, remove web");
}
END_TEST

/* -- A backend that is away -----------------------------------------------------------------------
 */

START_TEST(backend_that_opens_later)
{
    fake_fail("open", NULL, HM_E_CONNECTION);
    site_put(&s, "site-a.vm.web", VM "}");
    SITE_UNTIL(&s, is_phase("vm.web", "Waiting"));
    ck_assert_int_eq(s.backend_error.code, HM_E_CONNECTION);
    expect_story("");
    fake_fail("open", NULL, HM_OK);
    SITE_UNTIL(&s, is_phase("vm.web", "Running")); /* by itself */
    ck_assert_int_eq(s.facts, 1);
}
END_TEST

START_TEST(unknown_is_not_dead)
{
    site_put(&s, "site-a.vm.web", VM "}");
    SITE_UNTIL(&s, is_phase("vm.web", "Running"));
    fake_fail("observe", NULL, HM_E_LIBVIRT);
    site_put(&s, "site-a.vm.web", NULL);
    site_put(&s, "site-a.vm.other", VM "}");
    SITE_UNTIL(&s, is_phase("vm.web", "Waiting") && is_phase("vm.other", "Waiting"));
    site_settle(&s);
    expect_story("create web, start web");
    fake_fail("observe", NULL, HM_OK);
    SITE_UNTIL(&s, fake_state("vm", "web") == THING_ABSENT && is_phase("vm.other", "Running"));
}
END_TEST

START_TEST(lost_connection_is_opened_anew)
{
    site_put(&s, "site-a.vm.web", VM "}");
    SITE_UNTIL(&s, is_phase("vm.web", "Running"));
    fake_die();
    fake_set_state("vm", "web", THING_CRASHED);
    reconciler_kick(s.reconciler);
    SITE_UNTIL(&s, fake_state("vm", "web") == THING_RUNNING);
    ck_assert_int_eq(fake_connections(), 1);
    SITE_UNTIL(&s, s.facts == 2);
}
END_TEST

START_TEST(late_observation_is_made_up_for)
{
    site_put(&s, "site-a.vm.web", VM "}");
    SITE_UNTIL(&s, is_phase("vm.web", "Running"));
    site_settle(&s);
    fake_hold("observe", NULL);
    reconciler_kick(s.reconciler);
    SITE_UNTIL(&s, fake_inside("observe", NULL));
    fake_set_state("vm", "web", THING_CRASHED); /* and nobody tells */
    reconciler_kick(s.reconciler);
    fake_let_go("observe", NULL);
    SITE_UNTIL(&s, fake_state("vm", "web") == THING_RUNNING);
}
END_TEST

/* -- Refused --------------------------------------------------------------------------------------
 */

START_TEST(refused_document_is_reported)
{
    site_put(&s, "site-a.vm.web", "{\"memmory\":1}");
    site_put(&s, "site-a.vm.good", VM "}");
    site_put(&s, "site-a.vm.good", "{\"memmory\":1}");
    SITE_UNTIL(&s, is_phase("vm.good", "Running") && is_phase("vm.web", "Failed"));
    ck_assert_str_eq(site_error(&s, "vm.web"), "invalid");
    ck_assert_str_eq(site_error(&s, "vm.good"), "invalid");
}
END_TEST

START_TEST(no_key_overwrites_the_agents_own_status)
{
    site_put(&s, "site-a.agent", "{}");
    site_put(&s, "primary.agent", "{}");
    site_put(&s, "site-a.vm.web", VM "}");
    SITE_UNTIL(&s, is_phase("vm.web", "Running"));
    site_settle(&s);
    ck_assert_ptr_null(fake_status_of(s.status, "agent"));
}
END_TEST

/* Refused before the first verb: neither stopped nor removed and then left so. */
static const char *const forbidden[] = {
    VM ",\"kernel\":\"/etc/shadow\"}", /* restart */
    "{\"disks\":[{\"device\":\"vda\",\"image\":\"/i/b\"}],\"kernel\":\"/etc/"
    "shadow\"}", /* replace */
};

START_TEST(path_that_may_not_be_named_stops_nothing)
{
    s.refuse_path = "/etc/shadow";
    site_put(&s, "site-a.vm.web", VM "}");
    SITE_UNTIL(&s, is_phase("vm.web", "Running"));
    site_put(&s, "site-a.vm.web", forbidden[_i]);
    site_put(&s, "site-a.vm.new", forbidden[_i]);
    SITE_UNTIL(&s, is_phase("vm.web", "Blocked") && is_phase("vm.new", "Blocked"));
    site_settle(&s);
    expect_story("create web, start web");
    site_put(&s, "site-a.vm.web", NULL); /* what may not be named may be removed */
    SITE_UNTIL(&s, fake_state("vm", "web") == THING_ABSENT);
}
END_TEST

/* A marker of the old placement stays in the bucket for ever. */
START_TEST(what_moved_is_reported_where_it_is)
{
    site_put(&s, "site-a.vm.db", NULL);
    site_put(&s, "primary.vm.db", VM "}");
    site_put(&s, "primary.vm.web", NULL);
    site_put(&s, "site-a.vm.web", VM "}");
    SITE_UNTIL(&s, is_phase("vm.db", "Standby") && is_phase("vm.web", "Running"));
    site_settle(&s);
    ck_assert(is_phase("vm.db", "Standby") && is_phase("vm.web", "Running"));
}
END_TEST

START_TEST(blocked_change_keeps_its_guest_up)
{
    site_put(&s, "site-a.vm.web", VM "}");
    SITE_UNTIL(&s, is_phase("vm.web", "Running"));
    site_put(&s, "site-a.vm.web",
             "{\"disks\":[{\"device\":\"vda\",\"image\":\"/i/b\"}],\"change\":\"live\"}");
    SITE_UNTIL(&s, is_phase("vm.web", "Blocked"));
    fake_set_state("vm", "web", THING_CRASHED);
    fake_change();
    SITE_UNTIL(&s, fake_state("vm", "web") == THING_RUNNING);
    ck_assert(is_phase("vm.web", "Blocked"));
}
END_TEST

/* -- Plans that are asked for ---------------------------------------------------------------------
 */

static json_t *answers[64];
static int answered;

static void on_plan(void *data, const json_t *plan)
{
    (void)data;
    ck_assert_ptr_nonnull(plan);
    answers[answered++] = json_deep_copy(plan);
}

static void forget_answers(void)
{
    while (answered > 0)
        json_decref(answers[--answered]);
}

static int ask(const char *key, const char *json, struct hm_error *err)
{
    struct plan_request q = {.done = on_plan};
    q.documents.items = hm_alloc(sizeof(struct doc));
    q.documents.count = 1;
    ck_assert_int_eq(doc_from_value(key, json, strlen(json), &q.documents.items[0], NULL), 0);
    return reconciler_plan(s.reconciler, &q, err);
}

static const char *op_of(const json_t *plan)
{
    const json_t *step = json_array_get(json_object_get(plan, "steps"), 0);
    return json_string_value(json_object_get(step, "op"));
}

START_TEST(plan_is_answered_and_changes_nothing)
{
    site_put(&s, "site-a.vm.web", VM "}");
    SITE_UNTIL(&s, is_phase("vm.web", "Running"));
    site_settle(&s);
    ck_assert_int_eq(ask("site-a.vm.web", VM ",\"vcpus\":3}", NULL), 0);
    ck_assert_int_eq(ask("site-a.vm.new", VM "}", NULL), 0);
    SITE_UNTIL(&s, answered == 2);
    ck_assert_str_eq(op_of(answers[0]), "restart");
    ck_assert_str_eq(op_of(answers[1]), "create");
    site_settle(&s);
    expect_story("create web, start web");
    forget_answers();
}
END_TEST

START_TEST(plan_of_what_cannot_be_seen_waits)
{
    fake_fail("observe", NULL, HM_E_LIBVIRT);
    ck_assert_int_eq(ask("site-a.vm.web", VM "}", NULL), 0);
    SITE_UNTIL(&s, answered == 1);
    ck_assert_str_eq(op_of(answers[0]), "wait");
    forget_answers();
}
END_TEST

START_TEST(too_many_plans_are_refused)
{
    struct hm_error err;
    int accepted = 0;
    fake_hold("observe", NULL);
    reconciler_kick(s.reconciler);
    SITE_UNTIL(&s, fake_inside("observe", NULL));
    while (accepted < 64 && ask("site-a.vm.web", VM "}", &err) == 0)
        accepted++;
    ck_assert_int_eq(accepted, 32);
    ck_assert_int_eq(err.code, HM_E_BUSY);
    fake_let_go("observe", NULL);
    SITE_UNTIL(&s, answered == accepted);
    forget_answers();
}
END_TEST

/* -- The end --------------------------------------------------------------------------------------
 */

START_TEST(free_with_everything_under_way)
{
    struct hm_error err;
    FAKE_EXPECT_LEFT_BEHIND();
    fake_hold("create", "web");
    site_put(&s, "site-a.vm.web", VM "}");
    site_put(&s, "site-a.vm.other", VM "}");
    SITE_UNTIL(&s, fake_inside("create", "web"));
    fake_hold("observe", NULL);
    reconciler_kick(s.reconciler);
    SITE_UNTIL(&s, fake_inside("observe", NULL));
    ask("site-a.vm.web", VM "}", &err);
    site_free_reconciler(&s);
    fake_let_go("create", "web");
    fake_let_go("observe", NULL);
    int64_t limit = hm_boottime_ns() + 10000 * HM_MS;
    while ((fake_inside("create", "web") || fake_inside("observe", NULL)) &&
           hm_boottime_ns() < limit)
        sched_yield();
    fake_change();
    ck_assert_int_eq(answered, 0);
}
END_TEST

START_TEST(free_before_anything_happened)
{
    FAKE_EXPECT_LEFT_BEHIND();
    site_end(&s);
    site_begin(&s);
    site_put(&s, "site-a.vm.web", VM "}");
    site_free_reconciler(&s);
    reconciler_free(NULL);
}
END_TEST

static TCase *straight(void)
{
    TCase *c = tcase_create("straight");
    tcase_set_timeout(c, 30);
    tcase_add_checked_fixture(c, set_up, tear_down);
    tcase_add_test(c, makes_the_host_match_its_documents);
    tcase_add_test(c, no_change_no_verb_no_word);
    tcase_add_test(c, kicks_are_gathered);
    tcase_add_test(c, change_of_the_backend_is_noticed);
    tcase_add_test(c, missed_change_is_found);
    tcase_add_test(c, blocked_guest_is_started_though_nothing_changed);
    tcase_add_test(c, change_goes_step_by_step);
    tcase_add_test(c, marker_removes_and_absence_does_not);
    tcase_add_test(c, next_agent_goes_on);
    tcase_add_test(c, plan_is_answered_and_changes_nothing);
    tcase_add_test(c, plan_of_what_cannot_be_seen_waits);
    tcase_add_test(c, too_many_plans_are_refused);
    return c;
}

static TCase *trouble(void)
{
    TCase *c = tcase_create("trouble");
    tcase_set_timeout(c, 30);
    tcase_add_checked_fixture(c, set_up, tear_down);
    tcase_add_test(c, failing_document_holds_up_no_other);
    tcase_add_test(c, what_goes_on_behind_its_verb_is_asked_again);
    tcase_add_test(c, back_off_that_ends_within_a_pass_is_not_missed);
    tcase_add_test(c, new_revision_is_tried_at_once);
    tcase_add_test(c, guest_that_always_crashes_is_not_started_in_a_loop);
    tcase_add_loop_test(c, what_its_policy_leaves_off_stays_off_through_any_restart, 0, 3);
    tcase_add_test(c, off_and_on_again_is_a_new_beginning);
    tcase_add_test(c, failure_is_started_again_and_counted);
    tcase_add_test(c, a_run_that_nobody_noted_is_noted);
    tcase_add_test(c, full_queue_is_no_failure);
    tcase_add_test(c, stale_observation_is_not_acted_on);
    tcase_add_test(c, what_could_not_be_acted_on_is_not_forgotten);
    tcase_add_test(c, one_call_at_a_time_for_a_document);
    tcase_add_test(c, backend_that_opens_later);
    tcase_add_test(c, unknown_is_not_dead);
    tcase_add_test(c, lost_connection_is_opened_anew);
    tcase_add_test(c, late_observation_is_made_up_for);
    tcase_add_test(c, refused_document_is_reported);
    tcase_add_test(c, no_key_overwrites_the_agents_own_status);
    tcase_add_loop_test(c, path_that_may_not_be_named_stops_nothing, 0, 2);
    tcase_add_test(c, what_moved_is_reported_where_it_is);
    tcase_add_test(c, blocked_change_keeps_its_guest_up);
    tcase_add_test(c, free_with_everything_under_way);
    tcase_add_test(c, free_before_anything_happened);
    return c;
}

int main(void)
{
    Suite *suite = suite_create("reconcile");
    suite_add_tcase(suite, straight());
    suite_add_tcase(suite, trouble());
    SRunner *sr = srunner_create(suite);
    srunner_run_all(sr, CK_NORMAL);
    int failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed ? 1 : 0;
}
