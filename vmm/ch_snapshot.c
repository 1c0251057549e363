#include "vmm/ch_snapshot.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "proto/field.h"
#include "vmm/ch_memory.h"
#include "vmm/ch_volume.h"
#include "vmm/disk_spec.h"
#include "vmm/qemu_img.h"
#include "vmm/snapshot_name.h"

void ch_disk_set_clear(struct ch_disk_set *set)
{
    for (size_t i = 0; i < set->count; i++) {
        free(set->items[i].device);
        free(set->items[i].volume);
        free(set->items[i].path);
    }
    free(set->items);
}

/* -- Which disks ------------------------------------------------------------------------------------ */

static int add_member(struct ch_disk_set *set, const json_t *disk, struct hm_error *err)
{
    if (!json_object_get(disk, "size"))
        return hm_fail(
            err, HM_E_UNSUPPORTED,
            "vm %s: its disk %s is not one that harmony makes for it, so that all of them can't be "
            "put back together",
            set->vm, spec_str(disk, "device"));
    if (strcmp(disk_spec_format(disk), "qcow2") != 0)
        return hm_fail(
            err, HM_E_UNSUPPORTED,
            "vm %s: its disk %s is raw, which can't hold snapshots; a disk of format qcow2 can",
            set->vm, spec_str(disk, "device"));
    struct ch_disk_member *m = &set->items[set->count++];
    m->device = hm_strdup(spec_str(disk, "device"));
    m->volume = vm_volume_name(set->vm, disk);
    m->path = hm_printf("%s/%s", set->ch->image_dir, m->volume);
    return 0;
}

int ch_disk_set_of(const struct ch *ch, const char *vm, const json_t *spec, struct ch_disk_set *ret,
                   struct hm_error *err)
{
    const json_t *disks = json_object_get(spec, "disks");
    size_t i;
    json_t *disk;
    int r = 0;
    *ret =
        (struct ch_disk_set){.ch = ch,
                             .vm = vm,
                             .items = hm_alloc((json_array_size(disks) + 1) * sizeof *ret->items),
                             .protect = spec_bool(spec, "protect")};
    json_array_foreach((json_t *)(uintptr_t)disks, i, disk)
    {
        if (r >= 0 && !spec_bool(disk, "readonly"))
            r = add_member(ret, disk, err);
    }
    if (r >= 0 && ret->count == 0)
        r = hm_fail(err, HM_E_NOT_FOUND, "vm %s writes to no disk", vm);
    return r;
}

int ch_disk_set_note_resume(const struct ch_disk_set *set, const char *snapshot,
                            struct hm_error *err)
{
    json_t *paths = json_array();
    for (size_t i = 0; i < set->count; i++)
        json_array_append_new(paths, json_string(set->items[i].path));
    int r = ch_resume_note(set->ch, set->vm, snapshot, paths, err);
    json_decref(paths);
    return r;
}

/* -- Making ------------------------------------------------------------------------------------------- */

/* 1: it has it; 0: it has not. */
static int has(const struct ch_disk_member *m, const char *name, struct hm_error *err)
{
    struct image_info info = {0};
    int r = qemu_img_info(m->path, "qcow2", &info, err);
    if (r >= 0)
        r = image_info_find(&info, name) != NULL;
    image_info_clear(&info);
    return r;
}

static int check_can_take(const struct ch_disk_member *m, const char *name, struct hm_error *err)
{
    struct image_info info = {0};
    int r = qemu_img_info(m->path, "qcow2", &info, err);
    if (r >= 0 && image_info_find(&info, name))
        r = hm_fail(err, HM_E_CONFLICT, "disk %s has a snapshot %s already", m->device, name);
    else if (r >= 0 && info.snapshot_count >= SNAPSHOTS_MAX)
        r = hm_fail(err, HM_E_TOO_LARGE, "disk %s has %zu snapshots; delete some first", m->device,
                    info.snapshot_count);
    image_info_clear(&info);
    return r;
}

int ch_snapshot_check(const struct ch_disk_set *set, const char *name, struct hm_error *err)
{
    int r = 0;
    for (size_t i = 0; i < set->count && r >= 0; i++)
        r = check_can_take(&set->items[i], name, err);
    return r;
}

/* What was made before one failed is taken back. */
int ch_snapshot_make(const struct ch_disk_set *set, const char *name, struct hm_error *err)
{
    int r = ch_snapshot_check(set, name, err);
    if (r < 0)
        return r;
    for (size_t i = 0; i < set->count; i++) {
        r = qemu_img_snapshot_create(set->items[i].path, name, err);
        if (r >= 0)
            continue;
        while (i-- > 0)
            qemu_img_snapshot_delete(set->items[i].path, name, NULL);
        return r;
    }
    return 0;
}

/* -- Looking ------------------------------------------------------------------------------------------ */

int ch_snapshot_find(const struct ch_disk_set *set, const char *name, struct hm_error *err)
{
    int r = 0;
    for (size_t i = 0; i < set->count && r >= 0; i++) {
        r = has(&set->items[i], name, err);
        if (r == 0)
            r = hm_fail(err, HM_E_NOT_FOUND, "disk %s has no snapshot %s", set->items[i].device,
                        name);
    }
    return r < 0 ? r : 0;
}

int ch_snapshot_list(const struct ch_disk_set *set, json_t **ret, struct hm_error *err)
{
    json_t *found = json_array();
    int r = 0;
    for (size_t i = 0; i < set->count && r >= 0; i++) {
        struct image_info info = {0};
        r = qemu_img_info(set->items[i].path, "qcow2", &info, err);
        for (size_t k = 0; k < info.snapshot_count; k++)
            json_array_append_new(
                json_object_get(image_snapshot_entry(found, &info.snapshots[k]), "disks"),
                json_string(set->items[i].device));
        image_info_clear(&info);
    }
    image_snapshots_complete(found, set->count);
    if (r >= 0)
        *ret = json_pack("{s:O}", "snapshots", found);
    json_decref(found);
    return r;
}

/* -- Putting back, dropping --------------------------------------------------------------------------- */

/* From before the first disk is put back until the last one has been, the mark of the first says so: a VM with
 * such a mark is not started (ch_volume.h). */
static int note_apply(const struct ch_disk_set *set, const char *name, struct hm_error *err)
{
    struct volume_mark m = {0};
    const struct ch_disk_member *first = &set->items[0];
    int r = volume_mark_read(set->ch->image_dir, first->volume, &m, err);
    if (r == 0)
        r = hm_fail(err, HM_E_CONFLICT, "volume %s carries no mark of ours", first->volume);
    if (r > 0) {
        json_decref(m.apply);
        m.apply = name ? json_pack("{s:s}", "snapshot", name) : NULL;
        r = volume_mark_write(set->ch->image_dir, first->volume, &m, err);
    }
    volume_mark_clear(&m);
    return r;
}

int ch_snapshot_put_back(const struct ch_disk_set *set, const char *name, struct hm_error *err)
{
    int r = note_apply(set, name, err);
    for (size_t i = 0; i < set->count && r >= 0; i++)
        r = qemu_img_snapshot_apply(set->items[i].path, name, err);
    return r < 0 ? r : note_apply(set, NULL, err);
}

int ch_snapshot_drop(const struct ch_disk_set *set, const char *name, struct hm_error *err)
{
    bool existed = false;
    int r = 0;
    for (size_t i = 0; i < set->count && r >= 0; i++) {
        r = has(&set->items[i], name, err);
        existed |= r > 0;
        if (r > 0)
            r = qemu_img_snapshot_delete(set->items[i].path, name, err);
    }
    return r < 0 ? r : !existed;
}
