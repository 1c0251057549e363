/* The watch, checked end to end by this site's own heartbeats. (docs/failover sections 4 and 8) */
#include "failover/core.h"

enum { BACK_OFF_MAX_S = 60 };

/* "a longer gap (frozen host, stalled watch) restarts it" (4) */
static void check_gap(struct fo_run *r)
{
    struct fo_state *s = r->s;
    int64_t gap = r->now - s->echo.arrival;
    if (s->echo.any && gap <= 3 * s->terms.period)
        return;
    s->read.wanted = true;
    if (!fo_rule_on(s, FO_RULE_SILENCE_BY_ECHO))
        return;
    s->silence_since = r->now;
    if (s->echo.any && s->role == HB_ROLE_REPLICA)
        fo_emit_note(r, FO_NOTE_SILENCE_RESTARTED, gap / FO_MS);
}

/* An own heartbeat, of either key, came back through the watch. */
void fo_echo_seen(struct fo_run *r, uint64_t counter, int64_t stamp)
{
    struct fo_state *s = r->s;
    if (s->echo.any && counter <= s->echo.counter)
        return; /* given again by a watch that was made anew, or stored late */
    check_gap(r);
    s->echo.any = true;
    s->echo.counter = counter;
    s->echo.arrival = r->now;
    s->echo.stamp = stamp;
    s->watch.back_off = 0;
    if (counter >= s->watch.owed_counter)
        s->watch.owed_since = 0;
}

/* A write was acknowledged: it has to come back. */
void fo_echo_owed(struct fo_run *r, uint64_t counter)
{
    struct fo_state *s = r->s;
    if (s->watch.owed_since != 0 || (s->echo.any && s->echo.counter >= counter))
        return;
    s->watch.owed_since = r->now;
    s->watch.owed_counter = counter;
}

/* splitmix64: jitter from the seed alone. */
static uint64_t next_random(struct fo_state *s)
{
    uint64_t z = (s->seed += 0x9E3779B97F4A7C15u);
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
    return z ^ (z >> 31);
}

static void back_off(struct fo_run *r)
{
    struct fo_state *s = r->s;
    int64_t least = 3 * s->terms.period;
    int64_t most = fo_max(least, BACK_OFF_MAX_S * 1000 * FO_MS);
    s->watch.back_off = fo_min(most, fo_max(least, 2 * s->watch.back_off));
    if (!fo_rule_on(s, FO_RULE_WATCH_BACK_OFF))
        s->watch.back_off = least;
    int64_t jitter = (int64_t)(next_random(s) % (uint64_t)(s->watch.back_off / 4 + 1));
    s->watch.retry = r->now + s->watch.back_off + jitter;
}

int64_t fo_watch_next(const struct fo_state *s)
{
    if (s->watch.owed_since == 0 || !fo_rule_on(s, FO_RULE_WATCH_END_TO_END))
        return FO_NEVER;
    return fo_max(s->watch.owed_since + 3 * s->terms.period, s->watch.retry);
}

/* "if it does not within 3T while writes are acknowledged, the watch is torn down and made anew"
 * (8) */
void fo_watch_advance(struct fo_run *r)
{
    if (r->now < fo_watch_next(r->s))
        return;
    fo_emit_note(r, FO_NOTE_WATCH_DEAD, (r->now - r->s->watch.owed_since) / FO_MS);
    r->s->watch.restarts++;
    back_off(r);
    fo_emit_plain(r, FO_DO_RESTART_WATCH);
}
