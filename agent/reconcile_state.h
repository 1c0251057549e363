/* What the files of the reconciler share: reconcile.c (the pass), primary.c (the workload), fence.c
 * (how it is stopped), lives.c (restarts). */
#ifndef HM_AGENT_RECONCILE_STATE_H
#define HM_AGENT_RECONCILE_STATE_H

#include "agent/index.h"
#include "agent/reconcile.h"
#include "agent/task.h"

/* One VM that a fence stops. */
struct fence_target {
    struct reconciler *owner;
    struct member *member; /* where it is, or would be */
    char *kind, *name, *key;
    char *seen_uuid; /* order.seen_uuid; NULL: not seen */
    json_t *spec;
    bool marked; /* there is such a thing, with a primary mark (of any site), by the last look */
    /* Of this round: */
    bool submitted;
    unsigned dependents; /* targets that need this one and have not ended: they are asked first */
    unsigned height;     /* of what it needs, itself included: so many share the time for asking */
};

/* The workload's side: at most one start and one stop at a time. */
struct primary {
    bool serving; /* between start() and stop() */
    uint64_t epoch;

    workload_done start_done; /* NULL: no start under way */
    void *start_arg;
    int64_t start_deadline_ns;
    int64_t started_ns; /* what was observed before says nothing about this epoch */

    workload_done stop_done; /* NULL: no stop under way */
    void *stop_arg;
    struct stop_times stop_times;
    int64_t stop_asked_ns; /* what was observed before does not show what is to be stopped */
    struct fence_target *targets;
    size_t target_count;
    size_t unsubmitted;    /* targets of this round */
    unsigned calls;        /* fence calls of this round that have not ended */
    bool round_counts;     /* no start of a primary document was in flight when it began */
    bool awaits_look;      /* the round was good; only the observation is missing */
    struct hm_error error; /* of the last round; code HM_OK: none */
    uv_timer_t timer;      /* deadlines, and the pause between rounds */

    struct hm_error down; /* the first document that does not run, by the last pass; HM_OK: none */
    struct hm_error ill;  /* why the documents are not well, by the last pass; HM_OK: well */
};

struct reconciler {
    struct reconciler_options options;
    struct backends *backends;
    struct plan_backend *seen; /* one for each of them, for the plan that is being made */
    struct index tasks;        /* "", key -> struct task */
    struct task **task_list;
    size_t task_count;
    bool closing;
    /* The time for all that a pass decides: a back-off that ends within it is neither missed by the
     * pass nor by the timer of the next one. */
    int64_t pass_ns;
    uv_timer_t timer;              /* the next pass that nothing else causes */
    struct plan_request *requests; /* waiting for an observation */
    size_t request_count;
    struct primary primary;
    struct checkups *checkups;
    struct reconciler_counts counts;
    uint32_t jitter;
    uint64_t passes;
    uint64_t held; /* nics_held() of all that was observed; 0: no native network */
    /* The last plan was for this generation of the documents, and a plan for the same observation would
     * do and say the same: nothing is under way, failed, or waited for. */
    uint64_t planned_generation;
    bool settled;
    unsigned
        full; /* in this pass, a bit for each backend: what is left there waits for the end of a call */
};

/* What is done about one document, or about what was made from one that is no more. */
struct task *reconciler_task(struct reconciler *r, const char *key);

/* Where a step is carried out; NULL: nowhere, no backend takes it. */
struct member *reconciler_member(const struct reconciler *r, const struct plan_step *s);
/* The first thing, as last observed anywhere, for which `is` returns true; NULL: none. */
const struct thing *reconciler_find_thing(const struct reconciler *r,
                                          bool (*is)(void *data, const struct member *m,
                                                     const struct thing *t),
                                          void *data);

/* A start of a primary document has not ended and may still do something. */
bool reconciler_start_in_flight(const struct reconciler *r);

uint32_t reconciler_jitter(struct reconciler *r); /* any number */

/* What the step says about the life of its workload; and the note that its verb shall leave in the thing
 * (lives.c). */
const char *lives_unwell(void *data, const struct plan_doc *doc); /* plan_input.unwell */
void lives_begin(struct reconciler *r);
void lives_end(struct reconciler *r); /* before the backends */
void lives_look(struct reconciler *r, struct task *t, const struct plan_step *s);
struct run_note lives_note(const struct reconciler *r, const struct task *t,
                           const struct plan_step *s);

void primary_init(struct primary *p, struct reconciler *r);
void primary_silence(struct primary *p); /* no `done` is called any more */
void primary_close(struct primary *p);   /* after the backend's calls have ended */
/* The pass has seen everything: is the workload complete, ill, or still to be fenced? */
void primary_look(struct reconciler *r, const struct plan *plan);
/* A call of a primary document has ended. */
void primary_call_ended(struct reconciler *r);
/* While a fence is under way, only the fence acts on primary documents. */
bool primary_is_fencing(const struct reconciler *r);
/* A VM of the primary is started only once the guardian would end it. */
bool primary_is_guarded(const struct reconciler *r, const struct plan_step *s);
void primary_set_timer(struct primary *p, int64_t at_ns);

/* The stop of the workload, from its request (`stop_done` and the times are set) to `stop_done`. */
void fence_begin(struct reconciler *r);
void fence_look(struct reconciler *r);       /* an observation has ended, well or not */
void fence_call_ended(struct reconciler *r); /* a call of a primary document has */
void fence_timer(struct reconciler *r);      /* the time set by primary_set_timer() has come */
void fence_free(struct primary *p);
/* `member` NULL: the first, wherever it is. */
struct fence_target *fence_find_target(const struct primary *p, const struct member *member,
                                       const char *kind, const char *name);

/* Within a round (fence_order.c): a round begins, who may be asked or killed at `now_ns` (NULL: nobody yet),
 * that one has ended, and how long it may be asked from `now_ns` on (ms; 0: kill it). */
void fence_order_begin(struct primary *p);
struct fence_target *fence_order_next(const struct primary *p, int64_t now_ns);
void fence_order_ended(struct primary *p, struct fence_target *target);
int64_t fence_order_grace(const struct primary *p, const struct fence_target *target,
                          int64_t now_ns);

#endif
