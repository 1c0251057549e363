/* The rules of the plan about what ended by itself: run notes and restart policies. */
#include <check.h>
#include <stdlib.h>

#include "world.h"

#define WITH(policy) VM ",\"restart_policy\":\"" policy "\"}"

static struct world w;

static void set_up(void)
{
    w = (struct world){0};
}

static void tear_down(void)
{
    world_clear(&w);
}

static struct thing *web(const char *json, enum thing_state state, enum run_state run)
{
    world_clear(&w);
    world_declare(&w, "site-a.vm.web", json);
    struct thing *t = world_made(&w, "site-a.vm.web", state, json);
    t->run.state = run;
    return t;
}

static void expect(enum plan_op op, enum plan_verb verb)
{
    world_expect(&w, "site-a.vm.web", op, verb);
}

static const struct plan_step *step(void)
{
    return world_step(&w, "site-a.vm.web");
}

START_TEST(always_starts_again_however_it_ended)
{
    web(WITH("always"), THING_OFF, RUN_STARTED)->shut_down = true;
    expect(PLAN_START, VERB_START);
    ck_assert(step()->again);
    world_expect_why(&w, "site-a.vm.web", "it shut down");
    web(WITH("always"), THING_CRASHED, RUN_STARTED);
    expect(PLAN_START, VERB_START);
    ck_assert(step()->again);
    web(VM "}", THING_CRASHED, RUN_STARTED); /* the default */
    expect(PLAN_START, VERB_START);
}
END_TEST

START_TEST(on_failure_tells_a_shutdown_from_all_else)
{
    web(WITH("on-failure"), THING_OFF, RUN_STARTED)->shut_down = true;
    expect(PLAN_NONE, VERB_NOTE);
    ck_assert(step()->over);
    web(WITH("on-failure"), THING_OFF, RUN_ENDED); /* noted before libvirtd forgot it */
    expect(PLAN_NONE, VERB_NOTHING);
    ck_assert(step()->over);
    web(WITH("on-failure"), THING_CRASHED, RUN_STARTED);
    expect(PLAN_START, VERB_START);
    web(WITH("on-failure"), THING_OFF, RUN_STARTED); /* a power cut, or who knows */
    expect(PLAN_START, VERB_START);
    web(WITH("on-failure"), THING_OFF, RUN_FAILED);
    expect(PLAN_START, VERB_START);
}
END_TEST

START_TEST(no_never_starts_it_again)
{
    web(WITH("no"), THING_CRASHED, RUN_STARTED);
    expect(PLAN_NONE, VERB_NOTE);
    web(WITH("no"), THING_OFF, RUN_STARTED); /* after a reboot of the host */
    expect(PLAN_NONE, VERB_NOTE);
    web(WITH("no"), THING_OFF, RUN_FAILED);
    expect(PLAN_NONE, VERB_NOTHING);
    ck_assert(step()->over);
}
END_TEST

START_TEST(what_we_stopped_or_never_started_is_started)
{
    static const char *const all[] = {WITH("no"), WITH("on-failure"), WITH("always")};
    web(all[_i], THING_OFF, RUN_STOPPED)->shut_down = true;
    expect(PLAN_START, VERB_START);
    ck_assert(!step()->again);
    web(all[_i], THING_OFF, RUN_NONE);
    expect(PLAN_START, VERB_START);
    ck_assert(!step()->again);
    web(all[_i], THING_OFF, RUN_REVIVED);
    expect(PLAN_START, VERB_START);
    ck_assert(step()->again);
}
END_TEST

START_TEST(a_run_without_a_note_gets_one_where_it_matters)
{
    web(WITH("no"), THING_RUNNING, RUN_NONE);
    expect(PLAN_NONE, VERB_NOTE);
    ck_assert(!step()->over);
    web(WITH("on-failure"), THING_RUNNING, RUN_STOPPED);
    expect(PLAN_NONE, VERB_NOTE);
    web(WITH("on-failure"), THING_RUNNING, RUN_STARTED);
    expect(PLAN_NONE, VERB_NOTHING);
    web(WITH("always"), THING_RUNNING, RUN_NONE);
    expect(PLAN_NONE, VERB_NOTHING);
}
END_TEST

START_TEST(off_is_a_new_beginning_and_a_label_is_not)
{
    web(VM ",\"restart_policy\":\"no\",\"power\":\"off\"}", THING_OFF, RUN_ENDED);
    expect(PLAN_STOP, VERB_STOP);
    web(VM ",\"restart_policy\":\"no\",\"power\":\"off\"}", THING_OFF, RUN_STOPPED);
    expect(PLAN_NONE, VERB_NOTHING);
    web(WITH("no"), THING_OFF, RUN_ENDED);
    world_declare(&w, "site-a.vm.web", VM ",\"restart_policy\":\"no\",\"labels\":{\"a\":\"b\"}}");
    expect(PLAN_UPDATE, VERB_UPDATE);
    world_mark(&w.things.items[0], "site-a.vm.web", w.docs[0].doc.spec);
    expect(PLAN_NONE, VERB_NOTHING);
    ck_assert(step()->over);
    world_declare(&w, "site-a.vm.web", WITH("always")); /* a policy that wants it back */
    world_mark(&w.things.items[0], "site-a.vm.web", w.docs[0].doc.spec);
    expect(PLAN_START, VERB_START);
}
END_TEST

START_TEST(a_blocked_change_brings_nothing_back_that_is_over)
{
    web(WITH("no"), THING_OFF, RUN_ENDED);
    world_declare(&w, "site-a.vm.web", VM_ON_DISK ",\"change\":\"live\"}");
    expect(PLAN_BLOCKED, VERB_NOTHING);
    w.things.items[0].run.state = RUN_STOPPED;
    expect(PLAN_BLOCKED, VERB_START);
}
END_TEST

START_TEST(a_primary_ran_in_this_epoch_or_it_did_not)
{
    world_declare(&w, "primary.vm.db", WITH("no"));
    struct thing *t = world_made(&w, "primary.vm.db", THING_CRASHED, WITH("no"));
    t->run = (struct run_note){.state = RUN_STARTED, .epoch = 7};
    world_expect(&w, "primary.vm.db", PLAN_NONE, VERB_NOTHING); /* standby */
    w.serving = true;
    w.epoch = 7;
    world_expect(&w, "primary.vm.db", PLAN_NONE, VERB_NOTE);
    ck_assert(world_step(&w, "primary.vm.db")->over);
    w.epoch = 8; /* the guardian ended it; a promotion is a new run */
    world_expect(&w, "primary.vm.db", PLAN_START, VERB_START);
    ck_assert(!world_step(&w, "primary.vm.db")->again);
}
END_TEST

START_TEST(what_is_not_well_is_restarted_unless_its_policy_is_no)
{
    web(WITH("always"), THING_RUNNING, RUN_STARTED);
    w.unwell = "http: status 500";
    expect(PLAN_RESTART, VERB_STOP);
    ck_assert(step()->again);
    world_expect_why(&w, "site-a.vm.web", "not well: http: status 500");
    web(WITH("no"), THING_RUNNING, RUN_STARTED);
    w.unwell = "http: status 500";
    expect(PLAN_NONE, VERB_NOTHING);
    world_made(&w, "site-a.network.lan", THING_RUNNING, NET);
    world_declare(&w, "site-a.network.lan", NET);
    world_expect(&w, "site-a.network.lan", PLAN_NONE, VERB_NOTHING);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("plan_run");
    TCase *c = tcase_create("plan_run");
    tcase_add_checked_fixture(c, set_up, tear_down);
    tcase_add_test(c, always_starts_again_however_it_ended);
    tcase_add_test(c, on_failure_tells_a_shutdown_from_all_else);
    tcase_add_test(c, no_never_starts_it_again);
    tcase_add_loop_test(c, what_we_stopped_or_never_started_is_started, 0, 3);
    tcase_add_test(c, a_run_without_a_note_gets_one_where_it_matters);
    tcase_add_test(c, off_is_a_new_beginning_and_a_label_is_not);
    tcase_add_test(c, a_blocked_change_brings_nothing_back_that_is_over);
    tcase_add_test(c, a_primary_ran_in_this_epoch_or_it_did_not);
    tcase_add_test(c, what_is_not_well_is_restarted_unless_its_policy_is_no);
    suite_add_tcase(s, c);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
