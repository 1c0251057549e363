/* Messages as the kernel sends them, and as it never should. */
#include "netalloc/link_read.h"

#include <arpa/inet.h>
#include <libmnl/libmnl.h>
#include <linux/if_addr.h>
#include <linux/if_arp.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <stdio.h>

#include "suite.h"

static char buffer[4096];

static struct nlmsghdr *link_message(const char *name, const char *kind)
{
    memset(buffer, 0, sizeof buffer);
    struct nlmsghdr *m = mnl_nlmsg_put_header(buffer);
    m->nlmsg_type = RTM_NEWLINK;
    struct ifinfomsg *info = mnl_nlmsg_put_extra_header(m, sizeof *info);
    *info = (struct ifinfomsg){.ifi_index = 7, .ifi_flags = IFF_UP, .ifi_type = ARPHRD_ETHER};
    if (name)
        mnl_attr_put_strz(m, IFLA_IFNAME, name);
    if (kind) {
        struct nlattr *nest = mnl_attr_nest_start(m, IFLA_LINKINFO);
        mnl_attr_put_strz(m, IFLA_INFO_KIND, kind);
        mnl_attr_nest_end(m, nest);
    }
    return m;
}

static struct nlmsghdr *address_message(int index, unsigned prefix)
{
    memset(buffer, 0, sizeof buffer);
    struct nlmsghdr *m = mnl_nlmsg_put_header(buffer);
    m->nlmsg_type = RTM_NEWADDR;
    struct ifaddrmsg *info = mnl_nlmsg_put_extra_header(m, sizeof *info);
    *info = (struct ifaddrmsg){
        .ifa_family = AF_INET, .ifa_prefixlen = (uint8_t)prefix, .ifa_index = (unsigned)index};
    mnl_attr_put_u32(m, IFA_LOCAL, htonl(0x0a640001));
    return m;
}

static struct nlmsghdr *address6_message(int index, const uint8_t bytes[16], uint16_t size)
{
    memset(buffer, 0, sizeof buffer);
    struct nlmsghdr *m = mnl_nlmsg_put_header(buffer);
    m->nlmsg_type = RTM_NEWADDR;
    struct ifaddrmsg *info = mnl_nlmsg_put_extra_header(m, sizeof *info);
    *info = (struct ifaddrmsg){
        .ifa_family = AF_INET6, .ifa_prefixlen = 64, .ifa_index = (unsigned)index};
    mnl_attr_put(m, IFA_ADDRESS, size, bytes);
    return m;
}

START_TEST(ipv6_addresses_are_read_but_those_that_every_link_has)
{
    static const uint8_t own[16] = {0xfd, 0, 1, 0, [15] = 1}, local[16] = {0xfe, 0x80, [15] = 1};
    struct links list = {0};
    ck_assert(link_read(link_message("br-lan", "bridge"), &list));
    ck_assert(link_read_address(address6_message(7, own, 16), &list));
    ck_assert(link_read_address(address6_message(7, local, 16), &list));
    ck_assert(!link_read_address(address6_message(7, own, 4), &list));
    ck_assert_uint_eq(list.items[0].address6_count, 1);
    ck_assert(link_has_address6(&list.items[0], own, 64));
    ck_assert(!link_has_address6(&list.items[0], own, 63));
    ck_assert_uint_eq(list.items[0].address_count, 0);
    links_clear(&list);
}
END_TEST

START_TEST(a_link_is_read)
{
    struct links list = {0};
    static const uint8_t mac[6] = {2, 1, 2, 3, 4, 5};
    struct nlmsghdr *m = link_message("br-lan", "bridge");
    mnl_attr_put_strz(m, IFLA_IFALIAS, "harmony:site-a:site-a.network.lan");
    mnl_attr_put_u32(m, IFLA_MTU, 1400);
    mnl_attr_put_u32(m, IFLA_MASTER, 3);
    mnl_attr_put(m, IFLA_ADDRESS, 6, mac);
    mnl_attr_put_u32(m, IFLA_MAX + 5, 1); /* of a newer kernel */
    ck_assert(link_read(m, &list));
    ck_assert(link_read_address(address_message(7, 24), &list));
    ck_assert(link_read_address(address_message(8, 24), &list)); /* of a link that is not there */
    ck_assert_uint_eq(list.count, 1);
    const struct link *l = links_find(&list, "br-lan");
    ck_assert_int_eq(l->kind, LINK_BRIDGE);
    ck_assert(l->up && l->mtu == 1400 && l->master == 3 && l->index == 7);
    ck_assert_mem_eq(l->mac, mac, 6);
    ck_assert_str_eq(l->alias, "harmony:site-a:site-a.network.lan");
    ck_assert(link_has_address(l, 0x0a640001, 24));
    links_clear(&list);
}
END_TEST

START_TEST(kinds_are_told_apart)
{
    static const struct {
        const char *kind;
        unsigned short hardware;
        enum link_kind is;
    } kinds[] = {
        {"bridge", ARPHRD_ETHER, LINK_BRIDGE}, {"tun", ARPHRD_ETHER, LINK_TAP},
        {"tun", ARPHRD_NONE, LINK_OTHER},      {"veth", ARPHRD_ETHER, LINK_OTHER},
        {NULL, ARPHRD_ETHER, LINK_OTHER},      {"a-very-long-kind-of-link", 1, LINK_OTHER}};
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        struct links list = {0};
        struct nlmsghdr *m = link_message("x", kinds[i].kind);
        ((struct ifinfomsg *)mnl_nlmsg_get_payload(m))->ifi_type = kinds[i].hardware;
        ck_assert(link_read(m, &list));
        ck_assert_int_eq(list.items[0].kind, kinds[i].is);
        links_clear(&list);
    }
}
END_TEST

START_TEST(what_can_not_be_understood_is_refused)
{
    struct links list = {0};
    struct nlmsghdr *m = link_message(NULL, "bridge");
    ck_assert(!link_read(m, &list)); /* no name */
    m = link_message("a-name-that-is-too-long", "bridge");
    ck_assert(!link_read(m, &list));
    m = link_message("br0", NULL);
    mnl_attr_put_u8(m, IFLA_MTU, 1); /* not of its size */
    ck_assert(!link_read(m, &list));
    m = link_message("br0", NULL);
    mnl_attr_put_str(m, IFLA_IFALIAS, "no end");
    ck_assert(!link_read(m, &list));
    m = link_message("br0", NULL);
    m->nlmsg_len = sizeof *m + 4; /* cut within the header */
    ck_assert(!link_read(m, &list));
    m = address_message(7, 33);
    ck_assert(!link_read_address(m, &list));
    m = address_message(7, 24);
    m->nlmsg_len = sizeof *m + sizeof(struct ifaddrmsg);
    ck_assert(!link_read_address(m, &list));
    ck_assert_uint_eq(list.count, 0);
    m->nlmsg_type = NLMSG_NOOP; /* other messages are none of our business */
    ck_assert(link_read(m, &list) && link_read_address(m, &list));
}
END_TEST

static struct nlmsghdr *error_message(unsigned flags, uint32_t quoted)
{
    memset(buffer, 0, sizeof buffer);
    struct nlmsghdr *m = mnl_nlmsg_put_header(buffer);
    m->nlmsg_type = NLMSG_ERROR;
    m->nlmsg_flags = (uint16_t)flags;
    struct nlmsgerr *e = mnl_nlmsg_put_extra_header(m, sizeof *e);
    e->error = -17;
    e->msg.nlmsg_len = quoted;
    if (!(flags & NLM_F_CAPPED) && quoted >= sizeof e->msg && quoted < 256)
        mnl_nlmsg_put_extra_header(m, quoted - sizeof e->msg);
    mnl_attr_put_strz(m, NLMSGERR_ATTR_MSG, "it is there already");
    return m;
}

START_TEST(the_kernels_words_are_found)
{
    ck_assert_str_eq(netlink_error_text(error_message(NLM_F_ACK_TLVS | NLM_F_CAPPED, 999)),
                     "it is there already");
    ck_assert_str_eq(netlink_error_text(error_message(NLM_F_ACK_TLVS, 40)), "it is there already");
    ck_assert_ptr_null(netlink_error_text(error_message(0, 16)));
    ck_assert_ptr_null(netlink_error_text(error_message(NLM_F_ACK_TLVS, 3)));
    ck_assert_ptr_null(netlink_error_text(error_message(NLM_F_ACK_TLVS, 0xffffffff)));
    ck_assert_ptr_null(netlink_error_text(link_message("x", NULL)));
}
END_TEST

int main(void)
{
    TCase *c = tcase_create("link_read");
    tcase_add_test(c, a_link_is_read);
    tcase_add_test(c, ipv6_addresses_are_read_but_those_that_every_link_has);
    tcase_add_test(c, kinds_are_told_apart);
    tcase_add_test(c, what_can_not_be_understood_is_refused);
    tcase_add_test(c, the_kernels_words_are_found);
    return run_case("link_read", c);
}
