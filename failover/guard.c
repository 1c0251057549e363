/* The guardian: what it holds for the agent, and what becomes of the lease with it. (docs/failover
 * section 5) */
#include "failover/core.h"

/* -- What it is to hold ------------------------------------------------------------------------ */

static void view_of_lease(const struct fo_state *s, struct fo_guard *ret)
{
    bool expires = !fo_lease_is_paused(s) && fo_rule_on(s, FO_RULE_GUARDIAN_DEADLINE);
    ret->phase = s->role == HB_ROLE_LEADER ? FO_GUARD_SERVING : FO_GUARD_ARMED;
    ret->generation = s->lease.generation;
    ret->epoch = s->lease.epoch;
    ret->nonce = s->nonce;
    ret->first_counter = s->lease.first_counter;
    ret->counter = s->counter > s->guardian.counter ? s->counter : s->guardian.counter;
    ret->revision = s->lease.revision;
    ret->begun = s->lease.begun;
    ret->deadline = expires ? s->lease.deadline : FO_NEVER;
    ret->fence_limit = s->lease.fence_limit;
    ret->paused = s->lease.paused;
}

void fo_guard_view(const struct fo_state *state, struct fo_guard *ret)
{
    const struct fo_guardian *g = &state->guardian;
    memset(ret, 0, sizeof(*ret));
    ret->deadline = FO_NEVER;
    ret->generation = g->last.generation;
    ret->epoch = g->last.epoch;
    bool serves = state->role == HB_ROLE_LEADER;
    if (state->lease.held && (serves || fo_rule_on(state, FO_RULE_ARMED_FIRST))) {
        view_of_lease(state, ret);
    } else if (g->armed && fo_rule_on(state, FO_RULE_FENCE_ARMED)) {
        ret->phase = FO_GUARD_FENCING;
        ret->deadline = g->kill;
        ret->fence_limit = g->kill_limit - g->kill;
    }
}

/* An acknowledgement tells it the counter of the next attempt as well: a heartbeat is then one message to
 * it, not two. A successor counts on above that number, whether it was used or not. */
void fo_guard_acknowledged(struct fo_run *r)
{
    r->s->guardian.counter = r->s->counter + 1;
}

/* "Armed before anything starts": from the hold on the lease to the verified stop. */
void fo_guard_arm(struct fo_run *r)
{
    r->s->guardian.armed = true;
    r->s->guardian.last = (struct hb_era){r->s->lease.generation, r->s->lease.epoch};
}

/* "On starting a fence the agent moves the kill to the end of the soft stop, inside fence_timeout":
 * the last third is left for killing and verifying. If the fence itself began late, the guardian
 * may be late all the same: its part counts from the deadline. */
void fo_guard_fencing(struct fo_run *r, int64_t limit)
{
    struct fo_state *s = r->s;
    bool is_held = s->lease.epoch != 0 && !s->lease.paused; /* else no deadline has passed */
    int64_t promised = s->lease.epoch ? s->lease.fence_limit : limit - r->now;
    int64_t third = promised / 3;
    int64_t late = is_held ? fo_max(0, fo_min(r->now - s->lease.deadline, FO_LATENESS)) : 0;
    s->guardian.kill = fo_min(limit, fo_max(r->now, limit - late - third));
    s->guardian.kill_limit = fo_min(limit, s->guardian.kill + third);
}

void fo_guard_disarm(struct fo_run *r)
{
    r->s->guardian.armed = false;
}

/* -- What a successor inherits ----------------------------------------------------------------- */

static bool has_expired(const struct fo_run *r, const struct fo_guard *inherit)
{
    return !inherit->paused && r->now >= inherit->deadline;
}

static struct hb_era era_of(const struct fo_guard *inherit)
{
    return (struct hb_era){inherit->generation, inherit->epoch};
}

/* Started, acknowledged, in time, given up by no agent and nobody else's since. Anything else is fenced. */
static bool may_resume(const struct fo_run *r, const struct fo_guard *inherit)
{
    const struct fo_state *s = r->s;
    if (!s->has_config || !s->guardian.up || !fo_rule_on(s, FO_RULE_RESUME))
        return false;
    if (!fo_rule_on(s, FO_RULE_RESUME_SERVING))
        return true;
    bool overtaken = s->seen_epoch > inherit->epoch || s->guardian.fired_epoch >= inherit->epoch ||
                     fo_era_compare(s, s->history.seen, era_of(inherit)) > 0;
    bool given_up = inherit->epoch != s->open_epoch;
    return inherit->phase == FO_GUARD_SERVING && !has_expired(r, inherit) && !overtaken &&
           !given_up;
}

/* As good as the marks, which may have been lost with the agent: what the guardian holds was held on
 * this host. */
static void was_held_here(struct fo_state *s, uint64_t epoch)
{
    if (epoch > s->led_epoch)
        s->led_epoch = epoch;
}

/* What both ways share: the epoch is this site's own, and the guardian still holds it. */
static void take_over(struct fo_run *r, const struct fo_guard *inherit)
{
    struct fo_state *s = r->s;
    s->guardian.armed = true;
    s->guardian.last = era_of(inherit);
    was_held_here(s, inherit->epoch);
    s->lease = (struct fo_lease){
        .generation = inherit->generation,
        .epoch = inherit->epoch,
        .revision = inherit->revision,
        .first_counter = inherit->first_counter,
        .begun = inherit->begun,
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
    if (fo_rule_on(s, FO_RULE_RESUME_COUNTERS))
        s->counter = inherit->counter;
    if (!fo_rule_on(s, FO_RULE_INHERITED_DEADLINE))
        s->lease.deadline = r->now + s->terms.fence_start;
    s->workload_epoch = inherit->epoch;
    s->lease.held = true;
    s->lease.acknowledged = true;
    s->lease.resumed = true;
    s->heartbeat_due = r->now;
    fo_consent_reset(r);
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
    fo_history_seen(r, era_of(inherit));
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

/* -- What it says ------------------------------------------------------------------------------ */

static void lease_over(struct fo_run *r, enum hb_reason reason)
{
    if (r->s->lease.held)
        fo_lease_end(r, reason);
    else if (r->s->role == HB_ROLE_CLAIMING)
        fo_claim_over(r, reason);
}

/* The stop that is under way knew nothing of the promise: it ends, and the guardian kills, by then at the latest. */
static void fence_by_promise(struct fo_run *r, const struct fo_guard *armed)
{
    struct fo_state *s = r->s;
    take_over(r, armed);
    s->lease.ended = true;
    int64_t limit = fo_min(s->workload_limit, fo_guard_inherited_limit(r, armed));
    if (limit < s->workload_limit && s->stop_tries > 0) {
        s->workload_limit = limit;
        fo_emit_stop(r);
    }
    fo_guard_fencing(r, limit);
    if (armed->phase == FO_GUARD_FENCING)
        s->guardian.kill = fo_min(s->guardian.kill, armed->deadline);
}

/* A guardian that was not there at the start holds an epoch of the agent before: this one has not
 * resumed it, so it is fenced, or stopped already, and must end there too. */
static void end_leftover(struct fo_run *r, const struct fo_guard *armed)
{
    struct fo_state *s = r->s;
    if (!armed || !s->started || hb_era_compare(era_of(armed), s->guardian.last) <= 0)
        return;
    s->guardian.last = era_of(armed);
    was_held_here(s, armed->epoch);
    if (!s->stopped && fo_rule_on(s, FO_RULE_INHERITED_DEADLINE))
        fence_by_promise(r, armed);
    else
        s->guardian.armed = !s->stopped;
    fo_epoch_seen(r, armed->epoch);
    fo_history_seen(r, era_of(armed));
}

/* "No guardian, no lease: its death ends the epoch ... This and a higher epoch override a pause."
 * "Firing is final for the epoch." */
void fo_guardian_said(struct fo_run *r, const struct fo_event *event)
{
    struct fo_guardian *g = &r->s->guardian;
    g->up = event->guardian.up;
    if (event->guardian.fired_epoch > g->fired_epoch)
        g->fired_epoch = event->guardian.fired_epoch;
    if (r->s->started) /* else the marks are not known yet, and must not be overwritten */
        fo_epoch_seen(r, g->fired_epoch);
    if (!r->s->lease.held)
        end_leftover(r, event->guardian.armed);
    if (!g->up && g->armed)
        fo_workload_hurry(r);
    bool fired = r->s->lease.held && g->fired_epoch >= r->s->lease.epoch;
    if (!g->up && fo_rule_on(r->s, FO_RULE_GUARDIAN_LOST))
        lease_over(r, HB_REASON_GUARDIAN_LOST);
    else if (g->up && fired && fo_rule_on(r->s, FO_RULE_GUARDIAN_FIRED))
        lease_over(r, HB_REASON_GUARDIAN_FIRED);
}
