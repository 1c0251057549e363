#include "vmm/lv_disk_set.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "proto/field.h"

void lv_disk_set_clear(struct lv_disk_set *set)
{
    for (size_t i = 0; i < set->count; i++) {
        free(set->items[i].name);
        free(set->items[i].what);
        lv_found_disk_clear(&set->items[i].disk);
    }
    free(set->items);
    free(set->images);
    *set = (struct lv_disk_set){0};
}

/* Takes over the texts and the disk. */
static void add_member(struct lv_disk_set *set, char *name, char *what,
                       const struct lv_found_disk *disk)
{
    size_t n = set->count + 1;
    set->items = hm_realloc_array(set->items, n, sizeof *set->items);
    set->images = hm_realloc_array(set->images, n, sizeof *set->images);
    set->items[n - 1] = (struct lv_disk_member){.name = name, .what = what, .disk = *disk};
    set->images[n - 1] =
        (struct lv_image){.what = what, .path = disk->path, .format = disk->format};
    set->count = n;
}

int lv_disk_set_of_document(struct lv *lv, const struct order *o, struct lv_disk_set *ret,
                            struct hm_error *err)
{
    struct lv_found_disk disk = {0};
    int r = lv_find_disk(lv, o->name, &disk, err);
    if (r == 0)
        r = hm_fail(err, HM_E_NOT_FOUND, "disk %s does not exist", o->name);
    if (r >= 0)
        r = mark_check_ours(&disk.mark.mark, o, err);
    if (r < 0) {
        lv_found_disk_clear(&disk);
        return r;
    }
    *ret = (struct lv_disk_set){.protect = spec_bool(disk.mark.mark.spec, "protect")};
    add_member(ret, hm_strdup(o->name), hm_printf("disk %s", o->name), &disk);
    return 0;
}

/* -- Of a VM ----------------------------------------------------------------------------------- */

/* 1: found; 0: none. */
static int find_own(struct lv *lv, const struct order *vm, const json_t *spec,
                    struct lv_found_disk *ret, struct hm_error *err)
{
    struct lv_found_disk disk = {.format = disk_spec_format(spec)};
    int r = lv_pool_open(lv, lv_disk_pool(spec), &disk.place, err);
    if (r < 0)
        return r;
    disk.volume = vm_volume_name(vm->name, spec);
    disk.path = hm_printf("%s/%s", disk.place.dir, disk.volume);
    r = volume_mark_read(disk.place.dir, disk.volume, &disk.mark, err);
    if (r > 0 && mark_check_ours(&disk.mark.mark, vm, err) < 0)
        r = -(int)HM_E_CONFLICT;
    if (r > 0)
        *ret = disk;
    else
        lv_found_disk_clear(&disk);
    return r;
}

static int fail_missing(const struct order *vm, const json_t *spec, struct hm_error *err)
{
    const char *device = spec_str(spec, "device");
    if (spec_str(spec, "image"))
        return hm_fail(
            err, HM_E_UNSUPPORTED,
            "disk %s of vm %s is an image that is used where it is; snapshots are made of "
            "disks that harmony makes",
            device, vm->name);
    return hm_fail(err, HM_E_NOT_FOUND, "disk %s of vm %s does not exist (yet)", device, vm->name);
}

static int add_disk(struct lv *lv, const struct order *vm, const json_t *spec, bool lenient,
                    struct lv_disk_set *ret, struct hm_error *err)
{
    const char *document = spec_str(spec, "disk"), *device = spec_str(spec, "device");
    struct lv_found_disk disk = {0};
    int r = 0;
    if (spec_bool(spec, "readonly"))
        return 0;
    if (document)
        r = lv_find_disk(lv, document, &disk, err);
    else if (json_object_get(spec, "size"))
        r = find_own(lv, vm, spec, &disk, err);
    if (r == 0)
        return lenient ? 0 : fail_missing(vm, spec, err);
    if (r > 0)
        add_member(ret, hm_strdup(document ? document : device),
                   document ? hm_printf("disk %s", document)
                            : hm_printf("disk %s of vm %s", device, vm->name),
                   &disk);
    return r < 0 ? r : 0;
}

int lv_disk_set_of_vm(struct lv *lv, const struct order *o, const json_t *spec, bool lenient,
                      struct lv_disk_set *ret, struct hm_error *err)
{
    struct lv_disk_set set = {.protect = spec_bool(spec, "protect")};
    const json_t *disks = json_object_get(spec, "disks");
    int r = 0;
    for (size_t i = 0; i < json_array_size(disks) && r >= 0; i++)
        r = add_disk(lv, o, json_array_get(disks, i), lenient, &set, err);
    if (r < 0)
        lv_disk_set_clear(&set);
    else
        *ret = set;
    return r;
}

int lv_disks_protect(struct lv *lv, const struct order *o, const json_t *before,
                     struct hm_error *err)
{
    struct lv_disk_set set = {0};
    bool protects = spec_bool(before, "protect") || spec_bool(o->spec, "protect");
    bool changes =
        before && !json_equal(json_object_get(before, "disks"), json_object_get(o->spec, "disks"));
    if (!protects || !changes || !lv->is_qemu || !lv->is_local)
        return 0;
    int r = lv_disk_set_of_vm(lv, o, before, true, &set, err);
    if (r >= 0)
        r = lv_snapshot_protect(lv, set.images, set.count, o->spec, err);
    lv_disk_set_clear(&set);
    return r < 0 ? hm_wrap(err, "vm %s", o->name) : 0;
}
