/*
 * The desired state: the documents of harmony_desired that concern this site, verified.
 *
 * Entries come from the watch or from the cache on disk. A revision that can't be accepted leaves
 * the last good one in force and keeps its error. Absence is not deletion: a document that a
 * complete listing no longer has stays in force as `missing`; only a delete marker that is younger
 * than the document removes. Does no I/O. Thread: the loop's.
 */
#ifndef HM_AGENT_DESIRED_H
#define HM_AGENT_DESIRED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agent/plan.h"
#include "bus/bus.h"
#include "proto/doc.h"

struct desired_entry {
    char *key;
    struct doc doc; /* in force; doc.spec is NULL when there is none or it was deleted */
    char
        *given; /* what the person wrote, as JSON, for the cache; NULL as doc.spec (doc.given is) */
    char hash[DOC_HASH_TEXT];
    uint64_t revision;      /* of what is in force */
    uint64_t seen_revision; /* the last one seen, and */
    int64_t seen_stamp_ns;  /* its stamp */
    int64_t stamp_ns;       /* the store's stamp of what is in force */
    bool deleted;
    bool missing;
    bool refused;           /* the last one seen was not accepted: `error` says why */
    struct hm_error *error; /* NULL unless refused */
    unsigned listing;       /* the listing that had it last */
};

struct desired;

struct desired *desired_new(const char *site);
void desired_free(struct desired *d);

/* Take one entry of the bucket. Keys of other sites are ignored. Returns true if what is in force,
 * or what must be reported, has changed. */
bool desired_take(struct desired *d, const struct bus_entry *entry);

/* A new listing of the whole bucket begins (start, remade watch) / has been given whole. The second
 * returns true if a document went missing or came back. */
void desired_listing_begins(struct desired *d);
bool desired_listing_complete(struct desired *d);

/* What is in force, in the order that the plan wants; valid until the next call that changes it. */
const struct plan_doc *desired_docs(struct desired *d, size_t *ret_count);

/* Grows with every change of what is in force or was refused. */
uint64_t desired_generation(const struct desired *d);

const struct desired_entry *desired_find(const struct desired *d, const char *key);
/* Every entry, also the refused ones that never were in force. */
void desired_each(const struct desired *d, void (*visit)(void *data, const struct desired_entry *e),
                  void *data);

/* The cache: what is to be written to disk, as JSON (the caller frees the text), and its way back. What the cache holds is verified again;
 * entries that are no longer acceptable are refused, as from the bucket. */
char *desired_to_cache(const struct desired *d);
int desired_from_cache(struct desired *d, const char *text, size_t len, struct hm_error *err);

/* A delete marker for a key of which nothing is known. */
struct overlay_marker {
    char key[DOC_KEY_MAX + 1], where[DOC_NAME_MAX + 1], name[DOC_NAME_MAX + 1];
};

/* The documents in force with others laid over them, for a plan that was asked for. `docs` are
 * borrowed until desired_overlay_clear(). */
struct desired_overlay {
    struct plan_doc *docs;
    size_t count;
    char (*hashes)[DOC_HASH_TEXT];
    char (*keys)[DOC_KEY_MAX + 1];
    size_t extra;
    struct overlay_marker *markers;
    size_t marker_count;
};
void desired_overlay_make(struct desired *d, const struct doc *docs, size_t count,
                          const char *const *deleted_keys, size_t deleted_count,
                          struct desired_overlay *ret);
void desired_overlay_clear(struct desired_overlay *overlay);

#endif
