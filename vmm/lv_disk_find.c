#include <stdlib.h>
#include <string.h>

#include <libvirt/virterror.h>

#include "base/alloc.h"
#include "proto/field.h"
#include "vmm/lv_disk.h"

const char *lv_disk_pool(const json_t *spec)
{
    const char *pool = spec_str(spec, "pool");
    return pool ? pool : "default";
}

/* -- Finding the volume of a disk document by its mark ----------------------------------------- */

void lv_found_disk_clear(struct lv_found_disk *found)
{
    lv_place_clear(&found->place);
    volume_mark_clear(&found->mark);
    free(found->volume);
    free(found->path);
}

/* 1: it is this volume; 0: it is not. */
static int look_at(const struct lv_place *place, const char *name, const char *format,
                   struct lv_found_disk *ret, struct hm_error *err)
{
    struct volume_mark mark = {0};
    HM_AUTOFREE char *volume = hm_printf("%s.%s", name, format);
    int r = volume_mark_read(place->dir, volume, &mark, err);
    if (r <= 0 || !disk_spec_is_key(mark.mark.key, name)) {
        volume_mark_clear(&mark);
        return r < 0 ? r : 0;
    }
    *ret = (struct lv_found_disk){.volume = hm_strdup(volume),
                                  .path = hm_printf("%s/%s", place->dir, volume),
                                  .format = format,
                                  .mark = mark};
    return 1;
}

/* 1: this pool holds it; 0: it does not. */
static int look_in(struct lv *lv, const char *pool, const char *name, struct lv_found_disk *ret,
                   struct hm_error *err)
{
    struct lv_place place = {0};
    int r = lv_pool_open(lv, pool, &place, err);
    if (r == -HM_E_UNSUPPORTED) /* not a folder: nothing of ours in it */
        return 0;
    for (const char *const *f = disk_spec_formats; r == 0 && *f; f++)
        r = look_at(&place, name, *f, ret, err);
    if (r > 0)
        ret->place = place;
    else
        lv_place_clear(&place);
    return r;
}

static void free_pools(virStoragePoolPtr *pools, int count)
{
    for (int i = 0; i < count; i++)
        virStoragePoolFree(pools[i]);
    free(pools);
}

int lv_find_disk(struct lv *lv, const char *name, struct lv_found_disk *ret, struct hm_error *err)
{
    virStoragePoolPtr *pools = NULL;
    int count =
        virConnectListAllStoragePools(lv->conn, &pools, VIR_CONNECT_LIST_STORAGE_POOLS_ACTIVE);
    if (count < 0)
        return lv_fail(lv, err, "list storage pools");
    int r = 0;
    for (int i = 0; i < count && r == 0; i++)
        r = look_in(lv, virStoragePoolGetName(pools[i]), name, ret, err);
    free_pools(pools, count);
    return r;
}
