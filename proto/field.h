/*
 * Field tables: the one place that says what a document, the configuration or a record may contain.
 *
 * Each kind has one table. Parser, verifier, diff, plan, `harmonyctl explain`, the JSON Schema and
 * the reference pages in docs/ are made from it. Tables are constant data. Pure; no logging.
 */
#ifndef HM_PROTO_FIELD_H
#define HM_PROTO_FIELD_H

#include <stdbool.h>
#include <stdint.h>

#include <jansson.h>

#include "base/error.h"

#define FIELD_NAME_PATTERN "[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?"

/* How a value is written by people, and what it is after verification (normal form). */
#define FIELD_TYPES(X)                                                                             \
    X(BOOL, "true or false")                                                                       \
    X(INT, "a whole number")                                                                       \
    X(SIZE, "a size (512MiB, 20GB, 20GiB)")    /* normal form: integer, bytes */                   \
    X(DURATION, "a duration (500ms, 10s, 2m)") /* normal form: integer, milliseconds */            \
    X(STRING, "text")                                                                              \
    X(NAME, "a name (" FIELD_NAME_PATTERN ")")                                                     \
    X(ENUM, "one of a few words")                                                                  \
    X(PATH, "an absolute path without . or .. parts")                                              \
    X(CIDR, "an address and prefix (192.168.100.1/24)")                                            \
    X(IP, "an address (192.168.100.12)")                                                           \
    X(MAC, "a MAC address (52:54:00:12:34:56)")                                                    \
    X(LIST, "a list")                                                                              \
    X(OBJECT, "an object")                                                                         \
    X(MAP, "an object of texts")

enum field_type {
#define FIELD_TYPE_ENUM(id, text) FIELD_##id,
    FIELD_TYPES(FIELD_TYPE_ENUM)
#undef FIELD_TYPE_ENUM
};

/* What a change of this field costs a thing that exists, cheapest first. */
#define FIELD_COSTS(X)                                                                             \
    X(NONE, "none")       /* only bookkeeping: labels, protect */                                  \
    X(LIVE, "live")       /* while it runs */                                                      \
    X(RESTART, "restart") /* stop, redefine, start; data kept */                                   \
    X(REPLACE, "replace") /* remove, then create */                                                \
    X(NEVER, "never")     /* can't be had without losing data: blocked, whatever `change` says */

enum field_cost {
#define FIELD_COST_ENUM(id, text) COST_##id,
    FIELD_COSTS(FIELD_COST_ENUM)
#undef FIELD_COST_ENUM
};

const char *field_cost_name(enum field_cost cost);

struct field {
    const char *name; /* NULL ends a table */
    enum field_type type;
    enum field_cost cost;
    /* What a change costs where the values decide; NULL: `cost`, which else is the least. `before`
     * and `after` are the objects that hold the field; for a list of objects the elements (NULL: it
     * was added or removed). *ret_why may get a phrase of the caller's own: "above max_memory 1GiB". */
    enum field_cost (*weigh)(const json_t *before, const json_t *after, char **ret_why);
    bool required;
    bool secret;               /* never shown in logs, plans or statuses */
    bool lines;                /* STRING: of several lines, in which newlines and tabs may stand */
    const char *default_value; /* as a person would write it, in JSON; NULL: absent stays absent */
    int64_t min, max; /* INT, SIZE, DURATION: range; STRING, LIST: length. max 0: the type's own */
    const char *const *words; /* ENUM: the words, NULL-terminated; CIDR: words that it also takes */
    enum field_type element;  /* LIST: type of the elements (not LIST) */
    const struct field *fields; /* OBJECT, or LIST of OBJECT: their table */
    const char *unique_by;      /* LIST of OBJECT: no two may share this field's value */
    const char *help;           /* one line */
};

/* Limits that hold for every input, before its meaning is looked at. */
enum {
    PROTO_MAX_BYTES = 512 * 1024,
    PROTO_MAX_DEPTH = 32,
    PROTO_MAX_NODES = 20000,
};

/* Where in a document an error is: "disks[1].size"; empty: the whole. Cut when very long. */
enum { FIELD_PATH_MAX = 256 };
struct field_place {
    char path[FIELD_PATH_MAX];
};

/*
 * Verify `in` (an object) against the table and return it in normal form: every field with a
 * default is there, sizes are bytes, durations milliseconds, key order is the table's. Normal form
 * verifies to itself. Unknown fields, wrong types and values out of range fail with one sentence
 * that begins with the field's path ("disks[1].size: ..."), and for an unknown field names the
 * nearest known one. *ret_spec is a new reference, untouched on failure. `at` (may be NULL) is set
 * on failure.
 */
int fields_verify(const struct field *table, const json_t *in, json_t **ret_spec,
                  struct hm_error *err);
int fields_verify_at(const struct field *table, const json_t *in, json_t **ret_spec,
                     struct field_place *at, struct hm_error *err);

/*
 * May this be a spec in normal form, which another version made or somebody has changed since? What is known of it has the
 * type of its field, what is required is there, texts can be shown, and numbers are none that sums can't hold. Fields that
 * are not known, words and ranges are not looked at: another version may have had others.
 */
bool fields_have_form(const struct field *table, const json_t *spec);

/* For checks of several fields together: set the place, then fail with "PATH: sentence". */
void field_place_set(struct field_place *at, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
int field_fail(const struct field_place *at, struct hm_error *err, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* Each element of `list` in turn, at its place, until one fails; an absent list has none. */
int field_check_each(const json_t *spec, const char *list,
                     int (*check)(const json_t *, struct field_place *, struct hm_error *),
                     struct field_place *at, struct hm_error *err);

/* A row of the table by its name, or NULL. */
const struct field *field_find(const struct field *table, const char *name);

/* Accessors for a spec in normal form. An absent field gives the fallback. */
int64_t spec_int(const json_t *spec, const char *name, int64_t fallback);
bool spec_bool(const json_t *spec, const char *name);
const char *spec_str(const json_t *spec, const char *name); /* NULL when absent; borrowed */

#endif
