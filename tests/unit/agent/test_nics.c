/* Cards around a verb of a VM, on a host without native networks: what has them is tried on a real one in
 * tests/integration. */
#include "agent/nics.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "vmm/domain_xml.h"

static char dir[] = "/tmp/harmony-nics.XXXXXX";
static struct driver_options options;
static const struct driver driver = {.name = "libvirt"};

static void make(void)
{
    ck_assert_ptr_nonnull(mkdtemp(dir));
    options = (struct driver_options){.site = "site-a", .state_dir = dir, .runtime_dir = dir};
}

static struct order order_of(json_t *spec)
{
    return (struct order){.kind = "vm", .name = "web", .key = "site-a.vm.web", .spec = spec};
}

START_TEST(a_vm_is_built_as_it_was_declared_and_leaves_no_trace)
{
    json_t *spec = json_loads("{\"networks\":[{\"network\":\"lan\"}]}", 0, NULL);
    struct order o = order_of(spec);
    ck_assert_int_eq(nics_prepare(&driver, &options, VERB_CREATE, &o, NULL), 0);
#if HM_WITH_NETALLOC
    ck_assert_ptr_eq(o.placed, spec);
#endif
    nics_release(&o);
    ck_assert_ptr_null(o.placed);
    ck_assert_int_eq(nics_prepare(&driver, &options, VERB_STOP, &o, NULL), 0);
    ck_assert_ptr_null(o.placed);
    ck_assert_int_eq(nics_prepare(&driver, &options, VERB_REMOVE, &o, NULL), 0);
    json_decref(spec);
    ck_assert_int_eq(rmdir(dir), 0); /* empty */
}
END_TEST

START_TEST(an_agent_without_folders_has_no_native_networks)
{
    json_t *spec = json_loads("{\"networks\":[{\"network\":\"lan\"}]}", 0, NULL);
    struct order o = order_of(spec);
    options.state_dir = NULL;
    ck_assert_int_eq(nics_prepare(&driver, &options, VERB_START, &o, NULL), 0);
    ck_assert_ptr_null(o.placed);
    json_decref(spec);
    rmdir(dir);
}
END_TEST

static void fake_bridge_tap(const char *key, size_t index, char out[16])
{
    (void)key;
    snprintf(out, 16, "hv%u", (unsigned)(index % 100));
}

START_TEST(a_card_has_a_tap_where_the_driver_opens_them)
{
    static const struct driver opens = {
        .name = "vmm", .opens_taps = true, .bridge_tap = fake_bridge_tap};
    json_t *on_bridge = json_pack("{s:s}", "bridge", "br0");
    json_t *on_network = json_pack("{s:s}", "network", "lan");
    char tap[NICS_TAP_TEXT], again[NICS_TAP_TEXT], other[NICS_TAP_TEXT];
    ck_assert(!nics_tap(&driver, "site-a", "site-a.vm.web", on_network, 0, tap));
    ck_assert(nics_tap(&opens, "site-a", "site-a.vm.web", on_bridge, 3, tap));
    ck_assert_str_eq(tap, "hv3");
#if HM_WITH_NETALLOC
    ck_assert(nics_tap(&opens, "site-a", "site-a.vm.web", on_network, 0, tap));
    ck_assert(nics_tap(&opens, "site-a", "site-a.vm.web", on_network, 0, again));
    ck_assert(nics_tap(&opens, "site-b", "site-a.vm.web", on_network, 0, other));
    ck_assert_int_eq(strncmp(tap, "hm", 2), 0);
    ck_assert_str_eq(tap, again);
    ck_assert_str_ne(tap, other);
#endif
    json_decref(on_bridge);
    json_decref(on_network);
    rmdir(dir);
}
END_TEST

START_TEST(the_address_of_a_card_is_found_in_its_network)
{
    json_t *spec =
        json_loads("{\"networks\":[{\"network\":\"lan\"},{\"network\":\"dmz\"}]}", 0, NULL);
    struct thing items[] = {
        {.kind = (char[]){"vm"},
         .details = json_loads("{\"addresses\":{\"site-a.vm.web#0\":\"10.0.0.1\"}}", 0, NULL)},
        {.kind = (char[]){"network"}},
        {.kind = (char[]){"network"},
         .details = json_loads(
             "{\"addresses\":{\"site-a.vm.web#1\":\"10.0.0.2\",\"site-a.vm.web#2\":\"10.0.0.3\","
             "\"site-a.vm.db#0\":\"10.0.0.4\"},\"addresses6\":{\"site-a.vm.web#1\":\"fd00::a00:2\"}"
             "}",
             0, NULL)}};
    struct things things = {items, 3};
    ck_assert_str_eq(nics_address(&things, "site-a.vm.web", spec), "10.0.0.2");
    ck_assert_str_eq(nics_address(&things, "site-a.vm.db", spec), "10.0.0.4");
    ck_assert_ptr_null(nics_address(&things, "site-a.vm.other", spec));

    char mac[VM_MAC_TEXT];
    vm_mac("site-a.vm.web", 1, mac);
    json_t *shared = json_pack("{s:[{s:s},{s:s}]}", "networks", "mac", mac, "mac", "other");
    json_t *status = json_pack("{s:O}", "details", shared);
    nics_show(&things, "site-a.vm.web", spec, status);
    json_t *cards = json_object_get(json_object_get(status, "details"), "networks");
    ck_assert_str_eq(json_string_value(json_object_get(json_array_get(cards, 0), "address")),
                     "10.0.0.2");
    ck_assert_str_eq(json_string_value(json_object_get(json_array_get(cards, 0), "address6")),
                     "fd00::a00:2");
    ck_assert_ptr_null(json_object_get(json_array_get(cards, 1), "address"));
    ck_assert_ptr_null(
        json_object_get(json_array_get(json_object_get(shared, "networks"), 0), "address"));
    json_decref(status);
    json_decref(shared);

    uint64_t held = nics_held(&things, 0);
    ck_assert(held != 0);
    json_t *before = items[2].details;
    items[2].details = json_deep_copy(before);
    ck_assert(nics_held(&things, 0) != held);
    json_decref(before);
    things.count = 2;
    ck_assert(nics_held(&things, 0) == 0);
    json_decref(items[0].details);
    json_decref(items[2].details);
    json_decref(spec);
    rmdir(dir);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("nics");
    TCase *c = tcase_create("nics");
    tcase_add_checked_fixture(c, make, NULL);
    tcase_add_test(c, a_vm_is_built_as_it_was_declared_and_leaves_no_trace);
    tcase_add_test(c, an_agent_without_folders_has_no_native_networks);
    tcase_add_test(c, a_card_has_a_tap_where_the_driver_opens_them);
    tcase_add_test(c, the_address_of_a_card_is_found_in_its_network);
    suite_add_tcase(s, c);
    SRunner *sr = srunner_create(s);
    srunner_run_all(sr, CK_ENV);
    int failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed ? 1 : 0;
}
