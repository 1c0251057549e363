/*
 * The failover driver: the imperative shell around the pure core (failover/failover.h).
 *
 * It carries events to the core (the watch of harmony_failover, answers of the bus, ends of hooks,
 * the time) and carries out its effects (writes, reads, start, stop, records), and decides nothing
 * itself. The bus is asked, hooks run, and marks are synced off the heartbeat's path. Every entry
 * passes BOOTTIME to the core first, so a loop that was late looks at the fence deadline before it
 * renews.
 *
 * Every step of the core is shown to the guardian before its effects are carried out, and a start waits
 * for its answer (ADR 0012); without one this site does not lead.
 *
 * Start: a lease that the guardian holds of an agent that has just ended, and that still serves, is gone
 * on with. Beyond that nothing is believed about what an earlier agent left behind: the workload is
 * fenced and seen stopped before this site takes part. Stop: see lead_stop() and lead_leave().
 *
 * Thread: the loop's. Callbacks come from the loop, and may come from inside a call.
 */
#ifndef HM_AGENT_LEAD_H
#define HM_AGENT_LEAD_H

#include <stdbool.h>
#include <stdint.h>

#include <jansson.h>
#include <uv.h>

#include "agent/lease.h"
#include "agent/workload.h"
#include "base/buf.h"
#include "base/error.h"
#include "bus/bus.h"
#include "proto/cluster_config.h"

struct agent_config;
struct lead;

struct lead_options {
    uv_loop_t *loop;
    struct bus *bus;                     /* borrowed; opened by the caller */
    const struct agent_config *config;   /* borrowed */
    struct workload_documents documents; /* what the reconciler offers; zeroed: none */
    struct lease_limit *lease;           /* written here, outlives the workers; may be NULL */
    /* May be NULL. `role` is the core's word for it ("leader", "replica", ...); borrowed texts. */
    void (*on_role_change)(void *data, const char *role, uint64_t epoch, const char *reason);
    /* Something that lead_status() shows has changed (not the heartbeats themselves). May be NULL.
     */
    void (*on_status)(void *data);
    void *data;
};

/* Blocks on the disk (reads what the last run remembered). Fails when state_dir can't be used. */
int lead_new(const struct lead_options *options, struct lead **ret, struct hm_error *err);

/* Resume the lease that the guardian holds, or fence what may run; then take part. The guardian is waited
 * for, for a second. */
void lead_start(struct lead *lead);

/* The caller owns the bus's callbacks and passes these on. */
void lead_bus_connected(struct lead *lead);
void lead_bus_disconnected(struct lead *lead);

/*
 * A planned end of the agent (SIGTERM, systemctl stop or restart): the workload is stopped and seen
 * stopped, then the lease is released to a ready site, which takes over at once; if the release
 * can't be written or the stop can't be verified, the heartbeats end and staleness decides. `done`
 * once, at the latest after the fence limit and two heartbeat intervals. Right after lead_start() the guardian is waited for
 * first: it may hold what an agent before has left to be handed over. To keep the role in place, see
 * lead_leave().
 */
void lead_stop(struct lead *lead, void (*done)(void *data), void *data);

/*
 * A planned restart of the agent (SIGHUP): the workload runs on, the guardian holds the lease, and the
 * next agent resumes it. `done` once, with `may` when a promise that is long enough for that has been
 * acknowledged, or nothing is led here: from then on nothing is sent or started any more. Without `may`
 * everything goes on as it was. May be called from inside.
 */
void lead_leave(struct lead *lead, void (*done)(void *data, bool may), void *data);

/* After lead_stop()'s or lead_leave()'s done, or instead of it in a crash test. The loop must run once more. */
void lead_free(struct lead *lead);

/* True between the core's START and STOP: only then may a document of placement `primary` run. */
bool lead_may_serve(const struct lead *lead);
uint64_t lead_epoch(const struct lead *lead);     /* highest epoch known */
const char *lead_role(const struct lead *lead);   /* the core's word; never NULL */
bool lead_is_fit(const struct lead *lead);        /* could lead if it were asked to */
const char *lead_leader(const struct lead *lead); /* site that leads, "" if none or unknown */

/* The documents, or what was seen of them, may have changed: does the guardian's plan still fit? */
void lead_documents_changed(struct lead *lead);
/* Is this VM in the plan that the guardian has confirmed? Else it must not be started. */
bool lead_guards(const struct lead *lead, const char *word);

/* For metrics: what lead_status() says in numbers. Borrowed texts. */
struct lead_numbers {
    bool serving, fit, paused, holds;
    size_t warnings;
    int64_t rtt_us; /* -1: unknown */
    unsigned failures;
    uint64_t watch_restarts;
    struct lead_peer_numbers {
        const char *site;
        int64_t silence_ns; /* -1: never heard */
        bool ready;
        int64_t lag; /* bytes; -1: unknown */
    } peers[CLUSTER_SITES_MAX];
    unsigned peer_count;
};
void lead_numbers(const struct lead *lead, struct lead_numbers *ret);

/* For the agent's status: group, role, epoch, leader, fit, configuration in force and the refused
 * one's sentence, counters, warnings[] as sentences. A new reference. */
json_t *lead_status(const struct lead *lead);
void lead_metrics(const struct lead *lead, struct hm_buf *out); /* Prometheus' text form */

#endif
