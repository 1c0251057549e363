/* Typing on the terminal of a VMM. cat(1) stands in for one that reads its terminal and writes its console. */
#include "vmm/ch_typing.h"

#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/file.h"
#include "vmm/ch_process.h"

enum { WAIT_MS = 20000, SAID_MAX = 1 << 20 };

static char dir[64];
static char *console, *log_path;
static struct ch_talks *talks;
static struct hm_error err;

static void set_up(void)
{
    snprintf(dir, sizeof dir, "/tmp/harmony-typing-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(dir));
    console = hm_printf("%s/console", dir);
    log_path = hm_printf("%s/vmm.log", dir);
    talks = ch_talks_new();
}

static void tear_down(void)
{
    if (talks)
        ch_talks_end(talks);
    unlink(console);
    unlink(log_path);
    ck_assert_int_eq(rmdir(dir), 0);
    free(console);
    free(log_path);
}

static struct ch_pid start(char *program, char *argument)
{
    struct ch_gate gate;
    char *const argv[] = {program, argument, NULL};
    struct ch_spawn s = {.argv = argv, .console = console, .log = log_path};
    ck_assert_msg(ch_spawn(&s, &gate, &err) == 0, "%s", err.text);
    ck_assert_msg(ch_gate_open(&gate, program, &err) == 0, "%s", err.text);
    return gate.pid;
}

static struct ch_pid start_cat(void)
{
    return start((char *)"/bin/cat", NULL);
}

static struct ch_pid start_deaf(void)
{
    return start((char *)"/bin/sleep", (char *)"1000");
}

static void end(const struct ch_pid *vmm)
{
    ck_assert_int_eq(ch_pid_kill(vmm, WAIT_MS, &err), 0);
}

static int open_typing(const struct ch_pid *vmm, bool force)
{
    int fd = -1;
    ck_assert_msg(ch_type(talks, "web", vmm, force, &fd, &err) == 0, "%s", err.text);
    return fd;
}

static void type(int fd, const char *text)
{
    ck_assert_int_eq(send(fd, text, strlen(text), MSG_NOSIGNAL), (ssize_t)strlen(text));
}

/* A reset says that not all of what was typed has been read. */
static bool has_ended(int fd)
{
    struct pollfd polled = {.fd = fd, .events = POLLIN};
    char byte;
    if (poll(&polled, 1, WAIT_MS) != 1)
        return false;
    ssize_t n = recv(fd, &byte, 1, 0);
    return n == 0 || (n < 0 && errno == ECONNRESET);
}

static bool is_open(int fd)
{
    char byte;
    return recv(fd, &byte, 1, 0) < 0;
}

static void wait_said(const char *wanted)
{
    for (int64_t until = hm_boottime_ns() + WAIT_MS * HM_MS;;) {
        HM_AUTOFREE char *said = NULL;
        ck_assert_int_ge(hm_file_read(console, SAID_MAX, &said, NULL, &err), 0);
        if (!strcmp(said, wanted))
            return;
        ck_assert_msg(hm_boottime_ns() < until, "it said \"%s\", not \"%s\"", said, wanted);
    }
}

START_TEST(what_is_typed_comes_as_it_is_and_the_answer_is_in_the_console)
{
    struct ch_pid vmm = start_cat();
    int fd = open_typing(&vmm, false);
    type(fd, "a\rb\003\004\021c\n");
    wait_said("a\rb\003\004\021c\n");
    close(fd);
    end(&vmm);
}
END_TEST

START_TEST(another_agent_types_on)
{
    struct ch_pid vmm = start_cat();
    int fd = open_typing(&vmm, false);
    type(fd, "one ");
    wait_said("one ");
    ch_talks_end(talks);
    ck_assert(has_ended(fd));
    close(fd);
    talks = ch_talks_new();
    fd = open_typing(&vmm, false);
    type(fd, "two");
    wait_said("one two");
    close(fd);
    end(&vmm);
}
END_TEST

START_TEST(it_is_one_persons_until_another_takes_it_over)
{
    struct ch_pid vmm = start_cat(), other = start_cat();
    int first = open_typing(&vmm, false), second = -1, beside = open_typing(&other, false);
    ck_assert_int_eq(ch_type(talks, "web", &vmm, false, &second, &err), -HM_E_BUSY);
    ck_assert_int_eq(second, -1);
    ck_assert(is_open(first));
    second = open_typing(&vmm, true);
    ck_assert(has_ended(first));
    ck_assert(is_open(second) && is_open(beside));
    type(second, "second");
    wait_said("second");
    close(first), close(second), close(beside);
    end(&vmm);
    end(&other);
}
END_TEST

/* Its thread sees that later than who closed it. */
START_TEST(who_has_closed_it_is_not_in_the_way)
{
    struct ch_pid vmm = start_cat();
    int fd = -1, r;
    close(open_typing(&vmm, false));
    int64_t until = hm_boottime_ns() + WAIT_MS * HM_MS;
    while ((r = ch_type(talks, "web", &vmm, false, &fd, &err)) == -(int)HM_E_BUSY &&
           hm_boottime_ns() < until)
        ;
    ck_assert_msg(r == 0, "%s", err.text);
    close(fd);
    end(&vmm);
}
END_TEST

START_TEST(it_ends_with_its_vmm)
{
    struct ch_pid vmm = start_cat();
    int fd = open_typing(&vmm, false);
    ck_assert(is_open(fd));
    end(&vmm);
    ck_assert(has_ended(fd));
    close(fd);
    ck_assert_int_eq(ch_type(talks, "web", &vmm, false, &fd, &err), -HM_E_REFUSED);
    ck_assert_str_eq(err.text, "vm web is off: there is no console to talk to");
}
END_TEST

/* It reads nothing, as one that hangs: what is held for it has a bound, and it can be ended all the same. */
START_TEST(what_is_not_read_has_to_wait)
{
    static char piece[4096];
    struct ch_pid vmm = start_deaf();
    memset(piece, 'x', sizeof piece);
    int fd = open_typing(&vmm, false);
    size_t taken = 0;
    for (struct pollfd room = {.fd = fd, .events = POLLOUT}; poll(&room, 1, 500) == 1;) {
        ssize_t n = send(fd, piece, sizeof piece, MSG_NOSIGNAL | MSG_DONTWAIT);
        taken += n > 0 ? (size_t)n : 0;
        ck_assert_uint_lt(taken, 4 << 20);
    }
    end(&vmm);
    ck_assert(has_ended(fd));
    close(fd);
}
END_TEST

/* Of an older agent: it has something else there, or nothing. */
START_TEST(one_without_a_terminal_is_to_be_restarted)
{
    struct ch_pid vmm;
    int fd = -1;
    pid_t child = fork();
    if (child == 0) {
        close(CH_TYPING_FD);
        if (_i == 1)
            dup2(STDERR_FILENO, CH_TYPING_FD);
        pause();
    }
    ck_assert(ch_pid_of(child, &vmm));
    int r = ch_type(talks, "web", &vmm, false, &fd, &err);
    end(&vmm);
    ck_assert_int_eq(r, -HM_E_UNSUPPORTED);
    ck_assert_ptr_nonnull(strstr(err.text, "before it is restarted"));
}
END_TEST

static bool hide_terminals(void)
{
    return unshare(CLONE_NEWNS) == 0 && mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0 &&
           mount("/dev/null", "/dev/ptmx", NULL, MS_BIND, NULL) == 0;
}

START_TEST(on_a_host_without_terminals_it_runs_all_the_same)
{
    int fd = -1;
    ck_assert_msg(hide_terminals(), "%m; this test needs root");
    struct ch_pid vmm = start_deaf();
    ck_assert(ch_pid_is_alive(&vmm));
    ck_assert_int_eq(ch_type(talks, "web", &vmm, false, &fd, &err), -HM_E_UNSUPPORTED);
    end(&vmm);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("ch_typing");
    TCase *t = tcase_create("all");
    tcase_set_timeout(t, 60);
    tcase_add_checked_fixture(t, set_up, tear_down);
    tcase_add_test(t, what_is_typed_comes_as_it_is_and_the_answer_is_in_the_console);
    tcase_add_test(t, another_agent_types_on);
    tcase_add_test(t, it_is_one_persons_until_another_takes_it_over);
    tcase_add_test(t, who_has_closed_it_is_not_in_the_way);
    tcase_add_test(t, it_ends_with_its_vmm);
    tcase_add_test(t, what_is_not_read_has_to_wait);
    tcase_add_loop_test(t, one_without_a_terminal_is_to_be_restarted, 0, 2);
    tcase_add_test(t, on_a_host_without_terminals_it_runs_all_the_same);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
