/*
 * What the rules of the plan look at: documents and things of all backends, found by name. Pure.
 *
 * Two backends may each have a thing of one name. A document means the one in its own backend; but
 * what was made from it and lies elsewhere (`backend` was changed) comes first: it has to go before
 * there is another one. Thread: any.
 */
#ifndef HM_AGENT_PLAN_WORLD_H
#define HM_AGENT_PLAN_WORLD_H

#include "agent/index.h"
#include "agent/plan.h"

/* Everything that the rules look at while one plan is made. */
struct world {
    const struct plan_input *input;
    struct index *things; /* one for each backend: kind, name -> struct thing */
    struct index docs;    /* kind, name -> struct plan_doc, delete markers left out */
    struct index keys;    /* "", key -> struct plan_doc */
    struct quota_ledger ledger;
};

void plan_world_open(struct world *w, const struct plan_input *input);
void plan_world_close(struct world *w);

/* Fills in step->thing and step->backend. */
void plan_world_find(const struct world *w, struct plan_step *step);

/* Why a step can't be decided: what it depends on can't be seen. NULL: all of it is. */
const char *plan_world_unseen(const struct world *w, const struct plan_step *step);

/* Why not all VMs and disks, which may use other things, are seen. NULL: they are. */
const char *plan_world_unseen_users(const struct world *w);

/* The first thing for which `is` returns true, in any backend; NULL: none. */
const struct thing *plan_world_find_thing(const struct world *w,
                                          bool (*is)(const void *data, const struct thing *t),
                                          const void *data);

bool thing_is_made_from(const struct thing *t, const struct plan_doc *doc);

#endif
