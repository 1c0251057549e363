/*
 * The plan: what would be done to make this host match its documents, and why. Pure.
 *
 * plan_make() compares documents with what was observed and gives one step per document, in the
 * order in which they may be carried out (networks and disks before VMs; removals the other way
 * round), plus the orphans. It looks at nothing else: no clock, no backend, no earlier plan. The
 * agent carries out a step by its first verb, observes, and plans again, so a crash between any two
 * verbs leaves a state from which the next plan goes on (docs/architecture.md, "One verb at a
 * time"). The same function answers `harmonyctl plan`. Thread: any.
 */
#ifndef HM_AGENT_PLAN_H
#define HM_AGENT_PLAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <jansson.h>

#include "agent/quota.h"
#include "proto/doc.h"
#include "vmm/driver.h"

/* What a step does to the thing, as people read it. */
#define PLAN_OPS(X)                                                                                \
    X(NONE, "none") /* as it should be */                                                          \
    X(CREATE, "create")                                                                            \
    X(ADOPT, "adopt")     /* take over a thing of that name that was not ours */                   \
    X(UPDATE, "update")   /* redefine; nothing stops */                                            \
    X(RESTART, "restart") /* stop, redefine, start */                                              \
    X(REPLACE, "replace") /* remove, then create */                                                \
    X(START, "start")                                                                              \
    X(STOP, "stop")                                                                                \
    X(PAUSE, "pause")                                                                              \
    X(RESUME, "resume")                                                                            \
    X(REMOVE, "remove")                                                                            \
    X(WAIT, "wait")       /* for something else: a dependency, an observation */                   \
    X(BLOCKED, "blocked") /* until a person decides */

enum plan_op {
#define PLAN_OP_ENUM(id, text) PLAN_##id,
    PLAN_OPS(PLAN_OP_ENUM)
#undef PLAN_OP_ENUM
};

/* The driver's verb that is called first to carry out the step. */
#define PLAN_VERBS(X)                                                                              \
    X(NOTHING, "nothing")                                                                          \
    X(CREATE, "create")                                                                            \
    X(UPDATE, "update")                                                                            \
    X(START, "start")                                                                              \
    X(STOP, "stop")                                                                                \
    X(KILL, "kill") /* a workload of the primary on a site that does not lead: no grace */         \
    X(PAUSE, "pause")                                                                              \
    X(RESUME, "resume")                                                                            \
    X(REMOVE, "remove")                                                                            \
    X(NOTE, "note") /* keep in the thing how its run stands */

enum plan_verb {
#define PLAN_VERB_ENUM(id, text) VERB_##id,
    PLAN_VERBS(PLAN_VERB_ENUM)
#undef PLAN_VERB_ENUM
};
#define PLAN_VERB_ONE(id, text) +1
enum { VERB_COUNT = PLAN_VERBS(PLAN_VERB_ONE) };
#undef PLAN_VERB_ONE

const char *plan_op_name(enum plan_op op);
const char *plan_verb_name(enum plan_verb verb);

/* A document as the plan sees it; everything is borrowed. */
struct plan_doc {
    const char *key, *where, *name;
    const struct kind *kind;
    const json_t *spec; /* NULL when it is a delete marker */
    const char *hash;   /* spec_hash() of the spec */
    bool deleted;       /* an explicit delete marker */
    bool missing;       /* no longer in the bucket, without a marker: in force, but an orphan */
    const char
        *held; /* why it must not be acted on ("also declared as primary.vm.db"); NULL: act */
    const char *cannot; /* why it can't be had as it is (an address that is taken); NULL: it can */
};

/* A backend as it was last seen. */
struct plan_backend {
    const struct driver *driver;
    const struct things *things;
    /* Not NULL: why it can't be seen. Then `things` are old, and what lies there only waits. */
    const char *unobserved;
};

struct plan_input {
    const char *site;
    bool serving;                /* documents with placement `primary` may run here now */
    uint64_t epoch;              /* of the lease under which they do; 0: none */
    const struct plan_doc *docs; /* by kind order, then name; no two of one key */
    size_t doc_count;
    const struct plan_backend *backends;
    size_t backend_count;
    /* May a document say this on this host (paths)? 0, or fails with a sentence. Pure. NULL: it may. */
    int (*allows)(void *data, const char *kind, const json_t *spec, struct hm_error *err);
    void *allows_data;
    /* Why what runs must be started again though nobody asks for it (health), or NULL. NULL: never. */
    const char *(*unwell)(void *data, const struct plan_doc *doc);
    void *unwell_data;
    const struct quota *quota; /* of this host (agent/quota.h); NULL: none */
};

struct plan_step {
    const struct plan_doc *doc;
    const struct thing *thing; /* NULL: absent */
    size_t backend;            /* where the thing is, or would be made; of input.backends */
    enum plan_op op;
    enum plan_verb verb; /* with BLOCKED: NOTHING, or START of what the block must not keep down */
    bool over;           /* it ended by itself, and its restart_policy leaves it so */
    bool again; /* a start, or the stop before it, because it ended by itself or is not well */
    char *why;  /* one sentence or NULL; belongs to the step */
    struct spec_diff diff; /* what changes; empty when nothing does */
};

struct plan {
    struct plan_step *steps; /* one per document */
    size_t count;
    const struct thing **orphans; /* marked as ours, and no document or marker speaks of them */
    size_t orphan_count;
    struct addresses *addresses; /* of VMs in their networks (agent/addresses.h), or NULL */
};

void plan_make(const struct plan_input *input, struct plan *ret);
void plan_clear(struct plan *plan);

/* The plan for people and programs (docs/reference/harmonyctl.md): a new reference. Steps that do
 * nothing are only counted. */
json_t *plan_to_json(const struct plan_input *input, const struct plan *plan);

#endif
