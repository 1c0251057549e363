/*
 * What a watch's consumer delivers: entries, idle heartbeats and flow control, checked for gaps.
 * Messages wait in a backlog per watch and are handed out in turns of bounded length, so that ten
 * thousand documents don't keep the loop from a heartbeat.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "bus/jetstream.h"
#include "bus/names.h"
#include "bus/watch.h"
#include "proto/text.h"

enum { TURN_MS = 4, SLICE = 32 };

/* -- Taking ----------------------------------------------------------------------------------- */

bool watch_take(struct bus *bus, struct wire_event *event)
{
    struct bus_watch *watch = bus->watches;
    while (watch && (watch->id != event->subscription || !watch->consumer[0]))
        watch = watch->next;
    if (!watch)
        return false;
    watch->heard_ns = event->arrived_ns;
    *watch->backlog_end = event;
    watch->backlog_end = &event->next;
    return true;
}

/* -- Handing out ------------------------------------------------------------------------------ */

static const char *header(natsMsg *message, const char *name)
{
    const char *value = NULL;
    return natsMsgHeader_Get(message, name, &value) == NATS_OK ? value : NULL;
}

static void break_for_gap(struct bus_watch *watch, uint64_t seen)
{
    struct hm_error err;
    hm_fail(&err, HM_E_NATS,
            "watch %s: a gap: message %" PRIu64 " after %" PRIu64 "; making it anew",
            watch->options.bucket, seen, watch->delivered);
    watch_break(watch, &err);
}

/* "$KV.<bucket>.<key>" -> "<key>", or NULL. */
static const char *key_of(const struct bus_watch *watch, const char *subject)
{
    HM_AUTOFREE char *prefix = hm_printf("$KV.%s.", watch->options.bucket);
    size_t len = strlen(prefix);
    return !strncmp(subject, prefix, len) && subject[len] ? subject + len : NULL;
}

static bool give_entry(struct bus_watch *watch, natsMsg *message,
                       const struct bus_delivery *delivery)
{
    const char *key = key_of(watch, natsMsg_GetSubject(message));
    if (!key || !watch->options.on_entry)
        return true; /* not of this bucket: nobody asked for it */
    const char *value = natsMsg_GetData(message);
    struct bus_entry entry = {.bucket = watch->options.bucket,
                              .key = key,
                              .value = value ? value : "",
                              .len = (size_t)natsMsg_GetDataLength(message),
                              .revision = delivery->stream_seq,
                              .stamp_ns = delivery->stamp_ns,
                              .deleted = js_is_delete(header(message, "KV-Operation")) ||
                                         header(message, "Nats-Marker-Reason")};
    watch_enter(watch);
    watch->options.on_entry(watch->options.data, &entry);
    return watch_leave(watch);
}

static void hand_out_entry(struct bus_watch *watch, natsMsg *message)
{
    struct bus_delivery delivery;
    uint64_t id = watch->id;
    if (!bus_parse_delivery(natsMsg_GetReply(message), &delivery))
        return; /* it was parsed when it was taken */
    if (delivery.consumer_seq != watch->delivered + 1) {
        break_for_gap(watch, delivery.consumer_seq);
        return;
    }
    watch->delivered++;
    if (!give_entry(watch, message, &delivery) || watch->id != id || !watch->consumer[0])
        return;
    bool all = watch->state == WATCH_RUNNING && watch->delivered >= watch->expected;
    if (delivery.pending == 0 || all)
        watch_become_ready(watch);
}

static void answer_flow_control(const struct bus_watch *watch, const char *subject)
{
    if (bus_check_subject(subject, NULL) == 0)
        bus_publish_soon(watch->bus, subject, "", 0);
}

/* It is sent when there is nothing to deliver, or when flow control holds the consumer up. */
static void hand_out_heartbeat(struct bus_watch *watch, natsMsg *message)
{
    const char *last = header(message, "Nats-Last-Consumer");
    const char *stalled = header(message, "Nats-Consumer-Stalled");
    uint64_t sequence = last ? strtoull(last, NULL, 10) : watch->delivered;
    if (sequence != watch->delivered)
        break_for_gap(watch, sequence);
    else if (stalled)
        answer_flow_control(watch, stalled);
    else if (watch->state == WATCH_RUNNING)
        watch_become_ready(watch);
}

static void hand_out_status(struct bus_watch *watch, natsMsg *message, const char *status)
{
    const char *reply = natsMsg_GetReply(message);
    if (strcmp(status, "100") != 0) {
        const char *text = header(message, "Description");
        char cited[TEXT_QUOTE_MAX];
        struct hm_error err;
        text_quote(text ? text : status, cited);
        hm_fail(&err, HM_E_NATS, "watch %s: the server ended it: %s", watch->options.bucket, cited);
        watch_break(watch, &err);
    } else if (reply) {
        answer_flow_control(watch, reply);
    } else {
        hand_out_heartbeat(watch, message);
    }
}

static void hand_out_one(struct bus_watch *watch)
{
    struct wire_event *event = watch->backlog;
    watch->backlog = event->next;
    if (!watch->backlog)
        watch->backlog_end = &watch->backlog;
    const char *status = header(event->message, "Status");
    if (status)
        hand_out_status(watch, event->message, status);
    else if (natsMsg_GetReply(event->message))
        hand_out_entry(watch, event->message);
    wire_event_free(event);
}

static void hand_out_slice(struct bus_watch *watch, int64_t until_ns)
{
    watch->bus->watch_turn = watch->next;
    watch_enter(watch);
    for (int i = 0; i < SLICE && watch->backlog && hm_boottime_ns() < until_ns; i++)
        hand_out_one(watch);
    watch_leave(watch);
}

static bool has_backlog(const struct bus *bus)
{
    const struct bus_watch *watch = bus->watches;
    while (watch && !watch->backlog)
        watch = watch->next;
    return watch != NULL;
}

bool watch_hand_out(struct bus *bus)
{
    int64_t until_ns = hm_boottime_ns() + TURN_MS * HM_MS;
    while (has_backlog(bus) && hm_boottime_ns() < until_ns)
        hand_out_slice(bus->watch_turn ? bus->watch_turn : bus->watches, until_ns);
    return has_backlog(bus);
}
