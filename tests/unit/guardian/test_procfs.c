#include "guardian/procfs.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/unit/guardian/suite.h"

START_TEST(a_process_is_known_by_its_start_time)
{
    pid_t pid = start_child(NULL);
    uint64_t start = process_start_time(pid);
    ck_assert_uint_gt(start, 0);
    ck_assert_uint_ge(start, process_start_time(getpid()));
    ck_assert(!process_kill(pid, start - 1));
    ck_assert_uint_eq(process_start_time(pid), start);
    ck_assert(process_kill(pid, start));
    ck_assert(has_ended(pid));
    end_child(pid);
}
END_TEST

/* No descriptor is to be had: it is not known, and so not dead. */
START_TEST(unknown_is_not_dead)
{
    pid_t pid = start_child(NULL);
    uint64_t start = process_start_time(pid);
    struct rlimit none = {0, 64};
    setrlimit(RLIMIT_NOFILE, &none);
    ck_assert_uint_eq(process_start_time(pid), PROCESS_UNKNOWN);
    ck_assert(process_kill(pid, start));
    none.rlim_cur = 64;
    setrlimit(RLIMIT_NOFILE, &none);
    ck_assert_uint_eq(process_start_time(pid), start);
    end_child(pid);
}
END_TEST

START_TEST(a_zombie_is_dead)
{
    pid_t pid = start_child(NULL);
    uint64_t start = process_start_time(pid);
    kill(pid, SIGKILL);
    ck_assert(has_ended(pid));
    ck_assert_uint_eq(process_start_time(pid), PROCESS_DEAD);
    ck_assert(!process_kill(pid, start));
    end_child(pid);
    ck_assert_uint_eq(process_start_time(pid), PROCESS_DEAD);
    ck_assert(!process_kill(pid, start));
}
END_TEST

static void *stay(void *unused)
{
    for (;;)
        pause();
    return unused;
}

static bool shows_zombie(void *data)
{
    char path[64], stat[512];
    snprintf(path, sizeof path, "/proc/%d/stat", *(pid_t *)data);
    return file_read(AT_FDCWD, path, stat, sizeof stat) > 0 && strstr(stat, ") Z ");
}

START_TEST(a_leader_that_has_ended_lives_while_a_thread_does)
{
    pid_t pid = fork();
    if (pid == 0) {
        pthread_t thread;
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        pthread_create(&thread, NULL, stay, NULL);
        pthread_exit(NULL);
    }
    ck_assert(wait_for(shows_zombie, &pid));
    uint64_t start = process_start_time(pid);
    ck_assert_uint_gt(start, 0);
    ck_assert(process_kill(pid, start));
    ck_assert(has_ended(pid));
    ck_assert_uint_eq(process_start_time(pid), PROCESS_DEAD);
    end_child(pid);
}
END_TEST

/* The second field is what the process says: it may look like the fields after it. */
START_TEST(a_name_forges_no_fields)
{
    pid_t pid = fork();
    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        prctl(PR_SET_NAME, "x) Z 1 1 1 1");
        stay(NULL);
    }
    ck_assert_uint_gt(process_start_time(pid), 1);
    end_child(pid);
}
END_TEST

static bool count(void *data, const char *name, unsigned char type)
{
    (void)name;
    (void)type;
    return ++*(int *)data < 1000;
}

START_TEST(a_long_folder_is_walked_to_its_end)
{
    char folder[TEST_PATH_MAX], path[TEST_PATH_MAX + 64];
    int seen = 0;
    make_folder(folder);
    for (int i = 0; i < 300; i++) {
        snprintf(path, sizeof path, "%s/a-name-of-some-length-%d", folder, i);
        close(open(path, O_CREAT | O_WRONLY, 0600));
    }
    int fd = open(folder, O_RDONLY | O_DIRECTORY);
    ck_assert(folder_walk(fd, count, &seen));
    ck_assert_int_eq(seen, 300);
    seen = 900;
    ck_assert(!folder_walk(fd, count, &seen));
    ck_assert_int_eq(seen, 1000);
    close(fd);
}
END_TEST

START_TEST(files_are_read_up_to_the_buffer)
{
    char small[8], large[64];
    ck_assert_int_eq(file_read(AT_FDCWD, "/proc/version", small, sizeof small), 7);
    ck_assert_str_eq(small, "Linux v");
    ck_assert_int_gt(file_read(AT_FDCWD, "/proc/version", large, sizeof large), 10);
    ck_assert_int_eq(file_read(AT_FDCWD, "/proc/none", large, sizeof large), -1);
    ck_assert_int_eq(errno, ENOENT);
    ck_assert_int_eq(file_write(AT_FDCWD, "/dev/full", "x"), -1);
    ck_assert_int_eq(errno, ENOSPC);
    ck_assert_int_eq(file_write(AT_FDCWD, "/dev/null", "x"), 0);
}
END_TEST

RUN_SUITE("procfs", a_process_is_known_by_its_start_time, unknown_is_not_dead, a_zombie_is_dead,
          a_leader_that_has_ended_lives_while_a_thread_does, a_name_forges_no_fields,
          a_long_folder_is_walked_to_its_end, files_are_read_up_to_the_buffer)
