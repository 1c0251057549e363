/*
 * What VMs use: vm.counters of each VMM, asked all at once, and what the kernel says of its process. Numbers are
 * unsigned; the largest one means that there is none yet (an idle disk's latency).
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/file.h"
#include "proto/field.h"
#include "vmm/ch.h"
#include "vmm/console_times.h"
#include "vmm/log_file.h"
#include "vmm/vm_stats.h"

enum { LOOK_MS = 3000, PROC_MAX = 4096, UTIME = 14, STIME = 15 };

/* Its names, and what these are in the table (vm_stats.h). */
static const struct {
    const char *counter, *field;
} names[] = {
    {"read_bytes", "rd.bytes"}, {"read_ops", "rd.reqs"},  {"write_bytes", "wr.bytes"},
    {"write_ops", "wr.reqs"},   {"rx_bytes", "rx.bytes"}, {"rx_frames", "rx.pkts"},
    {"tx_bytes", "tx.bytes"},   {"tx_frames", "tx.pkts"},
};

struct target {
    struct ch_vm vm;
    char *name;
    struct ch_call call;
};

/* -- Of its process ---------------------------------------------------------------------------------- */

/* Fields 14 and 15 of /proc/PID/stat, behind the name, in ticks. */
static void take_cpu(struct vm_stats *s, int pid)
{
    HM_AUTOFREE char *path = hm_printf("/proc/%d/stat", pid), *text = NULL;
    uint64_t ticks = 0;
    char *at = hm_file_read(path, PROC_MAX, &text, NULL, NULL) < 0 ? NULL : strrchr(text, ')');
    int field = 2;
    for (; at && field <= STIME; field++) {
        if (field >= UTIME)
            ticks += strtoull(at + 1, NULL, 10);
        at = strchr(at + 1, ' ');
    }
    if (at)
        vm_stats_take(s, "cpu.time", ticks * (1000000000ULL / (uint64_t)sysconf(_SC_CLK_TCK)));
}

static void take_memory(struct vm_stats *s, int pid)
{
    HM_AUTOFREE char *path = hm_printf("/proc/%d/statm", pid), *text = NULL;
    unsigned long long pages;
    if (hm_file_read(path, PROC_MAX, &text, NULL, NULL) >= 0 &&
        sscanf(text, "%*u %llu", &pages) == 1)
        vm_stats_take(s, "balloon.rss", pages * (uint64_t)sysconf(_SC_PAGESIZE) / 1024);
}

/* -- Of its devices ---------------------------------------------------------------------------------- */

struct taking {
    struct vm_stats *stats;
    const json_t *disks, *nics; /* of what runs */
    const char *key;
};

static long disk_index(const struct taking *t, const char *device)
{
    for (size_t i = 0; i < json_array_size(t->disks); i++) {
        const char *name = spec_str(json_array_get(t->disks, i), "device");
        if (!strncmp(device, "disk-", 5) && !strcmp(device + 5, name))
            return (long)i;
    }
    return -1;
}

static long nic_index(const struct taking *t, const char *device)
{
    for (size_t i = 0; i < json_array_size(t->nics); i++) {
        char made[VM_MAC_TEXT];
        const char *given = spec_str(json_array_get(t->nics, i), "mac");
        vm_mac(t->key, i, made);
        if (!strncmp(device, "net-", 4) && !strcmp(device + 4, given ? given : made))
            return (long)i;
    }
    return -1;
}

static void take_counter(void *data, const char *device, const char *name, uint64_t value)
{
    const struct taking *t = data;
    long disk = disk_index(t, device), nic = nic_index(t, device);
    for (size_t i = 0; i < HM_COUNT(names) && value != UINT64_MAX; i++) {
        char field[64];
        if (strcmp(names[i].counter, name) != 0 || (disk < 0 && nic < 0))
            continue;
        snprintf(field, sizeof field, "%s.%ld.%s", disk >= 0 ? "block" : "net",
                 disk >= 0 ? disk : nic, names[i].field);
        vm_stats_take(t->stats, field, value);
    }
}

/* The table takes devices in their order. */
static void name_devices(const struct taking *t)
{
    char field[64];
    for (size_t i = 0; i < json_array_size(t->disks); i++) {
        snprintf(field, sizeof field, "block.%zu.name", i);
        vm_stats_take_text(t->stats, field, spec_str(json_array_get(t->disks, i), "device"));
    }
    for (size_t i = 0; i < json_array_size(t->nics); i++) {
        snprintf(field, sizeof field, "net.%zu.rx.bytes", i);
        vm_stats_take(t->stats, field, 0);
    }
}

static void take(const struct target *one, struct vm_stats_list *ret)
{
    struct vm_stats s = {.name = hm_strdup(one->name)};
    const json_t *spec = one->vm.run.mark.spec;
    struct taking t = {.stats = &s,
                       .disks = json_object_get(spec, "disks"),
                       .nics = json_object_get(spec, "networks"),
                       .key = one->vm.run.mark.key};
    take_cpu(&s, one->vm.pid.pid);
    take_memory(&s, one->vm.pid.pid);
    vm_stats_take(&s, "vcpu.current", (uint64_t)spec_int(spec, "vcpus", 0));
    vm_stats_take(&s, "balloon.current", (uint64_t)spec_int(spec, "memory", 0) / 1024);
    vm_stats_take(&s, "balloon.maximum",
                  (uint64_t)spec_int(spec, "max_memory", spec_int(spec, "memory", 0)) / 1024);
    name_devices(&t);
    if (one->call.result >= 0 && one->call.status == 200)
        ch_counters_parse(one->call.text, one->call.len, take_counter, &t, NULL);
    ret->items[ret->count++] = s;
}

/* -- All of them --------------------------------------------------------------------------------------- */

/* Those that run by their record, which is enough here. */
static size_t find_running(const struct ch *ch, const json_t *vms, struct target *list)
{
    struct ch_processes none = {0};
    size_t i, count = 0;
    json_t *name;
    json_array_foreach((json_t *)(uintptr_t)vms, i, name)
    {
        struct target t = {.name = hm_strdup(json_string_value(name))};
        int r = ch_vm_look_among(ch, t.name, &none, &t.vm, NULL);
        if (r >= 0 && t.vm.is_alive && t.vm.run.mark.spec) {
            list[count++] = t;
            continue;
        }
        ch_vm_clear(&t.vm);
        free(t.name);
    }
    return count;
}

static void ask_all(struct ch *ch, struct target *list, size_t count)
{
    struct ch_call *calls = hm_alloc((count + 1) * sizeof *calls);
    for (size_t i = 0; i < count; i++)
        calls[i] = (struct ch_call){.socket = list[i].vm.socket,
                                    .method = "GET",
                                    .name = "vm.counters",
                                    .timeout_ms = LOOK_MS};
    ch_http_calls(ch->http, calls, count);
    for (size_t i = 0; i < count; i++)
        list[i].call = calls[i];
    free(calls);
}

/* -- What each has written by now: noted for `logs --since`, and bounded -------------------------------- */

struct ch_console {
    char *vm;
    struct console_seen seen;
};

static struct console_seen seen_before(const struct ch *ch, const char *vm)
{
    for (size_t i = 0; i < ch->console_count; i++)
        if (!strcmp(ch->consoles[i].vm, vm))
            return ch->consoles[i].seen;
    return (struct console_seen){0};
}

void ch_consoles_free(struct ch *ch)
{
    for (size_t i = 0; i < ch->console_count; i++)
        free(ch->consoles[i].vm);
    free(ch->consoles);
    ch->consoles = NULL;
    ch->console_count = 0;
}

/* A guest makes its VMM write all of these, as much as it likes. */
static void bound_logs(const struct ch *ch, const char *vm, const char *console)
{
    HM_AUTOFREE char *said = ch_log_path(ch->records, vm),
                     *events = ch_events_path(ch->records, vm);
    log_bound(console, CH_CONSOLE_KEPT);
    log_bound(said, CH_SAID_KEPT);
    log_bound(events, CH_SAID_KEPT);
}

static void note_consoles(struct ch *ch, const struct target *list, size_t count)
{
    struct ch_console *now = hm_alloc((count + 1) * sizeof *now);
    for (size_t i = 0; i < count; i++) {
        HM_AUTOFREE char *path = ch_console_path(ch, list[i].name);
        now[i] = (struct ch_console){hm_strdup(list[i].name), seen_before(ch, list[i].name)};
        console_times_note(path, hm_wall_ns() / HM_MS, &now[i].seen);
        bound_logs(ch, list[i].name, path);
    }
    ch_consoles_free(ch);
    ch->consoles = now;
    ch->console_count = count;
}

/* -- The call ---------------------------------------------------------------------------------------- */

int ch_stats(struct ch *ch, struct vm_stats_list *ret, struct hm_error *err)
{
    json_t *vms = NULL;
    int r = ch_records_list(ch->records, &vms, err);
    if (r < 0)
        return r;
    struct target *list = hm_alloc((json_array_size(vms) + 1) * sizeof *list);
    size_t count = find_running(ch, vms, list);
    note_consoles(ch, list, count);
    r = count > 0 ? ch_need_loop(ch, err) : 0;
    if (r >= 0 && count > 0)
        ask_all(ch, list, count);
    *ret = (struct vm_stats_list){.items = hm_alloc((count + 1) * sizeof *ret->items)};
    for (size_t i = 0; i < count; i++) {
        if (r >= 0)
            take(&list[i], ret);
        free(list[i].call.text);
        free(list[i].name);
        ch_vm_clear(&list[i].vm);
    }
    free(list);
    json_decref(vms);
    return r;
}
