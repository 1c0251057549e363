/*
 * Everything that runs only on the leader: started, stopped and judged as one thing.
 *
 * The workload is the hooks of the agent's configuration (promote, fence, probe) and the documents
 * with placement `primary`, which the reconciler holds and offers through `struct
 * workload_documents`. Promotion starts the documents, then runs the promote hook; a fence is the
 * reverse: the fence hook first, then the documents, and these are stopped even when the hook
 * failed. A fence supersedes a promotion that is under way: its hook is killed and waited for
 * before the fence hook runs, so that nothing can come up behind the fence. The group's virtual IPs are put up
 * when all else runs, and taken away before anything of it is stopped; if that takes long, it is not waited for,
 * but the stop ends well only when they are gone.
 *
 * Thread: the loop's. Nothing here blocks. A `done` is called exactly once (but see
 * workload_stop()), and may be called from inside the call that started it.
 */
#ifndef HM_AGENT_WORKLOAD_H
#define HM_AGENT_WORKLOAD_H

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

#include "agent/hooks.h"
#include "agent/lease.h"
#include "base/error.h"

typedef void (*workload_done)(void *arg,
                              const struct hm_error *err); /* err NULL: done and verified */

/* How a stop is divided (BOOTTIME, ns): what runs is asked until `kill_ns`, then it is ended, and that has
 * been seen by `deadline_ns`. The guardian kills at the same instant. */
struct stop_times {
    int64_t kill_ns, deadline_ns;
};

/* The documents of placement `primary`, as the reconciler offers them. Times are BOOTTIME, ns. */
struct workload_documents {
    /* Start all of them in dependency order, kept running until stop() is called. done(NULL): all
     * run. A failure may leave some running; stop() follows. */
    void (*start)(void *data, uint64_t epoch, int64_t deadline_ns, workload_done done, void *arg);
    /* They run already, started by an agent before this one: kept running from here on. NULL: none. */
    void (*resume)(void *data, uint64_t epoch);
    /*
     * Stop all of them, those that need others first, hard from times.kill_ns on, also the ones whose
     * document is gone. done(NULL) promises that each was *seen* stopped and that no start is in
     * flight or will follow before the next start(). Supersedes a start() under way, whose done is
     * called first, with HM_E_CANCELLED. Overrunning the deadline is allowed, giving up is not the
     * same as stopped: what can't be observed is an error.
     */
    void (*stop)(void *data, uint64_t epoch, struct stop_times times, workload_done done,
                 void *arg);
    /* Are they well, by what was last observed? 0, or negative with the reason. NULL: always. */
    int (*health)(void *data, struct hm_error *err);
    bool (*any)(void *data); /* is there any such document, or a thing made from one? */
    /* Visits the word (agent/fence_plan.h) of every VM that is, or may be made from, a primary document of this site,
     * once for each backend.
     * False while what there is was not seen yet. NULL: there are none. */
    bool (*each_vm)(void *data, void (*visit)(void *arg, const char *word), void *arg);
    /* The TAPs of those that are declared, by their names, whether they are there or not. NULL: there are none. */
    void (*each_tap)(void *data, void (*visit)(void *arg, const char *name), void *arg);
    /* How long they may take to stop if all are given their time, ms. NULL: no time. */
    int64_t (*clean_stop_ms)(void *data);
    /* Has somebody been asked to start one of them who may do so yet? NULL: nobody. */
    bool (*may_still_start)(void *data);
    void (*recheck)(void *data); /* what waited for the guardian's plan may go on. May be NULL */
    void *data;
};

/* The virtual IPs (agent/vips.h). All members NULL: there are none. */
struct workload_vips {
    /* done(NULL): all of them are here. */
    void (*put_up)(void *data, int64_t deadline_ns, workload_done done, void *arg);
    void (*resume)(void *data); /* they are here already */
    /* done(NULL): none of them is. Supersedes put_up(), whose done is called first, with HM_E_CANCELLED; so is
     * that of an earlier take_away(). It goes on after the deadline (HM_E_TIMEOUT). */
    void (*take_away)(void *data, int64_t deadline_ns, workload_done done, void *arg);
    void *data;
};

struct workload;

/* `documents` (copied) may have all members NULL: no documents. `hooks` is borrowed. */
struct workload *workload_new(struct hooks *hooks, const struct workload_documents *documents);
/* No `done` is called after it, and the documents must call none: the reconciler ends in the same
 * turn of the loop. Not from inside a `done`; before the hooks. NULL is allowed. */
/* Nothing begins to start after it has run out; borrowed; NULL (at first): nothing limits. */
void workload_set_lease(struct workload *w, struct lease_limit *lease);
void workload_set_vips(struct workload *w, const struct workload_vips *vips); /* copied */
void workload_free(struct workload *w);

/* It runs already; nothing of it is touched. */
void workload_resume(struct workload *w, uint64_t epoch);

/* `context` is copied. Ends with HM_E_CANCELLED when a fence supersedes it. */
void workload_start(struct workload *w, const struct hook_context *context, int64_t deadline_ns,
                    workload_done done, void *arg);

/*
 * Stop everything and see that it is stopped. The fence hook has all of the time, or half of that
 * until the kill where there are documents (and never more than its own limit). One fence at a
 * time: a second one while the first is under way joins it, with its own `done` and the earlier of both
 * deadlines. Where the time of the kill has passed already (a frozen host that woke), the documents are stopped
 * at once, beside the fence hook, which then has its own limit.
 */
void workload_stop(struct workload *w, const struct hook_context *context, struct stop_times times,
                   workload_done done, void *arg);

/* How long a stop may take that leaves everything its time: the fence hook, then the documents; ms. */
int64_t workload_clean_stop_ms(const struct workload *w);

/* How the workload is: the probe hook's exit code (its stdout may hold the lag in bytes, as a
 * number) and the documents' health. Without either: well. */
struct workload_health {
    bool well;
    bool lag_known;
    int64_t lag_bytes;
    int64_t took_ns;
    struct hm_error why; /* when not well */
};
typedef void (*workload_health_done)(void *arg, const struct workload_health *health);
/* A probe that is still under way when another is asked for: the second is answered HM_E_BUSY. */
void workload_probe(struct workload *w, const struct hook_context *context, int64_t timeout_ns,
                    workload_health_done done, void *arg);

#endif
