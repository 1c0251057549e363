/* The guardian: what it holds for the agent, and what becomes of the lease with it. (docs/failover
 * section 5) */
#include "failover/core.h"

/* -- What it is to hold ------------------------------------------------------------------------ */

static void view_of_lease(const struct fo_state *s, struct fo_guard *ret)
{
    ret->phase = s->role == HB_ROLE_LEADER ? FO_GUARD_SERVING : FO_GUARD_ARMED;
    ret->epoch = s->lease.epoch;
    ret->nonce = s->nonce;
    ret->first_counter = s->lease.first_counter;
    ret->counter = s->counter;
    ret->revision = s->lease.revision;
    ret->begun = s->lease_try.begun;
    ret->deadline = s->lease.paused ? FO_NEVER : s->lease.deadline;
    ret->fence_limit = s->lease.fence_limit;
    ret->paused = s->lease.paused;
}

void fo_guard_view(const struct fo_state *state, struct fo_guard *ret)
{
    const struct fo_guardian *g = &state->guardian;
    memset(ret, 0, sizeof(*ret));
    ret->deadline = FO_NEVER;
    ret->epoch = g->armed_epoch;
    if (state->lease.held) {
        view_of_lease(state, ret);
    } else if (g->armed) {
        ret->phase = FO_GUARD_FENCING;
        ret->deadline = g->kill;
        ret->fence_limit = g->kill_limit - g->kill;
    }
}

/* "Armed before anything starts": from the hold on the lease to the verified stop. */
void fo_guard_arm(struct fo_run *r)
{
    r->s->guardian.armed = true;
    r->s->guardian.armed_epoch = r->s->lease.epoch;
}

/* "On starting a fence the agent moves the kill to the end of the soft stop, inside fence_timeout":
 * the last third is left for killing and verifying. */
void fo_guard_fencing(struct fo_run *r, int64_t limit)
{
    struct fo_guardian *g = &r->s->guardian;
    int64_t third = r->s->lease.fence_limit / 3;
    g->kill_limit = limit;
    g->kill = fo_min(limit, fo_max(r->now, limit - third));
}

void fo_guard_disarm(struct fo_run *r)
{
    r->s->guardian.armed = false;
}

/* -- What it says ------------------------------------------------------------------------------ */

static void lease_over(struct fo_run *r, enum hb_reason reason)
{
    if (r->s->lease.held)
        fo_lease_end(r, reason);
    else if (r->s->role == HB_ROLE_CLAIMING)
        fo_claim_over(r, reason);
}

/* "No guardian, no lease: its death ends the epoch ... This and a higher epoch override a pause."
 * "Firing is final for the epoch." */
void fo_guardian_said(struct fo_run *r, const struct fo_event *event)
{
    struct fo_guardian *g = &r->s->guardian;
    g->up = event->guardian.up;
    if (event->guardian.fired_epoch > g->fired_epoch)
        g->fired_epoch = event->guardian.fired_epoch;
    fo_epoch_seen(r, g->fired_epoch);
    if (!g->up)
        lease_over(r, HB_REASON_GUARDIAN_LOST);
    else if (r->s->lease.held && g->fired_epoch >= r->s->lease.epoch)
        lease_over(r, HB_REASON_GUARDIAN_FIRED);
}

/* -- What a successor inherits ----------------------------------------------------------------- */

static bool has_expired(const struct fo_run *r, const struct fo_guard *inherit)
{
    return !inherit->paused && r->now >= inherit->deadline;
}

/* The guardian knows epochs alone. The marks were on disk before the start; since then an operator may
 * have raised the generation (section 10). */
static bool is_of_last_era(const struct fo_state *s, const struct fo_guard *inherit)
{
    const struct hb_era *seen = &s->history.seen;
    return seen->generation == 0 || seen->epoch == inherit->epoch;
}

/* Started, acknowledged, in time, and nobody else's since. Anything else is fenced. */
static bool may_resume(const struct fo_run *r, const struct fo_guard *inherit)
{
    const struct fo_state *s = r->s;
    return inherit->phase == FO_GUARD_SERVING && !has_expired(r, inherit) && s->has_config &&
           s->guardian.up && s->guardian.fired_epoch < inherit->epoch &&
           s->seen_epoch <= inherit->epoch && inherit->epoch != 0 && is_of_last_era(s, inherit);
}

/* What both ways share: the epoch is this site's own, and the guardian still holds it. */
static void take_over(struct fo_run *r, const struct fo_guard *inherit)
{
    struct fo_state *s = r->s;
    s->guardian.armed = true;
    s->guardian.armed_epoch = inherit->epoch;
    s->lease = (struct fo_lease){
        .generation = s->history.seen.generation,
        .epoch = inherit->epoch,
        .revision = inherit->revision,
        .first_counter = inherit->first_counter,
        .deadline = inherit->deadline,
        .fence_limit = inherit->fence_limit,
        .reason = HB_REASON_RESUMED,
        .paused = inherit->paused,
    };
}

/* "inherits them and resumes the lease without touching the workload": same nonce, higher counters;
 * it was acknowledged, else it would not serve. */
static void resume(struct fo_run *r, const struct fo_guard *inherit)
{
    struct fo_state *s = r->s;
    s->nonce = inherit->nonce;
    s->counter = inherit->counter;
    s->workload_epoch = inherit->epoch;
    s->lease.held = true;
    s->lease.acknowledged = true;
    s->heartbeat_due = r->now;
    fo_role_set(r, HB_ROLE_LEADER, HB_REASON_RESUMED);
    fo_lease_catch_up(r);
}

/* True: resumed. Else the driver's stop comes next, and the guardian stays armed meanwhile. */
bool fo_guard_inherit(struct fo_run *r, const struct fo_guard *inherit, bool workload_stopped)
{
    if (!inherit || inherit->phase == FO_GUARD_NONE)
        return false;
    bool resumes = !workload_stopped && may_resume(r, inherit);
    take_over(r, inherit);
    if (resumes)
        resume(r, inherit);
    else
        r->s->lease.ended = true;
    fo_epoch_seen(r, inherit->epoch);
    return resumes;
}

/* By when what was inherited is killed: a fence that was under way keeps its limit. */
int64_t fo_guard_inherited_limit(const struct fo_run *r, const struct fo_guard *inherit)
{
    if (inherit->phase == FO_GUARD_FENCING)
        return inherit->deadline + inherit->fence_limit;
    int64_t from = inherit->paused ? r->now : fo_min(r->now, inherit->deadline + FO_LATENESS);
    return from + inherit->fence_limit;
}
