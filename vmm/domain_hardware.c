#include "vmm/domain_hardware.h"

#include <stdio.h>
#include <string.h>

#include "proto/field.h"
#include "vmm/xml.h"

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

/* -- Devices ----------------------------------------------------------------------------------- */

enum {
    FIXED_PORTS = 5, /* USB, balloon, channels, random numbers, and one of libvirt's own */
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

void domain_add_hardware(xmlNodePtr devices, const struct vm_build *b)
{
    add_ports(devices, b);
}
