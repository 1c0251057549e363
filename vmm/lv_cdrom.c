/* What lies in the CD-ROM drives of a VM, and the seed of its cloud-init. */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "proto/field.h"
#include "vmm/image_download.h"
#include "vmm/image_store.h"
#include "vmm/lv.h"
#include "vmm/seed.h"

enum { STALL_MS = 60000 }; /* unless the options say otherwise */

static int take(struct vm_disk *d, char *path)
{
    d->path = path;
    d->format = hm_strdup("raw");
    return 0;
}

/* Libvirt is told of the file, never of the URL. */
static int prepare_url(struct lv *lv, struct vm_disk *d, struct hm_error *err)
{
    HM_AUTOFREE char *store = image_store_path(lv->image_dir);
    char sha256[SHA256_TEXT + 1] = "";
    for (size_t i = 0; i < SHA256_TEXT; i++)
        sha256[i] = (char)tolower((unsigned char)spec_str(d->spec, "sha256")[i]);
    struct image_source source = {.store = store,
                                  .url = spec_str(d->spec, "url"),
                                  .sha256 = sha256,
                                  .ca_file = lv->image_ca,
                                  .stall_ms = lv->image_stall_ms ? lv->image_stall_ms : STALL_MS};
    if (!lv->is_local)
        return hm_fail(err, HM_E_UNSUPPORTED, "images are brought to the agent's own host alone");
    int r = image_store_has(store, sha256) ? 0 : image_download(&source, sha256, err);
    return r < 0 ? r : take(d, image_store_file(store, sha256));
}

static int prepare_image(struct lv *lv, const char *name, struct vm_disk *d, struct hm_error *err)
{
    struct image_file file = {0};
    int r = image_store_find(lv->image_dir, name, &file, err);
    if (r >= 0 && strcmp(file.format, "iso") != 0)
        r = hm_fail(err, HM_E_INVALID, "image-file %s is %s, and no iso", name, file.format);
    if (r >= 0)
        r = take(d, hm_strdup(file.path));
    image_file_clear(&file);
    return r;
}

int lv_cdrom_prepare(struct lv *lv, const struct order *vm, struct vm_disk *d, struct hm_error *err)
{
    const char *image = spec_str(d->spec, "image");
    char *seed = NULL;
    if (d->seed) {
        int r = seed_make(lv->image_dir, vm->name, vm->key, json_object_get(vm->spec, "cloud_init"),
                          &seed, err);
        return r < 0 ? r : take(d, seed);
    }
    if (image)
        return prepare_image(lv, image, d, err);
    if (spec_str(d->spec, "url"))
        return prepare_url(lv, d, err);
    const char *path = spec_str(d->spec, "path");
    return path ? take(d, hm_strdup(path)) : 0; /* an empty drive */
}

/* -- What is kept for it -------------------------------------------------------------------------- */

static bool has(const json_t *list, const char *text)
{
    for (size_t i = 0; i < json_array_size(list); i++)
        if (!strcmp(json_string_value(json_array_get(list, i)), text))
            return true;
    return false;
}

static void add_wanted(json_t *list, const json_t *spec)
{
    const json_t *cdroms = json_object_get(spec, "cdroms");
    for (size_t i = 0; i < json_array_size(cdroms); i++) {
        const char *given = spec_str(json_array_get(cdroms, i), "sha256");
        HM_AUTOFREE char *sha256 = given ? hm_strdup(given) : NULL;
        for (char *c = sha256; c && *c; c++)
            *c = (char)tolower((unsigned char)*c);
        if (sha256 && !has(list, sha256))
            json_array_append_new(list, json_string(sha256));
    }
}

/* `list` is taken over. What can't be removed now is removed with the next one. */
static int keep(const char *store, const char *vm, json_t *list, bool collects,
                struct hm_error *err)
{
    json_t *before = image_store_claims(store, vm);
    bool same = json_equal(before, list);
    int r = same ? 0 : image_store_make(store, err);
    if (r >= 0 && !same)
        r = image_store_claim(store, vm, list, err);
    if (r >= 0 && !same && collects)
        image_store_collect(store, image_download_is_busy, NULL, NULL);
    json_decref(before);
    json_decref(list);
    return r;
}

int lv_cdroms_keep(struct lv *lv, const struct order *vm, bool and_before, struct hm_error *err)
{
    if (!lv->is_local)
        return 0;
    HM_AUTOFREE char *store = image_store_path(lv->image_dir);
    json_t *list = and_before ? image_store_claims(store, vm->name) : json_array();
    add_wanted(list, vm->spec);
    return keep(store, vm->name, list, !and_before, err);
}

int lv_cdroms_forget(struct lv *lv, const struct order *vm, struct hm_error *err)
{
    if (!lv->is_local)
        return 0;
    HM_AUTOFREE char *store = image_store_path(lv->image_dir);
    int r = seed_remove(lv->image_dir, vm->name, err);
    return r < 0 ? r : keep(store, vm->name, json_array(), true, err);
}
