#include "agent/guard_launch.h"

#include <check.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/file.h"

static char folder[32], program[64], told[64];
static struct agent_config config;

/* A stand-in for the program: says how it was called, who its parent is, and leads which session. */
static const char script[] = "#!/bin/sh\n"
                             "echo \"$@\" >%s.new\n"
                             "echo $$ $(cut -d' ' -f4,6 /proc/$$/stat) >>%s.new\n"
                             "mv %s.new %s\n";

static void set_up(void)
{
    char text[512];
    snprintf(folder, sizeof folder, "/tmp/test_launch.XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(folder));
    snprintf(program, sizeof program, "%s/harmony-guardian", folder);
    snprintf(told, sizeof told, "%s/told", folder);
    snprintf(text, sizeof text, script, told, told, told, told);
    ck_assert_int_eq(hm_file_write_atomic(program, text, strlen(text), 0755, NULL), 0);
    ck_assert_int_eq(chmod(program, 0755), 0);
    HM_AUTOFREE char *path = hm_printf("%s:%s", folder, "/usr/bin:/bin");
    setenv("PATH", path, 1);
    unsetenv("SYSTEMD_EXEC_PID");
    config = (struct agent_config){.site_id = (char *)"site-a", .runtime_dir = folder};
    config.failover.group = (char *)"db";
    config.guardian.socket = (char *)"/run/x.sock";
}

static void tear_down(void)
{
    HM_AUTOFREE char *log = hm_printf("%s/guardian.log", folder);
    unlink(log);
    unlink(told);
    unlink(program);
    ck_assert_int_eq(rmdir(folder), 0);
}

/* What the stand-in said; the caller's. */
static char *wait_told(void)
{
    char *text;
    size_t len;
    int64_t give_up = hm_boottime_ns() + 10000 * HM_MS;
    while (hm_file_read(told, 4096, &text, &len, NULL) < 0) {
        ck_assert_int_lt(hm_boottime_ns(), give_up);
        poll(NULL, 0, 1); /* nobody tells when a file appears */
    }
    return text;
}

START_TEST(is_started_as_the_configuration_says_and_as_nobodys_child)
{
    int64_t last = 0;
    long pid, parent, session;
    struct hm_error err = {0};
    ck_assert_msg(guard_launch(&config, &last, &err) >= 0, "%s", err.text);
    HM_AUTOFREE char *said = wait_told();
    HM_AUTOFREE char *expected =
        hm_printf("--socket /run/x.sock --site site-a --group db --state %s\n", folder);
    ck_assert_int_eq(strncmp(said, expected, strlen(expected)), 0);
    ck_assert_int_eq(sscanf(said + strlen(expected), "%ld %ld %ld", &pid, &parent, &session), 3);
    ck_assert_int_ne(parent, (long)getpid());
    ck_assert_int_ne(session, (long)getsid(0));
    ck_assert_int_lt(waitpid(-1, NULL, WNOHANG), 0); /* there is none to reap */
}
END_TEST

START_TEST(is_not_started_twice_within_a_second)
{
    int64_t last = 0;
    ck_assert_int_ge(guard_launch(&config, &last, NULL), 0);
    free(wait_told());
    unlink(told);
    int64_t first = last;
    ck_assert_int_ge(guard_launch(&config, &last, NULL), 0);
    ck_assert_int_eq(last, first);
    last -= 1000 * HM_MS;
    ck_assert_int_ge(guard_launch(&config, &last, NULL), 0);
    free(wait_told());
}
END_TEST

START_TEST(without_a_program_it_says_where_it_looked)
{
    int64_t last = 0;
    struct hm_error err;
    setenv("PATH", "/nonexistent", 1);
    ck_assert_int_eq(guard_launch(&config, &last, &err), -HM_E_NOT_FOUND);
    ck_assert_ptr_nonnull(strstr(err.text, "beside harmonyd"));
}
END_TEST

START_TEST(a_unit_becomes_it)
{
    config.guardian.cgroup = (char *)"/sys/fs/cgroup/x";
    pid_t child = fork();
    if (child == 0) {
        guard_become(&config, NULL);
        _exit(77);
    }
    HM_AUTOFREE char *said = wait_told();
    ck_assert_int_eq(waitpid(child, NULL, 0), child);
    HM_AUTOFREE char *end =
        hm_printf("--state %s --cgroup /sys/fs/cgroup/x\n%ld ", folder, (long)child);
    ck_assert_ptr_nonnull(strstr(said, end)); /* the same process */
}
END_TEST

static const struct {
    enum guardian_start start;
    bool is_unit, ours;
} cases[] = {
    {GUARDIAN_START_AUTO, false, true},
    {GUARDIAN_START_AUTO, true, false},
    {GUARDIAN_START_AGENT, true, true},
    {GUARDIAN_START_UNIT, false, false},
};

START_TEST(who_starts_it_is_the_configurations_word)
{
    HM_AUTOFREE char *pid = hm_printf("%ld", (long)getpid() + !cases[_i].is_unit);
    setenv("SYSTEMD_EXEC_PID", pid, 1); /* as systemd does; a child of a unit has another pid */
    config.guardian.start = cases[_i].start;
    ck_assert_int_eq(guard_is_ours_to_launch(&config), cases[_i].ours);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("guard_launch");
    TCase *t = tcase_create("guard_launch");
    tcase_set_timeout(t, 30);
    tcase_add_checked_fixture(t, set_up, tear_down);
    tcase_add_test(t, is_started_as_the_configuration_says_and_as_nobodys_child);
    tcase_add_test(t, is_not_started_twice_within_a_second);
    tcase_add_test(t, without_a_program_it_says_where_it_looked);
    tcase_add_test(t, a_unit_becomes_it);
    tcase_add_loop_test(t, who_starts_it_is_the_configurations_word, 0, 4);
    suite_add_tcase(s, t);
    SRunner *sr = srunner_create(s);
    srunner_run_all(sr, CK_NORMAL);
    int failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed != 0;
}
