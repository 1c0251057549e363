/*
 * What a kind of document, or a field of it, is: from the field tables, for people and as JSON.
 * Pure; any thread.
 */
#ifndef HM_CTL_EXPLAIN_H
#define HM_CTL_EXPLAIN_H

#include <jansson.h>

#include "base/buf.h"
#include "proto/doc.h"

/* What "vm.disks.size" (also "vm.disks[].size") means. `field` is NULL for the kind itself. */
struct explained {
    const struct kind *kind;
    const struct field *field;
    const struct field *below; /* the fields of an object, or of the elements of a list; or NULL */
};
/* HM_E_INVALID names the nearest kind or field. */
int explain_find(const char *path, struct explained *ret, struct hm_error *err);

void explain_render(const char *path, const struct explained *e, struct hm_buf *out);
json_t *explain_json(const char *path, const struct explained *e);

#endif
