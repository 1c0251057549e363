/* The rules of the plan: what is made, started, removed, and what is left alone. The others are in
 * test_plan_change.c, test_plan_relations.c and test_plan_converges.c. */
#include "agent/plan.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "plan_fixture.h"

/* -- Create, start, stop, remove ------------------------------------------------------------------
 */

START_TEST(absent_is_created)
{
    world_declare(&w, "site-a.vm.web", VM "}");
    expect("site-a.vm.web", PLAN_CREATE, VERB_CREATE);
}
END_TEST

START_TEST(thing_that_is_listed_as_absent_is_created)
{
    world_declare(&w, "site-a.vm.web", VM "}");
    world_made(&w, "site-a.vm.web", THING_ABSENT, VM "}");
    expect("site-a.vm.web", PLAN_CREATE, VERB_CREATE);
}
END_TEST

START_TEST(off_is_started)
{
    world_declare(&w, "site-a.vm.web", VM "}");
    world_made(&w, "site-a.vm.web", THING_OFF, VM "}");
    expect("site-a.vm.web", PLAN_START, VERB_START);
}
END_TEST

START_TEST(crashed_is_started_and_said)
{
    world_declare(&w, "site-a.vm.web", VM "}");
    world_made(&w, "site-a.vm.web", THING_CRASHED, VM "}");
    expect("site-a.vm.web", PLAN_START, VERB_START);
    expect_why("site-a.vm.web", "crashed");
}
END_TEST

START_TEST(running_needs_nothing)
{
    world_declare(&w, "site-a.vm.web", VM "}");
    world_made(&w, "site-a.vm.web", THING_RUNNING, VM "}");
    expect("site-a.vm.web", PLAN_NONE, VERB_NOTHING);
    ck_assert_ptr_null(world_step(&w, "site-a.vm.web")->why);
}
END_TEST

START_TEST(power_off_stops_with_grace)
{
    world_declare(&w, "site-a.vm.web", VM ",\"power\":\"off\"}");
    world_made(&w, "site-a.vm.web", THING_RUNNING, VM ",\"power\":\"off\"}");
    expect("site-a.vm.web", PLAN_STOP, VERB_STOP);
}
END_TEST

START_TEST(power_off_and_off_needs_nothing)
{
    world_declare(&w, "site-a.vm.web", VM ",\"power\":\"off\"}");
    world_made(&w, "site-a.vm.web", THING_OFF, VM ",\"power\":\"off\"}");
    expect("site-a.vm.web", PLAN_NONE, VERB_NOTHING);
}
END_TEST

START_TEST(paused_by_someone_is_left_alone)
{
    world_declare(&w, "site-a.vm.web", VM "}");
    world_made(&w, "site-a.vm.web", THING_PAUSED, VM "}");
    expect("site-a.vm.web", PLAN_WAIT, VERB_NOTHING);
}
END_TEST

START_TEST(paused_is_begun_and_kept_and_ended)
{
    struct thing *t = world_made(&w, "site-a.vm.web", THING_RUNNING, VM "}");
    world_declare(&w, "site-a.vm.web", VM ",\"power\":\"paused\"}");
    expect("site-a.vm.web", PLAN_UPDATE, VERB_UPDATE); /* its mark first */
    world_mark(t, "site-a.vm.web", world_find_doc(&w, "site-a.vm.web")->doc.spec);
    expect("site-a.vm.web", PLAN_PAUSE, VERB_PAUSE);
    t->state = THING_PAUSED;
    expect("site-a.vm.web", PLAN_NONE, VERB_NOTHING);
    t->state = THING_OFF;
    expect("site-a.vm.web", PLAN_START, VERB_START);
    t->state = THING_PAUSED;
    world_declare(&w, "site-a.vm.web", VM ",\"power\":\"on\"}");
    expect("site-a.vm.web", PLAN_RESUME, VERB_RESUME); /* its mark last */
    t->state = THING_RUNNING;
    expect("site-a.vm.web", PLAN_UPDATE, VERB_UPDATE);
    t->state = THING_PAUSED;
    world_declare(&w, "site-a.vm.web", VM ",\"power\":\"off\"}");
    expect("site-a.vm.web", PLAN_UPDATE, VERB_UPDATE);
    world_mark(t, "site-a.vm.web", world_find_doc(&w, "site-a.vm.web")->doc.spec);
    expect("site-a.vm.web", PLAN_STOP, VERB_STOP);
}
END_TEST

START_TEST(a_paused_dependency_is_waited_for_no_longer)
{
    world_made(&w, "site-a.vm.db", THING_PAUSED, VM ",\"power\":\"paused\"}");
    world_declare(&w, "site-a.vm.db", VM ",\"power\":\"paused\"}");
    world_made(&w, "site-a.vm.web", THING_OFF, VM ",\"depends_on\":[\"vm/db\"]}");
    world_declare(&w, "site-a.vm.web", VM ",\"depends_on\":[\"vm/db\"]}");
    expect("site-a.vm.web", PLAN_START, VERB_START);
}
END_TEST

START_TEST(shutting_down_is_waited_for)
{
    world_declare(&w, "site-a.vm.web", VM "}");
    world_made(&w, "site-a.vm.web", THING_STOPPING, VM "}");
    expect("site-a.vm.web", PLAN_WAIT, VERB_NOTHING);
}
END_TEST

START_TEST(marker_stops_then_removes)
{
    world_declare(&w, "site-a.vm.web", NULL);
    struct thing *t = world_made(&w, "site-a.vm.web", THING_RUNNING, VM "}");
    expect("site-a.vm.web", PLAN_REMOVE, VERB_STOP);
    t->state = THING_OFF;
    expect("site-a.vm.web", PLAN_REMOVE, VERB_REMOVE);
    world_remove_thing(&w, t);
    expect("site-a.vm.web", PLAN_NONE, VERB_NOTHING);
}
END_TEST

START_TEST(marker_touches_nothing_that_was_not_made_from_its_document)
{
    world_declare(&w, "site-a.vm.web", NULL);
    world_foreign(&w, "vm", "web", THING_RUNNING);
    expect("site-a.vm.web", PLAN_NONE, VERB_NOTHING);
    world_clear(&w);
    world_declare(&w, "site-a.vm.web", NULL);
    world_made(&w, "primary.vm.web", THING_OFF, VM "}");
    expect("site-a.vm.web", PLAN_NONE, VERB_NOTHING);
}
END_TEST

/* -- Unknown is not dead --------------------------------------------------------------------------
 */

START_TEST(unobserved_backend_only_waits)
{
    world_declare(&w, "site-a.network.lan", NET);
    world_declare(&w, "site-a.vm.gone", NULL);
    world_declare(&w, "site-a.vm.web", VM "}");
    world_declare(&w, "primary.vm.db", VM "}");
    world_made(&w, "site-a.vm.gone", THING_OFF, VM "}");
    world_made(&w, "primary.vm.db", THING_RUNNING, VM "}");
    w.unobserved = "libvirt is away";
    static const char *const keys[] = {"site-a.network.lan", "site-a.vm.gone", "site-a.vm.web",
                                       "primary.vm.db"};
    for (size_t i = 0; i < 4; i++) {
        expect(keys[i], PLAN_WAIT, VERB_NOTHING);
        expect_why(keys[i], "libvirt is away");
    }
}
END_TEST

/* Whatever is asked for, a thing in an unknown state gets no verb. */
static const char *const asked_of_unknown[] = {
    NULL,                                                   /* delete marker */
    VM "}",                                                 /* unchanged */
    VM ",\"power\":\"off\"}",                               /* stop, live change */
    VM ",\"vcpus\":3}",                                     /* restart */
    VM ",\"kernel\":\"/k/vmlinuz\"}",                       /* restart */
    "{\"disks\":[{\"device\":\"vda\",\"disk\":\"data\"}]}", /* replace */
};

START_TEST(unknown_is_left_alone)
{
    static const char *const keys[] = {"site-a.vm.web", "primary.vm.web"};
    for (size_t k = 0; k < 2; k++) {
        world_declare(&w, keys[k], asked_of_unknown[_i]);
        struct thing *t = world_made(&w, keys[k], THING_UNKNOWN, VM "}");
        expect(keys[k], PLAN_WAIT, VERB_NOTHING);
        free(t->drift);
        t->drift = strdup("memory");
        expect(keys[k], PLAN_WAIT, VERB_NOTHING);
        world_clear(&w);
    }
}
END_TEST

/* -- What is not ours -----------------------------------------------------------------------------
 */

START_TEST(unmarked_blocks_unless_adopted)
{
    world_foreign(&w, "vm", "web", THING_RUNNING);
    world_declare(&w, "site-a.vm.web", VM "}");
    expect("site-a.vm.web", PLAN_BLOCKED, VERB_NOTHING);
    expect_why("site-a.vm.web", "adopt: true");
    world_declare(&w, "site-a.vm.web", VM ",\"adopt\":true}");
    expect("site-a.vm.web", PLAN_ADOPT, VERB_UPDATE);
}
END_TEST

START_TEST(other_sites_thing_is_never_taken)
{
    struct thing *t = world_made(&w, "site-a.vm.web", THING_OFF, VM "}");
    free(t->mark_site);
    t->mark_site = strdup("site-b");
    world_declare(&w, "site-a.vm.web", VM ",\"adopt\":true}");
    expect("site-a.vm.web", PLAN_BLOCKED, VERB_NOTHING);
    expect_why("site-a.vm.web", "site-b");
    world_declare(&w, "site-a.vm.web", NULL);
    expect("site-a.vm.web", PLAN_NONE, VERB_NOTHING);
    ck_assert_uint_eq(w.plan.orphan_count, 0);
}
END_TEST

START_TEST(made_from_another_document_blocks_unless_adopted)
{
    world_made(&w, "site-a.vm.web", THING_RUNNING, VM "}");
    world_declare(&w, "primary.vm.web", VM "}");
    w.serving = true;
    expect("primary.vm.web", PLAN_BLOCKED, VERB_NOTHING);
    expect_why("primary.vm.web", "site-a.vm.web");
    world_declare(&w, "primary.vm.web", VM ",\"adopt\":true}");
    expect("primary.vm.web", PLAN_ADOPT, VERB_UPDATE);
}
END_TEST

START_TEST(what_is_being_removed_is_waited_for)
{
    world_made(&w, "site-a.vm.web", THING_RUNNING, VM "}");
    world_declare(&w, "site-a.vm.web", NULL);
    world_declare(&w, "primary.vm.web", VM "}");
    expect("primary.vm.web", PLAN_WAIT, VERB_NOTHING);
    expect("site-a.vm.web", PLAN_REMOVE, VERB_STOP);
}
END_TEST

/* A clone that virsh made carries the metadata of its origin. */
START_TEST(clone_of_what_is_being_removed_is_not_waited_for)
{
    struct thing *t = world_made(&w, "site-a.vm.web", THING_OFF, VM "}");
    free(t->name);
    t->name = strdup("web2");
    world_declare(&w, "site-a.vm.web", NULL);
    world_declare(&w, "site-a.vm.web2", VM "}");
    expect("site-a.vm.web", PLAN_NONE, VERB_NOTHING);
    expect("site-a.vm.web2", PLAN_BLOCKED, VERB_NOTHING);
}
END_TEST

START_TEST(mark_without_a_key_is_not_ours)
{
    struct thing *t = world_made(&w, "site-a.vm.web", THING_OFF, VM "}");
    free(t->mark_key);
    t->mark_key = NULL;
    world_declare(&w, "site-a.vm.web", VM "}");
    expect("site-a.vm.web", PLAN_BLOCKED, VERB_NOTHING);
    world_declare(&w, "site-a.vm.web", VM ",\"adopt\":true}");
    expect("site-a.vm.web", PLAN_ADOPT, VERB_UPDATE);
    world_declare(&w, "site-a.vm.web", NULL);
    expect("site-a.vm.web", PLAN_NONE, VERB_NOTHING);
    ck_assert_uint_eq(w.plan.orphan_count, 0);
}
END_TEST

/* The mark names our document, but its spec can't be read: nobody knows what it is. */
START_TEST(unreadable_mark_blocks_until_adopted)
{
    struct thing *t = world_made(&w, "site-a.vm.web", THING_OFF, VM ",\"vcpus\":3}");
    json_decref(t->spec);
    t->spec = NULL;
    world_declare(&w, "site-a.vm.web", VM "}");
    expect("site-a.vm.web", PLAN_BLOCKED, VERB_NOTHING);
    expect_why("site-a.vm.web", "adopt: true");
    world_declare(&w, "site-a.vm.web", VM ",\"adopt\":true}");
    expect("site-a.vm.web", PLAN_ADOPT, VERB_UPDATE);
}
END_TEST

/* It may have been protected. */
START_TEST(unreadable_mark_is_not_removed)
{
    struct thing *t = world_made(&w, "site-a.vm.web", THING_OFF, VM "}");
    json_decref(t->spec);
    t->spec = NULL;
    world_declare(&w, "site-a.vm.web", NULL);
    expect("site-a.vm.web", PLAN_BLOCKED, VERB_NOTHING);
}
END_TEST

START_TEST(held_document_is_not_acted_on)
{
    world_declare(&w, "site-a.vm.web", VM "}");
    world_find_doc(&w, "site-a.vm.web")->held = "declared twice";
    expect("site-a.vm.web", PLAN_BLOCKED, VERB_NOTHING);
    expect_why("site-a.vm.web", "declared twice");
}
END_TEST

/* -- Absence is not deletion ----------------------------------------------------------------------
 */

START_TEST(no_documents_at_all_touch_nothing)
{
    world_made(&w, "site-a.vm.web", THING_RUNNING, VM "}");
    world_made(&w, "primary.vm.db", THING_OFF, VM "}");
    world_foreign(&w, "vm", "other", THING_RUNNING);
    const struct plan *p = world_plan(&w);
    ck_assert_uint_eq(p->count, 0);
    ck_assert_uint_eq(p->orphan_count, 2);
}
END_TEST

START_TEST(missing_document_stays_in_force_and_is_an_orphan)
{
    world_declare(&w, "site-a.vm.web", VM "}");
    world_find_doc(&w, "site-a.vm.web")->missing = true;
    world_made(&w, "site-a.vm.web", THING_OFF, VM "}");
    expect("site-a.vm.web", PLAN_START, VERB_START);
    json_t *o = plan_to_json(&w.input, &w.plan);
    ck_assert_uint_eq(json_array_size(json_object_get(o, "orphans")), 1);
    json_decref(o);
}
END_TEST

static TCase *rules(void)
{
    TCase *c = tcase_create("rules");
    tcase_add_checked_fixture(c, set_up, tear_down);
    tcase_add_test(c, absent_is_created);
    tcase_add_test(c, thing_that_is_listed_as_absent_is_created);
    tcase_add_test(c, off_is_started);
    tcase_add_test(c, crashed_is_started_and_said);
    tcase_add_test(c, running_needs_nothing);
    tcase_add_test(c, power_off_stops_with_grace);
    tcase_add_test(c, power_off_and_off_needs_nothing);
    tcase_add_test(c, paused_by_someone_is_left_alone);
    tcase_add_test(c, paused_is_begun_and_kept_and_ended);
    tcase_add_test(c, a_paused_dependency_is_waited_for_no_longer);
    tcase_add_test(c, shutting_down_is_waited_for);
    tcase_add_test(c, marker_stops_then_removes);
    tcase_add_test(c, marker_touches_nothing_that_was_not_made_from_its_document);
    tcase_add_test(c, unobserved_backend_only_waits);
    tcase_add_loop_test(c, unknown_is_left_alone, 0, 6);
    tcase_add_test(c, unmarked_blocks_unless_adopted);
    tcase_add_test(c, other_sites_thing_is_never_taken);
    tcase_add_test(c, made_from_another_document_blocks_unless_adopted);
    tcase_add_test(c, what_is_being_removed_is_waited_for);
    tcase_add_test(c, clone_of_what_is_being_removed_is_not_waited_for);
    tcase_add_test(c, mark_without_a_key_is_not_ours);
    tcase_add_test(c, unreadable_mark_blocks_until_adopted);
    tcase_add_test(c, unreadable_mark_is_not_removed);
    tcase_add_test(c, held_document_is_not_acted_on);
    tcase_add_test(c, no_documents_at_all_touch_nothing);
    tcase_add_test(c, missing_document_stays_in_force_and_is_an_orphan);
    return c;
}

int main(void)
{
    Suite *s = suite_create("plan");
    suite_add_tcase(s, rules());
    SRunner *sr = srunner_create(s);
    srunner_run_all(sr, CK_NORMAL);
    int failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed ? 1 : 0;
}
