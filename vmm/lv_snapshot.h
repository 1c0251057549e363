/*
 * Inside the libvirt driver: snapshots of images, by which a disk goes back to what it held.
 *
 * They are qcow2's own (docs/adr/0026-snapshots.md): they lie in the image itself, so the file stays the one
 * that every definition names. A running guest's are made by QEMU, of all its disks at one instant; else by
 * qemu-img, which is refused what is in use. Thread: any.
 */
#ifndef HM_VMM_LV_SNAPSHOT_H
#define HM_VMM_LV_SNAPSHOT_H

#include "vmm/image_info.h"
#include "vmm/lv_disk.h"
#include "vmm/snapshot_name.h"

/* An image, and how it is called in a sentence ("disk data", "disk root of vm web"). Borrowed. */
struct lv_image {
    const char *what, *path, *format;
};

/* 0, or HM_E_UNSUPPORTED: not qcow2. */
int lv_snapshot_check_format(const struct lv_image *image, struct hm_error *err);

/*
 * Of all these images; one guest at most runs on them (HM_E_CONFLICT: it is not ours). Create: HM_E_CONFLICT
 * if one of them has it already. Delete: one that has none is fine; > 0: none had it.
 */
int lv_snapshot_create(struct lv *lv, const struct lv_image *images, size_t count, const char *name,
                       struct hm_error *err);
int lv_snapshot_delete(struct lv *lv, const struct lv_image *images, size_t count, const char *name,
                       struct hm_error *err);

/* Finish what a mark says is being applied, and take that out of the mark. If `fresh`, it was written there
 * just now: when the first image turns out to be in use, nothing has happened and it is taken back. */
int lv_snapshot_finish_apply(struct lv *lv, const struct lv_place *place, const char *volume,
                             struct volume_mark *mark, bool fresh, struct hm_error *err);

/* Before something risky is done to what `protect: true` protects: a snapshot of those of the images that
 * can have one. `spec` is what is to be applied: one that was made for it a moment ago is enough. */
int lv_snapshot_protect(struct lv *lv, const struct lv_image *images, size_t count,
                        const json_t *spec, struct hm_error *err);

/* In a running guest (lv_snapshot_live.c). `uses` has the guest's disk for each image. */
int lv_snapshot_create_live(struct lv *lv, const struct lv_disk_use *uses, size_t count,
                            const char *name, struct hm_error *err);
int lv_snapshot_delete_live(struct lv *lv, const struct lv_disk_use *use, const char *name,
                            struct hm_error *err);

/* The operations (lv_snapshot_op.c); see struct driver_operation. */
int lv_op_snapshot_create(void *self, const struct driver_call *call, struct driver_result *ret,
                          struct hm_error *err);
int lv_op_snapshot_list(void *self, const struct driver_call *call, struct driver_result *ret,
                        struct hm_error *err);
int lv_op_snapshot_apply(void *self, const struct driver_call *call, struct driver_result *ret,
                         struct hm_error *err);
int lv_op_snapshot_delete(void *self, const struct driver_call *call, struct driver_result *ret,
                          struct hm_error *err);

#endif
