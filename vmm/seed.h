/*
 * The NoCloud seed of a VM: an ISO with the label cidata, from which cloud-init takes what it shall do.
 *
 * It is <image_dir>/harmony-seeds/<vm>.iso, made beside its name and renamed, mode 0600: user data holds
 * passwords, so it is in no argument, log or status either. Made by xorriso, by argv. Blocks; thread: any but
 * the loop's. Source: https://cloudinit.readthedocs.io/en/latest/reference/datasources/nocloud.html
 */
#ifndef HM_VMM_SEED_H
#define HM_VMM_SEED_H

#include <jansson.h>

#include "base/error.h"

/* `cloud_init`: as in the document; `key` is the instance's identity for the guest. *ret_path is the caller's. */
int seed_make(const char *image_dir, const char *vm, const char *key, const json_t *cloud_init,
              char **ret_path, struct hm_error *err);
char *seed_path(const char *image_dir, const char *vm); /* the caller's */
int seed_remove(const char *image_dir, const char *vm, struct hm_error *err); /* absent: fine */

#endif
