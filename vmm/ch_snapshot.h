/*
 * Snapshots of the disks of a VM on cloud-hypervisor, as qcow2 holds them (docs/adr/0026-snapshots.md): of those that it
 * writes to, all together. No VMM has them open meanwhile: it knows nothing of snapshots. Blocks; thread: any.
 */
#ifndef HM_VMM_CH_SNAPSHOT_H
#define HM_VMM_CH_SNAPSHOT_H

#include "vmm/ch.h"

struct ch_disk_set {
    const struct ch *ch;
    const char *vm;
    struct ch_disk_member {
        char *device, *volume, *path;
    } * items;
    size_t count;
    bool protect;
};
/* Of that spec, borrowed with `vm`. *ret is to be cleared in every case. HM_E_UNSUPPORTED: one of them can hold none;
 * HM_E_NOT_FOUND: it writes to none. */
int ch_disk_set_of(const struct ch *ch, const char *vm, const json_t *spec, struct ch_disk_set *ret,
                   struct hm_error *err);
void ch_disk_set_clear(struct ch_disk_set *set);
/* The next start goes on from that snapshot's memory, over these disks (ch_memory.h). */
int ch_disk_set_note_resume(const struct ch_disk_set *set, const char *snapshot,
                            struct hm_error *err);

/* Can all have one more, of that name? HM_E_CONFLICT, HM_E_TOO_LARGE. */
int ch_snapshot_check(const struct ch_disk_set *set, const char *name, struct hm_error *err);
/* Of all, or of none. */
int ch_snapshot_make(const struct ch_disk_set *set, const char *name, struct hm_error *err);
/* Have all of them it? HM_E_NOT_FOUND. */
int ch_snapshot_find(const struct ch_disk_set *set, const char *name, struct hm_error *err);
/* The VM is not started from before the first disk is put back until the last one has been (ch_volume.h). */
int ch_snapshot_put_back(const struct ch_disk_set *set, const char *name, struct hm_error *err);
/* > 0: none had it. */
int ch_snapshot_drop(const struct ch_disk_set *set, const char *name, struct hm_error *err);
/* As the operation answers: a new reference. */
int ch_snapshot_list(const struct ch_disk_set *set, json_t **ret, struct hm_error *err);

/* A guest that runs: its memory is saved, its VMM ended, its disks' snapshot made, and it goes on in a new VMM
 * (ch_save.c). *ret: the operation's answer. */
int ch_vm_save(struct ch *ch, const struct driver_call *call, const struct ch_vm *vm, json_t **ret,
               struct hm_error *err);

#endif
