/* Which boot this is, and waiting for real processes while signals come. */
#include <check.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/alloc.h"
#include "vmm/procfs.h"

static volatile sig_atomic_t ticks;
static int gate[2];

static void on_tick(int signal)
{
    (void)signal;
    if (++ticks == 10 && write(gate[1], "x", 1) != 1)
        abort();
}

START_TEST(the_boot_has_an_id_of_one_line)
{
    HM_AUTOFREE char *id = host_boot_id(), *again = host_boot_id();
    ck_assert_uint_eq(strlen(id), 36);
    ck_assert_str_eq(id, again);
}
END_TEST

START_TEST(a_process_has_ended_before_it_is_reaped)
{
    pid_t child = fork();
    if (child == 0)
        for (;;)
            pause();
    int fd = pidfd_open(child, 0);
    ck_assert_int_eq(pidfd_wait(fd, 0), 0);
    ck_assert_int_eq(pidfd_wait(fd, 1), 0);
    ck_assert_int_eq(kill(child, SIGKILL), 0);
    ck_assert_int_eq(pidfd_wait(fd, 20000), 1);
    close(fd);
    ck_assert_int_eq(waitpid(child, NULL, 0), child);
}
END_TEST

START_TEST(signals_do_not_shorten_the_wait)
{
    const struct sigaction action = {.sa_handler = on_tick};
    const struct itimerval often = {{0, 2000}, {0, 2000}}, never = {{0, 0}, {0, 0}};
    ck_assert_int_eq(pipe(gate), 0);
    ck_assert_int_eq(sigaction(SIGALRM, &action, NULL), 0);
    ck_assert_int_eq(setitimer(ITIMER_REAL, &often, NULL), 0);
    int came = pidfd_wait(gate[0], 20000);
    setitimer(ITIMER_REAL, &never, NULL);
    ck_assert_int_eq(came, 1);
    ck_assert_int_ge(ticks, 10);
    close(gate[0]), close(gate[1]);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("procfs");
    TCase *t = tcase_create("all");
    tcase_set_timeout(t, 60);
    tcase_add_test(t, the_boot_has_an_id_of_one_line);
    tcase_add_test(t, a_process_has_ended_before_it_is_reaped);
    tcase_add_test(t, signals_do_not_shorten_the_wait);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
