#include "agent/index.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"

/* FNV-1a over both texts with a separator that names can't contain. */
static uint32_t hash_pair(const char *kind, const char *name)
{
    uint32_t h = 2166136261u;
    for (const char *c = kind; *c; c++)
        h = (h ^ (unsigned char)*c) * 16777619u;
    h = (h ^ '/') * 16777619u;
    for (const char *c = name; *c; c++)
        h = (h ^ (unsigned char)*c) * 16777619u;
    return h;
}

void index_init(struct index *index, size_t expected)
{
    size_t size = 16;
    while (size < expected * 2)
        size *= 2;
    *index = (struct index){.slots = hm_alloc(size * sizeof *index->slots), .size = size};
}

void index_free(struct index *index)
{
    free(index->slots);
    *index = (struct index){0};
}

/* The slot that holds the key, or the empty one where it belongs. */
static struct index_slot *find_slot(const struct index *index, const char *kind, const char *name,
                                    uint32_t hash)
{
    size_t at = hash & (index->size - 1);
    for (;; at = (at + 1) & (index->size - 1)) {
        struct index_slot *s = &index->slots[at];
        if (!s->kind || (s->hash == hash && !strcmp(s->name, name) && !strcmp(s->kind, kind)))
            return s;
    }
}

static void grow(struct index *index)
{
    struct index bigger;
    index_init(&bigger, index->size);
    for (size_t i = 0; i < index->size; i++) {
        const struct index_slot *s = &index->slots[i];
        if (s->kind)
            *find_slot(&bigger, s->kind, s->name, s->hash) = *s;
    }
    bigger.count = index->count;
    free(index->slots);
    *index = bigger;
}

void *index_put(struct index *index, const char *kind, const char *name, void *value)
{
    if ((index->count + 1) * 4 > index->size * 3)
        grow(index);
    uint32_t hash = hash_pair(kind, name);
    struct index_slot *s = find_slot(index, kind, name, hash);
    void *old = s->kind ? s->value : NULL;
    if (!s->kind)
        index->count++;
    *s = (struct index_slot){.kind = kind, .name = name, .value = value, .hash = hash};
    return old;
}

void *index_get(const struct index *index, const char *kind, const char *name)
{
    if (index->size == 0)
        return NULL;
    return find_slot(index, kind, name, hash_pair(kind, name))->value;
}
