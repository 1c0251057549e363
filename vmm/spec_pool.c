#include "vmm/spec_pool.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "proto/doc.h"

struct slot {
    uint64_t hash;
    json_t *spec; /* or a value of one; NULL: free */
};

static struct {
    pthread_mutex_t lock;
    struct slot *slots; /* open addressing; the size is 0 or a power of two */
    size_t size, count;
} pool = {.lock = PTHREAD_MUTEX_INITIALIZER};

static struct slot *find_slot(uint64_t hash)
{
    size_t at = hash & (pool.size - 1);
    while (pool.slots[at].spec && pool.slots[at].hash != hash)
        at = (at + 1) & (pool.size - 1);
    return &pool.slots[at];
}

static bool is_ours_alone(const json_t *spec)
{
    return __atomic_load_n(&spec->refcount, __ATOMIC_ACQUIRE) == 1;
}

static size_t drop_unused(void)
{
    size_t kept = 0;
    for (size_t i = 0; i < pool.size; i++) {
        struct slot *s = &pool.slots[i];
        if (s->spec && is_ours_alone(s->spec)) {
            json_decref(s->spec);
            s->spec = NULL;
        }
        kept += s->spec != NULL;
    }
    return kept;
}

/* Half full at most afterwards. The holes that were made are gone with the old table. */
static void rebuild(void)
{
    struct slot *old = pool.slots;
    size_t old_size = pool.size;
    pool.count = drop_unused();
    for (pool.size = 64; pool.size < pool.count * 2;)
        pool.size *= 2;
    pool.slots = hm_alloc(pool.size * sizeof *pool.slots);
    for (size_t i = 0; i < old_size; i++)
        if (old[i].spec)
            *find_slot(old[i].hash) = old[i];
    free(old);
}

static json_t *share(uint64_t hash, json_t *spec)
{
    if ((pool.count + 1) * 4 > pool.size * 3)
        rebuild();
    struct slot *s = find_slot(hash);
    if (!s->spec) {
        *s = (struct slot){.hash = hash, .spec = json_incref(spec)};
        pool.count++;
    }
    if (s->spec == spec || !json_equal(s->spec, spec))
        return spec;
    json_decref(spec);
    return json_incref(s->spec);
}

static uint64_t number_of(const char *hash)
{
    return strtoull(hash, NULL, 16);
}

/* Most values are defaults, and the same in all specs that are not equal. jansson has but one of each
 * true, false and null. */
static void share_values(json_t *spec)
{
    char hash[DOC_HASH_TEXT];
    for (void *at = json_object_iter(spec); at; at = json_object_iter_next(spec, at)) {
        json_t *value = json_object_iter_value(at);
        if (json_is_boolean(value) || json_is_null(value))
            continue;
        spec_hash(value, hash);
        json_object_iter_set_new(spec, at, share(number_of(hash), json_incref(value)));
    }
}

static bool is_new(uint64_t hash)
{
    return !pool.size || !find_slot(hash)->spec;
}

json_t *spec_share(const char *hash, json_t *spec)
{
    if (!spec || !hash)
        return spec;
    pthread_mutex_lock(&pool.lock);
    if (is_ours_alone(spec) && is_new(number_of(hash)))
        share_values(spec);
    json_t *shared = share(number_of(hash), spec);
    pthread_mutex_unlock(&pool.lock);
    return shared;
}
