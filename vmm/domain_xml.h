/*
 * Domains as libvirt's XML: built from a vm spec, and read back. Pure. Thread: any.
 * Source: https://libvirt.org/formatdomain.html
 */
#ifndef HM_VMM_DOMAIN_XML_H
#define HM_VMM_DOMAIN_XML_H

#include <stdbool.h>

#include "vmm/driver.h"
#include "vmm/mark.h"

#define VM_GUEST_AGENT "org.qemu.guest_agent.0" /* its channel's name */

enum { VM_TARGET_MAX = 8 };

/* A disk or CD-ROM of a vm spec, with what the spec leaves open filled in. */
struct vm_disk {
    const json_t *spec; /* the element of disks[] or cdroms[]; borrowed */
    bool cdrom;
    bool seed;                  /* the one of cloud_init, read-only; spec is NULL */
    const char *bus;            /* virtio, sata, scsi, usb; borrowed */
    char target[VM_TARGET_MAX]; /* vda, sdb: no two alike */
    char *path;                 /* the file behind it; set by who makes the volumes */
    char *format;               /* qcow2 or raw */
};
struct vm_disks {
    struct vm_disk *items;
    size_t count;
};

/* All disks, then all CD-ROMs, then the one of cloud_init, in the spec's order, with their targets. Paths and formats are NULL.
 */
void vm_disks_of(const json_t *spec, struct vm_disks *ret);
/* Once the paths are known: a disk that stays keeps the target of `made` (its shape; may be NULL), so
 * that others may come and go while it runs. Those that are named after a target have that. */
void vm_disks_keep_places(struct vm_disks *disks, const json_t *made);
void vm_disks_clear(struct vm_disks *disks);

/* The name of the volume of a disk that the VM makes itself: <vm>-<device>.<format>; the caller's.
 */
char *vm_volume_name(const char *vm, const json_t *disk);

struct vm_build {
    const char *name;
    const char *uuid;    /* of the domain that is redefined; NULL: libvirt makes one */
    const char *type;    /* kvm, qemu, test */
    const char *arch;    /* x86_64 */
    const char *console; /* file that gets a copy of the serial console; NULL: none */
    const json_t *spec;
    const struct vm_disks *disks; /* with paths and formats */
    struct run_note run;          /* carried over */
};
/* The XML with the mark in it; mark->made is set to its shape. The caller frees the text. */
char *domain_xml(const struct vm_build *build, struct mark *mark);
json_t *domain_shape(xmlNodePtr root); /* vmm/shape.h; a new reference */

/* A MAC address that stays the same for this NIC of this document, on whichever site. */
enum { VM_MAC_TEXT = 18 };
void vm_mac(const char *key, size_t index, char out[VM_MAC_TEXT]);

/* What is of interest in a domain's XML. */
struct domain_info {
    char *name, *uuid;
    bool marked;
    struct mark mark;
    struct run_note run;
    json_t *shape; /* vmm/shape.h */
    json_t
        *details;  /* uuid, type, vcpus, memory (bytes), console, networks: mac, network, bridge */
    json_t *files; /* paths behind its disks */
    json_t
        *disks; /* its disks that are files, without CD-ROMs and the seed: target, path, format */
};
int domain_read(const char *xml, struct domain_info *ret, struct hm_error *err);
void domain_info_clear(struct domain_info *info);

#endif
