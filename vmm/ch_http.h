/*
 * HTTP to VMMs over their unix sockets: many at once, one call at a time for each.
 *
 * A call has a deadline, counted from when it was given, and a bounded answer. A VMM does one call after
 * the other, so a second one to the same socket waits here, where its deadline can end it, and not in the
 * VMM. After a deadline nobody knows whether the call was carried out: ask the VMM what is so.
 * libcurl's multi interface on the loop of ch_loop.h. Blocks; thread: any but the loop's.
 */
#ifndef HM_VMM_CH_HTTP_H
#define HM_VMM_CH_HTTP_H

#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "vmm/ch_loop.h"

enum {
    CH_BODY_MAX = 51200,      /* what a VMM takes */
    CH_ANSWER_MAX = 4 << 20,  /* what is taken from one */
    CH_SOCKET_PATH_MAX = 107, /* sockaddr_un */
};

struct ch_http;

/* `loop` outlives it. */
struct ch_http *ch_http_new(struct ch_loop *loop);
/* No call is under way. NULL is allowed. */
void ch_http_free(struct ch_http *h);

struct ch_call {
    const char *socket; /* path */
    const char *method; /* GET, PUT */
    const char *name;   /* "vm.info" */
    const char *body;   /* JSON, or NULL */
    int64_t timeout_ms;

    /* Of the answer, once the call has ended: */
    int result; /* 0: answered, whatever it says; HM_E_CONNECTION, HM_E_TIMEOUT, HM_E_TOO_LARGE, HM_E_IO */
    struct hm_error err;
    long status;
    char *text; /* NUL-terminated, the caller's to free; NULL: no body */
    size_t len;
};

/* All of them at once; returns when each has ended. */
void ch_http_calls(struct ch_http *h, struct ch_call *calls, size_t count);

#endif
