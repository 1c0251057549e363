/*
 * What operators ask for: to hand the role to a named site, or to take it by force. (docs/failover
 * section 11) The site that is asked decides, by what it knows when it is due; who asked, and what became
 * of it, is the driver's to keep.
 */
#include "failover/core.h"

/* -- The operator's choice ---------------------------------------------------------------------- */

bool fo_leads_by_choice(const struct fo_state *state)
{
    return state->chosen_epoch != 0 && state->chosen_epoch == state->lease.epoch;
}

/* Would this claim, over the lease as it is known, be of a site that an operator chose? Who retakes its own
 * lease is the one that was chosen for it. */
bool fo_is_choice(const struct fo_state *s, enum hb_reason reason)
{
    const struct heartbeat *record = &s->known.record;
    if (reason == HB_REASON_RELEASED_TO)
        return record->reason == HB_REASON_SWITCHOVER;
    if (reason == HB_REASON_RETAKE)
        return record->chosen && fo_rule_on(s, FO_RULE_CHOICE_KEPT);
    return reason == HB_REASON_FORCED;
}

/* -- Switchover --------------------------------------------------------------------------------- */

static enum fo_refusal as_it_is_heard(const struct fo_state *s, const struct fo_peer *peer,
                                      int64_t now)
{
    if (!fo_peer_is_heard(s, peer, now))
        return FO_REFUSED_NOT_HEARD;
    return peer->fit ? FO_REFUSED_NONE : FO_REFUSED_NOT_FIT;
}

static enum fo_refusal of_target(const struct fo_state *s, const struct fo_peer *peer, int64_t now)
{
    if (peer->barred)
        return FO_REFUSED_NOFAILOVER;
    enum fo_refusal heard = as_it_is_heard(s, peer, now);
    if (heard != FO_REFUSED_NONE)
        return heard;
    return fo_peer_is_ready(s, peer, now) ? FO_REFUSED_NONE : FO_REFUSED_NOT_READY;
}

static enum fo_refusal of_leader(const struct fo_state *s)
{
    bool paused = s->config.paused || s->lease.paused;
    if (s->role != HB_ROLE_LEADER)
        return s->lease.held ? FO_REFUSED_NOT_READY : FO_REFUSED_NOT_LEADER;
    if (paused && fo_rule_on(s, FO_RULE_SWITCHOVER_PAUSE))
        return FO_REFUSED_PAUSED;
    if (s->stepping_down || fo_is_leaving(s))
        return FO_REFUSED_LEAVING;
    return s->failures > 0 ? FO_REFUSED_NOT_ACKNOWLEDGED : FO_REFUSED_NONE;
}

enum fo_refusal fo_switchover_refusal(const struct fo_state *state, const struct hb_site *to,
                                      int64_t now_ns)
{
    const struct fo_peer *peer = fo_peer_find(state, to);
    enum fo_refusal leader = of_leader(state);
    if (leader != FO_REFUSED_NONE)
        return leader;
    if (!peer)
        return hb_site_equal(to, &state->site) ? FO_REFUSED_LEADS : FO_REFUSED_NO_MEMBER;
    if (!fo_rule_on(state, FO_RULE_SWITCHOVER_READY))
        return FO_REFUSED_NONE;
    return of_target(state, peer, now_ns);
}

/* A longer promise that was asked for it is of no use any more. */
static void forget(struct fo_run *r)
{
    memset(&r->s->switchover, 0, sizeof(r->s->switchover));
    if (r->s->leave.handover == HB_REASON_SWITCHOVER)
        fo_handover_over(r);
}

/* Its target is named, or it came to nothing. */
static void switchover_over(struct fo_run *r, enum fo_refusal why)
{
    forget(r);
    if (why != FO_REFUSED_NONE)
        fo_emit_note(r, FO_NOTE_SWITCHOVER_REFUSED, why);
}

void fo_switchover_asked(struct fo_run *r, const struct fo_event *event)
{
    struct fo_state *s = r->s;
    if (!s->switchover.begun) {
        forget(r);
        s->switchover.to = event->switchover.to;
    } else if (hb_site_is_set(&event->switchover.to)) {
        fo_emit_note(r, FO_NOTE_SWITCHOVER_REFUSED, FO_REFUSED_UNDER_WAY);
    }
}

void fo_switchover_advance(struct fo_run *r)
{
    struct fo_state *s = r->s;
    if (!fo_switchover_is_asked(s) || s->switchover.begun)
        return;
    enum fo_refusal why = fo_switchover_refusal(s, &s->switchover.to, r->now);
    bool under_way = s->lease_try.kind != FO_TRY_NONE; /* the release is to expect its revision */
    if (why != FO_REFUSED_NONE) {
        switchover_over(r, why);
    } else if (!fo_handover_waits(r, HB_REASON_SWITCHOVER) && !under_way) {
        s->switchover.begun = true;
        fo_emit_note(r, FO_NOTE_SWITCHOVER_BEGINS, 0);
        fo_lease_end(r, HB_REASON_SWITCHOVER);
    }
}

static enum fo_refusal once_stopped(const struct fo_state *s, int64_t now)
{
    const struct fo_peer *peer = fo_peer_find(s, &s->switchover.to);
    if (!peer)
        return FO_REFUSED_NO_MEMBER;
    return peer->barred ? FO_REFUSED_NOFAILOVER : as_it_is_heard(s, peer, now);
}

/* Stopped: is the target there to take it? Else this site retakes its own lease. */
bool fo_switchover_names(struct fo_run *r)
{
    struct fo_state *s = r->s;
    s->release_next = s->switchover.to;
    return once_stopped(s, r->now) == FO_REFUSED_NONE || !fo_rule_on(s, FO_RULE_SWITCHOVER_HEARD);
}

/* The role is given away, to its target or not, or stays here. */
void fo_switchover_decided(struct fo_run *r, bool gives_away)
{
    struct fo_state *s = r->s;
    enum fo_refusal why = once_stopped(s, r->now);
    if (gives_away && hb_site_equal(&s->release_next, &s->switchover.to))
        switchover_over(r, FO_REFUSED_NONE);
    else
        switchover_over(r, why != FO_REFUSED_NONE ? why : FO_REFUSED_NOT_LEADER);
}

/* -- By force ----------------------------------------------------------------------------------- */

static enum fo_refusal of_candidate(const struct fo_state *s, int64_t now)
{
    int64_t settled = s->idle_since + s->config.success_threshold * s->terms.period;
    if (s->lease.held)
        return FO_REFUSED_LEADS;
    if (s->rank == 0)
        return FO_REFUSED_NO_MEMBER;
    if (s->stepping_down || fo_is_leaving(s))
        return FO_REFUSED_LEAVING;
    if (s->role != HB_ROLE_REPLICA || !s->stopped || !s->connected)
        return FO_REFUSED_NOT_WAITING;
    if (!s->guardian.up)
        return FO_REFUSED_NO_GUARDIAN;
    if (s->successes < s->config.success_threshold || now < settled)
        return FO_REFUSED_NOT_ACKNOWLEDGED;
    bool passes = !s->probe.exists || s->probe.last == HB_PROBE_OK;
    return passes ? FO_REFUSED_NONE : FO_REFUSED_PROBE;
}

/* Silence proves nothing of a holder that serves under a pause, or by the consent of others than this site. */
static bool needs_word(const struct fo_state *s)
{
    bool own = fo_own_free_at(s) != FO_NEVER;
    bool proven = !s->known.record.paused && fo_consent_lets_promote(s);
    return !own && !proven && fo_rule_on(s, FO_RULE_FORCE_WORD);
}

static enum fo_refusal of_lease(const struct fo_state *s, bool leader_is_off, int64_t now)
{
    const struct fo_known *known = &s->known;
    enum hb_reason ignored;
    if (fo_holds(s) != FO_HOLD_NONE || s->seen_epoch >= HB_EPOCH_MAX)
        return FO_REFUSED_HOLDS;
    if (!known->confirmed || !known->has_record || !known->readable)
        return FO_REFUSED_UNKNOWN_LEASE;
    if (now < fo_consent_bound_until(s) && fo_rule_on(s, FO_RULE_FORCE_CONSENT))
        return FO_REFUSED_CONSENTED;
    if (known->record.status == HB_RELEASED)
        return now < fo_release_taken_at(s, now, &ignored) ? FO_REFUSED_FOR_ANOTHER
                                                           : FO_REFUSED_NONE;
    bool silent = now >= fo_silence_ends(s, now) || now >= fo_own_free_at(s);
    if (!silent && fo_rule_on(s, FO_RULE_FORCE_SILENT))
        return FO_REFUSED_HEARD;
    return needs_word(s) && !leader_is_off ? FO_REFUSED_NOT_CERTAIN : FO_REFUSED_NONE;
}

enum fo_refusal fo_force_refusal(const struct fo_state *state, bool leader_is_off, int64_t now_ns)
{
    enum fo_refusal candidate = of_candidate(state, now_ns);
    return candidate != FO_REFUSED_NONE ? candidate : of_lease(state, leader_is_off, now_ns);
}

/* A pause, nofailover, the lag, a back-off, and who votes do not stand in the way: that is what force is. */
void fo_force_asked(struct fo_run *r, const struct fo_event *event)
{
    enum fo_refusal why = fo_force_refusal(r->s, event->force.leader_is_off, r->now);
    if (why == FO_REFUSED_NONE)
        fo_claim(r, HB_REASON_FORCED);
    else
        fo_emit_note(r, FO_NOTE_FORCE_REFUSED, why);
}

const char *fo_refusal_text(enum fo_refusal refusal)
{
    static const char *const texts[] = {
#define TEXT(id, text) [FO_REFUSED_##id] = (text),
        FO_REFUSALS(TEXT)
#undef TEXT
    };
    return texts[refusal];
}
