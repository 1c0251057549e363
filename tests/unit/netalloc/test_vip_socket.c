/* On a TAP in a network namespace of the test's own: what the interface sends is read from it, what it hears is
 * written to it. */
#include "netalloc/vip_socket.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <linux/if_tun.h>
#include <net/if.h>

#include "suite.h"

static int tap;
static struct vip_link link_;
static struct hm_error err;
static const uint8_t other[6] = {0x02, 0, 0, 0, 0, 0x99};

static void set_up(void)
{
    int flags = CLONE_NEWNET | (geteuid() == 0 ? 0 : CLONE_NEWUSER);
    ck_assert_msg(unshare(flags) == 0, "this host permits no namespaces: run as root");
    struct ifreq r = {.ifr_name = "tap0", .ifr_flags = IFF_TAP | IFF_NO_PI};
    tap = open("/dev/net/tun", O_RDWR | O_NONBLOCK);
    ck_assert_msg(tap >= 0 && ioctl(tap, TUNSETIFF, &r) == 0, "/dev/net/tun: %s", strerror(errno));
    int fd = socket(AF_INET, SOCK_DGRAM, 0);
    r.ifr_flags = IFF_UP;
    ck_assert_int_eq(ioctl(fd, SIOCSIFFLAGS, &r), 0);
    close(fd);
    ck_assert_int_eq(vip_link_look("tap0", &link_, &err), 0);
}

static void tear_down(void)
{
    close(tap);
}

static struct vip_address address(const char *text)
{
    struct vip_address a = {0};
    ck_assert_int_eq(vip_address_parse(text, &a, &err), 0);
    return a;
}

static const char *const texts[] = {"192.0.2.10/24", "2001:db8::10/64"};

/* The next frame that equals this one; others (the kernel's own) are passed over. */
static bool is_sent(const uint8_t *frame, size_t len)
{
    uint8_t got[2048];
    struct pollfd p = {.fd = tap, .events = POLLIN};
    while (poll(&p, 1, 5000) == 1) {
        ssize_t n = read(tap, got, sizeof got);
        if (n >= (ssize_t)len && !memcmp(got, frame, len))
            return true;
    }
    return false;
}

START_TEST(what_is_announced_leaves_the_interface)
{
    uint8_t expected[VIP_FRAME_MAX];
    struct vip_address a = address(texts[_i]);
    ck_assert(link_.is_up && link_.speaks && link_.index > 0);
    size_t len = vip_frame_announcement(&a, link_.mac, false, expected);
    int fd = vip_socket_open(&link_, &a, &err);
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(vip_socket_announce(fd, &link_, "tap0", &a, &err), 0);
    ck_assert(is_sent(expected, len));
    close(fd);
}
END_TEST

static void hear_from_network(const struct vip_address *a, const uint8_t mac[6])
{
    uint8_t frame[VIP_FRAME_MAX];
    size_t len = vip_frame_announcement(a, mac, false, frame);
    ck_assert_int_eq(write(tap, frame, len), (ssize_t)len);
}

START_TEST(a_claim_is_heard_and_nothing_else)
{
    struct vip_address a = address(texts[_i]);
    struct vip_address b = address(_i == 0 ? "192.0.2.11/24" : "2001:db8::11/64");
    struct vip_claim claim;
    unsigned budget = 10;
    int fd = vip_socket_open(&link_, &a, &err);
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(vip_socket_announce(fd, &link_, "tap0", &a, &err), 0); /* our own */
    hear_from_network(&b, other);
    hear_from_network(&a, other);
    struct pollfd p = {.fd = fd, .events = POLLIN};
    ck_assert_int_eq(poll(&p, 1, 5000), 1);
    ck_assert(vip_socket_hear(fd, &link_, &a, &budget, &claim));
    ck_assert_int_eq(claim.kind, VIP_CLAIM);
    ck_assert_mem_eq(claim.mac, other, 6);
    ck_assert_uint_eq(budget, 9); /* no other frame came through the sieve */
    ck_assert(!vip_socket_hear(fd, &link_, &a, &budget, &claim));
    close(fd);
}
END_TEST

START_TEST(a_flood_is_read_as_far_as_the_budget_goes)
{
    struct vip_address a = address(texts[_i]);
    struct vip_claim claim;
    unsigned budget = 3, heard = 0;
    int fd = vip_socket_open(&link_, &a, &err);
    for (int i = 0; i < 20; i++)
        hear_from_network(&a, other);
    struct pollfd p = {.fd = fd, .events = POLLIN};
    ck_assert_int_eq(poll(&p, 1, 5000), 1);
    while (vip_socket_hear(fd, &link_, &a, &budget, &claim))
        heard++;
    ck_assert_uint_eq(heard, 3);
    close(fd);
}
END_TEST

START_TEST(an_interface_that_is_not_there_is_named)
{
    struct vip_link l;
    ck_assert_int_eq(vip_link_look("eth77", &l, &err), -HM_E_NOT_FOUND);
    ck_assert_ptr_nonnull(strstr(err.text, "eth77"));
    ck_assert_int_eq(vip_link_look("lo", &l, &err), 0);
    ck_assert(!l.speaks);
}
END_TEST

int main(void)
{
    TCase *c = tcase_create("vip_socket");
    tcase_add_checked_fixture(c, set_up, tear_down);
    tcase_add_loop_test(c, what_is_announced_leaves_the_interface, 0, 2);
    tcase_add_loop_test(c, a_claim_is_heard_and_nothing_else, 0, 2);
    tcase_add_loop_test(c, a_flood_is_read_as_far_as_the_budget_goes, 0, 2);
    tcase_add_test(c, an_interface_that_is_not_there_is_named);
    return run_case("vip_socket", c);
}
