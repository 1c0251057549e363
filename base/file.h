/*
 * Whole files: read with a bound, written so that a reader sees the old or the new one, never half.
 *
 * hm_file_write_atomic(): temporary file in the same folder, write, fsync, rename, fsync of the
 * folder; on failure the old file is untouched and the temporary one removed (HM_E_NO_SPACE: the disk
 * is full). Both block on the disk: not for the loop thread of the agent, except at start. Thread: any.
 */
#ifndef HM_BASE_FILE_H
#define HM_BASE_FILE_H

#include <dirent.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/types.h>

#include "base/error.h"

/* Read at most `max` bytes; a larger file is HM_E_TOO_LARGE, an absent one HM_E_NOT_FOUND. On
 * success *ret_data is NUL-terminated and the caller's to free(). */
int hm_file_read(const char *path, size_t max, char **ret_data, size_t *ret_len,
                 struct hm_error *err);

int hm_file_write_atomic(const char *path, const void *data, size_t len, mode_t mode,
                         struct hm_error *err);

/* Remove what a process that was killed in hm_file_write_atomic() has left in that folder, of files whose names end in
 * `end`. Only where nobody writes one at that moment. */
void hm_file_sweep(const char *folder, const char *end);

/* What was written to it, by whomever, is on the disk. */
int hm_file_sync(const char *path, struct hm_error *err);

/* It stays gone after a power cut, too; one that is not there is fine. */
int hm_file_remove(const char *path, struct hm_error *err);

/* The next of an open folder; NULL, with errno 0: that was all. With another errno: it can't be read, and more may be there. */
struct dirent *hm_next_entry(DIR *dir);

/* Make the folder and its parents (mode 0755 but the last: `mode`); one that is there is fine. */
int hm_mkdirs(const char *path, mode_t mode, struct hm_error *err);

/* What a file system says of itself may be any number (some of the net report 16 EiB of room): at most INT64_MAX. */
int64_t hm_blocks_bytes(uint64_t blocks, uint64_t block_size);
/* When it was changed, to be compared with another such answer; ns of an instant that these can hold, else the last. */
int64_t hm_file_changed_ns(const struct stat *st);

#endif
