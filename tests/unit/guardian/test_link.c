/* On real links, in a network namespace that each test makes for itself (check forks each test). */
#include "guardian/link.h"

#include <linux/capability.h>
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

RUN_SUITE("link", a_link_goes_down, an_address_goes_and_the_link_stays_up,
          an_address_of_another_prefix_is_still_there, what_does_not_exist_is_cut,
          what_may_not_be_changed_is_not_verified)
