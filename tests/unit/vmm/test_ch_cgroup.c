/* Real cgroups, where this machine has them (v2): a process in one of its own, which no other process is killed with. */
#include <check.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/file.h"
#include "vmm/ch.h"

#define SOCKET "/run/harmony/vmm/test-of-cgroups.sock"

static struct ch_pid start(void)
{
    struct ch_pid pid;
    int child = fork();
    if (child == 0)
        for (;;)
            pause();
    ck_assert(ch_pid_of(child, &pid));
    return pid;
}

static int end_of(const struct ch_pid *pid)
{
    int status = 0;
    ck_assert_int_eq(waitpid(pid->pid, &status, 0), pid->pid);
    return WIFSIGNALED(status) ? WTERMSIG(status) : 0;
}

static bool is_in(const struct ch_pid *pid, const char *cgroup)
{
    HM_AUTOFREE char *path = hm_printf("/proc/%d/cgroup", pid->pid), *text = NULL;
    ck_assert_int_ge(hm_file_read(path, 65536, &text, NULL, NULL), 0);
    return strstr(text, strrchr(cgroup, '/')) != NULL;
}

START_TEST(each_run_has_one_of_its_own_also_of_the_same_socket)
{
    struct ch_pid one = start(), other = start();
    char *a = ch_cgroup_join("web", SOCKET, &one), *b = ch_cgroup_join("web", SOCKET, &other);
    ck_assert_int_eq(a == NULL, b == NULL); /* this machine has none for us: nothing is joined */
    if (a) {
        ck_assert_str_ne(a, b);
        ck_assert(is_in(&one, a) && is_in(&other, b));
        ch_cgroup_sweep();
        ch_cgroup_kill(a);
        ck_assert_int_eq(end_of(&one), SIGKILL);
        ck_assert(is_in(&other, b));
    } else {
        kill(one.pid, SIGKILL);
        end_of(&one);
    }
    ck_assert_int_eq(kill(other.pid, SIGKILL), 0);
    end_of(&other);
    ch_cgroup_remove(a);
    ch_cgroup_remove(b);
    if (a)
        ck_assert(access(a, F_OK) < 0 && access(b, F_OK) < 0);
    free(a);
    free(b);
}
END_TEST

/* The first process of a pid namespace, in a cgroup that it has joined by its number there. */
struct apart {
    struct ch_pid pid;
    char cgroup[512]; /* "": it has none */
};

static void join_and_tell(int told)
{
    const struct ch_pid self = {.pid = getpid(), .start = 7};
    HM_AUTOFREE char *cgroup = ch_cgroup_join("web", SOCKET, &self);
    ssize_t len = cgroup ? (ssize_t)strlen(cgroup) : 0;
    if (write(told, cgroup, (size_t)len) != len)
        _exit(1);
    close(told);
    for (;;)
        pause();
}

static struct apart start_apart(void)
{
    struct apart ret = {0};
    int ends[2];
    ck_assert_int_eq(pipe(ends), 0);
    int child = (int)syscall(SYS_clone, CLONE_NEWPID | SIGCHLD, NULL, NULL, NULL, NULL);
    if (child == 0)
        join_and_tell(ends[1]);
    close(ends[1]);
    ck_assert_int_ge(read(ends[0], ret.cgroup, sizeof ret.cgroup - 1), 0);
    close(ends[0]);
    ret.pid.pid = child; /* negative: this process may make no namespace */
    return ret;
}

static void end_apart(const struct apart *a)
{
    if (a->pid.pid < 0)
        return;
    kill(a->pid.pid, SIGKILL);
    end_of(&a->pid);
    ch_cgroup_remove(a->cgroup);
}

/* Two agents in namespaces of their own, as in containers, number their processes alike. */
START_TEST(runs_of_one_number_in_two_namespaces_have_one_each)
{
    struct apart one = start_apart(), other = start_apart();
    ck_assert(!*one.cgroup || strcmp(one.cgroup, other.cgroup) != 0);
    end_apart(&one);
    end_apart(&other);
}
END_TEST

/* Removed by anybody else, systemd may never see that it is empty. */
START_TEST(folder_of_a_scope_is_left_to_systemd)
{
    char folder[] = "/tmp/cgroup.XXXXXX";
    ck_assert_ptr_nonnull(mkdtemp(folder));
    HM_AUTOFREE char *scope = hm_printf("%s/harmony-vm-web.scope", folder);
    HM_AUTOFREE char *own = hm_printf("%s/web.scope.1", folder);
    ck_assert_int_eq(mkdir(scope, 0755), 0);
    ck_assert_int_eq(mkdir(own, 0755), 0);
    ch_cgroup_remove(scope);
    ch_cgroup_remove(own);
    ck_assert_int_eq(access(own, F_OK), -1);
    ck_assert_int_eq(rmdir(scope), 0);
    ck_assert_int_eq(rmdir(folder), 0);
}
END_TEST

START_TEST(no_cgroup_is_nothing_to_end)
{
    ch_cgroup_kill(NULL);
    ch_cgroup_remove(NULL);
    ch_cgroup_kill("/nowhere");
    ch_cgroup_remove("/nowhere");
    ck_assert_int_ne(access("/nowhere", F_OK), 0);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("ch_cgroup");
    TCase *t = tcase_create("all");
    tcase_add_test(t, each_run_has_one_of_its_own_also_of_the_same_socket);
    tcase_add_test(t, runs_of_one_number_in_two_namespaces_have_one_each);
    tcase_add_test(t, folder_of_a_scope_is_left_to_systemd);
    tcase_add_test(t, no_cgroup_is_nothing_to_end);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
