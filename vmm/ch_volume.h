/*
 * Volumes without libvirt: files in a folder, with the marks of docs/adr/0010-volume-marks.md, so that a VM finds
 * its data again under either backend.
 *
 * As vmm/volume.h says, the mark is `making` from before the file is there until it is whole, and `removing` from
 * before it goes. qemu-img makes and grows them. Blocks; thread: any, but one volume is one thread's.
 */
#ifndef HM_VMM_CH_VOLUME_H
#define HM_VMM_CH_VOLUME_H

#include "vmm/volume.h"

struct ch_volume_wish {
    const char *dir, *volume, *format;
    int64_t bytes;
    const struct order *order;            /* whose it is, and whether it adopts */
    const json_t *spec;                   /* what goes into its mark */
    const char *base, *base_format;       /* what a new one is a copy of; NULL: nothing */
    const char *backing, *backing_format; /* what a new one is made on top of; NULL: nothing */
    bool is_open;                         /* a VMM has it open: it is not grown */
};
/* *ret_path is the caller's. */
int ch_volume_ensure(const struct ch_volume_wish *w, char **ret_path, struct hm_error *err);
/* > 0: there was none. */
int ch_volume_remove(const char *dir, const char *volume, const struct order *order,
                     struct hm_error *err);

#endif
