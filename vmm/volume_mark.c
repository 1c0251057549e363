#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/file.h"
#include "proto/doc.h"
#include "proto/field.h"
#include "vmm/volume.h"

static const char *const state_names[] = {
#define VOLUME_STATE_NAME(id, text) [VOLUME_##id] = text,
    VOLUME_STATES(VOLUME_STATE_NAME)
#undef VOLUME_STATE_NAME
};

/* One that a newer version wrote counts as made: it may hold data. */
static enum volume_state state_from_name(const char *name)
{
    for (size_t i = 0; name && i < HM_COUNT(state_names); i++)
        if (!strcmp(state_names[i], name))
            return (enum volume_state)i;
    return VOLUME_MADE;
}

static char *mark_path(const char *dir, const char *volume)
{
    return hm_printf("%s/%s" VOLUME_MARK_SUFFIX, dir, volume);
}

void volume_mark_clear(struct volume_mark *m)
{
    mark_clear(&m->mark);
    json_decref(m->apply);
    free(m->backing);
    *m = (struct volume_mark){0};
}

/* A volume is a disk document's, or one of a VM's disks. */
static const struct field *fields_of(const json_t *mark)
{
    char where[DOC_NAME_MAX + 1], kind[DOC_NAME_MAX + 1], name[DOC_NAME_MAX + 1];
    const char *key = json_string_value(json_object_get(mark, "key"));
    bool is_of_vm = key && doc_key_split(key, where, kind, name, NULL) >= 0 && !strcmp(kind, "vm");
    return is_of_vm ? field_find(kind_find("vm")->fields, "disks")->fields
                    : kind_find("disk")->fields;
}

int volume_mark_read(const char *dir, const char *volume, struct volume_mark *ret,
                     struct hm_error *err)
{
    HM_AUTOFREE char *path = mark_path(dir, volume);
    HM_AUTOFREE char *text = NULL;
    size_t len = 0;
    int r = hm_file_read(path, 2 * PROTO_MAX_BYTES, &text, &len, err);
    if (r == -HM_E_NOT_FOUND)
        return 0;
    if (r < 0)
        return r;
    json_t *json = json_loadb(text, len, JSON_REJECT_DUPLICATES, NULL);
    struct volume_mark found = {0};
    r = mark_from_json(json, fields_of(json), &found.mark, err);
    found.state = state_from_name(json_string_value(json_object_get(json, "state")));
    const char *backing = json_string_value(json_object_get(json, "backing"));
    found.backing = backing ? hm_strdup(backing) : NULL;
    found.apply = json_incref(json_object_get(json, "apply"));
    json_decref(json);
    if (r < 0)
        volume_mark_clear(&found);
    if (r < 0)
        return hm_fail(err, HM_E_CONFLICT,
                       "the mark %s can't be read; repair it, or remove it to give the volume up",
                       path);
    *ret = found;
    return 1;
}

int volume_mark_write(const char *dir, const char *volume, const struct volume_mark *m,
                      struct hm_error *err)
{
    HM_AUTOFREE char *path = mark_path(dir, volume);
    json_t *json = mark_to_json(&m->mark);
    json_object_set_new(json, "volume", json_string(volume));
    json_object_set_new(json, "state", json_string(state_names[m->state]));
    if (m->backing)
        json_object_set_new(json, "backing", json_string(m->backing));
    if (m->apply)
        json_object_set(json, "apply", m->apply);
    HM_AUTOFREE char *text = json_dumps(json, JSON_INDENT(1));
    json_decref(json);
    return hm_file_write_atomic(path, text, strlen(text), 0600, err);
}

int volume_mark_remove(const char *dir, const char *volume, struct hm_error *err)
{
    HM_AUTOFREE char *path = mark_path(dir, volume);
    return hm_file_remove(path, err);
}
