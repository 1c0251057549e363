/*
 * What the documents say of a disk, as every backend reads it: of a disk document, or of an element of disks[]. Pure.
 * Thread: any.
 */
#ifndef HM_VMM_DISK_SPEC_H
#define HM_VMM_DISK_SPEC_H

#include <stdbool.h>
#include <stdint.h>

#include <jansson.h>

extern const char *const disk_spec_formats[];     /* NULL-terminated, the default first */
const char *disk_spec_format(const json_t *spec); /* a constant */
int64_t disk_spec_bytes(const json_t *spec);
const char *disk_spec_backing_format(const json_t *spec); /* NULL: nothing is below it */
/* Is it the key of the disk document of that name, wherever that is? */
bool disk_spec_is_key(const char *key, const char *name);

#endif
