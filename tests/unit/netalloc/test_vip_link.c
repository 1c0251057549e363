/* On the loopback of a network namespace that each test makes for itself (check forks each test). */
#include "netalloc/vip_link.h"

#include <arpa/inet.h>
#include <errno.h>
#include <net/if.h>
#include <sched.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <libmnl/libmnl.h>
#include <linux/if_addr.h>
#include <linux/rtnetlink.h>

#include "suite.h"

static struct rtnl *rtnl;
static struct hm_error err;

static void enter_network(void)
{
    int flags = CLONE_NEWNET | (geteuid() == 0 ? 0 : CLONE_NEWUSER);
    ck_assert_msg(unshare(flags) == 0, "this host permits no namespaces: run as root");
    struct ifreq r = {.ifr_name = "lo", .ifr_flags = IFF_UP | IFF_RUNNING};
    int fd = socket(AF_INET, SOCK_DGRAM, 0);
    ck_assert_int_eq(ioctl(fd, SIOCSIFFLAGS, &r), 0);
    close(fd);
    ck_assert_int_eq(rtnl_open(&rtnl, &err), 0);
}

static void close_network(void)
{
    rtnl_close(rtnl);
}

static struct vip_address address(const char *text)
{
    struct vip_address a = {0};
    ck_assert_int_eq(vip_address_parse(text, &a, &err), 0);
    return a;
}

static int lo(void)
{
    return (int)if_nametoindex("lo");
}

/* What `ip address add ... nodad` does: no mark. Else it is nobody's source for a moment, also on lo. */
static void add_by_hand(const struct vip_address *a)
{
    char buffer[RTNL_REQUEST_MAX];
    struct nlmsghdr *m = mnl_nlmsg_put_header(buffer);
    m->nlmsg_type = RTM_NEWADDR;
    m->nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK | NLM_F_CREATE;
    struct ifaddrmsg *info = mnl_nlmsg_put_extra_header(m, sizeof *info);
    *info = (struct ifaddrmsg){.ifa_family = a->is_v6 ? AF_INET6 : AF_INET,
                               .ifa_prefixlen = (uint8_t)a->prefix,
                               .ifa_flags = a->is_v6 ? IFA_F_NODAD : 0,
                               .ifa_index = (unsigned)lo()};
    mnl_attr_put(m, IFA_LOCAL, vip_address_size(a), a->bytes);
    ck_assert_int_eq(rtnl_change(rtnl, m, "lo", "add by hand", &err), 0);
}

/* "nowhere", "ours", "others'" */
static const char *look(const struct vip_address *a)
{
    struct vip_places places;
    ck_assert_int_eq(vip_look(rtnl, a, 1, &places, &err), 0);
    const struct vip_place *p = vip_place_of(&places, a, 0);
    const char *is = !p ? "nowhere" : p->is_ours ? "ours" : "others'";
    vip_places_clear(&places);
    return is;
}

static int take_away(const struct vip_address *a)
{
    struct vip_places places;
    ck_assert_int_eq(vip_look(rtnl, a, 1, &places, &err), 0);
    const struct vip_place *p = vip_place_of(&places, a, 0);
    ck_assert_ptr_nonnull(p);
    int r = vip_take_away(rtnl, p, &err);
    vip_places_clear(&places);
    return r;
}

static const char *const texts[] = {"192.0.2.10/24", "192.0.2.10/32", "2001:db8::10/64"};

START_TEST(it_is_put_up_with_our_mark_and_taken_away)
{
    enter_network();
    struct vip_address a = address(texts[_i]);
    ck_assert_str_eq(look(&a), "nowhere");
    ck_assert_int_eq(vip_put_up(rtnl, lo(), "lo", &a, &err), 0);
    ck_assert_str_eq(look(&a), "ours");
    ck_assert_int_eq(vip_put_up(rtnl, lo(), "lo", &a, &err), -HM_E_CONFLICT);
    ck_assert_str_eq(look(&a), "ours");
    ck_assert_int_eq(take_away(&a), 0);
    ck_assert_str_eq(look(&a), "nowhere");
    close_network();
}
END_TEST

START_TEST(what_somebody_else_put_there_is_left_alone)
{
    enter_network();
    struct vip_address a = address(texts[_i]);
    add_by_hand(&a);
    ck_assert_str_eq(look(&a), "others'");
    ck_assert_int_eq(vip_put_up(rtnl, lo(), "lo", &a, &err), -HM_E_CONFLICT);
    ck_assert_int_eq(take_away(&a), -HM_E_CONFLICT);
    ck_assert_str_eq(look(&a), "others'");
    close_network();
}
END_TEST

START_TEST(what_is_gone_already_is_well)
{
    enter_network();
    struct vip_place gone = {.index = lo(), .is_ours = true, .address = address(texts[_i])};
    ck_assert_int_eq(vip_take_away(rtnl, &gone, &err), 0);
    gone.index = 4711;
    ck_assert_int_eq(vip_take_away(rtnl, &gone, &err), 0);
    close_network();
}
END_TEST

/* At once usable, and no connection of the host's own begins at it. */
START_TEST(an_ipv6_address_is_usable_at_once_and_nobodys_source)
{
    enter_network();
    struct vip_address a = address("2001:db8::10/64"), own = address("2001:db8::1/64");
    struct sockaddr_in6 to = {.sin6_family = AF_INET6, .sin6_port = htons(9)}, from = {0};
    socklen_t size = sizeof from;
    add_by_hand(&own);
    ck_assert_int_eq(vip_put_up(rtnl, lo(), "lo", &a, &err), 0);
    struct sockaddr_in6 at = {.sin6_family = AF_INET6};
    memcpy(&at.sin6_addr, a.bytes, 16);
    int bound = socket(AF_INET6, SOCK_DGRAM, 0), fd = socket(AF_INET6, SOCK_DGRAM, 0);
    ck_assert_int_eq(bind(bound, (struct sockaddr *)&at, sizeof at), 0);
    inet_pton(AF_INET6, "2001:db8::77", &to.sin6_addr);
    ck_assert_int_eq(connect(fd, (struct sockaddr *)&to, sizeof to), 0);
    ck_assert_int_eq(getsockname(fd, (struct sockaddr *)&from, &size), 0);
    ck_assert_mem_eq(&from.sin6_addr, own.bytes, 16);
    close(bound);
    close(fd);
    close_network();
}
END_TEST

START_TEST(a_message_that_is_cut_is_refused)
{
    char buffer[256] = {0};
    struct vip_address a = address("192.0.2.10/24");
    struct vip_places places = {.wanted = &a, .wanted_count = 1};
    struct nlmsghdr *m = mnl_nlmsg_put_header(buffer);
    m->nlmsg_type = RTM_NEWADDR;
    ck_assert(!vip_place_read(m, &places));
    struct ifaddrmsg *info = mnl_nlmsg_put_extra_header(m, sizeof *info);
    *info = (struct ifaddrmsg){.ifa_family = AF_INET, .ifa_index = 7, .ifa_prefixlen = 24};
    mnl_attr_put(m, IFA_LOCAL, 3, a.bytes);
    ck_assert(!vip_place_read(m, &places));
    m->nlmsg_type = NLMSG_NOOP;
    ck_assert(vip_place_read(m, &places));
    ck_assert_uint_eq(places.count, 0);
}
END_TEST

int main(void)
{
    enum { TEXTS = sizeof texts / sizeof *texts };
    TCase *c = tcase_create("vip_link");
    tcase_add_loop_test(c, it_is_put_up_with_our_mark_and_taken_away, 0, TEXTS);
    tcase_add_loop_test(c, what_somebody_else_put_there_is_left_alone, 0, TEXTS);
    tcase_add_loop_test(c, what_is_gone_already_is_well, 0, TEXTS);
    tcase_add_test(c, an_ipv6_address_is_usable_at_once_and_nobodys_source);
    tcase_add_test(c, a_message_that_is_cut_is_refused);
    return run_case("vip_link", c);
}
