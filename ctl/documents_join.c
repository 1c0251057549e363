/* The joining of documents_view.h. */
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "ctl/documents_view.h"
#include "ctl/json_text.h"
#include "ctl/redact.h"

static bool split(const struct entry *e, struct document_row *row)
{
    return doc_key_split(e->key, row->where, row->kind, row->name, NULL) >= 0;
}

static bool is_wanted(const struct document_row *row, const struct wanted *w)
{
    return (!w->kind || strcmp(w->kind, row->kind) == 0) &&
           (!w->name || strcmp(w->name, row->name) == 0) &&
           (!w->where || strcmp(w->where, row->where) == 0);
}

static struct document_row *add_row(struct document_rows *rows, const struct document_row *row)
{
    rows->items = hm_realloc_array(rows->items, rows->count + 1, sizeof *rows->items);
    rows->items[rows->count] = *row;
    return &rows->items[rows->count++];
}

static json_t *shown_document(const struct entry *e, const char *kind_name)
{
    const struct kind *kind = kind_find(kind_name);
    json_t *value = entry_object(e);
    json_t *shown = value && kind ? redact(kind->fields, value) : NULL;
    json_decref(value);
    return shown;
}

/* -- Reports, sorted so that those on one document stand together -------------------------- */

struct report {
    struct document_row key; /* where, kind, name */
    const struct entry *entry;
    bool is_claimed; /* a declared document is what it speaks of */
};
struct reports {
    struct report *items;
    size_t count;
};

static int compare_thing(const struct document_row *a, const struct document_row *b)
{
    int order = strcmp(a->kind, b->kind);
    return order ? order : strcmp(a->name, b->name);
}

static int by_thing(const void *a, const void *b)
{
    const struct report *x = a, *y = b;
    int order = compare_thing(&x->key, &y->key);
    return order ? order : strcmp(x->key.where, y->key.where);
}

static struct reports sorted_reports(const struct entries *status)
{
    struct reports r = {.items = hm_alloc(status->count * sizeof *r.items)};
    for (size_t i = 0; i < status->count; i++) {
        struct report report = {.entry = &status->items[i]};
        if (!report.entry->deleted && split(report.entry, &report.key))
            r.items[r.count++] = report;
    }
    if (r.count > 0)
        qsort(r.items, r.count, sizeof *r.items, by_thing);
    return r;
}

static size_t first_report_on(const struct reports *r, const struct document_row *thing)
{
    size_t low = 0, high = r->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (compare_thing(&r->items[middle].key, thing) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* -- Joining ------------------------------------------------------------------------------- */

static void add_reported_row(struct document_rows *rows, const struct document_row *base,
                             const char *site, json_t *status)
{
    struct document_row *row = add_row(rows, base);
    memcpy(row->site, site, sizeof row->site);
    row->given = json_incref(base->given);
    row->status = status;
}

/* Reports on a document of `primary` come from every site that may run it. */
static bool speaks_of(const struct report *report, const struct document_row *declared)
{
    return strcmp(declared->where, report->key.where) == 0 ||
           strcmp(declared->where, DOC_PLACEMENT_PRIMARY) == 0;
}

/* A row for each report on the document, or one without. `rows` NULL: it is only marked as declared. */
static void add_declared(struct document_rows *rows, const struct document_row *declared,
                         struct reports *reports)
{
    bool is_reported = false;
    for (size_t i = first_report_on(reports, declared); i < reports->count; i++) {
        struct report *report = &reports->items[i];
        if (compare_thing(&report->key, declared) != 0)
            break;
        if (!speaks_of(report, declared))
            continue;
        report->is_claimed = true;
        json_t *status = rows ? entry_object(report->entry) : NULL;
        if (status)
            add_reported_row(rows, declared, report->key.where, status);
        is_reported |= status != NULL;
    }
    if (rows && !is_reported)
        add_reported_row(rows, declared, declared->site, NULL);
}

/* A report without a document: an orphan, or something whose removal is under way. */
static void add_undeclared(struct document_rows *rows, const struct report *report)
{
    json_t *status = entry_object(report->entry);
    if (status && strcmp(text_of(status, "phase"), "Deleted") != 0)
        add_reported_row(rows, &report->key, report->key.where, status);
    else
        json_decref(status);
}

static int by_name(const void *a, const void *b)
{
    const struct document_row *x = a, *y = b;
    int order = strcmp(x->kind, y->kind);
    order = order ? order : strcmp(x->name, y->name);
    order = order ? order : strcmp(x->where, y->where);
    return order ? order : strcmp(x->site, y->site);
}

void documents_join(const struct entries *desired, const struct entries *status,
                    const struct wanted *wanted, struct document_rows *ret)
{
    *ret = (struct document_rows){0};
    struct reports reports = sorted_reports(status);
    for (size_t i = 0; i < desired->count; i++) {
        struct document_row row = {.revision = desired->items[i].revision};
        if (desired->items[i].deleted || !split(&desired->items[i], &row))
            continue;
        bool shown = is_wanted(&row, wanted);
        row.given = shown ? shown_document(&desired->items[i], row.kind) : NULL;
        add_declared(shown ? ret : NULL, &row, &reports);
        json_decref(row.given);
    }
    for (size_t i = 0; i < reports.count; i++)
        if (!reports.items[i].is_claimed && is_wanted(&reports.items[i].key, wanted))
            add_undeclared(ret, &reports.items[i]);
    free(reports.items);
    if (ret->count > 0)
        qsort(ret->items, ret->count, sizeof *ret->items, by_name);
}

void document_rows_clear(struct document_rows *rows)
{
    for (size_t i = 0; i < rows->count; i++) {
        json_decref(rows->items[i].given);
        json_decref(rows->items[i].status);
    }
    free(rows->items);
    *rows = (struct document_rows){0};
}
