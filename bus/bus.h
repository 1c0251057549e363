/*
 * The bus: NATS with JetStream, seen from the loop, nothing of which ever blocks it.
 *
 * Everything is a message: JetStream is used by its request subjects ($JS.API.>, $KV.>) over one
 * connection, each request with a reply subject and a deadline of its own, so an answer is always
 * tied to the one send that it answers (docs/adr/0003). nats.c's callbacks only
 * queue the message and wake the loop. Nothing is published while disconnected: requests fail at
 * once with HM_E_CONNECTION, so nothing is sent late.
 *
 * Thread: the loop's, except where said. Callbacks run on the loop thread, never from inside the
 * call that started them. Pointers in results are valid during the callback only.
 */
#ifndef HM_BUS_BUS_H
#define HM_BUS_BUS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <uv.h>

#include "base/error.h"

struct bus;

struct bus_options {
    const char *servers;     /* comma-separated URLs */
    const char *name;        /* connection name shown by the server ("harmonyd site-a") */
    const char *credentials; /* .creds file or NULL */
    const char *user, *password, *token;     /* or NULL (harmonyctl contexts) */
    const char *tls_ca, *tls_cert, *tls_key; /* paths or NULL */
    /* First connection and every reconnection; once more for a connection when the server's version
     * becomes known later than it. */
    void (*on_connected)(void *data);
    void (*on_disconnected)(void *data);
    /* No server lets us in; told whenever bus_last_error() has another reason for it. May be NULL. */
    void (*on_refused)(void *data);
    void *data;
};

/* Begins to connect and goes on for ever, with back-off and jitter. Options are copied. Fails only
 * for options that can never work (unreadable credentials, malformed URL). */
int bus_open(uv_loop_t *loop, const struct bus_options *options, struct bus **ret,
             struct hm_error *err);
/* Pending requests end with HM_E_CANCELLED before this returns; watches and services end without a
 * word, and their pointers with them. What was published before is still sent. The loop must then run
 * until its thread has ended (uv_run() with UV_RUN_DEFAULT waits for that: at most a few seconds, while
 * a connection is being tried). NULL is allowed. */
void bus_close(struct bus *bus);
bool bus_is_connected(const struct bus *bus);
/* Ask the server every `interval_ms` whether it is there (2000 if never set; kept within 250 to 2000). One
 * that hangs, or has lost its network, is given up for another one after 2 to 3 of them. Takes effect with
 * the next connection, where `servers` names more than one. */
void bus_set_ping(struct bus *bus, int64_t interval_ms);
/* Give up the connection, and try the other servers first. Nothing where `servers` names only one, or
 * while there is no connection. */
void bus_try_another_server(struct bus *bus);
/* The server's version as numbers (2,10,3); 0,0,0 when not connected, or not known (see on_connected). */
void bus_server_version(const struct bus *bus, int ret_version[3]);
const char *bus_last_error(const struct bus *bus); /* why it is not connected; "" if unknown */

/* -- Key-value -------------------------------------------------------------------------------- */

enum { BUS_ANY_REVISION = -1 }; /* put: no compare-and-swap; 0: the key must not exist */

enum bus_put_outcome {
    BUS_PUT_STORED,    /* acknowledged, not a duplicate: `revision` is ours */
    BUS_PUT_DUPLICATE, /* the server had seen this msg_id: `revision` is of the first one */
    BUS_PUT_CONFLICT,  /* err_code 10071; `revision`: the one the server named, or 0 */
    BUS_PUT_REFUSED, /* not stored, for sure: another error of the server's (err_code), nobody there
                          (HM_E_NOT_FOUND), or never sent (HM_E_INVALID, _TOO_LARGE, _BUSY) */
    BUS_PUT_UNKNOWN, /* no answer in time, or disconnected: may be stored, even later */
};
struct bus_put_result {
    enum bus_put_outcome outcome;
    uint64_t revision;
    int err_code;          /* JetStream's err_code, 0 if none */
    struct hm_error error; /* for every outcome but STORED and DUPLICATE */
};
typedef void (*bus_put_done)(void *data, const struct bus_put_result *result);

struct bus_put {
    const char *bucket, *key;
    const void *value;
    size_t len;
    int64_t expect_revision; /* or BUS_ANY_REVISION */
    const char *msg_id;      /* Nats-Msg-Id, or NULL */
    int64_t timeout_ms;
    bool is_delete; /* a delete marker (KV-Operation: DEL); value is ignored */
};
/* `done` is called exactly once, also when it can't be sent. */
void bus_put(struct bus *bus, const struct bus_put *put, bus_put_done done, void *data);

struct bus_entry {
    const char *bucket, *key;
    const void *value; /* not NUL-terminated */
    size_t len;
    uint64_t revision;
    int64_t stamp_ns; /* JetStream's stamp: the stream leader's wall clock */
    bool deleted;     /* delete or purge marker */
};
/* `entry` is NULL on failure: HM_E_NOT_FOUND (no such key: the bucket answered), or another code. The
 * last entry may be a delete marker. */
typedef void (*bus_get_done)(void *data, const struct bus_entry *entry, const struct hm_error *err);
void bus_get(struct bus *bus, const char *bucket, const char *key, int64_t timeout_ms,
             bus_get_done done, void *data);

/*
 * Watch: the last entry of every key that matches, then every change, in order, without gaps:
 * consumer sequence and idle heartbeats are checked, and a break (gap, silence, reconnect, consumer
 * gone) makes a new consumer, which gives every last entry again. `filter` is a key with wildcards
 * (">").
 */
struct bus_watch;
struct bus_watch_options {
    const char *bucket, *filter;
    bool history;              /* all stored entries, not only the last of each key */
    int64_t idle_heartbeat_ms; /* 0: 5000. Silence for twice as long remakes the watch */
    void (*on_entry)(void *data, const struct bus_entry *entry);
    /* Everything that was stored has been given; after each remake again. */
    void (*on_ready)(void *data);
    /* It is being remade, with back-off; told once for each code until it is ready again.
     * HM_E_CONNECTION; HM_E_NOT_FOUND: there is no such bucket; HM_E_TIMEOUT: silence; ... */
    void (*on_broken)(void *data, const struct hm_error *why);
    void *data;
};
struct bus_watch *bus_watch_start(struct bus *bus, const struct bus_watch_options *options);
void bus_watch_restart(struct bus_watch *watch); /* tear down and make anew, now */
void bus_watch_stop(struct bus_watch *watch);    /* NULL is allowed; no callback after it */
uint64_t bus_watch_remakes(const struct bus_watch *watch); /* how often it was made anew */

/* -- Buckets ---------------------------------------------------------------------------------- */

struct bus_bucket {
    bool exists;
    bool file_storage, deny_purge, allow_rollup, allow_direct, is_mirror;
    int history, replicas;
    int64_t max_age_ns;
    int64_t max_value; /* bytes; -1: no limit */
    uint64_t last_revision, first_revision, messages;
    int64_t created_ns; /* identity: a bucket made anew has another */
    char leader[64];    /* node that leads the stream, or "" */
};
/* `info` is NULL on failure. A bucket that isn't there is no failure: `exists` is false. */
typedef void (*bus_bucket_done)(void *data, const struct bus_bucket *info,
                                const struct hm_error *err);
void bus_bucket_info(struct bus *bus, const char *bucket, int64_t timeout_ms, bus_bucket_done done,
                     void *data);

struct bus_bucket_config {
    const char *bucket;
    int history;
    int replicas;
    bool recorder;     /* purge denied, no rollup, no direct get (harmony_failover) */
    int64_t max_value; /* -1: no limit */
};
/* An existing bucket is left as it is (result: HM_E_CONFLICT if its configuration differs). */
typedef void (*bus_done)(void *data, const struct hm_error *err); /* err NULL: fine */
void bus_bucket_create(struct bus *bus, const struct bus_bucket_config *config, int64_t timeout_ms,
                       bus_done done, void *data);

/* -- Requests --------------------------------------------------------------------------------- */

/* `reply` NULL on failure (HM_E_TIMEOUT, HM_E_CONNECTION, HM_E_NOT_FOUND: nobody listens there). */
typedef void (*bus_reply)(void *data, const void *reply, size_t len, const struct hm_error *err);
void bus_request(struct bus *bus, const char *subject, const void *payload, size_t len,
                 int64_t timeout_ms, bus_reply done, void *data);

/*
 * A talk: one request and any number of answers, in the order in which they were sent, until
 * bus_talk_end(). `on_failed` once, and nothing after it: HM_E_NOT_FOUND (nobody listens there),
 * HM_E_CONNECTION, HM_E_CANCELLED. Silence is not noticed: the caller has a deadline of its own.
 */
struct bus_talk;
struct bus_talk_events {
    void (*on_answer)(void *data, const void *payload, size_t len);
    void (*on_failed)(void *data, const struct hm_error *err);
    void *data;
};
struct bus_talk *bus_talk_begin(struct bus *bus, const char *subject, const void *payload,
                                size_t len, const struct bus_talk_events *events);
void bus_talk_end(struct bus_talk *talk); /* NULL is allowed; no event after it */

struct bus_service;
struct bus_incoming;
/* `request` may be answered now or later, once, by bus_respond(). `subject` is the one that it was
 * sent to, where that of the service has wildcards. */
typedef void (*bus_serve_fn)(void *data, struct bus_incoming *request, const char *subject,
                             const void *payload, size_t len);
struct bus_service *bus_serve(struct bus *bus, const char *subject, bus_serve_fn serve, void *data);
void bus_service_stop(struct bus_service *service);
/* Frees the request. Fails only with HM_E_TOO_LARGE: more than the server takes in one message; then the
 * request is still there, to be answered with less. */
int bus_respond(struct bus_incoming *request, const void *payload, size_t len,
                struct hm_error *err);
/* An answer before that one, for a talk. Keeps the request. */
int bus_respond_more(const struct bus_incoming *request, const void *payload, size_t len,
                     struct hm_error *err);

#endif
