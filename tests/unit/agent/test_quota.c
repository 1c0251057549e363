/* Site quotas: what counts, and that they refuse before anything is done. */
#include "agent/quota.h"

#include <check.h>
#include <stdlib.h>

#include "world.h"

#define SIZED(vcpus, memory, more)                                                                 \
    "{\"vcpus\":" vcpus ",\"memory\":\"" memory                                                    \
    "\",\"disks\":[{\"device\":\"vda\",\"size\":\"10GiB\"}]" more "}"

static struct world w;
static struct quota quota;

static void set_up(void)
{
    w = (struct world){.quota = &quota};
    quota =
        (struct quota){{[QUOTA_VCPUS] = 8, [QUOTA_MEMORY] = 16LL << 30, [QUOTA_DISK] = 25LL << 30}};
}

static void tear_down(void)
{
    world_clear(&w);
}

static void expect(const char *key, enum plan_op op, enum plan_verb verb)
{
    world_expect(&w, key, op, verb);
}

START_TEST(what_does_not_fit_is_blocked_with_the_numbers)
{
    world_made(&w, "site-a.vm.db", THING_RUNNING, SIZED("2", "12GiB", ""));
    world_declare(&w, "site-a.vm.db", SIZED("2", "12GiB", ""));
    world_declare(&w, "site-a.vm.web", SIZED("2", "8GiB", ""));
    expect("site-a.vm.web", PLAN_BLOCKED, VERB_NOTHING);
    world_expect_why(
        &w, "site-a.vm.web",
        "memory 12GiB of 16GiB used, this needs 8GiB more (quota in the agent's configuration)");
    quota.most[QUOTA_MEMORY] = 20LL << 30;
    expect("site-a.vm.web", PLAN_CREATE, VERB_CREATE);
    world_declare(&w, "site-a.vm.web", SIZED("2", "4GiB", ",\"max_memory\":\"10GiB\""));
    expect("site-a.vm.web", PLAN_BLOCKED, VERB_NOTHING);
    world_expect_why(&w, "site-a.vm.web", "this needs 10GiB more");
}
END_TEST

START_TEST(each_resource_has_its_own_limit)
{
    world_declare(&w, "site-a.vm.a", SIZED("9", "1GiB", ""));
    expect("site-a.vm.a", PLAN_BLOCKED, VERB_NOTHING);
    world_expect_why(&w, "site-a.vm.a", "vcpus 0 of 8 used, this needs 9 more");
    world_declare(&w, "site-a.vm.a", SIZED("8", "1GiB", ""));
    expect("site-a.vm.a", PLAN_CREATE, VERB_CREATE);
    world_declare(&w, "site-a.disk.data", "{\"size\":\"16GiB\"}");
    expect("site-a.disk.data", PLAN_CREATE, VERB_CREATE);
    expect("site-a.vm.a", PLAN_BLOCKED, VERB_NOTHING);
    world_expect_why(&w, "site-a.vm.a", "disk 16GiB of 25GiB used, this needs 10GiB more");
}
END_TEST

START_TEST(new_ones_take_what_is_left_in_the_order_of_the_plan)
{
    world_declare(&w, "site-a.vm.a", SIZED("1", "10GiB", ""));
    world_declare(&w, "site-a.vm.b", SIZED("1", "10GiB", ""));
    world_declare(&w, "site-a.vm.c", SIZED("1", "6GiB", ""));
    expect("site-a.vm.a", PLAN_CREATE, VERB_CREATE);
    expect("site-a.vm.b", PLAN_BLOCKED, VERB_NOTHING);
    expect("site-a.vm.c", PLAN_CREATE, VERB_CREATE);
}
END_TEST

START_TEST(what_is_off_takes_disk_alone)
{
    world_made(&w, "site-a.vm.a", THING_OFF, SIZED("8", "16GiB", ",\"power\":\"off\""));
    world_declare(&w, "site-a.vm.a", SIZED("8", "16GiB", ",\"power\":\"off\""));
    world_declare(&w, "site-a.vm.b", SIZED("8", "16GiB", ""));
    expect("site-a.vm.b", PLAN_CREATE, VERB_CREATE);
    world_made(&w, "site-a.vm.b", THING_RUNNING, SIZED("8", "16GiB", ""));
    world_declare(&w, "site-a.vm.a", SIZED("8", "16GiB", ""));
    expect("site-a.vm.a", PLAN_BLOCKED, VERB_NOTHING); /* to be switched on */
    world_expect_why(&w, "site-a.vm.a", "vcpus 8 of 8 used, this needs 8 more");
}
END_TEST

START_TEST(what_crashed_keeps_its_place)
{
    world_made(&w, "site-a.vm.z", THING_CRASHED, SIZED("1", "10GiB", ""));
    world_declare(&w, "site-a.vm.z", SIZED("1", "10GiB", ""));
    world_declare(&w, "site-a.vm.a", SIZED("1", "10GiB", ""));
    expect("site-a.vm.a", PLAN_BLOCKED, VERB_NOTHING);
    expect("site-a.vm.z", PLAN_START, VERB_START);
}
END_TEST

START_TEST(growth_is_refused_and_what_runs_stays)
{
    world_made(&w, "site-a.vm.a", THING_RUNNING, SIZED("1", "10GiB", ""));
    world_declare(&w, "site-a.vm.a", SIZED("1", "17GiB", ""));
    expect("site-a.vm.a", PLAN_BLOCKED, VERB_NOTHING);
    world_expect_why(&w, "site-a.vm.a", "memory 10GiB of 16GiB used, this needs 7GiB more");
    w.things.items[0].state = THING_CRASHED;
    expect("site-a.vm.a", PLAN_BLOCKED, VERB_START); /* as it was last applied */
}
END_TEST

START_TEST(a_quota_below_what_is_used_stops_nothing)
{
    quota.most[QUOTA_MEMORY] = 1LL << 30;
    world_made(&w, "site-a.vm.a", THING_RUNNING, SIZED("1", "10GiB", ""));
    world_declare(&w, "site-a.vm.a", SIZED("1", "10GiB", ""));
    expect("site-a.vm.a", PLAN_NONE, VERB_NOTHING);
    w.things.items[0].state = THING_OFF;
    expect("site-a.vm.a", PLAN_START, VERB_START);
    world_declare(&w, "site-a.vm.a", SIZED("1", "5GiB", ""));
    expect("site-a.vm.a", PLAN_UPDATE, VERB_UPDATE);
}
END_TEST

START_TEST(primary_counts_where_it_is_made_though_another_site_leads)
{
    world_made(&w, "primary.vm.db", THING_OFF, SIZED("1", "10GiB", ""));
    world_declare(&w, "primary.vm.db", SIZED("1", "10GiB", ""));
    world_declare(&w, "site-a.vm.web", SIZED("1", "10GiB", ""));
    expect("site-a.vm.web", PLAN_BLOCKED, VERB_NOTHING);
    w.serving = true;
    expect("primary.vm.db", PLAN_START, VERB_START);
}
END_TEST

START_TEST(what_is_not_ours_is_not_counted)
{
    struct thing *t = world_foreign(&w, "vm", "theirs", THING_RUNNING);
    t->spec = world_spec("vm", SIZED("8", "16GiB", ""));
    struct thing *other = world_made(&w, "site-a.vm.x", THING_RUNNING, SIZED("8", "16GiB", ""));
    other->mark_site[5] = 'b';
    world_declare(&w, "site-a.vm.a", SIZED("8", "16GiB", ""));
    expect("site-a.vm.a", PLAN_CREATE, VERB_CREATE);
}
END_TEST

START_TEST(an_orphan_is_counted)
{
    world_made(&w, "site-a.vm.gone", THING_RUNNING, SIZED("8", "16GiB", ""));
    world_declare(&w, "site-a.vm.a", SIZED("8", "16GiB", ""));
    expect("site-a.vm.a", PLAN_BLOCKED, VERB_NOTHING);
}
END_TEST

START_TEST(sums_do_not_overflow)
{
    struct quota_ledger l;
    json_t *spec = world_spec("disk", "{\"size\":\"64TiB\"}");
    quota.most[QUOTA_DISK] = INT64_MAX / 2;
    quota_ledger_open(&l, &quota);
    l.used[QUOTA_DISK] = INT64_MAX;
    char *why = quota_refusal(&l, "disk", spec, NULL);
    ck_assert_ptr_nonnull(why);
    free(why);
    quota.most[QUOTA_DISK] = 0;
    ck_assert_ptr_null(quota_refusal(&l, "disk", spec, NULL));
    ck_assert_int_eq(l.used[QUOTA_DISK], INT64_MAX);
    json_decref(spec);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("quota");
    TCase *c = tcase_create("quota");
    tcase_add_checked_fixture(c, set_up, tear_down);
    tcase_add_test(c, what_does_not_fit_is_blocked_with_the_numbers);
    tcase_add_test(c, each_resource_has_its_own_limit);
    tcase_add_test(c, new_ones_take_what_is_left_in_the_order_of_the_plan);
    tcase_add_test(c, what_is_off_takes_disk_alone);
    tcase_add_test(c, what_crashed_keeps_its_place);
    tcase_add_test(c, growth_is_refused_and_what_runs_stays);
    tcase_add_test(c, a_quota_below_what_is_used_stops_nothing);
    tcase_add_test(c, primary_counts_where_it_is_made_though_another_site_leads);
    tcase_add_test(c, what_is_not_ours_is_not_counted);
    tcase_add_test(c, an_orphan_is_counted);
    tcase_add_test(c, sums_do_not_overflow);
    suite_add_tcase(s, c);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
