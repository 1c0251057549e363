#include "netalloc/pool.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "proto/address.h"

/* -- The list, by address ---------------------------------------------------------------------- */

/* Where the address is, or would be. */
static size_t place_of(const struct pool *pool, uint32_t address)
{
    size_t low = 0, high = pool->count;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (pool->items[middle].address < address)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static struct lease *find_address(const struct pool *pool, uint32_t address)
{
    size_t at = place_of(pool, address);
    return at < pool->count && pool->items[at].address == address ? &pool->items[at] : NULL;
}

static struct lease *insert(struct pool *pool, uint32_t address)
{
    size_t at = place_of(pool, address);
    if ((pool->count & (pool->count - 1)) == 0)
        pool->items =
            hm_realloc_array(pool->items, pool->count ? 2 * pool->count : 1, sizeof *pool->items);
    memmove(&pool->items[at + 1], &pool->items[at], (pool->count - at) * sizeof *pool->items);
    pool->count++;
    pool->items[at] = (struct lease){.address = address};
    return &pool->items[at];
}

static struct lease *find_held(const struct pool *pool, const char *owner)
{
    for (size_t i = 0; i < pool->count; i++)
        if (!pool->items[i].given_back && !strcmp(pool->items[i].owner, owner))
            return &pool->items[i];
    return NULL;
}

const struct lease *pool_held_by(const struct pool *pool, const char *owner)
{
    return find_held(pool, owner);
}

const struct lease *pool_at(const struct pool *pool, uint32_t address)
{
    return find_address(pool, address);
}

void pool_clear(struct pool *pool)
{
    free(pool->items);
    *pool = (struct pool){0};
}

/* -- Which address ----------------------------------------------------------------------------- */

static bool is_reserved(const struct pool_range *range, uint32_t address)
{
    size_t low = 0, high = range->reserved_count;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (range->reserved[middle] == address)
            return true;
        if (range->reserved[middle] < address)
            low = middle + 1;
        else
            high = middle;
    }
    return false;
}

static bool may_be_given(const struct pool_range *range, uint32_t address)
{
    return address >= range->first && address <= range->last && !is_reserved(range, address);
}

/* The one this owner gave back last, if nobody has it. */
static const struct lease *find_own_before(const struct pool *pool, const struct pool_range *range,
                                           const char *owner)
{
    const struct lease *best = NULL;
    for (size_t i = 0; i < pool->count; i++) {
        const struct lease *l = &pool->items[i];
        if (l->given_back && !strcmp(l->owner, owner) && may_be_given(range, l->address) &&
            (!best || l->given_back > best->given_back))
            best = l;
    }
    return best;
}

/* The lowest that is in no lease; 0: none. */
static uint32_t find_unused(const struct pool *pool, const struct pool_range *range)
{
    size_t at = place_of(pool, range->first);
    for (uint64_t address = range->first; address <= range->last; address++) {
        if (at < pool->count && pool->items[at].address == address)
            at++;
        else if (!is_reserved(range, (uint32_t)address))
            return (uint32_t)address;
    }
    return 0;
}

static const struct lease *find_oldest_return(const struct pool *pool,
                                              const struct pool_range *range)
{
    const struct lease *best = NULL;
    for (size_t i = 0; i < pool->count; i++) {
        const struct lease *l = &pool->items[i];
        if (l->given_back && may_be_given(range, l->address) &&
            (!best || l->given_back < best->given_back))
            best = l;
    }
    return best;
}

static uint32_t choose(const struct pool *pool, const struct pool_range *range, const char *owner)
{
    const struct lease *before = find_own_before(pool, range, owner);
    uint32_t unused = before ? 0 : find_unused(pool, range);
    const struct lease *oldest = before || unused ? NULL : find_oldest_return(pool, range);
    return before ? before->address : unused ? unused : oldest ? oldest->address : 0;
}

/* -- Taking and giving back -------------------------------------------------------------------- */

static int check_wanted(const struct pool *pool, const struct pool_request *q, struct hm_error *err)
{
    const struct lease *l = find_address(pool, q->wanted);
    char text[IPV4_TEXT_MAX + 1];
    if (!l || l->given_back || !strcmp(l->owner, q->owner))
        return 0;
    ipv4_text(q->wanted, text);
    return hm_fail(err, HM_E_CONFLICT, "%s: the address %s is held by %s; give one of them another",
                   q->owner, text, l->owner);
}

static int fail_full(const struct pool_range *range, const char *owner, struct hm_error *err)
{
    char first[IPV4_TEXT_MAX + 1], last[IPV4_TEXT_MAX + 1];
    ipv4_text(range->first, first);
    ipv4_text(range->last, last);
    return hm_fail(err, HM_E_REFUSED,
                   "%s: all addresses from %s to %s are held; give the network a larger range",
                   owner, first, last);
}

static bool is_as_requested(const struct lease *l, const struct pool_request *q)
{
    return !memcmp(l->mac, q->mac, 6) && l->tap == q->tap &&
           !strcmp(l->name, q->name ? q->name : "");
}

static void hold(struct lease *l, const struct pool_request *q)
{
    *l = (struct lease){.address = l->address, .tap = q->tap};
    memcpy(l->mac, q->mac, 6);
    strncpy(l->owner, q->owner, OWNER_MAX);
    if (q->name)
        strncpy(l->name, q->name, LEASE_NAME_MAX);
}

static void give_back(struct pool *pool, struct lease *l)
{
    l->given_back = ++pool->returns;
    l->tap = false;
}

int pool_take(struct pool *pool, const struct pool_range *range, const struct pool_request *q,
              uint32_t *ret_address, struct hm_error *err)
{
    int r = q->wanted ? check_wanted(pool, q, err) : 0;
    if (r < 0)
        return r;
    struct lease *held = find_held(pool, q->owner);
    bool fits =
        held && (q->wanted ? held->address == q->wanted : may_be_given(range, held->address));
    bool same = fits && is_as_requested(held, q);
    uint32_t address = fits ? held->address : q->wanted ? q->wanted : choose(pool, range, q->owner);
    if (!address)
        return fail_full(range, q->owner, err);
    if (held && !fits)
        give_back(pool, held);
    struct lease *l = find_address(pool, address);
    hold(l ? l : insert(pool, address), q);
    *ret_address = address;
    return !same;
}

bool pool_give_back(struct pool *pool, const char *owner)
{
    struct lease *held = find_held(pool, owner);
    if (held)
        give_back(pool, held);
    return held != NULL;
}
