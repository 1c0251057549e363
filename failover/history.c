/*
 * When the store goes backwards or disappears. (docs/failover section 10)
 *
 * JetStream acknowledges before it is on the disk. So the key may show what was there before, or nothing:
 * that is an outage, never "no primary". Whoever has seen more holds: it claims nothing until the key
 * shows as much again, or an operator has raised the generation (harmonyctl failover repair).
 */
#include "failover/core.h"

/* The mutant knows epochs alone. */
int fo_era_compare(const struct fo_state *s, struct hb_era a, struct hb_era b)
{
    if (!fo_rule_on(s, FO_RULE_GENERATION_FIRST))
        a.generation = b.generation;
    return hb_era_compare(a, b);
}

/* The record that is known, or what is remembered, has changed. */
static void note_behind(struct fo_state *s)
{
    const struct fo_known *known = &s->known;
    if (known->has_record && known->readable)
        s->history.behind = fo_era_compare(s, hb_era_of(&known->record), s->history.seen) < 0;
}

/* A lease record of this era was in the key: seen here, in a peer's memory, or written by this site. */
void fo_history_seen(struct fo_run *r, struct hb_era era)
{
    if (fo_era_compare(r->s, era, r->s->history.seen) > 0) {
        r->s->history.seen = era;
        fo_emit_persist(r);
    }
    note_behind(r->s);
}

/* -- Hold --------------------------------------------------------------------------------------- */

enum fo_hold fo_holds(const struct fo_state *state)
{
    bool ever = state->seen_epoch != 0 || state->history.seen.generation != 0;
    if (state->history.missing)
        return ever ? FO_HOLD_MISSING : FO_HOLD_NONE; /* else it was never there */
    return state->history.behind && ever ? FO_HOLD_LOWER : FO_HOLD_NONE;
}

static bool is_undecided(const struct fo_state *s)
{
    return s->lease.held || (!s->history.missing && !s->known.has_record);
}

/* A node that is behind, or what was known before the store went away, is no loss. It has to be read again
 * after the store has taken a write, which a node that has lost the others does not; what is missing takes
 * none. */
static bool is_the_stores_word(const struct fo_state *s)
{
    return s->history.missing || s->history.confirmed;
}

/* An own write of either key was acknowledged, and was no duplicate. */
void fo_history_acked(struct fo_run *r, const struct fo_attempt *a)
{
    struct fo_state *s = r->s;
    int64_t since = s->history.held_since;
    if (since == 0 || s->history.told || is_the_stores_word(s) || a->begun < since)
        return;
    fo_read_now(r);
    s->history.asked = s->read.request;
}

void fo_history_read(struct fo_run *r, uint32_t request, const struct heartbeat *record)
{
    struct fo_state *s = r->s;
    if (s->history.asked == 0 || request < s->history.asked)
        return;
    s->history.asked = 0;
    s->history.confirmed = record && fo_era_compare(s, hb_era_of(record), s->history.seen) < 0;
}

/* A single answer is no alarm either: it has to stay so for 2T. */
int64_t fo_history_next(const struct fo_state *s)
{
    bool waits = s->history.held_since != 0 && !s->history.told && is_the_stores_word(s);
    waits = waits && fo_rule_on(s, FO_RULE_HOLD_ALARM);
    return waits && !is_undecided(s) ? s->history.held_since + 2 * s->terms.period : FO_NEVER;
}

/* A hold begins or ends with what was just seen of the key. */
bool fo_history_is_due(const struct fo_state *s)
{
    return !is_undecided(s) && (fo_holds(s) != FO_HOLD_NONE) != (s->history.held_since != 0);
}

static void hold_ends(struct fo_run *r)
{
    if (r->s->history.told)
        fo_emit_note(r, FO_NOTE_HOLD_ENDED, (int64_t)r->s->history.seen.epoch);
    r->s->history.held_since = 0;
    r->s->history.told = r->s->history.confirmed = false;
    r->s->history.asked = 0;
}

void fo_history_advance(struct fo_run *r)
{
    struct fo_state *s = r->s;
    enum fo_hold hold = fo_holds(s);
    if (is_undecided(s))
        return;
    if (hold == FO_HOLD_NONE) {
        hold_ends(r);
    } else if (s->history.held_since == 0) {
        s->history.held_since = r->now;
        s->read.wanted = true;
    } else if (r->now >= fo_history_next(s)) {
        s->history.told = true;
        fo_emit_note(r, hold == FO_HOLD_LOWER ? FO_NOTE_ALARM_LOWER : FO_NOTE_ALARM_MISSING,
                     (int64_t)s->history.seen.epoch);
    }
}

/* -- What the driver learnt of the bucket --------------------------------------------------------- */

static void forget_key(struct fo_run *r)
{
    struct fo_state *s = r->s;
    bool paused = s->known.record.paused; /* of the last that could be read: until the next one */
    s->known = (struct fo_known){.learnt = r->now}; /* reads sent before say nothing any more */
    s->known.record.paused = paused;
    fo_silence_take(s);
    s->silence_since = r->now;
    s->read.wanted = true;
}

/* The mutant takes a key that is not there for a release to whomever. */
static void take_for_free(struct fo_run *r)
{
    static const struct heartbeat nobody = {.status = HB_RELEASED};
    fo_known_learn(r, &nobody, 0, 0, false);
}

void fo_history_missing(struct fo_run *r)
{
    struct fo_state *s = r->s;
    if (!fo_rule_on(s, FO_RULE_MISSING_IS_OUTAGE)) {
        take_for_free(r);
    } else if (!s->history.missing) {
        s->history.missing = true;
        forget_key(r);
    }
}

/* "Revision numbers of another bucket mean nothing": what is under way with them ends, and a held lease
 * is read before anything is sent again. */
static void forget_numbers(struct fo_run *r)
{
    struct fo_state *s = r->s;
    s->lease.foreign = true;
    s->lease_try.named = 0;
    if (s->lease_try.kind == FO_TRY_CLAIM) {
        fo_claim_over(r, HB_REASON_CLAIM_UNKNOWN);
    } else if (s->lease_try.kind != FO_TRY_NONE) {
        s->lease_try.must_read = true;
        fo_read_now(r);
    }
}

static void other_bucket(struct fo_run *r)
{
    fo_emit_note(r, FO_NOTE_ALARM_OTHER_BUCKET, (int64_t)r->s->history.seen.epoch);
    if (!fo_rule_on(r->s, FO_RULE_OTHER_BUCKET))
        return;
    forget_key(r);
    r->s->history.behind = true;
    forget_numbers(r);
    r->s->vote.claimed = false; /* what it expected is no number of this bucket */
}

static void went_backwards(struct fo_run *r, uint64_t lost)
{
    /* The number of a lease that is over may be that of its successor's record by now. */
    if (!r->s->lease.held)
        r->s->lease.foreign = true;
    fo_emit_note(r, FO_NOTE_ALARM_BACKWARDS, (int64_t)lost);
    forget_key(r);
}

void fo_history_store(struct fo_run *r, const struct fo_event *event)
{
    struct fo_state *s = r->s;
    if (!event->store.exists) {
        fo_history_missing(r);
        return;
    }
    uint64_t before = s->history.identity;
    s->history.identity = event->store.identity;
    if (before != 0 && before != event->store.identity)
        other_bucket(r);
    else if (before != 0 && event->store.last_revision < event->store.at_least)
        went_backwards(r, event->store.at_least - event->store.last_revision);
    /* The number of the own last write will be used again. */
    bool reused = event->store.last_revision < s->lease.revision && !s->lease.foreign;
    if (reused && fo_rule_on(s, FO_RULE_OTHER_BUCKET))
        forget_numbers(r);
}

/* -- The lease, read back in a store that has changed ---------------------------------------------- */

/* "the leader adopts it while its deadline stands" (10): the own record, with a lower revision than that
 * of the last write that was acknowledged, or one of another bucket. False: it is neither. */
bool fo_history_adopt(struct fo_run *r, struct fo_attempt *a, uint64_t revision)
{
    struct fo_state *s = r->s;
    bool lower = (int64_t)revision < a->expect;
    if ((!lower && !s->lease.foreign) || !fo_rule_on(s, FO_RULE_ADOPT_LOWER))
        return false;
    if (lower && !s->lease.foreign)
        went_backwards(r, (uint64_t)a->expect - revision);
    s->lease.foreign = false;
    a->expect = 0; /* whatever comes now is above it */
    fo_attempt_adopt(r, a, revision);
    return true;
}
