/* Giving the lease away: release, and yield to the preferred primary. (docs/failover 3 and 11) */
#include "failover/core.h"

enum { YIELD_SHORT_RETURN_S = 600, YIELD_DOUBLINGS_MAX = 7 };

static const struct hb_site *preferred(const struct fo_state *s)
{
    return &s->config.sites[0];
}

/* "An involuntary release names a ready site heard within 2T, or null: anyone." */
static void name_next(struct fo_run *r, const struct fo_peer *peer)
{
    struct hb_site *next = &r->s->release_next;
    if (peer && fo_rule_on(r->s, FO_RULE_RELEASE_NAMES_READY))
        *next = peer->site;
    else
        memset(next, 0, sizeof(*next));
}

/* Decides to whom, once stopped. False: nobody to give it to; this site retakes its own lease. */
static bool choose_next(struct fo_run *r)
{
    struct fo_state *s = r->s;
    const struct fo_peer *ready = fo_peer_first_ready(s, r->now);
    if (s->release_reason == HB_REASON_LOST || fo_lease_is_overtaken(s))
        return false;
    if (s->release_reason == HB_REASON_PROBE_FAILED && !ready)
        return false;
    name_next(r, ready);
    if (s->release_reason == HB_REASON_SWITCHOVER)
        return fo_switchover_names(r);
    if (s->release_reason == HB_REASON_YIELD) {
        /* "and was heard within 2T before RELEASED is sent" (11), and not to be ill meanwhile */
        const struct fo_peer *peer = fo_peer_find(s, preferred(s));
        bool heard = peer && fo_peer_is_heard(s, peer, r->now) && peer->fit && !peer->barred;
        s->release_next = *preferred(s);
        return heard || !fo_rule_on(s, FO_RULE_YIELD_HEARD);
    }
    return true;
}

/* The workload is verified stopped: send RELEASED once, or wait as a replica. */
void fo_release_or_wait(struct fo_run *r)
{
    struct fo_state *s = r->s;
    bool gives_away = choose_next(r);
    if (s->switchover.begun)
        fo_switchover_decided(r, gives_away);
    if (!gives_away) {
        fo_role_set(r, HB_ROLE_REPLICA, HB_REASON_STOPPED);
        fo_known_own(r);
        return;
    }
    fo_role_set(r, HB_ROLE_RELEASING, s->release_reason);
    fo_attempt_begin(r, &s->lease_try, FO_TRY_RELEASE, (int64_t)s->lease.revision);
}

/* Answered, overtaken or T old. The epoch is over "whatever the outcome". */
void fo_release_over(struct fo_run *r)
{
    r->s->lease_try.kind = FO_TRY_NONE;
    fo_role_set(r, HB_ROLE_REPLICA, HB_REASON_RELEASE_DONE);
    fo_known_own(r); /* the watch may not have shown it yet */
}

static int64_t yield_after(const struct fo_state *s)
{
    int64_t after = s->config.yield_after_ms * FO_MS;
    return fo_rule_on(s, FO_RULE_YIELD_DOUBLES) ? after << s->yield.doublings : after;
}

/* "Yield to the preferred primary only when it has been ready for yield_after" (11) */
int64_t fo_yield_at(const struct fo_state *s, int64_t now)
{
    if (s->role != HB_ROLE_LEADER || !s->config.yield_to_primary || s->rank == 1)
        return FO_NEVER;
    if (s->config.paused || s->lease.paused || s->failures > 0 || s->stepping_down)
        return FO_NEVER; /* who can't write can't hand over either */
    if (fo_switchover_is_asked(s) || (fo_leads_by_choice(s) && fo_rule_on(s, FO_RULE_CHOICE_STAYS)))
        return FO_NEVER;
    if (s->leave.promise_ms != 0 && (fo_is_leaving(s) || !s->leave.granted))
        return FO_NEVER;
    const struct fo_peer *peer = fo_peer_find(s, preferred(s));
    if (!peer || !fo_peer_is_ready(s, peer, now))
        return FO_NEVER;
    if (!fo_rule_on(s, FO_RULE_YIELD_AFTER))
        return 0;
    int64_t settled = s->role_since + s->config.success_threshold * s->terms.period;
    return fo_max(settled, peer->ready_since + yield_after(s));
}

void fo_yield_advance(struct fo_run *r)
{
    if (r->now >= fo_yield_at(r->s, r->now) && !fo_handover_waits(r, HB_REASON_YIELD))
        fo_lease_end(r, HB_REASON_YIELD);
}

static bool follows_yield(const struct fo_known *known)
{
    return known->has_record && known->readable && known->record.status == HB_RELEASED &&
           known->record.reason == HB_REASON_YIELD;
}

/* A new epoch was seen: remember when the preferred primary came back. Its first election is no
 * return, nor is a role that another site gave up for its own reasons. */
void fo_yield_note_leader(struct fo_run *r, const struct heartbeat *record)
{
    bool returned = record->reason == HB_REASON_RELEASED_TO && record->status != HB_RELEASED &&
                    hb_site_equal(&record->site, preferred(r->s)) && follows_yield(&r->s->known);
    if (returned)
        r->s->yield.returned = r->now;
}

/* "doubled after each return that lasted less than 10 min" (11) */
void fo_yield_taken_over(struct fo_run *r)
{
    struct fo_state *s = r->s;
    int64_t short_return = YIELD_SHORT_RETURN_S * 1000LL * FO_MS;
    if (s->yield.returned == 0)
        return;
    if (r->now - s->yield.returned >= short_return)
        s->yield.doublings = 0;
    else if (s->yield.doublings < YIELD_DOUBLINGS_MAX)
        s->yield.doublings++;
    s->yield.returned = 0;
}
