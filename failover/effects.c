#include "failover/core.h"

static struct fo_effect *add(struct fo_run *r, enum fo_effect_type type)
{
    static struct fo_effect overflow; /* written to, never read */
    struct fo_effects *out = r->out;
    struct fo_effect *effect = out->count < FO_EFFECTS_MAX ? &out->items[out->count++] : &overflow;
    effect->type = type;
    return effect;
}

void fo_emit_send(struct fo_run *r, enum fo_key key, struct fo_attempt *a)
{
    if (r->out->sends == FO_SENDS_MAX)
        return;
    struct heartbeat *record = &r->out->records[r->out->sends++];
    heartbeat_copy(record, &a->record);
    struct fo_effect *e = add(r, FO_DO_SEND);
    e->send.key = key;
    e->send.record = record;
    e->send.expect_revision = a->expect;
    e->send.counter = a->record.counter;
    e->send.send = a->sends;
    e->send.timeout_ns = a->terms.period;
}

void fo_emit_read(struct fo_run *r)
{
    struct fo_effect *e = add(r, FO_DO_READ);
    e->read.request = r->s->read.request;
    e->read.timeout_ns = r->s->terms.period;
}

void fo_emit_start(struct fo_run *r)
{
    struct fo_effect *e = add(r, FO_DO_START_WORKLOAD);
    e->workload.epoch = r->s->workload_epoch;
    e->workload.deadline_ns = r->s->workload_limit;
    e->workload.reason = r->s->reason;
}

void fo_emit_stop(struct fo_run *r)
{
    struct fo_effect *e = add(r, FO_DO_STOP_WORKLOAD);
    e->workload.epoch = r->s->workload_epoch;
    e->workload.deadline_ns = r->s->workload_limit;
    e->workload.reason = r->s->reason;
}

void fo_emit_plain(struct fo_run *r, enum fo_effect_type type)
{
    add(r, type);
}

/* Own epochs count from the claim on: a claim that was not answered may still be stored. */
void fo_emit_persist(struct fo_run *r)
{
    const struct fo_state *s = r->s;
    struct fo_effect *e = add(r, FO_DO_PERSIST);
    e->persist.seen_epoch = s->lease.epoch > s->seen_epoch ? s->lease.epoch : s->seen_epoch;
    e->persist.seen = s->history.seen;
    e->persist.paused = s->lease.paused;
    e->persist.chosen_epoch = s->chosen_epoch;
    e->persist.unread = s->unread;
}

void fo_emit_consent_ask(struct fo_run *r, const struct hb_site *to, uint64_t nonce,
                         int64_t promise_ms)
{
    struct fo_effect *e = add(r, FO_DO_CONSENT_ASK);
    e->consent.to = *to;
    e->consent.nonce = nonce;
    e->consent.era = (struct hb_era){r->s->lease.generation, r->s->lease.epoch};
    e->consent.promise_ms = promise_ms;
}

void fo_emit_consent_answer(struct fo_run *r, const struct fo_event *request, bool granted,
                            struct hb_era lease)
{
    struct fo_effect *e = add(r, FO_DO_CONSENT_ANSWER);
    e->consent.to = request->request.from;
    e->consent.nonce = request->request.nonce;
    e->consent.era = request->request.era;
    e->consent.granted = granted;
    e->consent.lease = lease;
}

void fo_emit_takeover(struct fo_run *r)
{
    struct fo_effect *e = add(r, FO_DO_INCIDENT);
    e->incident.incident = &r->s->incident;
    e = add(r, FO_DO_AUDIT);
    e->audit.epoch = r->s->lease.epoch;
    e->audit.reason = r->s->lease.reason;
}

void fo_emit_note(struct fo_run *r, enum fo_note note, int64_t value)
{
    struct fo_effect *e = add(r, FO_DO_NOTE);
    e->note.note = note;
    e->note.from = r->s->role;
    e->note.role = r->s->role;
    e->note.reason = r->s->reason;
    e->note.epoch = fo_epoch(r->s);
    e->note.value = value;
}

void fo_emit_role(struct fo_run *r, enum hb_role from)
{
    fo_emit_note(r, FO_NOTE_ROLE, 0);
    if (r->out->count > 0)
        r->out->items[r->out->count - 1].note.from = from;
}
