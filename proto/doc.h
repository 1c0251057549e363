/*
 * Desired-state documents: kinds, keys, verification, difference.
 *
 * A document lives in the bucket harmony_desired under `<where>.<kind>.<name>`; where is a site id
 * or `primary`. Its value is the spec as JSON. In files (YAML or JSON, several documents each) it
 * also carries kind, name and `site: NAME` or `placement: primary`. Everything here is hostile
 * until verified. Pure; no logging; any thread.
 */
#ifndef HM_PROTO_DOC_H
#define HM_PROTO_DOC_H

#include <stdbool.h>
#include <stddef.h>

#include <jansson.h>

#include "base/error.h"
#include "proto/field.h"

#define DOC_PLACEMENT_PRIMARY "primary"

enum { DOC_NAME_MAX = 63, DOC_KEY_MAX = 63 * 3 + 3, DOC_HASH_TEXT = 17 };

/* A kind of document: one row in the table of kinds (proto/kinds.c). */
struct kind {
    const char *name;
    const struct field *fields;
    const char *help;
    int order; /* created in ascending order (networks before VMs), removed in descending order */
    bool allowed_on_primary; /* may be placed on `primary` */
    /* Defaults that follow from another field: `in`, which is an object and not verified, with what it
     * leaves out put in; a new reference. NULL: there are none. */
    json_t *(*complete)(const json_t *in);
    /* What the table can't say (two fields together); on failure `at` says where. NULL: nothing. */
    int (*check)(const json_t *spec, struct field_place *at, struct hm_error *err);
};

const struct kind *kind_find(const char *name); /* NULL: no such kind */
/* The same, failing with a sentence that names the nearest kind and all of them. */
int doc_find_kind(const char *name, const struct kind **ret, struct hm_error *err);
const struct kind *const *kinds_all(void); /* NULL-terminated, by order */

bool name_is_valid(const char *name);

/* Table and check of the kind together; *ret_spec is a new reference. `at` may be NULL. */
int kind_verify(const struct kind *kind, const json_t *in, json_t **ret_spec,
                struct field_place *at, struct hm_error *err);

struct doc {
    char *where; /* site id or "primary" */
    const struct kind *kind;
    char *name;
    json_t *given; /* what the person wrote (without kind, name, site, placement) */
    json_t *spec;  /* the same, verified, in normal form */
    char *source;  /* "examples/web.yaml:14", or NULL */
};

void doc_clear(struct doc *doc); /* frees what it holds; NULL and zeroed are allowed */

/* Split and check a key. Parts are copied into the caller's buffers of DOC_NAME_MAX + 1. */
int doc_key_split(const char *key, char *where, char *kind, char *name, struct hm_error *err);
/* May a document of this kind be placed there (a site id or primary)? */
int doc_check_where(const char *where, const struct kind *kind, struct hm_error *err);
void doc_key(const struct doc *doc, char out[DOC_KEY_MAX + 1]);

/* The value of a KV entry -> a verified document. On failure *ret is untouched, and the sentence
 * begins with the field's path: the caller puts the key and the revision before it. */
int doc_from_value(const char *key, const void *value, size_t len, struct doc *ret,
                   struct hm_error *err);

struct doc_list {
    struct doc *items;
    size_t count;
};
void doc_list_clear(struct doc_list *list);

/*
 * All documents of a file or of a folder (files ending in .yaml, .yml, .json; sorted; not
 * recursive), each one verified, with the same kind and name twice refused. All errors are
 * collected: on failure `report` (may be NULL) has been called once per error with a sentence that
 * begins with "file:line:".
 */
typedef void (*doc_error_report)(void *data, const struct hm_error *err);
int docs_load(const char *path, struct doc_list *ret, doc_error_report report, void *data,
              struct hm_error *err);
/* The same for one text; `name` is what errors call it (a name in .json is read as JSON). */
int docs_parse(const char *name, const char *text, size_t len, struct doc_list *ret,
               doc_error_report report, void *data, struct hm_error *err);

/* A short hash (16 hex digits) of a spec in normal form: equal specs, equal text. */
void spec_hash(const json_t *spec, char out[DOC_HASH_TEXT]);

/* One changed field. Texts are as a person writes them ("128MiB"); secrets are shown as "(secret)".
 */
struct spec_change {
    char *path; /* "memory", "disks[root].size" (list elements by their unique field), "labels.tier"
                 */
    char *before, *after; /* NULL: absent */
    enum field_cost cost;
    char *why; /* it costs that: a phrase ("above max_memory 256MiB"); NULL: it always does */
};
struct spec_diff {
    struct spec_change *changes;
    size_t count;
    enum field_cost cost; /* the highest; COST_NONE when nothing changed */
};
/* Differences of two specs of this kind in normal form, in the order of the table. A field that `before`
 * lacks because it is older than the field has its default. `before` NULL: everything is new. */
void spec_diff(const struct kind *kind, const json_t *before, const json_t *after,
               struct spec_diff *ret);
void spec_diff_clear(struct spec_diff *diff);

#endif
