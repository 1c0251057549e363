#include "guardian/message.h"

#include <string.h>

#include "tests/unit/guardian/suite.h"

static union message m;
static char why[PLAN_TEXT_MAX];

static void begin(unsigned type, size_t size)
{
    memset(&m, 0, sizeof m);
    m.header = (struct guard_header){.magic = GUARD_MAGIC,
                                     .version = GUARD_VERSION,
                                     .type = (uint16_t)type,
                                     .size = (uint32_t)size,
                                     .seq = 1};
}

static enum guard_error check(void)
{
    why[0] = '\0';
    return message_check(&m, m.header.size, why);
}

static void hello(const char *site, const char *group)
{
    begin(GUARD_HELLO, sizeof m.hello);
    strncpy(m.hello.site, site, GUARD_NAME_MAX);
    strncpy(m.hello.group, group, GUARD_NAME_MAX);
}

START_TEST(hello_names_site_and_group)
{
    hello("site-a", "db.1");
    ck_assert_int_eq(check(), GUARD_OK);
    ck_assert_int_eq(message_hello(&m.hello, "site-a", "db.1", why), GUARD_OK);
    ck_assert_int_eq(message_hello(&m.hello, "site-b", "db.1", why), GUARD_STRANGER);
    ck_assert_int_eq(message_hello(&m.hello, "site-a", "db.2", why), GUARD_STRANGER);
    ck_assert_ptr_nonnull(strstr(why, "site-a/db.2"));
}
END_TEST

START_TEST(names_are_names)
{
    hello("", "g");
    ck_assert_int_eq(check(), GUARD_MALFORMED);
    hello("site/a", "g");
    ck_assert_int_eq(check(), GUARD_MALFORMED);
    hello("..", "g");
    ck_assert_int_eq(check(), GUARD_MALFORMED);
    hello("site-a", "g");
    m.hello.site[GUARD_NAME_MAX] = 'x'; /* behind the name */
    ck_assert_int_eq(check(), GUARD_MALFORMED);
    hello("site-a", "g");
    memset(m.hello.group, 'x', sizeof m.hello.group); /* no NUL */
    ck_assert_int_eq(check(), GUARD_MALFORMED);
}
END_TEST

START_TEST(headers_are_checked)
{
    hello("a", "g");
    m.header.magic++;
    ck_assert_int_eq(check(), GUARD_MALFORMED);
    hello("a", "g");
    m.header.version++;
    ck_assert_int_eq(check(), GUARD_STRANGER);
    hello("a", "g");
    m.header.seq = 0;
    ck_assert_int_eq(check(), GUARD_MALFORMED);
    hello("a", "g");
    ck_assert_int_eq(message_check(&m, sizeof m.hello - 1, why), GUARD_MALFORMED);
    ck_assert_int_eq(message_check(&m, 0, why), GUARD_MALFORMED);
    begin(GUARD_STATE, sizeof(struct guard_state));
    ck_assert_int_eq(check(), GUARD_MALFORMED);
    begin(0, sizeof m.header);
    ck_assert_int_eq(check(), GUARD_MALFORMED);
    begin(GUARD_HELLO, sizeof m.hello + 8);
    ck_assert_int_eq(check(), GUARD_MALFORMED);
}
END_TEST

START_TEST(a_lease_is_in_range)
{
    begin(GUARD_SET, sizeof m.set);
    ck_assert_int_eq(check(), GUARD_OK);
    m.set.lease = (struct guard_lease){.phase = GUARD_FENCING, .epoch = 1, .deadline_ns = 5};
    ck_assert_int_eq(check(), GUARD_OK);
    m.set.lease.epoch = 0;
    ck_assert_int_eq(check(), GUARD_MALFORMED);
    m.set.lease.epoch = 1;
    m.set.lease.phase = GUARD_FENCING + 1;
    ck_assert_int_eq(check(), GUARD_MALFORMED);
    m.set.lease.phase = GUARD_ARMED;
    m.set.lease.paused = 2;
    ck_assert_int_eq(check(), GUARD_MALFORMED);
    m.set.lease.paused = 1;
    m.set.lease.deadline_ns = -1;
    ck_assert_int_eq(check(), GUARD_MALFORMED);
    m.set.lease.deadline_ns = GUARD_NEVER;
    m.set.lease.fence_limit_ns = GUARD_RUNG_LIMIT_MAX_MS * 1000001LL;
    ck_assert_int_eq(check(), GUARD_MALFORMED);
    m.set.lease.fence_limit_ns = 0;
    ck_assert_int_eq(check(), GUARD_OK);
}
END_TEST

START_TEST(a_plan_is_checked_with_its_header)
{
    plan_begin(&m);
    plan_add(&m, GUARD_LINK, "eth0", NULL);
    ck_assert_int_eq(check(), GUARD_OK);
    plan_add(&m, GUARD_LINK, "eth/0", NULL);
    ck_assert_int_eq(check(), GUARD_MALFORMED);
    ck_assert_ptr_nonnull(strstr(why, "entry 2"));
}
END_TEST

RUN_SUITE("message", hello_names_site_and_group, names_are_names, headers_are_checked,
          a_lease_is_in_range, a_plan_is_checked_with_its_header)
