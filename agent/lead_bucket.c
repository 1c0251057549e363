/*
 * The driver's side towards the bucket itself, and the server: may they carry a lease, is it the bucket
 * that was seen before, and has it lost what was seen of it? (docs/failover/store.md)
 *
 * Asked at every connection, whenever the watch is made anew, and whenever a read or write finds nothing.
 */
#include <stdlib.h>

#include "agent/lead_check.h"
#include "agent/lead_internal.h"
#include "base/alloc.h"
#include "base/log.h"

enum { CHECK_TIMEOUT_MS = 5000 };

/* -- What is weaker than it should be ------------------------------------------ */

static void take_warnings(struct lead *l, json_t *warnings)
{
    size_t i;
    json_t *text;
    if (json_equal(warnings, l->store.warnings)) {
        json_decref(warnings);
        return;
    }
    json_array_foreach(warnings, i, text)
        hm_log(HM_LOG_WARN, LEAD_LOG, "%s", json_string_value(text));
    json_decref(l->store.warnings);
    l->store.warnings = warnings;
    lead_status_changed(l);
}

bool lead_server_may_carry_a_lease(struct lead *l)
{
    int version[3];
    bus_server_version(l->options.bus, version);
    if (lead_check_server(version, &l->store.server) < 0) {
        hm_log(HM_LOG_ERROR, LEAD_LOG, "%s", l->store.server.text);
        lead_status_changed(l);
        return false;
    }
    l->store.server = (struct hm_error){0};
    return true;
}

/* -- Whether it is what it was ---------------------------------------------------- */

/* What the numbers on this disk belong to from now on. */
static void note_bucket(struct lead *l, const struct bus_bucket *bucket, uint64_t at_least)
{
    struct marks *m = &l->memory.marks;
    bool other = m->bucket_created_ns != bucket->created_ns;
    if (!other && bucket->last_revision >= at_least)
        return;
    if (other)
        lead_request_forget_before(l, bucket->created_ns);
    m->bucket_created_ns = bucket->created_ns;
    m->revision = bucket->last_revision;
    lead_save_marks(l);
}

static void tell_core(struct lead *l, const struct bus_bucket *bucket, uint64_t at_least)
{
    struct fo_event event = {.type = FO_EV_STORE};
    event.store.exists = bucket->exists;
    event.store.identity = (uint64_t)bucket->created_ns;
    event.store.last_revision = bucket->last_revision;
    event.store.at_least = at_least;
    lead_event(l, &event);
}

struct looked {
    struct lead *lead;
    uint64_t at_least; /* the highest revision that was known when it was asked */
};

static void look(struct lead *l, const struct bus_bucket *bucket, uint64_t at_least)
{
    json_t *warnings = json_array();
    lead_check_bucket(bucket, warnings);
    l->store.replicated = bucket->replicas > 1;
    if (bucket->exists)
        note_bucket(l, bucket, at_least);
    take_warnings(l, warnings);
    tell_core(l, bucket, at_least);
}

static void bucket_told(void *data, const struct bus_bucket *bucket, const struct hm_error *err)
{
    static const struct bus_bucket absent = {0};
    struct looked *asked = data;
    struct lead *l = asked->lead;
    if (lead_call_ended(l)) {
        l->store.checking = false;
        if (err && err->code != HM_E_NOT_FOUND)
            hm_log(HM_LOG_DEBUG, LEAD_LOG, "%s could not be checked: %s", LEAD_BUCKET, err->text);
        else
            look(l, err ? &absent : bucket, asked->at_least);
    }
    free(asked);
}

void lead_check_store(struct lead *l)
{
    if (l->store.checking || !l->connected)
        return;
    struct looked *asked = hm_alloc(sizeof *asked);
    *asked = (struct looked){l, l->memory.marks.revision};
    l->store.checking = true;
    l->calls++;
    bus_bucket_info(l->options.bus, LEAD_BUCKET, CHECK_TIMEOUT_MS, bucket_told, asked);
}
