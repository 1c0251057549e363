#include "vmm/log_file.h"

#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"

enum { STEP = LOG_STEP, KEEP = 2 * STEP, LINE = 16, AT_ONCE = STEP / 16 };

static char dir[] = "/tmp/harmony-log-XXXXXX";
static char path[64], kept[80];
static int writer = -1; /* as a VMM has it */

static void open_writer(void)
{
    snprintf(path, sizeof path, "%s/web.log", dir);
    snprintf(kept, sizeof kept, "%s.0", path);
    writer = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    ck_assert_int_ge(writer, 0);
}

static void make_folder(void)
{
    strcpy(dir + strlen(dir) - 6, "XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(dir));
    open_writer();
}

static void remove_folder(void)
{
    close(writer);
    unlink(path);
    unlink(kept);
    rmdir(dir);
}

/* Lines that say where they are. */
static void write_on(int64_t from, int64_t bytes)
{
    char text[AT_ONCE + 1];
    for (int64_t at = from; at < from + bytes; at += AT_ONCE) {
        for (int i = 0; i < AT_ONCE; i += LINE)
            snprintf(text + i, LINE + 1, "%015lld\n", (long long)(at + i));
        ck_assert_int_eq(write(writer, text, AT_ONCE), AT_ONCE);
    }
}

static struct stat look(void)
{
    struct stat st;
    ck_assert_int_eq(stat(path, &st), 0);
    return st;
}

/* Where the data begins that is read from `at` on, and what it says of where it is. */
static int64_t begins(int64_t at)
{
    char line[LINE + 1] = "";
    int fd = open(path, O_RDONLY);
    ck_assert_int_eq(log_read(fd, line, LINE, &at), LINE);
    close(fd);
    ck_assert_int_eq(strtoll(line, NULL, 10), at);
    return at;
}

START_TEST(what_is_old_is_given_back_and_nothing_else_changes)
{
    write_on(0, KEEP + STEP / 2);
    log_bound(path, KEEP);
    ck_assert_int_eq(begins(0), 0); /* less than a step too much */
    write_on(KEEP + STEP / 2, 5 * STEP);
    ck_assert_int_gt(look().st_blocks * 512, KEEP + STEP);
    log_bound(path, KEEP);
    ck_assert_int_eq(begins(0), 5 * STEP);
    ck_assert_int_eq(begins(5 * STEP - LINE), 5 * STEP);
    ck_assert_int_eq(begins(6 * STEP), 6 * STEP);
    struct stat st = look();
    ck_assert_int_eq(st.st_size, KEEP + STEP / 2 + 5 * STEP);
    ck_assert_int_le(st.st_blocks * 512, KEEP + STEP);
    log_bound(path, KEEP); /* there is nothing to do: it is not touched */
    ck_assert_int_eq(look().st_ctim.tv_nsec, st.st_ctim.tv_nsec);
    write_on(st.st_size, STEP);
    log_bound(path, KEEP);
    ck_assert_int_eq(begins(0), 6 * STEP);
    ck_assert_int_eq(access(kept, F_OK), -1);
}
END_TEST

START_TEST(its_end_is_read_and_no_error_is_made_of_it)
{
    int64_t at = 0;
    char line[LINE];
    write_on(0, STEP);
    int fd = open(path, O_RDONLY);
    at = STEP;
    ck_assert_int_eq(log_read(fd, line, LINE, &at), 0);
    at = STEP + 100;
    ck_assert_int_eq(log_read(fd, line, LINE, &at), 0);
    ck_assert_int_eq(at, STEP + 100);
    close(fd);
    ck_assert_int_eq(log_read(fd, line, LINE, &at), -EBADF);
}
END_TEST

START_TEST(what_is_no_file_is_left_alone)
{
    char link[80];
    snprintf(link, sizeof link, "%s/link.log", dir);
    write_on(0, 4 * STEP);
    ck_assert_int_eq(symlink(path, link), 0);
    log_bound(link, STEP);
    ck_assert_int_eq(begins(0), 0);
    unlink(link);
    ck_assert_int_eq(mkfifo(link, 0600), 0);
    log_bound(link, STEP);
    log_bound("/dev/zero", STEP);
    log_bound("/nowhere/web.log", STEP);
    unlink(link);
}
END_TEST

START_TEST(its_last_bytes)
{
    size_t len;
    write_on(0, STEP);
    HM_AUTOFREE char *end = log_end(path, LINE - 1, &len);
    ck_assert_uint_eq(len, LINE - 1);
    ck_assert_str_eq(end, "00000001048560\n");
    ck_assert_int_eq(ftruncate(writer, 4), 0);
    HM_AUTOFREE char *all = log_end(path, LINE, &len);
    ck_assert_str_eq(all, "0000");
    HM_AUTOFREE char *none = log_end("/nowhere/web.log", LINE, &len);
    ck_assert_uint_eq(len, 0);
    ck_assert_str_eq(none, "");
}
END_TEST

/* ramfs has no fallocate(2). False: this process may not mount it. */
static bool have_no_holes(void)
{
    int flags = geteuid() == 0 ? CLONE_NEWNS : CLONE_NEWNS | CLONE_NEWUSER;
    return unshare(flags) == 0 && mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0 &&
           mount("none", dir, "ramfs", 0, NULL) == 0;
}

START_TEST(without_holes_it_is_cut_and_its_last_part_kept)
{
    size_t len;
    close(writer);
    unlink(path); /* nobody could remove it under the mount */
    if (!have_no_holes())
        return;
    open_writer();
    write_on(0, 4 * STEP);
    log_bound(path, KEEP);
    ck_assert_int_eq(look().st_size, 0);
    HM_AUTOFREE char *end = log_end(kept, 2 * STEP, &len);
    ck_assert_uint_eq(len, STEP);
    ck_assert_int_eq(strtoll(end, NULL, 10), 3 * STEP);
    write_on(0, AT_ONCE);
    ck_assert_int_eq(begins(0), 0); /* the writer goes on at its new end */
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("vmm/log_file");
    TCase *c = tcase_create("log_file");
    tcase_add_checked_fixture(c, make_folder, remove_folder);
    tcase_add_test(c, what_is_old_is_given_back_and_nothing_else_changes);
    tcase_add_test(c, its_end_is_read_and_no_error_is_made_of_it);
    tcase_add_test(c, what_is_no_file_is_left_alone);
    tcase_add_test(c, its_last_bytes);
    tcase_add_test(c, without_holes_it_is_cut_and_its_last_part_kept);
    suite_add_tcase(suite, c);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
