#include "ctl/load.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "ctl/json_text.h"
#include "ctl/show.h"

static void collect_error(void *data, const struct hm_error *err)
{
    struct loaded *l = data;
    HM_AUTOFREE char *text = show_cleaned(err->text);
    json_array_append_new(l->errors,
                          json_pack("{s:s, s:s}", "code", hm_code_name(err->code), "text", text));
}

static void take_documents(struct loaded *l, struct doc_list *more)
{
    l->docs.items =
        hm_realloc_array(l->docs.items, l->docs.count + more->count, sizeof *l->docs.items);
    if (more->count > 0)
        memcpy(l->docs.items + l->docs.count, more->items, more->count * sizeof *more->items);
    l->docs.count += more->count;
    free(more->items);
    *more = (struct doc_list){0};
}

static int by_identity(const void *a, const void *b)
{
    const struct doc *x = *(const struct doc *const *)a, *y = *(const struct doc *const *)b;
    int order = strcmp(x->where, y->where);
    order = order ? order : strcmp(x->kind->name, y->kind->name);
    order = order ? order : strcmp(x->name, y->name);
    return order ? order : (x > y) - (x < y);
}

static int fail_twice(struct loaded *l, const struct doc *first, const struct doc *second)
{
    struct hm_error err;
    int result = hm_fail(&err, HM_E_INVALID, "%s: %s %s is declared here and at %s", second->source,
                         second->kind->name, second->name, first->source);
    collect_error(l, &err);
    return result;
}

/* Each path has been checked for itself; across paths the same key may not be given twice either. */
static int check_twice(struct loaded *l)
{
    int result = 0;
    const struct doc **sorted = hm_alloc(l->docs.count * sizeof *sorted);
    for (size_t i = 0; i < l->docs.count; i++)
        sorted[i] = &l->docs.items[i];
    qsort(sorted, l->docs.count, sizeof *sorted, by_identity);
    for (size_t i = 1; i < l->docs.count; i++) {
        const struct doc *a = sorted[i - 1], *b = sorted[i];
        if (!strcmp(a->where, b->where) && a->kind == b->kind && !strcmp(a->name, b->name))
            result = fail_twice(l, a, b);
    }
    free(sorted);
    return result;
}

static int load_path(struct loaded *l, const char *path)
{
    struct doc_list docs = {0};
    struct hm_error err = {0};
    size_t before = json_array_size(l->errors);
    int result = docs_load(path, &docs, collect_error, l, &err);
    if (result >= 0) {
        take_documents(l, &docs);
        return 0;
    }
    if (json_array_size(l->errors) == before)
        collect_error(l, &err);
    return result;
}

int load_documents(const struct invocation *in, struct loaded *ret)
{
    *ret = (struct loaded){.errors = json_array()};
    int result = 0;
    const char *path;
    for (size_t i = 0; (path = flag_nth(in, "file", i)); i++) {
        int one = load_path(ret, path);
        result = result < 0 ? result : one;
    }
    return result < 0 ? result : check_twice(ret);
}

void loaded_clear(struct loaded *l)
{
    doc_list_clear(&l->docs);
    json_decref(l->errors);
    *l = (struct loaded){0};
}

static void print_errors(struct invocation *in, const json_t *errors)
{
    size_t i;
    json_t *error;
    json_array_foreach(errors, i, error) fprintf(in->err, "%s\n", text_of(error, "text"));
}

enum ctl_exit load_or_report(struct invocation *in, struct loaded *ret)
{
    *ret = (struct loaded){0};
    if (!flag_value(in, "file")) {
        fprintf(in->err, "%s needs -f FILE|DIR\n", in->command->name);
        return CTL_USAGE;
    }
    int result = load_documents(in, ret);
    if (result >= 0)
        return CTL_OK;
    print_errors(in, ret->errors);
    return exit_for((enum hm_code) - result);
}
