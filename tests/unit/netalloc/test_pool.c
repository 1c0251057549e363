/*
 * The pool of addresses, by cases and by chance: thousands of takes, returns and crashes, in which no
 * address ever has two holders and nobody's address moves.
 */
#include "netalloc/pool.h"

#include <stdio.h>

#include "suite.h"

enum { FIRST = 0x0a640002, LAST = 0x0a64000b }; /* ten addresses: .2 to .11 */

static const struct pool_range ten = {FIRST, LAST, NULL, 0};

static uint32_t take_from(struct pool *pool, const struct pool_range *range, const char *owner)
{
    uint32_t address = 0;
    struct hm_error err = {0};
    struct pool_request q = {.owner = owner};
    int r = pool_take(pool, range, &q, &address, &err);
    ck_assert_msg(r >= 0, "%s", err.text);
    return address;
}

static uint32_t take(struct pool *pool, const char *owner)
{
    return take_from(pool, &ten, owner);
}

START_TEST(an_owner_keeps_its_address)
{
    struct pool pool = {0};
    uint32_t address = 0;
    struct pool_request q = {.owner = "site-a.vm.web#0", .mac = {2, 0, 0, 0, 0, 1}, .name = "web"};
    ck_assert_int_eq(pool_take(&pool, &ten, &q, &address, NULL), 1);
    ck_assert_uint_eq(address, FIRST);
    ck_assert_uint_eq(take(&pool, "site-a.vm.db#0"), FIRST + 1);
    ck_assert_int_eq(pool_take(&pool, &ten, &q, &address, NULL), 0); /* nothing to write */
    ck_assert_uint_eq(address, FIRST);
    q.mac[5] = 2; /* another card: the same address, and something to write */
    ck_assert_int_eq(pool_take(&pool, &ten, &q, &address, NULL), 1);
    ck_assert_uint_eq(address, FIRST);
    ck_assert_str_eq(pool_held_by(&pool, q.owner)->name, "web");
    pool_clear(&pool);
}
END_TEST

START_TEST(what_was_given_back_is_reused_late_and_oldest_first)
{
    struct pool pool = {0};
    char owner[16];
    for (unsigned i = 0; i < 10; i++) {
        snprintf(owner, sizeof owner, "old%u", i);
        ck_assert_uint_eq(take(&pool, owner), FIRST + i);
        if (i == 6 || i == 3)
            ck_assert(pool_give_back(&pool, owner));
    }
    ck_assert(!pool_give_back(&pool, "old3")); /* it holds none any more */
    ck_assert_uint_eq(take(&pool, "new1"), FIRST + 3);
    ck_assert_uint_eq(take(&pool, "new2"), FIRST + 6);
    struct hm_error err = {0};
    uint32_t address = 7;
    struct pool_request q = {.owner = "one-too-many"};
    ck_assert_int_eq(pool_take(&pool, &ten, &q, &address, &err), -HM_E_REFUSED);
    ck_assert_uint_eq(address, 7);
    ck_assert_ptr_nonnull(strstr(err.text, "10.100.0.2 to 10.100.0.11"));
    pool_clear(&pool);
}
END_TEST

START_TEST(who_comes_back_gets_the_same_address_if_it_is_free)
{
    struct pool pool = {0};
    take(&pool, "a");
    uint32_t before = take(&pool, "b");
    take(&pool, "c");
    pool_give_back(&pool, "a");
    pool_give_back(&pool, "b");
    ck_assert_uint_eq(take(&pool, "b"), before);
    pool_clear(&pool);
}
END_TEST

START_TEST(a_wanted_address_is_given_or_refused_by_name)
{
    struct pool pool = {0};
    struct hm_error err = {0};
    uint32_t address;
    take(&pool, "site-a.vm.web#0");
    struct pool_request q = {.owner = "site-a.vm.db#0", .wanted = FIRST};
    ck_assert_int_eq(pool_take(&pool, &ten, &q, &address, &err), -HM_E_CONFLICT);
    ck_assert_str_eq(err.text, "site-a.vm.db#0: the address 10.100.0.2 is held by site-a.vm.web#0; "
                               "give one of them another");
    q.wanted = LAST;
    ck_assert_int_eq(pool_take(&pool, &ten, &q, &address, &err), 1);
    ck_assert_uint_eq(address, LAST);
    q.wanted = FIRST + 4; /* it moves: what it had is given back */
    ck_assert_int_eq(pool_take(&pool, &ten, &q, &address, &err), 1);
    ck_assert_uint_eq(pool_at(&pool, LAST)->given_back, 1);
    ck_assert_uint_eq(pool_held_by(&pool, q.owner)->address, FIRST + 4);
    pool_clear(&pool);
}
END_TEST

START_TEST(reserved_addresses_and_a_changed_range_are_respected)
{
    struct pool pool = {0};
    static const uint32_t reserved[] = {FIRST - 1, FIRST, FIRST + 2};
    const struct pool_range some = {FIRST, LAST, reserved, 3};
    const struct pool_range later = {FIRST + 4, LAST, reserved, 3};
    ck_assert_uint_eq(take_from(&pool, &some, "a"), FIRST + 1);
    ck_assert_uint_eq(take_from(&pool, &some, "b"), FIRST + 3);
    ck_assert_uint_eq(take_from(&pool, &later, "a"), FIRST + 4); /* its own is outside now */
    pool_clear(&pool);
}
END_TEST

START_TEST(an_address_that_becomes_reserved_is_left_by_its_holder_and_not_reused)
{
    struct pool pool = {0};
    const struct pool_range one = {FIRST, FIRST, NULL, 0};
    static const uint32_t reserved[] = {FIRST};
    const struct pool_range later = {FIRST, FIRST + 1, reserved, 1};
    struct pool_request q = {.owner = "b"};
    uint32_t address;
    ck_assert_uint_eq(take_from(&pool, &one, "a"), FIRST);
    ck_assert_uint_eq(take_from(&pool, &later, "a"), FIRST + 1);
    ck_assert_int_eq(pool_take(&pool, &later, &q, &address, NULL), -HM_E_REFUSED);
    pool_clear(&pool);
}
END_TEST

START_TEST(the_last_address_of_all_is_no_end_of_the_world)
{
    struct pool pool = {0};
    const struct pool_range end = {UINT32_MAX - 1, UINT32_MAX, NULL, 0};
    ck_assert_uint_eq(take_from(&pool, &end, "a"), UINT32_MAX - 1);
    ck_assert_uint_eq(take_from(&pool, &end, "b"), UINT32_MAX);
    struct pool_request q = {.owner = "c"};
    uint32_t address;
    ck_assert_int_eq(pool_take(&pool, &end, &q, &address, NULL), -HM_E_REFUSED);
    pool_clear(&pool);
}
END_TEST

/* -- The record -------------------------------------------------------------------------------- */

#define LEASE(rest) "{\"version\":1,\"returns\":3,\"leases\":[" rest "]}"
#define WEB         "{\"address\":\"10.0.0.2\",\"owner\":\"s.vm.web#0\",\"mac\":\"02:00:00:00:00:01\"}"
#define WITH(field)                                                                                \
    "{\"address\":\"10.0.0.9\",\"owner\":\"s.vm.db#0\",\"mac\":\"02:00:00:00:00:01\"," field "}"

static const char *const bad[] = {
    "",
    "[]",
    "{}",
    "{\"version\":2,\"leases\":[]}",
    "{\"version\":1}",
    "{\"version\":1,\"returns\":-1,\"leases\":[]}",
    "{\"version\":1,\"version\":1,\"leases\":[]}",
    LEASE("7"),
    LEASE("{}"),
    LEASE(WEB "," WEB), /* one address twice */
    LEASE("{\"address\":\"10.0.0.1\",\"owner\":\"s.vm.web#0\",\"mac\":\"02:00:00:00:00:01\"}," WEB),
    LEASE(WITH("\"name\":\"a b\"")),
    LEASE(WITH("\"name\":\"x,10.0.0.1\"")),
    LEASE(WITH("\"name\":7")),
    LEASE(WITH("\"given_back\":4")), /* after the last return */
    LEASE(WITH("\"given_back\":\"1\"")),
    LEASE(WITH("\"given_back\":1,\"tap\":true")),
    LEASE("{\"address\":\"10.0.0.02\",\"owner\":\"s.vm.web#0\",\"mac\":\"02:00:00:00:00:01\"}"),
    LEASE("{\"address\":\"10.0.0.2\",\"owner\":\"s vm\",\"mac\":\"02:00:00:00:00:01\"}"),
    LEASE("{\"address\":\"10.0.0.2\",\"owner\":\"s.vm.web#0\",\"mac\":\"02\"}"),
    LEASE("{\"address\":\"0.0.0.0\",\"owner\":\"s.vm.web#0\",\"mac\":\"02:00:00:00:00:01\"}"),
};

START_TEST(a_record_that_is_wrong_is_refused_whole)
{
    struct pool pool = {.returns = 77};
    struct hm_error err = {0};
    ck_assert_msg(pool_from_text(bad[_i], strlen(bad[_i]), &pool, &err) == -HM_E_INVALID, "%s",
                  bad[_i]);
    ck_assert_uint_eq(pool.returns, 77);
    ck_assert(err.text[0]);
}
END_TEST

static void write_and_read(struct pool *pool)
{
    struct pool again = {0};
    struct hm_error err = {0};
    char *text = pool_to_text(pool);
    int r = pool_from_text(text, strlen(text), &again, &err);
    ck_assert_msg(r >= 0, "%s: %s", err.text, text);
    ck_assert_uint_eq(again.count, pool->count);
    ck_assert_uint_eq(again.returns, pool->returns);
    for (size_t i = 0; i < pool->count; i++) {
        const struct lease *a = &again.items[i], *b = &pool->items[i];
        ck_assert(a->address == b->address && a->given_back == b->given_back && a->tap == b->tap);
        ck_assert_mem_eq(a->mac, b->mac, 6);
        ck_assert_str_eq(a->owner, b->owner);
        ck_assert_str_eq(a->name, b->name);
    }
    free(text);
    pool_clear(pool);
    *pool = again;
}

START_TEST(a_record_is_read_as_it_was_written)
{
    struct pool pool = {0};
    uint32_t address;
    struct pool_request q = {
        .owner = "site-a.vm.web#0", .mac = {2, 0, 0, 0, 0, 1}, .name = "web", .tap = true};
    ck_assert_int_eq(pool_take(&pool, &ten, &q, &address, NULL), 1);
    take(&pool, "site-a.vm.db#1");
    take(&pool, "site-a.vm.db#2");
    pool_give_back(&pool, "site-a.vm.db#1");
    write_and_read(&pool);
    ck_assert(pool.items[0].tap);
    ck_assert_uint_eq(pool.items[1].given_back, 1);
    write_and_read(&pool);
    take(&pool, "site-a.vm.more#0"); /* a list that was read goes on growing */
    pool_clear(&pool);
}
END_TEST

/* -- By chance --------------------------------------------------------------------------------- */

enum { OWNERS = 24, STEPS = 400, WORLDS = 300 };

struct world {
    uint64_t rng;
    struct pool pool;      /* what the agent has in mind */
    char *record;          /* what is on disk */
    uint32_t held[OWNERS]; /* what each owner was told, once it was on disk */
};

static void owner_name(unsigned i, char out[16])
{
    snprintf(out, 16, "s.vm.v%u#0", i);
}

/* A crash: what was not written is forgotten. */
static void crash(struct world *w)
{
    pool_clear(&w->pool);
    if (w->record)
        ck_assert_int_eq(pool_from_text(w->record, strlen(w->record), &w->pool, NULL), 0);
}

static void keep(struct world *w)
{
    free(w->record);
    w->record = pool_to_text(&w->pool);
}

static void take_one(struct world *w, unsigned i)
{
    char name[16];
    uint32_t address = 0;
    owner_name(i, name);
    struct pool_request q = {.owner = name, .mac = {2, 0, 0, 0, 0, (uint8_t)i}};
    int r = pool_take(&w->pool, &ten, &q, &address, NULL);
    if (pick_of(&w->rng, 4) == 0) {
        crash(w); /* before it was written: nobody was told */
        return;
    }
    if (r > 0)
        keep(w);
    if (r < 0) {
        ck_assert_uint_eq(w->held[i], 0);
        return;
    }
    ck_assert_msg(!w->held[i] || w->held[i] == address, "the address of %s moved", name);
    w->held[i] = address;
}

static void give_back_one(struct world *w, unsigned i)
{
    char name[16];
    owner_name(i, name);
    bool held = pool_give_back(&w->pool, name);
    ck_assert_int_eq(held, w->held[i] != 0);
    if (pick_of(&w->rng, 4) == 0) {
        crash(w); /* it still holds it, as far as anyone knows */
        return;
    }
    keep(w);
    w->held[i] = 0;
}

/* What is wrong, or NULL. (An assertion of check writes to a pipe: too slow for all of these.) */
static const char *fault_of(const struct world *w)
{
    for (unsigned i = 0; i < OWNERS; i++) {
        char name[16];
        owner_name(i, name);
        const struct lease *l = pool_held_by(&w->pool, name);
        if ((l != NULL) != (w->held[i] != 0))
            return "an owner and the pool differ about whether it holds an address";
        if (l && l->address != w->held[i])
            return "an owner's address moved";
        if (w->held[i] && (w->held[i] < FIRST || w->held[i] > LAST))
            return "an address is outside of the range";
        for (unsigned j = 0; j < i; j++)
            if (w->held[i] && w->held[i] == w->held[j])
                return "an address has two holders";
    }
    return NULL;
}

START_TEST(no_address_ever_has_two_holders)
{
    unsigned full = 0;
    for (uint64_t seed = 1; seed <= WORLDS; seed++) {
        struct world w = {.rng = seed * 2654435761U};
        for (int step = 0; step < STEPS; step++) {
            unsigned i = pick_of(&w.rng, OWNERS), what = pick_of(&w.rng, 10);
            if (what < 6)
                take_one(&w, i);
            else if (what < 9)
                give_back_one(&w, i);
            else
                crash(&w);
            const char *fault = fault_of(&w);
            if (fault)
                ck_abort_msg("seed %llu, step %d: %s", (unsigned long long)seed, step, fault);
            full += w.pool.count == 10;
        }
        pool_clear(&w.pool);
        free(w.record);
    }
    ck_assert_uint_gt(full, WORLDS); /* the pool was often full: else this shows little */
}
END_TEST

int main(void)
{
    TCase *c = tcase_create("pool");
    tcase_add_test(c, an_owner_keeps_its_address);
    tcase_add_test(c, what_was_given_back_is_reused_late_and_oldest_first);
    tcase_add_test(c, who_comes_back_gets_the_same_address_if_it_is_free);
    tcase_add_test(c, a_wanted_address_is_given_or_refused_by_name);
    tcase_add_test(c, reserved_addresses_and_a_changed_range_are_respected);
    tcase_add_test(c, an_address_that_becomes_reserved_is_left_by_its_holder_and_not_reused);
    tcase_add_test(c, the_last_address_of_all_is_no_end_of_the_world);
    tcase_add_loop_test(c, a_record_that_is_wrong_is_refused_whole, 0, sizeof bad / sizeof *bad);
    tcase_add_test(c, a_record_is_read_as_it_was_written);
    tcase_add_test(c, no_address_ever_has_two_holders);
    return run_case("pool", c);
}
