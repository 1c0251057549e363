#include "vmm/domain_hardware.h"

#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "proto/field.h"
#include "vmm/shape.h"
#include "vmm/xml.h"

/* Every q35 has an iTCO one besides, which newer versions of libvirt show. */
#define WATCHDOG_MODEL "i6300esb"

/* -- Aliases ----------------------------------------------------------------------------------- */

void vm_disk_alias(const char *device, char out[VM_ALIAS_MAX])
{
    snprintf(out, VM_ALIAS_MAX, VM_ALIAS_PREFIX "disk-%s", device);
}

void vm_nic_alias(const char *mac, char out[VM_ALIAS_MAX])
{
    snprintf(out, VM_ALIAS_MAX, VM_ALIAS_PREFIX "card-%s", mac);
    for (char *c = out; *c; c++)
        if (*c == ':')
            *c = '-';
}

/* -- Processors and memory --------------------------------------------------------------------- */

/* Whole MiB: libvirt would round up by itself, and what it gives back would look changed. */
static int64_t kib_of(int64_t bytes)
{
    return ((bytes + (1 << 20) - 1) >> 20) * 1024;
}

/* All but the first are plugged in as such, so that one can be taken away by hand. */
static void add_each_vcpu(xmlNodePtr root, int64_t now, int64_t max)
{
    xmlNodePtr vcpus = xml_add(root, "vcpus");
    for (int64_t i = 0; i < max; i++) {
        xmlNodePtr vcpu = xml_add(vcpus, "vcpu");
        xml_set_int(vcpu, "id", i);
        xml_set(vcpu, "enabled", i < now ? "yes" : "no");
        xml_set(vcpu, "hotpluggable", i == 0 ? "no" : "yes");
    }
}

static void add_vcpus(xmlNodePtr root, const json_t *spec)
{
    int64_t now = spec_int(spec, "vcpus", 2), max = spec_int(spec, "max_vcpus", now);
    xmlNodePtr vcpu = xml_add_int(root, "vcpu", max);
    if (now < max)
        xml_set_int(vcpu, "current", now);
    if (json_object_get(spec, "max_vcpus"))
        add_each_vcpu(root, now, max);
}

void domain_add_size(xmlNodePtr root, const json_t *spec)
{
    int64_t now = spec_int(spec, "memory", 4096LL << 20);
    int64_t max = spec_int(spec, "max_memory", now);
    xml_set(xml_add_int(root, "memory", kib_of(max)), "unit", "KiB");
    xml_set(xml_add_int(root, "currentMemory", kib_of(now)), "unit", "KiB");
    add_vcpus(root, spec);
}

static void add_pinning(xmlNodePtr root, const json_t *pinning)
{
    size_t i;
    json_t *cpus;
    xmlNodePtr tune = json_array_size(pinning) ? xml_add(root, "cputune") : NULL;
    json_array_foreach(pinning, i, cpus)
    {
        xmlNodePtr pin = xml_add(tune, "vcpupin");
        xml_set_int(pin, "vcpu", (int64_t)i);
        xml_set(pin, "cpuset", json_string_value(cpus));
    }
}

void domain_add_tuning(xmlNodePtr root, const json_t *spec)
{
    int64_t page = spec_int(spec, "hugepages", 0);
    add_pinning(root, json_object_get(spec, "cpu_pinning"));
    if (!page)
        return;
    xmlNodePtr pages = xml_add(xml_add(root, "memoryBacking"), "hugepages");
    xml_set_int(xml_add_set(pages, "page", "unit", "KiB", NULL), "size", page / 1024);
}

/* -- Firmware ---------------------------------------------------------------------------------- */

/* libvirt finds one that the host has, by these words; its first choice would be with secure boot. */
void domain_add_firmware(xmlNodePtr os, const json_t *spec)
{
    const char *firmware = spec_str(spec, "firmware");
    if (!firmware || strcmp(firmware, "uefi") != 0)
        return;
    xml_set(os, "firmware", "efi");
    xmlNodePtr choice = xml_add(os, "firmware");
    xml_add_set(choice, "feature", "enabled", "no", "name", "enrolled-keys", NULL);
    xml_add_set(choice, "feature", "enabled", "no", "name", "secure-boot", NULL);
}

/* -- Devices ----------------------------------------------------------------------------------- */

enum {
    FIXED_PORTS =
        6, /* a bridge to PCI, USB, balloon, channels, random numbers, and one of libvirt's own */
    SPARE_PORTS = 6, /* for what is plugged in while it runs */
};

static bool is_pcie(const char *arch)
{
    return !strcmp(arch, "x86_64") || !strcmp(arch, "aarch64");
}

/* A device of PCI Express needs a port of its own, and libvirt makes one more than it needs now. */
static void add_ports(xmlNodePtr devices, const struct vm_build *b)
{
    size_t count = FIXED_PORTS + SPARE_PORTS;
    count += json_array_size(json_object_get(b->spec, "networks"));
    for (size_t i = 0; i < b->disks->count; i++)
        count += !strcmp(b->disks->items[i].bus, "virtio");
    if (!is_pcie(b->arch))
        return;
    xml_add_set(devices, "controller", "type", "pci", "index", "0", "model", "pcie-root", NULL);
    for (size_t i = 0; i < count; i++)
        xml_add_set(devices, "controller", "type", "pci", "model", "pcie-root-port", NULL);
}

static void add_tpm(xmlNodePtr devices, const struct vm_build *b)
{
    if (!spec_bool(b->spec, "tpm"))
        return;
    const char *model = !strcmp(b->arch, "x86_64") ? "tpm-crb" : "tpm-tis";
    xmlNodePtr tpm = xml_add_set(devices, "tpm", "model", model, NULL);
    xml_add_set(tpm, "backend", "type", "emulator", "version", "2.0", NULL);
}

static void add_watchdog(xmlNodePtr devices, const json_t *spec)
{
    const char *action = spec_str(spec, "watchdog");
    if (action && strcmp(action, "none") != 0)
        xml_add_set(devices, "watchdog", "model", WATCHDOG_MODEL, "action", action, NULL);
}

static void add_rng(xmlNodePtr devices, const json_t *spec)
{
    if (!spec_bool(spec, "rng"))
        return;
    xmlNodePtr rng = xml_add_set(devices, "rng", "model", "virtio", NULL);
    xml_set(xml_add_text(rng, "backend", "/dev/urandom"), "model", "random");
}

void domain_add_hardware(xmlNodePtr devices, const struct vm_build *b)
{
    add_tpm(devices, b);
    add_watchdog(devices, b->spec);
    add_rng(devices, b->spec);
    add_ports(devices, b);
}

/* -- Shape ------------------------------------------------------------------------------------- */

static void shape_pinning(json_t *shape, xmlNodePtr root)
{
    for (xmlNodePtr pin = xml_at(root, "cputune/vcpupin"); pin; pin = xml_next(pin)) {
        HM_AUTOFREE char *vcpu = xml_get(pin, "vcpu"), *cpus = xml_get(pin, "cpuset");
        shape_set(shape, cpus, "cpu_pinning[%s]", vcpu ? vcpu : "?");
    }
}

static void shape_attribute(json_t *shape, xmlNodePtr node, const char *attribute, const char *key)
{
    HM_AUTOFREE char *text = xml_get(node, attribute);
    shape_set(shape, text, "%s", key);
}

static void shape_watchdog(json_t *shape, xmlNodePtr devices)
{
    for (xmlNodePtr w = xml_at(devices, "watchdog"); w; w = xml_next(w)) {
        HM_AUTOFREE char *model = xml_get(w, "model");
        if (model && !strcmp(model, WATCHDOG_MODEL))
            shape_attribute(shape, w, "action", "watchdog");
    }
}

void domain_shape_hardware(json_t *shape, xmlNodePtr root)
{
    xmlNodePtr devices = xml_at(root, "devices"), rng = xml_at(devices, "rng");
    HM_AUTOFREE char *source = xml_text(xml_at(rng, "backend"));
    shape_pinning(shape, root);
    shape_attribute(shape, xml_at(root, "memoryBacking/hugepages/page"), "size", "hugepages");
    shape_attribute(shape, xml_at(root, "os"), "firmware", "firmware");
    shape_attribute(shape, xml_at(devices, "tpm"), "model", "tpm");
    shape_watchdog(shape, devices);
    shape_set(shape, source, "rng");
}
