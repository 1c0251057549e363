#include "netalloc/dhcp_text.h"

#include <stdio.h>

#include "suite.h"

static const struct dhcp_paths paths = {"/r/hosts", "/r/names", "/s/leases", "/r/pid"};

static struct net_host printer = {0x0a640020, {2, 0, 0, 0, 0, 9}, "printer"};

static struct net lan(void)
{
    return (struct net){.name = "lan",
                        .bridge = "br-lan",
                        .gateway = 0x0a640001,
                        .prefix = 16,
                        .first = 0x0a640002,
                        .last = 0x0a64fffe,
                        .dhcp = true,
                        .dns = true,
                        .hosts = &printer,
                        .host_count = 1};
}

static void hold(struct pool *pool, const char *owner, uint8_t last, const char *name)
{
    const struct pool_range range = {0x0a640002, 0x0a64fffe, NULL, 0};
    struct pool_request q = {.owner = owner, .mac = {2, 0, 0, 0, 0, last}, .name = name};
    uint32_t address;
    ck_assert_int_eq(pool_take(pool, &range, &q, &address, NULL), 1);
}

static void check_line(const char *text, const char *line, bool there)
{
    char whole[160];
    snprintf(whole, sizeof whole, "\n%s\n", line);
    ck_assert_msg((strstr(text, whole) != NULL) == there, "%s: %s\n%s",
                  there ? "not in it" : "in it", line, text);
}

START_TEST(it_serves_one_bridge_and_declared_hosts_alone)
{
    struct net net = lan();
    char *text = dhcp_config_text(&net, &paths);
    check_line(text, "interface=br-lan", true);
    check_line(text, "listen-address=10.100.0.1", true);
    check_line(text, "dhcp-range=10.100.0.0,static,255.255.0.0,12h", true);
    check_line(text, "dhcp-hostsfile=/r/hosts", true);
    check_line(text, "dhcp-leasefile=/s/leases", true);
    check_line(text, "addn-hosts=/r/names", true);
    check_line(text, "pid-file=/r/pid", true);
    check_line(text, "no-resolv", false);
    check_line(text, "port=0", false);
    free(text);
}
END_TEST

START_TEST(isolated_guests_get_no_way_out)
{
    struct net net = lan();
    net.mode = NET_ISOLATED;
    char *text = dhcp_config_text(&net, &paths);
    check_line(text, "dhcp-option=option:router", true);
    check_line(text, "no-resolv", true);
    free(text);
}
END_TEST

static struct net lan6(void)
{
    struct net net = lan();
    const uint8_t gateway[16] = {0xfd, 0, 1, 0, [15] = 1};
    net.has6 = true;
    memcpy(net.gateway6, gateway, sizeof gateway);
    return net;
}

START_TEST(ipv6_is_announced_and_given_beside_ipv4)
{
    struct net net = lan6();
    struct pool pool = {0};
    char *text = dhcp_config_text(&net, &paths);
    check_line(text, "listen-address=fd00:100::1", true);
    check_line(text, "enable-ra", true);
    check_line(text, "dhcp-range=fd00:100::,static,slaac,64,10m", true);
    check_line(text, "ra-param=br-lan,0,0", false);
    free(text);
    net.dhcp = false;
    net.mode = NET_ISOLATED;
    text = dhcp_config_text(&net, &paths);
    check_line(text, "dhcp-range=fd00:100::,ra-only,64,10m", true);
    check_line(text, "ra-param=br-lan,0,0", true);
    free(text);
    hold(&pool, "site-a.vm.web#0", 1, "web");
    text = dhcp_hosts_text(&net, &pool);
    ck_assert_str_eq(text, "02:00:00:00:00:09,10.100.0.32,[fd00:100::a64:20],printer\n"
                           "02:00:00:00:00:01,10.100.0.2,[fd00:100::a64:2],web\n");
    free(text);
    net.gateway6[15] = 2; /* the host's own address is nobody else's */
    net.gateway6[14] = 0;
    net.gateway6[13] = 0x64;
    net.gateway6[12] = 0x0a;
    text = dhcp_hosts_text(&net, &pool);
    ck_assert_ptr_nonnull(strstr(text, "02:00:00:00:00:01,10.100.0.2,web\n"));
    free(text);
    pool_clear(&pool);
}
END_TEST

START_TEST(what_the_document_says_of_names_is_told)
{
    struct net net = lan();
    json_t *dns = json_loads(
        "{\"domain\":\"example.net\",\"forwarders\":[\"9.9.9.9\",\"bad\\nx\"]}", 0, NULL);
    net.dns_spec = dns;
    net.mtu = 1400;
    char *text = dhcp_config_text(&net, &paths);
    check_line(text, "domain=example.net", true);
    check_line(text, "server=9.9.9.9", true);
    check_line(text, "dhcp-option=option:mtu,1400", true);
    ck_assert_ptr_null(strstr(text, "bad"));
    free(text);
    json_object_set_new(dns, "domain", json_string("a\nserver=1.2.3.4"));
    text = dhcp_config_text(&net, &paths);
    ck_assert_ptr_null(strstr(text, "1.2.3.4"));
    free(text);
    json_decref(dns);
}
END_TEST

START_TEST(either_half_can_be_off)
{
    struct net net = lan();
    net.dns = false;
    char *text = dhcp_config_text(&net, &paths);
    check_line(text, "port=0", true);
    check_line(text, "dhcp-option=option:dns-server", true);
    free(text);
    net.dns = true;
    net.dhcp = false;
    text = dhcp_config_text(&net, &paths);
    ck_assert_ptr_null(strstr(text, "dhcp-"));
    free(text);
}
END_TEST

START_TEST(holders_and_static_entries_get_their_addresses)
{
    struct net net = lan();
    struct pool pool = {0};
    hold(&pool, "site-a.vm.web#0", 1, "web");
    hold(&pool, "site-a.vm.web#1", 2, NULL);
    hold(&pool, "site-a.vm.gone#0", 3, "gone");
    hold(&pool, "site-a.vm.print#0", 9, "print"); /* the card of a static entry, which wins */
    pool_give_back(&pool, "site-a.vm.gone#0");
    char *hosts = dhcp_hosts_text(&net, &pool), *names = dhcp_names_text(&net, &pool);
    ck_assert_str_eq(hosts, "02:00:00:00:00:09,10.100.0.32,printer\n"
                            "02:00:00:00:00:01,10.100.0.2,web\n"
                            "02:00:00:00:00:02,10.100.0.3\n");
    ck_assert_str_eq(names, "10.100.0.32 printer\n10.100.0.2 web\n");
    free(hosts);
    free(names);
    pool_clear(&pool);
}
END_TEST

START_TEST(an_address_that_a_card_holds_is_not_given_to_a_static_entry)
{
    struct net net = lan();
    struct pool pool = {0};
    printer.address = 0x0a640002;
    hold(&pool, "site-a.vm.web#0", 1, "web");
    char *hosts = dhcp_hosts_text(&net, &pool), *names = dhcp_names_text(&net, &pool);
    ck_assert_str_eq(hosts, "02:00:00:00:00:01,10.100.0.2,web\n");
    ck_assert_str_eq(names, "10.100.0.2 web\n");
    free(hosts);
    free(names);
    pool_give_back(&pool, "site-a.vm.web#0");
    hosts = dhcp_hosts_text(&net, &pool);
    ck_assert_str_eq(hosts, "02:00:00:00:00:09,10.100.0.2,printer\n");
    free(hosts);
    pool_clear(&pool);
}
END_TEST

START_TEST(leases_are_read_and_what_is_no_lease_is_skipped)
{
    struct dhcp_lease *list = NULL;
    size_t n = dhcp_leases_read("1764450000 02:00:00:00:00:01 10.100.0.2 web 01:02:00:00:00:00:01\n"
                                "duid 00:01:00:01\n"
                                "x 02:00:00:00:00:01 10.100.0.2 web *\n"
                                "1764450000 02:00:00:00:00 10.100.0.2 web *\n"
                                "1764450000 02:00:00:00:00:01 10.100.0.299 web *\n"
                                "1764450000 02:00:00:00:00:01\n"
                                "99999999999999999999 02:00:00:00:00:01 10.100.0.2 web *\n"
                                "\n"
                                "0 02:00:00:00:00:02 10.100.0.3",
                                &list);
    ck_assert_uint_eq(n, 2);
    ck_assert_int_eq(list[0].until, 1764450000);
    ck_assert_uint_eq(list[0].address, 0x0a640002);
    ck_assert_uint_eq(list[1].mac[5], 2);
    ck_assert_int_eq(list[1].until, 0);
    free(list);
}
END_TEST

int main(void)
{
    TCase *c = tcase_create("dhcp_text");
    tcase_add_test(c, it_serves_one_bridge_and_declared_hosts_alone);
    tcase_add_test(c, isolated_guests_get_no_way_out);
    tcase_add_test(c, ipv6_is_announced_and_given_beside_ipv4);
    tcase_add_test(c, what_the_document_says_of_names_is_told);
    tcase_add_test(c, either_half_can_be_off);
    tcase_add_test(c, holders_and_static_entries_get_their_addresses);
    tcase_add_test(c, an_address_that_a_card_holds_is_not_given_to_a_static_entry);
    tcase_add_test(c, leases_are_read_and_what_is_no_lease_is_skipped);
    return run_case("dhcp_text", c);
}
