/* The driver's side towards the bucket harmony_failover: watch, sends, reads, configuration,
 * checks. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/lead_check.h"
#include "agent/lead_internal.h"
#include "base/alloc.h"
#include "base/clock.h"
#include "base/log.h"

#define KEY_LEASE   "primary_heartbeat"
#define KEY_REPLICA "replica_heartbeat."

static int64_t whole_ms(int64_t ns)
{
    int64_t ms = (ns + HM_MS - 1) / HM_MS;
    return ms > 0 ? ms : 1;
}

/* -- Sends and reads ---------------------------------------------------------- */

struct sent {
    struct lead *lead;
    enum fo_key key;
    uint64_t counter;
    unsigned send;
};

static const enum fo_write_outcome outcomes[] = {
    [BUS_PUT_STORED] = FO_WRITE_STORED,     [BUS_PUT_DUPLICATE] = FO_WRITE_DUPLICATE,
    [BUS_PUT_CONFLICT] = FO_WRITE_CONFLICT, [BUS_PUT_REFUSED] = FO_WRITE_REFUSED,
    [BUS_PUT_UNKNOWN] = FO_WRITE_UNKNOWN,
};

static void trace_answer(const struct sent *s, const struct bus_put_result *result)
{
    if (result->error.code)
        hm_log(HM_LOG_TRACE, LEAD_LOG, "heartbeat %" PRIu64 ".%u: %s", s->counter, s->send,
               result->error.text);
    else
        hm_log(HM_LOG_TRACE, LEAD_LOG, "heartbeat %" PRIu64 ".%u: revision %" PRIu64, s->counter,
               s->send, result->revision);
}

static bool is_unanswered(const struct bus_put_result *result)
{
    return result->error.code == HM_E_TIMEOUT ||
           (result->outcome == BUS_PUT_REFUSED && result->error.code == HM_E_NOT_FOUND);
}

static void send_answered(void *data, const struct bus_put_result *result)
{
    struct sent *s = data;
    struct lead *l = s->lead;
    if (lead_call_ended(l)) {
        struct fo_event event = {.type = FO_EV_WRITE};
        event.write.key = s->key;
        event.write.counter = s->counter;
        event.write.send = s->send;
        event.write.outcome = outcomes[result->outcome];
        event.write.revision = result->revision;
        event.write.err_code = result->err_code;
        trace_answer(s, result);
        if (lead_leaves_server(&l->store.unanswered_since, !is_unanswered(result),
                               hm_boottime_ns()))
            bus_try_another_server(l->options.bus);
        if (s->key == FO_KEY_LEASE && result->outcome == BUS_PUT_STORED)
            lead_account_acked(l, s->counter);
        if (result->outcome != BUS_PUT_STORED && result->error.code == HM_E_NOT_FOUND)
            lead_check_store(l); /* nobody takes writes for this bucket */
        lead_event(l, &event);
    }
    free(s);
}

/* The wall clock of the attempt's first send, so that each send renders the same record. */
static int64_t timestamp_of(struct lead *l, enum fo_key key, uint64_t counter)
{
    if (l->store.sent[key].counter != counter) {
        l->store.sent[key].counter = counter;
        l->store.sent[key].timestamp_ms = hm_wall_ns() / HM_MS;
    }
    return l->store.sent[key].timestamp_ms;
}

static void key_of(const struct lead *l, enum fo_key key, char out[LEAD_KEY_MAX + 1])
{
    char name[sizeof KEY_REPLICA + HB_SITE_MAX];
    snprintf(name, sizeof name, "%s%s", key == FO_KEY_LEASE ? KEY_LEASE : KEY_REPLICA,
             key == FO_KEY_LEASE ? "" : l->core.site.text);
    lead_key(l->options.config->failover.group, name, out);
}

void lead_send(struct lead *l, const struct fo_effect *effect)
{
    char key[LEAD_KEY_MAX + 1], text[HB_TEXT_MAX], id[LEAD_MESSAGE_ID_MAX];
    struct heartbeat record = *effect->send.record;
    record.timestamp_ms = timestamp_of(l, effect->send.key, effect->send.counter);
    key_of(l, effect->send.key, key);
    lead_message_id(&record, &l->core.site, id);
    struct bus_put put = {
        .bucket = LEAD_BUCKET,
        .key = key,
        .value = text,
        .len = heartbeat_render(&record, effect->send.key == FO_KEY_LEASE, text),
        .expect_revision = effect->send.expect_revision == FO_ANY_REVISION
                               ? BUS_ANY_REVISION
                               : effect->send.expect_revision,
        .msg_id = id,
        .timeout_ms = whole_ms(effect->send.timeout_ns),
    };
    struct sent *s = hm_alloc(sizeof *s);
    *s = (struct sent){l, effect->send.key, effect->send.counter, effect->send.send};
    hm_log(HM_LOG_TRACE, LEAD_LOG, "heartbeat %" PRIu64 ".%u: %s expects %" PRId64 ": %s",
           s->counter, s->send, key, put.expect_revision, text);
    if (s->key == FO_KEY_LEASE)
        lead_account_sent(l, s->counter);
    l->calls++;
    bus_put(l->options.bus, &put, send_answered, s);
}

struct asked {
    struct lead *lead;
    uint32_t request;
};

/* The lease record of an entry, or NULL (and a sentence in the log) when it can't be parsed. */
static const struct heartbeat *parse_lease(const struct bus_entry *entry, struct heartbeat *into)
{
    struct hm_error why;
    if (!entry->deleted && heartbeat_parse(entry->value, entry->len, true, into, &why) >= 0)
        return into;
    hm_log(HM_LOG_WARN, LEAD_LOG,
           "%s rev %" PRIu64 ": %s; its writer may serve for as long as is "
           "allowed",
           entry->key, entry->revision, entry->deleted ? "a delete marker" : why.text);
    return NULL;
}

static void read_answered(void *data, const struct bus_entry *entry, const struct hm_error *err)
{
    struct asked *a = data;
    struct lead *l = a->lead;
    if (lead_call_ended(l)) {
        struct heartbeat record;
        struct fo_event event = {.type = FO_EV_READ};
        event.read.request = a->request;
        event.read.outcome = entry                         ? FO_READ_FOUND
                             : err->code == HM_E_NOT_FOUND ? FO_READ_MISSING
                                                           : FO_READ_FAILED;
        if (entry) {
            event.read.record = parse_lease(entry, &record);
            event.read.revision = entry->revision;
            event.read.stamp_ns = entry->stamp_ns;
        }
        if (!entry || entry->revision < l->core.known.revision)
            lead_check_store(l);
        lead_event(l, &event);
    }
    free(a);
}

void lead_read(struct lead *l, const struct fo_effect *effect)
{
    char key[LEAD_KEY_MAX + 1];
    key_of(l, FO_KEY_LEASE, key);
    struct asked *a = hm_alloc(sizeof *a);
    *a = (struct asked){l, effect->read.request};
    l->calls++;
    bus_get(l->options.bus, LEAD_BUCKET, key, whole_ms(effect->read.timeout_ns), read_answered, a);
}

/* -- The watch ---------------------------------------------------------------- */

static void entry_event(struct lead *l, enum fo_event_type type, const struct heartbeat *record,
                        const struct bus_entry *entry)
{
    struct fo_event event = {.type = type};
    event.entry.record = record;
    event.entry.revision = entry->revision;
    event.entry.stamp_ns = entry->stamp_ns;
    lead_event(l, &event);
}

static void lease_changed(struct lead *l, const struct bus_entry *entry)
{
    struct heartbeat into;
    const struct heartbeat *record = parse_lease(entry, &into);
    if (record)
        lead_account_heard_back(l, record);
    entry_event(l, FO_EV_LEASE, record, entry);
}

/* A heartbeat under another site's key is nobody's, and so is one that can't be parsed. */
static void site_heard(struct lead *l, const char *site, const struct bus_entry *entry)
{
    struct heartbeat record;
    struct hm_error why;
    if (entry->deleted)
        return;
    if (heartbeat_parse(entry->value, entry->len, false, &record, &why) < 0) {
        hm_log(HM_LOG_DEBUG, LEAD_LOG, "%s rev %" PRIu64 " is not counted: %s", entry->key,
               entry->revision, why.text);
        return;
    }
    if (strcmp(record.site.text, site) != 0) {
        hm_log(HM_LOG_DEBUG, LEAD_LOG, "%s rev %" PRIu64 " is not counted: it is of site \"%s\"",
               entry->key, entry->revision, record.site.text);
        return;
    }
    bool own = hb_site_equal(&record.site, &l->core.site);
    entry_event(l, own ? FO_EV_ECHO : FO_EV_PEER, &record, entry);
}

static void on_entry(void *data, const struct bus_entry *entry)
{
    struct lead *l = data;
    const char *name = lead_key_name(l->options.config->failover.group, entry->key);
    if (!name)
        return;
    if (entry->revision > l->memory.marks.revision)
        l->memory.marks.revision = entry->revision;
    if (!strcmp(name, KEY_LEASE))
        lease_changed(l, entry);
    else if (!strcmp(name, LEAD_KEY_CONFIG))
        lead_config_changed(l, entry);
    else if (!strcmp(name, FAILOVER_REQUEST_KEY))
        lead_request_changed(l, entry);
    else if (!strncmp(name, KEY_REPLICA, strlen(KEY_REPLICA)))
        site_heard(l, name + strlen(KEY_REPLICA), entry);
}

static void on_ready(void *data)
{
    struct lead *l = data;
    hm_log(HM_LOG_DEBUG, LEAD_LOG, "the watch of %s works", LEAD_BUCKET);
    l->store.broken = (struct hm_error){0};
    l->request.live = true;
    lead_check_store(l);
    lead_status_changed(l);
}

static void on_broken(void *data, const struct hm_error *why)
{
    struct lead *l = data;
    hm_log(HM_LOG_DEBUG, LEAD_LOG, "the watch of %s is made anew: %s", LEAD_BUCKET, why->text);
    l->store.broken = *why;
    l->request.live = false;
    if (why->code == HM_E_NOT_FOUND)
        lead_check_store(l);
    lead_status_changed(l);
}

static void start_watch(struct lead *l)
{
    char filter[LEAD_KEY_MAX + 1];
    lead_key_filter(l->options.config->failover.group, filter);
    struct bus_watch_options options = {
        .bucket = LEAD_BUCKET,
        .filter = filter,
        .on_entry = on_entry,
        .on_ready = on_ready,
        .on_broken = on_broken,
        .data = l,
    };
    l->store.watch = bus_watch_start(l->options.bus, &options);
}

void lead_restart_watch(struct lead *l, const struct fo_effect *effect)
{
    (void)effect;
    l->request.live = false;
    if (l->store.watch)
        bus_watch_restart(l->store.watch);
}

/* -- Connection --------------------------------------------------------------- */

void lead_store_connect(struct lead *l)
{
    if (!lead_server_may_carry_a_lease(l))
        return;
    l->connected = true;
    lead_event(l, &(struct fo_event){.type = FO_EV_CONNECTED});
    if (!l->store.watch)
        start_watch(l);
    lead_check_store(l);
    lead_send_records(l);
}

void lead_store_disconnect(struct lead *l)
{
    if (!l->connected)
        return;
    l->connected = false;
    lead_event(l, &(struct fo_event){.type = FO_EV_DISCONNECTED});
}

void lead_store_free(struct lead *l)
{
    bus_watch_stop(l->store.watch);
    json_decref(l->store.warnings);
    lead_free_records(l);
}
