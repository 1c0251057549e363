#include "guardian/lease.h"

int epoch_compare(struct epoch a, struct epoch b)
{
    if (a.generation != b.generation)
        return a.generation < b.generation ? -1 : 1;
    return a.epoch < b.epoch ? -1 : a.epoch > b.epoch;
}

struct epoch lease_epoch(const struct guard_lease *lease)
{
    return (struct epoch){lease->generation, lease->epoch};
}

bool lease_in_range(const struct guard_lease *lease)
{
    if (lease->phase > GUARD_FENCING || lease->paused > 1 || lease->begun_ns < 0 ||
        lease->deadline_ns < 0 || lease->fence_limit_ns < 0)
        return false;
    if (lease->fence_limit_ns > GUARD_RUNG_LIMIT_MAX_MS * (int64_t)1000000)
        return false;
    return lease->phase == GUARD_NONE || lease->epoch > 0;
}

/* Nothing is armed: NONE changes nothing, and an epoch can be armed that never was. */
static enum guard_error judge_unarmed(const struct lease *l, const struct guard_lease *want,
                                      enum lease_change *ret)
{
    if (want->phase != GUARD_NONE && epoch_compare(lease_epoch(want), l->last) <= 0)
        return GUARD_PAST;
    *ret = want->phase == GUARD_NONE ? LEASE_KEEPS : LEASE_ARMS;
    return GUARD_OK;
}

static enum guard_error judge_armed(const struct lease *l, const struct guard_lease *want,
                                    enum lease_change *ret)
{
    int order = epoch_compare(lease_epoch(want), l->last);
    bool goes_back = l->held.phase == GUARD_FENCING && want->phase != GUARD_FENCING;
    if (order < 0 || (order == 0 && want->phase != GUARD_NONE && goes_back))
        return GUARD_PAST;
    if (want->phase == GUARD_NONE)
        *ret = LEASE_ENDS;
    else
        *ret = order > 0 ? LEASE_ARMS : LEASE_KEEPS;
    return GUARD_OK;
}

enum guard_error lease_judge(const struct lease *l, const struct guard_lease *want,
                             enum lease_change *ret)
{
    if (want->phase != GUARD_NONE && epoch_compare(lease_epoch(want), l->fired) <= 0)
        return GUARD_FIRED;
    return l->armed ? judge_armed(l, want, ret) : judge_unarmed(l, want, ret);
}

void lease_take(struct lease *l, const struct guard_lease *want)
{
    l->held = *want;
    l->armed = want->phase != GUARD_NONE;
    if (l->armed)
        l->last = lease_epoch(want);
}

int64_t lease_deadline(const struct lease *l)
{
    return l->armed ? l->held.deadline_ns : GUARD_NEVER;
}

bool lease_is_due(const struct lease *l, int64_t now_ns)
{
    int64_t deadline = lease_deadline(l);
    return deadline != GUARD_NEVER && now_ns >= deadline;
}

void lease_fire(struct lease *l, int64_t now_ns)
{
    if (!l->armed)
        return;
    l->armed = false;
    l->fired = l->last;
    l->fired_ns = now_ns;
}
