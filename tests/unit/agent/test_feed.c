/* When the feed takes its watch for dead, and when it doesn't: on a fake of the bus. */
#include "agent/feed.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/log.h"

enum { CHECK_MS = 1 };

/* A fake of bus/bus.h: one watch, whose entries the test gives, and the bucket's facts. */
static struct {
    struct bus_watch_options watch;
    struct bus_bucket bucket;
    int restarts, checks;
    bool lists_at_restart; /* a new listing brings everything up to `last` at once */
    uint64_t last;
    bool busy; /* somebody writes: each check hears of one more, which the watch gives just after */
} fake;

static uv_loop_t loop;
static struct desired *desired;
static struct feed *feed;
static char folder[] = "/tmp/test_feed.XXXXXX";
static char cache[64];

static void give(uint64_t revision)
{
    struct bus_entry entry = {.bucket = "harmony_desired",
                              .key = "site-b.vm.other",
                              .value = "{}",
                              .len = 2,
                              .revision = revision,
                              .stamp_ns = (int64_t)revision};
    fake.watch.on_entry(fake.watch.data, &entry);
}

static void list(void)
{
    if (fake.last)
        give(fake.last);
    fake.watch.on_ready(fake.watch.data);
}

bool bus_is_connected(const struct bus *bus)
{
    (void)bus;
    return true;
}

struct bus_watch *bus_watch_start(struct bus *bus, const struct bus_watch_options *options)
{
    (void)bus;
    fake.watch = *options;
    return (struct bus_watch *)&fake.watch;
}

void bus_watch_restart(struct bus_watch *watch)
{
    (void)watch;
    fake.restarts++;
}

void bus_watch_stop(struct bus_watch *watch)
{
    (void)watch;
}

uint64_t bus_watch_remakes(const struct bus_watch *watch)
{
    (void)watch;
    return (uint64_t)fake.restarts;
}

void bus_bucket_info(struct bus *bus, const char *bucket, int64_t timeout_ms, bus_bucket_done done,
                     void *data)
{
    (void)bus;
    (void)bucket;
    (void)timeout_ms;
    int before = fake.restarts;
    fake.checks++;
    fake.bucket.last_revision += fake.busy;
    done(data, &fake.bucket, NULL);
    if (fake.busy)
        give(fake.bucket.last_revision);
    if (fake.restarts > before && fake.lists_at_restart)
        list();
}

static void on_change(void *data)
{
    (void)data;
}

static void set_up(void)
{
    memset(&fake, 0, sizeof fake);
    hm_log_setup(HM_LOG_ERROR, HM_LOG_TEXT);
    ck_assert_ptr_nonnull(mkdtemp(folder));
    snprintf(cache, sizeof cache, "%s/cache", folder);
    uv_loop_init(&loop);
    desired = desired_new("site-a");
    fake.bucket = (struct bus_bucket){.exists = true, .created_ns = 1, .last_revision = 5};
    fake.last = 5;
    fake.lists_at_restart = true;
    feed = feed_new(&(struct feed_options){.loop = &loop,
                                           .desired = desired,
                                           .cache_path = cache,
                                           .check_ms = CHECK_MS,
                                           .on_change = on_change});
}

static void run_checks(int count);

/* A job that runs when its queue is freed is left behind with its memory: so the cache is written and
 * its writer long back before the end. */
static void tear_down(void)
{
    fake.watch.on_ready(fake.watch.data);
    while (access(cache, F_OK) != 0)
        run_checks(1);
    run_checks(100);
    feed_free(feed);
    uv_run(&loop, UV_RUN_DEFAULT);
    ck_assert_int_eq(uv_loop_close(&loop), 0);
    desired_free(desired);
    unlink(cache);
    rmdir(folder);
}

static void run_checks(int count)
{
    int until = fake.checks + count;
    while (fake.checks < until)
        uv_run(&loop, UV_RUN_ONCE);
}

START_TEST(a_watch_that_keeps_up_is_left_alone)
{
    list();
    fake.busy = true;
    run_checks(50);
    ck_assert_int_eq(fake.restarts, 0);
}
END_TEST

START_TEST(a_watch_that_died_is_made_anew)
{
    list();
    run_checks(3);
    ck_assert_int_eq(fake.restarts, 0);
    fake.bucket.last_revision = fake.last = 6;
    run_checks(3);
    ck_assert_int_eq(fake.restarts, 1);
    run_checks(10);
    ck_assert_int_eq(fake.restarts, 1);
}
END_TEST

/* The last entries were purged: no listing ever brings them, and that is no fault of the watch. */
START_TEST(what_was_purged_is_not_waited_for)
{
    fake.last = 3;
    list();
    run_checks(20);
    ck_assert_int_eq(fake.restarts, 1);
    fake.bucket.last_revision = fake.last = 7; /* a new one, which the watch does not bring */
    run_checks(20);
    ck_assert_int_eq(fake.restarts, 2);
}
END_TEST

START_TEST(a_listing_is_given_its_time)
{
    fake.lists_at_restart = false;
    run_checks(10); /* nothing was listed yet */
    ck_assert_int_eq(fake.restarts, 0);
    list();
    run_checks(2);
    struct hm_error why = {.code = HM_E_CONNECTION, .text = "gone"};
    fake.watch.on_broken(fake.watch.data, &why);
    run_checks(10); /* the bus makes it anew by itself */
    ck_assert_int_eq(fake.restarts, 0);
}
END_TEST

START_TEST(another_bucket_is_listed_anew)
{
    list();
    run_checks(2);
    fake.bucket = (struct bus_bucket){.exists = true, .created_ns = 2, .last_revision = 2};
    fake.last = 2;
    run_checks(10);
    ck_assert_int_eq(fake.restarts, 1);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("feed");
    TCase *t = tcase_create("feed");
    tcase_add_checked_fixture(t, set_up, tear_down);
    tcase_add_test(t, a_watch_that_keeps_up_is_left_alone);
    tcase_add_test(t, a_watch_that_died_is_made_anew);
    tcase_add_test(t, what_was_purged_is_not_waited_for);
    tcase_add_test(t, a_listing_is_given_its_time);
    tcase_add_test(t, another_bucket_is_listed_anew);
    suite_add_tcase(s, t);
    SRunner *sr = srunner_create(s);
    srunner_run_all(sr, CK_NORMAL);
    int failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed != 0;
}
