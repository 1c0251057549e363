/*
 * One server, one loop, one bus, connected: what most tests of the bus start from.
 */
#ifndef HM_TESTS_UNIT_BUS_FIXTURE_H
#define HM_TESTS_UNIT_BUS_FIXTURE_H

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "bus/bus.h"
#include "tests/lib/nats_helper.h"

static struct nats_server server;
static uv_loop_t loop;
static struct bus *bus;
static int connects, disconnects;

static inline void count_connect(void *data)
{
    (void)data;
    connects++;
}

static inline void count_disconnect(void *data)
{
    (void)data;
    disconnects++;
}

static inline struct bus_options default_options(void)
{
    return (struct bus_options){.servers = server.url,
                                .name = "test",
                                .on_connected = count_connect,
                                .on_disconnected = count_disconnect};
}

static inline void open_bus(const struct bus_options *options)
{
    struct hm_error err = {0};
    ck_assert_msg(bus_open(&loop, options, &bus, &err) == 0, "%s", err.text);
}

static inline void connect_bus(const struct bus_options *options)
{
    open_bus(options);
    run_until(&loop, bus_is_connected(bus));
}

/* Everything is closed and freed: the loop has nothing left. */
static inline void close_bus(void)
{
    bus_close(bus);
    bus = NULL;
    uv_run(&loop, UV_RUN_DEFAULT);
}

static inline void setup(void)
{
    connects = disconnects = 0;
    ck_assert_int_eq(uv_loop_init(&loop), 0);
    nats_server_start(&server, NULL);
    struct bus_options options = default_options();
    connect_bus(&options);
}

static inline void teardown(void)
{
    if (bus)
        close_bus();
    ck_assert_int_eq(uv_loop_close(&loop), 0);
    nats_server_close(&server);
}

/* -- One step at a time ----------------------------------------------------------------------- */

struct outcome {
    int calls;
    struct bus_put_result put;
    struct hm_error err;
    bool failed;
    char *value, *key;
    size_t len;
    struct bus_entry entry; /* its pointers are stale: see value and key */
    struct bus_bucket bucket;
};

static inline void note_error(struct outcome *o, const struct hm_error *err)
{
    o->calls++;
    o->failed = err != NULL;
    if (err)
        o->err = *err;
}

static inline void on_put(void *data, const struct bus_put_result *result)
{
    struct outcome *o = data;
    o->calls++;
    o->put = *result;
}

static inline void on_get(void *data, const struct bus_entry *entry, const struct hm_error *err)
{
    struct outcome *o = data;
    note_error(o, err);
    ck_assert_int_eq(!entry, !!err);
    if (entry) {
        o->entry = *entry;
        o->value = hm_memdup(entry->value, entry->len);
        o->key = hm_strdup(entry->key);
    }
}

static inline void on_done(void *data, const struct hm_error *err)
{
    note_error(data, err);
}

static inline void on_bucket(void *data, const struct bus_bucket *info, const struct hm_error *err)
{
    struct outcome *o = data;
    note_error(o, err);
    ck_assert_int_eq(!info, !!err);
    if (info)
        o->bucket = *info;
}

static inline void on_reply(void *data, const void *reply, size_t len, const struct hm_error *err)
{
    struct outcome *o = data;
    note_error(o, err);
    ck_assert_int_eq(!reply, !!err);
    if (reply) {
        o->value = hm_memdup(reply, len);
        o->len = len;
    }
}

static inline struct outcome put(const struct bus_put *request)
{
    struct outcome o = {0};
    bus_put(bus, request, on_put, &o);
    ck_assert_int_eq(o.calls, 0);
    run_until(&loop, o.calls);
    return o;
}

static inline struct outcome put_text(const char *bucket, const char *key, const char *value,
                                      int64_t expected)
{
    return put(&(struct bus_put){.bucket = bucket,
                                 .key = key,
                                 .value = value,
                                 .len = strlen(value),
                                 .expect_revision = expected,
                                 .timeout_ms = 5000});
}

static inline void free_outcome(struct outcome *o)
{
    free(o->value);
    free(o->key);
}
#define AUTO_OUTCOME __attribute__((cleanup(free_outcome))) struct outcome

static inline struct outcome get(const char *bucket, const char *key)
{
    struct outcome o = {0};
    bus_get(bus, bucket, key, 5000, on_get, &o);
    ck_assert_int_eq(o.calls, 0);
    run_until(&loop, o.calls);
    return o;
}

static inline struct outcome create(const char *bucket, int history, bool recorder)
{
    struct outcome o = {0};
    struct bus_bucket_config config = {
        .bucket = bucket, .history = history, .replicas = 1, .recorder = recorder, .max_value = -1};
    bus_bucket_create(bus, &config, 5000, on_done, &o);
    run_until(&loop, o.calls);
    return o;
}

static inline struct outcome info(const char *bucket)
{
    struct outcome o = {0};
    bus_bucket_info(bus, bucket, 5000, on_bucket, &o);
    run_until(&loop, o.calls);
    return o;
}

static inline struct outcome request(const char *subject, const char *payload, int timeout_ms)
{
    struct outcome o = {0};
    bus_request(bus, subject, payload, strlen(payload), timeout_ms, on_reply, &o);
    ck_assert_int_eq(o.calls, 0);
    run_until(&loop, o.calls);
    return o;
}

/* With its own server and bus for every test. */
static inline int run_bus_suite(const char *name, const TTest *const *tests, size_t count)
{
    Suite *suite = suite_create(name);
    TCase *tcase = tcase_create(name);
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_set_timeout(tcase, 60);
    for (size_t i = 0; i < count; i++)
        tcase_add_test(tcase, tests[i]);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}

#endif
