/*
 * What does a pass over documents that need nothing cost, beside the one bulk call of libvirt?
 *
 *     bench_pass NATS_URL COUNT ROUNDS FOLDER
 *
 * Declares COUNT VMs and makes them on test:///default (in this process) as the driver would, lets the
 * reconciler find them, then takes turns: one bulk call (virConnectGetAllDomainStats, STATE, NOWAIT),
 * one whole pass. Prints one JSON object with the least of both, in microseconds; beside them what the metrics cost every
 * 10 s, off the loop: the bulk call for all that VMs use (of which the test driver tells little), and the text
 * for as many VMs with a disk and a card each.
 */
#include <libvirt/libvirt.h>
#include <libvirt/virterror.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agent/drivers.h"
#include "agent/metrics_vm.h"
#include "agent/reconcile.h"
#include "base/alloc.h"
#include "base/clock.h"
#include "base/log.h"
#include "tests/bench/bench_domain.h"

enum {
    QUIET_MS = 150,
    USAGE = VIR_DOMAIN_STATS_CPU_TOTAL | VIR_DOMAIN_STATS_BALLOON | VIR_DOMAIN_STATS_VCPU |
            VIR_DOMAIN_STATS_INTERFACE | VIR_DOMAIN_STATS_BLOCK,
};

struct bench {
    uv_loop_t loop;
    uv_timer_t quiet;
    struct bus *bus;
    struct desired *desired;
    struct status *status;
    struct reconciler *reconciler;
    size_t count;
};

static void declare(struct bench *b)
{
    for (size_t i = 0; i < b->count; i++) {
        HM_AUTOFREE char *key = hm_printf("site-a.vm.vm%zu", i);
        HM_AUTOFREE char *spec = hm_printf(BENCH_SPEC_FORMAT, i);
        struct bus_entry entry = {
            .key = key, .value = spec, .len = strlen(spec), .revision = i + 1};
        desired_take(b->desired, &entry);
    }
}

static void on_quiet(uv_timer_t *timer)
{
    uv_stop(timer->loop);
}

/* Until no pass has ended for a while: one under way, for an event that came late, would be taken for
 * ours and look too short. */
static void wait_quiet(struct bench *b)
{
    uint64_t before;
    do {
        before = reconciler_passes(b->reconciler);
        uv_timer_start(&b->quiet, on_quiet, QUIET_MS, 0);
        uv_run(&b->loop, UV_RUN_DEFAULT);
    } while (reconciler_passes(b->reconciler) != before);
}

static int64_t time_pass(struct bench *b)
{
    wait_quiet(b);
    uint64_t before = reconciler_passes(b->reconciler);
    int64_t began = hm_boottime_ns();
    reconciler_kick(b->reconciler);
    while (reconciler_passes(b->reconciler) == before)
        uv_run(&b->loop, UV_RUN_ONCE);
    return hm_boottime_ns() - began;
}

static void give_up(const char *what)
{
    fprintf(stderr, "bench_pass: %s: %s\n", what, virGetLastErrorMessage());
    exit(1);
}

static int64_t time_bulk_call(virConnectPtr conn, unsigned groups)
{
    virDomainStatsRecordPtr *stats = NULL;
    int64_t began = hm_boottime_ns();
    int n =
        virConnectGetAllDomainStats(conn, groups, &stats, VIR_CONNECT_GET_ALL_DOMAINS_STATS_NOWAIT);
    if (n < 0)
        give_up("the bulk call");
    virDomainStatsRecordListFree(stats);
    return hm_boottime_ns() - began;
}

static void use_all(struct vm_stats *s, const struct vm_value_table *table, const char *device)
{
    for (size_t i = 0; i < table->count; i++) {
        HM_AUTOFREE char *field = hm_printf("%s%s", device, table->rows[i].field);
        vm_stats_take(s, field, 123456789012 + i);
    }
}

static struct vm_stats_list make_stats(size_t count)
{
    struct vm_stats_list list = {.items = hm_alloc(count * sizeof *list.items), .count = count};
    for (size_t i = 0; i < count; i++) {
        list.items[i].name = hm_printf("vm%zu", i);
        use_all(&list.items[i], &vm_values, "");
        use_all(&list.items[i], &vm_disk_values, "block.0.");
        use_all(&list.items[i], &vm_nic_values, "net.0.");
    }
    return list;
}

static int64_t time_text(const struct vm_stats_list *stats, size_t *ret_bytes)
{
    struct hm_buf text = {0};
    int64_t began = hm_boottime_ns();
    metrics_vm_text(stats, &text);
    int64_t took = hm_boottime_ns() - began;
    *ret_bytes = text.len;
    hm_buf_free(&text);
    return took;
}

/* What others do on the machine only adds. */
static long long least_us(const int64_t *times, size_t n)
{
    int64_t least = times[0];
    for (size_t i = 1; i < n; i++)
        least = times[i] < least ? times[i] : least;
    return least / 1000;
}

static void define_all(const struct bench *b, virConnectPtr conn)
{
    for (size_t i = 0; i < b->count; i++) {
        struct doc doc = bench_document(i);
        HM_AUTOFREE char *xml = bench_domain_xml(&doc);
        virDomainPtr domain = virDomainDefineXML(conn, xml);
        if (!domain || virDomainCreate(domain) < 0)
            give_up(doc.name);
        virDomainFree(domain);
        doc_clear(&doc);
    }
}

static int count_running(virConnectPtr conn)
{
    return virConnectListAllDomains(conn, NULL, VIR_CONNECT_LIST_DOMAINS_RUNNING);
}

/* Until all run (test:///default comes with one of its own), and their events have been heard. */
static void settle(struct bench *b, virConnectPtr conn)
{
    while (count_running(conn) < (int)b->count + 1)
        uv_run(&b->loop, UV_RUN_ONCE);
    for (int i = 0; i < 5; i++)
        time_pass(b);
}

/* A backend that fails is no part of a pass that needs nothing. */
static void check_all_seen(const struct bench *b)
{
    const struct backends *all = reconciler_backends(b->reconciler);
    for (size_t i = 0; i < all->count; i++)
        if (all->items[i].unobserved.code) {
            fprintf(stderr, "bench_pass: %s\n", all->items[i].unobserved.text);
            exit(1);
        }
}

static void set_up(struct bench *b, const char *url, const char *folder)
{
    struct bus_options bus = {.servers = url, .name = "bench"};
    struct hm_error err;
    hm_log_setup(HM_LOG_WARN, HM_LOG_TEXT);
    uv_loop_init(&b->loop);
    uv_timer_init(&b->loop, &b->quiet);
    if (bus_open(&b->loop, &bus, &b->bus, &err) < 0) {
        fprintf(stderr, "bench_pass: %s\n", err.text);
        exit(1);
    }
    b->desired = desired_new("site-a");
    b->status = status_new(&b->loop, b->bus, "site-a");
    struct reconciler_options options = {
        .loop = &b->loop,
        .site = "site-a",
        .desired = b->desired,
        .status = b->status,
        .drivers = drivers_all(),
        .driver_options = {.uri = "test:///default",
                           .image_dir = folder,
                           .accel = "tcg",
                           .site = "site-a",
                           .state_dir = folder,
                           .runtime_dir = folder},
    };
    b->reconciler = reconciler_new(&options);
    declare(b);
}

int main(int argc, char **argv)
{
    if (argc != 5) {
        fputs("usage: bench_pass NATS_URL COUNT ROUNDS FOLDER\n", stderr);
        return 2;
    }
    struct bench b = {.count = (size_t)strtoul(argv[2], NULL, 10)};
    size_t rounds = (size_t)strtoul(argv[3], NULL, 10);
    int64_t *passes = hm_alloc(rounds * sizeof *passes), *bulk = hm_alloc(rounds * sizeof *bulk);
    int64_t *usage = hm_alloc(rounds * sizeof *usage), *text = hm_alloc(rounds * sizeof *text);
    struct vm_stats_list stats = make_stats(b.count);
    size_t bytes = 0;
    set_up(&b, argv[1], argv[4]);
    virConnectPtr conn = virConnectOpen("test:///default");
    define_all(&b, conn);
    reconciler_kick(b.reconciler);
    settle(&b, conn);
    for (size_t i = 0; i < rounds; i++) {
        wait_quiet(&b); /* on caches as cold as those of a pass */
        bulk[i] = time_bulk_call(conn, VIR_DOMAIN_STATS_STATE);
        passes[i] = time_pass(&b);
        usage[i] = time_bulk_call(conn, USAGE);
        text[i] = time_text(&stats, &bytes);
    }
    check_all_seen(&b);
    printf("{\"documents\": %zu, \"bulk_us\": %lld, \"pass_us\": %lld, \"usage_us\": %lld, "
           "\"text_us\": %lld, "
           "\"text_bytes\": %zu}\n",
           b.count, least_us(bulk, rounds), least_us(passes, rounds), least_us(usage, rounds),
           least_us(text, rounds), bytes);
    fflush(stdout);
    _exit(0); /* the bus's thread still works: exit() would take libnats away from under it */
}
