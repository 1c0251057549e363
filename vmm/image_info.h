/*
 * What `qemu-img info --output=json` says about one image: parsed, with bounds.
 *
 * The image may be anybody's, so what it makes qemu-img say is hostile: names in it are texts to compare
 * and to show, never to open. Source: qemu-img(1), "ImageInfo" of QEMU's QMP reference. Pure. Thread: any.
 */
#ifndef HM_VMM_IMAGE_INFO_H
#define HM_VMM_IMAGE_INFO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <jansson.h>

#include "base/error.h"

struct image_snapshot {
    char *name;
    int64_t created_s; /* Unix time, in [0, INT64_MAX ns]; 0: what it told is none */
};

struct image_info {
    char *format;
    int64_t size;                   /* bytes that the guest sees */
    int64_t allocated;              /* bytes that it takes on the host */
    char *backing, *backing_format; /* as the image's header names them; NULL: none */
    bool has_data_file;             /* its data is in yet another file, which its header names */
    bool is_encrypted, is_corrupt;
    bool is_old; /* qcow2 of version 2: can't be resized once it has snapshots */
    struct image_snapshot *snapshots;
    size_t snapshot_count;
};

/* *ret is untouched on failure (HM_E_INVALID, HM_E_TOO_LARGE), else to be cleared. */
int image_info_parse(const char *text, size_t len, struct image_info *ret, struct hm_error *err);
void image_info_clear(struct image_info *info); /* zeroed is allowed */

/*
 * May a guest be given it? 0, or HM_E_REFUSED: it is encrypted, its data is elsewhere, or its header names
 * another backing file than `expected` (NULL: none), which could be any file of the host. HM_E_IO: QEMU
 * has marked it corrupt.
 */
int image_info_check(const struct image_info *info, const char *path, const char *expected,
                     struct hm_error *err);

const struct image_snapshot *image_info_find(const struct image_info *info, const char *snapshot);

/* That of this name in a list for several disks, added if it is not there yet: name, created, disks (none yet)
 * and declared (false). Borrowed from the list. */
json_t *image_snapshot_entry(json_t *list, const struct image_snapshot *s);
/* At the end: which of them all `count` disks have (complete), so that they can be applied to all. */
void image_snapshots_complete(json_t *list, size_t count);
/* For the status: size, allocation, format, backing, snapshots [{name, created}]; a new reference. */
json_t *image_info_json(const struct image_info *info);

#endif
