#include "agent/plan_world.h"

#include <stdlib.h>
#include <string.h>

#include "agent/drivers.h"
#include "base/alloc.h"

bool thing_is_made_from(const struct thing *t, const struct plan_doc *doc)
{
    return t->marked && t->mark_key && !strcmp(t->mark_key, doc->key);
}

static void index_things(struct index *index, const struct things *things)
{
    index_init(index, things->count);
    for (size_t i = 0; i < things->count; i++) {
        struct thing *t = &things->items[i];
        index_put(index, t->kind, t->name, t);
    }
}

void plan_world_open(struct world *w, const struct plan_input *in)
{
    *w = (struct world){.input = in, .things = hm_alloc(in->backend_count * sizeof *w->things)};
    for (size_t i = 0; i < in->backend_count; i++)
        index_things(&w->things[i], in->backends[i].things);
    index_init(&w->docs, in->doc_count);
    index_init(&w->keys, in->doc_count);
    for (size_t i = 0; i < in->doc_count; i++) {
        const struct plan_doc *d = &in->docs[i];
        index_put(&w->keys, "", d->key, (void *)d);
        if (!d->deleted)
            index_put(&w->docs, d->kind->name, d->name, (void *)d);
    }
}

void plan_world_close(struct world *w)
{
    for (size_t i = 0; i < w->input->backend_count; i++)
        index_free(&w->things[i]);
    free(w->things);
    index_free(&w->docs);
    index_free(&w->keys);
}

/* `backend_count`: none. */
static size_t backend_of(const struct world *w, const struct plan_doc *doc)
{
    size_t i = 0;
    while (i < w->input->backend_count &&
           !driver_takes(w->input->backends[i].driver, doc->kind->name, doc->spec))
        i++;
    return i;
}

static const struct thing *thing_in(const struct world *w, size_t backend,
                                    const struct plan_doc *doc)
{
    return backend < w->input->backend_count
               ? index_get(&w->things[backend], doc->kind->name, doc->name)
               : NULL;
}

static bool take_ours_in(const struct world *w, struct plan_step *s, size_t backend)
{
    const struct thing *t = thing_in(w, backend, s->doc);
    if (!t || !thing_is_made_from(t, s->doc))
        return false;
    s->thing = t;
    s->backend = backend;
    return true;
}

void plan_world_find(const struct world *w, struct plan_step *s)
{
    size_t own = backend_of(w, s->doc);
    if (take_ours_in(w, s, own))
        return;
    for (size_t i = 0; i < w->input->backend_count; i++)
        if (take_ours_in(w, s, i))
            return;
    s->backend = own;
    s->thing = thing_in(w, own, s->doc);
}

/* Without a thing: might there be one? A delete marker does not say where, and no VM is made while an
 * earlier one of its document may run elsewhere. */
static bool may_hide_one(const struct world *w, const struct plan_step *s, size_t backend)
{
    const char *kind = s->doc->kind->name;
    bool anywhere = s->doc->deleted || !strcmp(kind, "vm");
    return backend == s->backend ||
           (anywhere && driver_holds(w->input->backends[backend].driver, kind));
}

const char *plan_world_unseen(const struct world *w, const struct plan_step *s)
{
    const struct plan_input *in = w->input;
    if (s->backend >= in->backend_count)
        return "this agent has no backend for it";
    if (s->thing)
        return in->backends[s->backend].unobserved;
    for (size_t i = 0; i < in->backend_count; i++)
        if (in->backends[i].unobserved && may_hide_one(w, s, i))
            return in->backends[i].unobserved;
    return NULL;
}

const char *plan_world_unseen_users(const struct world *w)
{
    for (size_t i = 0; i < w->input->backend_count; i++) {
        const struct plan_backend *b = &w->input->backends[i];
        if (b->unobserved && (driver_holds(b->driver, "vm") || driver_holds(b->driver, "disk")))
            return b->unobserved;
    }
    return NULL;
}

const struct thing *plan_world_find_thing(const struct world *w,
                                          bool (*is)(const void *data, const struct thing *t),
                                          const void *data)
{
    for (size_t i = 0; i < w->input->backend_count; i++) {
        const struct things *list = w->input->backends[i].things;
        for (size_t k = 0; k < list->count; k++)
            if (is(data, &list->items[k]))
                return &list->items[k];
    }
    return NULL;
}
