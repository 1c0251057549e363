#include "agent/doc_status.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "world.h"

static struct world w;
static struct task task;
static struct desired_entry entry;

static void set_up(void)
{
    w = (struct world){0};
    task = (struct task){0};
    entry = (struct desired_entry){.revision = 7, .seen_revision = 7};
}

static void tear_down(void)
{
    world_clear(&w);
    task_clear(&task);
    free(entry.error);
}

static void note_failure(struct hm_error **kept, enum hm_code code, const char *text)
{
    struct hm_error err;
    hm_fail(&err, code, "%s", text);
    hm_error_keep(kept, &err);
}

static const struct plan_step *step(const char *key)
{
    world_plan(&w);
    return world_step(&w, key);
}

static void expect_phase(const char *key, enum doc_phase expected)
{
    enum doc_phase phase = doc_phase(step(key), &task, w.serving);
    ck_assert_msg(phase == expected, "%s, expected %s", doc_phase_name(phase),
                  doc_phase_name(expected));
}

START_TEST(phases_say_how_it_is)
{
    world_declare(&w, "site-a.vm.web", VM "}");
    expect_phase("site-a.vm.web", PHASE_PENDING);
    task.failures = 1;
    expect_phase("site-a.vm.web", PHASE_FAILED);
    task.failures = 0;
    struct thing *t = world_made(&w, "site-a.vm.web", THING_RUNNING, VM "}");
    expect_phase("site-a.vm.web", PHASE_RUNNING);
    t->state = THING_PAUSED;
    expect_phase("site-a.vm.web", PHASE_WAITING);
    world_declare(&w, "site-a.vm.web", VM ",\"power\":\"paused\"}");
    world_mark(t, "site-a.vm.web", world_find_doc(&w, "site-a.vm.web")->doc.spec);
    expect_phase("site-a.vm.web", PHASE_PAUSED);
    world_declare(&w, "site-a.vm.web", VM_ON_DISK ",\"change\":\"live\"}");
    t->state = THING_RUNNING;
    expect_phase("site-a.vm.web", PHASE_BLOCKED);
    world_declare(&w, "site-a.vm.web", NULL);
    expect_phase("site-a.vm.web", PHASE_PENDING);
    world_remove_thing(&w, t);
    expect_phase("site-a.vm.web", PHASE_DELETED);
}
END_TEST

START_TEST(off_is_stopped_and_off_for_want_of_the_lead_is_standby)
{
    world_declare(&w, "site-a.vm.web", VM ",\"power\":\"off\"}");
    world_made(&w, "site-a.vm.web", THING_OFF, VM ",\"power\":\"off\"}");
    world_declare(&w, "primary.vm.db", VM "}");
    world_made(&w, "primary.vm.db", THING_OFF, VM "}");
    expect_phase("site-a.vm.web", PHASE_STOPPED);
    expect_phase("primary.vm.db", PHASE_STANDBY);
    w.serving = true;
    expect_phase("primary.vm.db", PHASE_PENDING);
}
END_TEST

static json_t *status(const char *key)
{
    json_t *o = doc_status_json(step(key), &task, &entry, w.serving, "2026-11-22T14:03:12.481Z");
    ck_assert_ptr_nonnull(o);
    return o;
}

static const char *text(const json_t *o, const char *name)
{
    const char *value = json_string_value(json_object_get(o, name));
    return value ? value : "";
}

static const json_t *condition(const json_t *o, const char *type)
{
    size_t i;
    json_t *c;
    json_array_foreach(json_object_get(o, "conditions"), i, c)
    {
        if (!strcmp(text(c, "type"), type))
            return c;
    }
    return NULL;
}

START_TEST(applied_is_what_the_thing_has)
{
    world_declare(&w, "site-a.vm.web", VM "}");
    struct thing *t = world_made(&w, "site-a.vm.web", THING_RUNNING, VM "}");
    t->details = json_pack("{s:i}", "id", 3);
    json_t *o = status("site-a.vm.web");
    ck_assert_str_eq(text(o, "phase"), "Running");
    ck_assert_str_eq(text(o, "state"), "running");
    ck_assert_str_eq(text(o, "since"), "2026-11-22T14:03:12.481Z");
    ck_assert_int_eq(json_integer_value(json_object_get(o, "desired_revision")), 7);
    ck_assert_int_eq(json_integer_value(json_object_get(o, "applied_revision")), 7);
    ck_assert_str_eq(text(o, "hash"), t->mark_hash);
    ck_assert(json_is_true(json_object_get(condition(o, "Ready"), "status")));
    ck_assert_int_eq(json_integer_value(json_object_get(json_object_get(o, "details"), "id")), 3);
    json_decref(o);
    world_declare(&w, "site-a.vm.web", VM ",\"vcpus\":3}");
    o = status("site-a.vm.web");
    ck_assert_ptr_null(json_object_get(o, "applied_revision"));
    ck_assert_str_eq(text(o, "next"), "restart");
    ck_assert_ptr_nonnull(strstr(text(o, "reason"), "vcpus 2 -> 3"));
    ck_assert(json_is_false(json_object_get(condition(o, "Ready"), "status")));
    json_decref(o);
}
END_TEST

START_TEST(refused_revision_is_the_error_that_is_told)
{
    world_declare(&w, "site-a.vm.web", VM "}");
    world_made(&w, "site-a.vm.web", THING_RUNNING, VM "}");
    entry.refused = true;
    entry.seen_revision = 8;
    note_failure(&entry.error, HM_E_INVALID, "site-a.vm.web rev 8: no");
    json_t *o = status("site-a.vm.web");
    ck_assert_str_eq(text(o, "phase"), "Running");
    ck_assert_int_eq(json_integer_value(json_object_get(o, "desired_revision")), 8);
    ck_assert_int_eq(json_integer_value(json_object_get(o, "applied_revision")), 7);
    ck_assert_str_eq(text(json_object_get(o, "error"), "code"), "invalid");
    json_decref(o);
}
END_TEST

START_TEST(failure_and_orphan_are_told)
{
    world_declare(&w, "site-a.vm.web", VM "}");
    task.failures = 2;
    note_failure(&task.error, HM_E_LIBVIRT, "it does not start");
    entry.missing = true;
    json_t *o = status("site-a.vm.web");
    ck_assert_str_eq(text(o, "phase"), "Failed");
    ck_assert_str_eq(text(o, "state"), "absent");
    ck_assert_str_eq(text(json_object_get(o, "error"), "text"), "it does not start");
    ck_assert_ptr_nonnull(condition(o, "Orphaned"));
    json_decref(o);
}
END_TEST

START_TEST(a_disk_that_fails_is_a_condition_and_what_stands_still_for_it_an_error)
{
    world_declare(&w, "site-a.vm.web", VM "}");
    struct thing *t = world_made(&w, "site-a.vm.web", THING_RUNNING, VM "}");
    t->fault = (struct thing_fault){
        .code = HM_E_IO, .text = hm_strdup("its disk vda failed"), .since_ms = 1764448267412};
    json_t *o = status("site-a.vm.web");
    ck_assert_str_eq(text(condition(o, "DiskFailed"), "reason"), "its disk vda failed");
    ck_assert_str_eq(text(condition(o, "DiskFailed"), "since"), "2025-11-29T20:31:07.412Z");
    ck_assert_str_eq(text(o, "phase"), "Running");
    ck_assert_ptr_null(json_object_get(o, "error"));
    json_decref(o);
    t->state = THING_PAUSED;
    t->fault.stands_still = true;
    t->fault.code = HM_E_NO_SPACE;
    task.failures = 1; /* what was tried meanwhile is not why */
    note_failure(&task.error, HM_E_REFUSED, "resume was done, and is needed again");
    o = status("site-a.vm.web");
    ck_assert_str_eq(text(json_object_get(o, "error"), "code"), "disk-full");
    ck_assert_str_eq(text(json_object_get(o, "error"), "text"),
                     "vm web stands still: its disk vda failed; make room there, then resume it "
                     "(harmonyctl pause vm web, then resume)");
    ck_assert_ptr_nonnull(condition(o, "DiskFailed"));
    json_decref(o);
}
END_TEST

/* -- The fingerprint: equal if and only if the status is -----------------------------------------
 */

static uint64_t fingerprint(void)
{
    return doc_status_fingerprint(step("site-a.vm.web"), &task, &entry, w.serving);
}

static void fail_task(struct thing *t)
{
    (void)t;
    task.failures++;
    note_failure(&task.error, HM_E_IO, "no");
}

static void crash(struct thing *t)
{
    t->state = THING_CRASHED;
}

static void give_reason(struct thing *t)
{
    t->reason = strdup("crashed");
}

static void give_details(struct thing *t)
{
    t->details = json_object();
}

static void drift(struct thing *t)
{
    t->drift = strdup("memory");
}

static void declare_anew(struct thing *t)
{
    (void)t;
    world_declare(&w, "site-a.vm.web", VM ",\"vcpus\":3}");
}

static void see_revision(struct thing *t)
{
    (void)t;
    entry.seen_revision++;
}

static void go_missing(struct thing *t)
{
    (void)t;
    entry.missing = true;
}

static void (*const news[])(struct thing *t) = {fail_task, crash,        give_reason,  give_details,
                                                drift,     declare_anew, see_revision, go_missing};

START_TEST(what_the_status_shows_changes_the_fingerprint)
{
    world_declare(&w, "site-a.vm.web", VM "}");
    struct thing *t = world_made(&w, "site-a.vm.web", THING_RUNNING, VM "}");
    uint64_t before = fingerprint();
    ck_assert_uint_eq(fingerprint(), before);
    news[_i](t);
    ck_assert_uint_ne(fingerprint(), before);
}
END_TEST

START_TEST(each_error_has_a_fingerprint_of_its_own)
{
    world_declare(&w, "site-a.vm.web", VM "}");
    fail_task(NULL);
    uint64_t before = fingerprint();
    task.failures++; /* the same, once more: nothing new */
    ck_assert_uint_eq(fingerprint(), before);
    note_failure(&task.error, HM_E_IO, "something else");
    ck_assert_uint_ne(fingerprint(), before);
}
END_TEST

static const json_t *condition_of(const json_t *status, const char *type)
{
    size_t i;
    json_t *condition;
    json_array_foreach(json_object_get(status, "conditions"), i, condition)
    {
        if (!strcmp(json_string_value(json_object_get(condition, "type")), type))
            return condition;
    }
    return NULL;
}

START_TEST(what_its_policy_leaves_off_has_ended)
{
    world_declare(&w, "site-a.vm.web", VM ",\"restart_policy\":\"no\"}");
    struct thing *t =
        world_made(&w, "site-a.vm.web", THING_CRASHED, VM ",\"restart_policy\":\"no\"}");
    t->run.state = RUN_STARTED;
    expect_phase("site-a.vm.web", PHASE_ENDED);
    json_t *status = doc_status_json(step("site-a.vm.web"), &task, &entry, false, "now");
    ck_assert_str_eq(json_string_value(json_object_get(status, "reason")),
                     "it crashed; restart_policy: no leaves it off until power was off once");
    ck_assert(json_is_false(json_object_get(condition_of(status, "Ready"), "status")));
    json_decref(status);
}
END_TEST

START_TEST(a_crash_loop_is_a_condition_with_its_next_try)
{
    world_declare(&w, "site-a.vm.web", VM "}");
    struct thing *t = world_made(&w, "site-a.vm.web", THING_CRASHED, VM "}");
    t->run.state = RUN_STARTED;
    task.life = (struct life){.restarts = 9, .streak = 2};
    json_t *status = doc_status_json(step("site-a.vm.web"), &task, &entry, false, "now");
    ck_assert_ptr_null(condition_of(status, "CrashLoop"));
    ck_assert_int_eq(json_integer_value(json_object_get(status, "restarts")), 9);
    json_decref(status);
    task.life = (struct life){.restarts = 10, .streak = 3, .loop_since_ms = 1000};
    strcpy(task.next_start, "then");
    status = doc_status_json(step("site-a.vm.web"), &task, &entry, false, "now");
    const json_t *loop = condition_of(status, "CrashLoop");
    ck_assert_str_eq(json_string_value(json_object_get(loop, "since")), "1970-01-01T00:00:01.000Z");
    ck_assert_str_eq(json_string_value(json_object_get(loop, "reason")),
                     "started again 3 times without being well for 10 min; it crashed");
    ck_assert_str_eq(json_string_value(json_object_get(loop, "next_try")), "then");
    expect_phase("site-a.vm.web", PHASE_FAILED);
    json_decref(status);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("doc_status");
    TCase *c = tcase_create("doc_status");
    tcase_add_checked_fixture(c, set_up, tear_down);
    tcase_add_test(c, phases_say_how_it_is);
    tcase_add_test(c, off_is_stopped_and_off_for_want_of_the_lead_is_standby);
    tcase_add_test(c, applied_is_what_the_thing_has);
    tcase_add_test(c, refused_revision_is_the_error_that_is_told);
    tcase_add_test(c, failure_and_orphan_are_told);
    tcase_add_test(c, a_disk_that_fails_is_a_condition_and_what_stands_still_for_it_an_error);
    tcase_add_loop_test(c, what_the_status_shows_changes_the_fingerprint, 0, 8);
    tcase_add_test(c, each_error_has_a_fingerprint_of_its_own);
    tcase_add_test(c, what_its_policy_leaves_off_has_ended);
    tcase_add_test(c, a_crash_loop_is_a_condition_with_its_next_try);
    suite_add_tcase(s, c);
    SRunner *sr = srunner_create(s);
    srunner_run_all(sr, CK_NORMAL);
    int failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed ? 1 : 0;
}
