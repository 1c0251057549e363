/*
 * The image store: downloaded files by their contents, and who they are kept for.
 *
 * All of it lies in the folder harmony-images below image_dir:
 *   HASH.image        a complete file, whose SHA-256 is HASH; read-only by agreement
 *   HASH.part         what was downloaded of it so far, HASH.part.json: what it is a part of
 *   NAME.image.json   the mark of the image-file document NAME (vmm/mark.h, and the checksum once it
 *                     is known)
 *   NAME.vm.json      the checksums of what the VM NAME has in its CD-ROM drives by URL;
 *                     POOL.VOLUME.vm.json: of what that volume was made on top of
 * A file HASH.* that neither a mark nor a VM's list names, and no download works on, is removed by
 * image_store_collect(); other names are nobody's and left alone, and while one mark or list can't be
 * read nothing is removed at all. docs/adr/0024-image-store.md. Blocks on the disk; thread: any but
 * the loop's.
 */
#ifndef HM_VMM_IMAGE_STORE_H
#define HM_VMM_IMAGE_STORE_H

#include <stdbool.h>

#include "base/error.h"
#include "proto/url.h"
#include "vmm/mark.h"

#define IMAGE_STORE_FOLDER "harmony-images"

/* An image that can be used: complete, and checked when it was stored. */
struct image_file {
    char *path;
    char *format; /* iso, qcow2, raw */
    char sha256[SHA256_TEXT + 1];
};
void image_file_clear(struct image_file *f); /* zeroed is allowed */

/* The file of the image-file document `name`. HM_E_NOT_FOUND: there is no such image here;
 * HM_E_IN_PROGRESS: it is not complete yet. */
int image_store_find(const char *image_dir, const char *name, struct image_file *ret,
                     struct hm_error *err);

/* -- For those who fill it. `store` is the folder, of image_store_path(); the caller's to free. ---- */

char *image_store_path(const char *image_dir);
int image_store_make(const char *store, struct hm_error *err); /* the folder */

char *image_store_file(const char *store, const char *sha256); /* HASH.image; the caller's */
char *image_store_part(const char *store, const char *sha256); /* HASH.part */
bool image_store_has(const char *store, const char *sha256);

struct image_mark {
    struct mark mark;
    char sha256[SHA256_TEXT + 1]; /* in lower case; "": not known yet */
};
void image_mark_clear(struct image_mark *m);
/* 1: found; 0: none. One that can't be read is an error. */
int image_mark_read(const char *store, const char *name, struct image_mark *ret,
                    struct hm_error *err);
/* `sha256` "": not known yet. */
int image_mark_write(const char *store, const char *name, const struct mark *m, const char *sha256,
                     struct hm_error *err);
/* The same mark, and the checksum that its document did not say; nothing if it is gone. */
int image_mark_learn(const char *store, const char *name, const char *sha256, struct hm_error *err);
int image_mark_remove(const char *store, const char *name, struct hm_error *err);

/* Each image-file that has a mark, until `visit` returns a negative number. */
int image_store_each(const char *store, int (*visit)(void *data, const char *name), void *data,
                     struct hm_error *err);

/* What a VM (or a volume, as POOL.VOLUME) needs from now on: a list of checksums; empty: nothing. */
int image_store_claim(const char *store, const char *vm, const json_t *sha256s,
                      struct hm_error *err);
json_t *image_store_claims(const char *store, const char *vm); /* a new reference; never NULL */

/* Does a mark or a VM's list name it? What can't be read may. */
bool image_store_needs(const char *store, const char *sha256);

/* Remove what nobody needs. `is_busy` (may be NULL): a download works on it. */
int image_store_collect(const char *store, bool (*is_busy)(void *data, const char *sha256),
                        void *data, struct hm_error *err);

#endif
