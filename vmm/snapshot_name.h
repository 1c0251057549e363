/*
 * Snapshots in images, as every backend names and counts them (docs/adr/0026-snapshots.md). Thread: any.
 */
#ifndef HM_VMM_SNAPSHOT_NAME_H
#define HM_VMM_SNAPSHOT_NAME_H

#include "base/error.h"

enum {
    SNAPSHOTS_MAX = 128, /* of one image */
    SNAPSHOT_NAME_MAX = 64,
};

/* A name that no id of QEMU's can be mistaken for: it begins with a letter. */
int snapshot_name_check(const char *name, struct hm_error *err);

/* "auto-20261129t203412-347-TAG", of now, to the ms: two changes within a second are two names; `tag` may be NULL. */
void snapshot_name_auto(const char *tag, char out[SNAPSHOT_NAME_MAX]);

#endif
