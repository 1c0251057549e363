/* Virtual IPs held on a TAP, in a network namespace of the test's own. Time is the test's: it is passed in. */
#include "netalloc/vip_set.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <libmnl/libmnl.h>
#include <linux/if_addr.h>
#include <linux/if_tun.h>
#include <linux/rtnetlink.h>
#include <net/if.h>

#include "base/clock.h"
#include "netalloc/vip_link.h"
#include "suite.h"

#define SECOND (1000 * HM_MS)

static int tap;
static struct rtnl *rtnl;
static struct vip_set *set;
static struct vip_want wants[2];
static char folder[] = "/tmp/test_vip_set.XXXXXX", record[64];
static bool permitted;
static int asked, permitted_times; /* -1: always */
static struct hm_error err;
static const uint8_t other[6] = {0x02, 0, 0, 0, 0, 0x99};

static bool may(void *data)
{
    (void)data;
    asked++;
    return permitted && (permitted_times < 0 || asked <= permitted_times);
}

static void set_flags(const char *name, short flags)
{
    struct ifreq r = {.ifr_flags = flags};
    snprintf(r.ifr_name, sizeof r.ifr_name, "%s", name);
    int fd = socket(AF_INET, SOCK_DGRAM, 0);
    ck_assert_int_eq(ioctl(fd, SIOCSIFFLAGS, &r), 0);
    close(fd);
}

static void make_set(size_t count)
{
    struct vip_set_options o = {.wants = wants, .count = count, .record = record, .may = may};
    vip_set_free(set);
    set = NULL;
    ck_assert_int_eq(vip_set_new(&o, &set, &err), 0);
}

static void want(size_t i, const char *address, const char *link)
{
    ck_assert_int_eq(vip_address_parse(address, &wants[i].address, &err), 0);
    snprintf(wants[i].link, sizeof wants[i].link, "%s", link);
}

static void set_up(void)
{
    int flags = CLONE_NEWNET | (geteuid() == 0 ? 0 : CLONE_NEWUSER);
    ck_assert_ptr_nonnull(mkdtemp(folder));
    snprintf(record, sizeof record, "%s/vip-default", folder);
    ck_assert_msg(unshare(flags) == 0, "this host permits no namespaces: run as root");
    struct ifreq r = {.ifr_name = "tap0", .ifr_flags = IFF_TAP | IFF_NO_PI};
    tap = open("/dev/net/tun", O_RDWR | O_NONBLOCK);
    ck_assert_msg(tap >= 0 && ioctl(tap, TUNSETIFF, &r) == 0, "/dev/net/tun: %s", strerror(errno));
    set_flags("tap0", IFF_UP);
    ck_assert_int_eq(rtnl_open(&rtnl, &err), 0);
    want(0, "192.0.2.10/24", "tap0");
    want(1, "2001:db8::10/64", "tap0");
    permitted = true;
    permitted_times = -1;
    make_set(2);
}

static void tear_down(void)
{
    vip_set_free(set);
    rtnl_close(rtnl);
    close(tap);
    unlink(record);
    rmdir(folder);
}

/* "nowhere", "ours", "others'" */
static const char *where(const char *text)
{
    struct vip_address a;
    struct vip_places places;
    vip_address_parse(text, &a, &err);
    ck_assert_int_eq(vip_look(rtnl, &a, 1, &places, &err), 0);
    const struct vip_place *p = vip_place_of(&places, &a, 0);
    const char *is = !p ? "nowhere" : p->is_ours ? "ours" : "others'";
    vip_places_clear(&places);
    return is;
}

#define V4 "192.0.2.10/24"
#define V6 "2001:db8::10/64"

/* What `ip address add` and `del` do. */
static void by_hand(uint16_t type, const char *text)
{
    char buffer[RTNL_REQUEST_MAX];
    struct vip_address a;
    vip_address_parse(text, &a, &err);
    struct nlmsghdr *m = mnl_nlmsg_put_header(buffer);
    m->nlmsg_type = type;
    m->nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK | (type == RTM_NEWADDR ? NLM_F_CREATE : 0);
    struct ifaddrmsg *info = mnl_nlmsg_put_extra_header(m, sizeof *info);
    *info = (struct ifaddrmsg){.ifa_family = a.is_v6 ? AF_INET6 : AF_INET,
                               .ifa_prefixlen = (uint8_t)a.prefix,
                               .ifa_index = if_nametoindex("tap0")};
    mnl_attr_put(m, IFA_LOCAL, vip_address_size(&a), a.bytes);
    ck_assert_int_eq(rtnl_change(rtnl, m, "tap0", "by hand", &err), 0);
}

static bool has_record(void)
{
    struct stat is;
    return stat(record, &is) == 0;
}

static int hold(void)
{
    return vip_set_hold(set, hm_boottime_ns(), &err);
}

static enum vip_state state(size_t i)
{
    return vip_set_now(set, i).state;
}

START_TEST(all_are_held_and_given_up)
{
    ck_assert_int_eq(hold(), 0);
    ck_assert_str_eq(where(V4), "ours");
    ck_assert_str_eq(where(V6), "ours");
    ck_assert(has_record());
    ck_assert_int_eq(state(0), VIP_IS_UP);
    ck_assert_int_eq(hold(), 0);
    ck_assert_int_eq(vip_set_give_up(set, &err), 0);
    ck_assert_str_eq(where(V4), "nowhere");
    ck_assert_str_eq(where(V6), "nowhere");
    ck_assert(!has_record());
    ck_assert_int_eq(state(1), VIP_IS_DOWN);
    ck_assert_int_eq(vip_set_give_up(set, &err), 0);
}
END_TEST

START_TEST(one_that_somebody_took_away_is_put_up_again)
{
    ck_assert_int_eq(hold(), 0);
    by_hand(RTM_DELADDR, V4);
    ck_assert_str_eq(where(V4), "nowhere");
    ck_assert_int_eq(hold(), 0);
    ck_assert_str_eq(where(V4), "ours");
}
END_TEST

START_TEST(somebody_elses_is_named_and_left_alone)
{
    by_hand(RTM_NEWADDR, V4);
    vip_set_look(set);
    ck_assert_int_eq(state(0), VIP_IS_FAILED);
    ck_assert_int_eq(hold(), -HM_E_CONFLICT);
    ck_assert_ptr_nonnull(strstr(err.text, "192.0.2.10/24 is on tap0 already"));
    ck_assert_int_eq(vip_set_give_up(set, &err), 0);
    ck_assert_str_eq(where(V4), "others'");
    ck_assert_str_eq(where(V6), "nowhere");
}
END_TEST

START_TEST(without_permission_nothing_is_put_up)
{
    permitted = false;
    ck_assert_int_eq(hold(), -HM_E_REFUSED);
    ck_assert_str_eq(where(V4), "nowhere");
    ck_assert_str_eq(where(V6), "nowhere");
}
END_TEST

/* Stopped between looking at the lease and adding the address: what was added goes again, and at once. */
START_TEST(permission_that_ends_meanwhile_takes_all_away_again)
{
    permitted_times = 2; /* one for each */
    ck_assert_int_eq(hold(), -HM_E_REFUSED);
    ck_assert_int_eq(asked, 3);
    ck_assert_str_eq(where(V4), "nowhere");
    ck_assert_str_eq(where(V6), "nowhere");
    ck_assert_int_eq(state(0), VIP_IS_DOWN);
}
END_TEST

START_TEST(an_interface_that_is_down_or_missing_is_named)
{
    set_flags("tap0", 0);
    ck_assert_int_eq(hold(), -HM_E_REFUSED);
    ck_assert_str_eq(err.text, "the interface tap0 is down");
    want(0, V4, "eth77");
    make_set(1);
    ck_assert_int_eq(hold(), -HM_E_NOT_FOUND);
    vip_set_look(set);
    ck_assert_int_eq(state(0), VIP_IS_FAILED);
}
END_TEST

START_TEST(what_is_no_longer_configured_is_given_up)
{
    ck_assert_int_eq(hold(), 0);
    make_set(1);
    ck_assert(vip_set_has_leftovers(set));
    ck_assert_int_eq(hold(), 0);
    ck_assert_str_eq(where(V4), "ours");
    ck_assert_str_eq(where(V6), "nowhere");
    make_set(0);
    ck_assert(vip_set_has_leftovers(set));
    ck_assert_int_eq(vip_set_give_up(set, &err), 0);
    ck_assert_str_eq(where(V4), "nowhere");
    ck_assert(!has_record());
}
END_TEST

START_TEST(one_that_is_configured_anew_is_on_record_too)
{
    make_set(1);
    ck_assert_int_eq(hold(), 0);
    make_set(2);
    ck_assert_int_eq(hold(), 0);
    make_set(0);
    ck_assert_int_eq(vip_set_give_up(set, &err), 0);
    ck_assert_str_eq(where(V4), "nowhere");
    ck_assert_str_eq(where(V6), "nowhere");
}
END_TEST

START_TEST(another_prefix_or_interface_moves_it)
{
    ck_assert_int_eq(hold(), 0);
    want(0, "192.0.2.10/32", "tap0");
    make_set(2);
    ck_assert_int_eq(hold(), 0);
    set_flags("lo", IFF_UP);
    want(0, "192.0.2.10/32", "lo");
    make_set(2);
    ck_assert_int_eq(hold(), 0);
    struct vip_places places;
    ck_assert_int_eq(vip_look(rtnl, &wants[0].address, 1, &places, &err), 0);
    ck_assert_uint_eq(places.count, 1);
    ck_assert_int_eq(places.items[0].index, (int)if_nametoindex("lo"));
    vip_places_clear(&places);
}
END_TEST

/* -- Announcements ------------------------------------------------------------------ */

/* Announcements of want `i` that left the interface since the last look; others' frames are passed over. */
static unsigned announced(size_t i)
{
    uint8_t got[2048];
    unsigned count = 0;
    ssize_t n;
    while ((n = read(tap, got, sizeof got)) > 0) {
        bool arp = n >= 42 && got[12] == 0x08 && got[13] == 0x06 && got[21] == 1 &&
                   !memcmp(got + 28, wants[0].address.bytes, 4) &&
                   !memcmp(got + 38, wants[0].address.bytes, 4);
        bool nd = n >= 86 && got[12] == 0x86 && got[54] == 136 &&
                  !memcmp(got + 62, wants[1].address.bytes, 16);
        count += i == 0 ? arp : nd;
    }
    return count;
}

/* Every 10 ms of so long. */
static void attend(int64_t *now, int64_t for_ns)
{
    for (int64_t until = *now + for_ns; *now < until; *now += 10 * HM_MS)
        vip_set_attend(set, *now);
}

START_TEST(they_are_announced_again_and_again_and_ever_less)
{
    int64_t now = hm_boottime_ns();
    ck_assert_int_eq(vip_set_hold(set, now, &err), 0);
    attend(&now, SECOND);
    ck_assert_uint_eq(announced((size_t)_i), 4); /* at 0, 100, 300, 700 ms */
    attend(&now, 59 * SECOND);
    ck_assert_uint_eq(announced((size_t)_i), 6); /* 1.5, 3.1, 6.3, 12.7, 25.5, 51.1 s */
    attend(&now, 600 * SECOND);
    ck_assert_uint_eq(announced((size_t)_i), 10);
    ck_assert_int_eq(vip_set_give_up(set, &err), 0);
    attend(&now, 600 * SECOND);
    ck_assert_uint_eq(announced((size_t)_i), 0);
}
END_TEST

START_TEST(without_permission_nothing_is_announced)
{
    int64_t now = hm_boottime_ns();
    ck_assert_int_eq(vip_set_hold(set, now, &err), 0);
    permitted = false;
    attend(&now, SECOND);
    ck_assert_uint_eq(announced(0), 0);
}
END_TEST

/* -- Claims ------------------------------------------------------------------------- */

static void claim(size_t i)
{
    uint8_t frame[VIP_FRAME_MAX];
    size_t len = vip_frame_announcement(&wants[i].address, other, false, frame);
    ck_assert_int_eq(write(tap, frame, len), (ssize_t)len);
}

static void probe(void)
{
    uint8_t frame[VIP_FRAME_MAX];
    size_t len = vip_frame_announcement(&wants[0].address, other, false, frame);
    memset(frame + 28, 0, 4);
    ck_assert_int_eq(write(tap, frame, len), (ssize_t)len);
}

/* Held, with 100 s of announcements behind: the next one is due in 2.5 s. */
static int64_t hold_for_long(void)
{
    int64_t now = hm_boottime_ns();
    ck_assert_int_eq(vip_set_hold(set, now, &err), 0);
    attend(&now, 100 * SECOND);
    announced(0);
    return now;
}

START_TEST(a_claim_is_answered_at_once_and_seldom)
{
    int64_t now = hold_for_long();
    size_t i = (size_t)_i;
    claim(i);
    vip_set_attend(set, now);
    ck_assert_uint_eq(announced(i), 1);
    ck_assert_uint_eq(vip_set_now(set, i).claims, 1);
    ck_assert(vip_set_now(set, i).is_contested);
    ck_assert_mem_eq(vip_set_now(set, i).last.mac, other, 6);
    for (int n = 0; n < 90; n++) { /* 9 s of a host that doesn't give in */
        claim(i);
        now += 100 * HM_MS;
        vip_set_attend(set, now);
    }
    ck_assert_uint_eq(vip_set_now(set, i).claims, 91);
    ck_assert_uint_eq(vip_set_now(set, i).defended, 1);
    now += SECOND;
    vip_set_attend(set, now);
    ck_assert_uint_eq(vip_set_now(set, i).defended, 2); /* the last word is ours */
    now += 61 * SECOND;
    vip_set_attend(set, now);
    ck_assert(!vip_set_now(set, i).is_contested);
}
END_TEST

/* Who asks first (RFC 5227, 2.1.1) is answered twice: when asking, and when claiming all the same. */
START_TEST(a_probe_and_the_claim_after_it_are_both_answered)
{
    int64_t now = hold_for_long();
    probe();
    vip_set_attend(set, now);
    ck_assert_uint_eq(announced(0), 1);
    ck_assert_int_eq(vip_set_now(set, 0).last.kind, VIP_PROBE);
    claim(0);
    now += SECOND;
    vip_set_attend(set, now);
    ck_assert_uint_eq(announced(0), 1);
    ck_assert_uint_eq(vip_set_now(set, 0).defended, 2);
}
END_TEST

START_TEST(a_claim_is_not_answered_without_permission)
{
    int64_t now = hold_for_long();
    permitted = false;
    claim(0);
    vip_set_attend(set, now);
    ck_assert_uint_eq(announced(0), 0);
    ck_assert_uint_eq(vip_set_now(set, 0).claims, 1);
}
END_TEST

int main(void)
{
    TCase *c = tcase_create("vip_set");
    tcase_add_checked_fixture(c, set_up, tear_down);
    tcase_add_test(c, all_are_held_and_given_up);
    tcase_add_test(c, one_that_somebody_took_away_is_put_up_again);
    tcase_add_test(c, somebody_elses_is_named_and_left_alone);
    tcase_add_test(c, without_permission_nothing_is_put_up);
    tcase_add_test(c, permission_that_ends_meanwhile_takes_all_away_again);
    tcase_add_test(c, an_interface_that_is_down_or_missing_is_named);
    tcase_add_test(c, what_is_no_longer_configured_is_given_up);
    tcase_add_test(c, one_that_is_configured_anew_is_on_record_too);
    tcase_add_test(c, another_prefix_or_interface_moves_it);
    tcase_add_loop_test(c, they_are_announced_again_and_again_and_ever_less, 0, 2);
    tcase_add_test(c, without_permission_nothing_is_announced);
    tcase_add_loop_test(c, a_claim_is_answered_at_once_and_seldom, 0, 2);
    tcase_add_test(c, a_probe_and_the_claim_after_it_are_both_answered);
    tcase_add_test(c, a_claim_is_not_answered_without_permission);
    return run_case("vip_set", c);
}
