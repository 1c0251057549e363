#include "vmm/ch_drift.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/alloc.h"
#include "proto/field.h"
#include "proto/text.h"
#include "proto/units.h"
#include "vmm/ch.h"
#include "vmm/seed.h"
#include "vmm/shape.h"

enum { WORDS_MAX = 160 };

static const char *const strange_lists[] = {"fs",   "pmem",         "devices",
                                            "vdpa", "user_devices", "vsock"};

/* -- Disks ------------------------------------------------------------------------------------------- */

static bool is_named(const char *path, const char *name)
{
    const char *slash = strrchr(path, '/');
    return !strcmp(slash ? slash + 1 : path, name);
}

/* By its name alone: a volume that harmony makes, or an ISO. */
static bool is_own_file(const struct ch_given *g, const struct vm_disk *d, const char *path)
{
    const char *document = d->seed ? NULL : spec_str(d->spec, "disk");
    HM_AUTOFREE char *name = d->seed     ? seed_path("", g->vm)
                             : !document ? vm_volume_name(g->vm, d->spec)
                                         : hm_printf("%s.qcow2", document);
    HM_AUTOFREE char *raw = document ? hm_printf("%s.raw", document) : NULL;
    return is_named(path, d->seed ? strrchr(name, '/') + 1 : name) || (raw && is_named(path, raw));
}

static bool is_its_file(const struct ch_given *g, const struct vm_disk *d, const char *path)
{
    char id[CH_ID_MAX];
    ch_disk_id(d, id);
    const char *image = d->seed ? NULL : spec_str(d->spec, "image");
    HM_AUTOFREE char *plugged = hm_printf("%s/%s", g->plugged, id);
    return !strcmp(path, plugged) || (image ? !strcmp(path, image) : is_own_file(g, d, path));
}

bool ch_drift_is_disk(const struct ch_given *g, const struct vm_disk *d, const json_t *found)
{
    const char *path = spec_str(found, "path");
    bool readonly = d->seed || spec_bool(d->spec, "readonly");
    return path && is_its_file(g, d, path) && spec_bool(found, "readonly") == readonly;
}

/* -- Cards, and the rest ------------------------------------------------------------------------------ */

static bool is_same_field(const json_t *a, const json_t *b, const char *name)
{
    const char *one = spec_str(a, name), *other = spec_str(b, name);
    return one && other && !strcasecmp(one, other); /* MAC addresses have two forms */
}

bool ch_drift_is_nic(const json_t *nic, const json_t *found)
{
    return is_same_field(nic, found, "tap") && is_same_field(nic, found, "mac");
}

/* The elements of a list, or what it is itself: a new reference. null (v48) and nothing are an empty one. */
static json_t *elements(const json_t *config, const char *list)
{
    json_t *there = json_object_get(config, list);
    if (json_is_array(there))
        return json_incref(there);
    json_t *made = json_array();
    if (json_is_object(there))
        json_array_append(made, there);
    return made;
}

json_t *ch_drift_strangers(const json_t *config)
{
    json_t *ids = json_array(), *item;
    size_t at;
    for (size_t i = 0; i < HM_COUNT(strange_lists); i++) {
        json_t *list = elements(config, strange_lists[i]);
        json_array_foreach(list, at, item)
        {
            const char *id = spec_str(item, "id");
            if (id)
                json_array_append_new(ids, json_string(id));
        }
        json_decref(list);
    }
    return ids;
}

/* -- What differs -------------------------------------------------------------------------------------- */

/* Texts by what they are of: of what is not as it was given, and of what is there instead. */
struct differences {
    json_t *given, *found;
    json_t *ids; /* of all that was given: an object with them as keys */
};

/* Words of a VMM are a guest's that has taken it over, for all that is known. */
static void put(json_t *shape, const char *sort, const char *id, const char *text)
{
    char name[CH_ID_MAX], words[WORDS_MAX];
    bool is_ours = !strncmp(id, "disk-", 5) || !strncmp(id, "net-", 4);
    text_clean(is_ours ? strchr(id, '-') + 1 : id, name, sizeof name);
    text_clean(text, words, sizeof words);
    shape_set(shape, words, "%s %s", sort, name);
}

static void put_found(struct differences *d, const char *sort, const char *id, const json_t *found)
{
    const char *path = spec_str(found, "path"), *mac = spec_str(found, "mac"),
               *tap = spec_str(found, "tap");
    HM_AUTOFREE char *text =
        mac || tap ? hm_printf("%s on %s", mac ? mac : "no address", tap ? tap : "a TAP of its own")
                   : hm_printf("%s%s", path ? path : "not harmony's",
                               spec_bool(found, "readonly") ? ", read-only" : "");
    put(d->found, sort, id, text);
}

/* What was given under that id, and is not there so. It may be on its way out. */
static void differ(struct differences *d, const struct ch_info *info, const char *sort,
                   const char *id, const char *given, const json_t *found)
{
    if (!found && json_object_get(info->devices, id))
        return;
    put(d->given, sort, id, given);
    if (found)
        put_found(d, sort, id, found);
}

static char *disk_as_given(const struct ch_given *g, const struct vm_disk *d)
{
    const char *image = d->seed ? NULL : spec_str(d->spec, "image");
    const char *document = d->seed ? NULL : spec_str(d->spec, "disk");
    HM_AUTOFREE char *file = d->seed    ? hm_strdup("that of cloud_init")
                             : image    ? hm_strdup(image)
                             : document ? hm_printf("disk %s", document)
                                        : vm_volume_name(g->vm, d->spec);
    bool readonly = !d->seed && spec_bool(d->spec, "readonly");
    return hm_printf("%s%s", file, readonly ? ", read-only" : "");
}

static void compare_disks(struct differences *diff, const struct ch_given *g,
                          const struct ch_info *info, const json_t *list)
{
    struct vm_disks disks;
    char id[CH_ID_MAX];
    vm_disks_of(g->spec, &disks);
    for (size_t i = 0; i < disks.count; i++) {
        const struct vm_disk *d = &disks.items[i];
        ch_disk_id(d, id);
        json_object_set_new(diff->ids, id, json_true());
        const json_t *found = ch_config_find(list, id);
        HM_AUTOFREE char *given = disk_as_given(g, d);
        if (!found || !ch_drift_is_disk(g, d, found))
            differ(diff, info, "disk", id, given, found);
    }
    vm_disks_clear(&disks);
}

static void compare_nics(struct differences *diff, const struct ch_given *g,
                         const struct ch_info *info, const json_t *list)
{
    struct hm_error unused;
    json_t *nic = NULL;
    for (size_t i = 0; i < json_array_size(g->placed); i++) {
        if (ch_config_nic(g->key, g->placed, i, &nic, &unused) < 0)
            continue;
        const char *id = spec_str(nic, "id");
        json_object_set_new(diff->ids, id, json_true());
        const json_t *found = ch_config_find(list, id);
        HM_AUTOFREE char *given = hm_printf("%s on %s", spec_str(nic, "mac"), spec_str(nic, "tap"));
        if (!found || !ch_drift_is_nic(nic, found))
            differ(diff, info, "card", id, given, found);
        json_decref(nic);
    }
}

static void add_others(struct differences *d, const char *sort, const json_t *list)
{
    size_t i;
    json_t *item;
    json_array_foreach((json_t *)(uintptr_t)list, i, item)
    {
        const char *id = spec_str(item, "id");
        if (id && !json_object_get(d->ids, id))
            put_found(d, sort, id, item);
    }
}

static void compare_devices(struct differences *d, const struct ch_given *g,
                            const struct ch_info *info)
{
    size_t i;
    json_t *disks = elements(info->config, "disks"), *nics = elements(info->config, "net");
    json_t *strangers = ch_drift_strangers(info->config), *id;
    compare_disks(d, g, info, disks);
    add_others(d, "disk", disks);
    if (g->placed) {
        compare_nics(d, g, info, nics);
        add_others(d, "card", nics);
    }
    json_array_foreach(strangers, i, id)
    {
        put(d->found, "device", json_string_value(id), "no document has one");
    }
    json_decref(disks);
    json_decref(nics);
    json_decref(strangers);
}

static void compare_sizes(const struct differences *d, const struct ch_given *g,
                          const struct ch_info *info)
{
    const json_t *vcpus = json_object_get(json_object_get(info->config, "cpus"), "boot_vcpus");
    int64_t wanted = spec_int(g->spec, "vcpus", 0), memory = spec_int(g->spec, "memory", 0);
    char given[UNIT_TEXT_MAX], found[UNIT_TEXT_MAX];
    if (json_is_integer(vcpus) && json_integer_value(vcpus) != wanted) {
        snprintf(given, sizeof given, "%lld", (long long)wanted);
        snprintf(found, sizeof found, "%lld", (long long)json_integer_value(vcpus));
        shape_set(d->given, given, "vcpus");
        shape_set(d->found, found, "vcpus");
    }
    if (info->memory_bytes > 0 && info->memory_bytes != (uint64_t)memory) {
        size_text(memory, given);
        size_text((int64_t)info->memory_bytes, found);
        shape_set(d->given, given, "memory");
        shape_set(d->found, found, "memory");
    }
}

static bool is_list(const json_t *config, const char *name)
{
    const json_t *list = json_object_get(config, name);
    return !list || json_is_null(list) || json_is_array(list);
}

char *ch_drift(const struct ch_given *given, const struct ch_info *info)
{
    if (!info->config || !is_list(info->config, "disks") || !is_list(info->config, "net"))
        return NULL;
    struct differences d = {json_object(), json_object(), json_object()};
    compare_sizes(&d, given, info);
    compare_devices(&d, given, info);
    char *words = shape_difference(d.given, d.found);
    json_decref(d.given);
    json_decref(d.found);
    json_decref(d.ids);
    return words;
}
