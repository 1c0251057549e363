/*
 * Inside the libvirt driver: what the files about disks share.
 *
 * A disk is a volume of ours (vmm/volume.h): of a disk document, found by its mark wherever it is, or of a
 * VM, named after it; or an image that is used where it is. Thread: any.
 */
#ifndef HM_VMM_LV_DISK_H
#define HM_VMM_LV_DISK_H

#include "vmm/disk_spec.h"
#include "vmm/lv.h"
#include "vmm/volume.h"

const char *lv_disk_pool(const json_t *spec); /* of a disk document, or of an element of disks[] */

/* The volume of a disk document. */
struct lv_found_disk {
    struct lv_place place;
    char *volume, *path;
    const char *format;
    struct volume_mark mark;
};

/* 1: found; 0: none. *ret is to be cleared when it was. */
int lv_find_disk(struct lv *lv, const char *name, struct lv_found_disk *ret, struct hm_error *err);
void lv_found_disk_clear(struct lv_found_disk *found);

#endif
