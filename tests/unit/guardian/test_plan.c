#include "guardian/plan.h"

#include <string.h>
#include <sys/socket.h>

#include "guardian/clock.h"
#include "tests/unit/guardian/suite.h"

static union message m;
static char why[PLAN_TEXT_MAX];

static bool holds(void)
{
    why[0] = '\0';
    return plan_check(&m.plan, m.header.size, why);
}

/* A plan of this one entry. */
#define ONE(type, ...)                                                                             \
    (plan_begin(&m), plan_add(&m, type __VA_OPT__(, ) __VA_ARGS__, NULL), holds())

START_TEST(entries_come_back_in_order)
{
    struct plan_entry e;
    size_t at = 0;
    plan_begin(&m);
    plan_add(&m, GUARD_PROCESS, "-uuid", "x y", NULL);
    plan_add(&m, GUARD_COMMAND, "/bin/a", "", "three", NULL);
    ck_assert_msg(holds(), "%s", why);
    ck_assert(plan_next(&m.plan, &at, &e));
    ck_assert_int_eq(e.type, GUARD_PROCESS);
    ck_assert_str_eq(e.word[1], "x y");
    ck_assert_ptr_null(e.word[2]);
    ck_assert(plan_next(&m.plan, &at, &e));
    ck_assert_uint_eq(e.words, 3);
    ck_assert_str_eq(e.word[1], "");
    ck_assert_str_eq(e.word[2], "three");
    ck_assert(!plan_next(&m.plan, &at, &e));
}
END_TEST

START_TEST(an_empty_plan_is_one)
{
    struct plan_entry e;
    size_t at = 0;
    plan_begin(&m);
    ck_assert(holds());
    ck_assert(!plan_next(&m.plan, &at, &e));
    ck_assert(plan_has(&m.plan, GUARD_RUNG_KILL));
    ck_assert(!plan_has(&m.plan, GUARD_RUNG_CUT));
}
END_TEST

START_TEST(each_type_takes_its_words_alone)
{
    ck_assert(ONE(GUARD_PROCESS, "-uuid", "x"));
    ck_assert(!ONE(GUARD_PROCESS, "-uuid"));
    ck_assert(!ONE(GUARD_PROCESS, "-uuid", "x", "y"));
    ck_assert(!ONE(GUARD_PROCESS, "-uuid", ""));
    ck_assert(!ONE(GUARD_PROCESS, "", "x"));
    ck_assert(ONE(GUARD_PID, "17", "4711"));
    ck_assert(!ONE(GUARD_PID, "17"));
    ck_assert(!ONE(GUARD_PID, "1", "4711"));
    ck_assert(!ONE(GUARD_PID, "-17", "4711"));
    ck_assert(!ONE(GUARD_PID, "017", "4711"));
    ck_assert(!ONE(GUARD_PID, "2147483648", "4711"));
    ck_assert(!ONE(GUARD_PID, "17", "0"));
    ck_assert(!ONE(GUARD_PID, "17", "18446744073709551616"));
    ck_assert(ONE(GUARD_CGROUP, "/sys/fs/cgroup/a..b"));
    ck_assert(!ONE(GUARD_CGROUP, "sys"));
    ck_assert(!ONE(GUARD_CGROUP, "/sys/../etc"));
    ck_assert(!ONE(GUARD_CGROUP, "/sys/."));
    ck_assert(!ONE(GUARD_CGROUP, "/sys//fs"));
    ck_assert(ONE(GUARD_LINK, "eth0.7"));
    ck_assert(!ONE(GUARD_LINK, ""));
    ck_assert(!ONE(GUARD_LINK, "a/b"));
    ck_assert(!ONE(GUARD_LINK, "sixteen-letters-"));
    ck_assert(ONE(GUARD_COMMAND, "/bin/x", "a"));
    ck_assert(!ONE(GUARD_COMMAND, "x"));
    ck_assert(ONE(GUARD_WATCHDOG, "/dev/watchdog"));
    ck_assert(!ONE(0));
    ck_assert(!ONE(8, "/x"));
}
END_TEST

START_TEST(addresses_are_read)
{
    struct plan_address a;
    ck_assert(plan_address_parse("10.1.2.3/24", &a));
    ck_assert_int_eq(a.family, AF_INET);
    ck_assert_uint_eq(a.prefix, 24);
    ck_assert_mem_eq(a.bytes, "\x0a\x01\x02\x03", 4);
    ck_assert(plan_address_parse("fd00::1/128", &a));
    ck_assert_int_eq(a.family, AF_INET6);
    ck_assert(ONE(GUARD_VIP, "10.1.2.3/24"));
    ck_assert(ONE(GUARD_VIP, "fd00:99::1/128"));
    ck_assert(!ONE(GUARD_VIP, "10.1.2.3"));
    ck_assert(!ONE(GUARD_VIP, "10.1.2.3/33"));
    ck_assert(!ONE(GUARD_VIP, "eth0", "10.1.2.3/24"));
    ck_assert(ONE(GUARD_ADDRESS, "eth0", "10.1.2.3/32"));
    ck_assert(!ONE(GUARD_ADDRESS, "eth0", "10.1.2.3"));
    ck_assert(!ONE(GUARD_ADDRESS, "eth0", "10.1.2.3/33"));
    ck_assert(!ONE(GUARD_ADDRESS, "eth0", "10.1.2/24"));
    ck_assert(!ONE(GUARD_ADDRESS, "eth0", "/24"));
    ck_assert(!ONE(GUARD_ADDRESS, "eth0", "10.1.2.3/24 "));
}
END_TEST

START_TEST(control_characters_are_in_no_word)
{
    ck_assert(!ONE(GUARD_COMMAND, "/bin/x", "a\nb"));
    ck_assert(!ONE(GUARD_PROCESS, "-uuid", "a\x7f"));
}
END_TEST

START_TEST(one_watchdog_at_most)
{
    plan_begin(&m);
    plan_add(&m, GUARD_WATCHDOG, "/dev/a", NULL);
    plan_add(&m, GUARD_WATCHDOG, "/dev/b", NULL);
    ck_assert(!holds());
    ck_assert_ptr_nonnull(strstr(why, "2 watchdogs"));
}
END_TEST

START_TEST(words_are_bounded)
{
    char word[GUARD_WORD_MAX + 2];
    memset(word, 'x', sizeof word);
    word[GUARD_WORD_MAX + 1] = '\0';
    ck_assert(!ONE(GUARD_PROCESS, "-a", word));
    word[GUARD_WORD_MAX] = '\0';
    ck_assert(ONE(GUARD_PROCESS, "-a", word));
}
END_TEST

/* Whatever is cut off, or lies about its size, is refused, and nothing outside is read (the sanitizer
 * sees to that: the copy is exactly as long as is said). */
START_TEST(what_is_cut_off_is_refused)
{
    plan_begin(&m);
    plan_add(&m, GUARD_PROCESS, "-uuid", "abc", NULL);
    plan_add(&m, GUARD_LINK, "eth0", NULL);
    size_t last_word = m.header.size - 3; /* "eth0" has 5 bytes of 8 */
    for (size_t size = 0; size < last_word; size++) {
        void *copy = aligned_alloc(8, (m.header.size + 7) / 8 * 8);
        memcpy(copy, &m, m.header.size);
        struct guard_plan *plan = realloc(copy, size ? size : 1);
        if (size >= sizeof plan->header)
            plan->header.size = (uint32_t)size;
        ck_assert_msg(!plan_check(plan, size, why), "%zu bytes were taken", size);
        free(plan);
    }
}
END_TEST

START_TEST(lies_are_refused)
{
    struct guard_entry *e = (struct guard_entry *)(void *)(m.bytes + sizeof m.plan);
    ck_assert(ONE(GUARD_PROCESS, "-uuid", "abc"));
    e->bytes += 1;
    ck_assert(!holds());
    e->bytes = UINT32_MAX;
    ck_assert(!holds());
    ck_assert(ONE(GUARD_PROCESS, "-uuid", "abc"));
    e->words = GUARD_WORDS_MAX + 1;
    ck_assert(!holds());
    ck_assert(ONE(GUARD_PROCESS, "-uuid", "abc"));
    m.plan.entries = 2;
    ck_assert(!holds());
    m.plan.entries = GUARD_ENTRIES_MAX + 1;
    ck_assert(!holds());
    m.plan.entries = 0;
    ck_assert(!holds());
    ck_assert_ptr_nonnull(strstr(why, "after its last entry"));
}
END_TEST

START_TEST(limits_are_bounded_and_have_defaults)
{
    plan_begin(&m);
    m.plan.limit_ms[GUARD_RUNG_CUT] = GUARD_RUNG_LIMIT_MAX_MS;
    ck_assert(holds());
    ck_assert_int_eq(plan_limit_ns(&m.plan, GUARD_RUNG_CUT, 0), GUARD_RUNG_LIMIT_MAX_MS * MS);
    ck_assert_int_eq(plan_limit_ns(&m.plan, GUARD_RUNG_KILL, 0), 500 * MS);
    ck_assert_int_eq(plan_limit_ns(&m.plan, GUARD_RUNG_KILL, 7 * MS), 7 * MS);
    ck_assert_int_eq(plan_limit_ns(&m.plan, GUARD_RUNG_COMMAND, 7 * MS), 10 * SEC);
    m.plan.limit_ms[GUARD_RUNG_KILL] = 3;
    ck_assert_int_eq(plan_limit_ns(&m.plan, GUARD_RUNG_KILL, 7 * MS), 3 * MS);
    m.plan.limit_ms[GUARD_RUNG_CUT]++;
    ck_assert(!holds());
}
END_TEST

RUN_SUITE("plan", entries_come_back_in_order, an_empty_plan_is_one, each_type_takes_its_words_alone,
          addresses_are_read, control_characters_are_in_no_word, one_watchdog_at_most,
          words_are_bounded, what_is_cut_off_is_refused, lies_are_refused,
          limits_are_bounded_and_have_defaults)
