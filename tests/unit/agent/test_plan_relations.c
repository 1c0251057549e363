/* The rules of the plan about more than one thing: dependencies, and who leads. */
#include "agent/plan.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "plan_fixture.h"

/* -- Dependencies ---------------------------------------------------------------------------------
 */

START_TEST(vm_waits_for_its_network)
{
    world_declare(&w, "site-a.network.lan", NET);
    world_declare(&w, "site-a.vm.web", VM_ON_LAN "}");
    expect("site-a.network.lan", PLAN_CREATE, VERB_CREATE);
    expect("site-a.vm.web", PLAN_WAIT, VERB_NOTHING);
    expect_why("site-a.vm.web", "network lan");
    struct thing *net = world_made(&w, "site-a.network.lan", THING_OFF, NET);
    expect("site-a.vm.web", PLAN_CREATE, VERB_CREATE); /* to be made, it must only be there */
    world_made(&w, "site-a.vm.web", THING_OFF, VM_ON_LAN "}");
    expect("site-a.vm.web", PLAN_WAIT, VERB_NOTHING);
    net = world_find_thing(&w, "network", "lan");
    net->state = THING_RUNNING;
    expect("site-a.vm.web", PLAN_START, VERB_START);
}
END_TEST

#define VM_WITH_IP(n)                                                                              \
    VM ",\"networks\":[{\"network\":\"lan\",\"mac\":\"52:54:00:00:00:01\",\"ip\":\"192.168.100." n \
       "\"}]}"
#define LEASED(n) "{\"mac\":\"52:54:00:00:00:01\",\"ip\":\"192.168.100." n "\",\"name\":\"web\"}"

START_TEST(vm_with_an_address_starts_once_its_network_has_it)
{
    world_declare(&w, "site-a.network.lan", "{}");
    world_declare(&w, "site-a.vm.web", VM_WITH_IP("9"));
    world_made(&w, "site-a.vm.web", THING_OFF, VM_WITH_IP("9"));
    struct thing *net = world_made(&w, "site-a.network.lan", THING_RUNNING, "{}");
    expect("site-a.network.lan", PLAN_UPDATE, VERB_UPDATE);
    expect("site-a.vm.web", PLAN_WAIT, VERB_NOTHING);
    expect_why("site-a.vm.web", "network lan to have its address 192.168.100.9");
    world_mark(net, "site-a.network.lan", world_step(&w, "site-a.network.lan")->doc->spec);
    expect("site-a.network.lan", PLAN_NONE, VERB_NOTHING);
    expect("site-a.vm.web", PLAN_START, VERB_START);
    world_declare(&w, "site-a.vm.web", NULL);
    expect("site-a.network.lan", PLAN_UPDATE, VERB_UPDATE); /* the lease goes with its VM */
}
END_TEST

START_TEST(an_address_that_cant_be_had_keeps_nothing_down)
{
    world_declare(&w, "site-a.network.lan", "{}");
    world_declare(&w, "site-a.vm.web", VM_WITH_IP("255"));
    expect("site-a.vm.web", PLAN_BLOCKED, VERB_NOTHING);
    expect_why("site-a.vm.web", "can't be had");
    world_made(&w, "site-a.network.lan", THING_RUNNING, "{\"dhcp\":{\"hosts\":[" LEASED("9") "]}}");
    world_made(&w, "site-a.vm.web", THING_OFF, VM_WITH_IP("9"));
    expect("site-a.vm.web", PLAN_BLOCKED, VERB_START); /* as it was last applied */
    world_find_thing(&w, "vm", "web")->state = THING_RUNNING;
    expect("site-a.vm.web", PLAN_BLOCKED, VERB_NOTHING);
}
END_TEST

START_TEST(vm_waits_for_a_network_whose_name_is_taken)
{
    world_foreign(&w, "network", "lan", THING_RUNNING);
    world_declare(&w, "site-a.network.lan", NET);
    world_declare(&w, "site-a.vm.web", VM_ON_LAN "}");
    expect("site-a.vm.web", PLAN_WAIT, VERB_NOTHING);
}
END_TEST

#define IMAGE "{\"url\":\"http://host/a.iso\",\"format\":\"iso\",\"sha256\":\"" SHA "\"}"
#define SHA   "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"

/* Half a file is of no use, not even to define a guest. */
START_TEST(an_image_that_is_not_complete_is_waited_for)
{
    world_declare(&w, "site-a.image-file.a", IMAGE);
    world_declare(&w, "site-a.vm.web", VM ",\"depends_on\":[\"image-file/a\"]}");
    world_expect(&w, "site-a.image-file.a", PLAN_CREATE, VERB_CREATE);
    world_expect(&w, "site-a.vm.web", PLAN_WAIT, VERB_NOTHING);
    struct thing *t = world_made(&w, "site-a.image-file.a", THING_MAKING, IMAGE);
    t->reason = strdup("downloading, 43 %");
    world_expect(&w, "site-a.image-file.a", PLAN_WAIT, VERB_NOTHING);
    world_expect_why(&w, "site-a.image-file.a", "downloading, 43 %");
    world_expect(&w, "site-a.vm.web", PLAN_WAIT, VERB_NOTHING);
    world_expect_why(&w, "site-a.vm.web", "waits for image-file a: downloading, 43 %");
    t->state = THING_OFF;
    world_expect(&w, "site-a.image-file.a", PLAN_START, VERB_START);
    world_expect(&w, "site-a.vm.web", PLAN_WAIT, VERB_NOTHING);
    t->state = THING_RUNNING;
    world_expect(&w, "site-a.image-file.a", PLAN_NONE, VERB_NOTHING);
    world_expect(&w, "site-a.vm.web", PLAN_CREATE, VERB_CREATE);
}
END_TEST

/* Like disks, they are there before this site leads. */
START_TEST(images_of_the_primary_are_brought_everywhere)
{
    world_declare(&w, "primary.image-file.a", IMAGE);
    world_made(&w, "primary.image-file.a", THING_OFF, IMAGE);
    world_expect(&w, "primary.image-file.a", PLAN_START, VERB_START);
}
END_TEST

START_TEST(what_is_not_declared_is_the_backends_matter)
{
    world_declare(&w, "site-a.vm.web", VM_ON_LAN "}");
    expect("site-a.vm.web", PLAN_CREATE, VERB_CREATE);
}
END_TEST

START_TEST(depends_on_is_waited_for)
{
    world_declare(&w, "site-a.vm.db", VM "}");
    world_declare(&w, "site-a.vm.web", VM ",\"depends_on\":[\"vm/db\"]}");
    world_made(&w, "site-a.vm.web", THING_OFF, VM ",\"depends_on\":[\"vm/db\"]}");
    expect("site-a.vm.web", PLAN_WAIT, VERB_NOTHING);
    world_made(&w, "site-a.vm.db", THING_RUNNING, VM "}");
    expect("site-a.vm.web", PLAN_START, VERB_START);
}
END_TEST

START_TEST(dependency_that_shall_be_off_is_not_waited_for)
{
    world_declare(&w, "site-a.vm.db", VM ",\"power\":\"off\"}");
    world_made(&w, "site-a.vm.db", THING_OFF, VM ",\"power\":\"off\"}");
    world_declare(&w, "site-a.vm.web", VM ",\"depends_on\":[\"vm/db\"]}");
    world_made(&w, "site-a.vm.web", THING_OFF, VM ",\"depends_on\":[\"vm/db\"]}");
    expect("site-a.vm.web", PLAN_START, VERB_START);
}
END_TEST

START_TEST(circle_of_dependencies_waits_and_says_so)
{
    world_declare(&w, "site-a.vm.a", VM ",\"depends_on\":[\"vm/b\"]}");
    world_declare(&w, "site-a.vm.b", VM ",\"depends_on\":[\"vm/a\"]}");
    expect("site-a.vm.a", PLAN_WAIT, VERB_NOTHING);
    expect("site-a.vm.b", PLAN_WAIT, VERB_NOTHING);
}
END_TEST

/* A running guest is not stopped because something that it needed when it started is away. */
START_TEST(running_guest_waits_for_nothing)
{
    world_declare(&w, "site-a.network.lan", NET);
    world_declare(&w, "site-a.vm.web", VM_ON_LAN "}");
    world_made(&w, "site-a.vm.web", THING_RUNNING, VM_ON_LAN "}");
    expect("site-a.vm.web", PLAN_NONE, VERB_NOTHING);
}
END_TEST

START_TEST(network_is_removed_after_its_users)
{
    world_made(&w, "site-a.network.lan", THING_RUNNING, NET);
    struct thing *vm = world_made(&w, "site-a.vm.web", THING_OFF, VM_ON_LAN "}");
    world_declare(&w, "site-a.network.lan", NULL);
    world_declare(&w, "site-a.vm.web", NULL);
    expect("site-a.network.lan", PLAN_WAIT, VERB_NOTHING);
    expect_why("site-a.network.lan", "vm web");
    expect("site-a.vm.web", PLAN_REMOVE, VERB_REMOVE);
    world_remove_thing(&w, vm);
    expect("site-a.network.lan", PLAN_REMOVE, VERB_REMOVE);
}
END_TEST

START_TEST(disk_is_removed_after_its_users)
{
    world_made(&w, "site-a.disk.data", THING_RUNNING, "{\"size\":\"1GiB\"}");
    struct thing *vm = world_made(&w, "site-a.vm.web", THING_RUNNING, VM_ON_DISK "}");
    world_declare(&w, "site-a.disk.data", NULL);
    expect("site-a.disk.data", PLAN_WAIT, VERB_NOTHING);
    world_remove_thing(&w, vm);
    expect("site-a.disk.data", PLAN_REMOVE, VERB_REMOVE);
}
END_TEST

START_TEST(network_in_use_is_not_replaced)
{
    world_made(&w, "site-a.network.lan", THING_RUNNING, NET);
    struct thing *vm = world_made(&w, "site-a.vm.web", THING_RUNNING, VM_ON_LAN "}");
    world_declare(&w, "site-a.network.lan", NET_REPL);
    world_declare(&w, "site-a.vm.web", VM_ON_LAN "}");
    expect("site-a.network.lan", PLAN_WAIT, VERB_NOTHING);
    expect_why("site-a.network.lan", "vm web");
    vm->state = THING_UNKNOWN;
    expect("site-a.network.lan", PLAN_WAIT, VERB_NOTHING);
}
END_TEST

/* Else the two would wait for each other after a reboot: the guest for a network that is up. */
START_TEST(network_whose_users_are_off_is_replaced)
{
    struct thing *net = world_made(&w, "site-a.network.lan", THING_OFF, NET);
    world_made(&w, "site-a.vm.web", THING_OFF, VM_ON_LAN "}");
    world_declare(&w, "site-a.network.lan", NET_REPL);
    world_declare(&w, "site-a.vm.web", VM_ON_LAN "}");
    (void)net;
    expect("site-a.vm.web", PLAN_WAIT, VERB_NOTHING);
    expect("site-a.network.lan", PLAN_REPLACE, VERB_REMOVE);
}
END_TEST

START_TEST(nothing_is_its_own_user)
{
    world_made(&w, "site-a.network.lan", THING_RUNNING,
               "{\"subnet\":\"192.168.100.1/24\",\"depends_on\":[\"network/lan\"]}");
    world_declare(&w, "site-a.network.lan", NULL);
    expect("site-a.network.lan", PLAN_REMOVE, VERB_REMOVE);
}
END_TEST

/* -- Placement primary ----------------------------------------------------------------------------
 */

START_TEST(primary_is_defined_everywhere_and_runs_on_the_leader)
{
    world_declare(&w, "primary.vm.db", VM "}");
    expect("primary.vm.db", PLAN_CREATE, VERB_CREATE);
    world_made(&w, "primary.vm.db", THING_OFF, VM "}");
    expect("primary.vm.db", PLAN_NONE, VERB_NOTHING);
    w.serving = true;
    expect("primary.vm.db", PLAN_START, VERB_START);
}
END_TEST

/* Nothing that is asked for about a document keeps it running where it must not. */
static const char *const asked_of_primary[] = {
    NULL,
    VM "}",
    VM ",\"power\":\"off\"}",
    VM ",\"labels\":{\"a\":\"b\"}}",
    VM ",\"vcpus\":3}",
    VM ",\"vcpus\":3,\"change\":\"live\"}",
    VM_ON_DISK "}",
    VM_ON_DISK ",\"change\":\"restart\"}",
    "{\"disks\":[{\"device\":\"vda\",\"size\":\"512MiB\"}]}",
};

static const enum thing_state up[] = {THING_RUNNING, THING_PAUSED, THING_STOPPING};

START_TEST(primary_is_killed_where_it_must_not_run)
{
    for (size_t s = 0; s < 3; s++) {
        world_declare(&w, "primary.vm.db", asked_of_primary[_i]);
        struct thing *t = world_made(&w, "primary.vm.db", up[s], VM PROTECTED);
        world_plan(&w);
        ck_assert_int_eq(world_step(&w, "primary.vm.db")->verb, VERB_KILL);
        expect_why("primary.vm.db", "does not lead");
        world_find_doc(&w, "primary.vm.db")->held = "declared twice";
        world_plan(&w);
        ck_assert_int_eq(world_step(&w, "primary.vm.db")->verb, VERB_KILL);
        json_decref(t->spec); /* not even an unreadable mark */
        t->spec = NULL;
        world_plan(&w);
        ck_assert_int_eq(world_step(&w, "primary.vm.db")->verb, VERB_KILL);
        world_clear(&w);
    }
}
END_TEST

START_TEST(primary_of_another_site_or_maker_is_not_killed)
{
    struct thing *t = world_made(&w, "primary.vm.db", THING_RUNNING, VM "}");
    world_declare(&w, "primary.vm.db", VM "}");
    free(t->mark_site);
    t->mark_site = strdup("site-b");
    expect("primary.vm.db", PLAN_BLOCKED, VERB_NOTHING);
    world_clear(&w);
    world_foreign(&w, "vm", "db", THING_RUNNING);
    world_declare(&w, "primary.vm.db", VM "}");
    expect("primary.vm.db", PLAN_BLOCKED, VERB_NOTHING);
}
END_TEST

START_TEST(primary_network_goes_down_after_its_guests)
{
    world_declare(&w, "primary.network.lan", NET);
    world_declare(&w, "primary.vm.db", VM_ON_LAN "}");
    world_made(&w, "primary.network.lan", THING_RUNNING, NET);
    struct thing *vm = world_made(&w, "primary.vm.db", THING_RUNNING, VM_ON_LAN "}");
    expect("primary.vm.db", PLAN_STOP, VERB_KILL);
    expect("primary.network.lan", PLAN_WAIT, VERB_NOTHING);
    vm->state = THING_OFF;
    world_plan(&w);
    ck_assert_int_eq(world_step(&w, "primary.network.lan")->op, PLAN_STOP);
}
END_TEST

START_TEST(disk_has_no_off_switch)
{
    world_declare(&w, "primary.disk.data", "{\"size\":\"1GiB\"}");
    world_made(&w, "primary.disk.data", THING_RUNNING, "{\"size\":\"1GiB\"}");
    expect("primary.disk.data", PLAN_NONE, VERB_NOTHING);
}
END_TEST

/* -- As JSON --------------------------------------------------------------------------------------
 */

START_TEST(json_names_steps_and_counts_the_rest)
{
    world_declare(&w, "site-a.vm.same", VM "}");
    world_made(&w, "site-a.vm.same", THING_RUNNING, VM "}");
    world_declare(&w, "site-a.vm.long-gone", NULL);
    world_declare(&w, "site-a.vm.web", VM ",\"vcpus\":3}");
    world_made(&w, "site-a.vm.web", THING_RUNNING, VM "}");
    world_made(&w, "site-a.vm.orphan", THING_RUNNING, VM "}");
    world_plan(&w);
    json_t *o = plan_to_json(&w.input, &w.plan);
    ck_assert_ptr_nonnull(o);
    ck_assert_int_eq(json_integer_value(json_object_get(o, "unchanged")), 1);
    ck_assert_uint_eq(json_array_size(json_object_get(o, "steps")), 1);
    ck_assert_uint_eq(json_array_size(json_object_get(o, "orphans")), 1);
    const char *op, *verb, *key, *path, *cost, *before, *after, *orphan;
    int r = json_unpack(o, "{s:[{s:s, s:s, s:s, s:[{s:s, s:s, s:s, s:s}]}], s:[{s:s}]}", "steps",
                        "op", &op, "verb", &verb, "key", &key, "changes", "path", &path, "cost",
                        &cost, "before", &before, "after", &after, "orphans", "key", &orphan);
    ck_assert_int_eq(r, 0);
    ck_assert_str_eq(op, "restart");
    ck_assert_str_eq(verb, "stop");
    ck_assert_str_eq(key, "site-a.vm.web");
    ck_assert_str_eq(path, "vcpus");
    ck_assert_str_eq(cost, "restart");
    ck_assert_str_eq(before, "2");
    ck_assert_str_eq(after, "3");
    ck_assert_str_eq(orphan, "site-a.vm.orphan");
    json_decref(o);
}
END_TEST

static TCase *relations(void)
{
    TCase *c = tcase_create("relations");
    tcase_add_checked_fixture(c, set_up, tear_down);
    tcase_add_test(c, vm_waits_for_its_network);
    tcase_add_test(c, vm_with_an_address_starts_once_its_network_has_it);
    tcase_add_test(c, an_address_that_cant_be_had_keeps_nothing_down);
    tcase_add_test(c, vm_waits_for_a_network_whose_name_is_taken);
    tcase_add_test(c, an_image_that_is_not_complete_is_waited_for);
    tcase_add_test(c, images_of_the_primary_are_brought_everywhere);
    tcase_add_test(c, what_is_not_declared_is_the_backends_matter);
    tcase_add_test(c, depends_on_is_waited_for);
    tcase_add_test(c, dependency_that_shall_be_off_is_not_waited_for);
    tcase_add_test(c, circle_of_dependencies_waits_and_says_so);
    tcase_add_test(c, running_guest_waits_for_nothing);
    tcase_add_test(c, network_is_removed_after_its_users);
    tcase_add_test(c, disk_is_removed_after_its_users);
    tcase_add_test(c, network_in_use_is_not_replaced);
    tcase_add_test(c, network_whose_users_are_off_is_replaced);
    tcase_add_test(c, nothing_is_its_own_user);
    tcase_add_test(c, primary_is_defined_everywhere_and_runs_on_the_leader);
    tcase_add_loop_test(c, primary_is_killed_where_it_must_not_run, 0, 9);
    tcase_add_test(c, primary_of_another_site_or_maker_is_not_killed);
    tcase_add_test(c, primary_network_goes_down_after_its_guests);
    tcase_add_test(c, disk_has_no_off_switch);
    tcase_add_test(c, json_names_steps_and_counts_the_rest);
    return c;
}

int main(void)
{
    Suite *s = suite_create("plan_relations");
    suite_add_tcase(s, relations());
    SRunner *sr = srunner_create(s);
    srunner_run_all(sr, CK_NORMAL);
    int failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed ? 1 : 0;
}
