/* The workload: started under an acknowledged lease, stopped and verified before anything else. */
#include "failover/core.h"

enum { FENCE_UNCONFIGURED_MS = 1500 };

/* The lease is acknowledged: the marks first, then the start. (10) */
void fo_workload_promote(struct fo_run *r)
{
    struct fo_state *s = r->s;
    fo_yield_taken_over(r);
    s->incident.taken_at = r->now;
    s->incident.epoch = s->lease.epoch;
    fo_role_set(r, HB_ROLE_PROMOTING, s->lease.reason);
    s->stopped = false;
    s->stop_tries = 0;
    s->workload_epoch = s->lease.epoch;
    s->workload_limit = r->now + s->config.promote_timeout_ms * FO_MS;
    fo_emit_start(r);
    fo_emit_takeover(r);
}

/* `limit`: killed by then. Epoch 0: whatever may run from before. */
void fo_workload_stop(struct fo_run *r, uint64_t epoch, int64_t limit)
{
    struct fo_state *s = r->s;
    s->workload_epoch = epoch;
    s->workload_limit = limit;
    s->stop_tries = 1;
    s->stop_retry = FO_NEVER;
    fo_guard_fencing(r, limit);
    fo_emit_stop(r);
}

/* A clean stop has its time only as long as the guardian would end it. */
void fo_workload_hurry(struct fo_run *r)
{
    struct fo_state *s = r->s;
    int64_t limit = r->now + s->lease.fence_limit;
    if (s->stopped || s->stop_tries == 0 || s->lease.held || limit >= s->workload_limit)
        return;
    s->workload_limit = limit;
    fo_guard_fencing(r, limit);
    fo_emit_stop(r);
}

static void stopped(struct fo_run *r)
{
    struct fo_state *s = r->s;
    s->stopped = true;
    s->stop_retry = FO_NEVER;
    fo_guard_disarm(r);
    if (s->role == HB_ROLE_STARTING)
        fo_role_set(r, HB_ROLE_REPLICA, HB_REASON_STARTED);
    else if (s->role == HB_ROLE_FENCING || s->role == HB_ROLE_DEMOTING)
        fo_release_or_wait(r);
}

/* Not verified: nothing is released, staleness decides, and it is asked again. (6) */
static void stop_failed(struct fo_run *r)
{
    struct fo_state *s = r->s;
    if (s->stopped)
        return;
    fo_emit_note(r, FO_NOTE_ALARM_FENCE, s->stop_tries);
    int64_t pause = fo_min(s->terms.period, s->stop_tries * s->terms.period / 4) + FO_MS;
    s->stop_retry = fo_rule_on(s, FO_RULE_STOP_RETRIED) ? r->now + pause : FO_NEVER;
}

static void failed(struct fo_run *r)
{
    if (r->s->role == HB_ROLE_PROMOTING)
        fo_lease_end(r, HB_REASON_PROMOTE_FAILED);
    else if (r->s->role == HB_ROLE_LEADER && !r->s->lease.paused)
        fo_lease_end(r, HB_REASON_PROBE_FAILED);
    else
        return;
    fo_back_off_begin(r);
}

static void serves(struct fo_run *r)
{
    if (r->s->role != HB_ROLE_PROMOTING)
        return;
    r->s->probe.failures = 0; /* probes of a workload that was not up yet say nothing */
    fo_role_set(r, HB_ROLE_LEADER, HB_REASON_WORKLOAD_UP);
}

void fo_workload_event(struct fo_run *r, const struct fo_event *event)
{
    struct fo_state *s = r->s;
    if (event->workload.epoch != s->workload_epoch)
        return;
    if (event->type == FO_EV_WORKLOAD_STARTED)
        serves(r);
    else if (event->type == FO_EV_WORKLOAD_FAILED)
        failed(r);
    else if (event->type == FO_EV_WORKLOAD_STOPPED && s->stop_tries > 0)
        stopped(r);
    else if (event->type == FO_EV_STOP_FAILED && s->stop_tries > 0)
        stop_failed(r);
}

static bool is_promoting_too_long(const struct fo_run *r)
{
    const struct fo_state *s = r->s;
    return s->role == HB_ROLE_PROMOTING && r->now >= s->workload_limit &&
           fo_rule_on(s, FO_RULE_PROMOTE_LIMIT);
}

void fo_workload_advance(struct fo_run *r)
{
    struct fo_state *s = r->s;
    if (is_promoting_too_long(r)) {
        fo_lease_end(r, HB_REASON_PROMOTE_TIMEOUT);
        fo_back_off_begin(r);
    } else if (!s->stopped && r->now >= s->stop_retry) {
        s->stop_tries++;
        s->stop_retry = FO_NEVER;
        fo_emit_stop(r);
    }
}

int64_t fo_workload_next(const struct fo_state *s)
{
    if (s->role == HB_ROLE_PROMOTING)
        return fo_rule_on(s, FO_RULE_PROMOTE_LIMIT) ? s->workload_limit : FO_NEVER;
    return s->stopped ? FO_NEVER : s->stop_retry;
}

/* "A restarted agent fences before anything else", unless it resumes the lease. */
void fo_workload_at_start(struct fo_run *r, bool verified_stopped, const struct fo_guard *inherit)
{
    struct fo_state *s = r->s;
    if (verified_stopped || !fo_rule_on(s, FO_RULE_FENCE_AT_START)) {
        s->stopped = true;
        fo_guard_disarm(r);
        fo_role_set(r, HB_ROLE_REPLICA, HB_REASON_STARTED);
        return;
    }
    int64_t length = s->has_config ? s->terms.fence_limit : FENCE_UNCONFIGURED_MS * FO_MS;
    int64_t limit = r->now + length;
    if (s->guardian.armed)
        limit = fo_min(limit, fo_guard_inherited_limit(r, inherit));
    fo_workload_stop(r, 0, limit);
    if (s->guardian.armed && inherit->phase == FO_GUARD_FENCING)
        s->guardian.kill = fo_min(s->guardian.kill, inherit->deadline);
}
