/*
 * A longer promise. "Before a planned restart the agent gets a longer promise (30 s) acknowledged"
 * (docs/failover section 5), and "a clean handover that may take longer than F" does too (section 6).
 * The heartbeats carry it from here on (timing.c), and its acknowledgement makes the deadline later
 * like any other.
 */
#include "failover/core.h"

/* A heartbeat under way, and two tries. */
enum { PATIENCE_PERIODS = 3 };

static void stay(struct fo_run *r)
{
    memset(&r->s->leave, 0, sizeof(r->s->leave));
    if (r->s->has_config)
        fo_terms_take(r->s, &r->s->config);
}

static void ask(struct fo_run *r, int64_t promise_ms, enum hb_reason handover)
{
    struct fo_state *s = r->s;
    s->leave = (struct fo_leave){
        .promise_ms = promise_ms,
        .handover = handover,
        .give_up = r->now + PATIENCE_PERIODS * s->terms.period,
    };
    if (s->has_config)
        fo_terms_take(s, &s->config);
    fo_heartbeat_soon(r);
}

void fo_leave_asked(struct fo_run *r, const struct fo_event *event)
{
    if (event->leave.promise_ms > 0)
        ask(r, event->leave.promise_ms, HB_REASON_NONE);
    else
        stay(r);
}

/* -- Handover ----------------------------------------------------------------------------------- */

/* What a clean stop needs from the acknowledgement on, which is at most T after the send. */
static int64_t handover_promise_ms(const struct fo_state *s)
{
    int64_t sum_ms = (s->clean_stop + s->terms.period + FO_LATENESS) / FO_MS;
    return sum_ms + sum_ms / 1000 + 2;
}

/* True: not yet, a longer promise is on its way. */
bool fo_handover_waits(struct fo_run *r, enum hb_reason reason)
{
    struct fo_state *s = r->s;
    bool longer = s->clean_stop > s->lease.fence_limit && !s->lease.paused;
    if (!longer || !fo_rule_on(s, FO_RULE_HANDOVER_PROMISE) || s->role != HB_ROLE_LEADER)
        return false;
    if (s->leave.promise_ms != 0 && s->leave.handover == reason)
        return !s->leave.granted;
    ask(r, handover_promise_ms(s), reason);
    return true;
}

/* The lease ends, so the promise is of no use any more. */
void fo_handover_over(struct fo_run *r)
{
    if (r->s->leave.handover != HB_REASON_NONE)
        stay(r);
}

/* An agent that is about to end can't wait for ever; a yield can be tried again. */
static void advance_handover(struct fo_run *r)
{
    struct fo_state *s = r->s;
    bool late = r->now >= s->leave.give_up;
    bool steps_down = s->leave.handover == HB_REASON_STEP_DOWN;
    if (steps_down && s->lease.held && (late || s->leave.granted))
        fo_lease_end(r, HB_REASON_STEP_DOWN);
    else if (late)
        stay(r);
}

/* -- Restart ------------------------------------------------------------------------------------ */

/* A heartbeat of this lease is stored: with the longer promise? */
void fo_leave_stored(struct fo_run *r, const struct fo_attempt *a)
{
    struct fo_state *s = r->s;
    if (s->leave.promise_ms != 0 && a->terms.config_number == s->terms.config_number)
        s->leave.granted = true;
}

static bool may_leave(const struct fo_state *s)
{
    bool granted = s->leave.granted || !fo_rule_on(s, FO_RULE_LEAVE_ACKNOWLEDGED);
    if (s->lease.held)
        return s->lease.paused || (granted && s->role == HB_ROLE_LEADER);
    return s->role == HB_ROLE_REPLICA;
}

static void leave(struct fo_run *r)
{
    struct fo_state *s = r->s;
    bool expires = s->lease.held && !s->lease.paused;
    s->leave.noted = true;
    s->leave.give_up = r->now + s->leave.promise_ms * FO_MS;
    fo_emit_note(r, FO_NOTE_MAY_LEAVE, expires ? (s->lease.deadline - r->now) / FO_MS : -1);
}

void fo_leave_advance(struct fo_run *r)
{
    struct fo_state *s = r->s;
    if (s->leave.promise_ms == 0)
        return;
    if (s->leave.handover != HB_REASON_NONE) {
        advance_handover(r);
        return;
    }
    if (!s->leave.noted && may_leave(s)) {
        leave(r);
    } else if (r->now >= s->leave.give_up) {
        if (!s->leave.noted)
            fo_emit_note(r, FO_NOTE_CANNOT_LEAVE, 0);
        stay(r);
    }
}

int64_t fo_leave_next(const struct fo_state *s)
{
    return s->leave.promise_ms != 0 ? s->leave.give_up : FO_NEVER;
}
