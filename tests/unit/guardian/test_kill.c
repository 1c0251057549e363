#include "guardian/kill.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "guardian/procfs.h"
#include "tests/unit/guardian/suite.h"

static union message m;
static struct killing k;
static const struct cgroups none = {.fd = -1};

static unsigned look(pid_t spare)
{
    return kill_all(&k, &m.plan, &none, "", spare);
}

/* In one piece, and byte by byte. */
static bool matches(const char *line, size_t len)
{
    struct words whole = {0}, parts = {0};
    struct names names;
    kill_names(&names, &m.plan);
    bool found = kill_matches(&names, &whole, line, len), again = false;
    for (size_t i = 0; i < len && !again; i++)
        again = kill_matches(&names, &parts, line + i, 1);
    ck_assert_int_eq(found, again);
    return found;
}

#define MATCHES(text) matches(text, sizeof text)

START_TEST(option_and_value_are_whole_words_in_order)
{
    plan_begin(&m);
    plan_add(&m, GUARD_PROCESS, "-uuid", "abc", NULL);
    plan_add(&m, GUARD_PROCESS, "-name", "guest=x", NULL);
    ck_assert(MATCHES("qemu\0-uuid\0abc"));
    ck_assert(MATCHES("-uuid\0abc\0-x"));
    ck_assert(MATCHES("-uuid\0-uuid\0abc"));
    ck_assert(MATCHES("a\0-name\0guest=x"));
    ck_assert(!MATCHES("qemu\0-uuid\0abcd"));
    ck_assert(!MATCHES("qemu\0-uuid\0ab"));
    ck_assert(!MATCHES("qemu\0--uuid\0abc"));
    ck_assert(!MATCHES("abc\0-uuid"));
    ck_assert(!MATCHES("-uuid\0guest=x"));
    ck_assert(!MATCHES("-uuid\0\0abc"));
    ck_assert(!MATCHES(""));
}
END_TEST

START_TEST(many_options_are_looked_for_too)
{
    char option[16];
    plan_begin(&m);
    for (int i = 0; i < 3 * KILL_OPTIONS_MAX; i++) {
        snprintf(option, sizeof option, "-o%d", i);
        plan_add(&m, GUARD_PROCESS, option, "v", NULL);
    }
    ck_assert(MATCHES("x\0-o0\0v"));
    ck_assert(MATCHES("x\0-o47\0v"));
    ck_assert(!MATCHES("x\0-o48\0v"));
    ck_assert(!MATCHES("x\0-o47\0w"));
}
END_TEST

START_TEST(words_longer_than_any_of_a_plan_match_nothing)
{
    char line[1000];
    plan_begin(&m);
    plan_add(&m, GUARD_PROCESS, "-uuid", "abc", NULL);
    memset(line, 'x', sizeof line);
    memcpy(line + 500, "\0-uuid\0abc", 11);
    ck_assert(matches(line, 511));
    memset(line, 'x', sizeof line);
    memcpy(line, "-uuid\0abc", 9);
    line[sizeof line - 1] = '\0';
    ck_assert(!matches(line, sizeof line));
}
END_TEST

/* All processes of this machine are looked at, also those of other tests. */
START_TEST(what_is_named_is_killed_and_remembered_until_it_is_dead)
{
    char name[32], name_of_other[32];
    snprintf(name, sizeof name, "harmony-unit-%d", getpid());
    snprintf(name_of_other, sizeof name_of_other, "harmony-unit-%d-2", getpid());
    const char *named[] = {"/bin/sh", "-c", "read x", "-uuid", name, NULL};
    const char *other[] = {"/bin/sh", "-c", "read x", "-uuid", name_of_other, NULL};
    int open_end[2];
    ck_assert_int_eq(pipe(open_end), 0);
    dup2(open_end[0], STDIN_FILENO);
    pid_t mine = start_child(named), theirs = start_child(other);
    plan_begin(&m);
    plan_add(&m, GUARD_PROCESS, "-uuid", name, NULL);
    ck_assert_uint_eq(look(mine), 0); /* the command that runs is spared */
    ck_assert_uint_eq(look(0), 1);
    ck_assert_uint_eq(k.count, 1);
    ck_assert(has_ended(mine));
    ck_assert_uint_eq(look(0), 0);
    ck_assert_uint_eq(k.count, 0);
    ck_assert_uint_gt(process_start_time(theirs), 0);
    end_child(mine);
    end_child(theirs);
}
END_TEST

START_TEST(a_recycled_pid_is_not_killed)
{
    char pid[16], start[32];
    pid_t child = start_child(NULL);
    snprintf(pid, sizeof pid, "%d", child);
    snprintf(start, sizeof start, "%llu", (unsigned long long)process_start_time(child) + 1);
    plan_begin(&m);
    plan_add(&m, GUARD_PID, pid, start, NULL);
    ck_assert_uint_eq(look(0), 0);
    ck_assert_uint_gt(process_start_time(child), 0);
    snprintf(start, sizeof start, "%llu", (unsigned long long)process_start_time(child));
    plan_begin(&m);
    plan_add(&m, GUARD_PID, pid, start, NULL);
    ck_assert_uint_eq(look(0), 1);
    ck_assert(has_ended(child));
    ck_assert_uint_eq(look(0), 0);
    end_child(child);
}
END_TEST

START_TEST(what_cannot_be_looked_at_is_left)
{
    struct rlimit some = {0, 64};
    plan_begin(&m);
    plan_add(&m, GUARD_PROCESS, "-uuid", "harmony-unit", NULL);
    ck_assert_uint_eq(look(0), 0);
    some.rlim_cur = (rlim_t)dup(STDERR_FILENO) + 1; /* room for /proc, and for nothing in it */
    close((int)some.rlim_cur - 1);
    setrlimit(RLIMIT_NOFILE, &some);
    ck_assert_uint_gt(look(0), 0);
}
END_TEST

START_TEST(it_does_not_kill_itself)
{
    char pid[16], start[32];
    snprintf(pid, sizeof pid, "%d", getpid());
    snprintf(start, sizeof start, "%llu", (unsigned long long)process_start_time(getpid()));
    plan_begin(&m);
    plan_add(&m, GUARD_PID, pid, start, NULL);
    ck_assert_uint_eq(look(0), 0);
}
END_TEST

START_TEST(a_cgroup_that_is_not_there_is_empty)
{
    plan_begin(&m);
    plan_add(&m, GUARD_CGROUP, "/sys/fs/cgroup/harmony-is-not-there", NULL);
    ck_assert_uint_eq(look(0), 0);
}
END_TEST

RUN_SUITE("kill", option_and_value_are_whole_words_in_order, many_options_are_looked_for_too,
          words_longer_than_any_of_a_plan_match_nothing,
          what_is_named_is_killed_and_remembered_until_it_is_dead, a_recycled_pid_is_not_killed,
          what_cannot_be_looked_at_is_left, it_does_not_kill_itself,
          a_cgroup_that_is_not_there_is_empty)
