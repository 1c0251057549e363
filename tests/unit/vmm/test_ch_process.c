/* Starting, finding and ending the process of a VMM. The program is a shell with a VMM's arguments: a
 * stand-in for the command line only. */
#include <check.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/file.h"
#include "tests/lib/listing.h"
#include "vmm/ch_process.h"
#include "vmm/procfs.h"

enum { WAIT_MS = 20000 };

static char dir[64];
static char *log_path, *socket_path, *word;
static struct hm_error err;

static void set_up(void)
{
    snprintf(dir, sizeof dir, "/tmp/harmony-process-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(dir));
    log_path = hm_printf("%s/vmm.log", dir);
    socket_path = hm_printf("%s/a.sock", dir);
    word = ch_socket_word(socket_path);
}

static void tear_down(void)
{
    HM_AUTOFREE char *before = hm_printf("%s.1", log_path);
    unlink(before);
    unlink(log_path);
    ck_assert_int_eq(rmdir(dir), 0);
    free(log_path);
    free(socket_path);
    free(word);
}

/* Says one line, and waits until it is killed. */
static struct ch_gate spawn(const char *script)
{
    struct ch_gate gate;
    char *const argv[] = {(char *)"/bin/sh",
                          (char *)"-c",
                          (char *)(uintptr_t)script,
                          (char *)"vmm",
                          (char *)"--api-socket",
                          word,
                          NULL};
    struct ch_spawn s = {.argv = argv, .console = log_path, .log = log_path};
    ck_assert_int_eq(ch_spawn(&s, &gate, &err), 0);
    return gate;
}

static const char wait_script[] = "echo up; kill -STOP $$; exit 0";

static void ck_end(const struct ch_pid *pid)
{
    ck_assert_int_eq(ch_pid_kill(pid, WAIT_MS, &err), 0);
    ck_assert(!ch_pid_is_alive(pid));
}

START_TEST(nothing_runs_before_the_gate_is_opened)
{
    struct ch_pid found;
    struct ch_gate gate = spawn(wait_script);
    ck_assert(ch_pid_is_alive(&gate.pid));
    ck_assert_int_eq(ch_process_find(socket_path, &found, &err), 0);
    ck_assert_int_eq(ch_gate_open(&gate, "sh", &err), 0);
    ck_assert_int_eq(ch_process_find(socket_path, &found, &err), 1);
    ck_assert_int_eq(found.pid, gate.pid.pid);
    ck_assert_uint_eq(found.start, gate.pid.start);
    ck_end(&gate.pid);
    ck_assert_int_eq(ch_process_find(socket_path, &found, &err), 0);
}
END_TEST

START_TEST(a_gate_that_is_refused_ends_it)
{
    struct ch_gate gate = spawn("echo ran");
    int fd;
    ck_assert_int_eq(ch_pid_hold(&gate.pid, &fd, &err), 1);
    ch_gate_refuse(&gate);
    ck_assert_int_eq(pidfd_wait(fd, WAIT_MS), 1);
    close(fd);
    HM_AUTOFREE char *said = ch_log_tail(log_path);
    ck_assert_str_eq(said, "");
}
END_TEST

/* The agent is killed between the fork and the gate; another one of its VMMs waits at a gate, too. */
START_TEST(the_agents_death_ends_what_waits_at_a_gate)
{
    int told[2];
    struct ch_pid both[2];
    ck_assert_int_eq(pipe(told), 0);
    pid_t agent = fork();
    if (agent == 0) {
        struct ch_gate a = spawn("echo ran"), b = spawn("echo ran");
        both[0] = a.pid;
        both[1] = b.pid;
        ssize_t n = write(told[1], both, sizeof both);
        (void)n;
        raise(SIGKILL);
    }
    ck_assert_int_eq(read(told[0], both, sizeof both), sizeof both);
    ck_assert_int_eq(waitpid(agent, NULL, 0), agent);
    for (int i = 0; i < 2; i++) {
        int fd, held = ch_pid_hold(&both[i], &fd, &err);
        ck_assert_int_ge(held, 0);
        if (held > 0)
            ck_assert_int_eq(pidfd_wait(fd, WAIT_MS), 1);
        if (held > 0)
            close(fd);
        ck_assert(!ch_pid_is_alive(&both[i]));
    }
    close(told[0]), close(told[1]);
}
END_TEST

START_TEST(it_has_a_session_of_its_own_and_is_nobodys_child)
{
    struct ch_gate gate = spawn(wait_script);
    ck_assert_int_eq(ch_gate_open(&gate, "sh", &err), 0);
    ck_assert_int_eq(getsid(gate.pid.pid), gate.pid.pid);
    ck_assert_int_lt(waitpid(gate.pid.pid, NULL, WNOHANG), 0);
    ck_end(&gate.pid);
}
END_TEST

START_TEST(it_gets_no_descriptor_and_no_environment_of_the_agent)
{
    setenv("HARMONY_SECRET", "hidden", 1);
    int null = open("/dev/null", O_RDONLY | O_CLOEXEC);
    int fd = fcntl(null, F_DUPFD, 50); /* without O_CLOEXEC, as libraries do it */
    ck_assert_int_ge(fd, 50);
    struct ch_gate gate = spawn("echo \"secret=$HARMONY_SECRET fds=$(echo /proc/$$/fd/*)\"");
    int pidfd;
    ck_assert_int_eq(ch_pid_hold(&gate.pid, &pidfd, &err), 1);
    ck_assert_int_eq(ch_gate_open(&gate, "sh", &err), 0);
    ck_assert_int_eq(pidfd_wait(pidfd, WAIT_MS), 1);
    HM_AUTOFREE char *said = ch_log_tail(log_path);
    ck_assert_ptr_nonnull(strstr(said, "secret= "));
    HM_AUTOFREE char *held = hm_printf("/fd/%d", fd);
    ck_assert_msg(!strstr(said, held), "%s", said);
    close(null), close(fd), close(pidfd);
}
END_TEST

START_TEST(a_program_that_is_not_there_is_told)
{
    struct ch_gate gate;
    char *const argv[] = {(char *)"/nonexistent/vmm", NULL};
    struct ch_spawn s = {.argv = argv, .console = log_path, .log = log_path};
    ck_assert_int_eq(ch_spawn(&s, &gate, &err), 0);
    ck_assert_int_eq(ch_gate_open(&gate, argv[0], &err), -HM_E_PROCESS);
    ck_assert_str_eq(err.text, "cannot start /nonexistent/vmm: No such file or directory");
}
END_TEST

START_TEST(another_process_of_the_same_pid_is_not_touched)
{
    struct ch_gate gate = spawn(wait_script);
    ck_assert_int_eq(ch_gate_open(&gate, "sh", &err), 0);
    struct ch_pid later = {gate.pid.pid, gate.pid.start + 1};
    ck_assert(!ch_pid_is_alive(&later));
    ck_assert_int_eq(ch_pid_kill(&later, WAIT_MS, &err), 0);
    ck_assert(ch_pid_is_alive(&gate.pid));
    ck_end(&gate.pid);
}
END_TEST

START_TEST(the_socket_of_another_vm_is_not_its_own)
{
    struct ch_pid found;
    HM_AUTOFREE char *other = hm_printf("%s.more", socket_path);
    struct ch_gate gate = spawn(wait_script);
    ck_assert_int_eq(ch_gate_open(&gate, "sh", &err), 0);
    ck_assert_int_eq(ch_process_find(other, &found, &err), 0);
    ck_end(&gate.pid);
}
END_TEST

static void *run_on(void *data)
{
    for (;;)
        pause();
    return data;
}

/* Its first thread has ended, and another runs on: an I/O thread may still write. */
static pid_t start_headless(void)
{
    pid_t child = fork();
    if (child == 0) {
        pthread_t thread;
        if (pthread_create(&thread, NULL, run_on, NULL) != 0)
            _exit(1);
        pthread_exit(NULL);
    }
    HM_AUTOFREE char *path = hm_printf("/proc/%d/stat", child);
    for (bool is_zombie = false; !is_zombie;) {
        HM_AUTOFREE char *text = NULL;
        ck_assert_int_ge(hm_file_read(path, 4096, &text, NULL, &err), 0);
        is_zombie = strstr(text, ") Z ") != NULL;
    }
    return child;
}

START_TEST(a_leader_that_ended_before_its_threads_is_alive_until_it_is_killed)
{
    struct ch_pid pid;
    pid_t child = start_headless();
    ck_assert(ch_pid_of(child, &pid));
    ck_assert(ch_pid_is_alive(&pid));
    ck_end(&pid);
    ck_assert_int_eq(waitpid(child, NULL, 0), child);
    ck_assert(!ch_pid_is_alive(&pid));
}
END_TEST

static struct rlimit limit_descriptors(void)
{
    struct rlimit before;
    int next = open("/dev/null", O_RDONLY | O_CLOEXEC);
    close(next);
    ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &before), 0);
    const struct rlimit few = {(rlim_t)next, before.rlim_max};
    ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &few), 0);
    return before;
}

START_TEST(what_cannot_be_looked_at_is_not_absent)
{
    struct ch_pid found;
    struct ch_gate gate = spawn(wait_script);
    ck_assert_int_eq(ch_gate_open(&gate, "sh", &err), 0);
    struct rlimit before = limit_descriptors();
    int r = ch_process_find(socket_path, &found, &err);
    bool is_alive = ch_pid_is_alive(&gate.pid);
    int fd, held = ch_pid_hold(&gate.pid, &fd, &err);
    int killed = ch_pid_kill(&gate.pid, WAIT_MS, NULL);
    ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &before), 0);
    ck_assert_int_eq(r, -HM_E_IO);
    ck_assert(is_alive);
    ck_assert_int_eq(held, -HM_E_PROCESS);
    ck_assert_int_eq(killed, -HM_E_PROCESS);
    ck_end(&gate.pid);
}
END_TEST

START_TEST(what_is_not_in_half_a_list_is_not_absent)
{
    struct ch_pid found;
    listing_fails = true;
    ck_assert_int_eq(ch_process_find(socket_path, &found, &err), -HM_E_IO);
    listing_fails = false;
    ck_assert_int_eq(ch_process_find(socket_path, &found, &err), 0);
}
END_TEST

static volatile sig_atomic_t ticks;
static pid_t held;

static void on_tick(int number)
{
    (void)number;
    if (++ticks == 10)
        kill(held, SIGCONT);
}

/* It is stopped at the gate, so that its program does not run before the tenth signal. */
START_TEST(signals_to_the_agent_do_not_end_what_it_starts)
{
    const struct sigaction action = {.sa_handler = on_tick};
    const struct itimerval often = {{0, 2000}, {0, 2000}}, never = {{0, 0}, {0, 0}};
    struct ch_gate gate = spawn(wait_script);
    held = gate.pid.pid;
    ck_assert_int_eq(kill(held, SIGSTOP), 0);
    ck_assert_int_eq(sigaction(SIGALRM, &action, NULL), 0);
    ck_assert_int_eq(setitimer(ITIMER_REAL, &often, NULL), 0);
    int r = ch_gate_open(&gate, "sh", &err);
    setitimer(ITIMER_REAL, &never, NULL);
    ck_assert_msg(r == 0, "%s", err.text);
    ck_assert_int_ge(ticks, 10);
    ck_end(&gate.pid);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("ch_process");
    TCase *t = tcase_create("all");
    tcase_set_timeout(t, 60);
    tcase_add_checked_fixture(t, set_up, tear_down);
    tcase_add_test(t, nothing_runs_before_the_gate_is_opened);
    tcase_add_test(t, a_gate_that_is_refused_ends_it);
    tcase_add_test(t, the_agents_death_ends_what_waits_at_a_gate);
    tcase_add_test(t, it_has_a_session_of_its_own_and_is_nobodys_child);
    tcase_add_test(t, it_gets_no_descriptor_and_no_environment_of_the_agent);
    tcase_add_test(t, a_program_that_is_not_there_is_told);
    tcase_add_test(t, another_process_of_the_same_pid_is_not_touched);
    tcase_add_test(t, the_socket_of_another_vm_is_not_its_own);
    tcase_add_test(t, a_leader_that_ended_before_its_threads_is_alive_until_it_is_killed);
    tcase_add_test(t, what_cannot_be_looked_at_is_not_absent);
    tcase_add_test(t, what_is_not_in_half_a_list_is_not_absent);
    tcase_add_test(t, signals_to_the_agent_do_not_end_what_it_starts);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
