/* Inside proto/kind_vm*.c: the parts of the kind vm. Pure. Thread: any. */
#ifndef HM_PROTO_KIND_VM_H
#define HM_PROTO_KIND_VM_H

#include "proto/field.h"

/* Tables of the elements of disks[], cdroms[] and networks[]. */
extern const struct field vm_disk_fields[], vm_cdrom_fields[], vm_nic_fields[];

/* What these can't say; `at` is set on failure. */
int vm_check_devices(const json_t *spec, struct field_place *at, struct hm_error *err);

/* What its backend can't do (kind_vm_backend.c). */
int vm_check_backend(const json_t *spec, struct field_place *at, struct hm_error *err);

/* What it costs to plug a disk, or a CD-ROM drive, in or out (struct field, weigh). */
enum field_cost vm_weigh_disk(const json_t *before, const json_t *after, char **ret_why);
enum field_cost vm_weigh_cdrom(const json_t *before, const json_t *after, char **ret_why);

#endif
