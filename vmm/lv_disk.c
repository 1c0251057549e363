#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <libvirt/virterror.h>

#include "base/alloc.h"
#include "proto/field.h"
#include "vmm/image_store.h"
#include "vmm/lv_disk.h"
#include "vmm/qemu_img.h"
#include "vmm/volume.h"

/* -- The verbs of a disk document -------------------------------------------------------------- */

static int disk_create(struct lv *lv, const struct order *o, struct hm_error *err)
{
    struct lv_place place = {0};
    int r = lv_pool_open(lv, lv_disk_pool(o->spec), &place, err);
    if (r < 0)
        return hm_wrap(err, "disk %s", o->name);
    HM_AUTOFREE char *volume = hm_printf("%s.%s", o->name, disk_spec_format(o->spec));
    HM_AUTOFREE char *path = NULL;
    struct volume_wish wish = {.place = &place,
                               .volume = volume,
                               .format = disk_spec_format(o->spec),
                               .bytes = disk_spec_bytes(o->spec),
                               .backing = spec_str(o->spec, "backing"),
                               .backing_format = disk_spec_backing_format(o->spec),
                               .backing_image = spec_str(o->spec, "backing_image"),
                               .order = o,
                               .spec = o->spec,
                               .protect = spec_bool(o->spec, "protect")};
    r = volume_ensure(lv, &wish, &path, err);
    lv_place_clear(&place);
    return r < 0 ? hm_wrap(err, "disk %s", o->name) : 0;
}

static int disk_start(struct lv *lv, const struct order *o, struct hm_error *err)
{
    struct lv_place place = {0};
    int r = lv_pool_open(lv, lv_disk_pool(o->spec), &place, err);
    if (r < 0)
        return hm_wrap(err, "disk %s", o->name);
    lv_place_clear(&place);
    return 0;
}

/* A disk does not run by itself. */
static int disk_nothing(struct lv *lv, const struct order *o, struct hm_error *err)
{
    (void)lv, (void)o, (void)err;
    return 0;
}

static bool uses_path(virDomainPtr dom, unsigned flags, const char *path)
{
    char *xml = virDomainGetXMLDesc(dom, flags);
    struct domain_info info;
    bool uses = false;
    if (xml && domain_read(xml, &info, NULL) >= 0) {
        for (size_t i = 0; i < json_array_size(info.files); i++)
            uses |= !strcmp(json_string_value(json_array_get(info.files, i)), path);
        domain_info_clear(&info);
    }
    free(xml);
    return uses;
}

/* Removing a volume under a VM, ours or not, would destroy what it works on. */
static int check_unused(struct lv *lv, const struct lv_found_disk *found, const struct order *o,
                        struct hm_error *err)
{
    const char *path = found->path;
    virDomainPtr *domains = NULL;
    int count = virConnectListAllDomains(lv->conn, &domains, 0);
    if (count < 0)
        return lv_fail(lv, err, "disk %s: find out who uses it", o->name);
    int r = 0;
    for (int i = 0; i < count; i++) {
        if (r == 0 && (uses_path(domains[i], VIR_DOMAIN_XML_INACTIVE, path) ||
                       uses_path(domains[i], 0, path)))
            r = hm_fail(err, HM_E_REFUSED,
                        "disk %s is used by the VM %s; remove that VM, or the disk "
                        "from it, first",
                        o->name, virDomainGetName(domains[i]));
        virDomainFree(domains[i]);
    }
    free(domains);
    return r;
}

static int disk_remove(struct lv *lv, const struct order *o, struct hm_error *err)
{
    struct lv_found_disk found = {0};
    int r = lv_find_disk(lv, o->name, &found, err);
    if (r < 0)
        return hm_wrap(err, "disk %s", o->name);
    if (r == 0)
        return 1;
    r = check_unused(lv, &found, o, err);
    if (r >= 0)
        r = volume_remove(lv, &found.place, found.volume, o, err);
    lv_found_disk_clear(&found);
    return r;
}

const struct lv_kind lv_disk_kind = {
    .name = "disk",
    .create = disk_create,
    .update = disk_create,
    .start = disk_start,
    .stop = disk_nothing,
    .kill = disk_nothing,
    .verify_stopped = disk_nothing,
    .remove = disk_remove,
};

/* -- The disks of a VM ------------------------------------------------------------------------- */

/* What the volume begins with is needed only until it was made. */
static int find_base(struct lv *lv, const struct lv_place *place, const char *volume,
                     const char *name, struct image_file *ret, struct hm_error *err)
{
    struct volume_mark mark = {0};
    int marked = name ? volume_mark_read(place->dir, volume, &mark, err) : 0;
    bool made = marked > 0 && mark.state != VOLUME_MAKING;
    volume_mark_clear(&mark);
    if (!name || marked < 0 || made)
        return marked < 0 ? marked : 0;
    int r = image_store_find(lv->image_dir, name, ret, err);
    if (r < 0 || strcmp(ret->format, "iso") != 0)
        return r;
    image_file_clear(ret);
    return hm_fail(err, HM_E_INVALID, "image-file %s is an iso; a disk begins with qcow2 or raw",
                   name);
}

static int prepare_own(struct lv *lv, const struct order *vm, struct vm_disk *d,
                       struct hm_error *err)
{
    struct lv_place place = {0};
    int r = lv_pool_open(lv, lv_disk_pool(d->spec), &place, err);
    if (r < 0)
        return r;
    HM_AUTOFREE char *volume = vm_volume_name(vm->name, d->spec);
    struct order o = *vm;
    o.kind = "volume";
    o.name = volume;
    struct image_file base = {0};
    r = find_base(lv, &place, volume, spec_str(d->spec, "base"), &base, err);
    struct volume_wish wish = {.place = &place,
                               .volume = volume,
                               .format = disk_spec_format(d->spec),
                               .bytes = disk_spec_bytes(d->spec),
                               .base = base.path,
                               .base_format = base.format,
                               .backing = spec_str(d->spec, "backing"),
                               .backing_format = disk_spec_backing_format(d->spec),
                               .backing_image = spec_str(d->spec, "backing_image"),
                               .order = &o,
                               .spec = d->spec};
    if (r >= 0)
        r = volume_ensure(lv, &wish, &d->path, err);
    image_file_clear(&base);
    d->format = hm_strdup(disk_spec_format(d->spec));
    lv_place_clear(&place);
    return r;
}

static int prepare_document(struct lv *lv, const char *name, struct vm_disk *d,
                            struct hm_error *err)
{
    struct lv_found_disk found = {0};
    int r = lv_find_disk(lv, name, &found, err);
    if (r < 0)
        return r;
    if (r == 0)
        return hm_fail(err, HM_E_NOT_FOUND,
                       "disk %s does not exist (yet); declare it as a document "
                       "of kind disk",
                       name);
    r = volume_check(lv, &found.place, found.volume, found.format, err);
    if (r >= 0) {
        d->path = hm_strdup(found.path);
        d->format = hm_strdup(found.format);
    }
    lv_found_disk_clear(&found);
    return r;
}

static int prepare_file(const char *path, const char *format, struct vm_disk *d)
{
    d->path = hm_strdup(path);
    d->format = hm_strdup(format);
    return 0;
}

/* A file that we did not make may say that it is made of others: of any that QEMU can read. */
static int prepare_image(struct lv *lv, const char *path, struct vm_disk *d, struct hm_error *err)
{
    struct image_info info = {0};
    const char *format = disk_spec_format(d->spec);
    bool looks = lv->is_qemu && lv->is_local && strcmp(format, "raw") != 0;
    int r = looks ? qemu_img_info(path, format, &info, err) : 0;
    if (looks && r >= 0)
        r = image_info_check(&info, path, spec_str(d->spec, "backing"), err);
    image_info_clear(&info);
    return r < 0 ? r : prepare_file(path, format, d);
}

static int prepare(struct lv *lv, const struct order *o, struct vm_disk *d, struct hm_error *err)
{
    const char *document = spec_str(d->spec, "disk"), *image = spec_str(d->spec, "image");
    if (d->cdrom || d->seed)
        return lv_cdrom_prepare(lv, o, d, err);
    if (document)
        return prepare_document(lv, document, d, err);
    if (image)
        return prepare_image(lv, image, d, err);
    return prepare_own(lv, o, d, err);
}

int lv_disks_prepare(struct lv *lv, const struct order *o, struct vm_disks *disks,
                     struct hm_error *err)
{
    int r = lv_cdroms_keep(lv, o, true, err);
    if (r < 0)
        return r;
    for (size_t i = 0; i < disks->count; i++) {
        r = prepare(lv, o, &disks->items[i], err);
        if (r < 0)
            return hm_wrap(err, "disk %s", disks->items[i].target);
    }
    return 0;
}

static int remove_own(struct lv *lv, const struct order *vm, const json_t *disk,
                      struct hm_error *err)
{
    struct lv_place place = {0};
    int r = lv_pool_open(lv, lv_disk_pool(disk), &place, err);
    if (r == -HM_E_POOL_NOT_FOUND) /* and with it the volume */
        return 0;
    if (r < 0)
        return r;
    HM_AUTOFREE char *volume = vm_volume_name(vm->name, disk);
    struct order o = *vm;
    o.kind = "volume";
    o.name = volume;
    r = volume_remove(lv, &place, volume, &o, err);
    lv_place_clear(&place);
    return r;
}

int lv_disks_remove_ephemeral(struct lv *lv, const struct order *o, const json_t *spec,
                              struct hm_error *err)
{
    const json_t *disks = json_object_get(spec, "disks");
    for (size_t i = 0; i < json_array_size(disks); i++) {
        const json_t *disk = json_array_get(disks, i);
        if (!spec_bool(disk, "ephemeral") || !json_object_get(disk, "size"))
            continue;
        int r = remove_own(lv, o, disk, err);
        if (r < 0)
            return hm_wrap(err, "ephemeral disk of vm %s", o->name);
    }
    return 0;
}
