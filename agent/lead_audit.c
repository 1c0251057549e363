/* Records written after the fact, incident.<epoch> and cluster_state: kept until stored. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/lead_internal.h"
#include "base/alloc.h"
#include "base/clock.h"
#include "base/log.h"

enum { TIMEOUT_MS = 5000 };

struct record_sent {
    struct lead *lead;
    struct lead_record *record;
};

/* Of a record that is written only once, one that is there already is as good. */
static bool is_settled(const struct lead_record *r, const struct bus_put_result *result)
{
    return result->outcome == BUS_PUT_STORED || result->outcome == BUS_PUT_DUPLICATE ||
           (r->is_first && result->outcome == BUS_PUT_CONFLICT);
}

static void record_answered(void *data, const struct bus_put_result *result)
{
    struct record_sent *s = data;
    if (lead_call_ended(s->lead)) {
        s->record->being_sent = false;
        if (is_settled(s->record, result)) {
            free(s->record->text);
            s->record->text = NULL;
        } else {
            hm_log(HM_LOG_WARN, LEAD_LOG,
                   "%s was not written: %s; again with the next connection "
                   "or record",
                   s->record->key, result->error.text);
        }
    }
    free(s);
}

void lead_send_records(struct lead *l)
{
    for (unsigned i = 0; i < LEAD_RECORDS_MAX; i++) {
        struct lead_record *r = &l->store.records[i];
        if (!r->text || r->being_sent)
            continue;
        struct record_sent *s = hm_alloc(sizeof *s);
        *s = (struct record_sent){l, r};
        struct bus_put put = {
            .bucket = LEAD_BUCKET,
            .key = r->key,
            .value = r->text,
            .len = strlen(r->text),
            .expect_revision = r->is_first ? 0 : BUS_ANY_REVISION,
            .timeout_ms = TIMEOUT_MS,
        };
        r->being_sent = true;
        l->calls++;
        bus_put(l->options.bus, &put, record_answered, s);
    }
}

/* One that finds no slot is dropped: it is evidence, not state. */
static void add_record(struct lead *l, const char *name, char *text, bool is_first)
{
    struct lead_record *r = NULL;
    for (unsigned i = 0; i < LEAD_RECORDS_MAX && !r; i++)
        if (!l->store.records[i].text)
            r = &l->store.records[i];
    if (!r) {
        hm_log(HM_LOG_WARN, LEAD_LOG, "%s is not written: the store has taken none for long", name);
        free(text);
        return;
    }
    lead_key(l->options.config->failover.group, name, r->key);
    r->text = text;
    r->is_first = is_first;
    lead_send_records(l);
}

void lead_add_record(struct lead *l, const char *name, char *text)
{
    add_record(l, name, text, false);
}

void lead_add_first_record(struct lead *l, const char *name, char *text)
{
    add_record(l, name, text, true);
}

/* Written when the lease is held, and again once the workload serves. */
void lead_tell_incident(struct lead *l, const struct fo_incident *incident)
{
    char name[40];
    snprintf(name, sizeof name, "incident.%" PRIu64, incident->epoch);
    l->account.takeover.interval_ns = l->core.terms.period;
    lead_add_record(
        l, name,
        lead_incident_text(incident, &l->account.takeover, hm_boottime_ns(), hm_wall_ns()));
}

void lead_write_incident(struct lead *l, const struct fo_effect *effect)
{
    lead_tell_incident(l, effect->incident.incident);
}

void lead_write_audit(struct lead *l, const struct fo_effect *effect)
{
    lead_add_record(l, "cluster_state",
                    lead_cluster_state_text(&l->core.site, effect->audit.epoch,
                                            effect->audit.reason, hm_wall_ns()));
}

void lead_free_records(struct lead *l)
{
    for (unsigned i = 0; i < LEAD_RECORDS_MAX; i++)
        free(l->store.records[i].text);
}
