#include "vmm/domain_xml.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "proto/field.h"
#include "vmm/domain_boot.h"
#include "vmm/domain_hardware.h"
#include "vmm/run_note.h"
#include "vmm/xml.h"

static const char *or_default(const char *text, const char *fallback)
{
    return text ? text : fallback;
}

/* -- Disks ------------------------------------------------------------------------------------- */

static const char *target_prefix(const char *bus)
{
    return !strcmp(bus, "virtio") ? "vd" : "sd";
}

static bool target_is_taken(const struct vm_disks *disks, const char *target)
{
    for (size_t i = 0; i < disks->count; i++)
        if (!strcmp(disks->items[i].target, target))
            return true;
    return false;
}

/* `device` names the disk for people ("root"); when it is a target ("vdb") of the disk's bus it is
 * also its place. */
static bool is_target_of(const char *device, const char *prefix)
{
    return device && strlen(device) == 3 && !strncmp(device, prefix, 2) && device[2] >= 'a' &&
           device[2] <= 'z';
}

/* vda to vdz, then vdaa to vdzz: more than a document can hold. */
static void first_free_target(const struct vm_disks *disks, const char *prefix,
                              char out[VM_TARGET_MAX])
{
    char name[VM_TARGET_MAX];
    for (int n = 0; n < 26 + 26 * 26; n++) {
        if (n < 26)
            snprintf(name, sizeof name, "%s%c", prefix, 'a' + n);
        else
            snprintf(name, sizeof name, "%s%c%c", prefix, 'a' + (n - 26) / 26, 'a' + (n - 26) % 26);
        if (!target_is_taken(disks, name))
            break;
    }
    memcpy(out, name, sizeof name);
}

/* Behind every disk that may still be plugged in. */
#define SEED_DEVICE "vdz"

static const char *device_of(const struct vm_disk *d)
{
    return d->seed ? SEED_DEVICE : spec_str(d->spec, "device");
}

static void add_disk(struct vm_disks *disks, struct vm_disk disk)
{
    struct vm_disk *d = &disks->items[disks->count++];
    *d = disk;
    d->bus = or_default(spec_str(d->spec, "bus"), d->cdrom ? "sata" : "virtio");
    const char *device = device_of(d);
    if (is_target_of(device, target_prefix(d->bus)) && !target_is_taken(disks, device))
        memcpy(d->target, device, 4);
}

void vm_disks_of(const json_t *spec, struct vm_disks *ret)
{
    const json_t *disks = json_object_get(spec, "disks"), *cdroms = json_object_get(spec, "cdroms");
    bool seed = json_object_get(spec, "cloud_init") != NULL;
    size_t total = json_array_size(disks) + json_array_size(cdroms) + seed;
    *ret = (struct vm_disks){.items = hm_alloc((total + 1) * sizeof *ret->items)};
    for (size_t i = 0; i < json_array_size(disks); i++)
        add_disk(ret, (struct vm_disk){.spec = json_array_get(disks, i)});
    for (size_t i = 0; i < json_array_size(cdroms); i++)
        add_disk(ret, (struct vm_disk){.spec = json_array_get(cdroms, i), .cdrom = true});
    if (seed)
        add_disk(ret, (struct vm_disk){.seed = true});
    for (size_t i = 0; i < ret->count; i++)
        if (!ret->items[i].target[0])
            first_free_target(ret, target_prefix(ret->items[i].bus), ret->items[i].target);
}

/* The target under which a disk of this path was written, or NULL. "disks[vdb].path": "/pool/data" */
static const char *place_of(const json_t *made, const char *path, const char *prefix)
{
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)(uintptr_t)made, key, value)
    {
        if (!strncmp(key, "disks[", 6) && !strncmp(key + 6, prefix, 2) && strstr(key, "].path") &&
            !strcmp(json_string_value(value), path))
            return key + 6;
    }
    return NULL;
}

static void keep_place(struct vm_disks *disks, struct vm_disk *d, const json_t *made)
{
    char target[VM_TARGET_MAX] = "";
    const char *place = d->path ? place_of(made, d->path, target_prefix(d->bus)) : NULL;
    size_t len = place ? strcspn(place, "]") : 0;
    if (len == 0 || len >= sizeof target)
        return;
    memcpy(target, place, len);
    if (!target_is_taken(disks, target))
        memcpy(d->target, target, sizeof target);
}

void vm_disks_keep_places(struct vm_disks *disks, const json_t *made)
{
    for (size_t i = 0; i < disks->count; i++) {
        struct vm_disk *d = &disks->items[i];
        if (!is_target_of(device_of(d), target_prefix(d->bus)))
            d->target[0] = '\0';
    }
    for (size_t i = 0; i < disks->count; i++)
        if (!disks->items[i].target[0])
            keep_place(disks, &disks->items[i], made);
    for (size_t i = 0; i < disks->count; i++)
        if (!disks->items[i].target[0])
            first_free_target(disks, target_prefix(disks->items[i].bus), disks->items[i].target);
}

void vm_disks_clear(struct vm_disks *disks)
{
    for (size_t i = 0; i < disks->count; i++) {
        free(disks->items[i].path);
        free(disks->items[i].format);
    }
    free(disks->items);
    memset(disks, 0, sizeof *disks);
}

char *vm_volume_name(const char *vm, const json_t *disk)
{
    return hm_printf("%s-%s.%s", vm, or_default(spec_str(disk, "device"), "vda"),
                     or_default(spec_str(disk, "format"), "qcow2"));
}

static void add_disk_device(xmlNodePtr devices, const struct vm_disk *d,
                            const struct boot_list *list)
{
    xmlNodePtr disk =
        xml_add_set(devices, "disk", "type", "file", "device", d->cdrom ? "cdrom" : "disk", NULL);
    xml_add_set(disk, "driver", "name", "qemu", "type", or_default(d->format, "raw"), NULL);
    if (d->path)
        xml_add_set(disk, "source", "file", d->path, NULL);
    xml_add_set(disk, "target", "dev", d->target, "bus", d->bus, NULL);
    if (d->cdrom || d->seed || spec_bool(d->spec, "readonly"))
        xml_add(disk, "readonly");
    const char *label = spec_str(d->spec, "label");
    if (label)
        xml_add_text(disk, "serial", label);
    if (!d->seed)
        domain_add_place(disk, list, d->spec);
    if (d->cdrom)
        return;
    char alias[VM_ALIAS_MAX];
    vm_disk_alias(or_default(spec_str(d->spec, "device"), d->target), alias);
    xml_add_set(disk, "alias", "name", d->seed ? VM_SEED_ALIAS : alias, NULL);
}

/* -- Networks ---------------------------------------------------------------------------------- */

/* FNV-1a: stable across sites and versions, spread well enough for 24 bits. */
static uint32_t hash_of(const char *text, size_t index)
{
    uint32_t h = 2166136261u;
    for (; *text; text++)
        h = (h ^ (unsigned char)*text) * 16777619u;
    return (h ^ (uint32_t)index) * 16777619u;
}

void vm_mac(const char *key, size_t index, char out[VM_MAC_TEXT])
{
    uint32_t h = hash_of(key, index);
    snprintf(out, VM_MAC_TEXT, "52:54:00:%02x:%02x:%02x", (h >> 24) & 0xff, (h >> 12) & 0xff,
             h & 0xff);
}

static void add_nic(xmlNodePtr devices, const json_t *nic, const struct boot_list *list,
                    const char *key, size_t index)
{
    const char *bridge = spec_str(nic, "bridge"), *network = spec_str(nic, "network");
    char mac[VM_MAC_TEXT];
    vm_mac(key, index, mac);
    if (spec_str(nic, "mac"))
        snprintf(mac, sizeof mac, "%s", spec_str(nic, "mac"));
    for (char *c = mac; *c; c++)
        *c = (char)tolower((unsigned char)*c);
    xmlNodePtr node =
        xml_add_set(devices, "interface", "type", bridge ? "bridge" : "network", NULL);
    xml_add_set(node, "mac", "address", mac, NULL);
    if (bridge)
        xml_add_set(node, "source", "bridge", bridge, NULL);
    else
        xml_add_set(node, "source", "network", or_default(network, "default"), NULL);
    xml_add_set(node, "model", "type", or_default(spec_str(nic, "model"), "virtio"), NULL);
    char alias[VM_ALIAS_MAX];
    vm_nic_alias(mac, alias);
    domain_add_place(node, list, nic);
    xml_add_set(node, "alias", "name", alias, NULL);
}

/* -- The domain -------------------------------------------------------------------------------- */

static bool is_x86(const char *arch)
{
    return !strcmp(arch, "x86_64") || !strcmp(arch, "i686");
}

static void add_os(xmlNodePtr root, const struct vm_build *b, const struct boot_list *list)
{
    xmlNodePtr os = xml_add(root, "os");
    domain_add_firmware(os, b->spec);
    xmlNodePtr type = xml_add_text(os, "type", "hvm");
    xml_set(type, "arch", b->arch);
    xml_set(type, "machine", is_x86(b->arch) ? "q35" : "virt");
    domain_add_boot_order(os, list, b->spec);
    const char *kernel = spec_str(b->spec, "kernel");
    if (!kernel)
        return;
    xml_add_text(os, "kernel", kernel);
    if (spec_str(b->spec, "initramfs"))
        xml_add_text(os, "initrd", spec_str(b->spec, "initramfs"));
    if (spec_str(b->spec, "cmdline"))
        xml_add_text(os, "cmdline", spec_str(b->spec, "cmdline"));
}

static void add_cpu(xmlNodePtr root, const json_t *spec)
{
    const char *cpu = or_default(spec_str(spec, "cpu"), "host-model");
    if (!strcmp(cpu, "host-model") || !strcmp(cpu, "host-passthrough") || !strcmp(cpu, "maximum")) {
        xml_add_set(root, "cpu", "mode", cpu, NULL);
        return;
    }
    xmlNodePtr node = xml_add_set(root, "cpu", "mode", "custom", "match", "exact", NULL);
    xml_set(xml_add_text(node, "model", cpu), "fallback", "forbid");
}

static void add_features(xmlNodePtr root, const char *arch)
{
    xmlNodePtr features = xml_add(root, "features");
    xml_add(features, "acpi");
    if (is_x86(arch))
        xml_add(features, "apic");
}

static void add_console(xmlNodePtr devices, const char *log)
{
    xmlNodePtr serial = xml_add_set(devices, "serial", "type", "pty", NULL);
    if (log)
        xml_add_set(serial, "log", "file", log, "append", "on", NULL);
    xml_add_set(serial, "target", "port", "0", NULL);
    xmlNodePtr console = xml_add_set(devices, "console", "type", "pty", NULL);
    xml_add_set(console, "target", "type", "serial", "port", "0", NULL);
}

/* The way to the agent in the guest, and the guest's way to say that its kernel panicked, without which
 * that looks like a guest that runs. */
static void add_signs_of_life(xmlNodePtr devices, const char *arch)
{
    xmlNodePtr channel = xml_add_set(devices, "channel", "type", "unix", NULL);
    xml_add_set(channel, "target", "type", "virtio", "name", VM_GUEST_AGENT, NULL);
    if (is_x86(arch))
        xml_add_set(devices, "panic", "model", "isa", NULL);
}

/* On loopback, and a port that libvirt finds. */
static void add_display(xmlNodePtr devices, const struct vm_build *b)
{
    const char *display = spec_str(b->spec, "display");
    if (!display || strcmp(display, "vnc") != 0)
        return;
    xml_add_set(devices, "graphics", "type", "vnc", "autoport", "yes", "listen", "127.0.0.1", NULL);
    xmlNodePtr video = xml_add(devices, "video");
    xml_add_set(video, "model", "type", is_x86(b->arch) ? "vga" : "virtio", NULL);
}

static void add_devices(xmlNodePtr root, const struct vm_build *b, const struct boot_list *list,
                        const char *key)
{
    xmlNodePtr devices = xml_add(root, "devices");
    for (size_t i = 0; i < b->disks->count; i++)
        add_disk_device(devices, &b->disks->items[i], list);
    const json_t *nics = json_object_get(b->spec, "networks");
    for (size_t i = 0; i < json_array_size(nics); i++)
        add_nic(devices, json_array_get(nics, i), list, key, i);
    add_console(devices, b->console);
    add_display(devices, b);
    add_signs_of_life(devices, b->arch);
    domain_add_hardware(devices, b);
}

char *domain_xml(const struct vm_build *b, struct mark *mark)
{
    XML_AUTOFREE xmlDocPtr doc = xml_new("domain");
    xmlNodePtr root = xml_root(doc);
    struct boot_list list;
    domain_boot_list(b, &list);
    xml_set(root, "type", b->type);
    xml_add_text(root, "name", b->name);
    if (b->uuid)
        xml_add_text(root, "uuid", b->uuid);
    domain_add_size(root, b->spec);
    domain_add_tuning(root, b->spec);
    add_os(root, b, &list);
    add_features(root, b->arch);
    add_cpu(root, b->spec);
    xml_add_set(root, "clock", "offset", "utc", NULL);
    xml_add_text(root, "on_poweroff", "destroy");
    xml_add_text(root, "on_reboot", "restart");
    xml_add_text(root, "on_crash", "destroy");
    add_devices(root, b, &list, mark->key);
    json_decref(mark->made);
    mark->made = domain_shape(root);
    mark_to_xml(mark, root);
    run_note_to_xml(&b->run, root);
    return xml_print(doc);
}
