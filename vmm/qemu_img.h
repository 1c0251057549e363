/*
 * qemu-img, by argv, with a deadline and bounded output: the few things that it does to our images.
 *
 * Paths are absolute, so none is read as a protocol ("nbd:...") or an option; the format is always said
 * and never guessed from the content, which a guest may have written. An image that is in use is locked
 * by QEMU, and qemu-img respects that. Nothing here makes an image smaller or changes one's format.
 * Errors: HM_E_NOT_FOUND, HM_E_INVALID (not of that format), HM_E_REFUSED (in use), HM_E_NO_SPACE, HM_E_IO,
 * HM_E_TIMEOUT (whether it was done is unknown), HM_E_PROCESS. Blocks; thread: any but the loop's.
 * Source: qemu-img(1).
 */
#ifndef HM_VMM_QEMU_IMG_H
#define HM_VMM_QEMU_IMG_H

#include "vmm/image_info.h"

/* Of this image alone: what its header names is not opened. Also while a guest runs on it. */
int qemu_img_info(const char *path, const char *format, struct image_info *ret,
                  struct hm_error *err);
/* A new file that holds the same; sparse. What is there is written over. */
int qemu_img_copy(const char *from, const char *from_format, const char *to, const char *to_format,
                  struct hm_error *err);
/* A new one, empty or (backing not NULL) on top of that file, which is not opened. What is there is written over. */
int qemu_img_create(const char *path, const char *format, int64_t bytes, const char *backing,
                    const char *backing_format, struct hm_error *err);
int qemu_img_grow(const char *path, const char *format, int64_t bytes, struct hm_error *err);

int qemu_img_snapshot_create(const char *path, const char *snapshot, struct hm_error *err);
/* What the image holds becomes what it held then; its size, too. */
int qemu_img_snapshot_apply(const char *path, const char *snapshot, struct hm_error *err);
int qemu_img_snapshot_delete(const char *path, const char *snapshot, struct hm_error *err);

#endif
