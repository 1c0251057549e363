#include "vmm/lv_snapshot.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "proto/doc.h"
#include "vmm/qemu_img.h"

/* A change that failed is tried again after 5 min at most: that needs no second snapshot. */
enum { TAG_MAX = 9, SAME_ATTEMPT_S = 600 };

int lv_snapshot_check_format(const struct lv_image *image, struct hm_error *err)
{
    if (!strcmp(image->format, "qcow2"))
        return 0;
    return hm_fail(err, HM_E_UNSUPPORTED,
                   "%s is %s, which can't hold snapshots; a disk of format qcow2 can", image->what,
                   image->format);
}

/* -- Who runs on them -------------------------------------------------------------------------- */

static void clear_uses(struct lv_disk_use *uses, size_t count)
{
    for (size_t i = 0; i < count; i++)
        lv_disk_use_clear(&uses[i]);
    free(uses);
}

static int check_one_guest(const struct lv_disk_use *uses, const struct lv_image *images, size_t i,
                           struct hm_error *err)
{
    if (!!uses[i].dom == !!uses[0].dom && (!uses[0].dom || !strcmp(uses[i].vm, uses[0].vm)))
        return 0;
    return hm_fail(
        err, HM_E_REFUSED,
        "%s is not used by the same running VM as %s; stop the VMs, or take their snapshots "
        "one by one",
        images[i].what, images[0].what);
}

/* 1: one guest of ours runs on all of them, *ret_uses has its disks; 0: nobody does. */
static int find_guest(struct lv *lv, const struct lv_image *images, size_t count,
                      struct lv_disk_use **ret_uses, struct hm_error *err)
{
    struct lv_disk_use *uses = hm_alloc(count * sizeof *uses);
    int r = 0;
    for (size_t i = 0; i < count && r >= 0; i++) {
        r = lv_disk_running_user(lv, images[i].path, &uses[i], err);
        if (r > 0)
            r = lv_disk_check_ours(&uses[i], images[i].what, err);
        if (r >= 0)
            r = check_one_guest(uses, images, i, err);
    }
    int used = r < 0 ? r : uses[0].dom != NULL;
    if (used > 0)
        *ret_uses = uses;
    else
        clear_uses(uses, count);
    return used;
}

/* -- Create ------------------------------------------------------------------------------------ */

/* 1: it has it; 0: it has not. */
static int has_snapshot(const struct lv_image *image, const char *name, size_t *ret_count,
                        struct hm_error *err)
{
    struct image_info info = {0};
    int r = lv_snapshot_check_format(image, err);
    if (r >= 0)
        r = qemu_img_info(image->path, image->format, &info, err);
    if (r >= 0)
        r = image_info_find(&info, name) != NULL;
    *ret_count = info.snapshot_count;
    image_info_clear(&info);
    return r;
}

static int check_room(const struct lv_image *image, const char *name, struct hm_error *err)
{
    size_t count = 0;
    int r = has_snapshot(image, name, &count, err);
    if (r > 0)
        return hm_fail(err, HM_E_CONFLICT,
                       "%s has a snapshot %s already; delete that one, or choose another name",
                       image->what, name);
    if (r == 0 && count >= SNAPSHOTS_MAX)
        return hm_fail(err, HM_E_TOO_LARGE, "%s has %zu snapshots; delete some first", image->what,
                       count);
    return r;
}

/* Of nobody's disks. What was made before one failed is taken back. */
static int create_off(const struct lv_image *images, size_t count, const char *name,
                      struct hm_error *err)
{
    for (size_t i = 0; i < count; i++) {
        int r = qemu_img_snapshot_create(images[i].path, name, err);
        if (r >= 0)
            continue;
        while (i-- > 0)
            qemu_img_snapshot_delete(images[i].path, name, NULL);
        return r;
    }
    return 0;
}

int lv_snapshot_create(struct lv *lv, const struct lv_image *images, size_t count, const char *name,
                       struct hm_error *err)
{
    struct lv_disk_use *uses = NULL;
    int r = 0;
    for (size_t i = 0; i < count && r >= 0; i++)
        r = check_room(&images[i], name, err);
    int running = r < 0 ? r : find_guest(lv, images, count, &uses, err);
    if (running > 0)
        r = lv_snapshot_create_live(lv, uses, count, name, err);
    else
        r = running < 0 ? running : create_off(images, count, name, err);
    if (running > 0)
        clear_uses(uses, count);
    for (size_t i = 0; i < count; i++)
        lv_touch_image(lv, images[i].path);
    return r;
}

/* -- Delete ------------------------------------------------------------------------------------ */

static int delete_one(struct lv *lv, const struct lv_image *image, const char *name,
                      struct hm_error *err)
{
    struct lv_disk_use use = {0};
    size_t count = 0;
    int r = has_snapshot(image, name, &count, err);
    if (r <= 0)
        return r < 0 ? r : 1;
    int running = lv_disk_running_user(lv, image->path, &use, err);
    r = running > 0 ? lv_disk_check_ours(&use, image->what, err) : running;
    if (running > 0 && r >= 0)
        r = lv_snapshot_delete_live(lv, &use, name, err);
    else if (running == 0)
        r = qemu_img_snapshot_delete(image->path, name, err);
    lv_disk_use_clear(&use);
    lv_touch_image(lv, image->path);
    return r;
}

int lv_snapshot_delete(struct lv *lv, const struct lv_image *images, size_t count, const char *name,
                       struct hm_error *err)
{
    bool none = true;
    for (size_t i = 0; i < count; i++) {
        int r = delete_one(lv, &images[i], name, err);
        if (r < 0)
            return r;
        none &= r > 0;
    }
    return none;
}

/* -- Apply ------------------------------------------------------------------------------------- */

static int forget_apply(const struct lv_place *place, const char *volume, struct volume_mark *mark,
                        struct hm_error *err)
{
    json_decref(mark->apply);
    mark->apply = NULL;
    return volume_mark_write(place->dir, volume, mark, err);
}

int lv_snapshot_finish_apply(struct lv *lv, const struct lv_place *place, const char *volume,
                             struct volume_mark *mark, bool fresh, struct hm_error *err)
{
    const char *name = json_string_value(json_object_get(mark->apply, "snapshot"));
    const json_t *paths = json_object_get(mark->apply, "paths");
    int r = snapshot_name_check(name, err);
    size_t i = 0;
    for (; i < json_array_size(paths) && r >= 0; i++) {
        const char *path = json_string_value(json_array_get(paths, i));
        r = path ? qemu_img_snapshot_apply(path, name, err) : 0;
        if (path)
            lv_touch_image(lv, path);
    }
    bool nothing_happened = fresh && r == -(int)HM_E_REFUSED && i == 1;
    if (nothing_happened)
        forget_apply(place, volume, mark, NULL);
    return r < 0 ? hm_wrap(err, "volume %s", volume) : forget_apply(place, volume, mark, err);
}

/* -- Protect ----------------------------------------------------------------------------------- */

/* By it a repeated attempt is known: what is to be applied. */
static void tag_of(const json_t *spec, char out[TAG_MAX])
{
    char hash[DOC_HASH_TEXT];
    spec_hash(spec, hash);
    snprintf(out, TAG_MAX, "%.8s", hash);
}

static bool is_of_this_attempt(const struct image_snapshot *s, const char *tag)
{
    const char *dash = strrchr(s->name, '-');
    int64_t age_s = hm_wall_ns() / 1000000000 - s->created_s;
    return !strncmp(s->name, "auto-", 5) && dash && !strcmp(dash + 1, tag) && age_s >= 0 &&
           age_s < SAME_ATTEMPT_S;
}

/* 1: it can have one and needs one. */
static int needs_one(const struct lv_image *image, const char *tag, struct hm_error *err)
{
    struct image_info info = {0};
    if (lv_snapshot_check_format(image, NULL) < 0)
        return 0;
    int r = qemu_img_info(image->path, image->format, &info, err);
    bool has = false;
    for (size_t i = 0; i < info.snapshot_count; i++)
        has |= is_of_this_attempt(&info.snapshots[i], tag);
    image_info_clear(&info);
    return r < 0 ? r : !has;
}

int lv_snapshot_protect(struct lv *lv, const struct lv_image *images, size_t count,
                        const json_t *spec, struct hm_error *err)
{
    struct lv_image *needing = hm_alloc((count + 1) * sizeof *needing);
    char tag[TAG_MAX], name[SNAPSHOT_NAME_MAX];
    size_t n = 0;
    int r = 0;
    tag_of(spec, tag);
    snapshot_name_auto(tag, name);
    for (size_t i = 0; i < count && r >= 0; i++) {
        r = needs_one(&images[i], tag, err);
        if (r > 0)
            needing[n++] = images[i];
    }
    if (r >= 0 && n > 0)
        r = lv_snapshot_create(lv, needing, n, name, err);
    free(needing);
    return r < 0 ? hm_wrap(err, "protect: a snapshot before the change") : 0;
}
