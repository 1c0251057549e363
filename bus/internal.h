/*
 * What the parts of the bus share: the state of the loop's side, and the call, which is one request
 * with its one answer. Only bus/ includes this.
 *
 * Thread: the loop's.
 */
#ifndef HM_BUS_INTERNAL_H
#define HM_BUS_INTERNAL_H

#include "bus/bus.h"
#include "bus/deadline.h"
#include "bus/wire.h"

/* -- The bus ---------------------------------------------------------------------------------- */

struct bus_call;

struct call_table {
    struct bus_call **slots;
    size_t count, cap;
    size_t *unused; /* stack of free slots */
    size_t unused_count;
    uint64_t serial;
};

struct bus {
    uv_async_t wake;
    uv_timer_t timer;
    int64_t timer_at_ns; /* INT64_MAX: not running */
    int open_handles;

    struct wire *wire;
    void (*on_connected)(void *data);
    void (*on_disconnected)(void *data);
    void (*on_refused)(void *data);
    void *data;

    bool connected;
    bool closing; /* bus_close() was called */
    bool freeing; /* and the wire's thread has ended */
    uint64_t session, serial;
    char inbox[WIRE_INBOX_MAX];
    int version[3];
    int64_t max_payload; /* of the present, or last, connection */
    char last_error[WIRE_TEXT_MAX + 256];
    char complaint[WIRE_TEXT_MAX]; /* what the server refused last, and when */
    int64_t complaint_ns;

    struct deadline_heap deadlines;
    struct call_table calls;
    struct bus_watch *watches;
    struct bus_watch *watch_turn; /* whose backlog is handed out next; NULL: the first one's */
    struct bus_service *services;
    struct bus_incoming *incoming;
    struct bus_talk *talks;
};

/* Wait for the earliest deadline; after every change of the heap. */
void bus_arm_timer(struct bus *bus);
void bus_set_deadline(struct bus *bus, struct deadline *node, int64_t at_ns);

struct bus_header {
    const char *name, *value; /* value NULL: left out */
};
enum {
    BUS_HEADERS_MAX = 4,
    BUS_VALUE_MAX = 512 * 1024, /* of a document or record */
    BUS_PAYLOAD_MAX =
        64 * 1024 * 1024, /* of a request or reply: what a server can be set to take */
};
struct bus_message {
    const char *subject;
    const char *reply; /* or NULL */
    const void *data;
    size_t len;
    struct bus_header headers[BUS_HEADERS_MAX];
};
/* Publish a copy. `id` is that of the call that waits for the answer, or 0. Fails with
 * HM_E_CONNECTION or HM_E_BUSY. */
int bus_publish(struct bus *bus, const struct bus_message *message, uint64_t id,
                int64_t not_after_ns, struct hm_error *err);
/* Publish when nobody waits for an answer and nothing depends on it. */
void bus_publish_soon(struct bus *bus, const char *subject, const void *data, size_t len);

/* -- Calls ------------------------------------------------------------------------------------ */

struct call_answer {
    const char *data; /* NULL on failure */
    size_t len;
    bool no_responders;         /* nobody listens on the subject (a failure) */
    const struct hm_error *err; /* on failure */
};

/* Embedded as the first member of what waits; `answered` is called exactly once, and frees it. */
struct bus_call {
    struct deadline deadline;
    struct bus *bus;
    uint64_t id;
    size_t slot;
    int64_t sent_ns, timeout_ms;
    struct hm_error *failed; /* known before it was sent; told in the loop's next turn */
    char *what;              /* for sentences: "put harmony_failover/primary_heartbeat" */
    void (*answered)(struct bus_call *call, const struct call_answer *answer);
};

/* Send `message` (its reply subject is filled in) and wait. `what` is taken over. With `refused`
 * the call is not sent and ends with that error, in the loop's next turn. */
void call_start(struct bus *bus, struct bus_call *call, char *what,
                const struct bus_message *message, int64_t timeout_ms,
                const struct hm_error *refused);
/* The same for a request to JetStream's API: `body` may be "". */
void call_start_api(struct bus *bus, struct bus_call *call, char *what, const char *subject,
                    const char *body, int64_t timeout_ms, const struct hm_error *refused);
void call_deliver(struct bus *bus, const char *token, natsMsg *message, int64_t arrived_ns);
void call_not_sent(struct bus *bus, uint64_t id, enum hm_code code, const char *why);
/* End every call there is. Calls started meanwhile are left alone. */
void call_fail_all(struct bus *bus, enum hm_code code, const char *why);
void call_table_free(struct call_table *table);

/* -- Watches, talks, services ------------------------------------------------------------------------ */

bool watch_take(struct bus *bus, struct wire_event *event); /* true: it was a watch's, taken over */
/* Hand out what arrived, for a bounded time; true when something is left. */
bool watch_hand_out(struct bus *bus);
void watch_connected(struct bus *bus);
void watch_disconnected(struct bus *bus, const char *why);
void watch_free_all(struct bus *bus);

/* `token` is what follows the inbox in the subject: true when it is a talk's. */
bool talk_deliver(struct bus *bus, const char *token, natsMsg *message);
void talk_not_sent(struct bus *bus, uint64_t id, enum hm_code code, const char *why);
/* The server refused something, in its own words. */
void talk_complaint(struct bus *bus, const char *text);
/* End every talk there is. */
void talk_fail_all(struct bus *bus, enum hm_code code, const char *why);

void service_deliver(struct bus *bus, const struct wire_event *event);
void service_free_all(struct bus *bus);

#endif
