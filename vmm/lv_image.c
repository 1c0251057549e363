#include "base/clock.h"
#include "vmm/lv_cache.h"
#include "vmm/qemu_img.h"

enum { LOOKS_MS = 500, LOOK_AGAIN_MS = 1000 };

void lv_images_begin(struct lv *lv)
{
    lv->cache->pass_began_ns = hm_boottime_ns();
    lv->cache->look_until_ns = lv->cache->pass_began_ns + LOOKS_MS * HM_MS;
}

bool lv_images_are_files(const struct lv *lv)
{
    return lv->is_qemu && lv->is_local;
}

static bool time_is_up(struct lv *lv)
{
    if (hm_boottime_ns() <= lv->cache->look_until_ns)
        return false;
    lv_look_later(lv, LOOK_AGAIN_MS);
    return true;
}

static json_t *look(const char *path, const char *format)
{
    struct image_info info = {0};
    struct hm_error why;
    if (qemu_img_info(path, format, &info, &why) < 0)
        return json_pack("{s:s}", "error", why.text);
    json_t *seen = image_info_json(&info);
    image_info_clear(&info);
    return seen;
}

json_t *lv_image_look(struct lv *lv, const char *path, const char *format)
{
    return lv_images_are_files(lv) && !time_is_up(lv) ? look(path, format) : NULL;
}

/* All disks of a VM, or none: where each look takes long there is one VM more at each pass. */
bool lv_image_add_disks(struct lv *lv, const json_t *disks, json_t *details,
                        struct look_again *again)
{
    size_t i;
    json_t *disk;
    bool failed = false;
    if (!lv_images_are_files(lv) || json_array_size(disks) == 0) {
        look_again_note(again, false, lv->cache->pass_began_ns);
        return true;
    }
    bool looks = !time_is_up(lv);
    json_t *list = json_array();
    json_array_foreach((json_t *)(uintptr_t)disks, i, disk)
    {
        json_t *seen = looks ? look(json_string_value(json_object_get(disk, "path")),
                                    json_string_value(json_object_get(disk, "format")))
                             : NULL;
        json_t *shown = json_copy(disk);
        failed |= json_object_get(seen, "error") != NULL;
        json_object_update(shown, seen);
        json_array_append_new(list, shown);
        json_decref(seen);
    }
    json_object_set_new(details, "disks", list);
    look_again_note(again, failed || !looks, lv->cache->pass_began_ns);
    return looks;
}
