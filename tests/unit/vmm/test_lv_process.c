/* Which process is a guest's, and its end. The guests are shells with QEMU's arguments: a stand-in for
 * the command line only (tests/integration kills real ones). */
#include <check.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/error.h"
#include "vmm/lv.h"

enum { WAIT_MS = 5000, UUID_TEXT = 37 };

/* All processes of this machine are looked at, also those of other tests. */
static char web_uuid[UUID_TEXT], other_uuid[UUID_TEXT], longer_uuid[UUID_TEXT + 1];

static void set_up(void)
{
    snprintf(web_uuid, sizeof web_uuid, "6d1c1b0a-3c9f-4f4e-9a36-%08x7c11", (unsigned)getpid());
    snprintf(other_uuid, sizeof other_uuid, "6d1c1b0a-3c9f-4f4e-9a36-%08x7c12", (unsigned)getpid());
    snprintf(longer_uuid, sizeof longer_uuid, "%s0", web_uuid);
}

struct guest {
    pid_t pid;
    int input; /* it ends by itself, with 0, when this is closed */
};

/* Returns when its command line is to be seen. */
static struct guest run_guest(const char *flag, const char *uuid)
{
    int input[2], output[2];
    ck_assert_int_eq(pipe(input), 0);
    ck_assert_int_eq(pipe(output), 0);
    pid_t pid = fork();
    ck_assert_int_ge(pid, 0);
    if (pid == 0) {
        dup2(input[0], STDIN_FILENO);
        dup2(output[1], STDOUT_FILENO);
        close(input[0]), close(input[1]), close(output[0]), close(output[1]);
        execl("/bin/sh", "qemu", "-c", "echo up; read end; exit 0", "qemu", flag, uuid, "-S", NULL);
        _exit(127);
    }
    close(input[0]), close(output[1]);
    char up[3];
    ck_assert_int_eq(read(output[0], up, sizeof up), sizeof up);
    close(output[0]);
    return (struct guest){pid, input[1]};
}

static void ck_lives(struct guest g)
{
    int status = -1;
    ck_assert_int_eq(write(g.input, "\n", 1), 1);
    close(g.input);
    ck_assert_int_eq(waitpid(g.pid, &status, 0), g.pid);
    ck_assert(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

static void ck_was_killed(struct guest g)
{
    int status = -1;
    close(g.input);
    ck_assert_int_eq(waitpid(g.pid, &status, 0), g.pid);
    ck_assert(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
}

static int end(const char *uuid)
{
    struct hm_error err = {0};
    int r = lv_process_kill(uuid, WAIT_MS, &err);
    ck_assert_msg(r >= 0, "%s", err.text);
    return r;
}

START_TEST(the_one_process_that_carries_the_uuid_is_killed)
{
    struct guest web = run_guest("-uuid", web_uuid), other = run_guest("-uuid", other_uuid);
    ck_assert_int_eq(end(web_uuid), 1);
    ck_was_killed(web);
    ck_lives(other);
}
END_TEST

START_TEST(a_frozen_process_is_killed)
{
    struct guest web = run_guest("-uuid", web_uuid);
    int status;
    ck_assert_int_eq(kill(web.pid, SIGSTOP), 0);
    ck_assert_int_eq(waitpid(web.pid, &status, WUNTRACED), web.pid);
    ck_assert_int_eq(end(web_uuid), 1);
    ck_was_killed(web);
}
END_TEST

START_TEST(what_has_ended_counts_before_it_is_reaped_and_is_not_found_again)
{
    struct guest web = run_guest("-uuid", web_uuid);
    ck_assert_int_eq(end(web_uuid), 1);
    ck_assert_int_eq(end(web_uuid), 0);
    ck_was_killed(web);
}
END_TEST

START_TEST(nothing_is_killed_when_it_cannot_be_told_which)
{
    struct guest one = run_guest("-uuid", web_uuid), two = run_guest("-uuid", web_uuid);
    ck_assert_int_eq(end(web_uuid), 0);
    ck_lives(one);
    ck_lives(two);
}
END_TEST

START_TEST(who_only_speaks_of_the_uuid_is_left_alone)
{
    struct guest reader = run_guest("--domain", web_uuid), longer = run_guest("-uuid", longer_uuid);
    ck_assert_int_eq(end(web_uuid), 0);
    ck_lives(reader);
    ck_lives(longer);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("lv_process");
    TCase *t = tcase_create("all");
    tcase_add_checked_fixture(t, set_up, NULL);
    tcase_add_test(t, the_one_process_that_carries_the_uuid_is_killed);
    tcase_add_test(t, a_frozen_process_is_killed);
    tcase_add_test(t, what_has_ended_counts_before_it_is_reaped_and_is_not_found_again);
    tcase_add_test(t, nothing_is_killed_when_it_cannot_be_told_which);
    tcase_add_test(t, who_only_speaks_of_the_uuid_is_left_alone);
    suite_add_tcase(s, t);
    SRunner *sr = srunner_create(s);
    srunner_run_all(sr, CK_NORMAL);
    int failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
