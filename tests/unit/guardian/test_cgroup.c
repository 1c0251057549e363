/* On plain folders that look like cgroups of v1 without a freezer (fakes); real ones are in
 * tests/integration/test_guardian.py, since they need root. */
#include "guardian/cgroup.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "guardian/cgroup_find.h"
#include "guardian/procfs.h"
#include "tests/unit/guardian/suite.h"

static char folder[TEST_PATH_MAX], below[TEST_PATH_MAX + 16];

static void make_fake(void)
{
    make_folder(folder);
    snprintf(below, sizeof below, "%s/below", folder);
    ck_assert_int_eq(mkdir(below, 0700), 0);
}

static void put(const char *where, const char *text)
{
    char path[TEST_PATH_MAX + 64];
    snprintf(path, sizeof path, "%s/cgroup.procs", where);
    FILE *file = fopen(path, "w");
    fputs(text, file);
    fclose(file);
}

START_TEST(without_cgroup_kill_each_process_is_killed_below_too)
{
    char text[64];
    pid_t child = start_child(NULL);
    make_fake();
    put(folder, "");
    snprintf(text, sizeof text, "%d\n", child);
    put(below, text);
    ck_assert(!cgroup_kill(folder));
    ck_assert(has_ended(child));
    ck_assert(cgroup_kill(folder));
    end_child(child);
}
END_TEST

START_TEST(half_a_number_is_nobodys_pid)
{
    char text[64];
    pid_t child = start_child(NULL);
    make_fake();
    put(below, "");
    snprintf(text, sizeof text, "%d", child);
    put(folder, text);
    ck_assert(!cgroup_kill(folder));
    ck_assert_uint_gt(process_start_time(child), 0);
    end_child(child);
}
END_TEST

START_TEST(what_cannot_be_read_is_not_empty)
{
    make_fake();
    put(folder, "");
    char path[TEST_PATH_MAX + 64];
    snprintf(path, sizeof path, "%s/cgroup.procs", below);
    mkdir(path, 0700); /* read(2) fails with EISDIR */
    ck_assert(!cgroup_kill(folder));
}
END_TEST

START_TEST(a_folder_that_is_no_cgroup_is_not_empty)
{
    make_fake();
    ck_assert(!cgroup_kill(folder));
    ck_assert(!cgroup_kill("/etc"));
}
END_TEST

START_TEST(a_folder_that_is_no_cgroup_holds_nothing)
{
    struct cgroups c;
    char why[GUARD_PATH_MAX + 1];
    make_fake();
    ck_assert_int_eq(cgroups_open(&c, folder, "g", 7, why), 0);
    ck_assert_int_eq(c.fd, -1);
    ck_assert_uint_eq(c.holds, 0);
    ck_assert_ptr_nonnull(strstr(why, folder));
    ck_assert_uint_eq(cgroups_end(&c, ""), 0);
}
END_TEST

START_TEST(epochs_have_names)
{
    char name[CGROUP_NAME_MAX];
    cgroups_name((struct epoch){UINT64_MAX, UINT64_MAX}, name);
    ck_assert_str_eq(name, "e18446744073709551615-18446744073709551615");
}
END_TEST

/* -- Where the own one is ------------------------------------------------------ */

static const char mounts[] =
    "25 1 0:22 / / rw - ext4 /dev/vda rw\n"
    "30 25 0:26 / /sys/fs/cgroup/freezer rw shared:9 - cgroup cgroup rw,freezer\n"
    "31 25 0:27 /part /sys/fs/cgroup/unified rw,nosuid shared:10 master:3 - cgroup2 cgroup2 rw\n";

static const char *found(const char *cgroup, const char *kind)
{
    static char path[GUARD_PATH_MAX + 1];
    return cgroup_find_in(mounts, cgroup, kind, path) ? path : "none";
}

START_TEST(the_own_cgroup_is_found)
{
    const char own[] = "6:freezer,x:/a\n1:name=systemd:/b\n0::/part/c/d\n";
    ck_assert_str_eq(found(own, CGROUP_V2), "/sys/fs/cgroup/unified/c/d");
    ck_assert_str_eq(found(own, CGROUP_V1_FREEZER), "/sys/fs/cgroup/freezer/a");
    ck_assert_str_eq(found("0::/part\n", CGROUP_V2), "/sys/fs/cgroup/unified");
    ck_assert_str_eq(found("0::/partly\n", CGROUP_V2), "none");
    ck_assert_str_eq(found("6:freezer:/\n", CGROUP_V1_FREEZER), "/sys/fs/cgroup/freezer");
    ck_assert_str_eq(found("6:freezers:/\n", CGROUP_V1_FREEZER), "none");
    ck_assert_str_eq(found("", CGROUP_V2), "none");
}
END_TEST

START_TEST(a_cgroup_above_is_told_from_a_neighbour)
{
    ck_assert(cgroup_is_above("/c/a", "/c/a"));
    ck_assert(cgroup_is_above("/c/a/", "/c/a"));
    ck_assert(cgroup_is_above("/c", "/c/a"));
    ck_assert(!cgroup_is_above("/c/a/b", "/c/a"));
    ck_assert(!cgroup_is_above("/c/a", "/c/ab"));
}
END_TEST

RUN_SUITE("cgroup", without_cgroup_kill_each_process_is_killed_below_too,
          half_a_number_is_nobodys_pid, what_cannot_be_read_is_not_empty,
          a_folder_that_is_no_cgroup_is_not_empty, a_folder_that_is_no_cgroup_holds_nothing,
          epochs_have_names, the_own_cgroup_is_found, a_cgroup_above_is_told_from_a_neighbour)
