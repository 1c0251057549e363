/* Inside proto/tree*.c: what the two readers share. */
#ifndef HM_PROTO_TREE_BUILD_H
#define HM_PROTO_TREE_BUILD_H

#include <stdarg.h>
#include <stddef.h>

#include <jansson.h>

#include "base/error.h"
#include "proto/tree.h"

struct tree_build {
    const char *name; /* of the file, or NULL */
    const char *text;
    size_t len;
    json_t *docs;
    int *lines;
    size_t count, cap;
    struct hm_error *err;
};

/* "NAME:LINE: " or "line LINE: ", and the sentence. */
int tree_fail(const struct tree_build *b, enum hm_code code, int line, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));

/* One more value, which begins on this line. Fails at the limit of count. */
int tree_count(struct tree_build *b, int line);
int tree_fail_depth(const struct tree_build *b, int line);

int tree_read_json(struct tree_build *b);
int tree_read_yaml(struct tree_build *b);

#endif
