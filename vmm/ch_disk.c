#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "proto/field.h"
#include "vmm/ch.h"
#include "vmm/ch_volume.h"
#include "vmm/disk_spec.h"
#include "vmm/image_store.h"
#include "vmm/qemu_img.h"
#include "vmm/seed.h"

static int take(struct vm_disk *d, char *path, const char *format)
{
    d->path = path;
    d->format = hm_strdup(format);
    return 0;
}

/* -- A disk document's volume, by its mark ----------------------------------------------------------- */

/* 1: it is this one; 0: it is not. */
static int look_at(const struct ch *ch, const char *name, const char *format, struct vm_disk *d,
                   struct hm_error *err)
{
    struct volume_mark m = {0};
    HM_AUTOFREE char *volume = hm_printf("%s.%s", name, format);
    int r = volume_mark_read(ch->image_dir, volume, &m, err);
    bool is_it = r > 0 && disk_spec_is_key(m.mark.key, name);
    if (is_it && (m.state != VOLUME_MADE || m.apply))
        r = hm_fail(err, HM_E_REFUSED, "disk %s is being made, removed, or put back to a snapshot",
                    name);
    if (is_it && r >= 0)
        take(d, hm_printf("%s/%s", ch->image_dir, volume), format);
    volume_mark_clear(&m);
    return r < 0 ? r : is_it;
}

static int prepare_document(const struct ch *ch, const char *name, struct vm_disk *d,
                            struct hm_error *err)
{
    int found = 0;
    for (const char *const *f = disk_spec_formats; found == 0 && *f; f++)
        found = look_at(ch, name, *f, d, err);
    return found != 0
               ? found
               : hm_fail(err, HM_E_NOT_FOUND,
                         "disk %s is not in %s; declare it as a document of kind disk, in the pool "
                         "default",
                         name, ch->image_dir);
}

/* -- Files and volumes -------------------------------------------------------------------------------- */

/* A file that we did not make may say that it is made of others: of any that the VMM may read. */
static int prepare_image(const char *path, struct vm_disk *d, struct hm_error *err)
{
    struct image_info info = {0};
    const char *format = disk_spec_format(d->spec);
    int r = 0;
    if (strcmp(format, "raw") != 0) {
        r = qemu_img_info(path, format, &info, err);
        if (r >= 0)
            r = image_info_check(&info, path, spec_str(d->spec, "backing"), err);
        image_info_clear(&info);
    }
    return r < 0 ? r : take(d, hm_strdup(path), format);
}

/* What the volume begins with is needed only until it was made. */
static int find_base(const struct ch *ch, const char *volume, const char *name,
                     struct image_file *ret, struct hm_error *err)
{
    struct volume_mark mark = {0};
    int marked = name ? volume_mark_read(ch->image_dir, volume, &mark, err) : 0;
    bool made = marked > 0 && mark.state == VOLUME_MADE;
    volume_mark_clear(&mark);
    if (!name || marked < 0 || made)
        return marked < 0 ? marked : 0;
    int r = image_store_find(ch->image_dir, name, ret, err);
    if (r < 0 || strcmp(ret->format, "iso") != 0)
        return r;
    image_file_clear(ret);
    return hm_fail(err, HM_E_INVALID, "image-file %s is an iso; a disk begins with qcow2 or raw",
                   name);
}

static int prepare_own(const struct ch *ch, const struct order *vm, bool runs, struct vm_disk *d,
                       struct hm_error *err)
{
    HM_AUTOFREE char *volume = vm_volume_name(vm->name, d->spec);
    struct order o = *vm;
    o.kind = "volume";
    o.name = volume;
    struct image_file base = {0};
    char *path = NULL;
    int r = find_base(ch, volume, spec_str(d->spec, "base"), &base, err);
    struct ch_volume_wish wish = {.dir = ch->image_dir,
                                  .volume = volume,
                                  .format = disk_spec_format(d->spec),
                                  .bytes = disk_spec_bytes(d->spec),
                                  .order = &o,
                                  .spec = d->spec,
                                  .base = base.path,
                                  .base_format = base.format,
                                  .backing = spec_str(d->spec, "backing"),
                                  .backing_format = disk_spec_backing_format(d->spec),
                                  .is_open = runs};
    if (r >= 0)
        r = ch_volume_ensure(&wish, &path, err);
    image_file_clear(&base);
    return r < 0 ? r : take(d, path, wish.format);
}

static int prepare_seed(const struct ch *ch, const struct order *vm, struct vm_disk *d,
                        struct hm_error *err)
{
    char *path = NULL;
    int r = seed_make(ch->image_dir, vm->name, vm->key, json_object_get(vm->spec, "cloud_init"),
                      &path, err);
    return r < 0 ? r : take(d, path, "raw");
}

static int prepare(const struct ch *ch, const struct order *o, bool runs, struct vm_disk *d,
                   struct hm_error *err)
{
    const char *document = spec_str(d->spec, "disk"), *image = spec_str(d->spec, "image");
    if (d->seed)
        return prepare_seed(ch, o, d, err);
    if (document)
        return prepare_document(ch, document, d, err);
    return image ? prepare_image(image, d, err) : prepare_own(ch, o, runs, d, err);
}

int ch_disks_prepare(const struct ch *ch, const struct order *o, bool runs, struct vm_disks *disks,
                     struct hm_error *err)
{
    for (size_t i = 0; i < disks->count; i++) {
        struct vm_disk *d = &disks->items[i];
        int r = prepare(ch, o, runs, d, err);
        if (r < 0)
            return hm_wrap(err, "disk %s", d->seed ? "of cloud_init" : spec_str(d->spec, "device"));
    }
    return 0;
}

int ch_disks_remove_ephemeral(const struct ch *ch, const struct order *o, const json_t *spec,
                              struct hm_error *err)
{
    size_t i;
    json_t *disk;
    int r = 0;
    json_array_foreach(json_object_get(spec, "disks"), i, disk)
    {
        if (r < 0 || !spec_bool(disk, "ephemeral") || !json_object_get(disk, "size"))
            continue;
        HM_AUTOFREE char *volume = vm_volume_name(o->name, disk);
        struct order of_volume = *o;
        of_volume.kind = "volume";
        of_volume.name = volume;
        r = ch_volume_remove(ch->image_dir, volume, &of_volume, err);
    }
    return r < 0 ? hm_wrap(err, "ephemeral disk of vm %s", o->name) : 0;
}
