/* Files and folders of documents, with every error collected. */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/alloc.h"
#include "base/file.h"
#include "proto/doc.h"
#include "proto/text.h"
#include "proto/tree.h"

enum { FIRST_ERROR_MAX = HM_ERROR_TEXT_MAX - 40 };

struct loader {
    struct doc_list docs;
    doc_error_report report;
    void *data;
    struct hm_error first; /* of the errors */
    size_t errors;
};

static void report_error(struct loader *l, const struct hm_error *err)
{
    if (l->errors++ == 0)
        l->first = *err;
    if (l->report)
        l->report(l->data, err);
}

void doc_list_clear(struct doc_list *list)
{
    if (!list)
        return;
    for (size_t i = 0; i < list->count; i++)
        doc_clear(&list->items[i]);
    free(list->items);
    *list = (struct doc_list){0};
}

/* -- one document ----------------------------------------------------------------------------- */

/* What stands around the spec in a file. Texts are borrowed from the document. */
struct envelope {
    const struct kind *kind;
    const char *name, *where;
};

static int read_text(const json_t *doc, const char *field, const char **ret, struct field_place *at,
                     struct hm_error *err)
{
    const json_t *value = json_object_get(doc, field);
    *ret = json_string_value(value);
    field_place_set(at, "%s", field);
    if (value && !*ret) {
        char shown[TEXT_QUOTE_MAX];
        value_quote(value, shown);
        return field_fail(at, err, "%s is not text", shown);
    }
    return 0;
}

static int read_name(const json_t *doc, const char *field, const char **ret, struct field_place *at,
                     struct hm_error *err)
{
    int rc = read_text(doc, field, ret, at, err);
    if (rc < 0 || !*ret || name_is_valid(*ret))
        return rc;
    char shown[TEXT_QUOTE_MAX];
    text_quote(*ret, shown);
    return field_fail(at, err, "%s is not a name ([a-z0-9-], at most %d, no dash at the ends)",
                      shown, DOC_NAME_MAX);
}

static int read_where(const json_t *doc, struct envelope *e, struct field_place *at,
                      struct hm_error *err)
{
    const char *site, *placement;
    int rc = read_text(doc, "placement", &placement, at, err);
    if (rc >= 0 && placement && strcmp(placement, DOC_PLACEMENT_PRIMARY) != 0)
        return field_fail(at, err, "the only placement is primary; a site's name goes into site");
    if (rc >= 0)
        rc = read_name(doc, "site", &site, at, err);
    if (rc < 0)
        return rc;
    if (site && !strcmp(site, DOC_PLACEMENT_PRIMARY))
        return field_fail(at, err, "no site is called primary; write placement: primary");
    field_place_set(at, "%s", "");
    if (!site == !placement)
        return field_fail(at, err, "%s site: NAME or placement: primary",
                          site ? "give only one of" : "give");
    e->where = placement ? placement : site;
    return 0;
}

static int read_kind(const json_t *doc, struct envelope *e, struct field_place *at,
                     struct hm_error *err)
{
    const char *kind;
    int rc = read_text(doc, "kind", &kind, at, err);
    if (rc >= 0 && !kind) {
        field_place_set(at, "%s", "");
        rc = field_fail(at, err, "a document needs kind and name");
    }
    if (rc >= 0)
        rc = doc_find_kind(kind, &e->kind, err);
    return rc;
}

static int read_envelope(const json_t *doc, struct envelope *e, struct field_place *at,
                         struct hm_error *err)
{
    int rc = read_kind(doc, e, at, err);
    if (rc >= 0)
        rc = read_name(doc, "name", &e->name, at, err);
    if (rc >= 0 && !e->name) {
        field_place_set(at, "%s", "");
        rc = field_fail(at, err, "a %s needs a name", e->kind->name);
    }
    if (rc >= 0)
        rc = read_where(doc, e, at, err);
    return rc < 0 ? rc : doc_check_where(e->where, e->kind, err);
}

static json_t *without_envelope(const json_t *doc)
{
    json_t *given = json_copy((json_t *)(uintptr_t)doc);
    json_object_del(given, "kind");
    json_object_del(given, "name");
    json_object_del(given, "site");
    json_object_del(given, "placement");
    return given;
}

static void keep(struct loader *l, const struct envelope *e, json_t *given, json_t *spec,
                 char *source)
{
    l->docs.items = hm_realloc_array(l->docs.items, l->docs.count + 1, sizeof *l->docs.items);
    l->docs.items[l->docs.count++] = (struct doc){.where = hm_strdup(e->where),
                                                  .kind = e->kind,
                                                  .name = hm_strdup(e->name),
                                                  .given = given,
                                                  .spec = spec,
                                                  .source = source};
}

static int read_doc(struct loader *l, const char *path, const struct tree *tree, const json_t *doc,
                    struct envelope *e, struct field_place *at, struct hm_error *err)
{
    if (!json_is_object(doc)) {
        char shown[TEXT_QUOTE_MAX];
        value_quote(doc, shown);
        return hm_fail(err, HM_E_INVALID, "%s is not a document: expected fields such as kind: vm",
                       shown);
    }
    int rc = read_envelope(doc, e, at, err);
    if (rc < 0)
        return rc;
    json_t *given = without_envelope(doc), *spec = NULL;
    rc = kind_verify(e->kind, given, &spec, at, err);
    if (rc < 0)
        json_decref(given);
    else
        keep(l, e, given, spec, hm_printf("%s:%d", path, tree_line(tree, doc, "")));
    return rc;
}

static void load_doc(struct loader *l, const char *path, const struct tree *tree, const json_t *doc)
{
    struct envelope e = {0};
    struct field_place at = {""};
    struct hm_error err;
    if (read_doc(l, path, tree, doc, &e, &at, &err) >= 0)
        return;
    if (e.kind && e.name && name_is_valid(e.name))
        hm_wrap(&err, "%s %s", e.kind->name, e.name);
    hm_wrap(&err, "%s:%d", path, tree_line(tree, doc, at.path));
    report_error(l, &err);
}

/* -- files ------------------------------------------------------------------------------------ */

/* A document of a stream may be a list of documents. */
static void load_tree(struct loader *l, const char *path, const struct tree *tree)
{
    size_t i, j;
    json_t *doc, *item;
    struct hm_error err;
    json_array_foreach(tree->docs, i, doc)
    {
        if (!json_is_array(doc))
            load_doc(l, path, tree, doc);
        json_array_foreach(doc, j, item)
        {
            load_doc(l, path, tree, item);
        }
    }
    if (json_array_size(tree->docs) == 0) {
        hm_fail(&err, HM_E_INVALID, "%s:1: holds no document", path);
        report_error(l, &err);
    }
}

static void load_text(struct loader *l, const char *path, const char *text, size_t len)
{
    struct tree tree;
    struct hm_error err;
    if (tree_parse(tree_format_of(path), path, text, len, &tree, &err) < 0) {
        report_error(l, &err);
        return;
    }
    load_tree(l, path, &tree);
    tree_clear(&tree);
}

static void load_file(struct loader *l, const char *path)
{
    char *text;
    size_t len;
    struct hm_error err;
    if (hm_file_read(path, PROTO_MAX_BYTES, &text, &len, &err) < 0) {
        report_error(l, &err);
        return;
    }
    load_text(l, path, text, len);
    free(text);
}

static int holds_documents(const struct dirent *entry)
{
    const char *dot = strrchr(entry->d_name, '.');
    if (entry->d_name[0] == '.' || !dot)
        return 0;
    return !strcmp(dot, ".yaml") || !strcmp(dot, ".yml") || !strcmp(dot, ".json");
}

static int by_bytes(const struct dirent **a, const struct dirent **b)
{
    return strcmp((*a)->d_name, (*b)->d_name);
}

static void load_folder(struct loader *l, const char *path)
{
    struct dirent **entries;
    struct hm_error err;
    int n = scandir(path, &entries, holds_documents, by_bytes);
    if (n <= 0) {
        hm_fail(&err, HM_E_NOT_FOUND, "%s: no .yaml, .yml or .json file in this folder", path);
        report_error(l, &err);
    }
    for (int i = 0; i < n; i++) {
        bool slash = path[strlen(path) - 1] == '/';
        HM_AUTOFREE char *file = hm_printf("%s%s%s", path, slash ? "" : "/", entries[i]->d_name);
        load_file(l, file);
        free(entries[i]);
    }
    if (n >= 0)
        free(entries);
}

/* -- twins ------------------------------------------------------------------------------------ */

static int by_identity(const void *a, const void *b)
{
    const struct doc *x = *(const struct doc *const *)a, *y = *(const struct doc *const *)b;
    int by_kind = strcmp(x->kind->name, y->kind->name);
    int by_name = by_kind ? by_kind : strcmp(x->name, y->name);
    int by_where = by_name ? by_name : strcmp(x->where, y->where);
    return by_where ? by_where : (x > y) - (x < y); /* qsort(3) is not stable */
}

static bool same_thing(const struct doc *a, const struct doc *b)
{
    return a->kind == b->kind && !strcmp(a->name, b->name);
}

static void report_twin(struct loader *l, const struct doc *doc, const struct doc *other)
{
    struct hm_error err;
    bool same_place = !strcmp(doc->where, other->where);
    hm_fail(&err, HM_E_CONFLICT, "%s: %s %s: %s %s (%s)", doc->source, doc->kind->name, doc->name,
            same_place ? "is there twice for" : "is also declared for", other->where,
            other->source);
    report_error(l, &err);
}

/* Of one kind and name: one per site, or one on primary. */
static void report_twins_of(struct loader *l, struct doc **group, size_t n)
{
    const struct doc *primary = NULL;
    for (size_t i = 0; i < n; i++)
        if (!strcmp(group[i]->where, DOC_PLACEMENT_PRIMARY))
            primary = group[i];
    for (size_t i = 0; i < n; i++) {
        bool on_primary = !strcmp(group[i]->where, DOC_PLACEMENT_PRIMARY);
        if (i > 0 && !strcmp(group[i]->where, group[i - 1]->where))
            report_twin(l, group[i], group[i - 1]);
        else if (primary && !on_primary)
            report_twin(l, group[i], primary);
        else if (on_primary && n > 1 && strcmp(group[0]->where, group[n - 1]->where) != 0)
            report_twin(l, group[i], i > 0 ? group[0] : group[n - 1]);
    }
}

static void report_twins(struct loader *l)
{
    size_t n = l->docs.count;
    HM_AUTOFREE struct doc **sorted = hm_alloc((n + 1) * sizeof(struct doc *));
    for (size_t i = 0; i < n; i++)
        sorted[i] = &l->docs.items[i];
    qsort(sorted, n, sizeof(struct doc *), by_identity);
    for (size_t i = 0, end; i < n; i = end) {
        for (end = i + 1; end < n && same_thing(sorted[i], sorted[end]); end++)
            ;
        report_twins_of(l, sorted + i, end - i);
    }
}

/* Hand over what was loaded, or nothing and the errors as one. */
static int finish(struct loader *l, struct doc_list *ret, struct hm_error *err)
{
    report_twins(l);
    if (l->errors == 0) {
        *ret = l->docs;
        return 0;
    }
    doc_list_clear(&l->docs);
    if (l->errors == 1)
        return hm_fail(err, l->first.code, "%s", l->first.text);
    char first[FIRST_ERROR_MAX];
    text_clean(l->first.text, first, sizeof first); /* cut at a whole character */
    return hm_fail(err, l->first.code, "%s (and %zu more)", first, l->errors - 1);
}

int docs_load(const char *path, struct doc_list *ret, doc_error_report report, void *data,
              struct hm_error *err)
{
    struct loader l = {.report = report, .data = data};
    struct stat st;
    if (stat(path, &st) == 0 && S_ISDIR(st.st_mode))
        load_folder(&l, path);
    else
        load_file(&l, path);
    return finish(&l, ret, err);
}

int docs_parse(const char *name, const char *text, size_t len, struct doc_list *ret,
               doc_error_report report, void *data, struct hm_error *err)
{
    struct loader l = {.report = report, .data = data};
    load_text(&l, name, text, len);
    return finish(&l, ret, err);
}
