/*
 * What the bus costs beside libnats alone, on a bucket of its own.
 *
 *     bench_bus URL puts COUNT   one acknowledged put after another, by the bus and by js_PublishMsg(), in
 *                                turns; prints {"bus_us": [...], "bare_us": [...]}
 *     bench_bus URL idle         connected, three watches; prints "ready", then waits for SIGTERM
 *     bench_bus URL bare         a bare connection with as many subscriptions; likewise
 */
#include <inttypes.h>
#include <nats/nats.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "bus/bus.h"

static const char VALUE[] = "{\"site_id\":\"site-a\",\"status\":\"HEALTHY\",\"counter\":10452}";

static uv_loop_t loop;
static struct bus *bus;
static bool done, failed;

static void on_connected(void *data)
{
    (void)data;
    done = true;
}

static void on_created(void *data, const struct hm_error *err)
{
    (void)data;
    done = true;
    failed = err != NULL;
}

static void on_put(void *data, const struct bus_put_result *result)
{
    (void)data;
    done = true;
    failed = result->outcome != BUS_PUT_STORED;
}

static void wait_done(void)
{
    while (!done)
        uv_run(&loop, UV_RUN_ONCE);
    done = false;
    if (failed)
        exit(1);
}

static void open_bus(const char *url)
{
    struct bus_options options = {.servers = url, .name = "bench", .on_connected = on_connected};
    struct bus_bucket_config config = {
        .bucket = "bench", .history = 1, .replicas = 1, .max_value = -1};
    uv_loop_init(&loop);
    if (bus_open(&loop, &options, &bus, NULL) < 0)
        exit(1);
    wait_done();
    bus_bucket_create(bus, &config, 5000, on_created, NULL);
    wait_done();
}

static int64_t put_by_bus(void)
{
    struct bus_put put = {.bucket = "bench",
                          .key = "bus",
                          .value = VALUE,
                          .len = sizeof VALUE - 1,
                          .expect_revision = BUS_ANY_REVISION,
                          .timeout_ms = 5000};
    int64_t begin_ns = hm_boottime_ns();
    bus_put(bus, &put, on_put, NULL);
    wait_done();
    return hm_boottime_ns() - begin_ns;
}

static int64_t put_by_libnats(jsCtx *js)
{
    jsPubAck *ack = NULL;
    int64_t begin_ns = hm_boottime_ns();
    if (js_Publish(&ack, js, "$KV.bench.bare", VALUE, sizeof VALUE - 1, NULL, NULL) != NATS_OK)
        exit(1);
    jsPubAck_Destroy(ack);
    return hm_boottime_ns() - begin_ns;
}

static void print_times(const char *name, const int64_t *times, int count, const char *end)
{
    printf("\"%s\": [", name);
    for (int i = 0; i < count; i++)
        printf("%s%.1f", i ? "," : "", (double)times[i] / 1000);
    printf("]%s", end);
}

static int compare_puts(const char *url, int count)
{
    natsConnection *nats = NULL;
    jsCtx *js = NULL;
    int64_t *ours = hm_alloc((size_t)count * sizeof *ours);
    int64_t *bare = hm_alloc((size_t)count * sizeof *bare);
    open_bus(url);
    if (natsConnection_ConnectTo(&nats, url) != NATS_OK ||
        natsConnection_JetStream(&js, nats, NULL) != NATS_OK)
        return 1;
    for (int i = 0; i < count; i++) {
        ours[i] = put_by_bus();
        bare[i] = put_by_libnats(js);
    }
    printf("{");
    print_times("bus_us", ours, count, ", ");
    print_times("bare_us", bare, count, "}\n");
    return 0;
}

static void ignore_entry(void *data, const struct bus_entry *entry)
{
    (void)data;
    (void)entry;
}

static void on_term(uv_signal_t *handle, int number)
{
    (void)number;
    uv_stop(handle->loop);
}

static int idle_with_bus(const char *url)
{
    static const char *const filters[] = {">", "a.>", "b.>"};
    uv_signal_t term;
    open_bus(url);
    for (size_t i = 0; i < HM_COUNT(filters); i++)
        bus_watch_start(bus, &(struct bus_watch_options){.bucket = "bench",
                                                         .filter = filters[i],
                                                         .on_entry = ignore_entry});
    uv_signal_init(&loop, &term);
    uv_signal_start(&term, on_term, SIGTERM);
    puts("ready");
    fflush(stdout);
    uv_run(&loop, UV_RUN_DEFAULT);
    return 0;
}

static void ignore_message(natsConnection *nats, natsSubscription *subscription, natsMsg *message,
                           void *closure)
{
    (void)nats;
    (void)subscription;
    (void)closure;
    natsMsg_Destroy(message);
}

static int idle_without(const char *url)
{
    natsConnection *nats = NULL;
    natsSubscription *subscription;
    sigset_t term;
    int number;
    sigemptyset(&term);
    sigaddset(&term, SIGTERM);
    sigprocmask(SIG_BLOCK, &term, NULL);
    if (natsConnection_ConnectTo(&nats, url) != NATS_OK)
        return 1;
    for (int i = 0; i < 3; i++)
        if (natsConnection_Subscribe(&subscription, nats, "bare", ignore_message, NULL) != NATS_OK)
            return 1;
    puts("ready");
    fflush(stdout);
    sigwait(&term, &number);
    return 0;
}

int main(int argc, char **argv)
{
    if (argc == 4 && !strcmp(argv[2], "puts"))
        return compare_puts(argv[1], (int)strtol(argv[3], NULL, 10));
    if (argc == 3 && !strcmp(argv[2], "idle"))
        return idle_with_bus(argv[1]);
    if (argc == 3 && !strcmp(argv[2], "bare"))
        return idle_without(argv[1]);
    return 2;
}
