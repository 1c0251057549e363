/*
 * A publisher's file of checksums: the entry of one file in it.
 *
 * Understood are the lines of sha256sum(1) ("HASH  FILE", "HASH *FILE"), those of `sha256sum --tag` and
 * the BSDs ("SHA256 (FILE) = HASH"), and a file that is one checksum and nothing else. Other lines
 * (signatures, comments, other algorithms) are passed over. Pure. Thread: any.
 */
#ifndef HM_VMM_IMAGE_SUMS_H
#define HM_VMM_IMAGE_SUMS_H

#include <stddef.h>

#include "base/error.h"
#include "proto/url.h"

enum { IMAGE_SUMS_MAX = 1 << 20 }; /* bytes; a larger one is nobody's list of checksums */

/* HM_E_NOT_FOUND: no entry for `file`; HM_E_INVALID: several that differ. In lower case. */
int image_sums_find(const char *text, size_t len, const char *file, char ret[SHA256_TEXT + 1],
                    struct hm_error *err);

#endif
