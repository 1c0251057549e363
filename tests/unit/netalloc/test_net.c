#include "netalloc/net.h"

#include "netalloc/net6.h"
#include "proto/doc.h"
#include "suite.h"

static json_t *spec_of(const char *text)
{
    json_t *in = json_loads(text, 0, NULL), *spec = NULL;
    struct hm_error err = {0};
    int r = kind_verify(kind_find("network"), in, &spec, NULL, &err);
    ck_assert_msg(r >= 0, "%s", err.text);
    json_decref(in);
    return spec;
}

START_TEST(a_network_that_says_nothing_has_the_default_pool)
{
    json_t *spec = spec_of("{\"backend\":\"native\"}");
    struct net net;
    net_of_spec("harmony", spec, &net);
    ck_assert_str_eq(net.bridge, "br-harmony");
    ck_assert_uint_eq(net.gateway, 0x0a640001); /* 10.100.0.1 */
    ck_assert_uint_eq(net.prefix, 16);
    ck_assert(net.mode == NET_NAT && net.dhcp && net.dns && net.mtu == 0);
    ck_assert_uint_eq(net.first, 0x0a640002);
    ck_assert_uint_eq(net.last, 0x0a64fffe);
    net_clear(&net);
    json_decref(spec);
}
END_TEST

START_TEST(ipv6_is_the_prefix_and_the_ipv4_address)
{
    json_t *spec = spec_of("{\"backend\":\"native\",\"subnet6\":\"fd00:100::1/64\"}");
    struct net net;
    uint8_t address[16];
    char text[NET6_TEXT_MAX + 1];
    net_of_spec("lan", spec, &net);
    ck_assert(net.has6);
    net6_text(net.gateway6, text);
    ck_assert_str_eq(text, "fd00:100::1");
    net6_subnet_text(&net, text);
    ck_assert_str_eq(text, "fd00:100::");
    ck_assert(net6_beside(&net, 0x0a640032, address));
    net6_text(address, text);
    ck_assert_str_eq(text, "fd00:100::a64:32");
    ck_assert(!net6_beside(&net, 1, address)); /* the host's own */
    net.has6 = false;
    ck_assert(!net6_beside(&net, 0x0a640032, address));
    net_clear(&net);
    json_decref(spec);
}
END_TEST

START_TEST(what_the_document_says_is_read)
{
    json_t *spec = spec_of(
        "{\"backend\":\"native\",\"bridge\":\"br9\",\"mode\":\"route\",\"mtu\":1400,"
        "\"subnet\":\"10.9.0.1/24\",\"dhcp\":{\"start\":\"10.9.0.10\",\"end\":\"10.9.0.20\","
        "\"hosts\":[{\"mac\":\"02:00:00:00:00:01\",\"ip\":\"10.9.0.30\"},"
        "{\"mac\":\"02:00:00:00:00:02\",\"ip\":\"10.9.0.5\",\"name\":\"x\"}]},"
        "\"forwards\":[{\"port\":53,\"protocol\":\"udp\",\"to\":\"10.9.0.30\"},"
        "{\"port\":8080,\"to\":\"10.9.0.30\",\"to_port\":80}]}");
    struct net net;
    struct pool_range range;
    net_of_spec("lan", spec, &net);
    ck_assert_str_eq(net.bridge, "br9");
    ck_assert(net.mode == NET_ROUTE && net.mtu == 1400);
    ck_assert(net.first == 0x0a09000a && net.last == 0x0a090014);
    ck_assert(net.forwards[0].udp && net.forwards[0].port == 53 && net.forwards[0].to_port == 53);
    ck_assert(!net.forwards[1].udp && net.forwards[1].to_port == 80);
    static const uint8_t second[6] = {2, 0, 0, 0, 0, 2}, third[6] = {2, 0, 0, 0, 0, 3};
    ck_assert_str_eq(net_host_with(&net, second)->name, "x");
    ck_assert_ptr_null(net_host_with(&net, third));
    ck_assert_ptr_eq(net_host_at(&net, 0x0a09001e), &net.hosts[0]);
    uint32_t *reserved = net_reserved(&net, &range);
    ck_assert_uint_eq(range.reserved_count, 3);
    ck_assert(reserved[0] == 0x0a090001 && reserved[1] == 0x0a090005 && reserved[2] == 0x0a09001e);
    free(reserved);
    net_clear(&net);
    json_decref(spec);
}
END_TEST

START_TEST(without_a_subnet_nobody_is_served)
{
    json_t *spec = spec_of("{\"backend\":\"native\",\"subnet\":\"none\",\"mode\":\"isolated\"}");
    struct net net;
    net_of_spec("lan", spec, &net);
    ck_assert(net.prefix == 0 && !net.dhcp && !net.dns && net.mode == NET_ISOLATED);
    net_clear(&net);
    json_decref(spec);
}
END_TEST

int main(void)
{
    TCase *c = tcase_create("net");
    tcase_add_test(c, a_network_that_says_nothing_has_the_default_pool);
    tcase_add_test(c, what_the_document_says_is_read);
    tcase_add_test(c, ipv6_is_the_prefix_and_the_ipv4_address);
    tcase_add_test(c, without_a_subnet_nobody_is_served);
    return run_case("net", c);
}
