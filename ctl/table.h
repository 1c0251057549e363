/*
 * A table on a terminal: columns as wide as their widest cell, two spaces between, no trailing
 * space. Cells are copied and made safe to print. Pure; one thread at a time.
 */
#ifndef HM_CTL_TABLE_H
#define HM_CTL_TABLE_H

#include "base/buf.h"
#include "ctl/show.h"

enum { TABLE_COLUMNS_MAX = 12 };

struct table_cell {
    char *text;
    enum mood mood;
};
struct table {
    size_t columns, cells;
    struct table_cell *cell; /* row by row; the first row holds the titles */
};

void table_start(struct table *t, const char *const *titles, size_t columns);
/* Cells are added from left to right, row after row. NULL shows as "-". */
void table_add(struct table *t, const char *text, enum mood mood);
/* Append the table, each line after `indent` spaces, and free its cells. */
void table_finish(struct table *t, size_t indent, bool colour, struct hm_buf *out);

#endif
