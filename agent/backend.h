/*
 * A backend: one driver, its connections and its worker threads, seen from the loop.
 *
 * It keeps two connections: one to observe and act with, and one of its own for the fence, so that
 * a call that hangs can't keep a fence waiting. Stops have workers of their own: a guest that takes
 * its whole grace holds up no other document. A backend that holds no VMs has neither. Connections are opened on the workers, when first
 * needed, and anew after they died. Queues are bounded; every call has a deadline. Thread: the
 * loop's; callbacks come from the loop.
 */
#ifndef HM_AGENT_BACKEND_H
#define HM_AGENT_BACKEND_H

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

#include "agent/lease.h"
#include "agent/plan.h"
#include "base/error.h"
#include "vmm/driver.h"

struct backend;

struct backend_options {
    uv_loop_t *loop;
    const struct driver *driver;
    struct driver_options driver_options; /* on_change and data are set by the backend */
    int64_t observe_timeout_ms;           /* 0: a minute */
    void (*on_change)(void *data);        /* something may have changed: observe */
    void *data;
};

/* `options` is copied, the texts of driver_options are borrowed for the backend's life. */
struct backend *backend_new(const struct backend_options *options);
/* Calls that hang are left behind (the process is ending). The loop must run once more. NULL is
 * allowed. */
void backend_free(struct backend *b);

const struct driver *backend_driver(const struct backend *b);

/* A VM of placement `primary` may exist or have existed on this host: one was seen, or was to be
 * made or started, now or by an agent before this one (agent/made.h). */
bool backend_ever_had_primary(const struct backend *b);

/* `things` is the callee's to take (things_clear()); NULL when it could not be observed. `facts`
 * (what the backend is and can do; a new reference) comes once for each connection, with its first
 * success if they are to be had, else NULL. */
typedef void (*backend_observed)(void *data, struct things *things, json_t *facts,
                                 const struct hm_error *err);
/* One observation at a time: false, and no callback, while one is under way. One that came too late
 * was answered with HM_E_TIMEOUT; when it ends after all, on_change is called. */
bool backend_observe(struct backend *b, backend_observed done, void *data);

enum backend_lane {
    LANE_ACT,   /* documents */
    LANE_FENCE, /* stop what must not run: own connection, own threads */
};

struct backend_call {
    enum plan_verb verb; /* not VERB_NOTHING */
    enum backend_lane lane;
    struct order order; /* copied, with its texts; the spec by reference */
    int64_t stop_by_ns; /* BOOTTIME: the grace of a stop is cut to end by then; 0: not */
    struct lease_limit
        *lease; /* VERB_START: only while it holds; NULL: always. Outlives the call */
    /* After a stop or kill: succeed only when it was seen stopped; also if it is not ours. */
    bool verify_stopped;
    int64_t timeout_ms;
    /* Once: the result, or HM_E_TIMEOUT while the call goes on (or if it never began). */
    void (*done)(void *arg, const struct hm_error *err);
    /* Once, after `done`: no worker is inside the call any more. Without a `done` for calls that
     * had not begun when the backend was freed. */
    void (*ended)(void *arg);
    void *arg;
};
struct backend_ticket; /* valid until `ended` was called */

/* Fails (HM_E_BUSY) when the queue is full: neither callback is called. */
int backend_submit(struct backend *b, const struct backend_call *call,
                   struct backend_ticket **ret_ticket, struct hm_error *err);

/* True: the call has not begun and never will; it ends with HM_E_CANCELLED when a worker comes to
 * it. False: it has begun, and goes on. */
bool backend_cancel(struct backend_ticket *ticket);

/* Jobs that wait or are carried out, for each queue. */
void backend_each_queue(const struct backend *b,
                        void (*visit)(void *data, const char *name, unsigned jobs), void *data);

/* What its VMs use, by the thread that observes, between two looks. `taken` once, from the loop: `list` is the callee's
 * to take (vm_stats_clear()); NULL when it took too long, empty when it failed. False, and no callback: it can't be
 * asked now, or its driver does not say. */
struct vm_stats_list;
typedef void (*backend_stats_taken)(void *data, struct vm_stats_list *list);
bool backend_take_stats(struct backend *b, backend_stats_taken taken, void *data);

/* An operation (vmm/driver.h): it has workers of its own, and holds up no verb. */
struct backend_operation {
    const struct driver_operation *operation;
    struct order order; /* copied, with its texts; the spec by reference */
    const json_t *args; /* by reference */
    int64_t timeout_ms;
    /* From the loop, while it has not ended. May be NULL. */
    void (*progress)(void *arg, int percent, const char *text);
    /* Once: what came of it (value, fd and path are the callee's to take, and are to be cleared where
     * taken), or why not: HM_E_TIMEOUT while it goes on, or if it never began. */
    void (*done)(void *arg, struct driver_result *result, const struct hm_error *err);
    /* Once, after `done`: no worker is inside it any more. Alone, when the backend is freed. */
    void (*ended)(void *arg);
    void *arg;
};
/* What the backend's driver has under this name, or NULL. */
const struct driver_operation *backend_find_operation(const struct backend *b, const char *name);
/* Fails (HM_E_BUSY) when the queue is full: nothing is called. */
int backend_operate(struct backend *b, const struct backend_operation *given, struct hm_error *err);

#endif
