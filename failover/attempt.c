/*
 * Attempts. Within one, the same message (same id) is sent again every T/4 until it is answered;
 * what is not acknowledged within T has failed. (docs/failover section 4, "Outcomes of a write")
 */
#include "failover/core.h"

static int64_t *sent_at(struct fo_attempt *a, unsigned send)
{
    return &a->sent_ns[(send - 1) % (sizeof(a->sent_ns) / sizeof(a->sent_ns[0]))];
}

static void send_now(struct fo_run *r, struct fo_attempt *a)
{
    bool lease_write = fo_attempt_key(a) == FO_KEY_LEASE;
    if (lease_write && r->s->lease.foreign) {
        a->must_read = true;
        fo_read_now(r);
        return;
    }
    a->sends++;
    *sent_at(a, a->sends) = r->now;
    int64_t quarter = a->terms.period / FO_SENDS_PER_ATTEMPT;
    a->next_send = r->now + quarter;
    fo_emit_send(r, fo_attempt_key(a), a);
}

void fo_attempt_begin(struct fo_run *r, struct fo_attempt *a, enum fo_attempt_kind kind,
                      int64_t expect)
{
    a->kind = kind;
    a->must_read = false;
    a->sends = 0;
    a->adopted_at = 0;
    a->expect = expect;
    a->named = 0;
    a->terms = r->s->terms;
    a->begun = r->now;
    a->give_up = r->now + a->terms.period;
    /* RELEASED has a counter of its own, else the server's de-duplication swallows it. (3) */
    if (kind != FO_TRY_RELEASE || fo_rule_on(r->s, FO_RULE_RELEASE_COUNTER))
        a->record.counter = ++r->s->counter;
    fo_record_fill(r, a);
    if (kind == FO_TRY_HEARTBEAT)
        fo_lease_sending(r, a);
    send_now(r, a);
}

static void failed(struct fo_run *r, struct fo_attempt *a)
{
    enum fo_attempt_kind kind = a->kind;
    a->kind = FO_TRY_NONE;
    if (kind == FO_TRY_CLAIM)
        fo_claim_over(r, HB_REASON_CLAIM_UNKNOWN);
    else if (kind == FO_TRY_RELEASE)
        fo_release_over(r);
    else
        fo_heartbeat_failed(r, kind);
}

void fo_attempt_advance(struct fo_run *r, struct fo_attempt *a)
{
    if (a->kind == FO_TRY_NONE)
        return;
    if (r->now >= a->give_up)
        failed(r, a); /* "An attempt not acknowledged within T is cancelled locally" (1) */
    else if (!a->must_read && r->now >= a->next_send)
        send_now(r, a);
}

int64_t fo_attempt_next(const struct fo_attempt *a)
{
    if (a->kind == FO_TRY_NONE)
        return FO_NEVER;
    return a->must_read ? a->give_up : fo_min(a->give_up, a->next_send);
}

void fo_attempt_resend_now(struct fo_run *r, struct fo_attempt *a)
{
    if (a->kind != FO_TRY_NONE && !a->must_read && r->now < a->give_up)
        send_now(r, a);
}

/* "take its revision and send this attempt again at once, expecting it" (4) */
void fo_attempt_adopt(struct fo_run *r, struct fo_attempt *a, uint64_t revision)
{
    a->must_read = false;
    if (r->now >= a->give_up)
        return;
    if ((int64_t)revision <= a->expect) { /* the rejection was of an earlier expectation */
        a->next_send = r->now + a->terms.period / FO_SENDS_PER_ATTEMPT;
        return;
    }
    a->expect = (int64_t)revision;
    a->adopted_at = a->sends;
    send_now(r, a);
}

static void note_round_trip(struct fo_run *r, struct fo_attempt *a, unsigned send)
{
    if (send == 0 || send > a->sends)
        return;
    r->s->rtt_us = (r->now - *sent_at(a, send)) / 1000;
    r->s->rtt_max_us = fo_max(r->s->rtt_max_us, r->s->rtt_us);
}

/* `fresh`: acknowledged and not a duplicate. */
void fo_attempt_stored(struct fo_run *r, struct fo_attempt *a, uint64_t revision, bool fresh)
{
    enum fo_attempt_kind kind = a->kind;
    fo_echo_owed(r, a->record.counter);
    a->kind = FO_TRY_NONE;
    if (kind == FO_TRY_RELEASE) {
        r->s->lease.revision = revision;
        fo_release_over(r);
    } else if (kind == FO_TRY_REPLICA) {
        fo_heartbeat_counted(r, a);
    } else {
        fo_lease_stored(r, a, revision, fresh);
    }
}

/* A late answer of this epoch "gives a revision", no success. (4) */
static void answered_late(struct fo_run *r, const struct fo_event *event)
{
    struct fo_state *s = r->s;
    struct fo_attempt *a = &s->lease_try;
    bool stored =
        event->write.outcome == FO_WRITE_STORED || event->write.outcome == FO_WRITE_DUPLICATE;
    bool of_this_epoch = (s->lease.held || a->kind == FO_TRY_RELEASE) &&
                         event->write.counter >= s->lease.first_counter;
    if (!stored || !of_this_epoch || event->write.key != FO_KEY_LEASE ||
        event->write.revision <= s->lease.revision)
        return;
    s->lease.revision = event->write.revision;
    bool earlier = event->write.counter != a->record.counter;
    if (earlier && (a->kind == FO_TRY_HEARTBEAT || a->kind == FO_TRY_RELEASE))
        fo_attempt_adopt(r, a, event->write.revision);
}

static void conflicted(struct fo_run *r, struct fo_attempt *a, const struct fo_event *event)
{
    if (event->write.send <= a->adopted_at || a->kind == FO_TRY_REPLICA)
        return;
    if (a->kind == FO_TRY_CLAIM)
        fo_known_number(r, event->write.revision);
    if (event->write.revision > a->named)
        a->named = event->write.revision;
    if (a->must_read)
        return;
    a->must_read = true;
    if (!fo_read_is_under_way(r->s, a->begun))
        fo_read_now(r);
}

static bool answers_current(const struct fo_run *r, const struct fo_attempt *a,
                            const struct fo_event *event)
{
    if (a->kind == FO_TRY_NONE)
        return false;
    if (event->write.counter != a->record.counter)
        return !fo_rule_on(r->s, FO_RULE_OWN_ANSWER) && a->kind == FO_TRY_HEARTBEAT;
    return r->now < a->give_up || !fo_rule_on(r->s, FO_RULE_LATE_IS_FAILURE);
}

void fo_write_answered(struct fo_run *r, const struct fo_event *event)
{
    struct fo_attempt *a = event->write.key == FO_KEY_LEASE ? &r->s->lease_try : &r->s->replica_try;
    if (!answers_current(r, a, event)) {
        answered_late(r, event);
        return;
    }
    switch (event->write.outcome) {
    case FO_WRITE_STORED:
    case FO_WRITE_DUPLICATE:
        note_round_trip(r, a, event->write.send);
        if (event->write.outcome == FO_WRITE_STORED)
            fo_history_acked(r, a);
        fo_attempt_stored(r, a, event->write.revision, event->write.outcome == FO_WRITE_STORED);
        break;
    case FO_WRITE_CONFLICT:
        conflicted(r, a, event);
        break;
    case FO_WRITE_REFUSED:
        if (!fo_rule_on(r->s, FO_RULE_REFUSED_IS_UNKNOWN))
            fo_attempt_stored(r, a, r->s->lease.revision, false);
        break;
    case FO_WRITE_UNKNOWN: /* "a failure after T" */
        break;
    }
}
