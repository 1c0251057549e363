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
    free(cache);
}

/* UUIDs are random: their own bytes are the hash. */
static size_t slot_of(const struct lv_cache *cache, const unsigned char *uuid)
{
    size_t at;
    memcpy(&at, uuid, sizeof at);
    at &= cache->size - 1;
    while (cache->slots[at].used && memcmp(cache->slots[at].uuid, uuid, VIR_UUID_BUFLEN) != 0)
        at = (at + 1) & (cache->size - 1);
    return at;
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
        cache->slots[slot_of(cache, e->uuid)] = *e;
        cache->count++;
    }
    free(old.slots);
}

struct lv_entry *lv_cache_find(struct lv_cache *cache, const unsigned char uuid[VIR_UUID_BUFLEN])
{
    struct lv_entry *e = &cache->slots[slot_of(cache, uuid)];
    return e->used ? e : NULL;
}

struct lv_entry *lv_cache_entry(struct lv_cache *cache, const unsigned char uuid[VIR_UUID_BUFLEN])
{
    struct lv_entry *e = lv_cache_find(cache, uuid);
    if (e)
        return e;
    if (cache->count * 2 >= cache->size)
        rebuild(cache, cache->size * 2, false);
    e = &cache->slots[slot_of(cache, uuid)];
    memcpy(e->uuid, uuid, VIR_UUID_BUFLEN);
    e->used = true;
    cache->count++;
    return e;
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
