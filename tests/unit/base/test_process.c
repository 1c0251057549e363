#include "base/process.h"

#include <check.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/spawn.h"

static uv_loop_t loop;

/* What came out, kept beyond the callback. */
static struct outcome {
    int calls;
    struct hm_process_result result;
    char *out, *err;
} outcome;

static void set_up(void)
{
    uv_loop_init(&loop);
}

static void forget(void)
{
    free(outcome.out);
    free(outcome.err);
    outcome = (struct outcome){0};
}

/* Runs until no handle is left: a process that is done must leave none. */
static void tear_down(void)
{
    uv_run(&loop, UV_RUN_DEFAULT);
    ck_assert_int_eq(uv_loop_close(&loop), 0);
    forget();
}

static void on_done(void *data, const struct hm_process_result *result)
{
    ck_assert_ptr_eq(data, &outcome);
    outcome.calls++;
    outcome.result = *result;
    outcome.result.out = outcome.out = hm_strdup(result->out);
    outcome.result.err = outcome.err = hm_strdup(result->err);
}

static struct hm_process_options options_for(char *const *argv)
{
    return (struct hm_process_options){
        .argv = argv, .timeout_ms = 20000, .output_max = 4096, .done = on_done, .data = &outcome};
}

static struct hm_process *start(const struct hm_process_options *o)
{
    struct hm_process *p = NULL;
    struct hm_error err;
    forget();
    int r = hm_process_start(&loop, o, &p, &err);
    ck_assert_msg(r == 0, "%s", err.text);
    ck_assert_int_eq(outcome.calls, 0);
    return p;
}

static void wait_until_done(void)
{
    while (outcome.calls == 0)
        uv_run(&loop, UV_RUN_ONCE);
}

static void run(const struct hm_process_options *o)
{
    start(o);
    wait_until_done();
}

static void run_script(const char *script)
{
    char *argv[] = {(char *)"/bin/sh", (char *)"-c", (char *)script, NULL};
    struct hm_process_options o = options_for(argv);
    run(&o);
}

/* -- Straight -------------------------------------------------------------------------------------
 */

START_TEST(gives_output_and_exit_code)
{
    run_script("echo hello; echo sorry >&2; exit 3");
    ck_assert_int_eq(outcome.result.exit_code, 3);
    ck_assert_int_eq(outcome.result.signal, 0);
    ck_assert_str_eq(outcome.out, "hello\n");
    ck_assert_str_eq(outcome.err, "sorry\n");
    ck_assert(!outcome.result.timed_out && !outcome.result.unkillable && !outcome.result.truncated);
    struct hm_error err;
    ck_assert_int_eq(hm_process_check("hook fence", &outcome.result, &err), -(int)HM_E_PROCESS);
}
END_TEST

START_TEST(arguments_are_not_read_by_a_shell)
{
    char *argv[] = {(char *)"/usr/bin/printf",
                    (char *)"%s|",
                    (char *)"$HOME; `id` > x",
                    (char *)"",
                    (char *)"*",
                    NULL};
    struct hm_process_options o = options_for(argv);
    run(&o);
    ck_assert_str_eq(outcome.out, "$HOME; `id` > x||*|");
}
END_TEST

START_TEST(environment_is_the_agents_with_some_on_top)
{
    char *argv[] = {(char *)"/bin/sh", (char *)"-c",
                    (char *)"echo $HARMONY_TEST_A $HARMONY_TEST_AB $HARMONY_TEST_B; env | grep -c "
                            "^HARMONY_TEST_A=",
                    NULL};
    char *env[] = {(char *)"HARMONY_TEST_A=new", (char *)"HARMONY_TEST_B=b", NULL};
    struct hm_process_options o = options_for(argv);
    setenv("HARMONY_TEST_A", "old", 1);
    setenv("HARMONY_TEST_AB", "kept", 1);
    o.env = env;
    run(&o);
    ck_assert_str_eq(outcome.out, "new kept b\n1\n");
    ck_assert_str_eq(getenv("HARMONY_TEST_A"), "old");
}
END_TEST

START_TEST(stdin_is_empty)
{
    run_script("cat; echo end");
    ck_assert_str_eq(outcome.out, "end\n");
}
END_TEST

/* pid, process group and session of the child: fields 1, 5 and 6 of /proc/PID/stat, proc(5). */
START_TEST(leads_a_session_of_its_own)
{
    int pid, group, session;
    run_script("exec cat /proc/self/stat");
    ck_assert_int_eq(sscanf(outcome.out, "%d (%*[^)]) %*c %*d %d %d", &pid, &group, &session), 3);
    ck_assert_int_eq(group, pid);
    ck_assert_int_eq(session, pid);
}
END_TEST

START_TEST(inherits_no_descriptor)
{
    int leaky = open("/dev/null", O_RDONLY); /* as a library would: without O_CLOEXEC */
    int high = fcntl(leaky, F_DUPFD, 700);
    HM_AUTOFREE char *script = hm_printf("ls -l /proc/$$/fd/%d /proc/$$/fd/%d", leaky, high);
    run_script(script);
    ck_assert_str_eq(outcome.out, "");
    ck_assert_int_ne(outcome.result.exit_code, 0);
    close(leaky);
    close(high);
}
END_TEST

START_TEST(says_which_signal_ended_it)
{
    struct hm_error err;
    run_script("kill -TERM $$");
    ck_assert_int_eq(outcome.result.exit_code, -1);
    ck_assert_int_eq(outcome.result.signal, SIGTERM);
    ck_assert_int_eq(hm_process_check("x", &outcome.result, &err), -(int)HM_E_PROCESS);
    ck_assert_ptr_nonnull(strstr(err.text, "signal 15"));
}
END_TEST

/* The agent ignores SIGPIPE; what it starts must not. */
START_TEST(ignored_signals_are_not_inherited)
{
    signal(SIGPIPE, SIG_IGN);
    run_script("yes | head -n 1");
    ck_assert_str_eq(outcome.out, "y\n");
    ck_assert_str_eq(outcome.err, "");
}
END_TEST

/* -- Bounds ---------------------------------------------------------------------------------------
 */

START_TEST(output_is_bounded)
{
    char *argv[] = {(char *)"/bin/sh", (char *)"-c",
                    (char *)"head -c 3000000 /dev/zero | tr '\\0' x; head -c 3000000 /dev/zero | "
                            "tr '\\0' y >&2; exit 4",
                    NULL};
    struct hm_process_options o = options_for(argv);
    o.output_max = 1000;
    run(&o);
    ck_assert_int_eq(outcome.result.exit_code, 4); /* it was not held up by a full pipe */
    ck_assert(outcome.result.truncated);
    ck_assert_uint_eq(strlen(outcome.out), 1000);
    ck_assert_uint_eq(strlen(outcome.err), 1000);
    ck_assert_uint_eq(strspn(outcome.out, "x"), 1000);
}
END_TEST

START_TEST(output_that_just_fits_is_whole)
{
    run_script("head -c 4096 /dev/zero | tr '\\0' x");
    ck_assert(!outcome.result.truncated);
    ck_assert_uint_eq(strlen(outcome.out), 4096);
}
END_TEST

START_TEST(last_words_are_not_lost)
{
    char *argv[] = {(char *)"/bin/sh", (char *)"-c",
                    (char *)"head -c 60000 /dev/zero | tr '\\0' x; echo end", NULL};
    struct hm_process_options o = options_for(argv);
    o.output_max = 100000;
    for (int i = 0; i < 20; i++) {
        run(&o);
        ck_assert_uint_eq(strlen(outcome.out), 60004);
        ck_assert_str_eq(outcome.out + 60000, "end\n");
    }
}
END_TEST

/* Gone, or a zombie whose parent has not looked yet. */
static bool is_dead(int pid)
{
    char name[40], text[200] = "";
    snprintf(name, sizeof name, "/proc/%d/stat", pid);
    FILE *f = fopen(name, "r");
    if (!f)
        return true;
    size_t n = fread(text, 1, sizeof text - 1, f);
    fclose(f);
    const char *state = n ? strrchr(text, ')') : NULL;
    return !state || state[2] == 'Z' || state[2] == 'X';
}

static void wait_until_dead(int pid)
{
    int64_t deadline = hm_boottime_ns() + 10000 * HM_MS;
    while (!is_dead(pid)) {
        ck_assert_msg(hm_boottime_ns() < deadline, "process %d is still there", pid);
        sched_yield();
    }
}

START_TEST(deadline_kills_the_whole_group)
{
    struct hm_error err;
    char *argv[] = {(char *)"/bin/sh", (char *)"-c",
                    (char *)"trap '' TERM; sleep 1000 & echo $!; sleep 1000", NULL};
    struct hm_process_options o = options_for(argv);
    o.timeout_ms = 300;
    run(&o);
    ck_assert(outcome.result.timed_out);
    ck_assert(!outcome.result.unkillable);
    ck_assert_int_eq(outcome.result.exit_code, -1);
    ck_assert_int_eq(outcome.result.signal, SIGKILL);
    ck_assert_int_ge(outcome.result.took_ms, 299);  /* timers and took_ms are cut to whole ms */
    ck_assert_int_lt(outcome.result.took_ms, 1300); /* before it would be given up */
    int grandchild = atoi(outcome.out);
    ck_assert_int_gt(grandchild, 0);
    wait_until_dead(grandchild);
    ck_assert_int_eq(hm_process_check("hook", &outcome.result, &err), -(int)HM_E_TIMEOUT);
}
END_TEST

START_TEST(grandchild_that_holds_the_output_delays_nothing)
{
    run_script("sleep 1000 & echo $!");
    int grandchild = atoi(outcome.out);
    ck_assert_int_gt(grandchild, 0);
    ck_assert_int_eq(outcome.result.exit_code, 0);
    ck_assert(!outcome.result.timed_out);
    ck_assert_int_lt(outcome.result.took_ms, 5000);
    ck_assert(!is_dead(grandchild)); /* who ended well may leave something running */
    kill(grandchild, SIGKILL);
}
END_TEST

START_TEST(killed_on_request)
{
    char *argv[] = {(char *)"/bin/sleep", (char *)"1000", NULL};
    struct hm_process_options o = options_for(argv);
    struct hm_process *p = start(&o);
    hm_process_kill(p);
    hm_process_kill(p);
    ck_assert_int_eq(outcome.calls, 0);
    wait_until_done();
    ck_assert_int_eq(outcome.result.signal, SIGKILL);
    ck_assert(!outcome.result.timed_out);
    hm_process_kill(NULL);
}
END_TEST

/* The loop stands still, as on a machine that does: the child has ended by then, and the time is over. */
static void stand_still_until_it_is_dead(const struct hm_process *p, int64_t ms)
{
    siginfo_t info;
    int64_t until = hm_boottime_ns() + ms * HM_MS;
    pid_t child = ((const struct hm_spawned *)p)->pid; /* its first member */
    ck_assert_int_eq(waitid(P_PID, (id_t)child, &info, WEXITED | WNOWAIT), 0);
    while (hm_boottime_ns() < until)
        sched_yield();
}

START_TEST(one_that_died_is_not_unkillable_however_late_the_loop_looks)
{
    char *argv[] = {(char *)"/bin/sleep", (char *)"1000", NULL};
    struct hm_process_options o = options_for(argv);
    struct hm_process *p = start(&o);
    hm_process_kill(p);
    stand_still_until_it_is_dead(p, 1100);
    wait_until_done();
    ck_assert(!outcome.result.unkillable);
    ck_assert_int_eq(outcome.result.signal, SIGKILL);
}
END_TEST

START_TEST(one_that_ended_in_time_was_not_killed_however_late_the_loop_looks)
{
    struct hm_error err;
    char *argv[] = {(char *)"/bin/sh", (char *)"-c", (char *)"echo no >&2; exit 3", NULL};
    struct hm_process_options o = options_for(argv);
    o.timeout_ms = 200;
    struct hm_process *p = start(&o);
    stand_still_until_it_is_dead(p, 250);
    wait_until_done();
    ck_assert_int_lt(hm_process_check("hook", &outcome.result, &err), 0);
    ck_assert_str_eq(err.text, "hook exited with 3: no");
}
END_TEST

/* What is traced and killed is gone for its parent only when the tracer has looked: that is how one
 * gets a child that SIGKILL does not end. */
static pid_t trace(int pid)
{
    int ready[2];
    char answer = 0;
    ck_assert_int_eq(pipe(ready), 0);
    pid_t tracer = fork();
    if (tracer == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        signal(SIGCHLD, SIG_DFL); /* else the loop's handler would end the pause */
        char ok = ptrace(PTRACE_SEIZE, pid, NULL, NULL) == 0 ? 'y' : 'n';
        if (write(ready[1], &ok, 1) == 1)
            pause();
        _exit(0);
    }
    ck_assert_int_eq(read(ready[0], &answer, 1), 1);
    close(ready[0]);
    close(ready[1]);
    ck_assert_msg(answer == 'y', "may not trace own child: ptrace_scope?");
    return tracer;
}

START_TEST(unkillable_is_given_up_after_a_second)
{
    struct hm_error err;
    char *argv[] = {(char *)"/bin/sleep", (char *)"1000", NULL};
    struct hm_process_options o = options_for(argv);
    struct hm_process *p = start(&o);
    pid_t tracer = trace(((struct hm_spawned *)p)->pid); /* the child is its first member */
    hm_process_kill(p);
    int64_t killed = hm_boottime_ns();
    wait_until_done();
    ck_assert(outcome.result.unkillable);
    ck_assert_int_ge(hm_boottime_ns() - killed, 990 * HM_MS);
    ck_assert_int_eq(hm_process_check("hook", &outcome.result, &err), -(int)HM_E_TIMEOUT);
    ck_assert_ptr_nonnull(strstr(err.text, "still there"));
    kill(tracer, SIGKILL);
    waitpid(tracer, NULL, 0);
    uv_run(&loop, UV_RUN_DEFAULT); /* it ends after all, is reaped, and nothing is told twice */
    ck_assert_int_eq(outcome.calls, 1);
}
END_TEST

/* -- What can't be started, and what must not be left behind --------------------------------------
 */

static char *const unstartable[] = {(char *)"/nonexistent/program", (char *)"/tmp",
                                    (char *)"/etc/passwd", (char *)"no-such-program-in-path"};

static int count_descriptors(void)
{
    int n = 0;
    DIR *d = opendir("/proc/self/fd");
    while (readdir(d))
        n++;
    closedir(d);
    return n;
}

START_TEST(what_cannot_start_is_told_with_the_reason)
{
    char *argv[] = {unstartable[_i], NULL};
    struct hm_process_options o = options_for(argv);
    struct hm_error err = {0};
    int before = 0;
    for (int i = 0; i < 20; i++) {
        run(&o);
        ck_assert_int_ne(outcome.result.not_started, 0);
        ck_assert_int_eq(hm_process_check("hook", &outcome.result, &err), -(int)HM_E_PROCESS);
        ck_assert_ptr_eq(strstr(err.text, "hook can't be started: "), err.text);
        uv_run(&loop, UV_RUN_DEFAULT);
        if (i == 0)
            before = count_descriptors(); /* the loop has opened its own by now */
    }
    ck_assert_int_eq(count_descriptors(), before);
}
END_TEST

/* fcntl(2): who opens a file under another's write lease waits, as for a disk that hangs. */
static int hold_up(const char *path)
{
    signal(SIGIO, SIG_IGN);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ck_assert_int_eq(fcntl(fd, F_SETLEASE, F_WRLCK), 0);
    return fd;
}

/* A stand-in for a cgroup.procs: a file takes what is written, a closed descriptor refuses it. */
START_TEST(joins_its_cgroup_before_the_program_runs)
{
    char path[] = "/tmp/test_process.XXXXXX", text[8] = "";
    int join = mkstemp(path);
    char *argv[] = {(char *)"/bin/cat", path, NULL};
    struct hm_process_options options = options_for(argv);
    options.join = &join;
    ck_assert_int_ge(hm_process_start(&loop, &options, NULL, NULL), 0);
    uv_run(&loop, UV_RUN_DEFAULT);
    ck_assert_str_eq(outcome.out, "0"); /* it was there when the program looked */
    ck_assert_int_eq(pread(join, text, sizeof text, 0), 1);
    close(join);
    unlink(path);
}
END_TEST

START_TEST(without_its_cgroup_it_is_not_started)
{
    char path[] = "/tmp/test_process.XXXXXX";
    int made = mkstemp(path);
    int join = open(path, O_RDONLY | O_CLOEXEC); /* as hopeless as a cgroup that was removed */
    unlink(path);
    char *argv[] = {(char *)"/bin/echo", (char *)"runs", NULL};
    struct hm_process_options options = options_for(argv);
    options.join = &join;
    ck_assert_int_ge(hm_process_start(&loop, &options, NULL, NULL), 0);
    uv_run(&loop, UV_RUN_DEFAULT);
    ck_assert_str_eq(outcome.out, "");
    ck_assert_int_eq(outcome.result.not_started, EBADF);
    close(join);
    close(made);
}
END_TEST

START_TEST(program_on_a_hanging_disk_holds_up_nobody)
{
    char path[] = "/tmp/test_process.XXXXXX";
    int copy = mkstemp(path);
    ck_assert_int_eq(write(copy, "#!/bin/true\n", 12), 12);
    fchmod(copy, 0700);
    close(copy);
    int lease = hold_up(path);
    char *argv[] = {path, NULL};
    struct hm_process_options o = options_for(argv);
    int64_t before = hm_boottime_ns();
    start(&o);
    ck_assert_int_lt(hm_boottime_ns() - before, 5000 * HM_MS);
    uv_run(&loop, UV_RUN_NOWAIT);
    ck_assert_int_eq(outcome.calls, 0);
    ck_assert_int_eq(fcntl(lease, F_SETLEASE, F_UNLCK), 0);
    wait_until_done();
    ck_assert_int_eq(outcome.result.exit_code, 0);
    close(lease);
    unlink(path);
}
END_TEST

START_TEST(program_on_a_hanging_disk_is_killed_at_its_deadline)
{
    char path[] = "/tmp/test_process.XXXXXX";
    close(mkstemp(path));
    chmod(path, 0700);
    int lease = hold_up(path);
    char *argv[] = {path, NULL};
    struct hm_process_options o = options_for(argv);
    o.timeout_ms = 50;
    run(&o);
    ck_assert(outcome.result.timed_out);
    ck_assert(!outcome.result.unkillable);
    close(lease);
    unlink(path);
}
END_TEST

START_TEST(many_leave_nothing_behind)
{
    int before = 0;
    for (int i = 0; i < 60; i++) {
        run_script(i % 2 ? "exit 0" : "echo x; sleep 1000 & kill $!");
        uv_run(&loop, UV_RUN_DEFAULT);
        if (i == 0)
            before = count_descriptors();
    }
    ck_assert_int_eq(count_descriptors(), before);
    ck_assert_int_eq(waitpid(-1, NULL, WNOHANG), -1);
    ck_assert_int_eq(errno, ECHILD);
}
END_TEST

/* -- The sentence ---------------------------------------------------------------------------------
 */

static const struct {
    struct hm_process_result result;
    int code;
    const char *text;
} ends[] = {
    {{.exit_code = 0, .err = "noise"}, 0, ""},
    {{.exit_code = 3, .err = "one\ntwo \r\n\n"}, -(int)HM_E_PROCESS, "it exited with 3: two"},
    {{.exit_code = 3, .err = ""}, -(int)HM_E_PROCESS, "it exited with 3"},
    {{.exit_code = 1, .err = "\n \n"}, -(int)HM_E_PROCESS, "it exited with 1"},
    {{.exit_code = -1, .signal = 9, .timed_out = true, .took_ms = 42, .err = ""},
     -(int)HM_E_TIMEOUT,
     "it took too long and was killed after 42 ms"},
};

START_TEST(ends_in_one_sentence)
{
    struct hm_error err = {0};
    ck_assert_int_eq(hm_process_check("it", &ends[_i].result, &err), ends[_i].code);
    ck_assert_str_eq(err.text, ends[_i].text);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("process");
    TCase *c = tcase_create("process");
    tcase_set_timeout(c, 30);
    tcase_add_checked_fixture(c, set_up, tear_down);
    tcase_add_test(c, gives_output_and_exit_code);
    tcase_add_test(c, arguments_are_not_read_by_a_shell);
    tcase_add_test(c, environment_is_the_agents_with_some_on_top);
    tcase_add_test(c, stdin_is_empty);
    tcase_add_test(c, leads_a_session_of_its_own);
    tcase_add_test(c, inherits_no_descriptor);
    tcase_add_test(c, says_which_signal_ended_it);
    tcase_add_test(c, ignored_signals_are_not_inherited);
    tcase_add_test(c, output_is_bounded);
    tcase_add_test(c, output_that_just_fits_is_whole);
    tcase_add_test(c, last_words_are_not_lost);
    tcase_add_test(c, deadline_kills_the_whole_group);
    tcase_add_test(c, grandchild_that_holds_the_output_delays_nothing);
    tcase_add_test(c, killed_on_request);
    tcase_add_test(c, one_that_died_is_not_unkillable_however_late_the_loop_looks);
    tcase_add_test(c, one_that_ended_in_time_was_not_killed_however_late_the_loop_looks);
    tcase_add_test(c, unkillable_is_given_up_after_a_second);
    tcase_add_loop_test(c, what_cannot_start_is_told_with_the_reason, 0, 4);
    tcase_add_test(c, joins_its_cgroup_before_the_program_runs);
    tcase_add_test(c, without_its_cgroup_it_is_not_started);
    tcase_add_test(c, program_on_a_hanging_disk_holds_up_nobody);
    tcase_add_test(c, program_on_a_hanging_disk_is_killed_at_its_deadline);
    tcase_add_test(c, many_leave_nothing_behind);
    tcase_add_loop_test(c, ends_in_one_sentence, 0, 5);
    suite_add_tcase(s, c);
    SRunner *sr = srunner_create(s);
    srunner_run_all(sr, CK_NORMAL);
    int failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed ? 1 : 0;
}
