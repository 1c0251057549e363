/*
 * The parts of a domain that are no disk, card or boot setting: processors, memory, room for what is
 * plugged in later. Each puts its elements where libvirt's schema wants them. Pure. Thread: any.
 * Source: https://libvirt.org/formatdomain.html, https://libvirt.org/pci-hotplug.html
 */
#ifndef HM_VMM_DOMAIN_HARDWARE_H
#define HM_VMM_DOMAIN_HARDWARE_H

#include "vmm/domain_xml.h"

/* memory, currentMemory, vcpu, vcpus; into <domain>. */
void domain_add_size(xmlNodePtr root, const json_t *spec);
/* cputune, memoryBacking; into <domain>. */
void domain_add_tuning(xmlNodePtr root, const json_t *spec);
/* The firmware's choice; into <os>, as its first elements. */
void domain_add_firmware(xmlNodePtr os, const json_t *spec);
/* TPM, watchdog, random numbers, and room for devices to come; into <devices>. */
void domain_add_hardware(xmlNodePtr devices, const struct vm_build *build);
/* What of all this is there, for vmm/shape.h. */
void domain_shape_hardware(json_t *shape, xmlNodePtr root);

/* By which a device that we made is known while it runs, and detached. Others carry none that begins
 * with the prefix. Source: https://libvirt.org/formatdomain.html#devices ("user-specified alias") */
#define VM_ALIAS_PREFIX "ua-harmony-"
enum { VM_ALIAS_MAX = 96 };
#define VM_SEED_ALIAS VM_ALIAS_PREFIX "seed"
void vm_disk_alias(const char *device, char out[VM_ALIAS_MAX]);
void vm_nic_alias(const char *mac, char out[VM_ALIAS_MAX]);

#endif
