/*
 * Checkups: the workloads whose documents have `health` are asked how they are.
 *
 * One checkup for each of them, made and dropped by checkup_see() in the reconciler's passes. It asks by
 * itself, at its own times, and tells when a state has changed. What decides is agent/health.h. Thread: the loop's.
 */
#ifndef HM_AGENT_CHECKUP_H
#define HM_AGENT_CHECKUP_H

#include <uv.h>

#include "agent/health.h"
#include "base/error.h"

struct checkups;
struct checkup;

/* What an answer is: err NULL: good; HM_E_UNSUPPORTED or HM_E_BUSY: it could not be asked; else bad. */
typedef void (*checkup_answer)(void *arg, const struct hm_error *err);

struct checkups_options {
    uv_loop_t *loop;
    /* Ask the guest's agent. `answer` at most once, then `ended` once; neither from inside this call. Fails, and
     * calls nothing. */
    int (*ping)(void *whom, int64_t timeout_ms, checkup_answer answer, void (*ended)(void *arg),
                void *arg, struct hm_error *err);
    /* The state of one of them is another one. */
    void (*on_change)(void *data, void *whom, const struct health *health);
    void *data;
};

struct checkups *checkups_new(const struct checkups_options *options);
/* All checkups are dropped already. The loop must run once more. NULL is allowed. */
void checkups_free(struct checkups *all);

struct checkup_view {
    const json_t *health; /* of the spec; NULL: none */
    bool runs;
    int64_t began_ns;    /* of this run, if that is known; 0 */
    int64_t run;         /* another run has another number */
    const char *address; /* the first known one; NULL: none */
    void *whom;          /* for ping */
};
/* *slot is made, changed or dropped (NULL). Nothing in the view is kept but `whom`. */
void checkup_see(struct checkups *all, struct checkup **slot, const struct checkup_view *view);
void checkup_drop(struct checkup **slot);

/* NULL gives NULL. */
const struct health *checkup_health(const struct checkup *c);
/* Since when it is so: RFC 3339; "" for NULL. */
const char *checkup_since(const struct checkup *c);

#endif
