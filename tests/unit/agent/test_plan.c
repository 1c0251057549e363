/* The rules of the plan, one by one; that they converge together is in test_plan_converges.c. */
#include "agent/plan.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "world.h"

#define VM       "{\"disks\":[{\"device\":\"vda\",\"image\":\"/images/a.qcow2\"}]"
#define NET      "{\"subnet\":\"192.168.100.1/24\"}"
#define NET_REPL "{\"subnet\":\"192.168.101.1/24\"}"

static struct world w;

static void set_up(void)
{
    w = (struct world){0};
}

static void tear_down(void)
{
    world_clear(&w);
}

static void expect(const char *key, enum plan_op op, enum plan_verb verb)
{
    world_plan(&w);
    const struct plan_step *s = world_step(&w, key);
    ck_assert_msg(s->op == op && s->verb == verb, "%s: %s by %s (%s), expected %s by %s", key,
                  plan_op_name(s->op), plan_verb_name(s->verb), s->why ? s->why : "-",
                  plan_op_name(op), plan_verb_name(verb));
    bool needs_reason = op == PLAN_BLOCKED || op == PLAN_WAIT || op == PLAN_RESTART ||
                        op == PLAN_REPLACE || op == PLAN_REMOVE || op == PLAN_STOP;
    ck_assert_msg(!needs_reason || (s->why && *s->why), "%s: no reason given", key);
}

static void expect_why(const char *key, const char *part)
{
    const char *why = world_step(&w, key)->why;
    ck_assert_msg(why && strstr(why, part), "%s: \"%s\" does not say \"%s\"", key,
                  why ? why : "(nothing)", part);
}

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

#define VM_ON_DISK "{\"disks\":[{\"device\":\"vda\",\"disk\":\"data\"}]"

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

#define PROTECTED ",\"protect\":true}"

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

/* -- Dependencies ---------------------------------------------------------------------------------
 */

#define VM_ON_LAN VM ",\"networks\":[{\"network\":\"lan\"}]"

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

START_TEST(vm_waits_for_a_network_whose_name_is_taken)
{
    world_foreign(&w, "network", "lan", THING_RUNNING);
    world_declare(&w, "site-a.network.lan", NET);
    world_declare(&w, "site-a.vm.web", VM_ON_LAN "}");
    expect("site-a.vm.web", PLAN_WAIT, VERB_NOTHING);
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

static TCase *costs(void)
{
    TCase *c = tcase_create("costs");
    tcase_add_checked_fixture(c, set_up, tear_down);
    tcase_add_test(c, bookkeeping_and_live_changes_are_updates);
    tcase_add_test(c, restart_is_stop_update_start);
    tcase_add_test(c, restart_of_a_guest_that_shall_be_off_is_an_update);
    tcase_add_test(c, replacement_is_stop_remove_create);
    tcase_add_loop_test(c, change_limits_what_a_change_may_cost, 0, 4);
    tcase_add_test(c, what_would_lose_data_is_never_done);
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

static TCase *relations(void)
{
    TCase *c = tcase_create("relations");
    tcase_add_checked_fixture(c, set_up, tear_down);
    tcase_add_test(c, vm_waits_for_its_network);
    tcase_add_test(c, vm_waits_for_a_network_whose_name_is_taken);
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
    Suite *s = suite_create("plan");
    suite_add_tcase(s, rules());
    suite_add_tcase(s, costs());
    suite_add_tcase(s, relations());
    SRunner *sr = srunner_create(s);
    srunner_run_all(sr, CK_NORMAL);
    int failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed ? 1 : 0;
}
