#include <stdlib.h>
#include <string.h>

#include <libvirt/virterror.h>

#include "base/alloc.h"
#include "base/file.h"
#include "vmm/lv.h"
#include "vmm/volume_xml.h"

#define DEFAULT_POOL "default"

void lv_place_clear(struct lv_place *place)
{
    lv_pool_free(&place->pool);
    free(place->name);
    free(place->dir);
    memset(place, 0, sizeof *place);
}

static int define_default(struct lv *lv, virStoragePoolPtr *ret, struct hm_error *err)
{
    HM_AUTOFREE char *xml = pool_xml(DEFAULT_POOL, lv->image_dir);
    *ret = virStoragePoolDefineXML(lv->conn, xml, 0);
    if (*ret)
        return 0;
    struct hm_error why;
    lv_fail(lv, &why, "pool %s: define it on %s", DEFAULT_POOL, lv->image_dir);
    *ret = virStoragePoolLookupByName(lv->conn, DEFAULT_POOL); /* another worker was faster */
    return lv_fail_unless(*ret, &why, err);
}

static int find_pool(struct lv *lv, const char *name, virStoragePoolPtr *ret, struct hm_error *err)
{
    *ret = virStoragePoolLookupByName(lv->conn, name);
    if (*ret)
        return 0;
    if (!lv_last_is(VIR_ERR_NO_STORAGE_POOL))
        return lv_fail(lv, err, "pool %s: look it up", name);
    if (!strcmp(name, DEFAULT_POOL))
        return define_default(lv, ret, err);
    return hm_fail(err, HM_E_POOL_NOT_FOUND,
                   "pool %s does not exist; make it with virsh pool-define-as, or use pool %s",
                   name, DEFAULT_POOL);
}

static int read_place(struct lv *lv, struct lv_place *place, struct hm_error *err)
{
    HM_AUTOFREE char *xml = virStoragePoolGetXMLDesc(place->pool, 0);
    if (!xml)
        return lv_fail(lv, err, "pool %s: read its XML", place->name);
    struct pool_info info = {0};
    int r = pool_read(xml, &info, err);
    if (r < 0)
        return hm_wrap(err, "pool %s", place->name);
    if (!info.type || strcmp(info.type, "dir") != 0 || !info.dir)
        r = hm_fail(err, HM_E_UNSUPPORTED,
                    "pool %s is of type %s; only directory pools are supported", place->name,
                    info.type ? info.type : "(none)");
    else
        place->dir = hm_strdup(info.dir);
    pool_info_clear(&info);
    return r;
}

/* The folder of our own pool: by libvirt, and here too, since not every backend makes one. */
static int make_folder(struct lv *lv, const struct lv_place *place, struct hm_error *err)
{
    if (lv->is_local && hm_mkdirs(place->dir, 0711, err) < 0)
        return hm_wrap(err, "pool %s", place->name);
    if (virStoragePoolBuild(place->pool, VIR_STORAGE_POOL_BUILD_NEW) == 0)
        return 0;
    struct hm_error why;
    lv_fail(lv, &why, "pool %s: make the folder %s", place->name, place->dir);
    return lv_fail_unless(virStoragePoolIsActive(place->pool) == 1, &why, err);
}

static int start_pool(struct lv *lv, const struct lv_place *place, struct hm_error *err)
{
    if (virStoragePoolCreate(place->pool, 0) == 0)
        return 0;
    struct hm_error why;
    lv_fail(lv, &why, "pool %s: start it", place->name);
    return lv_fail_unless(virStoragePoolIsActive(place->pool) == 1, &why, err);
}

static int activate(struct lv *lv, const struct lv_place *place, struct hm_error *err)
{
    bool ours = !strcmp(place->name, DEFAULT_POOL);
    if (virStoragePoolIsActive(place->pool) == 1)
        return 0;
    int r = ours ? make_folder(lv, place, err) : 0;
    if (r < 0)
        return r;
    r = start_pool(lv, place, err);
    if (r < 0)
        return r;
    if (ours && virStoragePoolSetAutostart(place->pool, 1) < 0)
        return lv_fail(lv, err, "pool %s: set autostart", place->name);
    lv_touch_pools(lv);
    return 0;
}

int lv_pool_open(struct lv *lv, const char *name, struct lv_place *ret, struct hm_error *err)
{
    struct lv_place place = {.name = hm_strdup(name)};
    int r = find_pool(lv, name, &place.pool, err);
    if (r >= 0)
        r = read_place(lv, &place, err);
    if (r >= 0)
        r = activate(lv, &place, err);
    if (r < 0)
        lv_place_clear(&place);
    else
        *ret = place;
    return r;
}
