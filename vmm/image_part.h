/*
 * The beginning of a download, and what it is the beginning of: PATH and PATH.json.
 *
 * It is resumed only with a validator of the server's: a strong ETag, or a Last-Modified. Blocks on the
 * disk; thread: one at a time for each path.
 */
#ifndef HM_VMM_IMAGE_PART_H
#define HM_VMM_IMAGE_PART_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

enum { IMAGE_VALIDATOR_MAX = 256 };

struct image_part {
    const char *path, *url;
    int fd;                              /* open for writing, at its end */
    int64_t have;                        /* bytes that it holds */
    int64_t total;                       /* of the whole; 0: not known */
    char validator[IMAGE_VALIDATOR_MAX]; /* for If-Range; "": none, it can't be resumed */
};

/* What can't be resumed is emptied. `path` and `url` are borrowed for the part's life. */
int image_part_open(const char *path, const char *url, struct image_part *ret,
                    struct hm_error *err);
/* Begin anew, with what the server says about the file now. */
int image_part_begin(struct image_part *p, const char *validator, int64_t total,
                     struct hm_error *err);
/* HM_E_NO_SPACE: also when it would leave too little of the disk to others. */
int image_part_add(struct image_part *p, const void *data, size_t len, struct hm_error *err);
int image_part_check_room(const struct image_part *p, int64_t more, struct hm_error *err);
int image_part_sync(struct image_part *p, struct hm_error *err);
void image_part_close(struct image_part *p);
void image_part_remove(const char *path); /* and what is beside it */

#endif
