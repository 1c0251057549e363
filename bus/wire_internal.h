/*
 * What the loop's side of the wire (wire.c) and its thread (wire_thread.c) share. Only these include it.
 *
 * Thread: as said at the members.
 */
#ifndef HM_BUS_WIRE_INTERNAL_H
#define HM_BUS_WIRE_INTERNAL_H

#include "bus/wire.h"

enum { WIRE_MESSAGE_OVERHEAD = 256 }; /* what a queued message costs beside its data, in bytes */

struct outgoing {
    struct outgoing *next;
    natsMsg *message;
    size_t size;
    uint64_t id, session;
    int64_t not_after_ns;
};

struct subscription {
    struct subscription *next;
    struct wire *wire;
    uint64_t id; /* 0: the inbox */
    char *subject;
    bool wanted;
    bool dispatching;         /* libnats's thread may still call on_message() */
    natsSubscription *active; /* wire thread only */
};

struct wire {
    uv_thread_t thread;
    uv_mutex_t lock;
    uv_cond_t changed;
    struct wire *next_living; /* see on_complaint() */

    /* Set once at start. */
    uv_async_t *wake;
    natsOptions *options;
    char *servers; /* for people */
    char *urls;    /* as configured */
    bool tls, several;

    /* Under the lock. */
    struct wire_event *events, **events_end;
    size_t events_bytes;
    struct outgoing *out, **out_end;
    size_t out_bytes, out_count;
    struct subscription *subscriptions;
    bool subscriptions_changed, stopping, closed;
    uint64_t session;
    int64_t ping_ms;
    uint64_t given_up; /* the session that wire_give_up() was asked for last */

    /* The wire thread's own. */
    natsConnection *connection;
    char inbox[WIRE_INBOX_MAX];
    char lost[WIRE_TEXT_MAX]; /* URL of the server of the connection before, "" if unknown */
    unsigned failures;
    int64_t connected_ns;
    int64_t ask_version_ns; /* when to ask again; INT64_MAX: it is known */
    bool pinned; /* a libnats thread may live on that we can't wait for: never free this */
};

struct wire_event *wire_new_event(enum wire_event_kind kind);
/* Takes `event` over. Any thread. */
void wire_post(struct wire *wire, struct wire_event *event);
void wire_post_text(struct wire *wire, enum wire_event_kind kind, char *text);

struct outgoing *wire_next_outgoing(struct wire *wire); /* with the lock held */
void wire_free_outgoing(struct outgoing *one);

/* The thread: connects, serves, reconnects, until wire->stopping. */
void wire_run(void *wire);
int wire_set_callbacks(struct wire *wire, struct hm_error *err);
/* Between these two a late callback of libnats's may find the wire (see on_complaint()). */
void wire_begin_living(struct wire *wire);
void wire_end_living(struct wire *wire);

#endif
