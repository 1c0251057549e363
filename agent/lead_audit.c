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

static void record_answered(void *data, const struct bus_put_result *result)
{
    struct record_sent *s = data;
    if (lead_call_ended(s->lead)) {
        s->record->being_sent = false;
        if (result->outcome == BUS_PUT_STORED || result->outcome == BUS_PUT_DUPLICATE) {
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
            .expect_revision = BUS_ANY_REVISION,
            .timeout_ms = TIMEOUT_MS,
        };
        r->being_sent = true;
        l->calls++;
        bus_put(l->options.bus, &put, record_answered, s);
    }
}

/* `text` is taken. The oldest unsent one gives way when all slots are full: it is evidence, not
 * state. */
static void add_record(struct lead *l, const char *name, char *text)
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
    lead_send_records(l);
}

void lead_write_incident(struct lead *l, const struct fo_effect *effect)
{
    const struct fo_incident *incident = effect->incident.incident;
    char name[40];
    snprintf(name, sizeof name, "incident.%" PRIu64, incident->epoch);
    add_record(l, name, lead_incident_text(incident, hm_boottime_ns(), hm_wall_ns()));
}

void lead_write_audit(struct lead *l, const struct fo_effect *effect)
{
    add_record(l, "cluster_state",
               lead_cluster_state_text(&l->core.site, effect->audit.epoch, effect->audit.reason,
                                       hm_wall_ns()));
}

void lead_free_records(struct lead *l)
{
    for (unsigned i = 0; i < LEAD_RECORDS_MAX; i++)
        free(l->store.records[i].text);
}
