/* Real processes, and who is told of their end. */
#include <check.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "vmm/ch_watch.h"

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static int ends;
static struct ch_loop *loop;
static struct ch_watch *watch;

static void on_end(void *data)
{
    (void)data;
    pthread_mutex_lock(&lock);
    ends++;
    pthread_cond_signal(&changed);
    pthread_mutex_unlock(&lock);
}

static void wait_for_ends(int n)
{
    pthread_mutex_lock(&lock);
    while (ends < n)
        pthread_cond_wait(&changed, &lock);
    pthread_mutex_unlock(&lock);
}

static void set_up(void)
{
    struct hm_error err;
    ends = 0;
    ck_assert_int_eq(ch_loop_new(&loop, &err), 0);
    watch = ch_watch_new(loop, on_end, NULL);
}

static void tear_down(void)
{
    ch_watch_free(watch);
    ch_loop_free(loop);
}

static struct ch_pid start(void)
{
    struct ch_pid pid;
    int child = fork();
    if (child == 0) {
        for (;;)
            pause();
    }
    ck_assert(ch_pid_of(child, &pid));
    return pid;
}

static void end(const struct ch_pid *pid)
{
    ck_assert_int_eq(kill(pid->pid, SIGKILL), 0);
    ck_assert_int_eq(waitpid(pid->pid, NULL, 0), pid->pid);
}

/* They are added in order: once the end of the last is told, the first is watched. */
START_TEST(the_end_of_each_is_told_once_however_often_it_was_added)
{
    struct ch_pid a = start(), b = start();
    ch_watch_add(watch, &a);
    ch_watch_add(watch, &a);
    ch_watch_add(watch, &b);
    end(&b);
    wait_for_ends(1);
    end(&a);
    wait_for_ends(2);
    tear_down();
    ck_assert_int_eq(ends, 2);
    set_up();
}
END_TEST

START_TEST(one_that_is_gone_already_is_told_too)
{
    struct ch_pid gone = start();
    end(&gone);
    ch_watch_add(watch, &gone);
    wait_for_ends(1);
}
END_TEST

START_TEST(what_is_watched_is_let_go_with_the_watch)
{
    struct ch_pid stays = start();
    ch_watch_add(watch, &stays);
    tear_down();
    ck_assert_int_eq(ends, 0);
    end(&stays);
    set_up();
}
END_TEST

static bool is_done;

static void say_done(void *data)
{
    (void)data;
    pthread_mutex_lock(&lock);
    is_done = true;
    pthread_cond_signal(&changed);
    pthread_mutex_unlock(&lock);
}

static void wait_for_errands(void)
{
    ch_loop_do(loop, say_done, NULL);
    pthread_mutex_lock(&lock);
    while (!is_done)
        pthread_cond_wait(&changed, &lock);
    pthread_mutex_unlock(&lock);
}

START_TEST(one_that_cannot_be_watched_for_want_of_descriptors_has_not_ended)
{
    struct ch_pid stays = start();
    struct rlimit before;
    int next = open("/dev/null", O_RDONLY | O_CLOEXEC);
    close(next);
    ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &before), 0);
    const struct rlimit few = {(rlim_t)next, before.rlim_max};
    ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &few), 0);
    ch_watch_add(watch, &stays);
    wait_for_errands();
    ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &before), 0);
    ck_assert_int_eq(ends, 0);
    ch_watch_add(watch, &stays);
    end(&stays);
    wait_for_ends(1);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("ch_watch");
    TCase *t = tcase_create("all");
    tcase_add_checked_fixture(t, set_up, tear_down);
    tcase_set_timeout(t, 60);
    tcase_add_test(t, the_end_of_each_is_told_once_however_often_it_was_added);
    tcase_add_test(t, one_that_is_gone_already_is_told_too);
    tcase_add_test(t, what_is_watched_is_let_go_with_the_watch);
    tcase_add_test(t, one_that_cannot_be_watched_for_want_of_descriptors_has_not_ended);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
