/*
 * A fake of bus/bus.h: one bucket in memory, for tests of who writes what in which order. Answers and
 * watch entries wait until fake_bus_deliver(), in the order of the calls. Included by one test program.
 */
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "bus/bus.h"

enum { FAKE_MAX = 512 };

struct fake_entry {
    char *key, *value;
    uint64_t revision;
    int64_t stamp_ns;
};

static struct {
    struct fake_entry log[FAKE_MAX]; /* everything ever stored */
    unsigned count, watched;         /* how many the watch has been given */
    unsigned lost;                   /* of these, as the bucket says */
    struct {
        bus_put_done done;
        void *data;
        struct bus_put_result result;
    } answers[FAKE_MAX];
    unsigned answer_count;
    struct {
        bus_get_done done;
        void *data;
        char *key;
    } gets[FAKE_MAX];
    unsigned get_count;
    struct bus_watch_options watch;
    char *filter;
    bool watching, ready, connected, refuses_writes;
    unsigned watch_restarts, given_up;
    int64_t ping_ms;
    int version[3];
    struct bus_bucket bucket;
} fake_bus;

static void fake_bus_reset(void)
{
    for (unsigned i = 0; i < fake_bus.count; i++) {
        free(fake_bus.log[i].key);
        free(fake_bus.log[i].value);
    }
    free(fake_bus.filter);
    memset(&fake_bus, 0, sizeof fake_bus);
    fake_bus.connected = true;
    fake_bus.version[0] = 2;
    fake_bus.version[1] = 15;
    fake_bus.bucket = (struct bus_bucket){.exists = true,
                                          .file_storage = true,
                                          .deny_purge = true,
                                          .history = 64,
                                          .replicas = 1,
                                          .created_ns = 1};
}

static const struct fake_entry *fake_bus_last(const char *key)
{
    for (unsigned i = fake_bus.count; i > 0; i--)
        if (!strcmp(fake_bus.log[i - 1].key, key))
            return &fake_bus.log[i - 1];
    return NULL;
}

static uint64_t fake_bus_store(const char *key, const char *value, size_t len)
{
    if (fake_bus.count == FAKE_MAX)
        abort();
    struct fake_entry *e = &fake_bus.log[fake_bus.count++];
    *e = (struct fake_entry){hm_strdup(key), hm_strndup(value, len), fake_bus.count, hm_wall_ns()};
    return e->revision;
}

static uint64_t fake_bus_put_text(const char *key, const char *value)
{
    return fake_bus_store(key, value, strlen(value));
}

static void fake_bus_read(const char *key, bus_get_done done, void *data)
{
    const struct fake_entry *last = fake_bus_last(key);
    struct bus_entry entry = {.bucket = "harmony_failover", .key = key};
    struct hm_error err;
    if (last) {
        entry.value = last->value;
        entry.len = strlen(last->value);
        entry.revision = last->revision;
        entry.stamp_ns = last->stamp_ns;
    } else {
        hm_fail(&err, HM_E_NOT_FOUND, "no such key");
    }
    if (!fake_bus.bucket.exists)
        hm_fail(&err, HM_E_UNSUPPORTED, "no such bucket");
    bool found = last && fake_bus.bucket.exists;
    done(data, found ? &entry : NULL, found ? NULL : &err);
}

/* What is asked by who hears an answer is answered the next time. */
static void fake_bus_answer(void)
{
    unsigned gets = fake_bus.get_count, answers = fake_bus.answer_count;
    for (unsigned i = 0; i < gets; i++) {
        fake_bus_read(fake_bus.gets[i].key, fake_bus.gets[i].done, fake_bus.gets[i].data);
        free(fake_bus.gets[i].key);
    }
    fake_bus.get_count -= gets;
    memmove(fake_bus.gets, fake_bus.gets + gets, fake_bus.get_count * sizeof *fake_bus.gets);
    for (unsigned i = 0; i < answers; i++)
        fake_bus.answers[i].done(fake_bus.answers[i].data, &fake_bus.answers[i].result);
    fake_bus.answer_count -= answers;
    memmove(fake_bus.answers, fake_bus.answers + answers,
            fake_bus.answer_count * sizeof *fake_bus.answers);
}

static void fake_bus_give(const struct fake_entry *e)
{
    struct bus_entry entry = {.bucket = "harmony_failover",
                              .key = e->key,
                              .value = e->value,
                              .len = strlen(e->value),
                              .revision = e->revision,
                              .stamp_ns = e->stamp_ns};
    fake_bus.watch.on_entry(fake_bus.watch.data, &entry);
}

static void fake_bus_give_entries(void)
{
    while (fake_bus.watching && fake_bus.watched < fake_bus.count)
        fake_bus_give(&fake_bus.log[fake_bus.watched++]);
    if (fake_bus.watching && !fake_bus.ready) {
        fake_bus.ready = true;
        fake_bus.watch.on_ready(fake_bus.watch.data);
    }
}

static void fake_bus_deliver(void)
{
    fake_bus_answer();
    fake_bus_give_entries();
}

/* -- bus/bus.h, as far as the driver uses it -------------------------------- */

bool bus_is_connected(const struct bus *bus)
{
    (void)bus;
    return fake_bus.connected;
}

void bus_server_version(const struct bus *bus, int ret_version[3])
{
    (void)bus;
    memcpy(ret_version, fake_bus.version, sizeof fake_bus.version);
}

void bus_set_ping(struct bus *bus, int64_t interval_ms)
{
    (void)bus;
    fake_bus.ping_ms = interval_ms;
}

void bus_try_another_server(struct bus *bus)
{
    (void)bus;
    fake_bus.given_up++;
}

static struct bus_put_result fake_bus_outcome(const struct bus_put *put)
{
    struct bus_put_result result = {.outcome = BUS_PUT_STORED};
    const struct fake_entry *last = fake_bus_last(put->key);
    uint64_t revision = last ? last->revision : 0;
    if (fake_bus.refuses_writes) {
        result.outcome = BUS_PUT_UNKNOWN;
        hm_fail(&result.error, HM_E_TIMEOUT, "the fake takes no writes");
    } else if (put->expect_revision != BUS_ANY_REVISION &&
               put->expect_revision != (int64_t)revision) {
        result.outcome = BUS_PUT_CONFLICT;
        result.revision = revision;
        result.err_code = 10071;
        hm_fail(&result.error, HM_E_CONFLICT, "wrong last sequence");
    } else {
        result.revision = fake_bus_store(put->key, put->value, put->len);
    }
    return result;
}

void bus_put(struct bus *bus, const struct bus_put *put, bus_put_done done, void *data)
{
    (void)bus;
    if (fake_bus.answer_count == FAKE_MAX)
        abort();
    fake_bus.answers[fake_bus.answer_count].done = done;
    fake_bus.answers[fake_bus.answer_count].data = data;
    fake_bus.answers[fake_bus.answer_count++].result = fake_bus_outcome(put);
}

void bus_get(struct bus *bus, const char *bucket, const char *key, int64_t timeout_ms,
             bus_get_done done, void *data)
{
    (void)bus;
    (void)bucket;
    (void)timeout_ms;
    if (fake_bus.get_count == FAKE_MAX)
        abort();
    fake_bus.gets[fake_bus.get_count].done = done;
    fake_bus.gets[fake_bus.get_count].data = data;
    fake_bus.gets[fake_bus.get_count++].key = hm_strdup(key);
}

struct bus_watch *bus_watch_start(struct bus *bus, const struct bus_watch_options *options)
{
    (void)bus;
    fake_bus.watch = *options;
    free(fake_bus.filter);
    fake_bus.filter = hm_strdup(options->filter);
    fake_bus.watching = true;
    return (struct bus_watch *)&fake_bus.watch;
}

void bus_watch_restart(struct bus_watch *watch)
{
    (void)watch;
    fake_bus.watch_restarts++;
    fake_bus.watched = 0;
}

void bus_watch_stop(struct bus_watch *watch)
{
    (void)watch;
    fake_bus.watching = false;
}

void bus_bucket_info(struct bus *bus, const char *bucket, int64_t timeout_ms, bus_bucket_done done,
                     void *data)
{
    (void)bus;
    (void)bucket;
    (void)timeout_ms;
    struct bus_bucket info = fake_bus.bucket;
    if (info.exists)
        info.last_revision = fake_bus.count - fake_bus.lost;
    done(data, &info, NULL);
}
