/*
 * What is declared, joined with what the agents report: harmony_desired and harmony_status -> rows.
 *
 * A document on a site has one row; one on `primary` has a row for each site that reports on it.
 * What agents report and nobody declares has a row too (unless it is deleted). Pure; any thread.
 */
#ifndef HM_CTL_DOCUMENTS_VIEW_H
#define HM_CTL_DOCUMENTS_VIEW_H

#include <stdbool.h>
#include <stdint.h>

#include <jansson.h>

#include "base/buf.h"
#include "ctl/entry.h"
#include "proto/doc.h"

/* Which documents; NULL: any. */
struct wanted {
    const char *kind, *name;
    const char *where; /* site or "primary" */
};

struct document_row {
    char where[DOC_NAME_MAX + 1], kind[DOC_NAME_MAX + 1], name[DOC_NAME_MAX + 1];
    char site[DOC_NAME_MAX + 1]; /* who reports; "" : nobody yet */
    uint64_t revision;           /* declared; 0: nobody declares it */
    json_t *given;  /* as declared, secrets hidden; NULL: not declared, or unreadable */
    json_t *status; /* NULL: no report */
};
struct document_rows {
    struct document_row *items; /* by kind, name, where, site */
    size_t count;
};

void documents_join(const struct entries *desired, const struct entries *status,
                    const struct wanted *wanted, struct document_rows *ret);
void document_rows_clear(struct document_rows *rows);

/* `now_ns`: wall clock, for how long ago. */
void documents_render(const struct document_rows *rows, bool wide, int64_t now_ns, bool colour,
                      struct hm_buf *out);
/* {"items": [...]}: exact values. */
json_t *documents_json(const struct document_rows *rows);

#endif
