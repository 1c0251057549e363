/* The record of a pool: what is accepted has one holder for each address, is written as it was read, and
 * can be gone on with. */
#include <stdlib.h>
#include <string.h>

#include "netalloc/pool.h"
#include "tests/fuzz/check.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require_sound(const struct pool *pool)
{
    for (size_t i = 0; i < pool->count; i++) {
        const struct lease *l = &pool->items[i];
        FUZZ_REQUIRE(owner_is_valid(l->owner) && l->given_back <= pool->returns);
        FUZZ_REQUIRE(i == 0 || l[-1].address < l->address);
        FUZZ_REQUIRE(l->given_back || pool_held_by(pool, l->owner) == l);
    }
}

static bool is_same(const struct lease *a, const struct lease *b)
{
    return a->address == b->address && a->given_back == b->given_back && a->tap == b->tap &&
           !memcmp(a->mac, b->mac, 6) && !strcmp(a->owner, b->owner) && !strcmp(a->name, b->name);
}

static void require_same(const struct pool *a, const struct pool *b)
{
    FUZZ_REQUIRE(a->count == b->count && a->returns == b->returns);
    for (size_t i = 0; i < a->count; i++)
        FUZZ_REQUIRE(is_same(&a->items[i], &b->items[i]));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct pool pool, again;
    struct hm_error err;
    int rc = pool_from_text((const char *)data, size, &pool, &err);
    if (rc < 0) {
        fuzz_require_sentence(rc, &err);
        return 0;
    }
    require_sound(&pool);
    char *text = pool_to_text(&pool);
    FUZZ_REQUIRE(pool_from_text(text, strlen(text), &again, &err) == 0);
    require_same(&pool, &again);
    struct pool_range range = {0x0a000001, 0x0a00000f, NULL, 0};
    struct pool_request q = {.owner = "site-a.vm.new#0"};
    uint32_t address;
    if (pool_take(&again, &range, &q, &address, &err) >= 0)
        FUZZ_REQUIRE(pool_at(&again, address) == pool_held_by(&again, q.owner));
    require_sound(&again);
    free(text);
    pool_clear(&pool);
    pool_clear(&again);
    return 0;
}
