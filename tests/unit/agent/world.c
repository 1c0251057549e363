#include "world.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"

json_t *world_spec(const char *kind, const char *json)
{
    struct hm_error err = {0};
    json_t *in = json_loads(json, 0, NULL), *spec = NULL;
    ck_assert_msg(in != NULL, "not JSON: %s", json);
    int r = kind_verify(kind_find(kind), in, &spec, NULL, &err);
    json_decref(in);
    ck_assert_msg(r == 0, "%s: %s", json, err.text);
    return spec;
}

struct world_doc *world_find_doc(struct world *w, const char *key)
{
    for (size_t i = 0; i < w->doc_count; i++)
        if (!strcmp(w->docs[i].key, key))
            return &w->docs[i];
    return NULL;
}

static struct world_doc *add_doc(struct world *w, const char *key)
{
    char where[DOC_NAME_MAX + 1], kind[DOC_NAME_MAX + 1], name[DOC_NAME_MAX + 1];
    ck_assert_uint_lt(w->doc_count, WORLD_DOCS);
    ck_assert_int_eq(doc_key_split(key, where, kind, name, NULL), 0);
    struct world_doc *d = &w->docs[w->doc_count++];
    *d = (struct world_doc){
        .doc = {.where = hm_strdup(where), .kind = kind_find(kind), .name = hm_strdup(name)}};
    strcpy(d->key, key);
    return d;
}

void world_declare(struct world *w, const char *key, const char *json)
{
    struct world_doc *d = world_find_doc(w, key);
    if (!d)
        d = add_doc(w, key);
    json_decref(d->doc.spec);
    d->doc.spec = json ? world_spec(d->doc.kind->name, json) : NULL;
    d->deleted = !json;
    if (json)
        spec_hash(d->doc.spec, d->hash);
}

static struct thing *add_thing(struct world *w, const char *kind, const char *name,
                               enum thing_state state)
{
    w->things.items =
        hm_realloc_array(w->things.items, w->things.count + 1, sizeof *w->things.items);
    struct thing *t = &w->things.items[w->things.count++];
    *t = (struct thing){.kind = hm_strdup(kind), .name = hm_strdup(name), .state = state};
    return t;
}

void world_mark(struct thing *t, const char *key, const json_t *spec)
{
    char hash[DOC_HASH_TEXT];
    json_t *taken = json_incref((json_t *)(uintptr_t)spec);
    spec_hash(spec, hash);
    free(t->mark_site);
    free(t->mark_key);
    free(t->mark_hash);
    free(t->drift);
    json_decref(t->spec);
    t->marked = true;
    t->mark_site = hm_strdup("site-a");
    t->mark_key = hm_strdup(key);
    t->mark_hash = hm_strdup(hash);
    t->spec = taken;
    t->drift = NULL;
}

struct thing *world_made(struct world *w, const char *key, enum thing_state state, const char *json)
{
    char where[DOC_NAME_MAX + 1], kind[DOC_NAME_MAX + 1], name[DOC_NAME_MAX + 1];
    ck_assert_int_eq(doc_key_split(key, where, kind, name, NULL), 0);
    struct thing *t = add_thing(w, kind, name, state);
    json_t *spec = world_spec(kind, json);
    world_mark(t, key, spec);
    json_decref(spec);
    return t;
}

struct thing *world_foreign(struct world *w, const char *kind, const char *name,
                            enum thing_state state)
{
    return add_thing(w, kind, name, state);
}

struct thing *world_find_thing(struct world *w, const char *kind, const char *name)
{
    for (size_t i = 0; i < w->things.count; i++)
        if (!strcmp(w->things.items[i].kind, kind) && !strcmp(w->things.items[i].name, name))
            return &w->things.items[i];
    return NULL;
}

void world_remove_thing(struct world *w, const struct thing *t)
{
    size_t at = (size_t)(t - w->things.items);
    thing_clear(&w->things.items[at]);
    w->things.items[at] = w->things.items[--w->things.count];
}

static int by_plan_order(const void *a, const void *b)
{
    const struct plan_doc *x = a, *y = b;
    int order = x->kind->order - y->kind->order;
    int name = order ? order : strcmp(x->name, y->name);
    return name ? name : strcmp(x->where, y->where);
}

static const char *say_unwell(void *data, const struct plan_doc *doc)
{
    (void)doc;
    const struct world *w = data;
    return w->unwell;
}

static const char *const all_kinds[] = {"network", "image-file", "disk", "vm", NULL};
static const struct driver one_for_all = {.name = "libvirt", .kinds = all_kinds};

const struct plan *world_plan(struct world *w)
{
    plan_clear(&w->plan);
    for (size_t i = 0; i < w->doc_count; i++) {
        const struct world_doc *d = &w->docs[i];
        w->arranged[i] = (struct plan_doc){
            .key = d->key,
            .where = d->doc.where,
            .name = d->doc.name,
            .kind = d->doc.kind,
            .spec = d->doc.spec,
            .hash = d->hash,
            .deleted = d->deleted,
            .missing = d->missing,
            .held = d->held,
        };
    }
    qsort(w->arranged, w->doc_count, sizeof w->arranged[0], by_plan_order);
    w->backend = (struct plan_backend){
        .driver = &one_for_all, .things = &w->things, .unobserved = w->unobserved};
    w->input = (struct plan_input){
        .site = "site-a",
        .serving = w->serving,
        .epoch = w->epoch,
        .unwell = w->unwell ? say_unwell : NULL,
        .unwell_data = w,
        .docs = w->arranged,
        .doc_count = w->doc_count,
        .backends = &w->backend,
        .backend_count = 1,
        .quota = w->quota,
    };
    plan_make(&w->input, &w->plan);
    return &w->plan;
}

const struct plan_step *world_step(const struct world *w, const char *key)
{
    for (size_t i = 0; i < w->plan.count; i++)
        if (!strcmp(w->plan.steps[i].doc->key, key))
            return &w->plan.steps[i];
    ck_abort_msg("there is no step for %s", key);
}

void world_expect(struct world *w, const char *key, enum plan_op op, enum plan_verb verb)
{
    world_plan(w);
    const struct plan_step *s = world_step(w, key);
    ck_assert_msg(s->op == op && s->verb == verb, "%s: %s by %s (%s), expected %s by %s", key,
                  plan_op_name(s->op), plan_verb_name(s->verb), s->why ? s->why : "-",
                  plan_op_name(op), plan_verb_name(verb));
    bool needs_reason = op == PLAN_BLOCKED || op == PLAN_WAIT || op == PLAN_RESTART ||
                        op == PLAN_REPLACE || op == PLAN_REMOVE || op == PLAN_STOP;
    ck_assert_msg(!needs_reason || (s->why && *s->why), "%s: no reason given", key);
}

void world_expect_why(const struct world *w, const char *key, const char *part)
{
    const char *why = world_step(w, key)->why;
    ck_assert_msg(why && strstr(why, part), "%s: \"%s\" does not say \"%s\"", key,
                  why ? why : "(nothing)", part);
}

void world_clear(struct world *w)
{
    plan_clear(&w->plan);
    for (size_t i = 0; i < w->doc_count; i++)
        doc_clear(&w->docs[i].doc);
    things_clear(&w->things);
    *w = (struct world){0};
}
