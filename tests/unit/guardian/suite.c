#include "tests/unit/guardian/suite.h"

#include <fcntl.h>
#include <ftw.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static char all[] = "/tmp/harmony-test-guardian.XXXXXX";

void make_folder(char ret[TEST_PATH_MAX])
{
    snprintf(ret, TEST_PATH_MAX, "%s/XXXXXX", all);
    ck_assert_ptr_nonnull(mkdtemp(ret));
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *at)
{
    (void)st;
    (void)type;
    (void)at;
    return remove(path);
}

int run_suite(const char *name, const TTest *const *tests, size_t count)
{
    Suite *suite = suite_create(name);
    TCase *tc = tcase_create(name);
    tcase_set_timeout(tc, 60);
    for (size_t i = 0; i < count; i++)
        tcase_add_test(tc, tests[i]);
    suite_add_tcase(suite, tc);
    SRunner *runner = srunner_create(suite);
    if (!mkdtemp(all))
        return EXIT_FAILURE;
    srunner_run_all(runner, CK_NORMAL);
    nftw(all, remove_one, 16, FTW_DEPTH | FTW_PHYS);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}

void plan_begin(union message *m)
{
    memset(m, 0, sizeof *m);
    plan_make_empty(&m->plan);
    m->header.seq = 1;
}

void plan_add(union message *m, unsigned type, ...)
{
    struct guard_entry e = {.type = (uint16_t)type};
    unsigned char *at = m->bytes + m->header.size;
    va_list words;
    va_start(words, type);
    for (const char *w; (w = va_arg(words, const char *));) {
        memcpy(at + sizeof e + e.bytes, w, strlen(w) + 1);
        e.bytes += (uint32_t)strlen(w) + 1;
        e.words++;
    }
    va_end(words);
    memcpy(at, &e, sizeof e);
    m->header.size += (uint32_t)(sizeof e + (e.bytes + 7) / 8 * 8);
    m->plan.entries++;
}

/* Executed already on return: its command line is the one asked for. */
pid_t start_child(const char *const argv[])
{
    int ready[2];
    ck_assert_int_eq(pipe2(ready, O_CLOEXEC), 0);
    pid_t pid = fork();
    ck_assert_int_ge(pid, 0);
    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (argv)
            execv(argv[0], (char **)(uintptr_t)argv);
        close(ready[1]);
        for (;;)
            pause();
    }
    close(ready[1]);
    char c;
    ck_assert_int_eq(read(ready[0], &c, 1), 0);
    close(ready[0]);
    return pid;
}

void end_child(pid_t pid)
{
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
}

bool wait_for(bool (*holds)(void *), void *data)
{
    for (int i = 0; i < 5000; i++) {
        if (holds(data))
            return true;
        poll(NULL, 0, 2);
    }
    return false;
}

static bool is_zombie(void *data)
{
    siginfo_t info = {0};
    waitid(P_PID, (id_t) * (pid_t *)data, &info, WEXITED | WNOHANG | WNOWAIT);
    return info.si_pid != 0;
}

bool has_ended(pid_t pid)
{
    return wait_for(is_zombie, &pid);
}
