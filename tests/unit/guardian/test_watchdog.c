/* A plain file stands in for the device: what it gets is what the device would. */
#include "guardian/watchdog.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "guardian/procfs.h"
#include "tests/unit/guardian/suite.h"

static char folder[TEST_PATH_MAX], path[TEST_PATH_MAX + 32];
static char fed[64];

static ssize_t read_fed(void)
{
    return file_read(AT_FDCWD, path, fed, sizeof fed);
}

START_TEST(it_is_fed_and_closed_with_the_magic)
{
    struct watchdog w;
    make_folder(folder);
    snprintf(path, sizeof path, "%s/watchdog", folder);
    close(open(path, O_CREAT | O_WRONLY, 0600));
    watchdog_init(&w);
    watchdog_close(&w); /* closed already */
    ck_assert_int_eq(watchdog_open(&w, path, 1, 100), 0);
    ck_assert_int_eq(w.fed_ns, 100);
    ck_assert_int_eq(watchdog_open(&w, path, 1, 200), 0);
    watchdog_feed(&w, 300);
    ck_assert_int_eq(w.fed_ns, 300);
    ck_assert_int_eq(read_fed(), 3);
    ck_assert_mem_eq(fed, "\0\0\0", 3);
    watchdog_close(&w);
    ck_assert_int_eq(w.fd, -1);
    ck_assert_int_eq(read_fed(), 4);
    ck_assert_int_eq(fed[3], 'V');
}
END_TEST

START_TEST(one_that_is_not_there_is_not_made)
{
    struct watchdog w;
    watchdog_init(&w);
    ck_assert_int_eq(watchdog_open(&w, "/tmp/harmony-test-no-watchdog", 1, 0), -1);
    ck_assert_int_eq(errno, ENOENT);
    ck_assert_int_eq(w.fd, -1);
}
END_TEST

RUN_SUITE("watchdog", it_is_fed_and_closed_with_the_magic, one_that_is_not_there_is_not_made)
