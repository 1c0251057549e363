/*
 * What the agent's parts tell the HTTP endpoints (agent/http.h): once a second, and at once when the role
 * changes. Where the address can't be had the agent works on without them, and says so. Thread: the loop's.
 */
#ifndef HM_AGENT_HTTP_FEED_H
#define HM_AGENT_HTTP_FEED_H

#include <jansson.h>
#include <uv.h>

#include "agent/http.h"
#include "agent/lead.h"
#include "agent/lease.h"
#include "agent/status.h"

struct http_feed;

struct http_feed_options {
    uv_loop_t *loop;
    const char *listen; /* numeric host:port; NULL: off */
    const char *site;
    struct lease_limit *lease;
    const struct lead *lead;
    const struct status *statuses;
    json_t *(*agent_status)(void *data);     /* a new reference */
    struct http_text (*metrics)(void *data); /* Prometheus' text form, taken over */
    char *(*not_ready)(void *data);          /* one reason on a line, "": ready; taken over */
    void *data;
};

/* Never fails: see http_feed_trouble(). */
struct http_feed *http_feed_new(const struct http_feed_options *options);
/* The loop must run once more. NULL is allowed. */
void http_feed_free(struct http_feed *f);

void http_feed_role_changed(struct http_feed *f);
const char *http_feed_trouble(const struct http_feed *f); /* why there are none; "": there are */

#endif
