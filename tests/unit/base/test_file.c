#include "base/file.h"

#include <check.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/alloc.h"

static char folder[64];
static char path[128];

/* Once, outside of the tests' own processes: so that it is removed even if one of them crashes. */
static void make_folder(void)
{
    snprintf(folder, sizeof folder, "/tmp/harmony-test-file.XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(folder));
}

/* Empties the folder, one level deep, and says how many entries there were. */
static int empty(const char *dir)
{
    int n = 0;
    DIR *d = opendir(dir);
    for (struct dirent *e; d && (e = readdir(d));) {
        if (!strcmp(e->d_name, ".") || !strcmp(e->d_name, ".."))
            continue;
        HM_AUTOFREE char *name = hm_printf("%s/%s", dir, e->d_name);
        if (unlink(name) < 0) {
            empty(name);
            rmdir(name);
        }
        n++;
    }
    if (d)
        closedir(d);
    return n;
}

static void set_up(void)
{
    empty(folder);
    snprintf(path, sizeof path, "%s/file", folder);
}

static void remove_folder(void)
{
    empty(folder);
    rmdir(folder);
}

static void put(const char *text)
{
    ck_assert_int_eq(hm_file_write_atomic(path, text, strlen(text), 0600, NULL), 0);
}

static void expect_content(const char *text)
{
    char *data = NULL;
    size_t len = 0;
    struct hm_error err;
    int r = hm_file_read(path, 1 << 20, &data, &len, &err);
    ck_assert_msg(r == 0, "%s", err.text);
    ck_assert_str_eq(data, text);
    ck_assert_uint_eq(len, strlen(text));
    free(data);
}

/* -- Reading --------------------------------------------------------------------------------------
 */

START_TEST(reads_what_is_there)
{
    put("a line\n");
    expect_content("a line\n");
    put("");
    expect_content("");
}
END_TEST

START_TEST(bytes_come_back_as_they_are)
{
    char *data;
    size_t len;
    ck_assert_int_eq(hm_file_write_atomic(path, "a\0b", 3, 0600, NULL), 0);
    ck_assert_int_eq(hm_file_read(path, 3, &data, &len, NULL), 0);
    ck_assert_uint_eq(len, 3);
    ck_assert_mem_eq(data, "a\0b", 4);
    free(data);
}
END_TEST

START_TEST(bound_is_exact)
{
    char *data = NULL;
    struct hm_error err;
    put("12345");
    ck_assert_int_eq(hm_file_read(path, 5, &data, NULL, &err), 0);
    free(data);
    data = NULL;
    ck_assert_int_eq(hm_file_read(path, 4, &data, NULL, &err), -(int)HM_E_TOO_LARGE);
    ck_assert_ptr_null(data);
    ck_assert_ptr_nonnull(strstr(err.text, path));
}
END_TEST

START_TEST(what_never_ends_is_too_large)
{
    char *data = NULL;
    ck_assert_int_eq(hm_file_read("/dev/zero", 100000, &data, NULL, NULL), -(int)HM_E_TOO_LARGE);
    ck_assert_ptr_null(data);
}
END_TEST

START_TEST(absent_and_unreadable_are_told_apart)
{
    char *data = NULL;
    struct hm_error err;
    ck_assert_int_eq(hm_file_read(path, 10, &data, NULL, &err), -(int)HM_E_NOT_FOUND);
    ck_assert_ptr_nonnull(strstr(err.text, path));
    ck_assert_int_eq(hm_file_read(folder, 10, &data, NULL, &err), -(int)HM_E_IO);
    ck_assert_ptr_null(data);
}
END_TEST

static volatile sig_atomic_t alarms;

static void on_alarm(int number)
{
    (void)number;
    alarms++;
}

/* A pipe that a child fills bit by bit, while signals interrupt the reads. */
START_TEST(signals_do_not_end_a_read)
{
    char *data;
    size_t len;
    struct sigaction action = {.sa_handler = on_alarm}; /* no SA_RESTART: read(2) gives EINTR */
    struct itimerval often = {{0, 2000}, {0, 2000}}, never = {{0, 0}, {0, 0}};
    ck_assert_int_eq(mkfifo(path, 0600), 0);
    pid_t child = fork();
    if (child == 0) {
        int fd = open(path, O_WRONLY);
        for (int i = 0; i < 20; i++) {
            struct timeval pause = {0, 5000}; /* the interruptions are to hit a waiting reader */
            select(0, NULL, NULL, NULL, &pause);
            if (write(fd, "x", 1) != 1)
                _exit(1);
        }
        _exit(0);
    }
    sigaction(SIGALRM, &action, NULL);
    setitimer(ITIMER_REAL, &often, NULL);
    int r = -1;
    for (int tries = 0; r < 0 && tries < 100; tries++) /* open(2) itself may be interrupted */
        r = hm_file_read(path, 100, &data, &len, NULL);
    setitimer(ITIMER_REAL, &never, NULL);
    waitpid(child, NULL, 0);
    ck_assert_int_eq(r, 0);
    ck_assert_uint_eq(len, 20);
    ck_assert_int_gt(alarms, 5);
    free(data);
}
END_TEST

/* -- Writing --------------------------------------------------------------------------------------
 */

START_TEST(replaces_with_the_mode_asked_for)
{
    struct stat st;
    umask(077);
    put("old");
    ck_assert_int_eq(hm_file_write_atomic(path, "new", 3, 0644, NULL), 0);
    expect_content("new");
    ck_assert_int_eq(stat(path, &st), 0);
    ck_assert_uint_eq(st.st_mode & 0777, 0644);
    ck_assert_int_eq(empty(folder), 1); /* nothing else is left */
}
END_TEST

START_TEST(reader_keeps_the_file_that_it_opened)
{
    char seen[10] = "";
    put("old");
    int fd = open(path, O_RDONLY);
    put("newer");
    ck_assert_int_eq(read(fd, seen, sizeof seen), 3);
    close(fd);
    ck_assert_str_eq(seen, "old");
}
END_TEST

/* Every length at which the disk may be full: the old file stays, nothing is left beside it. */
START_TEST(write_that_fails_anywhere_changes_nothing)
{
    static char data[40000];
    struct rlimit limit, before;
    struct hm_error err;
    put("old");
    memset(data, 'x', sizeof data);
    signal(SIGXFSZ, SIG_IGN);
    getrlimit(RLIMIT_FSIZE, &before);
    limit = before;
    limit.rlim_cur = (rlim_t)_i * 4096;
    setrlimit(RLIMIT_FSIZE, &limit);
    int r = hm_file_write_atomic(path, data, sizeof data, 0600, &err);
    setrlimit(RLIMIT_FSIZE, &before);
    ck_assert_int_eq(r, -(int)HM_E_IO);
    ck_assert_ptr_nonnull(strstr(err.text, path));
    expect_content("old");
    ck_assert_int_eq(empty(folder), 1);
}
END_TEST

START_TEST(folder_that_is_not_there)
{
    struct hm_error err;
    snprintf(path, sizeof path, "%s/none/file", folder);
    ck_assert_int_eq(hm_file_write_atomic(path, "x", 1, 0600, &err), -(int)HM_E_NOT_FOUND);
    ck_assert_ptr_nonnull(strstr(err.text, path));
}
END_TEST

START_TEST(folder_in_the_way)
{
    ck_assert_int_eq(mkdir(path, 0700), 0);
    ck_assert_int_eq(hm_file_write_atomic(path, "x", 1, 0600, NULL), -(int)HM_E_IO);
    ck_assert_int_eq(empty(folder), 1);
}
END_TEST

START_TEST(no_descriptors_to_be_had)
{
    struct rlimit none, before;
    put("old");
    getrlimit(RLIMIT_NOFILE, &before);
    none = before;
    none.rlim_cur = 0;
    setrlimit(RLIMIT_NOFILE, &none);
    int r = hm_file_write_atomic(path, "x", 1, 0600, NULL);
    setrlimit(RLIMIT_NOFILE, &before);
    ck_assert_int_eq(r, -(int)HM_E_IO);
    expect_content("old");
}
END_TEST

/* A disk that is full, for root in a mount namespace of its own; elsewhere the limit above must do.
 */
START_TEST(full_disk_changes_nothing)
{
    static char data[1 << 20];
    struct hm_error err;
    if (unshare(CLONE_NEWNS) < 0 || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
        mount("none", folder, "tmpfs", 0, "size=64k") < 0) {
        fprintf(stderr, "full_disk_changes_nothing: no right to mount; not run\n");
        return;
    }
    put("old");
    memset(data, 'x', sizeof data);
    int r = hm_file_write_atomic(path, data, sizeof data, 0600, &err);
    ck_assert_int_eq(r, -(int)HM_E_NO_SPACE);
    ck_assert_ptr_nonnull(strstr(err.text, strerror(ENOSPC)));
    expect_content("old");
    ck_assert_int_eq(empty(folder), 1);
    umount(folder);
}
END_TEST

START_TEST(read_only_folder_changes_nothing)
{
    struct hm_error err;
    if (unshare(CLONE_NEWNS) < 0 || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
        mount("none", folder, "tmpfs", 0, "size=64k") < 0) {
        fprintf(stderr, "read_only_folder_changes_nothing: no right to mount; not run\n");
        return;
    }
    put("old");
    ck_assert_int_eq(mount("none", folder, NULL, MS_REMOUNT | MS_RDONLY, NULL), 0);
    ck_assert_int_eq(hm_file_write_atomic(path, "x", 1, 0600, &err), -(int)HM_E_IO);
    ck_assert_ptr_nonnull(strstr(err.text, strerror(EROFS)));
    expect_content("old");
    umount(folder);
}
END_TEST

static int count_descriptors(void)
{
    int n = 0;
    DIR *d = opendir("/proc/self/fd");
    while (readdir(d))
        n++;
    closedir(d);
    return n;
}

START_TEST(no_descriptor_is_left_open)
{
    int before = count_descriptors();
    char *data;
    put("x");
    ck_assert_int_eq(hm_file_read(path, 10, &data, NULL, NULL), 0);
    free(data);
    hm_file_read(folder, 10, &data, NULL, NULL);
    hm_file_read("/dev/zero", 10, &data, NULL, NULL);
    hm_file_write_atomic(folder, "x", 1, 0600, NULL);
    ck_assert_int_eq(count_descriptors(), before);
}
END_TEST

/* -- Folders --------------------------------------------------------------------------------------
 */

static unsigned mode_of(const char *name)
{
    struct stat st;
    ck_assert_int_eq(stat(name, &st), 0);
    return st.st_mode & 0777;
}

START_TEST(folders_are_made_with_their_parents)
{
    static const char *const endings[] = {"", "/", "//"};
    umask(022);
    HM_AUTOFREE char *parent = hm_printf("%s/a", folder);
    HM_AUTOFREE char *child = hm_printf("%s/a/b%s", folder, endings[_i]);
    ck_assert_int_eq(hm_mkdirs(child, 0700, NULL), 0);
    ck_assert_uint_eq(mode_of(parent), 0755);
    ck_assert_uint_eq(mode_of(child), 0700);
    ck_assert_int_eq(hm_mkdirs(child, 0755, NULL), 0); /* is there: left as it is */
    ck_assert_uint_eq(mode_of(child), 0700);
}
END_TEST

START_TEST(file_where_a_folder_should_be)
{
    struct hm_error err;
    put("x");
    ck_assert_int_lt(hm_mkdirs(path, 0700, &err), 0);
    ck_assert_ptr_nonnull(strstr(err.text, path));
    HM_AUTOFREE char *below = hm_printf("%s/b", path);
    ck_assert_int_lt(hm_mkdirs(below, 0700, &err), 0);
    ck_assert_ptr_nonnull(strstr(err.text, path));
}
END_TEST

START_TEST(what_is_removed_is_gone_and_may_have_been)
{
    struct hm_error err;
    put("x");
    ck_assert_int_eq(hm_file_remove(path, &err), 0);
    ck_assert_int_lt(access(path, F_OK), 0);
    ck_assert_int_eq(hm_file_remove(path, &err), 0);
    ck_assert_int_eq(hm_file_remove(folder, &err), -(int)HM_E_IO);
}
END_TEST

START_TEST(room_beyond_what_can_be_counted_is_the_most)
{
    ck_assert_int_eq(hm_blocks_bytes(3, 4096), 12288);
    ck_assert_int_eq(hm_blocks_bytes(0, 4096), 0);
    ck_assert_int_eq(hm_blocks_bytes(1ULL << 52, 4096), INT64_MAX); /* 16 EiB */
    ck_assert_int_eq(hm_blocks_bytes(1ULL << 51, 4096), INT64_MAX);
    ck_assert_int_eq(hm_blocks_bytes(UINT64_MAX, 1), INT64_MAX);
}
END_TEST

START_TEST(a_change_of_another_age_can_be_compared)
{
    struct stat st = {.st_mtim = {1700000000, 5}};
    ck_assert_int_eq(hm_file_changed_ns(&st), 1700000000000000005);
    st.st_mtim = (struct timespec){INT64_MAX, 999999999};
    ck_assert_int_eq(hm_file_changed_ns(&st), INT64_MAX);
    st.st_mtim = (struct timespec){INT64_MAX / 1000000000, 999999999};
    ck_assert_int_eq(hm_file_changed_ns(&st), INT64_MAX);
}
END_TEST

static char *beside(const char *name)
{
    char *file = hm_printf("%s/%s", folder, name);
    ck_assert_int_eq(hm_file_write_atomic(file, "x", 1, 0600, NULL), 0);
    return file;
}

START_TEST(what_a_kill_left_unfinished_is_swept)
{
    HM_AUTOFREE char *left = beside("vm.json.a1B2c3"), *whole = beside("vm.json"),
                     *other = beside("vm.log.a1B2c3"), *longer = beside("vm.json.a1B2c3d"),
                     *hidden = beside(".json.a1B2c3");
    hm_file_sweep(folder, ".json");
    ck_assert_int_lt(access(left, F_OK), 0);
    ck_assert(access(whole, F_OK) == 0 && access(other, F_OK) == 0 && access(longer, F_OK) == 0);
    ck_assert_int_eq(access(hidden, F_OK), 0);
    hm_file_sweep("/nowhere", ".json");
}
END_TEST

int main(void)
{
    Suite *s = suite_create("file");
    TCase *c = tcase_create("file");
    tcase_add_unchecked_fixture(c, make_folder, remove_folder);
    tcase_add_checked_fixture(c, set_up, NULL);
    tcase_add_test(c, reads_what_is_there);
    tcase_add_test(c, bytes_come_back_as_they_are);
    tcase_add_test(c, bound_is_exact);
    tcase_add_test(c, what_never_ends_is_too_large);
    tcase_add_test(c, absent_and_unreadable_are_told_apart);
    tcase_add_test(c, signals_do_not_end_a_read);
    tcase_add_test(c, replaces_with_the_mode_asked_for);
    tcase_add_test(c, reader_keeps_the_file_that_it_opened);
    tcase_add_loop_test(c, write_that_fails_anywhere_changes_nothing, 0, 10);
    tcase_add_test(c, folder_that_is_not_there);
    tcase_add_test(c, folder_in_the_way);
    tcase_add_test(c, no_descriptors_to_be_had);
    tcase_add_test(c, full_disk_changes_nothing);
    tcase_add_test(c, read_only_folder_changes_nothing);
    tcase_add_test(c, no_descriptor_is_left_open);
    tcase_add_loop_test(c, folders_are_made_with_their_parents, 0, 3);
    tcase_add_test(c, file_where_a_folder_should_be);
    tcase_add_test(c, what_is_removed_is_gone_and_may_have_been);
    tcase_add_test(c, room_beyond_what_can_be_counted_is_the_most);
    tcase_add_test(c, a_change_of_another_age_can_be_compared);
    tcase_add_test(c, what_a_kill_left_unfinished_is_swept);
    suite_add_tcase(s, c);
    SRunner *sr = srunner_create(s);
    srunner_run_all(sr, CK_NORMAL);
    int failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed ? 1 : 0;
}
