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
/* Room for devices to come; into <devices>. */
void domain_add_hardware(xmlNodePtr devices, const struct vm_build *build);

/* By which a device that we made is known while it runs, and detached. Others carry none that begins
 * with the prefix. Source: https://libvirt.org/formatdomain.html#devices ("user-specified alias") */
#define VM_ALIAS_PREFIX "ua-harmony-"
enum { VM_ALIAS_MAX = 96 };
void vm_disk_alias(const char *device, char out[VM_ALIAS_MAX]);
void vm_nic_alias(const char *mac, char out[VM_ALIAS_MAX]);

#endif
