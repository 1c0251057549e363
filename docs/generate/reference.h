/*
 * The reference pages of docs/reference, and a man page, made from the field tables: nothing in them is written
 * twice.
 *
 * Each function adds to `out` and never fails. Thread: one.
 */
#ifndef HM_DOCS_REFERENCE_H
#define HM_DOCS_REFERENCE_H

#include "base/buf.h"
#include "proto/doc.h"

/* A table in Markdown: one row per field, nested ones as disks[].size. `costs`: with what a change
 * costs. */
void markdown_table(const struct field *table, bool costs, struct hm_buf *out);

/* How the types that need an example are written, as a list. */
void markdown_types(struct hm_buf *out);

/* harmonyd.yaml(5). */
void manual_of_configuration(const struct field *table, struct hm_buf *out);

/* JSON Schema (draft 2020-12) of a document of this kind in a file. */
void schema_of_kind(const struct kind *kind, struct hm_buf *out);

/* Every metric, section by section. */
void metrics_page(struct hm_buf *out);
/* A dashboard of Grafana as JSON: a panel for each metric. */
void dashboard_page(struct hm_buf *out);

#endif
