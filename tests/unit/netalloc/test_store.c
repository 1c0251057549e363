#include "netalloc/store.h"

#include <stdio.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/file.h"
#include "proto/doc.h"
#include "suite.h"
#include "tests/lib/listing.h"

static char dir[64];
static struct store store;

static void make(void)
{
    snprintf(dir, sizeof dir, "/tmp/harmony-store.XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(dir));
    store_init(&store, dir);
}

static void drop(void)
{
    HM_AUTOFREE char *command = hm_printf("rm -rf %s", dir);
    ck_assert_int_eq(system(command), 0); /* a folder of this test's own */
    store_clear(&store);
}

static void lock_and_leave(void)
{
    struct hm_error err = {0};
    int fd = store_lock(&store, &err);
    ck_assert_msg(fd >= 0, "%s", err.text);
    close(fd);
}

static struct definition definition(const char *name)
{
    json_t *in = json_loads("{\"backend\":\"native\"}", 0, NULL), *spec = NULL;
    struct hm_error err = {0};
    struct definition d = {.name = hm_strdup(name), .active = true};
    HM_AUTOFREE char *key = hm_printf("site-a.network.%s", name);
    ck_assert_msg(kind_verify(kind_find("network"), in, &spec, NULL, &err) >= 0, "%s", err.text);
    struct order o = {.site = "site-a", .key = key, .name = name, .spec = spec};
    mark_of_order(&o, &d.mark);
    json_decref(in);
    json_decref(spec);
    return d;
}

static void write_one(const char *name)
{
    struct definition d = definition(name);
    struct hm_error err = {0};
    ck_assert_msg(store_write(&store, &d, &err) >= 0, "%s", err.text);
    definition_clear(&d);
}

START_TEST(what_was_never_used_is_empty_and_leaves_no_trace)
{
    struct definitions list = {0};
    struct pool pool = {.returns = 7};
    struct definition d;
    ck_assert_int_eq(store_list(&store, &list, NULL), 0);
    ck_assert_uint_eq(list.count, 0);
    ck_assert_int_eq(store_read(&store, "lan", &d, NULL), 0);
    ck_assert_int_eq(store_read_pool(&store, "lan", &pool, NULL), 0);
    ck_assert_uint_eq(pool.returns, 0);
    ck_assert_int_eq(access(store.dir, F_OK), -1);
}
END_TEST

START_TEST(definitions_are_listed_by_name_as_they_were_written)
{
    struct definitions list = {0};
    lock_and_leave();
    write_one("lan");
    write_one("dmz");
    HM_AUTOFREE char *stray = hm_printf("%s/.network.json", store.dir);
    ck_assert_int_eq(hm_file_write_atomic(stray, "x", 1, 0600, NULL), 0);
    ck_assert_int_eq(store_list(&store, &list, NULL), 0);
    ck_assert_uint_eq(list.count, 2);
    ck_assert_str_eq(list.items[0].name, "dmz");
    struct definition lan = definition("lan");
    ck_assert_str_eq(list.items[1].mark.key, "site-a.network.lan");
    ck_assert_str_eq(list.items[1].mark.hash, lan.mark.hash);
    ck_assert(json_equal(list.items[1].mark.spec, lan.mark.spec));
    ck_assert(list.items[1].active);
    definition_clear(&lan);
    definitions_clear(&list);
}
END_TEST

START_TEST(a_list_that_can_not_be_read_is_not_empty)
{
    struct definitions list = {0};
    lock_and_leave();
    write_one("lan");
    listing_fails = true;
    ck_assert_int_eq(store_list(&store, &list, NULL), -HM_E_IO);
    listing_fails = false;
    ck_assert_int_eq(store_list(&store, &list, NULL), 0);
    ck_assert_uint_eq(list.count, 1);
    definitions_clear(&list);
}
END_TEST

static const char *const broken[] = {
    "",
    "{",
    "{\"mark\":{\"site\":\"site-a\"}}",
    "{\"mark\":{\"site\":\"s\",\"key\":\"k\",\"hash\":\"h\",\"spec\":{\"subnet\":\"x\"}}}",
};

START_TEST(one_that_can_not_be_understood_is_there_without_a_spec)
{
    struct definition d = {0};
    lock_and_leave();
    HM_AUTOFREE char *path = hm_printf("%s/lan.network.json", store.dir);
    ck_assert_int_eq(hm_file_write_atomic(path, broken[_i], strlen(broken[_i]), 0600, NULL), 0);
    ck_assert_int_eq(store_read(&store, "lan", &d, NULL), 1);
    ck_assert_ptr_null(d.mark.spec);
    ck_assert(!d.active);
    definition_clear(&d);
}
END_TEST

static void hold(const char *owner, bool then_give_back)
{
    const struct pool_range range = {0x0a000002, 0x0a000009, NULL, 0};
    struct pool pool;
    struct pool_request q = {.owner = owner};
    uint32_t address;
    ck_assert_int_eq(store_read_pool(&store, "lan", &pool, NULL), 0);
    ck_assert_int_ge(pool_take(&pool, &range, &q, &address, NULL), 0);
    if (then_give_back)
        pool_give_back(&pool, owner);
    ck_assert_int_eq(store_write_pool(&store, "lan", &pool, NULL), 0);
    pool_clear(&pool);
}

START_TEST(a_network_that_goes_keeps_the_addresses_that_are_held)
{
    struct pool pool;
    lock_and_leave();
    write_one("lan");
    hold("site-a.vm.web#0", false);
    ck_assert_int_eq(store_remove(&store, "lan", NULL), 0);
    ck_assert_int_eq(store_read_pool(&store, "lan", &pool, NULL), 0);
    ck_assert_ptr_nonnull(pool_held_by(&pool, "site-a.vm.web#0"));
    pool_clear(&pool);
    hold("site-a.vm.web#0", true);
    ck_assert_int_eq(store_remove(&store, "lan", NULL), 0);
    ck_assert_int_eq(store_read_pool(&store, "lan", &pool, NULL), 0);
    ck_assert_uint_eq(pool.count, 0); /* nobody's: the record is gone */
}
END_TEST

START_TEST(a_record_of_addresses_that_is_broken_is_an_error_that_says_what_to_do)
{
    struct pool pool;
    struct hm_error err = {0};
    lock_and_leave();
    HM_AUTOFREE char *path = hm_printf("%s/lan.addresses.json", store.dir);
    ck_assert_int_eq(hm_file_write_atomic(path, "{}", 2, 0600, NULL), 0);
    ck_assert_int_eq(store_read_pool(&store, "lan", &pool, &err), -HM_E_INVALID);
    ck_assert_ptr_nonnull(strstr(err.text, path));
    ck_assert_ptr_nonnull(strstr(err.text, "move the file away"));
}
END_TEST

int main(void)
{
    TCase *c = tcase_create("store");
    tcase_add_checked_fixture(c, make, drop);
    tcase_add_test(c, what_was_never_used_is_empty_and_leaves_no_trace);
    tcase_add_test(c, definitions_are_listed_by_name_as_they_were_written);
    tcase_add_test(c, a_list_that_can_not_be_read_is_not_empty);
    tcase_add_loop_test(c, one_that_can_not_be_understood_is_there_without_a_spec, 0,
                        HM_COUNT(broken));
    tcase_add_test(c, a_network_that_goes_keeps_the_addresses_that_are_held);
    tcase_add_test(c, a_record_of_addresses_that_is_broken_is_an_error_that_says_what_to_do);
    return run_case("store", c);
}
