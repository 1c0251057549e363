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

/* Each path has been checked for itself; across paths the same key may not be given twice. */
static int check_twice(struct loaded *l, const struct doc *doc)
{
    char key[DOC_KEY_MAX + 1], other[DOC_KEY_MAX + 1];
    struct hm_error err;
    doc_key(doc, key);
    for (size_t i = 0; i < l->docs.count; i++) {
        doc_key(&l->docs.items[i], other);
        if (strcmp(key, other) != 0)
            continue;
        int result = hm_fail(&err, HM_E_INVALID, "%s: %s %s is declared here and at %s",
                             doc->source, doc->kind->name, doc->name, l->docs.items[i].source);
        collect_error(l, &err);
        return result;
    }
    return 0;
}

/* Moves the documents of `more` over; what is given twice is left behind. */
static int take_documents(struct loaded *l, struct doc_list *more)
{
    int result = 0;
    size_t old = l->docs.count;
    l->docs.items = hm_realloc_array(l->docs.items, old + more->count, sizeof *l->docs.items);
    for (size_t i = 0; i < more->count; i++) {
        int twice = check_twice(l, &more->items[i]);
        if (twice < 0) {
            result = twice;
            continue;
        }
        l->docs.items[l->docs.count++] = more->items[i];
        more->items[i] = (struct doc){0};
    }
    doc_list_clear(more);
    return result;
}

static int load_path(struct loaded *l, const char *path)
{
    struct doc_list docs = {0};
    struct hm_error err = {0};
    size_t before = json_array_size(l->errors);
    int result = docs_load(path, &docs, collect_error, l, &err);
    if (result >= 0)
        return take_documents(l, &docs);
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
    return result < 0 ? result : 0;
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
