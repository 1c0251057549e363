/*
 * What a domain boots from, and in which order. Sorts of devices (boot_order) are <os>'s to say; as soon
 * as one device says its own place (boot), each of those that are tried has a number, since libvirt takes
 * one form or the other. Pure. Thread: any.
 * Source: https://libvirt.org/formatdomain.html#bios-bootloader ("boot order")
 */
#ifndef HM_VMM_DOMAIN_BOOT_H
#define HM_VMM_DOMAIN_BOOT_H

#include "vmm/domain_xml.h"

enum { BOOT_MOST = 48 }; /* disks, CD-ROMs and cards that a document can have */

/* Elements of disks[], cdroms[] and networks[], in the order in which they are tried; borrowed. Empty: none
 * says its place. */
struct boot_list {
    const json_t *items[BOOT_MOST];
    size_t count;
};
void domain_boot_list(const struct vm_build *build, struct boot_list *ret);
/* <boot order='N'/> into a device, if it is in the list. */
void domain_add_place(xmlNodePtr device, const struct boot_list *list, const json_t *element);
/* <boot dev='...'/> into <os>, unless devices say it. */
void domain_add_boot_order(xmlNodePtr os, const struct boot_list *list, const json_t *spec);

#endif
