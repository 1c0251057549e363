#include "proto/network.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "proto/doc.h"

static json_t *network(const char *text)
{
    json_t *given = json_loads(text, 0, NULL), *spec = NULL;
    struct hm_error err = {0};
    int rc = kind_verify(kind_find("network"), given, &spec, NULL, &err);
    ck_assert_msg(rc >= 0, "%s", err.text);
    json_decref(given);
    return spec;
}

static const struct {
    const char *name, *bridge;
} names[] = {
    {"lan", "virbr-lan"},
    {"my-lan-1", "virbr-mylan1"},
    {"a-b-c-d-e-f-g-h-i", "virbr-abcdefghi"}, /* nine letters are left: just fits */
    {"production", "virbr-produfd8e"},
    {"production-2", "virbr-produ59d3"},
    {"productio-n", "virbr-produ21ad"}, /* not the same as without the dash */
};

START_TEST(a_bridge_is_named_after_its_network)
{
    char bridge[NETWORK_BRIDGE_MAX + 1];
    network_bridge_name(names[_i].name, NULL, bridge);
    ck_assert_str_eq(bridge, names[_i].bridge);
}
END_TEST

START_TEST(a_native_bridge_is_told_apart_by_its_name)
{
    json_t *spec = network("{\"backend\":\"native\"}");
    char bridge[NETWORK_BRIDGE_MAX + 1];
    network_bridge_name("my-lan-1", spec, bridge);
    ck_assert_str_eq(bridge, "br-mylan1");
    network_bridge_name("twelve-letters", spec, bridge); /* thirteen without the dash */
    ck_assert_uint_eq(strlen(bridge), NETWORK_BRIDGE_MAX);
    ck_assert_ptr_eq(strstr(bridge, "br-twelvele"), bridge);
    ck_assert(network_is_native(spec) && !network_is_native(NULL));
    json_decref(spec);
}
END_TEST

START_TEST(a_given_bridge_wins)
{
    json_t *spec = network("{\"bridge\":\"br0\"}");
    char bridge[NETWORK_BRIDGE_MAX + 1];
    network_bridge_name("production", spec, bridge);
    ck_assert_str_eq(bridge, "br0");
    json_decref(spec);
}
END_TEST

START_TEST(long_names_do_not_collide)
{
    char seen[1000][NETWORK_BRIDGE_MAX + 1];
    int twins = 0;
    for (int i = 0; i < 1000; i++) {
        HM_AUTOFREE char *name = hm_printf("customer-network-%d", i);
        network_bridge_name(name, NULL, seen[i]);
        ck_assert_uint_eq(strlen(seen[i]), NETWORK_BRIDGE_MAX);
        for (int j = 0; j < i; j++)
            twins += !strcmp(seen[i], seen[j]);
    }
    /* 1000 draws of 65536: about 7.6 pairs by chance */
    ck_assert_int_lt(twins, 25);
}
END_TEST

static const struct {
    const char *spec, *gateway, *netmask, *start, *end;
    int prefix;
} ranges[] = {
    {"{}", "192.168.100.1", "255.255.255.0", "192.168.100.2", "192.168.100.254", 24},
    {"{\"subnet\":\"10.1.2.254/24\"}", "10.1.2.254", "255.255.255.0", "10.1.2.1", "10.1.2.253", 24},
    {"{\"subnet\":\"10.1.2.100/24\"}", "10.1.2.100", "255.255.255.0", "10.1.2.101", "10.1.2.254",
     24},
    {"{\"subnet\":\"10.1.2.1/30\"}", "10.1.2.1", "255.255.255.252", "10.1.2.2", "10.1.2.2", 30},
    {"{\"subnet\":\"10.1.2.2/30\"}", "10.1.2.2", "255.255.255.252", "10.1.2.1", "10.1.2.1", 30},
    {"{\"subnet\":\"10.0.0.1/8\"}", "10.0.0.1", "255.0.0.0", "10.0.0.2", "10.255.255.254", 8},
    {"{\"dhcp\":{\"start\":\"192.168.100.50\",\"end\":\"192.168.100.60\"}}", "192.168.100.1",
     "255.255.255.0", "192.168.100.50", "192.168.100.60", 24},
};

START_TEST(addresses_are_computed)
{
    json_t *spec = network(ranges[_i].spec);
    char a[NETWORK_ADDRESS_MAX + 1], b[NETWORK_ADDRESS_MAX + 1];
    ck_assert_int_eq(network_gateway(spec, a), ranges[_i].prefix);
    ck_assert_str_eq(a, ranges[_i].gateway);
    network_netmask(spec, a);
    ck_assert_str_eq(a, ranges[_i].netmask);
    ck_assert(network_dhcp_range(spec, a, b));
    ck_assert_str_eq(a, ranges[_i].start);
    ck_assert_str_eq(b, ranges[_i].end);
    json_decref(spec);
}
END_TEST

START_TEST(dhcp_can_be_off)
{
    json_t *spec = network("{\"dhcp\":{\"enabled\":false}}");
    char a[NETWORK_ADDRESS_MAX + 1], b[NETWORK_ADDRESS_MAX + 1];
    ck_assert(!network_dhcp_range(spec, a, b));
    json_decref(spec);
}
END_TEST

START_TEST(a_bridge_without_address_hands_none_out)
{
    json_t *spec = network("{\"mode\":\"isolated\",\"subnet\":\"none\"}");
    char a[NETWORK_ADDRESS_MAX + 1], b[NETWORK_ADDRESS_MAX + 1];
    struct network_subnet subnet;
    ck_assert(!network_subnet(spec, &subnet));
    ck_assert(!network_dhcp_range(spec, a, b));
    ck_assert_int_eq(network_gateway(spec, a), 0);
    json_decref(spec);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("network");
    TCase *t = tcase_create("all");
    tcase_add_loop_test(t, a_bridge_is_named_after_its_network, 0, HM_COUNT(names));
    tcase_add_test(t, a_given_bridge_wins);
    tcase_add_test(t, a_native_bridge_is_told_apart_by_its_name);
    tcase_add_test(t, long_names_do_not_collide);
    tcase_add_loop_test(t, addresses_are_computed, 0, HM_COUNT(ranges));
    tcase_add_test(t, dhcp_can_be_off);
    tcase_add_test(t, a_bridge_without_address_hands_none_out);
    suite_add_tcase(s, t);
    SRunner *sr = srunner_create(s);
    srunner_run_all(sr, CK_NORMAL);
    int failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
