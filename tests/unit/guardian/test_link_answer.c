#include "guardian/link_answer.h"

#include <errno.h>
#include <linux/if_addr.h>
#include <linux/rtnetlink.h>
#include <string.h>
#include <sys/socket.h>

#include "tests/unit/guardian/suite.h"

/* A packet, and what may lie behind it. */
static union {
    struct nlmsghdr header;
    char bytes[1024];
} packet;
static size_t end;

static void begin(void)
{
    memset(&packet, 0, sizeof packet);
    end = 0;
}

/* Behind the last one, aligned; returns it. */
static struct nlmsghdr *add_message(unsigned type, size_t body)
{
    struct nlmsghdr *m = (struct nlmsghdr *)(void *)(packet.bytes + NLMSG_ALIGN(end));
    *m = (struct nlmsghdr){.nlmsg_len = (unsigned)NLMSG_LENGTH(body),
                           .nlmsg_type = (unsigned short)type};
    end = NLMSG_ALIGN(end) + m->nlmsg_len;
    return m;
}

static struct nlmsghdr *add_address(int family, unsigned index)
{
    struct nlmsghdr *m = add_message(RTM_NEWADDR, sizeof(struct ifaddrmsg));
    struct ifaddrmsg *info = NLMSG_DATA(m);
    *info = (struct ifaddrmsg){
        .ifa_family = (unsigned char)family, .ifa_prefixlen = 24, .ifa_index = index};
    return m;
}

static void add_attribute(struct nlmsghdr *m, unsigned short type, const void *bytes, size_t len)
{
    struct rtattr *a = (struct rtattr *)(void *)((char *)m + NLMSG_ALIGN(m->nlmsg_len));
    a->rta_type = type;
    a->rta_len = (unsigned short)RTA_LENGTH(len);
    memcpy(RTA_DATA(a), bytes, len);
    end += NLMSG_ALIGN(m->nlmsg_len) - m->nlmsg_len + a->rta_len;
    m->nlmsg_len = (unsigned)NLMSG_ALIGN(m->nlmsg_len) + a->rta_len;
}

static bool count(void *data, const struct nlmsghdr *m)
{
    (void)m;
    ++*(int *)data;
    return true;
}

START_TEST(a_dump_goes_on_until_it_is_done)
{
    int seen = 0;
    begin();
    add_message(RTM_NEWLINK, 16);
    add_message(RTM_NEWLINK, 4);
    ck_assert_int_eq(link_answer(&packet, end, true, count, &seen), 1);
    ck_assert_int_eq(seen, 2);
    add_message(NLMSG_DONE, 4);
    ck_assert_int_eq(link_answer(&packet, end, true, count, &seen), 0);
    ck_assert_int_eq(seen, 4);
}
END_TEST

START_TEST(an_error_is_told)
{
    begin();
    struct nlmsgerr *e = NLMSG_DATA(add_message(NLMSG_ERROR, sizeof *e));
    e->error = -ENODEV;
    ck_assert_int_eq(link_answer(&packet, end, false, NULL, NULL), -ENODEV);
    begin();
    add_message(NLMSG_ERROR, 2);
    ck_assert_int_eq(link_answer(&packet, end, false, NULL, NULL), -EBADMSG);
    begin();
    add_message(RTM_NEWLINK, 4)->nlmsg_flags = NLM_F_DUMP_INTR;
    ck_assert_int_eq(link_answer(&packet, end, true, NULL, NULL), -EINTR);
}
END_TEST

/* Its padding would be more than what is left. */
START_TEST(behind_a_last_one_without_padding_nothing_is_read)
{
    int seen = 0;
    begin();
    add_message(RTM_NEWLINK, 1);
    size_t len = end;
    add_message(RTM_NEWLINK, 4);
    ck_assert_int_eq(link_answer(&packet, len, true, count, &seen), 1);
    ck_assert_int_eq(seen, 1);
}
END_TEST

START_TEST(an_attribute_behind_the_message_is_not_its_own)
{
    static const unsigned char wanted[] = {192, 0, 2, 7};
    struct plan_address address = {.family = AF_INET, .prefix = 24};
    struct link_search s = {.address = &address, .index = 2};
    memcpy(address.bytes, wanted, sizeof wanted);
    begin();
    struct nlmsghdr *m = add_address(AF_INET, 2);
    add_attribute(m, IFA_LABEL, "e", 1);
    size_t len = m->nlmsg_len;
    add_attribute(m, IFA_LOCAL, wanted, sizeof wanted);
    link_see_address(&s, m);
    ck_assert(s.found);
    s.found = false;
    m->nlmsg_len = (unsigned)len;
    link_see_address(&s, m);
    ck_assert(!s.found);
}
END_TEST

START_TEST(only_what_has_the_mark_is_a_virtual_ip)
{
    static const unsigned char bytes[] = {192, 0, 2, 7}, mark = GUARD_VIP_MARK, other = 3;
    static union message plan;
    struct link_vips v = {.plan = &plan.plan};
    plan_begin(&plan);
    plan_add(&plan, GUARD_VIP, "192.0.2.7/24", NULL);
    begin();
    struct nlmsghdr *m = add_address(AF_INET, 5);
    add_attribute(m, IFA_LOCAL, bytes, sizeof bytes);
    add_attribute(m, IFA_PROTO, &other, 1);
    link_see_vip(&v, m);
    ck_assert_uint_eq(v.count, 0);
    begin();
    m = add_address(AF_INET, 5);
    add_attribute(m, IFA_LOCAL, bytes, sizeof bytes);
    add_attribute(m, IFA_PROTO, &mark, 1);
    link_see_vip(&v, m);
    ck_assert_uint_eq(v.count, 1);
    ck_assert_int_eq(v.found[0].index, 5);
    ck_assert_uint_eq(v.found[0].address.prefix, 24);
}
END_TEST

RUN_SUITE("link_answer", a_dump_goes_on_until_it_is_done, an_error_is_told,
          behind_a_last_one_without_padding_nothing_is_read,
          an_attribute_behind_the_message_is_not_its_own, only_what_has_the_mark_is_a_virtual_ip)
