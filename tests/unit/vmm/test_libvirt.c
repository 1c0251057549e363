/* Whole lives of things, on libvirt's own test driver. */
#include "driver_fixture.h"

#include <unistd.h>

#include <libvirt/libvirt.h>

#define WEB                                                                                        \
    "{\"memory\":\"128MiB\",\"vcpus\":1,\"disks\":[{\"device\":\"root\",\"size\":\"64MiB\"}]}"

START_TEST(a_network_lives)
{
    ck_call(create, "network", "lan", "{}");
    ck_assert_int_eq(state_of("network", "lan"), THING_OFF);
    ck_call(start, "network", "lan", "{}");
    ck_call(start, "network", "lan", "{}");
    ck_assert_int_eq(state_of("network", "lan"), THING_RUNNING);
    ck_call(stop, "network", "lan", NULL);
    ck_call(verify_stopped, "network", "lan", NULL);
    ck_call(remove, "network", "lan", NULL);
    ck_assert_int_eq(state_of("network", "lan"), THING_ABSENT);
}
END_TEST

START_TEST(a_disk_lives)
{
    ck_call(create, "disk", "data", "{\"size\":\"1GiB\"}");
    ck_call(create, "disk", "data", "{\"size\":\"1GiB\"}");
    ck_assert_int_eq(state_of("disk", "data"), THING_RUNNING);
    ck_call(remove, "disk", "data", NULL);
    ck_assert_int_eq(state_of("disk", "data"), THING_ABSENT);
}
END_TEST

START_TEST(a_vm_lives)
{
    ck_call(create, "vm", "web", WEB);
    ck_assert_int_eq(state_of("vm", "web"), THING_OFF);
    ck_call(start, "vm", "web", WEB);
    ck_assert_int_eq(state_of("vm", "web"), THING_RUNNING);
    ck_call_fails(verify_stopped, "vm", "web", WEB, HM_E_REFUSED);
    ck_call(stop, "vm", "web", WEB);
    ck_assert_int_eq(state_of("vm", "web"), THING_OFF);
    ck_call(verify_stopped, "vm", "web", NULL);
    ck_call(remove, "vm", "web", NULL);
    ck_assert_int_eq(state_of("vm", "web"), THING_ABSENT);
}
END_TEST

START_TEST(kill_stops_at_once)
{
    ck_call(create, "vm", "web", WEB);
    ck_call(start, "vm", "web", WEB);
    ck_call(kill, "vm", "web", NULL);
    ck_call(verify_stopped, "vm", "web", NULL);
    ck_call(remove, "vm", "web", NULL);
}
END_TEST

START_TEST(what_is_absent_is_stopped_and_removed_with_a_warning)
{
    const char *kinds[] = {"vm", "network", "disk"};
    struct hm_error err = {0};
    for (size_t i = 0; i < HM_COUNT(kinds); i++)
        ck_assert_int_gt(call(fx.driver->remove, kinds[i], "nobody", NULL, &err), 0);
    ck_assert_int_gt(call(fx.driver->stop, "vm", "nobody", NULL, &err), 0);
    ck_assert_int_gt(call(fx.driver->kill, "vm", "nobody", NULL, &err), 0);
    ck_call(verify_stopped, "vm", "nobody", NULL);
    ck_call_fails(start, "vm", "nobody", WEB, HM_E_VM_NOT_FOUND);
    ck_call_fails(start, "network", "nobody", "{}", HM_E_NETWORK_NOT_FOUND);
}
END_TEST

START_TEST(a_mark_tells_site_key_hash_and_spec)
{
    ck_call(create, "vm", "web", WEB);
    struct given *g = given("vm", "web", WEB);
    char hash[DOC_HASH_TEXT];
    spec_hash(g->order.spec, hash);
    struct things all = observe();
    const struct thing *t = find(&all, "vm", "web");
    ck_assert(t->marked);
    ck_assert_str_eq(t->mark_site, "site-a");
    ck_assert_str_eq(t->mark_key, "site-a.vm.web");
    ck_assert_str_eq(t->mark_hash, hash);
    ck_assert(json_equal(t->spec, g->order.spec));
    ck_assert_ptr_null(t->drift);
    ck_assert_int_eq(json_integer_value(json_object_get(t->details, "memory")), 128 << 20);
    ck_assert(!find(&all, "vm", "test")->marked);
    things_clear(&all);
    forget(g);
    ck_call(remove, "vm", "web", NULL);
}
END_TEST

START_TEST(what_is_not_ours_is_left_alone)
{
    ck_call_fails(create, "vm", "test", WEB, HM_E_CONFLICT);
    ck_call_fails(start, "vm", "test", WEB, HM_E_CONFLICT);
    ck_call_fails(stop, "vm", "test", WEB, HM_E_CONFLICT);
    ck_call_fails(kill, "vm", "test", NULL, HM_E_CONFLICT);
    ck_call_fails(remove, "vm", "test", NULL, HM_E_CONFLICT);
    ck_call_fails(create, "network", "default", "{}", HM_E_CONFLICT);
    ck_call_fails(stop, "network", "default", NULL, HM_E_CONFLICT);
    ck_call_fails(remove, "network", "default", NULL, HM_E_CONFLICT);
    ck_assert_int_eq(state_of("vm", "test"), THING_RUNNING);
    ck_assert_int_eq(state_of("network", "default"), THING_RUNNING);
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("libvirt");
    TCase *c = tcase_create("lives");
    tcase_add_checked_fixture(c, setup, teardown);
    tcase_add_test(c, a_network_lives);
    tcase_add_test(c, a_disk_lives);
    tcase_add_test(c, a_vm_lives);
    tcase_add_test(c, kill_stops_at_once);
    tcase_add_test(c, what_is_absent_is_stopped_and_removed_with_a_warning);
    tcase_add_test(c, a_mark_tells_site_key_hash_and_spec);
    tcase_add_test(c, what_is_not_ours_is_left_alone);
    suite_add_tcase(s, c);
    return s;
}

int main(void)
{
    SRunner *sr = srunner_create(suite());
    srunner_run_all(sr, CK_NORMAL);
    int failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed ? 1 : 0;
}
