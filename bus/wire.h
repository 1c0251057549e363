/*
 * The wire: one connection to NATS and the threads around it. All of libnats is behind this header
 * (and natsMsg, which is only data).
 *
 * A thread of its own connects, publishes, subscribes and reconnects, because each of these can
 * block in libnats: it holds the connection's lock while it resolves names, connects and writes.
 * libnats's own reconnect is off: a new connection is a new inbox and an empty buffer, so nothing
 * written before is ever sent after. libnats's callbacks and this thread put events on a locked
 * queue and call uv_async_send() under that lock.
 *
 * Thread: the loop's, for every function here.
 */
#ifndef HM_BUS_WIRE_H
#define HM_BUS_WIRE_H

#include <nats/nats.h>
#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

#include "base/error.h"
#include "bus/bus.h"

struct wire;

enum wire_event_kind {
    WIRE_MESSAGE, /* `message`, for the inbox (`subscription` 0) or a subscription */
    WIRE_CONNECTED, /* `inbox`, `version`, `max_payload`, and `session`, which numbers the connections */
    WIRE_VERSION, /* `version`, which was not known at WIRE_CONNECTED */
    WIRE_DISCONNECTED,
    WIRE_NOT_CONNECTED, /* an attempt failed: `text` */
    WIRE_NOT_SENT,      /* the publish with `id` failed: `code`, `text` */
    WIRE_COMPLAINT,     /* the server refused something asynchronously: `text` (permissions) */
    WIRE_FINISHED,      /* after wire_stop(): the thread is about to end; call wire_free() */
};

enum { WIRE_INBOX_MAX = 64, WIRE_TEXT_MAX = 256 };

struct wire_event {
    struct wire_event *next;
    enum wire_event_kind kind;
    natsMsg *message; /* owned by the event */
    uint64_t subscription, session, id;
    int64_t arrived_ns; /* BOOTTIME */
    enum hm_code code;
    int version[3];
    int64_t max_payload; /* bytes that the server takes in one message */
    char *inbox;         /* "_INBOX.x", likewise owned */
    char *text;
};
void wire_event_free(struct wire_event *event);

/* Starts the thread; `wake` is sent after every event and must stay open until WIRE_FINISHED. */
int wire_start(const struct bus_options *options, uv_async_t *wake, struct wire **ret,
               struct hm_error *err);

/* All events so far, the oldest first; the caller frees each. */
struct wire_event *wire_take(struct wire *wire);

/*
 * Queue `message` (taken over in every case) for publishing. It is thrown away unsent if the
 * connection is not number `session` any more or `not_after_ns` (BOOTTIME) has passed when its turn
 * comes. `id` comes back in WIRE_NOT_SENT. Fails with HM_E_BUSY when too much is waiting.
 */
int wire_publish(struct wire *wire, natsMsg *message, uint64_t id, uint64_t session,
                 int64_t not_after_ns, struct hm_error *err);

/* A subscription lives across connections, until it is taken back. `id` is not 0. */
void wire_subscribe(struct wire *wire, uint64_t id, const char *subject);
void wire_unsubscribe(struct wire *wire, uint64_t id);

/* For the connections to come (bus_set_ping()). */
void wire_set_ping(struct wire *wire, int64_t interval_ms);

/* Close connection number `session`, if it is still that one and another server is known, which is then
 * tried first. */
void wire_give_up(struct wire *wire, uint64_t session);

void wire_stop(struct wire *wire); /* what is queued is still sent, then WIRE_FINISHED comes */
void wire_free(struct wire *wire); /* only after WIRE_FINISHED */

#endif
