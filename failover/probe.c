/* Probes of the local workload, fitness, and the back-off of a site that failed. (docs/failover 1,
 * 6) */
#include "failover/core.h"

enum { BACK_OFF_FIRST_PERIODS = 10, BACK_OFF_MAX_S = 600 };

/* "fit when its probe says that it could lead and its lag is at most maximum_lag" (1) */
bool fo_fit_to_lead(const struct fo_state *s)
{
    if (!s->probe.exists)
        return true;
    bool caught_up = s->config.maximum_lag < 0 || s->probe.lag <= s->config.maximum_lag;
    return s->probe.last == HB_PROBE_OK && caught_up;
}

/* A pause that was not waited for, because this site was the only one, makes the next one no longer. */
static int64_t next_back_off(const struct fo_run *r)
{
    const struct fo_state *s = r->s;
    int64_t most = BACK_OFF_MAX_S * 1000 * FO_MS;
    int64_t first = BACK_OFF_FIRST_PERIODS * s->terms.period;
    if (r->now < s->back_off.until)
        return s->back_off.length;
    if (s->back_off.until == 0 || r->now - s->back_off.until > most)
        return first; /* it did well for long since */
    return fo_min(most, fo_max(first, 2 * s->back_off.length));
}

/* "backs off, doubling to 10 min, unless it is the only one" (6) */
void fo_back_off_begin(struct fo_run *r)
{
    struct fo_state *s = r->s;
    s->back_off.length = next_back_off(r);
    s->back_off.until = r->now + s->back_off.length;
    fo_emit_note(r, FO_NOTE_BACK_OFF, s->back_off.length / FO_MS);
}

bool fo_back_off_holds(const struct fo_state *s, int64_t now)
{
    if (!fo_rule_on(s, FO_RULE_BACK_OFF) || now >= s->back_off.until)
        return false;
    return fo_peer_first_ready(s, now) != NULL;
}

/* "When n probes fail while NATS is fine: release, if a ready replica was heard within 2T; else
 * restart locally and raise an alarm." (6) A restart is a stop, and the own lease retaken in a
 * higher epoch. */
static void probes_failed(struct fo_run *r)
{
    struct fo_state *s = r->s;
    if (s->role != HB_ROLE_LEADER || s->lease.paused || s->config.paused ||
        s->probe.failures < s->config.failure_threshold || !fo_rule_on(s, FO_RULE_PROBE_FENCES))
        return;
    if (fo_peer_first_ready(s, r->now))
        fo_back_off_begin(r);
    else
        fo_emit_note(r, FO_NOTE_ALARM_NO_READY, s->probe.failures);
    s->probe.failures = 0;
    fo_lease_end(r, HB_REASON_PROBE_FAILED);
}

static void count(struct fo_run *r, bool ok)
{
    struct fo_state *s = r->s;
    s->probe.last = ok ? HB_PROBE_OK : HB_PROBE_FAILED;
    s->probe.successes = ok ? s->probe.successes + 1 : 0;
    s->probe.failures = ok ? 0 : s->probe.failures + 1;
    probes_failed(r);
}

void fo_probe_answered(struct fo_run *r, const struct fo_event *event)
{
    struct fo_state *s = r->s;
    if (!s->probe.pending)
        return;
    s->probe.pending = false;
    s->probe.latency_us = event->probe.latency_us;
    s->probe.lag = event->probe.lag;
    count(r, event->probe.ok);
}

int64_t fo_probe_next(const struct fo_state *s)
{
    bool idle = !s->probe.exists || s->role == HB_ROLE_STARTING;
    return idle ? FO_NEVER : s->probe.due;
}

/* One that is about to be due goes with a heartbeat: both are then due together from there on, which wakes
 * the host once in T instead of twice. */
void fo_probe_join(struct fo_run *r)
{
    struct fo_state *s = r->s;
    bool soon = s->probe.due - r->now <= s->terms.period / 4;
    if (soon && !s->probe.pending)
        s->probe.due = r->now;
}

/* Every T; one that has not answered by then has failed, and is waited for. */
void fo_probe_advance(struct fo_run *r)
{
    struct fo_state *s = r->s;
    if (r->now < fo_probe_next(s))
        return;
    s->probe.due = r->now + s->terms.period;
    if (s->probe.pending) {
        count(r, false);
        return;
    }
    s->probe.pending = true;
    fo_emit_plain(r, FO_DO_PROBE);
}
