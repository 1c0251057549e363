/* The body of vm.create, and what is plugged in later. Source: vmm/src/api/openapi of cloud-hypervisor, and what v53 and
 * v50.1 take (docs/cloud-hypervisor.md). */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/field.h"
#include "vmm/ch.h"

enum { HOST_CPUS_MAX = 10000 };

/* -- Processors and memory ------------------------------------------------------------------------- */

/* "4-7,12" as numbers; verified with the document. */
static json_t *host_cpus(const char *set)
{
    json_t *list = json_array();
    for (const char *at = set; at && *at; at = strchr(at, ','), at = at ? at + 1 : NULL) {
        char *end;
        long first = strtol(at, &end, 10);
        long last = *end == '-' ? strtol(end + 1, NULL, 10) : first;
        for (long cpu = first; cpu <= last && cpu < HOST_CPUS_MAX; cpu++)
            json_array_append_new(list, json_integer(cpu));
    }
    return list;
}

static json_t *cpus_of(const json_t *spec)
{
    json_int_t boot = spec_int(spec, "vcpus", 1);
    json_t *cpus = json_pack("{s:I, s:I}", "boot_vcpus", boot, "max_vcpus",
                             (json_int_t)spec_int(spec, "max_vcpus", boot));
    size_t i;
    json_t *set, *affinity = json_array();
    json_array_foreach(json_object_get(spec, "cpu_pinning"), i, set)
    {
        json_array_append_new(affinity, json_pack("{s:I, s:o}", "vcpu", (json_int_t)i, "host_cpus",
                                                  host_cpus(json_string_value(set))));
    }
    if (json_array_size(affinity) > 0)
        json_object_set(cpus, "affinity", affinity);
    json_decref(affinity);
    return cpus;
}

static json_t *memory_of(const json_t *spec)
{
    int64_t size = spec_int(spec, "memory", 0), page = spec_int(spec, "hugepages", 0);
    int64_t more = spec_int(spec, "max_memory", size) - size;
    json_t *memory = json_pack("{s:I}", "size", (json_int_t)size);
    if (more > 0)
        json_object_set_new(memory, "hotplug_size", json_integer(more));
    if (page > 0) {
        json_object_set_new(memory, "hugepages", json_true());
        json_object_set_new(memory, "hugepage_size", json_integer(page));
    }
    return memory;
}

/* -- Devices --------------------------------------------------------------------------------------- */

void ch_disk_id(const struct vm_disk *d, char out[CH_ID_MAX])
{
    if (d->seed)
        snprintf(out, CH_ID_MAX, "seed");
    else
        snprintf(out, CH_ID_MAX, "disk-%s", spec_str(d->spec, "device"));
}

json_t *ch_config_disk(const struct vm_disk *d)
{
    char id[CH_ID_MAX];
    ch_disk_id(d, id);
    bool is_raw = !strcmp(d->format, "raw");
    const char *label = d->seed ? NULL : spec_str(d->spec, "label");
    json_t *disk = json_pack("{s:s, s:s, s:b, s:s, s:s*}", "id", id, "path", d->path, "readonly",
                             d->seed || spec_bool(d->spec, "readonly"), "image_type",
                             is_raw ? "Raw" : "Qcow2", "serial", label);
    if (!d->seed && spec_str(d->spec, "backing"))
        json_object_set_new(disk, "backing_files", json_true());
    return disk;
}

const json_t *ch_config_find(const json_t *list, const char *id)
{
    size_t i;
    json_t *item;
    json_array_foreach((json_t *)(uintptr_t)list, i, item)
    {
        const char *its = spec_str(item, "id");
        if (its && !strcmp(its, id))
            return item;
    }
    return NULL;
}

/* FNV-1a of the document and the place of the card. */
static uint64_t card_number(const char *key, size_t index)
{
    uint64_t hash = 14695981039346656037ULL;
    for (const char *c = key; *c; c++)
        hash = (hash ^ (unsigned char)*c) * 1099511628211ULL;
    return (hash ^ index) * 1099511628211ULL;
}

void ch_tap_name(const char *key, const json_t *nic, size_t index, char out[CH_TAP_TEXT])
{
    const char *tap = spec_str(nic, "tap");
    if (tap)
        snprintf(out, CH_TAP_TEXT, "%s", tap);
    else
        snprintf(out, CH_TAP_TEXT, "hv%012llx",
                 (unsigned long long)(card_number(key, index) & 0xffffffffffffULL));
}

static void mac_of(const char *key, const json_t *nic, size_t index, char out[VM_MAC_TEXT])
{
    const char *given = spec_str(nic, "mac");
    if (given)
        snprintf(out, VM_MAC_TEXT, "%s", given);
    else
        vm_mac(key, index, out);
}

int ch_config_nic(const char *key, const json_t *placed, size_t index, json_t **ret,
                  struct hm_error *err)
{
    const json_t *nic = json_array_get(placed, index);
    char mac[VM_MAC_TEXT], tap[CH_TAP_TEXT], id[CH_ID_MAX];
    if (spec_str(nic, "network"))
        return hm_fail(
            err, HM_E_UNSUPPORTED,
            "network %s is not one that the agent makes itself; on cloud-hypervisor a card needs "
            "a network with backend native, or a bridge",
            spec_str(nic, "network"));
    mac_of(key, nic, index, mac);
    ch_tap_name(key, nic, index, tap);
    snprintf(id, sizeof id, "net-%s", mac);
    *ret = json_pack("{s:s, s:s, s:s}", "id", id, "tap", tap, "mac", mac);
    return 0;
}

json_t *ch_taps(const char *key, const json_t *placed)
{
    json_t *taps = json_array();
    for (size_t i = 0; i < json_array_size(placed); i++) {
        char tap[CH_TAP_TEXT];
        ch_tap_name(key, json_array_get(placed, i), i, tap);
        json_array_append_new(taps, json_string(tap));
    }
    return taps;
}

/* -- The whole ------------------------------------------------------------------------------------- */

static int payload_of(const struct ch_build *b, json_t **ret, struct hm_error *err)
{
    const char *kernel = spec_str(b->spec, "kernel");
    if (!kernel && !b->firmware)
        return hm_fail(
            err, HM_E_UNSUPPORTED,
            "a guest that boots from its disk needs a firmware: name CLOUDHV.fd or hypervisor-fw "
            "in cloud_hypervisor.firmware of the agent's configuration");
    *ret = kernel
               ? json_pack("{s:s, s:s*, s:s*}", "kernel", kernel, "initramfs",
                           spec_str(b->spec, "initramfs"), "cmdline", spec_str(b->spec, "cmdline"))
               : json_pack("{s:s}", "firmware", b->firmware);
    return 0;
}

static json_t *disks_of(const struct ch_build *b)
{
    json_t *list = json_array();
    for (size_t i = 0; i < b->disks->count; i++)
        json_array_append_new(list, ch_config_disk(&b->disks->items[i]));
    return list;
}

static int nics_of(const struct ch_build *b, json_t **ret, struct hm_error *err)
{
    json_t *list = json_array(), *nic;
    for (size_t i = 0; i < json_array_size(b->placed); i++) {
        if (ch_config_nic(b->key, b->placed, i, &nic, err) < 0) {
            json_decref(list);
            return -(int)err->code;
        }
        json_array_append_new(list, nic);
    }
    *ret = list;
    return 0;
}

static void allow(json_t *rules, const char *path, const char *access)
{
    json_array_append_new(rules, json_pack("{s:s, s:s}", "path", path, "access", access));
}

/* What its configuration names it allows itself; this is what it does not think of: what a disk is made on top
 * of, and what may come later, disks and TAPs. */
static json_t *landlock_rules(const struct ch_build *b)
{
    json_t *rules = json_array();
    allow(rules, b->plugged, "rw");
    for (size_t i = 0; i < b->disks->count; i++) {
        const char *backing = spec_str(b->disks->items[i].spec, "backing");
        if (backing)
            allow(rules, backing, "r");
    }
    if (b->has_taps) {
        allow(rules, "/dev/net/tun", "rw");
        allow(rules, "/sys/devices/virtual/net", "r");
    }
    return rules;
}

int ch_config(const struct ch_build *b, json_t **ret, struct hm_error *err)
{
    json_t *payload = NULL, *nics = NULL;
    int r = payload_of(b, &payload, err);
    if (r >= 0)
        r = nics_of(b, &nics, err);
    if (r < 0) {
        json_decref(payload);
        return r;
    }
    const char *watchdog = spec_str(b->spec, "watchdog");
    json_t *config = json_pack(
        "{s:o, s:o, s:o, s:o, s:{s:s}, s:{s:s}, s:{s:s}, s:b, s:b}", "payload", payload, "cpus",
        cpus_of(b->spec), "memory", memory_of(b->spec), "disks", disks_of(b), "rng", "src",
        "/dev/urandom", "serial", "mode", "Tty", "console", "mode", "Off", "watchdog",
        watchdog && !strcmp(watchdog, "reset"), "landlock_enable", b->landlock);
    if (json_array_size(nics) > 0)
        json_object_set(config, "net", nics);
    if (b->landlock)
        json_object_set_new(config, "landlock_rules", landlock_rules(b));
    json_decref(nics);
    *ret = config;
    return 0;
}
