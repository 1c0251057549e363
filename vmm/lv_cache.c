#include "vmm/lv_cache.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"

enum { SMALLEST = 64 };

struct lv_cache *lv_cache_new(void)
{
    struct lv_cache *cache = hm_alloc(sizeof *cache);
    cache->size = SMALLEST;
    cache->slots = hm_alloc(cache->size * sizeof *cache->slots);
    return cache;
}

void lv_cache_free(struct lv_cache *cache)
{
    if (!cache)
        return;
    for (size_t i = 0; i < cache->size; i++)
        thing_shared_unref(cache->slots[i].shared);
    for (size_t i = 0; i < cache->pool_count; i++) {
        free(cache->pools[i].name);
        free(cache->pools[i].dir);
    }
    free(cache->pools);
    free(cache->slots);
    things_clear(&cache->networks);
    things_clear(&cache->disks);
    json_decref(cache->leases);
    free(cache);
}

/* FNV-1a, 64 bits. */
uint64_t lv_name_hash(const char *name)
{
    uint64_t h = 14695981039346656037u;
    for (; *name; name++)
        h = (h ^ (unsigned char)*name) * 1099511628211u;
    return h;
}

static bool is_of(const struct lv_entry *e, uint64_t hash, const char *name)
{
    return e->hash == hash && (!e->shared || !strcmp(thing_shared_get(e->shared)->name, name));
}

static struct lv_entry *slot_of(const struct lv_cache *cache, uint64_t hash, const char *name)
{
    size_t at = hash & (cache->size - 1);
    while (cache->slots[at].used && !is_of(&cache->slots[at], hash, name))
        at = (at + 1) & (cache->size - 1);
    return &cache->slots[at];
}

static struct lv_entry *free_slot(const struct lv_cache *cache, uint64_t hash)
{
    size_t at = hash & (cache->size - 1);
    while (cache->slots[at].used)
        at = (at + 1) & (cache->size - 1);
    return &cache->slots[at];
}

/* Move the entries that are kept into a table of `size` slots. */
static void rebuild(struct lv_cache *cache, size_t size, bool listed_only)
{
    struct lv_cache old = *cache;
    cache->size = size;
    cache->count = 0;
    cache->slots = hm_alloc(size * sizeof *cache->slots);
    for (size_t i = 0; i < old.size; i++) {
        struct lv_entry *e = &old.slots[i];
        if (!e->used)
            continue;
        if (listed_only && e->pass != cache->pass) {
            thing_shared_unref(e->shared);
            continue;
        }
        *free_slot(cache, e->hash) = *e;
        cache->count++;
    }
    free(old.slots);
}

struct lv_entry *lv_cache_entry(struct lv_cache *cache, const char *name)
{
    uint64_t hash = lv_name_hash(name);
    struct lv_entry *e = slot_of(cache, hash, name);
    if (e->used)
        return e;
    if (cache->count * 2 >= cache->size)
        rebuild(cache, cache->size * 2, false);
    e = free_slot(cache, hash);
    e->hash = hash;
    e->used = true;
    cache->count++;
    return e;
}

const struct lv_entry *lv_cache_find(const struct lv_cache *cache, const char *name)
{
    const struct lv_entry *e = slot_of(cache, lv_name_hash(name), name);
    return e->used ? e : NULL;
}

/* All of that hash: reading one too many anew does no harm. */
void lv_cache_mark_stale(struct lv_cache *cache, uint64_t hash)
{
    for (size_t at = hash & (cache->size - 1); cache->slots[at].used;
         at = (at + 1) & (cache->size - 1))
        if (cache->slots[at].hash == hash)
            cache->slots[at].stale = true;
}

void lv_cache_mark_all_stale(struct lv_cache *cache)
{
    for (size_t i = 0; i < cache->size; i++)
        cache->slots[i].stale = true;
}

void lv_cache_sweep(struct lv_cache *cache, size_t listed)
{
    if (listed != cache->count)
        rebuild(cache, cache->size, true);
}
