#include "guardian/keep.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/unit/guardian/suite.h"

static char folder[TEST_PATH_MAX], file[TEST_PATH_MAX + 32];
static struct keep k;
static union message m, back;

static void begin(void)
{
    make_folder(folder);
    snprintf(file, sizeof file, "%s/guardian.plan", folder);
    ck_assert_int_eq(keep_open(&k, folder), 0);
    plan_begin(&m);
    plan_add(&m, GUARD_LINK, "eth0", NULL);
}

static void write_one(void)
{
    struct kept kept = {.lease = {.last = {1, 9}, .armed = true}, .cgroup = "/c/x"};
    ck_assert_int_eq(keep_write(&k, &kept, &m.plan), 0);
}

static void change(long at, const void *bytes, size_t len)
{
    int fd = open(file, O_WRONLY);
    ck_assert_int_eq(pwrite(fd, bytes, len, at), (ssize_t)len);
    close(fd);
}

START_TEST(a_plan_comes_back)
{
    struct kept kept;
    begin();
    ck_assert_int_eq(keep_read(&k, &kept, &back), KEEP_NOTHING);
    write_one();
    ck_assert_int_eq(keep_read(&k, &kept, &back), KEEP_PLAN);
    ck_assert_mem_eq(&back, &m, m.header.size);
    ck_assert_uint_eq(kept.lease.last.epoch, 9);
    ck_assert(kept.lease.armed);
    ck_assert_str_eq(kept.cgroup, "/c/x");
}
END_TEST

START_TEST(one_of_another_boot_is_nothing)
{
    struct kept kept;
    begin();
    write_one();
    change(8, "another", 7);
    ck_assert_int_eq(keep_read(&k, &kept, &back), KEEP_NOTHING);
}
END_TEST

START_TEST(a_damaged_one_is_told)
{
    struct kept kept;
    struct stat st;
    begin();
    write_one();
    change(0, "x", 1);
    ck_assert_int_eq(keep_read(&k, &kept, &back), KEEP_DAMAGED);
    write_one();
    ck_assert_int_eq(stat(file, &st), 0);
    for (long size = 0; size < st.st_size - 3; size++) { /* the last word is padded with 3 bytes */
        write_one();
        ck_assert_int_eq(truncate(file, size), 0);
        ck_assert_int_eq(keep_read(&k, &kept, &back), KEEP_DAMAGED);
    }
}
END_TEST

/* Else its kill would never give way to the next rung. */
START_TEST(a_lease_that_none_can_have_is_not_taken)
{
    static const int64_t for_ever = INT64_MAX;
    static const unsigned char neither = 0x5a;
    const long kept_at = 8 + BOOT_ID_MAX, lease_at = kept_at + (long)offsetof(struct kept, lease);
    struct kept kept;
    begin();
    write_one();
    change(lease_at + (long)offsetof(struct lease, held.fence_limit_ns), &for_ever,
           sizeof for_ever);
    change(lease_at + (long)offsetof(struct lease, armed), &neither, 1);
    ck_assert_int_eq(keep_read(&k, &kept, &back), KEEP_PLAN);
    ck_assert_int_eq(kept.lease.held.fence_limit_ns, 0);
    ck_assert(kept.lease.armed);
    ck_assert_uint_eq(kept.lease.last.epoch, 9);
    write_one();
    change(lease_at + (long)offsetof(struct lease, armed), &neither, 1);
    ck_assert_int_eq(keep_read(&k, &kept, &back), KEEP_PLAN);
    ck_assert(kept.lease.armed);
}
END_TEST

START_TEST(a_write_that_fails_leaves_the_old_one)
{
    struct kept kept = {0};
    char in_the_way[TEST_PATH_MAX + 32];
    begin();
    write_one();
    snprintf(in_the_way, sizeof in_the_way, "%s/guardian.plan.new", folder);
    ck_assert_int_eq(mkdir(in_the_way, 0700), 0);
    ck_assert_int_eq(keep_write(&k, &kept, &m.plan), -1);
    ck_assert_int_eq(errno, EISDIR);
    rmdir(in_the_way);
    ck_assert_int_eq(keep_read(&k, &kept, &back), KEEP_PLAN);
    ck_assert_uint_eq(kept.lease.last.epoch, 9);
}
END_TEST

START_TEST(the_folder_has_one_guardian)
{
    struct keep second;
    begin();
    ck_assert_int_eq(keep_open(&second, folder), -1);
    ck_assert_int_eq(errno, EWOULDBLOCK);
    close(k.lock);
    ck_assert_int_eq(keep_open(&second, folder), 0);
    ck_assert_int_eq(keep_open(&second, "/tmp/harmony-test-none"), -1);
    ck_assert_int_eq(errno, ENOENT);
}
END_TEST

RUN_SUITE("keep", a_plan_comes_back, one_of_another_boot_is_nothing, a_damaged_one_is_told,
          a_lease_that_none_can_have_is_not_taken, a_write_that_fails_leaves_the_old_one,
          the_folder_has_one_guardian)
