#include "proto/vm_import.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "proto/address.h"
#include "proto/field.h"
#include "proto/text.h"

enum { CPUS_MAX = 512, DISKS_MAX = 24, NICS_MAX = 16 };

struct import {
    const struct vm_import *options;
    json_t *docs, *vm;
    struct hm_buf *notes;
    struct hm_error *err;
};

static void note(const struct import *i, const char *what)
{
    hm_buf_printf(i->notes, "%s\n", what);
}

static int refuse(const struct import *i, const char *what, const char *why)
{
    char shown[TEXT_QUOTE_MAX];
    text_clean(what, shown, sizeof shown);
    return hm_fail(i->err, HM_E_UNSUPPORTED, "%s: %s", shown, why);
}

/* -- What is not taken over ------------------------------------------------------------------------- */

static const char *const known[] = {"cpus",    "memory",   "payload", "kernel", "initramfs",
                                    "cmdline", "firmware", "disks",   "net",    NULL};
/* Decided by harmony, or by its documents. */
static const char *const ignored[] = {"rng",
                                      "serial",
                                      "console",
                                      "debug_console",
                                      "landlock_enable",
                                      "landlock_rules",
                                      "seccomp",
                                      "iommu",
                                      "watchdog",
                                      "platform",
                                      "rate_limit_groups",
                                      "pci_segments",
                                      "preserved_fds",
                                      "pvpanic",
                                      "api-socket",
                                      NULL};

static bool is_in(const char *const *list, const char *name)
{
    for (; *list; list++)
        if (!strcmp(*list, name))
            return true;
    return false;
}

static bool is_nothing(const json_t *value)
{
    return json_is_null(value) || json_is_false(value) ||
           (json_is_array(value) && json_array_size(value) == 0) ||
           (json_is_object(value) && json_object_size(value) == 0);
}

static int check_fields(const struct import *i, const json_t *config)
{
    const char *name;
    json_t *value;
    json_object_foreach((json_t *)(uintptr_t)config, name, value)
    {
        if (is_in(known, name) || is_nothing(value))
            continue;
        if (!is_in(ignored, name))
            return refuse(i, name,
                          "a VM of harmony can't have it; take it out if the guest does without");
        hm_buf_printf(i->notes, "%s is not taken over: harmony decides that\n", name);
    }
    return 0;
}

/* -- Values ----------------------------------------------------------------------------------------- */

/* 0 where it is not there. */
static int number_at(const struct import *i, const json_t *in, const char *name, json_int_t *ret)
{
    const json_t *value = json_object_get(in, name);
    if (value && !json_is_null(value) && (!json_is_integer(value) || json_integer_value(value) < 0))
        return refuse(i, name, "must be a number");
    *ret = json_integer_value(value);
    return 0;
}

/* "a text", or {"path": "a text"} as older versions wrote it. NULL: not there. */
static const char *text_at(const json_t *in, const char *name, const char *inner)
{
    const json_t *value = json_object_get(in, name);
    if (json_is_object(value))
        value = json_object_get(value, inner);
    return json_string_value(value);
}

static int put_path(const struct import *i, json_t *into, const char *field, const char *path)
{
    const char *folder = i->options->folder;
    HM_AUTOFREE char *below =
        *path != '/' && folder ? hm_printf("%s/%s", folder, path) : hm_strdup(path);
    if (!path_is_plain(below))
        return refuse(i, path, "is no absolute path without . and .. parts");
    json_object_set_new(into, field, json_string(below));
    return 0;
}

/* -- Processors, memory, what it boots ---------------------------------------------------------------- */

/* [4,5,9] as "4,5,9". */
static char *cpu_set(const json_t *list)
{
    struct hm_buf text = {0};
    size_t n;
    json_t *cpu;
    json_array_foreach((json_t *)(uintptr_t)list, n, cpu)
        hm_buf_printf(&text, "%s%lld", n ? "," : "", (long long)json_integer_value(cpu));
    return hm_buf_steal(&text);
}

/* Processors from the first on, without a gap: so that it can be said in a document. */
static int take_pinning(const struct import *i, const json_t *affinity)
{
    json_t *pinning = json_array(), *one;
    size_t n;
    json_array_foreach((json_t *)(uintptr_t)affinity, n, one)
    {
        const json_t *cpus = json_object_get(one, "host_cpus");
        const json_t *vcpu = json_object_get(one, "vcpu");
        if (!json_is_integer(vcpu) || json_integer_value(vcpu) != (json_int_t)n ||
            json_array_size(cpus) == 0 || n >= CPUS_MAX) {
            json_decref(pinning);
            return refuse(i, "cpus.affinity",
                          "must give host_cpus for the processors from 0 on, in order");
        }
        char *set = cpu_set(cpus);
        json_array_append_new(pinning, json_string(set ? set : ""));
        free(set);
    }
    if (n > 0)
        json_object_set(i->vm, "cpu_pinning", pinning);
    json_decref(pinning);
    return 0;
}

static int take_cpus(const struct import *i, const json_t *cpus)
{
    json_int_t boot, most;
    if (number_at(i, cpus, "boot_vcpus", &boot) < 0 || number_at(i, cpus, "max_vcpus", &most) < 0)
        return -(int)i->err->code;
    boot = boot ? boot : 1;
    json_object_set_new(i->vm, "vcpus", json_integer(boot));
    if (most > boot)
        json_object_set_new(i->vm, "max_vcpus", json_integer(most));
    return take_pinning(i, json_object_get(cpus, "affinity"));
}

static int take_memory(const struct import *i, const json_t *memory)
{
    json_int_t size, more, page;
    if (number_at(i, memory, "size", &size) < 0 ||
        number_at(i, memory, "hotplug_size", &more) < 0 ||
        number_at(i, memory, "hugepage_size", &page) < 0)
        return -(int)i->err->code;
    if (!is_nothing(json_object_get(memory, "zones")) && json_object_get(memory, "zones"))
        return refuse(i, "memory.zones", "a VM of harmony has memory of one sort; give size");
    size = size ? size : 512LL << 20;
    json_object_set_new(i->vm, "memory", json_integer(size));
    if (more > 0 && size <= INT64_MAX - more)
        json_object_set_new(i->vm, "max_memory", json_integer(size + more));
    if (json_is_true(json_object_get(memory, "hugepages")))
        json_object_set_new(i->vm, "hugepages", json_integer(page ? page : 2LL << 20));
    return 0;
}

static int take_payload(const struct import *i, const json_t *config)
{
    const json_t *payload = json_object_get(config, "payload");
    const json_t *in = json_is_object(payload) ? payload : config;
    const char *kernel = text_at(in, "kernel", "path"),
               *initramfs = text_at(in, "initramfs", "path"),
               *cmdline = text_at(in, "cmdline", "args"),
               *firmware = text_at(in, "firmware", "path");
    if (!kernel && firmware) {
        note(i, "firmware is not taken over: cloud_hypervisor.firmware of the agent's "
                "configuration is used");
        json_object_set_new(i->vm, "firmware", json_string("uefi"));
        return 0;
    }
    if (!kernel)
        return refuse(i, "payload", "there is neither a kernel nor a firmware");
    int r = put_path(i, i->vm, "kernel", kernel);
    if (r >= 0 && initramfs)
        r = put_path(i, i->vm, "initramfs", initramfs);
    if (r >= 0 && cmdline && *cmdline)
        json_object_set_new(i->vm, "cmdline", json_string(cmdline));
    return r;
}

/* -- Disks --------------------------------------------------------------------------------------------- */

/* Its place: vda, vdb, ... */
static void device_of(size_t n, char out[8])
{
    snprintf(out, 8, "vd%c", (char)('a' + n % 26));
}

static int take_disk(const struct import *i, const json_t *disk, size_t n)
{
    const char *path = json_string_value(json_object_get(disk, "path"));
    const char *type = json_string_value(json_object_get(disk, "image_type"));
    const char *serial = json_string_value(json_object_get(disk, "serial"));
    bool readonly = json_is_true(json_object_get(disk, "readonly"));
    char device[8];
    struct import_file file = {0};
    if (!path)
        return refuse(i, "disks", "a disk without path (vhost-user?) can't be taken over");
    json_t *out = json_object();
    device_of(n, device);
    json_object_set_new(out, "device", json_string(device));
    json_array_append_new(json_object_get(i->vm, "disks"), out);
    int r = put_path(i, out, "image", path);
    if (r >= 0)
        r = i->options->look(i->options->data, json_string_value(json_object_get(out, "image")),
                             &file, i->err);
    if (r < 0)
        return r;
    bool is_qcow2 = type ? !strcmp(type, "Qcow2") : file.is_qcow2;
    if (serial)
        json_object_set_new(out, "label", json_string(serial));
    if (readonly || file.is_written) {
        json_object_set_new(out, "format", json_string(is_qcow2 ? "qcow2" : "raw"));
        if (readonly)
            json_object_set_new(out, "readonly", json_true());
        return 0;
    }
    json_object_set(out, "backing", json_object_get(out, "image"));
    json_object_del(out, "image");
    json_object_set_new(out, "backing_format", json_string(is_qcow2 ? "qcow2" : "raw"));
    json_object_set_new(out, "size", json_integer(file.size));
    hm_buf_printf(
        i->notes,
        "disk %s: its file can't be written to, so the guest gets a volume on top of it\n", device);
    return 0;
}

static int take_disks(const struct import *i, const json_t *disks)
{
    size_t n;
    json_t *disk;
    int r = 0;
    json_object_set_new(i->vm, "disks", json_array());
    if (json_array_size(disks) > DISKS_MAX)
        return refuse(i, "disks", "there are more than a VM may have");
    json_array_foreach((json_t *)(uintptr_t)disks, n, disk) r = r < 0 ? r : take_disk(i, disk, n);
    return r;
}

/* -- Network cards ------------------------------------------------------------------------------------- */

/* "255.255.255.0" as 24; 0: it is no mask. */
static unsigned prefix_of(const char *mask)
{
    uint32_t bits;
    unsigned prefix = 0;
    if (!mask || !ipv4_parse(mask, &bits))
        return 0;
    while (prefix < 32 && (bits >> (31 - prefix) & 1))
        prefix++;
    return bits == cidr_mask(prefix) ? prefix : 0;
}

/* The host had this address on the TAP, and nobody forwarded: the same without a way out. */
static void add_network(const struct import *i, const char *name, const char *ip, unsigned prefix)
{
    HM_AUTOFREE char *subnet = hm_printf("%s/%u", ip, prefix);
    json_array_append_new(i->docs, json_pack("{s:s, s:s, s:s, s:s, s:s, s:s}", "kind", "network",
                                             "name", name, "site", i->options->site, "backend",
                                             "native", "subnet", subnet, "mode", "isolated"));
    hm_buf_printf(
        i->notes,
        "network %s is made for %s: isolated, as a TAP with an address is; see its mode\n", name,
        subnet);
}

static int take_nic(const struct import *i, const json_t *nic, size_t n)
{
    const char *ip = json_string_value(json_object_get(nic, "ip"));
    const char *mask = json_string_value(json_object_get(nic, "mask"));
    const char *mac = json_string_value(json_object_get(nic, "mac"));
    uint32_t address;
    HM_AUTOFREE char *own = hm_printf("%s-net%zu", i->options->name, n);
    json_t *out = json_object();
    json_array_append_new(json_object_get(i->vm, "networks"), out);
    if (mac)
        json_object_set_new(out, "mac", json_string(mac));
    if (json_is_true(json_object_get(nic, "vhost_user")))
        return refuse(i, "net", "a card by vhost-user can't be taken over");
    if (i->options->network) {
        json_object_set_new(out, "network", json_string(i->options->network));
        return 0;
    }
    if (!ip && !mask)
        return refuse(i, "net",
                      "a card without ip and mask: say with --network which one it is on");
    if (!ip || !ipv4_parse(ip, &address) || prefix_of(mask ? mask : "255.255.255.0") == 0)
        return refuse(i, "net", "its ip and mask are no IPv4 address and mask");
    json_object_set_new(out, "network", json_string(own));
    add_network(i, own, ip, prefix_of(mask ? mask : "255.255.255.0"));
    return 0;
}

static int take_nics(const struct import *i, const json_t *nics)
{
    size_t n;
    json_t *nic;
    int r = 0;
    if (json_array_size(nics) == 0)
        return 0;
    if (json_array_size(nics) > NICS_MAX)
        return refuse(i, "net", "there are more than a VM may have");
    json_object_set_new(i->vm, "networks", json_array());
    json_array_foreach((json_t *)(uintptr_t)nics, n, nic) r = r < 0 ? r : take_nic(i, nic, n);
    return r;
}

/* -- The whole ------------------------------------------------------------------------------------------- */

int vm_import(const json_t *config, const struct vm_import *o, json_t **ret_docs,
              struct hm_buf *notes, struct hm_error *err)
{
    if (!json_is_object(config))
        return hm_fail(err, HM_E_INVALID,
                       "it is no JSON object, as cloud-hypervisor's VmConfig is");
    struct import i = {.options = o,
                       .docs = json_array(),
                       .vm = json_pack("{s:s, s:s, s:s, s:s}", "kind", "vm", "name", o->name,
                                       "site", o->site, "backend", "cloud-hypervisor"),
                       .notes = notes,
                       .err = err};
    int r = check_fields(&i, config);
    if (r >= 0)
        r = take_cpus(&i, json_object_get(config, "cpus"));
    if (r >= 0)
        r = take_memory(&i, json_object_get(config, "memory"));
    if (r >= 0)
        r = take_payload(&i, config);
    if (r >= 0)
        r = take_disks(&i, json_object_get(config, "disks"));
    if (r >= 0)
        r = take_nics(&i, json_object_get(config, "net"));
    json_array_append_new(i.docs, i.vm);
    if (r < 0)
        json_decref(i.docs);
    else
        *ret_docs = i.docs;
    return r < 0 ? r : 0;
}
