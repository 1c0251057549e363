#include "ctl/table.h"

#include <stdlib.h>

#include "base/alloc.h"

static const size_t between = 2;

void table_add(struct table *t, const char *text, enum mood mood)
{
    t->cell = hm_realloc_array(t->cell, t->cells + 1, sizeof *t->cell);
    t->cell[t->cells++] = (struct table_cell){show_cleaned(text ? text : "-"), mood};
}

void table_start(struct table *t, const char *const *titles, size_t columns)
{
    *t = (struct table){.columns = columns};
    for (size_t i = 0; i < columns; i++)
        table_add(t, titles[i], MOOD_PLAIN);
}

static void measure(const struct table *t, size_t widths[TABLE_COLUMNS_MAX])
{
    for (size_t i = 0; i < t->cells; i++) {
        size_t width = show_width(t->cell[i].text);
        if (width > widths[i % t->columns])
            widths[i % t->columns] = width;
    }
}

/* Empty cells at the end of a row are left out, and the last one is not padded. */
static void add_row(const struct table *t, size_t first, const size_t *widths, bool colour,
                    struct hm_buf *out)
{
    size_t last = t->columns;
    while (last > 1 && t->cell[first + last - 1].text[0] == '\0')
        last--;
    for (size_t i = 0; i < last; i++) {
        const struct table_cell *cell = &t->cell[first + i];
        show_mood(out, cell->text, cell->mood, colour);
        if (i + 1 < last)
            show_pad(out, show_width(cell->text), widths[i] + between);
    }
    hm_buf_puts(out, "\n");
}

void table_finish(struct table *t, size_t indent, bool colour, struct hm_buf *out)
{
    size_t widths[TABLE_COLUMNS_MAX] = {0};
    measure(t, widths);
    for (size_t first = 0; first + t->columns <= t->cells; first += t->columns) {
        show_pad(out, 0, indent);
        add_row(t, first, widths, colour, out);
    }
    for (size_t i = 0; i < t->cells; i++)
        free(t->cell[i].text);
    free(t->cell);
    *t = (struct table){0};
}
