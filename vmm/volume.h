/*
 * Volumes of a directory pool that carry our mark (docs/adr/0010-volume-marks.md).
 *
 * The mark is a file beside the volume, <volume>.harmony.json. It says `making` from before the
 * volume is created until that is done, `made` then, and `removing` from before it is removed. So a
 * crash leaves nothing that can be mistaken: `making` without a volume is nothing, with one it is a
 * volume that nobody has used (made anew); `removing` is removed on; and `made` without a volume
 * means that somebody took the data away, which is said and not papered over. Thread: any.
 */
#ifndef HM_VMM_VOLUME_H
#define HM_VMM_VOLUME_H

#include "vmm/lv.h"
#include "vmm/mark.h"

#define VOLUME_MARK_SUFFIX ".harmony.json"

#define VOLUME_STATES(X)                                                                           \
    X(MAKING, "making")                                                                            \
    X(MADE, "made")                                                                                \
    X(REMOVING, "removing")

enum volume_state {
#define VOLUME_STATE_ENUM(id, text) VOLUME_##id,
    VOLUME_STATES(VOLUME_STATE_ENUM)
#undef VOLUME_STATE_ENUM
};

/*
 * A snapshot that is being applied: from before it is until it has been, so that no guest gets what was
 * half put back. In the mark of one volume, for all that are put back together.
 */
struct volume_mark {
    struct mark mark;
    enum volume_state state;
    json_t *apply; /* {"snapshot", "paths"}; NULL: none */
    char *backing; /* the file that the volume was made on top of; NULL: none */
};
void volume_mark_clear(struct volume_mark *m); /* zeroed is allowed */

/* 1: found; 0: none. One that can't be read is an error: it may protect somebody's data. */
int volume_mark_read(const char *dir, const char *volume, struct volume_mark *ret,
                     struct hm_error *err);
int volume_mark_write(const char *dir, const char *volume, const struct volume_mark *m,
                      struct hm_error *err);
int volume_mark_remove(const char *dir, const char *volume, struct hm_error *err);

/* What a volume shall be. Everything is borrowed. */
struct volume_wish {
    const struct lv_place *place;
    const char *volume, *format;
    int64_t bytes;
    const struct order *order; /* whose it is, and whether it adopts */
    const json_t *spec; /* what goes into the mark; its `snapshots` are made if they are new */
    bool protect;       /* a snapshot before it grows */
    const char *base, *base_format; /* what a new one is a copy of; NULL: it is empty */
    /* What a new one is made on top of: a file of that format, or the image of an image-file document. All
     * NULL: nothing. */
    const char *backing, *backing_format, *backing_image;
};
/* Make it or find it ours; *ret_path is the caller's. */
int volume_ensure(struct lv *lv, const struct volume_wish *wish, char **ret_path,
                  struct hm_error *err);
/* Before a guest gets it: what was begun is finished, and its header names nothing unexpected. */
int volume_check(struct lv *lv, const struct lv_place *place, const char *volume,
                 const char *format, struct hm_error *err);
/* Remove it and its mark, if it is ours. > 0: there was none. */
int volume_remove(struct lv *lv, const struct lv_place *place, const char *volume,
                  const struct order *order, struct hm_error *err);

/* Look a volume up, past a list of libvirt's that went stale. 1: found; 0: none. */
int volume_find(struct lv *lv, const struct lv_place *place, const char *volume,
                virStorageVolPtr *ret, struct hm_error *err);

#endif
