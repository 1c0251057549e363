/*
 * Text -> tree: JSON and YAML, read with bounds, into the same jansson values.
 *
 * Everything is refused that makes a small text large or its meaning doubtful: more than
 * PROTO_MAX_BYTES, depth or count beyond the limits, bytes that are not UTF-8, NUL, keys that occur
 * twice, whole numbers that do not fit 64 bits; in YAML also anchors, aliases, tags, and keys that
 * are not plain texts. Plain YAML scalars follow the core schema, narrowly: null, true, false,
 * decimal numbers; all else (yes, on, 010, 0x10) is text. The line of every value is kept, so that
 * an error found later can name it. Pure. Thread: any.
 */
#ifndef HM_PROTO_TREE_H
#define HM_PROTO_TREE_H

#include <stddef.h>

#include <jansson.h>

#include "base/error.h"

enum tree_format { TREE_JSON, TREE_YAML };

struct tree {
    json_t *docs; /* a list: the documents of the stream; empty ones are left out */
    int *lines;   /* line of each value, in the order of the text; [0] is the list itself */
    size_t line_count;
};

/* `name` (a file's, or NULL) is what errors begin with: "web.yaml:14: ...", else "line 14: ...".
 * *ret belongs to the caller, and is untouched on failure. */
int tree_parse(enum tree_format format, const char *name, const char *text, size_t len,
               struct tree *ret, struct hm_error *err);
void tree_clear(struct tree *tree); /* NULL and zeroed are allowed */

/* The format that a file's name says: .json, else YAML. */
enum tree_format tree_format_of(const char *name);

/* The line of `path` ("disks[1].size") below the value `root`, which is part of the tree; of the
 * nearest value above it that exists when it does not. */
int tree_line(const struct tree *tree, const json_t *root, const char *path);

/* Call once at the start of a program: jansson, too, aborts when memory is out (base/alloc.h). */
void tree_setup(void);

/* A record of a bucket: one JSON object, verified against its table. *ret_spec as with fields_verify(). */
struct field;
int tree_read_record(const struct field *table, const char *value, size_t len, json_t **ret_spec,
                     struct hm_error *err);

#endif
