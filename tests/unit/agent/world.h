/*
 * A small world for tests of the plan: documents and things written down as text.
 *
 * Specs are JSON as a person writes it, verified like any document; a world owns all it holds.
 */
#ifndef HM_TESTS_WORLD_H
#define HM_TESTS_WORLD_H

#include "agent/plan.h"

/* Specs that many tests use; the first three are open at their end. */
#define VM         "{\"disks\":[{\"device\":\"vda\",\"image\":\"/images/a.qcow2\"}]"
#define VM_ON_DISK "{\"disks\":[{\"device\":\"vda\",\"disk\":\"data\"}]" /* a replacement of VM */
#define VM_ON_LAN  VM ",\"networks\":[{\"network\":\"lan\"}]"
#define PROTECTED  ",\"protect\":true}"
#define NET        "{\"subnet\":\"192.168.100.1/24\"}"
#define NET_REPL   "{\"subnet\":\"192.168.101.1/24\"}" /* a replacement of NET */

enum { WORLD_DOCS = 32 };

struct world_doc {
    struct doc doc;
    char key[DOC_KEY_MAX + 1];
    char hash[DOC_HASH_TEXT];
    bool deleted, missing;
    const char *held;
};

struct world {
    struct world_doc docs[WORLD_DOCS];
    size_t doc_count;
    struct things things;
    bool serving;
    uint64_t epoch;
    const char *unwell; /* why every VM that runs is not well; NULL: all are */
    const char *unobserved;
    const struct quota *quota;
    struct plan_backend backend;
    struct plan_doc arranged[WORLD_DOCS]; /* of the last plan */
    struct plan_input input;
    struct plan plan; /* the last one; its own */
};

/* Declare, or declare anew; NULL is a delete marker. */
void world_declare(struct world *w, const char *key, const char *json);
struct world_doc *world_find_doc(struct world *w, const char *key);

/* A thing that was made from `key` (of site-a) with that spec. */
struct thing *world_made(struct world *w, const char *key, enum thing_state state,
                         const char *json);
/* A thing that harmony did not make. */
struct thing *world_foreign(struct world *w, const char *kind, const char *name,
                            enum thing_state state);
struct thing *world_find_thing(struct world *w, const char *kind, const char *name);
void world_remove_thing(struct world *w, const struct thing *t);
/* What a driver does to a mark: the thing was made from this document now. */
void world_mark(struct thing *t, const char *key, const json_t *spec);

/* Make the plan; returns it. */
const struct plan *world_plan(struct world *w);
const struct plan_step *world_step(const struct world *w, const char *key);

/* Plan, and check the step for `key`; that what needs a reason has one, too. */
void world_expect(struct world *w, const char *key, enum plan_op op, enum plan_verb verb);
/* The reason of the last plan's step holds this. */
void world_expect_why(const struct world *w, const char *key, const char *part);

void world_clear(struct world *w);

json_t *world_spec(const char *kind, const char *json); /* verified; a new reference */

#endif
