/* One agent for each state_dir. */
#include "agent/lock.h"

#include <check.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static char folder[] = "/tmp/test_lock.XXXXXX";
static char path[sizeof folder + 8];
static struct hm_error err;

static void set_up(void)
{
    strcpy(folder + strlen(folder) - 6, "XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/lock", folder);
    err = (struct hm_error){0};
}

static void tear_down(void)
{
    unlink(path);
    rmdir(folder);
}

/* A process that holds the lock until it is killed. */
static pid_t other_agent(void)
{
    int ready[2];
    char byte;
    ck_assert_int_eq(pipe(ready), 0);
    pid_t pid = fork();
    ck_assert_int_ge(pid, 0);
    if (pid == 0) {
        bool locked = agent_lock(folder, NULL) >= 0;
        if (!locked || write(ready[1], "x", 1) != 1)
            _exit(1);
        for (;;)
            pause();
    }
    close(ready[1]);
    ck_assert_int_eq(read(ready[0], &byte, 1), 1);
    close(ready[0]);
    return pid;
}

START_TEST(second_agent_is_told_who_is_first)
{
    char expected[96];
    pid_t first = other_agent();
    snprintf(expected, sizeof expected, "another harmonyd runs with this state_dir (pid %d)",
             (int)first);
    ck_assert_int_eq(agent_lock(folder, &err), -HM_E_CONFLICT);
    ck_assert_msg(strstr(err.text, expected) != NULL, "%s", err.text);
    ck_assert_ptr_nonnull(strstr(err.text, folder));
    kill(first, SIGKILL);
    ck_assert_int_eq(waitpid(first, NULL, 0), first);
    int fd = agent_lock(folder, &err); /* it went with its process */
    ck_assert_msg(fd >= 0, "%s", err.text);
    close(fd);
}
END_TEST

START_TEST(lock_lasts_until_it_is_closed)
{
    int fd = agent_lock(folder, &err);
    ck_assert_msg(fd >= 0, "%s", err.text);
    ck_assert_int_eq(agent_lock(folder, &err), -HM_E_CONFLICT);
    close(fd);
    fd = agent_lock(folder, &err);
    ck_assert_int_ge(fd, 0);
    close(fd);
}
END_TEST

START_TEST(lock_is_not_left_to_programs_that_are_run)
{
    int fd = agent_lock(folder, &err);
    ck_assert_int_ge(fd, 0);
    ck_assert_int_ne(fcntl(fd, F_GETFD) & FD_CLOEXEC, 0);
    close(fd);
}
END_TEST

START_TEST(no_link_is_followed)
{
    ck_assert_int_eq(symlink("/dev/null", path), 0);
    ck_assert_int_eq(agent_lock(folder, &err), -HM_E_IO);
    ck_assert_ptr_nonnull(strstr(err.text, path));
}
END_TEST

int main(void)
{
    Suite *s = suite_create("lock");
    TCase *t = tcase_create("lock");
    tcase_add_checked_fixture(t, set_up, tear_down);
    tcase_add_test(t, second_agent_is_told_who_is_first);
    tcase_add_test(t, lock_lasts_until_it_is_closed);
    tcase_add_test(t, lock_is_not_left_to_programs_that_are_run);
    tcase_add_test(t, no_link_is_followed);
    suite_add_tcase(s, t);
    SRunner *sr = srunner_create(s);
    srunner_run_all(sr, CK_NORMAL);
    int failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed != 0;
}
