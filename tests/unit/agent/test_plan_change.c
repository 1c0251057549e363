/* The rules of the plan about changes: what they may cost, and what protects from them. */
#include "agent/plan.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "plan_fixture.h"

/* -- What a change may cost -----------------------------------------------------------------------
 */

START_TEST(bookkeeping_and_live_changes_are_updates)
{
    world_made(&w, "site-a.vm.web", THING_RUNNING, VM "}");
    world_declare(&w, "site-a.vm.web", VM ",\"labels\":{\"tier\":\"front\"}}");
    expect("site-a.vm.web", PLAN_UPDATE, VERB_UPDATE);
    world_declare(&w, "site-a.vm.web", VM ",\"change\":\"live\",\"protect\":true}");
    expect("site-a.vm.web", PLAN_UPDATE, VERB_UPDATE);
    world_made(&w, "site-a.network.lan", THING_RUNNING, NET);
    world_declare(&w, "site-a.network.lan",
                  "{\"subnet\":\"192.168.100.1/24\",\"autostart\":false,\"change\":\"live\"}");
    expect("site-a.network.lan", PLAN_UPDATE, VERB_UPDATE);
}
END_TEST

START_TEST(what_is_plugged_in_while_it_runs_must_be_there)
{
    struct thing *t = world_made(&w, "site-a.vm.web", THING_RUNNING, VM "}");
    world_declare(&w, "site-a.vm.web", VM_ON_LAN "}");
    world_declare(&w, "site-a.network.lan", NET);
    expect("site-a.vm.web", PLAN_WAIT, VERB_NOTHING);
    expect_why("site-a.vm.web", "network lan");
    t->state = THING_OFF;
    expect("site-a.vm.web", PLAN_UPDATE, VERB_UPDATE);
    t->state = THING_RUNNING;
    world_made(&w, "site-a.network.lan", THING_RUNNING, NET);
    world_declare(&w, "site-a.vm.web", VM_ON_LAN ",\"change\":\"live\"}");
    expect("site-a.vm.web", PLAN_UPDATE, VERB_UPDATE);
    expect_why("site-a.vm.web", "while it runs");
}
END_TEST

START_TEST(what_is_to_be_off_is_stopped_before_it_is_changed)
{
    struct thing *t = world_made(&w, "site-a.vm.web", THING_RUNNING, VM "}");
    world_declare(&w, "site-a.vm.web", VM_ON_LAN ",\"power\":\"off\"}");
    expect("site-a.vm.web", PLAN_STOP, VERB_STOP);
    expect_why("site-a.vm.web", "power: off");
    world_declare(&w, "site-a.vm.web", VM ",\"vcpus\":3,\"power\":\"off\",\"change\":\"live\"}");
    expect("site-a.vm.web", PLAN_STOP, VERB_STOP);
    t->state = THING_OFF;
    expect("site-a.vm.web", PLAN_UPDATE, VERB_UPDATE);
}
END_TEST

START_TEST(a_restart_says_why_it_is_none_while_it_runs)
{
    world_made(&w, "site-a.vm.web", THING_RUNNING, VM ",\"vcpus\":1,\"max_vcpus\":2}");
    world_declare(&w, "site-a.vm.web", VM ",\"vcpus\":2,\"max_vcpus\":2}");
    expect("site-a.vm.web", PLAN_UPDATE, VERB_UPDATE);
    world_declare(&w, "site-a.vm.web", VM ",\"vcpus\":3,\"max_vcpus\":3}");
    expect("site-a.vm.web", PLAN_RESTART, VERB_STOP);
    expect_why("site-a.vm.web", "vcpus 1 -> 3 (above max_vcpus 2) needs a restart");
}
END_TEST

START_TEST(restart_is_stop_update_start)
{
    struct thing *t = world_made(&w, "site-a.vm.web", THING_RUNNING, VM "}");
    world_declare(&w, "site-a.vm.web", VM ",\"vcpus\":3}");
    expect("site-a.vm.web", PLAN_RESTART, VERB_STOP);
    expect_why("site-a.vm.web", "vcpus 2 -> 3");
    t->state = THING_OFF;
    expect("site-a.vm.web", PLAN_UPDATE, VERB_UPDATE);
    world_mark(t, "site-a.vm.web", world_find_doc(&w, "site-a.vm.web")->doc.spec);
    expect("site-a.vm.web", PLAN_START, VERB_START);
}
END_TEST

START_TEST(restart_of_a_guest_that_shall_be_off_is_an_update)
{
    world_made(&w, "site-a.vm.web", THING_OFF, VM ",\"power\":\"off\"}");
    world_declare(&w, "site-a.vm.web", VM ",\"power\":\"off\",\"vcpus\":3}");
    expect("site-a.vm.web", PLAN_UPDATE, VERB_UPDATE);
}
END_TEST

START_TEST(replacement_is_stop_remove_create)
{
    struct thing *t = world_made(&w, "site-a.vm.web", THING_RUNNING, VM "}");
    world_declare(&w, "site-a.vm.web", VM_ON_DISK "}");
    expect("site-a.vm.web", PLAN_REPLACE, VERB_STOP);
    t->state = THING_OFF;
    expect("site-a.vm.web", PLAN_REPLACE, VERB_REMOVE);
    world_remove_thing(&w, t);
    expect("site-a.vm.web", PLAN_CREATE, VERB_CREATE);
}
END_TEST

static const struct {
    const char *change;
    bool restart, replace;
} limits[] = {
    {"live", false, false},
    {"restart", true, false},
    {"replace", true, true},
    {"never-replace", true, false},
};

START_TEST(change_limits_what_a_change_may_cost)
{
    char spec[200];
    world_made(&w, "site-a.vm.web", THING_RUNNING, VM "}");
    snprintf(spec, sizeof spec, VM ",\"vcpus\":3,\"change\":\"%s\"}", limits[_i].change);
    world_declare(&w, "site-a.vm.web", spec);
    expect("site-a.vm.web", limits[_i].restart ? PLAN_RESTART : PLAN_BLOCKED,
           limits[_i].restart ? VERB_STOP : VERB_NOTHING);
    snprintf(spec, sizeof spec, VM_ON_DISK ",\"change\":\"%s\"}", limits[_i].change);
    world_declare(&w, "site-a.vm.web", spec);
    expect("site-a.vm.web", limits[_i].replace ? PLAN_REPLACE : PLAN_BLOCKED,
           limits[_i].replace ? VERB_STOP : VERB_NOTHING);
}
END_TEST

START_TEST(what_would_lose_data_is_never_done)
{
    world_made(&w, "site-a.disk.data", THING_RUNNING, "{\"size\":\"2GiB\"}");
    world_declare(&w, "site-a.disk.data", "{\"size\":\"1GiB\",\"change\":\"replace\"}");
    expect("site-a.disk.data", PLAN_BLOCKED, VERB_NOTHING);
    world_made(&w, "site-a.vm.web", THING_RUNNING,
               "{\"disks\":[{\"device\":\"vda\",\"size\":\"1GiB\"}]}");
    world_declare(&w, "site-a.vm.web",
                  "{\"disks\":[{\"device\":\"vda\",\"size\":\"512MiB\"}],\"change\":\"replace\"}");
    expect("site-a.vm.web", PLAN_BLOCKED, VERB_NOTHING);
    expect_why("site-a.vm.web", "lose data");
}
END_TEST

START_TEST(a_disk_grows_live_and_never_shrinks)
{
    world_made(&w, "site-a.disk.data", THING_RUNNING, "{\"size\":\"1GiB\"}");
    world_declare(&w, "site-a.disk.data", "{\"size\":\"2GiB\",\"change\":\"live\"}");
    expect("site-a.disk.data", PLAN_UPDATE, VERB_UPDATE);
    world_declare(&w, "site-a.disk.data", "{\"size\":\"512MiB\",\"change\":\"replace\"}");
    expect("site-a.disk.data", PLAN_BLOCKED, VERB_NOTHING);
    expect_why("site-a.disk.data", "size 1GiB -> 512MiB (a disk never shrinks)");
    world_made(&w, "site-a.vm.web", THING_RUNNING,
               "{\"disks\":[{\"device\":\"vda\",\"size\":\"1GiB\"}]}");
    world_declare(&w, "site-a.vm.web", "{\"disks\":[{\"device\":\"vda\",\"size\":\"2GiB\"}]}");
    expect("site-a.vm.web", PLAN_UPDATE, VERB_UPDATE);
}
END_TEST

START_TEST(drift_is_corrected_and_named)
{
    struct thing *t = world_made(&w, "site-a.vm.web", THING_RUNNING, VM "}");
    t->drift = strdup("memory 4096MiB -> 1024MiB");
    world_declare(&w, "site-a.vm.web", VM "}");
    expect("site-a.vm.web", PLAN_UPDATE, VERB_UPDATE);
    expect_why("site-a.vm.web", "memory 4096MiB");
}
END_TEST

/* -- A change that may not be made holds up nothing else ------------------------------------------
 */

START_TEST(blocked_change_leaves_what_runs_alone)
{
    world_made(&w, "site-a.vm.web", THING_RUNNING, VM "}");
    world_declare(&w, "site-a.vm.web", VM_ON_DISK ",\"change\":\"restart\",\"power\":\"off\"}");
    expect("site-a.vm.web", PLAN_BLOCKED, VERB_NOTHING);
}
END_TEST

/* After a crash or a reboot of the host the last applied spec is what is known to be right. */
START_TEST(blocked_change_does_not_keep_a_guest_down)
{
    world_made(&w, "site-a.vm.web", THING_CRASHED, VM "}");
    world_declare(&w, "site-a.vm.web", VM_ON_DISK ",\"change\":\"restart\"}");
    expect("site-a.vm.web", PLAN_BLOCKED, VERB_START);
}
END_TEST

START_TEST(blocked_change_starts_nothing_that_was_off)
{
    world_made(&w, "site-a.vm.web", THING_OFF, VM ",\"power\":\"off\"}");
    world_declare(&w, "site-a.vm.web", VM_ON_DISK ",\"change\":\"restart\"}");
    expect("site-a.vm.web", PLAN_BLOCKED, VERB_NOTHING);
    world_made(&w, "primary.vm.db", THING_OFF, VM "}");
    world_declare(&w, "primary.vm.db", VM_ON_DISK ",\"change\":\"restart\"}");
    expect("primary.vm.db", PLAN_BLOCKED, VERB_NOTHING);
    w.serving = true;
    expect("primary.vm.db", PLAN_BLOCKED, VERB_START);
}
END_TEST

START_TEST(conflict_starts_nothing)
{
    world_foreign(&w, "vm", "web", THING_OFF);
    world_declare(&w, "site-a.vm.web", VM "}");
    expect("site-a.vm.web", PLAN_BLOCKED, VERB_NOTHING);
}
END_TEST

/* -- protect --------------------------------------------------------------------------------------
 */

START_TEST(protected_is_not_removed)
{
    world_made(&w, "site-a.vm.web", THING_RUNNING, VM PROTECTED);
    world_declare(&w, "site-a.vm.web", NULL);
    expect("site-a.vm.web", PLAN_BLOCKED, VERB_NOTHING);
    expect_why("site-a.vm.web", "protect");
}
END_TEST

START_TEST(protect_is_taken_off_in_a_revision_of_its_own)
{
    struct thing *t = world_made(&w, "site-a.vm.web", THING_RUNNING, VM PROTECTED);
    world_declare(&w, "site-a.vm.web", VM_ON_DISK "}"); /* both at once */
    expect("site-a.vm.web", PLAN_BLOCKED, VERB_NOTHING);
    world_declare(&w, "site-a.vm.web", VM "}"); /* only that */
    expect("site-a.vm.web", PLAN_UPDATE, VERB_UPDATE);
    world_mark(t, "site-a.vm.web", world_find_doc(&w, "site-a.vm.web")->doc.spec);
    world_declare(&w, "site-a.vm.web", VM_ON_DISK "}");
    expect("site-a.vm.web", PLAN_REPLACE, VERB_STOP);
}
END_TEST

START_TEST(protected_may_restart)
{
    world_made(&w, "site-a.vm.web", THING_RUNNING, VM PROTECTED);
    world_declare(&w, "site-a.vm.web", VM ",\"vcpus\":3" PROTECTED);
    expect("site-a.vm.web", PLAN_RESTART, VERB_STOP);
}
END_TEST

START_TEST(protected_network_and_disk_are_not_removed)
{
    world_made(&w, "site-a.disk.data", THING_RUNNING, "{\"size\":\"1GiB\",\"protect\":true}");
    world_made(&w, "site-a.network.lan", THING_RUNNING,
               "{\"subnet\":\"192.168.100.1/24\",\"protect\":true}");
    world_declare(&w, "site-a.disk.data", NULL);
    world_declare(&w, "site-a.network.lan", NET_REPL);
    expect("site-a.disk.data", PLAN_BLOCKED, VERB_NOTHING);
    expect("site-a.network.lan", PLAN_BLOCKED, VERB_NOTHING);
}
END_TEST

static TCase *costs(void)
{
    TCase *c = tcase_create("costs");
    tcase_add_checked_fixture(c, set_up, tear_down);
    tcase_add_test(c, bookkeeping_and_live_changes_are_updates);
    tcase_add_test(c, what_is_plugged_in_while_it_runs_must_be_there);
    tcase_add_test(c, what_is_to_be_off_is_stopped_before_it_is_changed);
    tcase_add_test(c, a_restart_says_why_it_is_none_while_it_runs);
    tcase_add_test(c, restart_is_stop_update_start);
    tcase_add_test(c, restart_of_a_guest_that_shall_be_off_is_an_update);
    tcase_add_test(c, replacement_is_stop_remove_create);
    tcase_add_loop_test(c, change_limits_what_a_change_may_cost, 0, 4);
    tcase_add_test(c, what_would_lose_data_is_never_done);
    tcase_add_test(c, a_disk_grows_live_and_never_shrinks);
    tcase_add_test(c, drift_is_corrected_and_named);
    tcase_add_test(c, blocked_change_leaves_what_runs_alone);
    tcase_add_test(c, blocked_change_does_not_keep_a_guest_down);
    tcase_add_test(c, blocked_change_starts_nothing_that_was_off);
    tcase_add_test(c, conflict_starts_nothing);
    tcase_add_test(c, protected_is_not_removed);
    tcase_add_test(c, protect_is_taken_off_in_a_revision_of_its_own);
    tcase_add_test(c, protected_may_restart);
    tcase_add_test(c, protected_network_and_disk_are_not_removed);
    return c;
}

int main(void)
{
    Suite *s = suite_create("plan_change");
    suite_add_tcase(s, costs());
    SRunner *sr = srunner_create(s);
    srunner_run_all(sr, CK_NORMAL);
    int failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed ? 1 : 0;
}
