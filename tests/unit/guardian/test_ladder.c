#include "guardian/ladder.h"

#include "guardian/clock.h"
#include "tests/unit/guardian/suite.h"

static union message m;
static struct ladder l;

static void begin_all(void)
{
    plan_begin(&m);
    plan_add(&m, GUARD_LINK, "eth0", NULL);
    plan_add(&m, GUARD_COMMAND, "/bin/x", NULL);
    plan_add(&m, GUARD_WATCHDOG, "/dev/watchdog", NULL);
    for (unsigned rung = 1; rung <= GUARD_RUNG_WATCHDOG; rung++)
        m.plan.limit_ms[rung] = rung * 10;
    ladder_begin(&l, &m.plan, 0, 1000 * MS);
}

static void begin_kill_alone(void)
{
    plan_begin(&m);
    ladder_begin(&l, &m.plan, 50 * MS, 1000 * MS);
}

#define EXPECT(m_, r_, v_)                                                                         \
    ck_assert_int_eq(l.mode, m_);                                                                  \
    ck_assert_int_eq(l.rung, r_);                                                                  \
    ck_assert_int_eq(l.verified, v_)

START_TEST(it_ends_with_the_first_rung_that_is_verified)
{
    begin_all();
    ladder_looked(&l, 3);
    EXPECT(LADDER_CLIMBING, GUARD_RUNG_KILL, false);
    ladder_looked(&l, 0);
    EXPECT(LADDER_ENDED, GUARD_RUNG_KILL, true);
    ladder_tick(&l, 9000 * MS);
    EXPECT(LADDER_ENDED, GUARD_RUNG_KILL, true);
}
END_TEST

START_TEST(each_rung_has_its_time)
{
    begin_all();
    ck_assert_int_eq(ladder_due_ns(&l), 1010 * MS);
    ladder_tick(&l, 1010 * MS - 1);
    EXPECT(LADDER_CLIMBING, GUARD_RUNG_KILL, false);
    ladder_tick(&l, 1010 * MS);
    EXPECT(LADDER_CLIMBING, GUARD_RUNG_CUT, false);
    ladder_tick(&l, 1030 * MS);
    EXPECT(LADDER_CLIMBING, GUARD_RUNG_COMMAND, false);
    ladder_failed(&l, GUARD_RUNG_COMMAND, 1035 * MS);
    EXPECT(LADDER_CLIMBING, GUARD_RUNG_WATCHDOG, false);
    ck_assert_int_eq(ladder_due_ns(&l), 1075 * MS);
    ladder_tick(&l, 1075 * MS);
    EXPECT(LADDER_ENDED, GUARD_RUNG_WATCHDOG, false);
    ck_assert_int_eq(ladder_due_ns(&l), GUARD_NEVER);
}
END_TEST

START_TEST(a_host_that_stood_still_has_a_little_more_time_once)
{
    begin_all();
    ladder_tick(&l, 1800 * MS);
    EXPECT(LADDER_CLIMBING, GUARD_RUNG_KILL, false);
    ck_assert_int_eq(ladder_due_ns(&l), 1900 * MS);
    ladder_tick(&l, 2500 * MS);
    EXPECT(LADDER_CLIMBING, GUARD_RUNG_CUT, false);
    ck_assert_int_eq(ladder_due_ns(&l), 2520 * MS);
    ladder_tick(&l, 2600 * MS);
    EXPECT(LADDER_CLIMBING, GUARD_RUNG_CUT, false);
    ladder_tick(&l, 2700 * MS);
    EXPECT(LADDER_CLIMBING, GUARD_RUNG_COMMAND, false);
}
END_TEST

START_TEST(rungs_that_are_not_in_the_plan_are_passed_over)
{
    begin_kill_alone();
    ck_assert_int_eq(ladder_due_ns(&l), 1050 * MS);
    ladder_tick(&l, 1050 * MS);
    EXPECT(LADDER_ENDED, GUARD_RUNG_KILL, false);
    plan_begin(&m);
    plan_add(&m, GUARD_COMMAND, "/bin/x", NULL);
    ladder_begin(&l, &m.plan, 0, 0);
    ladder_tick(&l, 500 * MS);
    EXPECT(LADDER_CLIMBING, GUARD_RUNG_COMMAND, false);
}
END_TEST

START_TEST(what_comes_back_late_from_a_lower_rung_changes_nothing)
{
    begin_all();
    ladder_tick(&l, 1010 * MS);
    ladder_tick(&l, 1030 * MS);
    ladder_worked(&l, GUARD_RUNG_CUT);
    ladder_failed(&l, GUARD_RUNG_CUT, 1031 * MS);
    EXPECT(LADDER_CLIMBING, GUARD_RUNG_COMMAND, false);
    ladder_worked(&l, GUARD_RUNG_COMMAND);
    EXPECT(LADDER_ENDED, GUARD_RUNG_COMMAND, true);
}
END_TEST

START_TEST(a_late_kill_is_the_best_end)
{
    begin_all();
    ladder_tick(&l, 1010 * MS);
    ladder_looked(&l, 0);
    EXPECT(LADDER_ENDED, GUARD_RUNG_KILL, true);
    begin_kill_alone();
    ladder_tick(&l, 1050 * MS);
    ladder_looked(&l, 0);
    EXPECT(LADDER_ENDED, GUARD_RUNG_KILL, true);
}
END_TEST

START_TEST(what_comes_up_later_takes_nothing_back)
{
    begin_kill_alone();
    ladder_looked(&l, 0);
    ladder_looked(&l, 2);
    EXPECT(LADDER_ENDED, GUARD_RUNG_KILL, true);
    ck_assert(!l.killed);
}
END_TEST

START_TEST(it_looks_often_then_less)
{
    begin_kill_alone();
    int64_t fire = l.begun_ns;
    ck_assert_int_eq(ladder_next_look_ns(&l, fire), fire + 2 * MS);
    ck_assert_int_eq(ladder_next_look_ns(&l, fire + 80 * MS), fire + 90 * MS);
    ck_assert_int_eq(ladder_next_look_ns(&l, fire + 8 * SEC), fire + 8 * SEC + 20 * MS);
    ladder_looked(&l, 0);
    ck_assert_int_eq(ladder_next_look_ns(&l, fire), fire + 100 * MS);
    ck_assert_int_eq(ladder_next_look_ns(&l, fire + 31 * SEC), fire + 32 * SEC);
}
END_TEST

START_TEST(at_rest_nothing_is_verified)
{
    ladder_rest(&l);
    ladder_looked(&l, 0);
    EXPECT(LADDER_REST, GUARD_RUNG_NONE, false);
    ck_assert_int_eq(ladder_due_ns(&l), GUARD_NEVER);
}
END_TEST

RUN_SUITE("ladder", it_ends_with_the_first_rung_that_is_verified, each_rung_has_its_time,
          a_host_that_stood_still_has_a_little_more_time_once,
          rungs_that_are_not_in_the_plan_are_passed_over,
          what_comes_back_late_from_a_lower_rung_changes_nothing, a_late_kill_is_the_best_end,
          what_comes_up_later_takes_nothing_back, it_looks_often_then_less,
          at_rest_nothing_is_verified)
