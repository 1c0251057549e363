/* The plan over several backends: whose thing a document means, and what is not seen. */

#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "world.h"

static const char *const all_kinds[] = {"network", "disk", "vm", NULL};
static const struct driver first = {.name = "libvirt", .kinds = all_kinds};
static const struct driver second = {.name = "second", .kinds = all_kinds};

static struct world_of_two {
    struct world here, there; /* documents are declared in `here` */
    struct plan_backend backends[2];
    struct plan plan;
} t;

static void set_up(void)
{
    memset(&t, 0, sizeof t);
    t.backends[0] = (struct plan_backend){.driver = &first, .things = &t.here.things};
    t.backends[1] = (struct plan_backend){.driver = &second, .things = &t.there.things};
}

static void tear_down(void)
{
    plan_clear(&t.plan);
    world_clear(&t.here);
    world_clear(&t.there);
}

static const struct plan_step *plan(const char *key)
{
    world_plan(&t.here); /* arranges the documents */
    struct plan_input in = t.here.input;
    in.backends = t.backends;
    in.backend_count = 2;
    plan_clear(&t.plan);
    plan_make(&in, &t.plan);
    for (size_t i = 0; i < t.plan.count; i++)
        if (!strcmp(t.plan.steps[i].doc->key, key))
            return &t.plan.steps[i];
    ck_abort_msg("there is no step for %s", key);
}

static void expect_waiting(const struct plan_step *s, const char *why)
{
    ck_assert_int_eq(s->op, PLAN_WAIT);
    ck_assert_int_eq(s->verb, VERB_NOTHING);
    ck_assert_msg(strstr(s->why, why) != NULL, "%s", s->why);
}

START_TEST(made_in_its_own_backend)
{
    world_declare(&t.here, "site-a.network.lan", NET);
    const struct plan_step *s = plan("site-a.network.lan");
    ck_assert_int_eq(s->op, PLAN_CREATE);
    ck_assert_uint_eq(s->backend, 0);
}
END_TEST

START_TEST(a_stranger_elsewhere_is_no_conflict)
{
    world_declare(&t.here, "site-a.network.lan", NET);
    world_foreign(&t.there, "network", "lan", THING_RUNNING);
    ck_assert_int_eq(plan("site-a.network.lan")->op, PLAN_CREATE);
    world_foreign(&t.here, "network", "lan", THING_RUNNING);
    ck_assert_int_eq(plan("site-a.network.lan")->op, PLAN_BLOCKED);
}
END_TEST

/* Its backend was changed: what it was before goes first. */
START_TEST(ours_elsewhere_comes_first)
{
    world_declare(&t.here, "site-a.network.lan", NET);
    world_made(&t.there, "site-a.network.lan", THING_OFF, NET_REPL);
    world_foreign(&t.here, "network", "lan", THING_RUNNING);
    const struct plan_step *s = plan("site-a.network.lan");
    ck_assert_int_eq(s->op, PLAN_REPLACE);
    ck_assert_int_eq(s->verb, VERB_REMOVE);
    ck_assert_uint_eq(s->backend, 1);
}
END_TEST

START_TEST(the_other_backend_unseen_holds_up_nothing_here)
{
    t.backends[1].unobserved = "second is away";
    world_declare(&t.here, "site-a.network.lan", NET);
    ck_assert_int_eq(plan("site-a.network.lan")->op, PLAN_CREATE);
    world_made(&t.here, "site-a.vm.web", THING_RUNNING, VM ",\"power\":\"off\"}");
    world_declare(&t.here, "site-a.vm.web", VM ",\"power\":\"off\"}");
    ck_assert_int_eq(plan("site-a.vm.web")->verb, VERB_STOP);
}
END_TEST

START_TEST(what_is_there_waits_while_it_is_unseen)
{
    t.backends[1].unobserved = "second is away";
    world_made(&t.there, "site-a.network.lan", THING_OFF, NET);
    world_declare(&t.here, "site-a.network.lan", NET);
    expect_waiting(plan("site-a.network.lan"), "second is away");
}
END_TEST

/* An earlier one of the same document may run there. */
START_TEST(no_vm_is_made_while_one_may_run_elsewhere)
{
    t.backends[1].unobserved = "second is away";
    world_declare(&t.here, "site-a.vm.web", VM "}");
    expect_waiting(plan("site-a.vm.web"), "second is away");
}
END_TEST

START_TEST(a_delete_marker_looks_everywhere)
{
    world_declare(&t.here, "site-a.network.lan", NULL);
    t.backends[1].unobserved = "second is away";
    expect_waiting(plan("site-a.network.lan"), "second is away");
    t.backends[1].unobserved = NULL;
    ck_assert_int_eq(plan("site-a.network.lan")->op, PLAN_NONE);
    world_made(&t.there, "site-a.network.lan", THING_RUNNING, NET);
    const struct plan_step *s = plan("site-a.network.lan");
    ck_assert_int_eq(s->verb, VERB_REMOVE);
    ck_assert_uint_eq(s->backend, 1);
}
END_TEST

START_TEST(a_user_that_is_not_seen_may_be_there)
{
    world_made(&t.here, "site-a.network.lan", THING_RUNNING, NET);
    world_declare(&t.here, "site-a.network.lan", NULL);
    ck_assert_int_eq(plan("site-a.network.lan")->verb, VERB_REMOVE);
    t.backends[1].unobserved = "second is away";
    expect_waiting(plan("site-a.network.lan"), "what may use it can't be seen: second is away");
    t.backends[1].unobserved = NULL;
    world_made(&t.there, "site-a.vm.web", THING_OFF, VM_ON_LAN "}");
    expect_waiting(plan("site-a.network.lan"), "in use by vm web");
}
END_TEST

START_TEST(a_dependency_that_is_not_seen_is_not_ready)
{
    world_made(&t.there, "site-a.network.lan", THING_RUNNING, NET);
    world_declare(&t.here, "site-a.network.lan", NET);
    world_declare(&t.here, "site-a.vm.web", VM_ON_LAN "}");
    ck_assert_int_eq(plan("site-a.vm.web")->op, PLAN_CREATE);
    world_made(&t.here, "site-a.vm.web", THING_OFF, VM_ON_LAN "}");
    t.backends[1].unobserved = "second is away";
    expect_waiting(plan("site-a.vm.web"), "waits for network lan: second is away");
}
END_TEST

START_TEST(orphans_are_found_in_all)
{
    world_made(&t.here, "site-a.vm.a", THING_OFF, VM "}");
    world_made(&t.there, "site-a.vm.b", THING_OFF, VM "}");
    world_declare(&t.here, "site-a.network.lan", NET);
    plan("site-a.network.lan");
    ck_assert_uint_eq(t.plan.orphan_count, 2);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("plan_world");
    TCase *c = tcase_create("plan_world");
    tcase_add_checked_fixture(c, set_up, tear_down);
    tcase_add_test(c, made_in_its_own_backend);
    tcase_add_test(c, a_stranger_elsewhere_is_no_conflict);
    tcase_add_test(c, ours_elsewhere_comes_first);
    tcase_add_test(c, the_other_backend_unseen_holds_up_nothing_here);
    tcase_add_test(c, what_is_there_waits_while_it_is_unseen);
    tcase_add_test(c, no_vm_is_made_while_one_may_run_elsewhere);
    tcase_add_test(c, a_delete_marker_looks_everywhere);
    tcase_add_test(c, a_user_that_is_not_seen_may_be_there);
    tcase_add_test(c, a_dependency_that_is_not_seen_is_not_ready);
    tcase_add_test(c, orphans_are_found_in_all);
    suite_add_tcase(s, c);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
