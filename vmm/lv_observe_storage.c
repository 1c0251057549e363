#include <dirent.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <libvirt/virterror.h>

#include "base/alloc.h"
#include "base/file.h"
#include "proto/field.h"
#include "vmm/lv_cache.h"
#include "vmm/volume.h"
#include "vmm/volume_xml.h"

/* What one reading of all pools shares. */
struct reading {
    const struct lv_dirty *dirty;
    struct things *list; /* what was found */
    bool is_again;       /* what could not be looked into is due */
    bool *left;          /* there was no time for some in this pass */
    bool *failed;        /* some could not be looked into */
};

/* -- One volume -------------------------------------------------------------------------------- */

/* "site-a.disk.data" -> "data"; NULL: it is not of a disk document (a VM's own disk). */
static const char *disk_name_in(const char *key)
{
    const char *dot = strchr(key, '.');
    return dot && !strncmp(dot, ".disk.", 6) ? dot + 6 : NULL;
}

static void add_disk(struct things *list, const char *name, struct mark *mark, json_t *details,
                     char *drift)
{
    struct thing t = {.kind = hm_strdup("disk"),
                      .name = hm_strdup(name),
                      .details = details,
                      .drift = drift,
                      .marked = true,
                      .mark_site = mark->site,
                      .mark_key = mark->key,
                      .mark_hash = mark->hash,
                      .spec = mark->spec};
    memset(mark, 0, sizeof *mark);
    struct thing_shared *shared = thing_shared_new(&t);
    struct thing view = thing_view(shared, THING_RUNNING, NULL);
    things_add(list, &view);
    thing_shared_unref(shared);
}

static bool is_touched(const struct lv_dirty *dirty, const char *path)
{
    uint64_t hash = lv_name_hash(path);
    bool touched = dirty->all_images;
    for (size_t i = 0; i < dirty->image_count && !touched; i++)
        touched = dirty->images[i] == hash;
    return touched;
}

/* What was seen of this file before, or NULL. Borrowed. */
static json_t *seen_before(const struct lv *lv, const char *path, bool is_again)
{
    const struct things *disks = &lv->cache->disks;
    for (size_t i = 0; i < disks->count; i++) {
        json_t *image = json_object_get(disks->items[i].details, "image");
        const char *of = json_string_value(json_object_get(disks->items[i].details, "path"));
        if (image && of && !strcmp(of, path))
            return is_again && json_object_get(image, "error") ? NULL : image;
    }
    return NULL;
}

static json_t *details_of(struct lv *lv, const struct lv_place *place, const char *volume,
                          const virStorageVolInfo *info, const struct reading *r)
{
    HM_AUTOFREE char *path = hm_printf("%s/%s", place->dir, volume);
    const char *format = strrchr(volume, '.');
    json_t *details =
        json_pack("{s:s, s:s, s:I, s:I}", "pool", place->name, "path", path, "capacity",
                  (json_int_t)info->capacity, "allocation", (json_int_t)info->allocation);
    json_t *image =
        is_touched(r->dirty, path) ? NULL : json_incref(seen_before(lv, path, r->is_again));
    if (!image)
        image = lv_image_look(lv, path, format ? format + 1 : "raw");
    if (image)
        json_object_set_new(details, "image", image);
    if (json_object_get(image, "size")) /* libvirt guesses the format, and so the size */
        json_object_set(details, "capacity", json_object_get(image, "size"));
    if (!image)
        *r->left |= lv_images_are_files(lv);
    *r->failed |= json_object_get(image, "error") != NULL;
    return details;
}

static bool has_snapshot(const json_t *image, const char *name)
{
    size_t i;
    const json_t *s;
    json_array_foreach(json_object_get(image, "snapshots"), i, s)
    {
        if (!strcmp(json_string_value(json_object_get(s, "name")), name))
            return true;
    }
    return false;
}

/* What is not as the mark says; the caller frees it. */
static char *drift_of(const struct volume_mark *mark, const json_t *details)
{
    const json_t *image = json_object_get(details, "image"), *name;
    size_t i;
    if (mark->apply)
        return hm_strdup("a snapshot is being applied");
    if (!json_object_get(image, "size"))
        return NULL;
    if (spec_int(image, "size", 0) < spec_int(mark->mark.spec, "size", 0))
        return hm_strdup("it is smaller than it was made");
    json_array_foreach(json_object_get(mark->mark.spec, "snapshots"), i, name)
    {
        if (!has_snapshot(image, json_string_value(name)))
            return hm_printf("snapshot %s is gone", json_string_value(name));
    }
    return NULL;
}

/* A mark without a volume is an intention, or a leftover: the disk is absent. */
static int read_marked(struct lv *lv, const struct lv_place *place, const char *volume,
                       const struct reading *to, struct hm_error *err)
{
    struct volume_mark found = {0};
    LV_VOLUME vol = NULL;
    virStorageVolInfo info;
    int r = volume_mark_read(place->dir, volume, &found, NULL);
    const char *name = r > 0 ? disk_name_in(found.mark.key) : NULL;
    if (r <= 0 || !name ||
        found.state == VOLUME_MAKING) { /* an unreadable one is told by the verb that needs it */
        volume_mark_clear(&found);
        return 0;
    }
    r = volume_find(lv, place, volume, &vol, err);
    if (r > 0 && virStorageVolGetInfo(vol, &info) < 0)
        r = lv_last_is(VIR_ERR_NO_STORAGE_VOL) ? 0 : lv_fail(lv, err, "volume %s", volume);
    if (r > 0) {
        json_t *details = details_of(lv, place, volume, &info, to);
        add_disk(to->list, name, &found.mark, details, drift_of(&found, details));
    }
    volume_mark_clear(&found);
    return r < 0 ? r : 0;
}

/* -- One pool ---------------------------------------------------------------------------------- */

/* The volume's name if this is the name of a mark, or NULL; the caller frees it. */
static char *volume_of_mark(const char *file)
{
    size_t len = strlen(file), suffix = strlen(VOLUME_MARK_SUFFIX);
    if (len <= suffix || strcmp(file + len - suffix, VOLUME_MARK_SUFFIX) != 0)
        return NULL;
    return hm_strndup(file, len - suffix);
}

static int read_pool(struct lv *lv, const struct lv_place *place, const struct reading *to,
                     struct hm_error *err)
{
    DIR *dir = opendir(place->dir);
    int r = 0;
    for (struct dirent *e; dir && r >= 0 && (e = readdir(dir));) {
        HM_AUTOFREE char *volume = volume_of_mark(e->d_name);
        if (volume)
            r = read_marked(lv, place, volume, to, err);
    }
    if (dir)
        closedir(dir);
    return r;
}

/* 1: a folder that we can look into; 0: something else. */
static int place_of(struct lv *lv, virStoragePoolPtr pool, struct lv_place *ret,
                    struct hm_error *err)
{
    HM_AUTOFREE char *xml = virStoragePoolGetXMLDesc(pool, 0);
    if (!xml)
        return lv_last_is(VIR_ERR_NO_STORAGE_POOL) ? 0 : lv_fail(lv, err, "read a pool's XML");
    struct pool_info info = {0};
    int r = pool_read(xml, &info, err);
    if (r < 0)
        return r;
    bool folder = info.type && !strcmp(info.type, "dir") && info.dir;
    if (folder) {
        virStoragePoolRef(pool);
        *ret = (struct lv_place){.pool = pool,
                                 .name = hm_strdup(virStoragePoolGetName(pool)),
                                 .dir = hm_strdup(info.dir)};
    }
    pool_info_clear(&info);
    return folder;
}

static int64_t changed_ns(const char *dir)
{
    struct stat st;
    if (stat(dir, &st) < 0)
        return -1;
    return hm_file_changed_ns(&st);
}

/* Remembered before the folder is read: a change meanwhile is seen the next time. */
static void remember(struct lv_cache *cache, const struct lv_place *place)
{
    cache->pools = hm_realloc_array(cache->pools, cache->pool_count + 1, sizeof *cache->pools);
    cache->pools[cache->pool_count++] =
        (struct lv_pool_memory){.name = hm_strdup(place->name),
                                .dir = hm_strdup(place->dir),
                                .changed_ns = changed_ns(place->dir)};
}

static void forget_pools(struct lv_cache *cache)
{
    for (size_t i = 0; i < cache->pool_count; i++) {
        free(cache->pools[i].name);
        free(cache->pools[i].dir);
    }
    free(cache->pools);
    cache->pools = NULL;
    cache->pool_count = 0;
}

static bool folders_changed(const struct lv_cache *cache)
{
    for (size_t i = 0; i < cache->pool_count; i++)
        if (changed_ns(cache->pools[i].dir) != cache->pools[i].changed_ns)
            return true;
    return false;
}

/* -- All pools --------------------------------------------------------------------------------- */

static int read_pools(struct lv *lv, virStoragePoolPtr *pools, int count, const struct reading *to,
                      struct hm_error *err)
{
    int r = 0;
    for (int i = 0; i < count && r >= 0; i++) {
        struct lv_place place = {0};
        r = place_of(lv, pools[i], &place, err);
        if (r > 0) {
            remember(lv->cache, &place);
            r = read_pool(lv, &place, to, err);
        }
        lv_place_clear(&place);
    }
    return r;
}

int lv_observe_storage(struct lv *lv, const struct lv_dirty *dirty, struct hm_error *err)
{
    bool left = false, failed = false;
    bool is_again = look_again_is_due(&lv->cache->images, lv->cache->pass_began_ns);
    if (!lv->is_local || (!dirty->pools && !is_again && !folders_changed(lv->cache)))
        return 0;
    virStoragePoolPtr *pools = NULL;
    struct things found = {0};
    struct reading to = {
        .dirty = dirty, .list = &found, .is_again = is_again, .left = &left, .failed = &failed};
    int count =
        virConnectListAllStoragePools(lv->conn, &pools, VIR_CONNECT_LIST_STORAGE_POOLS_ACTIVE);
    if (count < 0)
        return lv_last_is(VIR_ERR_NO_SUPPORT) ? 0 : lv_fail(lv, err, "list storage pools");
    forget_pools(lv->cache);
    int r = read_pools(lv, pools, count, &to, err);
    for (int i = 0; i < count; i++)
        virStoragePoolFree(pools[i]);
    free(pools);
    if (r < 0) {
        things_clear(&found);
        return r;
    }
    things_clear(&lv->cache->disks);
    lv->cache->disks = found;
    look_again_note(&lv->cache->images, failed || left, lv->cache->pass_began_ns);
    if (left)
        lv->cache->pools[0].changed_ns = 0; /* read again in the next pass */
    return 0;
}
