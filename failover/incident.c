/* What was seen of the old leader, kept for incident.<epoch>. (docs/failover section 3) */
#include "failover/core.h"

void fo_seen_push(struct fo_run *r, const struct heartbeat *record, uint64_t revision,
                  int64_t stamp)
{
    struct fo_state *s = r->s;
    s->seen[s->seen_count++ % FO_INCIDENT_MAX] = (struct fo_seen){
        .revision = revision,
        .counter = record->counter,
        .epoch = record->epoch,
        .stamp = stamp,
        .arrival = r->now,
        .rtt_us = record->rtt_us,
        .failures = record->failures,
        .successes = record->successes,
        .status = record->status,
        .site = record->site,
    };
}

static void copy_seen(const struct fo_state *s, struct fo_incident *incident)
{
    unsigned count = s->seen_count < FO_INCIDENT_MAX ? s->seen_count : FO_INCIDENT_MAX;
    incident->count = count;
    for (unsigned i = 0; i < count; i++)
        incident->seen[i] = s->seen[(s->seen_count - count + i) % FO_INCIDENT_MAX];
}

/* Taken when the claim is decided, written when it has succeeded. */
void fo_incident_prepare(struct fo_run *r, enum hb_reason reason)
{
    struct fo_state *s = r->s;
    struct fo_incident *incident = &s->incident;
    const struct heartbeat *last = s->known.readable ? &s->known.record : NULL;
    bool released = last && last->status == HB_RELEASED;
    memset(&incident->from, 0, sizeof(incident->from));
    if (last)
        incident->from = last->site;
    incident->to = s->site;
    incident->from_epoch = last ? last->epoch : 0;
    incident->reason = reason;
    incident->ended = released ? last->reason : HB_REASON_NONE;
    incident->silence = r->now - s->silence_since;
    incident->needed = s->known.needed;
    incident->echo_age = r->now - s->echo.arrival;
    copy_seen(s, incident);
}
