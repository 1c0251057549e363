#include "netalloc/ruleset.h"

#include <stdio.h>

#include "suite.h"

static struct net_forward web = {.port = 8080, .to_port = 80, .to = 0x0a640005};
static struct net_forward dns = {.udp = true, .port = 8080, .to_port = 53, .to = 0x0a640005};

static struct net net_of(const char *name, const char *bridge, enum net_mode mode)
{
    struct net n = {.name = name, .mode = mode, .gateway = 0x0a640001, .prefix = 24};
    snprintf(n.bridge, sizeof n.bridge, "%s", bridge);
    return n;
}

static char *render(const struct net *const *nets, size_t count)
{
    char *text = NULL;
    struct hm_error err = {0};
    ck_assert_msg(ruleset_render("site-a", nets, count, &text, &err) >= 0, "%s", err.text);
    return text;
}

static void check_has(const char *text, const char *line)
{
    ck_assert_msg(strstr(text, line) != NULL, "not in the ruleset: %s\n%s", line, text);
}

START_TEST(the_table_is_the_sites_own_and_replaced_as_a_whole)
{
    char *text = render(NULL, 0);
    ck_assert_str_eq(text, "table inet harmony_site_a\ndelete table inet harmony_site_a\n");
    free(text);
    struct net lan = net_of("lan", "br-lan", NET_NAT);
    const struct net *nets[] = {&lan};
    text = render(nets, 1);
    ck_assert_ptr_eq(strstr(text, "table inet harmony_site_a\ndelete table inet harmony_site_a\n"
                                  "table inet harmony_site_a {\n"),
                     text);
    free(text);
}
END_TEST

START_TEST(nat_hides_guests_and_lets_in_what_they_asked_for)
{
    struct net lan = net_of("lan", "br-lan", NET_NAT);
    const struct net *nets[] = {&lan};
    char *text = render(nets, 1);
    check_has(text, "ip saddr 10.100.0.0/24 ip daddr != { 10.100.0.0/24, 224.0.0.0/4, "
                    "255.255.255.255 } masquerade");
    check_has(text, "iifname \"br-lan\" oifname != \"br-lan\" ip saddr != 10.100.0.0/24 drop");
    check_has(text, "oifname \"br-lan\" iifname != \"br-lan\" ct state established,related accept");
    check_has(text, "oifname \"br-lan\" iifname != \"br-lan\" drop");
    ck_assert_ptr_null(strstr(text, "dnat ip to"));
    free(text);
}
END_TEST

static void give6(struct net *net, uint8_t number)
{
    const uint8_t gateway[16] = {0xfd, 0, 1, number, [15] = 1};
    net->has6 = true;
    memcpy(net->gateway6, gateway, sizeof gateway);
}

START_TEST(nat_hides_guests_by_ipv6_as_by_ipv4)
{
    struct net lan = net_of("lan", "br-lan", NET_NAT), old = net_of("old", "br-old", NET_NAT);
    struct net iso = net_of("iso", "br-iso", NET_ISOLATED);
    const struct net *nets[] = {&lan, &old, &iso};
    give6(&lan, 0);
    give6(&iso, 2);
    char *text = render(nets, 3);
    check_has(text, "iifname \"br-lan\" oifname != \"br-lan\" ip6 saddr != fd00:100::/64 drop");
    check_has(text, "ip6 saddr fd00:100::/64 ip6 daddr != { fd00:100::/64, ff00::/8 } masquerade");
    check_has(text, "iifname \"br-old\" oifname != \"br-old\" meta nfproto ipv6 drop");
    ck_assert_ptr_null(strstr(text, "iifname \"br-lan\" oifname != \"br-lan\" meta nfproto ipv6"));
    ck_assert_ptr_null(strstr(text, "fd00:102::"));
    lan.mode = NET_ROUTE;
    free(text);
    text = render(nets, 1);
    ck_assert_ptr_null(strstr(text, "ip6"));
    free(text);
}
END_TEST

START_TEST(isolated_comes_first_and_passes_nothing)
{
    struct net lan = net_of("lan", "br-lan", NET_NAT), iso = net_of("iso", "br-iso", NET_ISOLATED);
    const struct net *nets[] = {&lan, &iso};
    char *text = render(nets, 2);
    check_has(text, "iifname \"br-iso\" oifname != \"br-iso\" drop");
    check_has(text, "oifname \"br-iso\" iifname != \"br-iso\" drop");
    ck_assert(strstr(text, "br-iso") < strstr(text, "br-lan"));
    free(text);
}
END_TEST

START_TEST(a_routed_network_is_left_to_the_routes)
{
    struct net lan = net_of("lan", "br-lan", NET_ROUTE);
    const struct net *nets[] = {&lan};
    char *text = render(nets, 1);
    ck_assert_ptr_null(strstr(text, "br-lan"));
    ck_assert_ptr_null(strstr(text, "masquerade"));
    free(text);
}
END_TEST

START_TEST(a_port_is_forwarded_from_outside_and_from_the_host)
{
    struct net lan = net_of("lan", "br-lan", NET_NAT);
    struct net_forward both[] = {web, dns};
    lan.forwards = both;
    lan.forward_count = 2;
    const struct net *nets[] = {&lan};
    char *text = render(nets, 1);
    const char *rule = "ip daddr != 127.0.0.0/8 fib daddr type local tcp dport 8080 dnat ip to "
                       "10.100.0.5:80";
    check_has(strstr(text, "chain prerouting"), rule);
    check_has(strstr(text, "chain output"), rule);
    check_has(text, "udp dport 8080 dnat ip to 10.100.0.5:53");
    check_has(text, "oifname \"br-lan\" ct status dnat masquerade");
    free(text);
}
END_TEST

START_TEST(one_port_for_two_guests_is_a_conflict_that_names_both)
{
    struct net lan = net_of("lan", "br-lan", NET_NAT), dmz = net_of("dmz", "br-dmz", NET_NAT);
    const struct net *nets[] = {&lan, &dmz};
    struct hm_error err = {0};
    char *text = NULL;
    lan.forwards = &web;
    struct net_forward twin = web;
    dmz.forwards = &twin;
    lan.forward_count = dmz.forward_count = 1;
    ck_assert_int_eq(ruleset_render("site-a", nets, 2, &text, &err), -HM_E_CONFLICT);
    ck_assert_ptr_null(text);
    ck_assert_ptr_nonnull(strstr(err.text, "8080/tcp"));
    ck_assert_ptr_nonnull(strstr(err.text, "network lan"));
    ck_assert_ptr_nonnull(strstr(err.text, "network dmz"));
}
END_TEST

static const char *const hostile[] = {"",    "br\"x", "br\nx", "br x",      "br;x",
                                      "br{", "br\\x", "br#x",  "br\xc3\xa4"};

START_TEST(a_name_that_could_end_its_quotes_is_refused)
{
    struct net lan = net_of("lan", hostile[_i], NET_NAT);
    const struct net *nets[] = {&lan};
    char *text = NULL;
    ck_assert_int_eq(ruleset_render("site-a", nets, 1, &text, NULL), -HM_E_INVALID);
    if (hostile[_i][0]) {
        ck_assert_int_eq(ruleset_render(hostile[_i], NULL, 0, &text, NULL), -HM_E_INVALID);
        ck_assert_int_eq(ruleset_render("a_b", NULL, 0, &text, NULL), -HM_E_INVALID);
    }
    ck_assert_ptr_null(text);
}
END_TEST

int main(void)
{
    TCase *c = tcase_create("ruleset");
    tcase_add_test(c, the_table_is_the_sites_own_and_replaced_as_a_whole);
    tcase_add_test(c, nat_hides_guests_and_lets_in_what_they_asked_for);
    tcase_add_test(c, nat_hides_guests_by_ipv6_as_by_ipv4);
    tcase_add_test(c, isolated_comes_first_and_passes_nothing);
    tcase_add_test(c, a_routed_network_is_left_to_the_routes);
    tcase_add_test(c, a_port_is_forwarded_from_outside_and_from_the_host);
    tcase_add_test(c, one_port_for_two_guests_is_a_conflict_that_names_both);
    tcase_add_loop_test(c, a_name_that_could_end_its_quotes_is_refused, 0,
                        sizeof hostile / sizeof *hostile);
    return run_case("ruleset", c);
}
