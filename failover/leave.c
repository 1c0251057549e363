/*
 * A planned restart of the agent: "Before a planned restart the agent gets a longer promise (30 s)
 * acknowledged" (docs/failover section 5). The heartbeats carry it from here on (timing.c), and its
 * acknowledgement makes the deadline later like any other.
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

void fo_leave_asked(struct fo_run *r, const struct fo_event *event)
{
    struct fo_state *s = r->s;
    memset(&s->leave, 0, sizeof(s->leave));
    s->leave.promise_ms = event->leave.promise_ms;
    s->leave.give_up = r->now + PATIENCE_PERIODS * s->terms.period;
    if (s->has_config)
        fo_terms_take(s, &s->config);
    fo_heartbeat_soon(r);
}

/* A heartbeat of this lease is stored: with the longer promise? */
void fo_leave_stored(struct fo_run *r, const struct fo_attempt *a)
{
    struct fo_state *s = r->s;
    if (fo_is_leaving(s) && a->terms.config_number == s->terms.config_number)
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
    if (!fo_is_leaving(s))
        return;
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
    return fo_is_leaving(s) ? s->leave.give_up : FO_NEVER;
}
