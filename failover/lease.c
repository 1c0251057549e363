/* The lease while it is held: deadline, acknowledgements, loss. (docs/failover sections 3 and 4) */
#include "failover/core.h"

static void count_deadline(struct fo_run *r, const struct fo_attempt *a)
{
    struct fo_state *s = r->s;
    /* "s = CLOCK_BOOTTIME before the first send of an attempt" */
    int64_t from = fo_rule_on(s, FO_RULE_FROM_FIRST_SEND) ? a->begun : r->now;
    /* "only an acknowledgement makes it later, by the values which that heartbeat carried" */
    const struct fo_terms *terms = fo_rule_on(s, FO_RULE_ACK_TERMS) ? &a->terms : &s->terms;
    s->lease.deadline = from + terms->fence_start;
    s->lease.fence_limit = terms->fence_limit;
}

/* Self-fencing is on again, counted as if the lease had just been taken: nobody promotes over the
 * paused record that is stored, and the one about to be sent promises from now on. (11) */
static void rearm(struct fo_run *r, const struct fo_attempt *a)
{
    r->s->lease.paused = false;
    r->s->failures = 0;
    r->s->lease.deadline = r->now + a->terms.fence_start;
    r->s->lease.fence_limit = a->terms.fence_limit;
    fo_emit_note(r, FO_NOTE_RESUMED, 0);
    fo_emit_persist(r);
}

/* Before the first send of a heartbeat. */
void fo_lease_sending(struct fo_run *r, const struct fo_attempt *a)
{
    struct fo_lease *lease = &r->s->lease;
    fo_consent_sending(r, a);
    if (lease->paused && !a->record.paused && fo_rule_on(r->s, FO_RULE_PAUSE_REARMS))
        rearm(r, a);
    if (lease->paused)
        return;
    /* "Before each send its deadline becomes the earlier of the present one and s + F" (5) */
    if (fo_rule_on(r->s, FO_RULE_SEND_SHORTENS))
        lease->deadline = fo_min(lease->deadline, a->begun + a->terms.fence_start);
    /* "the smallest of the last acknowledged and any sent since counts" (4) */
    lease->fence_limit = fo_min(lease->fence_limit, a->terms.fence_limit);
}

/* "a leader stops self-fencing only after a heartbeat with paused: true is acknowledged" (11) */
static void take_pause(struct fo_run *r, bool paused)
{
    struct fo_lease *lease = &r->s->lease;
    if (paused == lease->paused)
        return;
    lease->paused = paused;
    fo_emit_note(r, paused ? FO_NOTE_PAUSED : FO_NOTE_RESUMED, 0);
    fo_emit_persist(r);
}

static struct hb_era era_held(const struct fo_state *s)
{
    return (struct hb_era){s->lease.generation, s->lease.epoch};
}

/* There is nothing left to release; and in a store that has lost writes the number of the own last one may
 * be another's by now. */
bool fo_lease_is_overtaken(const struct fo_state *s)
{
    return fo_era_compare(s, s->history.seen, era_held(s)) > 0;
}

static void take_hold(struct fo_run *r)
{
    r->s->lease.held = true;
    fo_consent_reset(r);
    r->s->replica_try.kind = FO_TRY_NONE;
    fo_guard_arm(r);
    fo_history_seen(r, era_held(r->s));
    fo_epoch_seen(r, r->s->lease.epoch);
}

/* A claim or heartbeat of this epoch is stored. `fresh`: acknowledged and not a duplicate. */
void fo_lease_stored(struct fo_run *r, const struct fo_attempt *a, uint64_t revision, bool fresh)
{
    struct fo_state *s = r->s;
    if (!s->lease.held)
        take_hold(r);
    s->lease.revision = revision;
    s->lease.begun = a->begun;
    count_deadline(r, a);
    fo_guard_acknowledged(r);
    fo_consent_stored(r, a);
    take_pause(r, a->record.paused);
    fo_heartbeat_counted(r, a);
    fo_leave_stored(r, a);
    /* "nothing is started on one" (4): a duplicate says nothing about the present. */
    if (fresh || !fo_rule_on(s, FO_RULE_DUPLICATE_NO_START))
        s->lease.acknowledged = true;
    if (s->role != HB_ROLE_CLAIMING)
        return;
    if (s->lease.acknowledged)
        fo_workload_promote(r);
    else
        fo_heartbeat_soon(r);
}

bool fo_lease_is_mine(const struct fo_state *s, const struct heartbeat *record)
{
    return record->nonce == s->nonce && fo_era_compare(s, hb_era_of(record), era_held(s)) == 0;
}

/* "Only a higher epoch, another holder of its own epoch, or RELEASED means lost" (10) */
static bool means_lost(const struct fo_state *s, const struct heartbeat *record)
{
    int order = fo_era_compare(s, hb_era_of(record), era_held(s));
    if (order < 0)
        return !fo_rule_on(s, FO_RULE_LOWER_IS_PAST);
    return order > 0 || record->nonce != s->nonce || record->status == HB_RELEASED;
}

/* The lease key was seen, by whatever way. */
void fo_lease_seen(struct fo_run *r, const struct heartbeat *record)
{
    struct fo_state *s = r->s;
    if (s->role == HB_ROLE_CLAIMING && !s->lease.held) {
        bool past = fo_era_compare(s, hb_era_of(record), era_held(s)) < 0;
        if (!past && record->nonce != s->nonce)
            fo_claim_over(r, HB_REASON_CLAIM_DENIED);
    } else if (s->lease.held && means_lost(s, record) && fo_rule_on(s, FO_RULE_LOST_FENCES)) {
        fo_lease_end(r, HB_REASON_LOST);
    } else if (s->lease_try.kind == FO_TRY_RELEASE && fo_lease_is_overtaken(s)) {
        fo_release_over(r);
    }
}

/* An own record of this epoch was read back after 10071. */
static void own_record_read(struct fo_run *r, struct fo_attempt *a, const struct heartbeat *record,
                            uint64_t revision)
{
    bool this_attempt = record->counter == a->record.counter;
    if (this_attempt && fo_rule_on(r->s, FO_RULE_READ_BACK_IS_STORED)) {
        fo_attempt_stored(r, a, revision, false);
    } else if (this_attempt) {
        fo_lease_end(r, HB_REASON_LOST); /* the mutant: believes that another one wrote it */
    } else if (!fo_rule_on(r->s, FO_RULE_READ_NO_PROOF)) {
        fo_attempt_stored(r, a, revision, false);
    } else if (!fo_history_adopt(r, a, revision)) {
        bool adopt = fo_rule_on(r->s, FO_RULE_OWN_EARLIER);
        fo_attempt_adopt(r, a, adopt ? revision : 0);
    }
}

/* Who was away may have written more than it knows: the key is read while the next heartbeat is on
 * its way. */
void fo_lease_catch_up(struct fo_run *r)
{
    if (r->s->lease.held && r->s->connected && fo_rule_on(r->s, FO_RULE_CATCH_UP))
        fo_read_now(r);
}

/* "an own *earlier* record of this epoch ... take its revision and send this attempt again at once,
 * expecting it" (4), by whatever way it was learnt, and before a rejection asks for it. */
void fo_lease_own_seen(struct fo_run *r, const struct heartbeat *record, uint64_t revision)
{
    const struct fo_state *s = r->s;
    struct fo_attempt *a = &r->s->lease_try;
    bool earlier = a->kind == FO_TRY_HEARTBEAT && fo_lease_is_mine(s, record) &&
                   record->counter < a->record.counter && a->expect != FO_ANY_REVISION;
    bool adopts = fo_rule_on(s, FO_RULE_CATCH_UP) && fo_rule_on(s, FO_RULE_OWN_EARLIER);
    if (earlier && (int64_t)revision > a->expect && adopts)
        fo_attempt_adopt(r, a, revision);
}

/* The answer to the read that a rejection (10071) asked for. (4) */
void fo_lease_key_read(struct fo_run *r, const struct heartbeat *record, uint64_t revision)
{
    struct fo_state *s = r->s;
    struct fo_attempt *a = &s->lease_try;
    if (a->kind == FO_TRY_NONE || !record)
        return;
    if (a->must_read && revision < a->named)
        return; /* of a node that is behind the one that rejected it: read again */
    /* Numbers tell which of two is later only while the store loses none. */
    bool past = fo_era_compare(s, hb_era_of(record), hb_era_of(&a->record)) < 0;
    bool moved_on = a->kind == FO_TRY_CLAIM && (int64_t)revision > a->expect;
    if (!a->must_read)
        fo_lease_own_seen(r, record, revision);
    else if (fo_lease_is_mine(s, record) && record->epoch == a->record.epoch)
        own_record_read(r, a, record, revision);
    else if (past && !moved_on)
        fo_attempt_adopt(r, a, 0); /* "anything lower = the past": try again */
    else if (a->kind == FO_TRY_CLAIM)
        fo_claim_over(r, HB_REASON_CLAIM_DENIED);
    else if (a->kind == FO_TRY_RELEASE)
        fo_release_over(r);
    else
        fo_lease_seen(r, record);
}

/* "only after a heartbeat with paused: true is acknowledged" (11) */
bool fo_lease_is_paused(const struct fo_state *s)
{
    bool believed = s->config.paused && !fo_rule_on(s, FO_RULE_PAUSE_ACKNOWLEDGED);
    return s->lease.paused || believed;
}

/* n failed heartbeats in a row: fence at once (1), unless all voters consent (9): then at the deadline,
 * if they do so no more. */
void fo_lease_failing(struct fo_run *r)
{
    struct fo_state *s = r->s;
    if (!s->lease.held || fo_lease_is_paused(s) || s->failures < s->config.failure_threshold)
        return;
    if (!fo_consent_holds(s, r->now)) {
        if (fo_rule_on(s, FO_RULE_FENCE_AT_NTH))
            fo_lease_end(r, HB_REASON_HEARTBEATS_FAILED);
    } else if (s->failures == s->config.failure_threshold) {
        fo_emit_note(r, FO_NOTE_CONSENT, s->failures);
    }
}

static int64_t deadline(const struct fo_state *s)
{
    bool counts =
        s->lease.held && !fo_lease_is_paused(s) && fo_rule_on(s, FO_RULE_FENCE_AT_DEADLINE);
    return counts ? s->lease.deadline : FO_NEVER;
}

void fo_lease_watch_deadline(struct fo_run *r)
{
    bool failing = r->s->failures > 0;
    if (r->now >= deadline(r->s))
        fo_lease_end(r, failing ? HB_REASON_HEARTBEATS_FAILED : HB_REASON_DEADLINE);
}

int64_t fo_lease_next(const struct fo_state *s)
{
    return deadline(s);
}

static bool is_voluntary(enum hb_reason reason)
{
    return reason == HB_REASON_YIELD || reason == HB_REASON_PROBE_FAILED ||
           reason == HB_REASON_STEP_DOWN || reason == HB_REASON_SWITCHOVER;
}

/* A clean stop has what the longer promise leaves it. */
static int64_t clean_limit(const struct fo_run *r, int64_t fence_limit)
{
    const struct fo_state *s = r->s;
    int64_t limit = r->now + s->clean_stop;
    if (!fo_rule_on(s, FO_RULE_HANDOVER_PROMISE))
        return limit;
    return fo_min(limit, s->lease.deadline + fence_limit);
}

static bool stops_cleanly(const struct fo_run *r, enum hb_reason reason, int64_t fence_limit)
{
    const struct fo_state *s = r->s;
    bool granted = s->leave.granted && s->leave.handover == reason;
    bool hands_over = reason == HB_REASON_YIELD || reason == HB_REASON_STEP_DOWN ||
                      reason == HB_REASON_SWITCHOVER;
    return hands_over && s->clean_stop > fence_limit && r->now < s->lease.deadline &&
           (granted || !fo_rule_on(s, FO_RULE_HANDOVER_PROMISE));
}

/* How long the stop may take, "kill first, ask later" if it begins late. */
static int64_t stop_limit(const struct fo_run *r, enum hb_reason reason)
{
    const struct fo_state *s = r->s;
    bool smallest = fo_rule_on(s, FO_RULE_SMALLEST_FENCE);
    int64_t limit = smallest ? s->lease.fence_limit : s->terms.fence_limit;
    if (s->lease.paused)
        return r->now + limit;
    if (stops_cleanly(r, reason, limit))
        return clean_limit(r, limit);
    return fo_min(r->now, s->lease.deadline + FO_LATENESS) + limit;
}

/* "Starting a fence ends that epoch's heartbeats" (6); the deadline runs on. */
void fo_lease_end(struct fo_run *r, enum hb_reason reason)
{
    struct fo_state *s = r->s;
    int64_t limit = stop_limit(r, reason);
    if (s->lease.paused)
        s->lease.deadline = r->now; /* as long as it was paused it had none */
    fo_handover_over(r);
    s->lease.held = false;
    s->lease.ended = true;
    s->lease.paused = false;
    s->lease_try.kind = FO_TRY_NONE;
    s->failures = 0;
    s->successes = 0; /* "leads again only ... after success_threshold successes" (3) */
    s->heartbeat_due = r->now;
    s->idle_since = r->now;
    s->release_reason = reason;
    fo_role_set(r, is_voluntary(reason) ? HB_ROLE_DEMOTING : HB_ROLE_FENCING, reason);
    if (s->stopped) {
        fo_guard_disarm(r);
        fo_release_or_wait(r);
        return;
    }
    fo_workload_stop(r, s->lease.epoch, limit);
    if (!fo_rule_on(s, FO_RULE_RELEASE_VERIFIED))
        fo_release_or_wait(r);
}
