/*
 * HTTP for load balancers, monitoring and people: who serves here, is the agent well, what does it see.
 *
 *   GET /primary  200 while this site's workload serves under a lease that has not run out, else 503
 *       /replica  200 while this site is a replica that could lead, else 503
 *       /live     200 while the loop turns, else 503 (10 s)
 *       /ready    200 when nothing stands in the agent's way, else 503 with the reasons
 *       /status   what the agent says about itself and its documents, as JSON
 *       /metrics  Prometheus' text form
 *       /         the same for people: one page that asks /status each second
 *
 * It reads only, and only what it was last told: a thread of its own answers, so that no client, however
 * many and however slow, is in the way of a heartbeat. The lease is looked at when the answer is given: a
 * loop that stands still serves nobody. HEAD and OPTIONS answer as GET, without a body.
 * Source: libmicrohttpd(3). Thread: the loop's, but for what is said to be any.
 */
#ifndef HM_AGENT_HTTP_H
#define HM_AGENT_HTTP_H

#include <stdbool.h>
#include <stdint.h>

#include <jansson.h>

#include "agent/lease.h"
#include "base/error.h"

struct http;

struct http_options {
    const char *listen;        /* numeric host:port; copied */
    const char *site;          /* copied */
    struct lease_limit *lease; /* outlives this */
    /* From another thread: /status is asked for, and what is there is old. http_say() soon, if at all
     * possible. May be NULL. */
    void (*wanted)(void *data);
    void *data;
    int64_t live_ms; /* a loop that says nothing for longer does not turn; 0: 10 s */
};

/* HM_E_IO with the address when it can't be bound (another program has it). *ret is then untouched. */
int http_new(const struct http_options *options, struct http **ret, struct hm_error *err);
/* Ends connections under way. NULL is allowed. */
void http_free(struct http *h);

/* What is at once different when the role changes. `role` is the core's word. */
void http_say_role(struct http *h, const char *role, uint64_t epoch, bool fit);

/* A text that costs something: made when it is first asked for, by the thread that answers. */
struct http_text {
    char *(*make)(void *data); /* NULL: there is none */
    void (*free)(void *data);
    void *data;
};

/* To be said at least every few seconds: the loop turns. What is NULL stays as it was. Everything is
 * taken over. */
struct http_news {
    char *status;             /* JSON text */
    struct http_text metrics; /* Prometheus' text form */
    char *not_ready;          /* why, one reason on a line; "" when ready */
};
void http_say(struct http *h, const struct http_news *news);

/* Was /status asked for within the last seconds? Else it need not be made. */
bool http_is_watched(const struct http *h);

#endif
