/*
 * Operations: what can be asked of a site's agent beside documents (docs/operations.md).
 *
 * One table (proto/operations.c) says what there is; the agent's parser, harmonyctl, its help and the
 * reference page are made from it. An operation is asked for on `harmony.op.<site>.<operation>`, so
 * that NATS permissions can tell one from another; what belongs to one that is under way goes to
 * `harmony.op.<site>.<operation>.<session>`. Adding one is a row in the table, and a row in the
 * driver's own (vmm/driver.h) or in agent/ops_table.c. Everything here is hostile until verified.
 * Pure; no logging; any thread.
 */
#ifndef HM_PROTO_OPERATION_H
#define HM_PROTO_OPERATION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <jansson.h>

#include "base/error.h"
#include "proto/doc.h"
#include "proto/field.h"

struct operation {
    const char *name; /* the last word of its subject */
    const char *const
        *kinds; /* what it is done to, NULL-terminated; NULL: the site, no kind and name */
    const struct field *args;
    bool changes; /* it acts on the thing: never beside another verb, or another one of these */
    bool
        streams; /* bytes come back (and go there), under flow control, until either side ends it */
    int64_t
        deadline_ms;  /* for its result, unless asked otherwise; of a stream: for its beginning */
    const char *help; /* one line */
};

extern const struct operation *const operations[]; /* NULL-terminated */

/* Fails with a sentence that names the nearest operation and all of them. */
int operation_find(const char *name, const struct operation **ret, struct hm_error *err);
/* May it be done to things of this kind? */
bool operation_takes(const struct operation *op, const char *kind);

enum {
    OPERATION_MAX_BYTES = 64 * 1024,
    OPERATION_BY_MAX = 64,
    OPERATION_DEADLINE_MAX_MS = 3600 * 1000,
    OPERATION_CREDIT = 256 * 1024,      /* of a stream, unless asked otherwise; bytes */
    OPERATION_CREDIT_MAX = 1024 * 1024, /* that one receiver can have on its way */
    OPERATION_PING_MS = 2000,           /* who asked shows that often that it is there, */
    OPERATION_SILENCE_MS = 15000,       /* and a stream ends after so long without */
    OPERATION_SESSION_MAX = 33,         /* 32 hex digits */
    OPERATION_FRAME_MAX = 16 * 1024,    /* bytes of a stream in one message */
};

/* A request, verified: {"kind", "name", "args", "deadline", "by", "credit"}. */
struct operation_request {
    const struct operation *op;
    char kind[DOC_NAME_MAX + 1], name[DOC_NAME_MAX + 1]; /* "" where it is about the site */
    json_t *args;                  /* in normal form; a reference of its own */
    int64_t deadline_ms;           /* from when it was received */
    int64_t credit;                /* streams: how many bytes may be sent at first */
    char by[OPERATION_BY_MAX + 1]; /* who asks, as they say; "" unknown */
};
/* On failure *ret is untouched. */
int operation_parse(const struct operation *op, const void *payload, size_t len,
                    struct operation_request *ret, struct hm_error *err);
void operation_request_clear(struct operation_request *request);

/* The same for who asks, before it is sent: `args` verified against the table. A new reference. */
int operation_verify_args(const struct operation *op, const json_t *args, json_t **ret,
                          struct hm_error *err);

/* "harmony.op.<site>.<operation>[.<session>]": the caller frees it. `session` may be NULL. */
char *operation_subject(const char *site, const char *operation, const char *session);
/* The words after "harmony.op.<site>.": `session` is "" when there is none. False: not such a subject. */
bool operation_split(const char *subject, const char *site, char operation[DOC_NAME_MAX + 1],
                     char session[OPERATION_SESSION_MAX]);

/*
 * Messages of a stream. One that begins with '{' is JSON: from the agent {"accepted": {"session"}},
 * {"begun": {}}, {"progress": {"percent", "text"}}, {"result": {...}} or {"error": {"code", "text"}}; to
 * the agent {"credit": N} (the end of what may be sent, counted from the beginning), {"close": true},
 * {} (I am there). Any other is bytes: "=<offset> " and the bytes, offset counting those before it.
 */
enum operation_frame_kind { FRAME_BYTES, FRAME_JSON };
struct operation_frame {
    enum operation_frame_kind kind;
    uint64_t offset;  /* FRAME_BYTES */
    const char *data; /* borrowed */
    size_t len;
    json_t *json; /* FRAME_JSON: an object; a new reference, the caller's */
};
int operation_frame_parse(const void *payload, size_t len, struct operation_frame *ret,
                          struct hm_error *err);
/* The caller frees it. */
char *operation_frame_bytes(uint64_t offset, const void *data, size_t len, size_t *ret_len);

#endif
