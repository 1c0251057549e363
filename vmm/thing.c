#include "vmm/thing.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"

struct thing_shared {
    atomic_uint refs;
    struct thing thing;
};

const char *thing_state_name(enum thing_state state)
{
    static const char *const names[] = {
#define THING_STATE_NAME(id, text) [THING_##id] = text,
        THING_STATES(THING_STATE_NAME)
#undef THING_STATE_NAME
    };
    return (size_t)state < HM_COUNT(names) ? names[state] : "unknown";
}

static void free_contents(struct thing *t)
{
    free(t->kind);
    free(t->name);
    free(t->reason);
    free(t->mark_site);
    free(t->mark_key);
    free(t->mark_hash);
    free(t->drift);
    free(t->fault.text);
    json_decref(t->spec);
    json_decref(t->details);
}

void thing_clear(struct thing *t)
{
    if (!t)
        return;
    if (t->shared)
        thing_shared_unref(t->shared);
    else
        free_contents(t);
    memset(t, 0, sizeof *t);
}

void things_clear(struct things *list)
{
    if (!list)
        return;
    for (size_t i = 0; i < list->count; i++)
        thing_clear(&list->items[i]);
    free(list->items);
    memset(list, 0, sizeof *list);
}

void things_add(struct things *list, struct thing *t)
{
    bool full = (list->count & (list->count - 1)) == 0; /* 0 or a power of two */
    if (full)
        list->items = hm_realloc_array(list->items, list->count ? list->count * 2 : 1, sizeof *t);
    list->items[list->count++] = *t;
    memset(t, 0, sizeof *t);
}

struct thing_shared *thing_shared_new(struct thing *t)
{
    struct thing_shared *shared = hm_alloc(sizeof *shared);
    atomic_init(&shared->refs, 1);
    shared->thing = *t;
    memset(t, 0, sizeof *t);
    return shared;
}

void thing_shared_unref(struct thing_shared *shared)
{
    if (!shared || atomic_fetch_sub(&shared->refs, 1) != 1)
        return;
    free_contents(&shared->thing);
    free(shared);
}

const struct thing *thing_shared_get(const struct thing_shared *shared)
{
    return &shared->thing;
}

struct thing thing_view(struct thing_shared *shared, enum thing_state state, const char *reason)
{
    atomic_fetch_add(&shared->refs, 1);
    struct thing view = shared->thing;
    view.shared = shared;
    view.state = state;
    if (reason)
        view.reason = (char *)(uintptr_t)reason;
    return view;
}
