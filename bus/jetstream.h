/*
 * JetStream's JSON: what we send to $JS.API.> and what it answers.
 *
 * Every parser takes bytes from the network and accepts only the shape that the API documents;
 * anything else is an error with a sentence, never a guess. Error codes are the server's own
 * (nats-server server/errors.json). Pure. Thread: any.
 */
#ifndef HM_BUS_JETSTREAM_H
#define HM_BUS_JETSTREAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "bus/bus.h"

enum {
    JS_WRONG_LAST_SEQUENCE = 10071,
    JS_NO_MESSAGE = 10037,
    JS_STREAM_NOT_FOUND = 10059,
    JS_STREAM_EXISTS = 10058, /* with another configuration */
};

/* More than a document of 512 KiB in base64 with its headers is nobody's answer. */
enum { JS_ANSWER_MAX = 2 * 1024 * 1024 };

struct js_error {
    int code;     /* like HTTP's; 0: no error in the answer */
    int err_code; /* JetStream's own */
    char text[256];
};

struct js_ack {
    struct js_error error;
    uint64_t
        revision; /* of the stored message; on a conflict the one that the server named, or 0 */
    bool duplicate;
};
/* Fails when it is not an acknowledgement by the stream of `bucket`. */
int js_parse_ack(const char *bucket, const void *data, size_t len, struct js_ack *ret,
                 struct hm_error *err);

struct js_message {
    struct js_error error;
    char *subject, *value; /* the caller frees both (js_message_free) */
    size_t len;
    uint64_t revision;
    int64_t stamp_ns;
    bool deleted;
};
int js_parse_message(const void *data, size_t len, struct js_message *ret, struct hm_error *err);
void js_message_free(struct js_message *message);

/* `ret->exists` is false for JetStream's "stream not found". */
int js_parse_stream(const void *data, size_t len, struct bus_bucket *ret,
                    struct js_error *ret_error, struct hm_error *err);

struct js_consumer {
    struct js_error error;
    uint64_t pending; /* messages that it will give at once */
};
int js_parse_consumer(const void *data, size_t len, struct js_consumer *ret, struct hm_error *err);

/* Requests. The caller frees the text. */
char *js_get_request(const char *bucket, const char *key);
char *js_create_stream_request(const struct bus_bucket_config *config);
struct js_watch_request {
    const char *bucket, *filter, *consumer, *deliver_to;
    bool history;
    int64_t idle_heartbeat_ms;
};
char *js_create_consumer_request(const struct js_watch_request *watch);

/* A marker that the key is gone: by the value of KV-Operation. */
bool js_is_delete(const char *kv_operation);

#endif
