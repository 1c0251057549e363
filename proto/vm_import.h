/*
 * Documents from a configuration in cloud-hypervisor's own form (vm-config.json), as people have it for VMs that they
 * started by hand. Pure, but for what it asks about the files of the disks.
 *
 * Taken over: cpus, memory, the payload (also in the older form, kernel, initramfs and cmdline of their own), disks and net.
 * A card with `ip` and `mask` had that address of the host on its TAP: it becomes a network with that subnet. A disk that the
 * guest writes to and that nobody may write to (it lies in a read-only store) becomes a volume on top of it. What means more than
 * that (devices of the host, shared folders, ...) is an error that names it; what harmony decides by itself (consoles, seccomp)
 * is noted. The text is anybody's: verified here, and what comes out is verified again as any document. Thread: any.
 */
#ifndef HM_PROTO_VM_IMPORT_H
#define HM_PROTO_VM_IMPORT_H

#include <stdbool.h>
#include <stdint.h>

#include <jansson.h>

#include "base/buf.h"
#include "base/error.h"

struct import_file {
    int64_t size;    /* that the guest sees */
    bool is_qcow2;   /* by what it begins with */
    bool is_written; /* somebody may write to it */
};

struct vm_import {
    const char *name, *site;
    const char *network; /* the cards are on this one; NULL: on one for each address */
    const char *folder;  /* paths that are not absolute are below it; NULL: an error */
    /* What the file at that path is; HM_E_NOT_FOUND, ... */
    int (*look)(void *data, const char *path, struct import_file *ret, struct hm_error *err);
    void *data;
};

/* *ret_docs: a list of documents as `harmonyctl apply` takes them, the VM last; a new reference, untouched on failure.
 * `notes`: a line for each thing that is not taken over. */
int vm_import(const json_t *config, const struct vm_import *o, json_t **ret_docs,
              struct hm_buf *notes, struct hm_error *err);

#endif
