/* Who may take the lease, and when. (docs/failover sections 3, 4 and 11) */
#include "failover/core.h"

/* A record that can't be read may be of an epoch that was not seen: leave room for that many. Another site that
 * can't read either may have claimed over an earlier one: the bucket's numbers tell them apart. */
enum { EPOCHS_UNREAD = 16, EPOCHS_BY_REVISION = 1 << 16 };

static bool may_claim(const struct fo_state *s)
{
    if (s->role != HB_ROLE_REPLICA || !s->connected || s->stepping_down || s->rank == 0)
        return false;
    if (fo_is_leaving(s) || (!s->guardian.up && fo_rule_on(s, FO_RULE_GUARDIAN_UP)))
        return false;
    if (!s->stopped && fo_rule_on(s, FO_RULE_CLAIM_STOPPED))
        return false;
    if (s->config.paused && fo_rule_on(s, FO_RULE_PAUSE_HOLDS))
        return false;
    if (s->seen_epoch >= HB_EPOCH_MAX)
        return false; /* nothing above it can be written */
    if (!s->known.confirmed && fo_rule_on(s, FO_RULE_RECONNECT_RESTARTS))
        return false;
    if (fo_holds(s) != FO_HOLD_NONE && fo_rule_on(s, FO_RULE_HOLD_LOWER))
        return false;
    if (s->successes < s->config.success_threshold && fo_rule_on(s, FO_RULE_SUCCESSES_FIRST))
        return false;
    return fo_fit_to_lead(s) || !fo_rule_on(s, FO_RULE_FIT_LEADS);
}

/* "replica_heartbeat.stamp - primary_heartbeat.stamp > failover_timeout", waived where the stamps'
 * difference is more than T smaller than that of the arrivals: they come from a wall clock. (4) */
static bool stamps_agree(const struct fo_state *s)
{
    if (!fo_rule_on(s, FO_RULE_STAMPS_AGREE))
        return true;
    int64_t by_stamps = s->echo.stamp - s->known.stamp;
    int64_t by_arrivals = s->echo.arrival - s->known.learnt;
    if (by_stamps > s->terms.failover)
        return true;
    return by_stamps < by_arrivals - s->terms.period && fo_rule_on(s, FO_RULE_STAMPS_WAIVED);
}

/* "Silence counts only while the replica's own heartbeats come back ... with gaps of at most 3T"
 * (4) */
static bool echo_is_fresh(const struct fo_state *s, int64_t now)
{
    if (!fo_rule_on(s, FO_RULE_SILENCE_BY_ECHO))
        return true;
    return s->echo.any && now - s->echo.arrival <= 3 * s->terms.period;
}

int64_t fo_silence_ends(const struct fo_state *s, int64_t now)
{
    if (!echo_is_fresh(s, now) || !stamps_agree(s))
        return FO_NEVER;
    return s->silence_since + s->known.needed;
}

int64_t fo_release_taken_at(const struct fo_state *s, int64_t now, enum hb_reason *ret_reason)
{
    const struct hb_site *next = &s->known.record.next;
    bool named = hb_site_equal(next, &s->site);
    *ret_reason = named ? HB_REASON_RELEASED_TO : HB_REASON_RELEASED_OPEN;
    if (!fo_rule_on(s, FO_RULE_RELEASE_AT_ONCE))
        return fo_silence_ends(s, now);
    if (named || !hb_site_is_set(next) || !fo_rule_on(s, FO_RULE_NEXT_FIRST))
        return 0;
    /* "If next has not taken it in 3T, any eligible site may, the releaser included." (3) */
    bool expires = fo_rule_on(s, FO_RULE_NEXT_EXPIRES);
    return expires ? s->known.learnt + 3 * s->terms.period : FO_NEVER;
}

/* When this site may retake what it held itself. This run knows that it has stopped. An earlier run
 * on this host has too, if the marks name its epoch, but they may have been copied with the host:
 * whoever serves under them would be heard. Anybody else may serve, whatever its name. (11) */
int64_t fo_own_free_at(const struct fo_state *s)
{
    const struct heartbeat *record = &s->known.record;
    if (!hb_site_equal(&record->site, &s->site) || !fo_rule_on(s, FO_RULE_RETAKE_OWN))
        return FO_NEVER;
    if (record->nonce == s->nonce)
        return 0;
    bool by_marks = s->led_epoch != 0 && record->epoch == s->led_epoch;
    return by_marks ? s->known.learnt + 2 * s->terms.period : FO_NEVER;
}

static int64_t lease_free_at(const struct fo_state *s, int64_t now, enum hb_reason *ret_reason)
{
    const struct fo_known *known = &s->known;
    *ret_reason = HB_REASON_STALE;
    if (!known->has_record)
        return FO_NEVER; /* only the number of a revision is known: it is being read */
    /* It may be paused: its writer may serve without end. */
    if (!known->readable && s->unread.paused && fo_rule_on(s, FO_RULE_PAUSED_RECORD))
        return FO_NEVER;
    if (!known->readable && !fo_consent_lets_promote(s))
        return FO_NEVER;
    if (!known->readable)
        return fo_rule_on(s, FO_RULE_UNREADABLE_HOLDS) ? fo_silence_ends(s, now) : 0;
    if (known->record.status == HB_RELEASED)
        return fo_release_taken_at(s, now, ret_reason);
    int64_t own = fo_own_free_at(s);
    if (own != FO_NEVER) {
        *ret_reason = HB_REASON_RETAKE;
        return own;
    }
    /* "Nobody but its own writer ... promotes over a paused record" (11) */
    if (known->record.paused && fo_rule_on(s, FO_RULE_PAUSED_RECORD))
        return FO_NEVER;
    return fo_consent_lets_promote(s) ? fo_silence_ends(s, now) : FO_NEVER;
}

/* By nofailover the role does not move here; the own one, which no other has taken, has not moved. */
static bool is_barred(const struct fo_state *s, enum hb_reason reason)
{
    return s->barred && reason != HB_REASON_RETAKE && fo_rule_on(s, FO_RULE_NOFAILOVER);
}

/* When this site would claim the lease if nothing more were heard; FO_NEVER: it would not. */
int64_t fo_claim_at(const struct fo_state *s, int64_t now, enum hb_reason *ret_reason)
{
    if (!may_claim(s))
        return FO_NEVER;
    int64_t at = lease_free_at(s, now, ret_reason);
    if (at == FO_NEVER || is_barred(s, *ret_reason))
        return FO_NEVER;
    if (fo_rule_on(s,
                   FO_RULE_SUCCESSES_FIRST)) /* no role changes faster than success_threshold x T */
        at = fo_max(at, s->idle_since + s->config.success_threshold * s->terms.period);
    if (fo_back_off_holds(s, now))
        at = fo_max(at, s->back_off.until);
    return fo_max(at, fo_consent_bound_until(s));
}

/* Silence is long enough, but the stamps must say so too: write an own heartbeat now instead of
 * waiting for the next one. */
bool fo_hurry_is_due(const struct fo_state *s, int64_t now)
{
    int64_t enough = s->silence_since + s->known.needed;
    if (now < enough || s->role != HB_ROLE_REPLICA || !s->known.has_record)
        return false;
    return s->replica_try.begun < enough && !stamps_agree(s);
}

static int64_t hurry_at(const struct fo_state *s, int64_t now)
{
    if (s->role != HB_ROLE_REPLICA || !s->known.has_record)
        return FO_NEVER;
    int64_t enough = s->silence_since + s->known.needed;
    return now < enough ? enough : FO_NEVER;
}

/* Another site holds the lease as it is known: nothing is claimed before the silence is long enough. */
static bool waits_for_silence(const struct fo_state *s)
{
    const struct heartbeat *record = &s->known.record;
    return s->known.readable && record->status != HB_RELEASED &&
           !hb_site_equal(&record->site, &s->site);
}

/* The next instant at which the silence, or the claim itself, is looked at. Mostly the silence alone says so. */
int64_t fo_claim_next(const struct fo_state *s, int64_t now)
{
    enum hb_reason reason;
    int64_t hurry = hurry_at(s, now);
    if (hurry != FO_NEVER && waits_for_silence(s))
        return hurry;
    return fo_min(hurry, fo_claim_at(s, now, &reason));
}

/* An epoch that was never held and that nobody else was seen to use is tried again: a late stored
 * claim is then an own earlier record of it. */
static uint64_t epoch_to_claim(const struct fo_state *s)
{
    uint64_t unused = s->lease.epoch;
    bool of_the_past = s->lease.generation < s->history.seen.generation;
    if (of_the_past || (s->lease.ended && fo_rule_on(s, FO_RULE_RELEASE_ENDS_EPOCH)))
        unused++;
    uint64_t above = s->seen_epoch;
    if (fo_rule_on(s, FO_RULE_EPOCH_ABOVE_SEEN))
        above += s->known.readable ? 1 : EPOCHS_UNREAD + s->known.revision % EPOCHS_BY_REVISION;
    return unused > above ? unused : above;
}

void fo_claim(struct fo_run *r, enum hb_reason reason)
{
    struct fo_state *s = r->s;
    fo_incident_prepare(r, reason);
    uint64_t epoch = epoch_to_claim(s);
    bool again = epoch == s->lease.epoch;
    uint64_t first_counter = again ? s->lease.first_counter : s->counter + 1;
    s->lease = (struct fo_lease){.generation = s->history.seen.generation,
                                 .epoch = epoch,
                                 .first_counter = first_counter,
                                 .reason = reason};
    bool was_chosen = again && s->chosen_epoch == epoch; /* its first claim may still be stored */
    s->chosen_epoch = was_chosen || fo_is_choice(s, reason) ? epoch : 0;
    fo_role_set(r, HB_ROLE_CLAIMING, reason);
    fo_emit_persist(r);
    /* "promotion: expects the revision of the last heartbeat seen" (3) */
    bool compare = fo_rule_on(s, FO_RULE_CAS_PROMOTION);
    int64_t expect = compare ? (int64_t)s->known.revision : FO_ANY_REVISION;
    fo_consent_claiming(r);
    fo_attempt_begin(r, &s->lease_try, FO_TRY_CLAIM, expect);
}

void fo_claim_advance(struct fo_run *r)
{
    enum hb_reason reason;
    if (r->now >= fo_claim_at(r->s, r->now, &reason))
        fo_claim(r, reason);
    else if (fo_hurry_is_due(r->s, r->now))
        fo_heartbeat_soon(r);
}

/* Not acknowledged in time, or denied. It may still be stored, much later. */
void fo_claim_over(struct fo_run *r, enum hb_reason reason)
{
    r->s->lease_try.kind = FO_TRY_NONE;
    fo_role_set(r, HB_ROLE_REPLICA, reason);
}
