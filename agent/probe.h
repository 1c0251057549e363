/*
 * Questions by TCP and HTTP to a numeric address, without blocking: libcurl's multi interface on the loop
 * (https://curl.se/libcurl/c/libcurl-multi.html). Nothing is resolved, followed, sent through a proxy or
 * kept of the body. Thread: the loop's.
 */
#ifndef HM_AGENT_PROBE_H
#define HM_AGENT_PROBE_H

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

#include "base/error.h"

struct prober;
struct probe; /* valid until `done` was called */

struct prober *prober_new(uv_loop_t *loop);
/* No probe may be under way (probe_cancel()). The loop must run once more. NULL is allowed. */
void prober_free(struct prober *p);

struct probe_question {
    const char *address; /* IPv4 or IPv6, numeric */
    uint16_t port;
    const char *path; /* of HTTP; NULL: connecting is enough */
    int status;       /* of HTTP; 0: 200 to 399 */
    int64_t timeout_ms;
};

/* `done` once, from the loop and not from inside this call; err NULL: the answer was good. HM_E_UNSUPPORTED:
 * this host could not ask at all. */
struct probe *probe_begin(struct prober *p, const struct probe_question *question,
                          void (*done)(void *arg, const struct hm_error *err), void *arg);
/* `done` is not called any more. */
void probe_cancel(struct probe *probe);

#endif
