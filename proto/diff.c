/* Two specs of a kind, field by field of its table. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "proto/doc.h"
#include "proto/render.h"

enum { DIFF_PATH_MAX = FIELD_PATH_MAX };

static void diff_fields(struct spec_diff *d, const char *prefix, const struct field *table,
                        const json_t *before, const json_t *after);

/* A value in two specs, and the objects that hold it (of an element of a list: itself). */
struct pair {
    const json_t *before, *after, *before_in, *after_in;
};

static void diff_whole(struct spec_diff *d, const char *path, const struct field *f, struct pair p)
{
    struct spec_change c = {.path = hm_strdup(path),
                            .before = render_text(f, p.before),
                            .after = render_text(f, p.after),
                            .cost = f->cost};
    if (f->weigh)
        c.cost = f->weigh(p.before_in, p.after_in, &c.why);
    d->changes = hm_realloc_array(d->changes, d->count + 1, sizeof *d->changes);
    d->changes[d->count++] = c;
    if (c.cost > d->cost)
        d->cost = c.cost;
}

/* The element of the list with this identity; without a unique field: the one at this place. */
static const json_t *counterpart(const struct field *f, const json_t *list, const json_t *item,
                                 size_t place)
{
    const json_t *id = f->unique_by ? json_object_get(item, f->unique_by) : NULL;
    for (size_t i = 0; id && i < json_array_size(list); i++) {
        const json_t *other = json_array_get(list, i);
        if (json_equal(json_object_get(other, f->unique_by), id))
            return other;
    }
    const json_t *there = id ? NULL : json_array_get(list, place);
    return there && f->unique_by && json_object_get(there, f->unique_by) ? NULL : there;
}

static void element_path(const char *path, const struct field *f, const json_t *item, size_t place,
                         char out[DIFF_PATH_MAX])
{
    const char *id = f->unique_by ? spec_str(item, f->unique_by) : NULL;
    if (id)
        snprintf(out, DIFF_PATH_MAX, "%s[%s]", path, id);
    else
        snprintf(out, DIFF_PATH_MAX, "%s[%zu]", path, place);
}

static void diff_element(struct spec_diff *d, const char *path, const struct field *f,
                         const json_t *before, const json_t *after)
{
    const struct field one = {
        .type = FIELD_OBJECT, .fields = f->fields, .cost = f->cost, .weigh = f->weigh};
    if (before && after)
        diff_fields(d, path, f->fields, before, after);
    else
        diff_whole(d, path, &one, (struct pair){before, after, before, after});
}

static void diff_list(struct spec_diff *d, const char *path, const struct field *f,
                      const json_t *before, const json_t *after)
{
    char at[DIFF_PATH_MAX];
    size_t i;
    json_t *item;
    json_array_foreach(before, i, item)
    {
        element_path(path, f, item, i, at);
        diff_element(d, at, f, item, counterpart(f, after, item, i));
    }
    json_array_foreach(after, i, item)
    {
        if (counterpart(f, before, item, i))
            continue;
        element_path(path, f, item, i, at);
        diff_element(d, at, f, NULL, item);
    }
}

static void diff_map_key(struct spec_diff *d, const char *path, const struct field *f,
                         const char *key, const json_t *before, const json_t *after)
{
    const struct field text = {.type = FIELD_STRING, .cost = f->cost, .secret = f->secret};
    char at[DIFF_PATH_MAX];
    snprintf(at, sizeof at, "%s.%s", path, key);
    diff_whole(d, at, &text, (struct pair){before, after, NULL, NULL});
}

static void diff_map(struct spec_diff *d, const char *path, const struct field *f,
                     const json_t *before, const json_t *after)
{
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)(uintptr_t)before, key, value)
    {
        const json_t *other = json_object_get(after, key);
        if (!json_equal(value, other))
            diff_map_key(d, path, f, key, value, other);
    }
    json_object_foreach((json_t *)(uintptr_t)after, key, value)
    {
        if (!json_object_get(before, key))
            diff_map_key(d, path, f, key, NULL, value);
    }
}

static void diff_field(struct spec_diff *d, const char *path, const struct field *f, struct pair p)
{
    if (f->secret)
        diff_whole(d, path, f, p);
    else if (f->type == FIELD_LIST && f->element == FIELD_OBJECT)
        diff_list(d, path, f, p.before, p.after);
    else if (f->type == FIELD_MAP)
        diff_map(d, path, f, p.before, p.after);
    else if (f->type == FIELD_OBJECT && p.before && p.after)
        diff_fields(d, path, f->fields, p.before, p.after);
    else
        diff_whole(d, path, f, p);
}

static void diff_fields(struct spec_diff *d, const char *prefix, const struct field *table,
                        const json_t *before, const json_t *after)
{
    for (const struct field *f = table; f->name; f++) {
        const json_t *b = json_object_get(before, f->name), *a = json_object_get(after, f->name);
        char path[DIFF_PATH_MAX];
        if (a == b || json_equal(b, a))
            continue;
        snprintf(path, sizeof path, "%s%s%s", prefix, *prefix ? "." : "", f->name);
        diff_field(d, path, f, (struct pair){b, a, before, after});
    }
}

/* A spec that was applied before a field existed has what the field's default says: an upgrade of
 * harmony changes nothing. One that is not valid any more is taken as it is, and so is none at all. A new
 * reference. */
static json_t *with_new_defaults(const struct kind *kind, const json_t *before)
{
    json_t *spec = NULL;
    if (!before || fields_verify(kind->fields, before, &spec, NULL) < 0)
        spec = json_incref((json_t *)(uintptr_t)before);
    return spec;
}

void spec_diff(const struct kind *kind, const json_t *before, const json_t *after,
               struct spec_diff *ret)
{
    json_t *was = with_new_defaults(kind, before);
    *ret = (struct spec_diff){.cost = COST_NONE};
    diff_fields(ret, "", kind->fields, was, after);
    json_decref(was);
}

void spec_diff_clear(struct spec_diff *diff)
{
    if (!diff)
        return;
    for (size_t i = 0; i < diff->count; i++) {
        free(diff->changes[i].path);
        free(diff->changes[i].before);
        free(diff->changes[i].after);
        free(diff->changes[i].why);
    }
    free(diff->changes);
    *diff = (struct spec_diff){.cost = COST_NONE};
}

/* FNV-1a, 64 bits, of the compact text with sorted keys. It tells apart what one writer made at two
 * times; it is no defence against a writer who wants two specs to look equal. */
void spec_hash(const json_t *spec, char out[DOC_HASH_TEXT])
{
    HM_AUTOFREE char *text = json_dumps(spec, JSON_COMPACT | JSON_SORT_KEYS | JSON_ENCODE_ANY);
    uint64_t hash = 14695981039346656037ULL;
    for (const unsigned char *p = (unsigned char *)text; p && *p; p++)
        hash = (hash ^ *p) * 1099511628211ULL;
    snprintf(out, DOC_HASH_TEXT, "%016llx", (unsigned long long)hash);
}
