/* The thread that keeps virtual IPs, on the loopback of a network namespace of the test's own. */
#include "netalloc/vip_keeper.h"

#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "netalloc/vip_link.h"
#include "suite.h"

static char folder[] = "/tmp/test_vip_keeper.XXXXXX", record[64];
static struct vip_want want = {.link = "lo"};
static struct vip_keeper *keeper;
static atomic_bool permitted;
static int news;
static struct hm_error err;

static bool may(void *data)
{
    (void)data;
    return permitted;
}

static void on_news(void *data)
{
    uint64_t one = 1;
    (void)data;
    ck_assert_int_eq(write(news, &one, sizeof one), sizeof one);
}

static void make(size_t count)
{
    struct vip_keeper_options o = {
        .set = {.wants = &want, .count = count, .record = record, .may = may}, .on_news = on_news};
    keeper = NULL;
    ck_assert_int_eq(vip_keeper_new(&o, &keeper, &err), 0);
}

static void set_up(void)
{
    int flags = CLONE_NEWNET | (geteuid() == 0 ? 0 : CLONE_NEWUSER);
    struct ifreq r = {.ifr_name = "lo", .ifr_flags = IFF_UP | IFF_RUNNING};
    ck_assert_ptr_nonnull(mkdtemp(folder));
    snprintf(record, sizeof record, "%s/vip-default", folder);
    ck_assert_msg(unshare(flags) == 0, "this host permits no namespaces: run as root");
    int fd = socket(AF_INET, SOCK_DGRAM, 0);
    ck_assert_int_eq(ioctl(fd, SIOCSIFFLAGS, &r), 0);
    close(fd);
    ck_assert_int_eq(vip_address_parse("192.0.2.10/24", &want.address, &err), 0);
    news = eventfd(0, 0);
    permitted = true;
}

static void tear_down(void)
{
    vip_keeper_free(keeper);
    unlink(record);
    rmdir(folder);
}

static bool is_there(void)
{
    struct rtnl *rtnl;
    struct vip_places places;
    ck_assert_int_eq(rtnl_open(&rtnl, &err), 0);
    ck_assert_int_eq(vip_look(rtnl, &want.address, 1, &places, &err), 0);
    bool is = places.count == 1 && places.items[0].is_ours;
    vip_places_clear(&places);
    rtnl_close(rtnl);
    return is;
}

/* Until that order is answered; each wait is for news. */
static struct hm_error answer(uint64_t order)
{
    struct pollfd p = {.fd = news, .events = POLLIN};
    struct hm_error failed = {0};
    uint64_t count;
    while (!vip_keeper_answered(keeper, order, &failed)) {
        ck_assert_int_eq(poll(&p, 1, 20000), 1);
        ck_assert_int_gt(read(news, &count, sizeof count), 0);
    }
    return failed;
}

START_TEST(what_it_is_told_is_done_and_answered)
{
    make(1);
    ck_assert_int_eq(answer(vip_keeper_tell(keeper, true)).code, HM_OK);
    ck_assert(is_there());
    ck_assert_int_eq(vip_keeper_now(keeper, 0).state, VIP_IS_UP);
    ck_assert_int_eq(answer(vip_keeper_tell(keeper, false)).code, HM_OK);
    ck_assert(!is_there());
    ck_assert_int_eq(vip_keeper_now(keeper, 0).state, VIP_IS_DOWN);
}
END_TEST

START_TEST(the_last_order_counts)
{
    make(1);
    uint64_t last = 0;
    for (int i = 0; i < 50; i++)
        last = vip_keeper_tell(keeper, i % 2 == 0);
    ck_assert_int_eq(answer(last).code, HM_OK);
    ck_assert(!is_there());
}
END_TEST

START_TEST(without_permission_the_answer_is_no)
{
    permitted = false;
    make(1);
    ck_assert_int_eq(answer(vip_keeper_tell(keeper, true)).code, HM_E_REFUSED);
    ck_assert(!is_there());
}
END_TEST

START_TEST(permission_that_ends_takes_it_away)
{
    struct pollfd p = {.fd = news, .events = POLLIN};
    uint64_t count;
    make(1);
    ck_assert_int_eq(answer(vip_keeper_tell(keeper, true)).code, HM_OK);
    permitted = false;
    while (vip_keeper_now(keeper, 0).state != VIP_IS_DOWN) {
        ck_assert_int_eq(poll(&p, 1, 20000), 1);
        ck_assert_int_gt(read(news, &count, sizeof count), 0);
    }
    ck_assert(!is_there());
}
END_TEST

START_TEST(what_is_held_stays_when_it_goes_and_the_next_one_gives_it_up)
{
    make(1);
    ck_assert_int_eq(answer(vip_keeper_tell(keeper, true)).code, HM_OK);
    vip_keeper_free(keeper);
    ck_assert(is_there());
    make(0);
    ck_assert_ptr_nonnull(keeper); /* it is on record */
    ck_assert_int_eq(answer(vip_keeper_tell(keeper, false)).code, HM_OK);
    ck_assert(!is_there());
}
END_TEST

START_TEST(nothing_to_keep_needs_no_keeper)
{
    make(0);
    ck_assert_ptr_null(keeper);
}
END_TEST

START_TEST(it_says_what_stands_in_the_way_before_it_is_told_anything)
{
    struct pollfd p = {.fd = news, .events = POLLIN};
    uint64_t count;
    snprintf(want.link, sizeof want.link, "eth77");
    make(1);
    while (vip_keeper_now(keeper, 0).state != VIP_IS_FAILED) {
        ck_assert_int_eq(poll(&p, 1, 20000), 1);
        ck_assert_int_gt(read(news, &count, sizeof count), 0);
    }
    ck_assert_int_eq(vip_keeper_now(keeper, 0).why.code, HM_E_NOT_FOUND);
}
END_TEST

int main(void)
{
    TCase *c = tcase_create("vip_keeper");
    tcase_add_checked_fixture(c, set_up, tear_down);
    tcase_add_test(c, what_it_is_told_is_done_and_answered);
    tcase_add_test(c, the_last_order_counts);
    tcase_add_test(c, without_permission_the_answer_is_no);
    tcase_add_test(c, permission_that_ends_takes_it_away);
    tcase_add_test(c, what_is_held_stays_when_it_goes_and_the_next_one_gives_it_up);
    tcase_add_test(c, nothing_to_keep_needs_no_keeper);
    tcase_add_test(c, it_says_what_stands_in_the_way_before_it_is_told_anything);
    return run_case("vip_keeper", c);
}
