#include "guardian/lease.h"

#include "tests/unit/guardian/suite.h"

static struct lease l;
static enum lease_change change;

static struct guard_lease want(enum guard_phase phase, uint64_t epoch, int64_t deadline)
{
    return (struct guard_lease){.phase = phase, .epoch = epoch, .deadline_ns = deadline};
}

static enum guard_error judge(enum guard_phase phase, uint64_t epoch)
{
    struct guard_lease w = want(phase, epoch, 100);
    change = LEASE_KEEPS;
    return lease_judge(&l, &w, &change);
}

static void take(enum guard_phase phase, uint64_t epoch, int64_t deadline)
{
    struct guard_lease w = want(phase, epoch, deadline);
    ck_assert_int_eq(lease_judge(&l, &w, &change), GUARD_OK);
    lease_take(&l, &w);
}

START_TEST(an_epoch_is_armed_kept_and_ended)
{
    ck_assert_int_eq(judge(GUARD_ARMED, 3), GUARD_OK);
    ck_assert_int_eq(change, LEASE_ARMS);
    take(GUARD_ARMED, 3, 100);
    ck_assert_int_eq(judge(GUARD_SERVING, 3), GUARD_OK);
    ck_assert_int_eq(change, LEASE_KEEPS);
    ck_assert_int_eq(judge(GUARD_ARMED, 4), GUARD_OK);
    ck_assert_int_eq(change, LEASE_ARMS);
    ck_assert_int_eq(judge(GUARD_NONE, 3), GUARD_OK);
    ck_assert_int_eq(change, LEASE_ENDS);
    take(GUARD_NONE, 3, GUARD_NEVER);
    ck_assert_int_eq(judge(GUARD_SERVING, 3), GUARD_PAST);
    ck_assert_int_eq(judge(GUARD_NONE, 0), GUARD_OK);
    ck_assert_int_eq(change, LEASE_KEEPS);
    ck_assert_int_eq(lease_deadline(&l), GUARD_NEVER);
}
END_TEST

START_TEST(a_lower_epoch_neither_arms_nor_disarms)
{
    take(GUARD_SERVING, 3, 100);
    ck_assert_int_eq(judge(GUARD_ARMED, 2), GUARD_PAST);
    ck_assert_int_eq(judge(GUARD_NONE, 2), GUARD_PAST);
    ck_assert_int_eq(judge(GUARD_NONE, 0), GUARD_PAST);
    struct guard_lease higher = want(GUARD_ARMED, 1, 100);
    higher.generation = 1;
    ck_assert_int_eq(lease_judge(&l, &higher, &change), GUARD_OK);
    ck_assert_int_eq(change, LEASE_ARMS);
}
END_TEST

START_TEST(a_fence_goes_on_to_its_end)
{
    take(GUARD_SERVING, 3, 100);
    take(GUARD_FENCING, 3, 200);
    ck_assert_int_eq(judge(GUARD_SERVING, 3), GUARD_PAST);
    ck_assert_int_eq(judge(GUARD_ARMED, 3), GUARD_PAST);
    ck_assert_int_eq(judge(GUARD_FENCING, 3), GUARD_OK);
    ck_assert_int_eq(judge(GUARD_ARMED, 4), GUARD_OK);
}
END_TEST

START_TEST(firing_is_final)
{
    take(GUARD_SERVING, 3, 100);
    ck_assert(!lease_is_due(&l, 99));
    ck_assert(lease_is_due(&l, 100));
    lease_fire(&l, 120);
    ck_assert_int_eq(l.fired_ns, 120);
    ck_assert(!lease_is_due(&l, 130));
    for (unsigned phase = GUARD_ARMED; phase <= GUARD_FENCING; phase++)
        ck_assert_int_eq(judge((enum guard_phase)phase, 3), GUARD_FIRED);
    ck_assert_int_eq(judge(GUARD_ARMED, 2), GUARD_FIRED);
    ck_assert_int_eq(judge(GUARD_NONE, 3), GUARD_OK);
    take(GUARD_ARMED, 4, 300);
    lease_fire(&l, 300);
    lease_fire(&l, 400);
    ck_assert_int_eq(l.fired_ns, 300);
}
END_TEST

START_TEST(a_deadline_of_never_is_never)
{
    take(GUARD_SERVING, 3, GUARD_NEVER);
    ck_assert(!lease_is_due(&l, GUARD_NEVER));
}
END_TEST

RUN_SUITE("lease", an_epoch_is_armed_kept_and_ended, a_lower_epoch_neither_arms_nor_disarms,
          a_fence_goes_on_to_its_end, firing_is_final, a_deadline_of_never_is_never)
