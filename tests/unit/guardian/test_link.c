/* On real links, in a network namespace that each test makes for itself (check forks each test). */
#include "guardian/link.h"

#include <arpa/inet.h>
#include <linux/capability.h>
#include <linux/if_addr.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "tests/unit/guardian/suite.h"

static union message m;

/* Loopback, up, with 127.0.0.1/8 and ::1/128. As an ordinary user: in a user namespace too. */
static void enter_network(void)
{
    int flags = CLONE_NEWNET | (geteuid() == 0 ? 0 : CLONE_NEWUSER);
    ck_assert_msg(unshare(flags) == 0, "this host permits no namespaces: run as root");
    struct ifreq r = {.ifr_name = "lo", .ifr_flags = IFF_UP | IFF_RUNNING};
    int fd = socket(AF_INET, SOCK_DGRAM, 0);
    ck_assert_int_eq(ioctl(fd, SIOCSIFFLAGS, &r), 0);
    close(fd);
}

static short flags_of(const char *name)
{
    struct ifreq r = {0};
    snprintf(r.ifr_name, sizeof r.ifr_name, "%s", name);
    int fd = socket(AF_INET, SOCK_DGRAM, 0);
    ck_assert_int_eq(ioctl(fd, SIOCGIFFLAGS, &r), 0);
    close(fd);
    return r.ifr_flags;
}

static bool has_loopback_address(void)
{
    struct ifreq r = {.ifr_name = "lo"};
    int fd = socket(AF_INET, SOCK_DGRAM, 0);
    int e = ioctl(fd, SIOCGIFADDR, &r);
    close(fd);
    return e == 0;
}

START_TEST(a_link_goes_down)
{
    enter_network();
    plan_begin(&m);
    plan_add(&m, GUARD_LINK, "lo", NULL);
    ck_assert(flags_of("lo") & IFF_UP);
    ck_assert_uint_eq(link_cut(&m.plan), 0);
    ck_assert(!(flags_of("lo") & IFF_UP));
    ck_assert_uint_eq(link_cut(&m.plan), 0);
}
END_TEST

START_TEST(an_address_goes_and_the_link_stays_up)
{
    enter_network();
    plan_begin(&m);
    plan_add(&m, GUARD_ADDRESS, "lo", "127.0.0.1/8", NULL);
    plan_add(&m, GUARD_ADDRESS, "lo", "::1/128", NULL);
    ck_assert(has_loopback_address());
    ck_assert_uint_eq(link_cut(&m.plan), 0);
    ck_assert(!has_loopback_address());
    ck_assert(flags_of("lo") & IFF_UP);
    ck_assert_uint_eq(link_cut(&m.plan), 0);
}
END_TEST

START_TEST(an_address_of_another_prefix_is_still_there)
{
    enter_network();
    plan_begin(&m);
    plan_add(&m, GUARD_ADDRESS, "lo", "::1/64", NULL);
    ck_assert_uint_eq(link_cut(&m.plan), 1);
}
END_TEST

/* Gives loopback an address; `mark` 0: none. */
static void give_address(const char *text, unsigned prefix, unsigned char mark)
{
    struct {
        struct nlmsghdr header;
        struct ifaddrmsg address;
        char attributes[64];
    } r = {.header = {.nlmsg_type = RTM_NEWADDR,
                      .nlmsg_flags = NLM_F_REQUEST | NLM_F_CREATE | NLM_F_ACK}};
    struct {
        struct nlmsghdr header;
        struct nlmsgerr error;
        char more[256];
    } answer;
    unsigned char bytes[16];
    int family = strchr(text, ':') ? AF_INET6 : AF_INET;
    unsigned short size = family == AF_INET ? 4 : 16;
    struct rtattr *a = (struct rtattr *)(void *)r.attributes;
    ck_assert_int_eq(inet_pton(family, text, bytes), 1);
    r.address = (struct ifaddrmsg){.ifa_family = (unsigned char)family,
                                   .ifa_prefixlen = (unsigned char)prefix,
                                   .ifa_index = if_nametoindex("lo"),
                                   .ifa_flags = family == AF_INET6 ? IFA_F_NODAD : 0};
    *a = (struct rtattr){.rta_type = IFA_LOCAL, .rta_len = (unsigned short)RTA_LENGTH(size)};
    memcpy(RTA_DATA(a), bytes, size);
    r.header.nlmsg_len = (unsigned)(NLMSG_LENGTH(sizeof r.address) + RTA_ALIGN(a->rta_len));
    if (mark) {
        a = (struct rtattr *)(void *)((char *)&r + r.header.nlmsg_len);
        *a = (struct rtattr){.rta_type = IFA_PROTO, .rta_len = RTA_LENGTH(1)};
        *(unsigned char *)RTA_DATA(a) = mark;
        r.header.nlmsg_len += RTA_ALIGN(a->rta_len);
    }
    int fd = socket(AF_NETLINK, SOCK_RAW, NETLINK_ROUTE);
    ck_assert_int_gt(send(fd, &r, r.header.nlmsg_len, 0), 0);
    ck_assert_int_gt(recv(fd, &answer, sizeof answer, 0), 0);
    ck_assert_int_eq(answer.error.error, 0);
    close(fd);
}

/* Can a socket be bound to it? */
static bool is_there(const char *text)
{
    union {
        struct sockaddr any;
        struct sockaddr_in v4;
        struct sockaddr_in6 v6;
    } at = {0};
    int family = strchr(text, ':') ? AF_INET6 : AF_INET;
    at.any.sa_family = (sa_family_t)family;
    ck_assert_int_eq(
        inet_pton(family, text,
                  family == AF_INET ? (void *)&at.v4.sin_addr : (void *)&at.v6.sin6_addr),
        1);
    int fd = socket(family, SOCK_DGRAM, 0);
    int e = bind(fd, &at.any, family == AF_INET ? sizeof at.v4 : sizeof at.v6);
    close(fd);
    return e == 0;
}

START_TEST(virtual_ips_go_by_their_mark)
{
    enter_network();
    plan_begin(&m);
    plan_add(&m, GUARD_VIP, "192.0.2.10/24", NULL);
    plan_add(&m, GUARD_VIP, "2001:db8::10/64", NULL);
    give_address("192.0.2.10", 24, GUARD_VIP_MARK);
    give_address("192.0.2.11", 32, GUARD_VIP_MARK); /* another group's */
    give_address("2001:db8::10", 64, GUARD_VIP_MARK);
    ck_assert(is_there("192.0.2.10") && is_there("2001:db8::10"));
    ck_assert_uint_eq(link_withdraw(&m.plan), 0);
    ck_assert(!is_there("192.0.2.10") && !is_there("2001:db8::10"));
    ck_assert(is_there("192.0.2.11"));
    ck_assert_uint_eq(link_withdraw(&m.plan), 0);
}
END_TEST

START_TEST(a_virtual_ip_goes_whatever_its_prefix_is_by_now)
{
    enter_network();
    plan_begin(&m);
    plan_add(&m, GUARD_VIP, "192.0.2.10/24", NULL);
    give_address("192.0.2.10", 32, GUARD_VIP_MARK);
    ck_assert_uint_eq(link_withdraw(&m.plan), 0);
    ck_assert(!is_there("192.0.2.10"));
}
END_TEST

START_TEST(an_address_without_our_mark_is_somebody_elses)
{
    enter_network();
    plan_begin(&m);
    plan_add(&m, GUARD_VIP, "192.0.2.10/24", NULL);
    plan_add(&m, GUARD_VIP, "2001:db8::10/64", NULL);
    give_address("192.0.2.10", 24, 0);
    give_address("2001:db8::10", 64, GUARD_VIP_MARK + 1);
    ck_assert_uint_eq(link_withdraw(&m.plan), 0);
    ck_assert(is_there("192.0.2.10") && is_there("2001:db8::10"));
}
END_TEST

START_TEST(what_does_not_exist_is_cut)
{
    enter_network();
    plan_begin(&m);
    plan_add(&m, GUARD_LINK, "is-not-there", NULL);
    plan_add(&m, GUARD_ADDRESS, "is-not-there", "10.0.0.1/8", NULL);
    plan_add(&m, GUARD_ADDRESS, "lo", "10.0.0.1/8", NULL);
    ck_assert_uint_eq(link_cut(&m.plan), 0);
}
END_TEST

static void drop_all_capabilities(void)
{
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct none[2] = {{0}};
    ck_assert_int_eq(syscall(SYS_capset, &header, none), 0);
}

/* Who may not do it must not say that it is done. */
START_TEST(what_may_not_be_changed_is_not_verified)
{
    enter_network();
    drop_all_capabilities();
    plan_begin(&m);
    plan_add(&m, GUARD_LINK, "lo", NULL);
    plan_add(&m, GUARD_ADDRESS, "lo", "127.0.0.1/8", NULL);
    ck_assert_uint_eq(link_cut(&m.plan), 2);
}
END_TEST

START_TEST(a_virtual_ip_that_may_not_be_taken_away_is_not_verified)
{
    enter_network();
    plan_begin(&m);
    plan_add(&m, GUARD_VIP, "192.0.2.10/24", NULL);
    give_address("192.0.2.10", 24, GUARD_VIP_MARK);
    drop_all_capabilities();
    ck_assert_uint_eq(link_withdraw(&m.plan), 1);
}
END_TEST

RUN_SUITE("link", a_link_goes_down, an_address_goes_and_the_link_stays_up,
          an_address_of_another_prefix_is_still_there, what_does_not_exist_is_cut,
          what_may_not_be_changed_is_not_verified, virtual_ips_go_by_their_mark,
          a_virtual_ip_goes_whatever_its_prefix_is_by_now,
          an_address_without_our_mark_is_somebody_elses,
          a_virtual_ip_that_may_not_be_taken_away_is_not_verified)
