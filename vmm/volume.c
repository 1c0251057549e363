#include "vmm/volume.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <libvirt/virterror.h>

#include "base/alloc.h"
#include "proto/doc.h"
#include "vmm/image_store.h"
#include "vmm/lv_snapshot.h"
#include "vmm/qemu_img.h"
#include "vmm/volume_xml.h"

/* More than the headers of an empty image, less than any file system in it. */
enum { PRISTINE_MAX = 2 << 20 };

#define PART_SUFFIX ".part" /* of a copy that is not complete */

/* -- Finding ----------------------------------------------------------------------------------- */

static int look_up(struct lv *lv, const struct lv_place *place, const char *volume,
                   virStorageVolPtr *ret, struct hm_error *err)
{
    *ret = virStorageVolLookupByName(place->pool, volume);
    if (*ret)
        return 1;
    if (lv_last_is(VIR_ERR_NO_STORAGE_VOL))
        return 0;
    return lv_fail(lv, err, "volume %s in pool %s: look it up", volume, place->name);
}

static char *path_of(const struct lv_place *place, const char *volume)
{
    return hm_printf("%s/%s", place->dir, volume);
}

static bool has_text(const json_t *list, const char *text)
{
    size_t i;
    const json_t *item;
    json_array_foreach(list, i, item)
    {
        if (!strcmp(json_string_value(item), text))
            return true;
    }
    return false;
}

static bool file_is_there(const struct lv_place *place, const char *volume)
{
    HM_AUTOFREE char *path = path_of(place, volume);
    return access(path, F_OK) == 0;
}

int volume_find(struct lv *lv, const struct lv_place *place, const char *volume,
                virStorageVolPtr *ret, struct hm_error *err)
{
    int found = look_up(lv, place, volume, ret, err);
    bool stale = lv->is_qemu && lv->is_local && (found > 0) != file_is_there(place, volume);
    if (found < 0 || !stale)
        return found;
    /* libvirt's list of a folder is as old as its last refresh: creating over a file that it does
     * not know of would overwrite it. */
    lv_volume_free(ret);
    *ret = NULL;
    if (virStoragePoolRefresh(place->pool, 0) < 0)
        return lv_fail(lv, err, "pool %s: refresh it", place->name);
    return look_up(lv, place, volume, ret, err);
}

/* -- Making ------------------------------------------------------------------------------------ */

static void mark_of_wish(const struct volume_wish *w, struct mark *ret)
{
    struct order o = *w->order;
    o.spec = w->spec;
    mark_of_order(&o, ret);
}

static int write_mark(const struct volume_wish *w, enum volume_state state, struct hm_error *err)
{
    struct volume_mark m = {.state = state, .backing = w->backing ? hm_strdup(w->backing) : NULL};
    mark_of_wish(w, &m.mark);
    int r = volume_mark_write(w->place->dir, w->volume, &m, err);
    volume_mark_clear(&m);
    return r < 0 ? hm_wrap(err, "volume %s: mark it as ours", w->volume) : 0;
}

/* The marks are files of ours: we and libvirt must mean the same folder. */
static int check_same_folder(struct lv *lv, const struct volume_wish *w, struct hm_error *err)
{
    if (!lv->is_qemu || file_is_there(w->place, w->volume))
        return 0;
    return hm_fail(
        err, HM_E_UNSUPPORTED,
        "libvirt made %s/%s but it can't be seen from here: the agent must see the pool's "
        "folder under the same path",
        w->place->dir, w->volume);
}

/* What it is now. Only qemu-img can be asked for one format alone: libvirt guesses it from the content,
 * which a guest may have written. */
static int look_into(struct lv *lv, const struct volume_wish *w, virStorageVolPtr vol,
                     struct image_info *ret, struct hm_error *err)
{
    HM_AUTOFREE char *path = path_of(w->place, w->volume);
    virStorageVolInfo info;
    if (lv->is_qemu)
        return qemu_img_info(path, w->format, ret, err);
    if (virStorageVolGetInfo(vol, &info) < 0)
        return lv_fail(lv, err, "volume %s: ask for its size", w->volume);
    *ret = (struct image_info){.size = (int64_t)info.capacity};
    return 0;
}

static struct lv_image image_of(const struct volume_wish *w, const char *path)
{
    return (struct lv_image){.what = w->volume, .path = path, .format = w->format};
}

/* A snapshot that was there when the mark was written, and is gone, is not made anew: it would hold
 * something else. */
static int ensure_snapshot(struct lv *lv, const struct volume_wish *w,
                           const struct volume_mark *before, const struct image_info *info,
                           const char *name, struct hm_error *err)
{
    HM_AUTOFREE char *path = path_of(w->place, w->volume);
    struct lv_image image = image_of(w, path);
    if (image_info_find(info, name))
        return 0;
    bool was = before && before->state == VOLUME_MADE &&
               has_text(json_object_get(before->mark.spec, "snapshots"), name);
    if (was)
        return hm_fail(err, HM_E_REFUSED,
                       "volume %s: its snapshot %s was made and has vanished; take it out of "
                       "snapshots, or choose another name for a new one",
                       w->volume, name);
    return lv_snapshot_create(lv, &image, 1, name, err);
}

static int ensure_snapshots(struct lv *lv, const struct volume_wish *w,
                            const struct volume_mark *before, const struct image_info *info,
                            struct hm_error *err)
{
    size_t i;
    const json_t *name;
    int r = 0;
    json_array_foreach(json_object_get(w->spec, "snapshots"), i, name)
    {
        if (r >= 0)
            r = ensure_snapshot(lv, w, before, info, json_string_value(name), err);
    }
    return r;
}

/* Another program can begin to use it meanwhile: then it holds QEMU's lock, and qemu-img is refused. */
static int grow(struct lv *lv, const struct volume_wish *w, virStorageVolPtr vol,
                struct hm_error *err)
{
    HM_AUTOFREE char *path = path_of(w->place, w->volume);
    struct lv_image image = image_of(w, path);
    struct lv_disk_use use = {0};
    int r = w->protect ? lv_snapshot_protect(lv, &image, 1, w->spec, err) : 0;
    int used = r < 0 ? r : lv_disk_running_user(lv, path, &use, err);
    r = used;
    if (used > 0)
        r = lv_disk_grow_live(lv, &use, w->volume, w->bytes, err);
    else if (used == 0 && lv->is_qemu)
        r = qemu_img_grow(path, w->format, w->bytes, err);
    else if (used == 0 && virStorageVolResize(vol, (unsigned long long)w->bytes, 0) < 0)
        r = lv_fail(lv, err, "volume %s: grow it to %lld bytes", w->volume, (long long)w->bytes);
    lv_disk_use_clear(&use);
    return r;
}

static int fit_size(struct lv *lv, const struct volume_wish *w, virStorageVolPtr vol,
                    const struct image_info *info, struct hm_error *err)
{
    if (info->size > w->bytes)
        return hm_fail(
            err, HM_E_REFUSED,
            "volume %s has %lld bytes and can't shrink to %lld; ask for at least its size",
            w->volume, (long long)info->size, (long long)w->bytes);
    return info->size < w->bytes ? grow(lv, w, vol, err) : 0;
}

/* Its header, its size and its snapshots; `before` is the mark that it has, or NULL. */
static int fit(struct lv *lv, const struct volume_wish *w, virStorageVolPtr vol,
               const struct volume_mark *before, struct hm_error *err)
{
    HM_AUTOFREE char *path = path_of(w->place, w->volume);
    struct image_info info = {0};
    int r = look_into(lv, w, vol, &info, err);
    if (r >= 0)
        r = image_info_check(&info, path, w->backing, err);
    if (r >= 0)
        r = fit_size(lv, w, vol, &info, err);
    if (r >= 0 && lv->is_qemu)
        r = ensure_snapshots(lv, w, before, &info, err);
    image_info_clear(&info);
    return r;
}

/* What many disks can be made on top of: nobody writes to it, and it is made of no other file. */
static int check_base(struct lv *lv, const struct volume_wish *w, struct hm_error *err)
{
    HM_AUTOFREE char *mark = hm_printf("%s" VOLUME_MARK_SUFFIX, w->backing);
    struct image_info info = {0};
    struct lv_disk_use use = {0};
    int r = qemu_img_info(w->backing, w->backing_format, &info, err);
    if (r >= 0)
        r = image_info_check(&info, w->backing, NULL, err);
    if (r >= 0 && info.size > w->bytes)
        r = hm_fail(err, HM_E_REFUSED, "%s has %lld bytes, which do not fit into a disk of %lld",
                    w->backing, (long long)info.size, (long long)w->bytes);
    if (r >= 0 && access(mark, F_OK) == 0)
        r = hm_fail(
            err, HM_E_REFUSED,
            "%s is a disk that harmony made for guests to write to; make a copy to build on",
            w->backing);
    if (r >= 0)
        r = lv_disk_running_user(lv, w->backing, &use, err);
    if (r > 0)
        r = hm_fail(err, HM_E_REFUSED, "%s is a disk of the running VM %s; make a copy to build on",
                    w->backing, use.vm);
    lv_disk_use_clear(&use);
    image_info_clear(&info);
    return r;
}

static int check_copied(const struct volume_wish *w, struct hm_error *err)
{
    struct image_info info = {0};
    int r = qemu_img_info(w->base, w->base_format, &info, err);
    if (r >= 0)
        r = image_info_check(&info, w->base, NULL, err);
    if (r >= 0 && info.size > w->bytes)
        r = hm_fail(err, HM_E_REFUSED,
                    "its base has %lld bytes, which do not fit into a disk of %lld",
                    (long long)info.size, (long long)w->bytes);
    image_info_clear(&info);
    return r;
}

static int give_name(const char *part, const char *path, struct hm_error *err)
{
    int fd = open(part, O_RDONLY | O_CLOEXEC);
    bool done = fd >= 0 && fsync(fd) == 0 && rename(part, path) == 0;
    int r = done ? 0 : hm_fail(err, HM_E_IO, "cannot give %s its name: %s", path, strerror(errno));
    if (fd >= 0)
        close(fd);
    return r;
}

/* Beside it, and under its name only once it is complete: a crash leaves nothing half. */
static int copy_base(struct lv *lv, const struct volume_wish *w, struct hm_error *err)
{
    HM_AUTOFREE char *path = path_of(w->place, w->volume);
    HM_AUTOFREE char *part = hm_printf("%s" PART_SUFFIX, path);
    if (!lv->is_qemu)
        return hm_fail(err, HM_E_UNSUPPORTED, "volume %s: only QEMU has disks with a base",
                       w->volume);
    unlink(part);
    int r = check_copied(w, err);
    if (r >= 0)
        r = qemu_img_copy(w->base, w->base_format, part, w->format, err);
    if (r >= 0)
        r = qemu_img_grow(part, w->format, w->bytes, err);
    if (r >= 0)
        r = give_name(part, path, err);
    if (r < 0)
        unlink(part);
    else if (virStoragePoolRefresh(w->place->pool, 0) < 0)
        r = lv_fail(lv, err, "pool %s: refresh it", w->place->name);
    return r;
}

/* Before anything is made on top of it: the image stays in the store as long as the volume is there. */
static int claim_image(struct lv *lv, const struct lv_place *place, const char *volume,
                       const char *sha256, struct hm_error *err)
{
    HM_AUTOFREE char *store = image_store_path(lv->image_dir);
    HM_AUTOFREE char *owner = hm_printf("%s.%s", place->name, volume); /* a VM's name has no dot */
    json_t *list = sha256 ? json_pack("[s]", sha256) : json_array();
    int r = image_store_claim(store, owner, list, err);
    json_decref(list);
    return r;
}

/* For one that is not made yet. */
static int find_image(struct lv *lv, struct volume_wish *w, struct image_file *ret,
                      struct hm_error *err)
{
    int r = image_store_find(lv->image_dir, w->backing_image, ret, err);
    if (r >= 0 && !strcmp(ret->format, "iso"))
        r = hm_fail(
            err, HM_E_INVALID,
            "image-file %s is an iso, on which no disk can be made; one of format qcow2 or raw "
            "can",
            w->backing_image);
    if (r >= 0)
        r = claim_image(lv, w->place, w->volume, ret->sha256, err);
    w->backing = ret->path;
    w->backing_format = ret->format;
    return r;
}

static int create_volume(struct lv *lv, const struct volume_wish *w, struct hm_error *err)
{
    int r = w->backing && lv->is_qemu ? check_base(lv, w, err) : 0;
    if (r >= 0)
        r = write_mark(w, VOLUME_MAKING, err);
    if (r < 0)
        return r;
    if (w->base) {
        r = copy_base(lv, w, err);
        return r < 0 ? r : write_mark(w, VOLUME_MADE, err);
    }
    HM_AUTOFREE char *xml =
        volume_xml(w->volume, w->bytes, w->format, w->backing, w->backing_format);
    LV_VOLUME vol = virStorageVolCreateXML(w->place->pool, xml, 0);
    if (!vol)
        return lv_fail(lv, err, "volume %s in pool %s: create it", w->volume, w->place->name);
    r = check_same_folder(lv, w, err);
    if (r >= 0 && json_array_size(json_object_get(w->spec, "snapshots")))
        r = fit(lv, w, vol, NULL, err);
    return r < 0 ? r : write_mark(w, VOLUME_MADE, err);
}

/* A crash came between creating it and marking it as made: nobody has used it, so make it anew (its
 * creation may have been cut short, too) — unless there is something in it after all. */
static int finish_volume(struct lv *lv, const struct volume_wish *w, virStorageVolPtr vol,
                         struct hm_error *err)
{
    virStorageVolInfo info;
    if (w->base) /* a copy gets its name when it is complete */
        return write_mark(w, VOLUME_MADE, err);
    if (virStorageVolGetInfo(vol, &info) < 0)
        return lv_fail(lv, err, "volume %s: ask for its size", w->volume);
    if (info.allocation > PRISTINE_MAX)
        return hm_fail(
            err, HM_E_CONFLICT,
            "volume %s in pool %s is not empty although its creation was never finished; "
            "look at it, then remove it or its mark",
            w->volume, w->place->name);
    if (virStorageVolDelete(vol, 0) < 0 && !lv_last_is(VIR_ERR_NO_STORAGE_VOL))
        return lv_fail(lv, err, "volume %s: remove its unfinished file", w->volume);
    return create_volume(lv, w, err);
}

static bool mark_says(const struct volume_mark *found, const struct volume_wish *w)
{
    struct mark wanted;
    mark_of_wish(w, &wanted);
    bool same = found->state == VOLUME_MADE && !strcmp(found->mark.hash, wanted.hash) &&
                !strcmp(found->mark.key, wanted.key) && !strcmp(found->mark.site, wanted.site);
    mark_clear(&wanted);
    return same;
}

static int use_volume(struct lv *lv, const struct volume_wish *given, virStorageVolPtr vol,
                      struct volume_mark *found, struct hm_error *err)
{
    struct volume_wish wish = *given;
    const struct volume_wish *w = &wish;
    int r = mark_check(found ? &found->mark : NULL, w->order, err);
    if (r < 0 && !found)
        return hm_fail(err, HM_E_DISK_EXISTS,
                       "volume %s in pool %s exists and harmony did not make it; rename it or the "
                       "document, or set adopt: true to use it as it is",
                       w->volume, w->place->name);
    if (r < 0)
        return r;
    if (found && found->state == VOLUME_MAKING)
        return finish_volume(lv, w, vol, err);
    if (found) /* what it is made on top of is decided once */
        wish.backing = found->backing;
    if (found && found->apply)
        r = lv_snapshot_finish_apply(lv, w->place, w->volume, found, false, err);
    if (r >= 0)
        r = fit(lv, w, vol, found, err);
    if (r < 0 || (found && mark_says(found, w)))
        return r;
    return write_mark(w, VOLUME_MADE, err);
}

static int check_local(const struct lv *lv, const char *volume, struct hm_error *err)
{
    if (lv->is_local)
        return 0;
    return hm_fail(err, HM_E_UNSUPPORTED,
                   "volume %s: volumes are made only where the agent runs on the host itself, not "
                   "over %s; use an image that is there",
                   volume, lv->uri);
}

static int fail_vanished(const struct volume_wish *w, struct hm_error *err)
{
    return hm_fail(err, HM_E_REFUSED,
                   "volume %s in pool %s was made and has vanished with its data; put it back, or "
                   "remove %s/%s" VOLUME_MARK_SUFFIX " to have a new, empty one",
                   w->volume, w->place->name, w->place->dir, w->volume);
}

int volume_ensure(struct lv *lv, const struct volume_wish *given, char **ret_path,
                  struct hm_error *err)
{
    struct volume_wish wish = *given;
    const struct volume_wish *w = &wish;
    struct volume_mark mark = {0};
    struct image_file image = {0};
    LV_VOLUME vol = NULL;
    int r = check_local(lv, w->volume, err);
    int marked = r < 0 ? r : volume_mark_read(w->place->dir, w->volume, &mark, err);
    bool is_new = !marked || mark.state == VOLUME_MAKING;
    r = marked >= 0 && is_new && w->backing_image ? find_image(lv, &wish, &image, err) : marked;
    int found = r < 0 ? r : volume_find(lv, w->place, w->volume, &vol, err);
    if (found < 0)
        r = found;
    else if (!found && marked && mark.state == VOLUME_MADE)
        r = fail_vanished(w, err);
    else if (found)
        r = use_volume(lv, w, vol, marked ? &mark : NULL, err);
    else
        r = create_volume(lv, w, err);
    volume_mark_clear(&mark);
    image_file_clear(&image);
    HM_AUTOFREE char *path = path_of(w->place, w->volume);
    lv_touch_image(lv, path); /* whatever came of it: what was seen of it is old */
    if (r < 0)
        return r;
    *ret_path = hm_strdup(path);
    return 0;
}

/* -- Before a guest gets it -------------------------------------------------------------------- */

static int check_header(const char *path, const char *format, const char *backing,
                        struct hm_error *err)
{
    struct image_info info = {0};
    int r = qemu_img_info(path, format, &info, err);
    if (r >= 0)
        r = image_info_check(&info, path, backing, err);
    image_info_clear(&info);
    return r;
}

int volume_check(struct lv *lv, const struct lv_place *place, const char *volume,
                 const char *format, struct hm_error *err)
{
    HM_AUTOFREE char *path = path_of(place, volume);
    struct volume_mark mark = {0};
    int r = volume_mark_read(place->dir, volume, &mark, err);
    if (r > 0 && mark.apply)
        r = lv_snapshot_finish_apply(lv, place, volume, &mark, false, err);
    if (r >= 0 && lv->is_qemu)
        r = check_header(path, format, mark.backing, err);
    lv_touch_image(lv, path);
    volume_mark_clear(&mark);
    return r;
}

/* -- Removing ---------------------------------------------------------------------------------- */

static int delete_volume(const struct lv_place *place, const char *volume, virStorageVolPtr vol,
                         struct volume_mark *mark, struct lv *lv, struct hm_error *err)
{
    mark->state = VOLUME_REMOVING;
    int r = volume_mark_write(place->dir, volume, mark, err);
    if (r < 0)
        return r;
    if (virStorageVolDelete(vol, 0) < 0 && !lv_last_is(VIR_ERR_NO_STORAGE_VOL))
        return lv_fail(lv, err, "volume %s in pool %s: remove it", volume, place->name);
    return 0;
}

int volume_remove(struct lv *lv, const struct lv_place *place, const char *volume,
                  const struct order *order, struct hm_error *err)
{
    struct volume_mark mark = {0};
    LV_VOLUME vol = NULL;
    int marked = volume_mark_read(place->dir, volume, &mark, err);
    int found = marked < 0 ? marked : volume_find(lv, place, volume, &vol, err);
    int r = found;
    if (found > 0)
        r = mark_check_ours(marked ? &mark.mark : NULL, order, err);
    if (found > 0 && r >= 0)
        r = delete_volume(place, volume, vol, &mark, lv, err);
    if (r >= 0 && lv->is_local)
        r = claim_image(lv, place, volume, NULL, err);
    if (r >= 0) {
        HM_AUTOFREE char *part = hm_printf("%s/%s" PART_SUFFIX, place->dir, volume);
        unlink(part);
    }
    if (r >= 0) /* the mark last: a crash before leaves it to find the volume again */
        r = volume_mark_remove(place->dir, volume, err);
    volume_mark_clear(&mark);
    lv_touch_pools(lv);
    return r < 0 ? r : found == 0;
}
