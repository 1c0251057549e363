/*
 * Snapshots of a VM's own disks, as qcow2 holds them (docs/adr/0026-snapshots.md), of a VM that is off: while one runs its
 * VMM holds the images, and cloud-hypervisor has no call for a snapshot of them.
 */
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "proto/field.h"
#include "vmm/ch.h"
#include "vmm/ch_volume.h"
#include "vmm/lv_snapshot.h"
#include "vmm/qemu_img.h"

struct member {
    char *device, *volume, *path;
};
struct disk_set {
    const struct ch *ch;
    const char *vm;
    struct member *items;
    size_t count;
    bool protect;
};

static void clear_set(struct disk_set *set)
{
    for (size_t i = 0; i < set->count; i++) {
        free(set->items[i].device);
        free(set->items[i].volume);
        free(set->items[i].path);
    }
    free(set->items);
}

/* -- Which disks ------------------------------------------------------------------------------------ */

static int add_member(struct disk_set *set, const json_t *disk, struct hm_error *err)
{
    if (!json_object_get(disk, "size"))
        return hm_fail(
            err, HM_E_UNSUPPORTED,
            "vm %s: its disk %s is not one that harmony makes for it, so that all of them can't be "
            "put back together",
            set->vm, spec_str(disk, "device"));
    if (strcmp(lv_disk_format(disk), "qcow2") != 0)
        return hm_fail(
            err, HM_E_UNSUPPORTED,
            "vm %s: its disk %s is raw, which can't hold snapshots; a disk of format qcow2 can",
            set->vm, spec_str(disk, "device"));
    struct member *m = &set->items[set->count++];
    m->device = hm_strdup(spec_str(disk, "device"));
    m->volume = vm_volume_name(set->vm, disk);
    m->path = hm_printf("%s/%s", set->ch->image_dir, m->volume);
    return 0;
}

static int set_of(const struct ch *ch, const struct order *o, const json_t *spec,
                  struct disk_set *ret, struct hm_error *err)
{
    const json_t *disks = json_object_get(spec, "disks");
    size_t i;
    json_t *disk;
    int r = 0;
    *ret = (struct disk_set){.ch = ch,
                             .vm = o->name,
                             .items = hm_alloc((json_array_size(disks) + 1) * sizeof *ret->items),
                             .protect = spec_bool(spec, "protect")};
    json_array_foreach((json_t *)(uintptr_t)disks, i, disk)
    {
        if (r >= 0 && !spec_bool(disk, "readonly"))
            r = add_member(ret, disk, err);
    }
    if (r >= 0 && ret->count == 0)
        r = hm_fail(err, HM_E_NOT_FOUND, "vm %s writes to no disk", o->name);
    return r;
}

/* -- What each operation does -------------------------------------------------------------------------- */

/* 1: it has it; 0: it has not. */
static int has(const struct member *m, const char *name, struct hm_error *err)
{
    struct image_info info = {0};
    int r = qemu_img_info(m->path, "qcow2", &info, err);
    if (r >= 0)
        r = image_info_find(&info, name) != NULL;
    image_info_clear(&info);
    return r;
}

static int check_can_take(const struct member *m, const char *name, struct hm_error *err)
{
    struct image_info info = {0};
    int r = qemu_img_info(m->path, "qcow2", &info, err);
    if (r >= 0 && image_info_find(&info, name))
        r = hm_fail(err, HM_E_CONFLICT, "disk %s has a snapshot %s already", m->device, name);
    else if (r >= 0 && info.snapshot_count >= LV_SNAPSHOTS_MAX)
        r = hm_fail(err, HM_E_TOO_LARGE, "disk %s has %zu snapshots; delete some first", m->device,
                    info.snapshot_count);
    image_info_clear(&info);
    return r;
}

/* What was made before one failed is taken back. */
static int make(const struct disk_set *set, const char *name, struct hm_error *err)
{
    for (size_t i = 0; i < set->count; i++) {
        int r = check_can_take(&set->items[i], name, err);
        if (r < 0)
            return r;
    }
    for (size_t i = 0; i < set->count; i++) {
        int r = qemu_img_snapshot_create(set->items[i].path, name, err);
        if (r >= 0)
            continue;
        while (i-- > 0)
            qemu_img_snapshot_delete(set->items[i].path, name, NULL);
        return r;
    }
    return 0;
}

static int create(const struct disk_set *set, const struct driver_call *call, json_t **ret,
                  struct hm_error *err)
{
    const char *name = spec_str(call->args, "snapshot");
    int r = make(set, name, err);
    if (r >= 0)
        *ret = json_pack("{s:s}", "snapshot", name);
    return r;
}

static int list(const struct disk_set *set, const struct driver_call *call, json_t **ret,
                struct hm_error *err)
{
    json_t *found = json_array();
    int r = 0;
    (void)call;
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

/* From before the first disk is put back until the last one has been, the mark of the first says so: a VM with
 * such a mark is not started (ch_volume.h). */
static int note_apply(const struct disk_set *set, const char *name, struct hm_error *err)
{
    struct volume_mark m = {0};
    const struct member *first = &set->items[0];
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

static int put_back(const struct disk_set *set, const char *name, struct hm_error *err)
{
    int r = note_apply(set, name, err);
    for (size_t i = 0; i < set->count && r >= 0; i++)
        r = qemu_img_snapshot_apply(set->items[i].path, name, err);
    return r < 0 ? r : note_apply(set, NULL, err);
}

static int apply(const struct disk_set *set, const struct driver_call *call, json_t **ret,
                 struct hm_error *err)
{
    const char *name = spec_str(call->args, "snapshot");
    bool keeps = set->protect || !spec_bool(call->args, "discard");
    char kept[LV_SNAPSHOT_NAME_MAX];
    int r = 0;
    for (size_t i = 0; i < set->count && r >= 0; i++) {
        r = has(&set->items[i], name, err);
        if (r == 0)
            r = hm_fail(err, HM_E_NOT_FOUND, "disk %s has no snapshot %s", set->items[i].device,
                        name);
    }
    lv_snapshot_auto_name(NULL, kept);
    if (r >= 0 && keeps)
        r = make(set, kept, err);
    if (r >= 0)
        r = put_back(set, name, err);
    if (r >= 0)
        *ret = json_pack("{s:s, s:s*}", "snapshot", name, "kept_as", keeps ? kept : NULL);
    return r;
}

static int drop(const struct disk_set *set, const struct driver_call *call, json_t **ret,
                struct hm_error *err)
{
    const char *name = spec_str(call->args, "snapshot");
    bool existed = false;
    int r = 0;
    for (size_t i = 0; i < set->count && r >= 0; i++) {
        r = has(&set->items[i], name, err);
        existed |= r > 0;
        if (r > 0)
            r = qemu_img_snapshot_delete(set->items[i].path, name, err);
    }
    if (r >= 0)
        *ret = json_pack("{s:s, s:b}", "snapshot", name, "existed", existed);
    return r;
}

/* -- The operations --------------------------------------------------------------------------------------- */

typedef int (*action)(const struct disk_set *set, const struct driver_call *call, json_t **ret,
                      struct hm_error *err);

static int check_off(const struct order *o, const struct ch_vm *vm, struct hm_error *err)
{
    if (!vm->is_alive)
        return 0;
    return hm_fail(err, HM_E_UNSUPPORTED,
                   "vm %s runs: cloud-hypervisor can't take or change snapshots of disks under a "
                   "guest; stop it "
                   "first (harmonyctl stop)",
                   o->name);
}

static int run(action act, bool looks, struct ch *ch, const struct driver_call *call,
               struct driver_result *ret, struct hm_error *err)
{
    const char *name = spec_str(call->args, "snapshot");
    struct disk_set set = {0};
    struct ch_vm vm;
    int r = ch_vm_find_ours(ch, &call->order, &vm, err);
    if (r == 0)
        r = ch_vm_fail_absent(&call->order, err);
    if (r >= 0 && !looks)
        r = lv_snapshot_check_name(name, err);
    if (r >= 0 && !looks)
        r = check_off(&call->order, &vm, err);
    if (r >= 0)
        r = set_of(ch, &call->order, vm.mark.spec, &set, err);
    if (r >= 0)
        r = act(&set, call, &ret->value, err);
    clear_set(&set);
    ch_vm_clear(&vm);
    return r < 0 ? r : 0;
}

#define OPERATION(name, act, looks)                                                                \
    int ch_op_snapshot_##name(void *self, const struct driver_call *call,                          \
                              struct driver_result *ret, struct hm_error *err)                     \
    {                                                                                              \
        return run(act, looks, self, call, ret, err);                                              \
    }
OPERATION(create, create, false)
OPERATION(list, list, true)
OPERATION(apply, apply, false)
OPERATION(delete, drop, false)
