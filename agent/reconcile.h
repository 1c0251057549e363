/*
 * The reconciler: makes this host match its documents, again and again.
 *
 * A pass observes the backends, makes the plan, and carries out the first verb of every step that
 * may be carried out; what ends starts another pass. Level-triggered: whatever was missed in
 * between is found by the next pass. Passes begin on changes (documents, events of a backend,
 * ends of calls), when a back-off is over, and every 30 s. It also offers the documents of
 * placement `primary` to the failover driver as a workload: nothing of them runs outside of start()
 * and stop(). Thread: the loop's.
 */
#ifndef HM_AGENT_RECONCILE_H
#define HM_AGENT_RECONCILE_H

#include <jansson.h>
#include <uv.h>

#include "agent/backends.h"
#include "agent/desired.h"
#include "agent/status.h"
#include "agent/workload.h"
#include "proto/operation.h"

struct reconciler;

struct reconciler_options {
    uv_loop_t *loop;
    const char *site;
    struct desired *desired;              /* borrowed */
    struct status *status;                /* borrowed */
    const struct driver *const *drivers;  /* agent/drivers.h; outlive this */
    struct driver_options driver_options; /* on_change and data are set by the backends */
    int64_t resync_ms;                    /* a pass at least this often; 0: 30 s */
    /* As in struct plan_input. */
    int (*allows)(void *data, const char *kind, const json_t *spec, struct hm_error *err);
    const struct quota *quota; /* borrowed; NULL: none */
    struct lease_limit *lease; /* of the primary's documents; outlives the workers; may be NULL */
    /* What a backend is (facts; NULL: no news of that), or why it can't be asked; for the agent's
     * own status. */
    void (*on_backend)(void *data, const struct driver *driver, const json_t *facts,
                       const struct hm_error *err);
    /* A pass has ended: documents or things may have changed. May be NULL. */
    void (*on_pass)(void *data);
    /* Would the guardian end this VM? Until then it is not started: workload_documents.recheck says
     * when to look again. NULL: always. */
    bool (*guards)(void *data, const char *word);
    void *data;
};

struct reconciler *reconciler_new(const struct reconciler_options *options);
/* The loop must run once more. */
void reconciler_free(struct reconciler *r);

/* Something may have changed: a pass will follow soon. */
void reconciler_kick(struct reconciler *r);

/* What it has done since it began. */
struct reconciler_counts {
    uint64_t verbs[VERB_COUNT][2];  /* [verb][0]: done well, [1]: failed */
    uint64_t errors[HM_CODE_COUNT]; /* of those that failed, by code */
};
const struct reconciler_counts *reconciler_counts(const struct reconciler *r);
const struct backends *reconciler_backends(const struct reconciler *r);
/* Every document of a kind that runs: its life, and its health (NULL: none). */
struct life;
struct health;
void reconciler_each_life(const struct reconciler *r,
                          void (*visit)(void *data, const char *key, const struct life *life,
                                        const struct health *health),
                          void *data);

/* How many passes have ended, for the status and the bench. */
uint64_t reconciler_passes(const struct reconciler *r);

struct workload_documents reconciler_workload(struct reconciler *r);

/* Plan for the documents in force with others laid over them, by a fresh observation. `done` once,
 * unless it fails: HM_E_BUSY, too many are waiting. `plan` is borrowed. The documents are taken over
 * (also on failure). */
struct plan_request {
    struct doc_list documents;
    char **deleted_keys; /* NULL-terminated; may be NULL */
    void (*done)(void *data, const json_t *plan);
    void *data;
    int64_t asked_ns; /* set by reconciler_plan() */
};
void plan_request_clear(struct plan_request *request); /* frees what it holds */
int reconciler_plan(struct reconciler *r, struct plan_request *request, struct hm_error *err);

/*
 * An operation (proto/operation.h) on a thing of this site: declared here or as primary, or an orphan
 * with our mark. One that changes something is never beside a verb of the same document, nor while a
 * fence is under way. The callbacks are as in backend_operate(); Texts and args are borrowed for the call.
 */
struct operate_request {
    const struct operation *operation;
    const char *kind, *name;
    const json_t *args;
    int64_t timeout_ms;
    void (*progress)(void *arg, int percent, const char *text);
    void (*done)(void *arg, struct driver_result *result, const struct hm_error *err);
    void (*ended)(void *arg);
    void *arg;
};
/* Fails, and calls nothing: HM_E_NOT_FOUND, HM_E_BUSY, HM_E_REFUSED, HM_E_UNSUPPORTED. */
int reconciler_operate(struct reconciler *r, const struct operate_request *request,
                       struct hm_error *err);

#endif
