/* The operations on snapshots (proto/operations.c), of a disk document or of all disks of a VM. */
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "proto/field.h"
#include "vmm/lv_disk_set.h"
#include "vmm/lv_vm.h"
#include "vmm/qemu_img.h"

static int set_of_vm(struct lv *lv, const struct order *o, struct lv_disk_set *ret,
                     struct hm_error *err)
{
    struct domain_info info = {0};
    LV_DOMAIN dom = NULL;
    int r = lv_find_our_domain(lv, o, &dom, &info, err);
    if (r == 0)
        r = hm_fail(err, HM_E_VM_NOT_FOUND, "vm %s does not exist", o->name);
    if (r > 0)
        r = lv_disk_set_of_vm(lv, o, info.mark.spec, false, ret, err);
    domain_info_clear(&info);
    if (r >= 0 && ret->count == 0)
        r = hm_fail(err, HM_E_NOT_FOUND, "vm %s writes to no disk", o->name);
    return r;
}

static int set_of(struct lv *lv, const struct order *o, struct lv_disk_set *ret,
                  struct hm_error *err)
{
    if (!lv->is_qemu || !lv->is_local)
        return hm_fail(err, HM_E_UNSUPPORTED,
                       "snapshots need QEMU on the host of the agent, not %s", lv->uri);
    return !strcmp(o->kind, "vm") ? set_of_vm(lv, o, ret, err)
                                  : lv_disk_set_of_document(lv, o, ret, err);
}

static int check_formats(const struct lv_disk_set *set, struct hm_error *err)
{
    int r = 0;
    for (size_t i = 0; i < set->count && r >= 0; i++)
        r = lv_snapshot_check_format(&set->images[i], err);
    return r;
}

static const json_t *declared_of(const struct lv_disk_member *member)
{
    return json_object_get(member->disk.mark.mark.spec, "snapshots");
}

static bool is_declared(const struct lv_disk_member *member, const char *name)
{
    size_t i;
    const json_t *item;
    json_array_foreach(declared_of(member), i, item)
    {
        if (!strcmp(json_string_value(item), name))
            return true;
    }
    return false;
}

/* -- Create ------------------------------------------------------------------------------------ */

static int create(struct lv *lv, const struct lv_disk_set *set, const char *name, json_t **ret,
                  struct hm_error *err)
{
    int r = lv_snapshot_create(lv, set->images, set->count, name, err);
    if (r >= 0)
        *ret = json_pack("{s:s}", "snapshot", name);
    return r;
}

/* -- List -------------------------------------------------------------------------------------- */

static int list_one(const struct lv_disk_member *member, json_t *list, struct hm_error *err)
{
    struct image_info info = {0};
    int r = qemu_img_info(member->disk.path, member->disk.format, &info, err);
    for (size_t i = 0; i < info.snapshot_count; i++) {
        json_t *entry = image_snapshot_entry(list, &info.snapshots[i]);
        json_array_append_new(json_object_get(entry, "disks"), json_string(member->name));
        if (is_declared(member, info.snapshots[i].name))
            json_object_set_new(entry, "declared", json_true());
    }
    image_info_clear(&info);
    return r;
}

static int list(const struct lv_disk_set *set, json_t **ret, struct hm_error *err)
{
    json_t *found = json_array();
    int r = 0;
    for (size_t i = 0; i < set->count && r >= 0; i++)
        r = list_one(&set->items[i], found, err);
    image_snapshots_complete(found, set->count);
    if (r >= 0)
        *ret = json_pack("{s:O}", "snapshots", found);
    json_decref(found);
    return r;
}

/* -- Apply ------------------------------------------------------------------------------------- */

static int check_has(const struct lv_image *image, const char *name, struct hm_error *err)
{
    struct image_info info = {0};
    int r = qemu_img_info(image->path, image->format, &info, err);
    if (r >= 0 && !image_info_find(&info, name))
        r = hm_fail(err, HM_E_NOT_FOUND, "%s has no snapshot %s", image->what, name);
    image_info_clear(&info);
    return r;
}

static int check_unused(struct lv *lv, const struct lv_image *image, struct hm_error *err)
{
    struct lv_disk_use use = {0};
    int r = lv_disk_running_user(lv, image->path, &use, err);
    if (r > 0)
        r = hm_fail(
            err, HM_E_REFUSED,
            "%s is used by the running VM %s; stop it first (power: off, or harmonyctl stop), "
            "since what it holds is taken away under it",
            image->what, use.vm);
    lv_disk_use_clear(&use);
    return r;
}

static int check_can_apply(struct lv *lv, const struct lv_disk_set *set, const char *name,
                           struct hm_error *err)
{
    int r = 0;
    for (size_t i = 0; i < set->count && r >= 0; i++) {
        r = check_has(&set->images[i], name, err);
        if (r >= 0)
            r = check_unused(lv, &set->images[i], err);
    }
    return r;
}

static json_t *paths_of(const struct lv_disk_set *set)
{
    json_t *paths = json_array();
    for (size_t i = 0; i < set->count; i++)
        json_array_append_new(paths, json_string(set->images[i].path));
    return paths;
}

/* The mark of the first volume says it until it is done for all: killed in between, whoever next wants
 * to give it to a guest finishes it. */
static int put_back(struct lv *lv, const struct lv_disk_set *set, const char *name,
                    struct hm_error *err)
{
    struct lv_found_disk *first = &set->items[0].disk;
    json_decref(first->mark.apply);
    first->mark.apply = json_pack("{s:s, s:o}", "snapshot", name, "paths", paths_of(set));
    int r = volume_mark_write(first->place.dir, first->volume, &first->mark, err);
    if (r >= 0)
        r = lv_snapshot_finish_apply(lv, &first->place, first->volume, &first->mark, true, err);
    return r;
}

static int apply(struct lv *lv, const struct lv_disk_set *set, const char *name, bool keeps,
                 json_t **ret, struct hm_error *err)
{
    char kept[SNAPSHOT_NAME_MAX];
    int r = check_can_apply(lv, set, name, err);
    snapshot_name_auto(NULL, kept);
    if (r >= 0 && keeps)
        r = lv_snapshot_create(lv, set->images, set->count, kept, err);
    if (r >= 0)
        r = put_back(lv, set, name, err);
    if (r >= 0)
        *ret = json_pack("{s:s, s:s*}", "snapshot", name, "kept_as", keeps ? kept : NULL);
    return r;
}

/* -- Delete ------------------------------------------------------------------------------------ */

static int delete (struct lv *lv, const struct lv_disk_set *set, const char *name, json_t **ret,
                   struct hm_error *err)
{
    for (size_t i = 0; i < set->count; i++)
        if (is_declared(&set->items[i], name))
            return hm_fail(
                err, HM_E_REFUSED,
                "the document of %s declares snapshot %s; take it out of `snapshots` there "
                "first",
                set->items[i].what, name);
    int r = lv_snapshot_delete(lv, set->images, set->count, name, err);
    if (r >= 0)
        *ret = json_pack("{s:s, s:b}", "snapshot", name, "existed", r == 0);
    return r;
}

/* -- The table's functions --------------------------------------------------------------------- */

enum action { CREATE, LIST, APPLY, DELETE };

static int act(enum action action, struct lv *lv, const struct driver_call *call,
               const struct lv_disk_set *set, json_t **ret, struct hm_error *err)
{
    const char *name = spec_str(call->args, "snapshot");
    if (spec_bool(call->args, "memory"))
        return hm_fail(err, HM_E_UNSUPPORTED,
                       "%s %s: a snapshot on libvirt is of disks alone (without --memory)",
                       call->order.kind, call->order.name);
    int r = action == LIST ? 0 : snapshot_name_check(name, err);
    if (r >= 0 && action != LIST)
        r = check_formats(set, err);
    if (r < 0)
        return r;
    switch (action) {
    case CREATE:
        return create(lv, set, name, ret, err);
    case LIST:
        return list(set, ret, err);
    case APPLY:
        return apply(lv, set, name, set->protect || !spec_bool(call->args, "discard"), ret, err);
    default:
        return delete (lv, set, name, ret, err);
    }
}

static int run(enum action action, struct lv *lv, const struct driver_call *call,
               struct driver_result *ret, struct hm_error *err)
{
    struct lv_disk_set set = {0};
    int r = lv_check_alive(lv, err);
    if (r >= 0)
        r = set_of(lv, &call->order, &set, err);
    if (r >= 0)
        r = act(action, lv, call, &set, &ret->value, err);
    lv_disk_set_clear(&set);
    return r < 0 ? r : 0;
}

int lv_op_snapshot_create(void *self, const struct driver_call *call, struct driver_result *ret,
                          struct hm_error *err)
{
    return run(CREATE, self, call, ret, err);
}

int lv_op_snapshot_list(void *self, const struct driver_call *call, struct driver_result *ret,
                        struct hm_error *err)
{
    return run(LIST, self, call, ret, err);
}

int lv_op_snapshot_apply(void *self, const struct driver_call *call, struct driver_result *ret,
                         struct hm_error *err)
{
    return run(APPLY, self, call, ret, err);
}

int lv_op_snapshot_delete(void *self, const struct driver_call *call, struct driver_result *ret,
                          struct hm_error *err)
{
    return run(DELETE, self, call, ret, err);
}
