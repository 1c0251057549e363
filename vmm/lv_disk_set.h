/*
 * Inside the libvirt driver: the disks that belong together, of a VM or of a disk document, with the marks
 * of their volumes. Thread: any.
 */
#ifndef HM_VMM_LV_DISK_SET_H
#define HM_VMM_LV_DISK_SET_H

#include "vmm/lv_disk.h"
#include "vmm/lv_snapshot.h"

struct lv_disk_member {
    char *name; /* of the disk document, or its device in the VM */
    char *what; /* "disk data", "disk root of vm web" */
    struct lv_found_disk disk;
};
struct lv_disk_set {
    struct lv_disk_member *items;
    struct lv_image *images; /* of each, borrowed from it */
    size_t count;
    bool protect; /* its document, or the VM's, says so */
};

/* The one volume of the order's document. HM_E_NOT_FOUND, HM_E_CONFLICT. */
int lv_disk_set_of_document(struct lv *lv, const struct order *o, struct lv_disk_set *ret,
                            struct hm_error *err);
/* The disks that a VM of this spec writes to. Each must be a volume of ours, except, if `lenient`: images
 * and what is not there are left out. */
int lv_disk_set_of_vm(struct lv *lv, const struct order *o, const json_t *spec, bool lenient,
                      struct lv_disk_set *ret, struct hm_error *err);
/* Before the disks of a VM that its document, or the one before, protects are changed: a snapshot of those
 * that it has, by the spec of its definition (NULL: none). */
int lv_disks_protect(struct lv *lv, const struct order *o, const json_t *before,
                     struct hm_error *err);
void lv_disk_set_clear(struct lv_disk_set *set); /* zeroed is allowed */

#endif
