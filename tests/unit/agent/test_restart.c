#include "agent/restart.h"

#include <check.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "agent/config.h"
#include "base/alloc.h"
#include "base/clock.h"
#include "base/file.h"
#include "tests/lib/turn.h"

static uv_loop_t loop;
static char path[32];
static int answers;
static struct hm_error answer;
static char *const *arguments;
static struct agent_config running;

static void note(void *data, const struct hm_error *err)
{
    ck_assert_ptr_eq(data, &answers);
    answers++;
    answer = err ? *err : (struct hm_error){0};
}

static void set_up(void)
{
    uv_loop_init(&loop);
    answers = 0;
    strcpy(path, "/tmp/test_restart.XXXXXX");
    close(mkstemp(path));
    running = (struct agent_config){0};
    ck_assert_int_eq(hm_file_write_atomic(path, "site_id: site-a\n", 16, 0600, NULL), 0);
    ck_assert_int_eq(config_load(path, &running, NULL), 0);
}

static void tear_down(void)
{
    unlink(path);
    config_clear(&running);
    uv_run(&loop, UV_RUN_DEFAULT);
    ck_assert_int_eq(uv_loop_close(&loop), 0);
}

enum { LONG_MS = 10000, SHORT_MS = 20 };

static struct restart_check *begin(int64_t within_ms)
{
    int64_t deadline_ns = hm_boottime_ns() + within_ms * HM_MS;
    return restart_check_begin(&loop, path, &running, deadline_ns, note, &answers);
}

static void check_with(const char *text)
{
    ck_assert_int_eq(hm_file_write_atomic(path, text, strlen(text), 0600, NULL), 0);
    struct restart_check *check = begin(LONG_MS);
    ck_assert_int_eq(answers, 0);
    TURN_UNTIL(&loop, answers == 1);
    restart_check_free(check);
}

START_TEST(a_good_configuration_would_come_up)
{
    check_with("site_id: site-a\n");
    ck_assert_int_eq(answer.code, HM_OK);
}
END_TEST

START_TEST(a_bad_one_is_told_in_words)
{
    check_with("site: site-a\n");
    ck_assert_int_eq(answer.code, HM_E_INVALID);
    ck_assert_ptr_nonnull(strstr(answer.text, "unknown field \"site\""));
}
END_TEST

/* What this agent leads is held under these names: another agent would neither find nor release it. */
START_TEST(what_the_guardian_knows_it_by_does_not_change)
{
    static const char *const others[] = {
        "site_id: site-b\n",
        "site_id: site-a\nstate_dir: /tmp/elsewhere\n",
        "site_id: site-a\nruntime_dir: /tmp/elsewhere\n",
        "site_id: site-a\nfailover:\n  group: other\n",
        "site_id: site-a\nguardian:\n  socket: /tmp/elsewhere.sock\n",
    };
    for (size_t i = 0; i < HM_COUNT(others); i++) {
        answers = 0;
        check_with(others[i]);
        ck_assert_msg(answer.code == HM_E_CONFLICT, "%s: %s", others[i], answer.text);
        ck_assert_ptr_nonnull(strstr(answer.text, "can't change in a restart in place"));
    }
    answers = 0;
    check_with("site_id: site-a\nlog:\n  level: debug\n");
    ck_assert_int_eq(answer.code, HM_OK);
}
END_TEST

/* A pipe that nobody writes into holds up whoever opens it, as a disk does that hangs. */
START_TEST(one_that_can_not_be_read_in_time_is_told_and_its_worker_left_behind)
{
    unlink(path);
    ck_assert_int_eq(mkfifo(path, 0600), 0);
    struct restart_check *check = begin(SHORT_MS);
    TURN_UNTIL(&loop, answers == 1);
    ck_assert_int_eq(answer.code, HM_E_TIMEOUT);
    ck_assert_ptr_nonnull(strstr(answer.text, path));
    restart_check_free(check);
    uv_run(&loop, UV_RUN_DEFAULT);
    int writer = -1; /* it comes out, and finds nobody */
    TURN_UNTIL(&loop, (writer = open(path, O_WRONLY | O_NONBLOCK)) >= 0);
    close(writer);
}
END_TEST

START_TEST(freed_before_it_has_answered_it_is_silent)
{
    restart_check_free(begin(LONG_MS));
    uv_run(&loop, UV_RUN_DEFAULT);
    ck_assert_int_eq(answers, 0);
}
END_TEST

static void *be_there(void *nothing)
{
    for (;;)
        pause();
    return nothing;
}

static bool waits_for_us(int signal_number)
{
    sigset_t pending;
    sigpending(&pending);
    return sigismember(&pending, signal_number);
}

/* The kernel gives it to a thread that takes it, such as those of the NATS library. */
START_TEST(a_signal_that_another_thread_is_given_waits_for_the_new_agent)
{
    static const int signals[] = {SIGTERM, SIGINT, SIGHUP};
    pthread_t other;
    ck_assert_int_eq(pthread_create(&other, NULL, be_there, NULL), 0);
    restart_hold_signals();
    for (int i = 0; i < 3; i++) {
        kill(getpid(), signals[i]);
        TURN_UNTIL(&loop, waits_for_us(signals[i]));
    }
}
END_TEST

enum { EXIT_ANEW = 42 };

/* This program, executed anew, ends as main() says; a signal that came in between waits for it. */
START_TEST(the_same_process_goes_on_and_no_signal_is_lost)
{
    int status;
    pid_t child = fork();
    if (child == 0) {
        sigset_t term;
        sigemptyset(&term);
        sigaddset(&term, SIGTERM);
        sigprocmask(SIG_BLOCK, &term, NULL);
        raise(SIGTERM);
        HM_AUTOFREE char *pid = hm_printf("%ld", (long)getpid());
        setenv("TEST_RESTART", pid, 1);
        restart_remember(arguments);
        restart_now(NULL);
        _exit(1);
    }
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert(WIFEXITED(status));
    ck_assert_int_eq(WEXITSTATUS(status), EXIT_ANEW);
}
END_TEST

static int executed_anew(const char *pid)
{
    sigset_t pending;
    sigpending(&pending);
    bool same = strtol(pid, NULL, 10) == (long)getpid();
    return same && sigismember(&pending, SIGTERM) ? EXIT_ANEW : 1;
}

int main(int argc, char **argv)
{
    (void)argc;
    arguments = argv;
    if (getenv("TEST_RESTART"))
        return executed_anew(getenv("TEST_RESTART"));
    Suite *s = suite_create("restart");
    TCase *t = tcase_create("restart");
    tcase_add_checked_fixture(t, set_up, tear_down);
    tcase_add_test(t, a_good_configuration_would_come_up);
    tcase_add_test(t, a_bad_one_is_told_in_words);
    tcase_add_test(t, what_the_guardian_knows_it_by_does_not_change);
    tcase_add_test(t, one_that_can_not_be_read_in_time_is_told_and_its_worker_left_behind);
    tcase_add_test(t, freed_before_it_has_answered_it_is_silent);
    tcase_add_test(t, a_signal_that_another_thread_is_given_waits_for_the_new_agent);
    tcase_add_test(t, the_same_process_goes_on_and_no_signal_is_lost);
    suite_add_tcase(s, t);
    SRunner *sr = srunner_create(s);
    srunner_run_all(sr, CK_NORMAL);
    int failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed != 0;
}
