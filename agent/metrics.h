/*
 * Metrics: every 10 s what VMs use, by one bulk call for each backend, and what the agent itself has done; as
 * Prometheus' text form for /metrics (agent/http.h), and what VMs use as JSON for the operation `metrics`.
 *
 * Nothing waits for it: backends are asked by the thread that observes, between two looks, and the text is made by
 * the thread that answers who asks for it, if anybody does. What a backend did not answer in time is missing from that round. Thread: the loop's.
 */
#ifndef HM_AGENT_METRICS_H
#define HM_AGENT_METRICS_H

#include <uv.h>

#include "agent/http.h"
#include "agent/lead.h"
#include "agent/reconcile.h"

struct metrics;

struct metrics_options {
    uv_loop_t *loop;
    const struct reconciler *reconciler;
    /* What the daemon alone knows, at this moment. */
    struct metrics_facts (*facts)(void *data);
    void *data;
    int64_t every_ms; /* 0: 10 s */
};
struct metrics_facts {
    const char *site;
    const struct lead *lead;
    size_t documents;
    bool is_connected;   /* to NATS */
    uint64_t reconnects; /* since it began */
};

struct metrics *metrics_new(const struct metrics_options *options);
/* Before the reconciler; the loop must run once more. NULL is allowed. */
void metrics_free(struct metrics *m);

/* The text of the last round, if it was not asked for since, with the agent's own metrics of this moment. */
struct http_text metrics_news(struct metrics *m);

/* {"at", "vms": [...]}: of the last round, with `cpu_cores`, used since the round before. A new
 * reference; NULL before the first round. */
json_t *metrics_top(const struct metrics *m);

#endif
