#include "vmm/image_info.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "proto/text.h"
#include "proto/tree.h"

static char *copy_text(const json_t *object, const char *name)
{
    const char *text = json_string_value(json_object_get(object, name));
    return text ? hm_strdup(text) : NULL;
}

/* A count of bytes or seconds, or -1. */
static int64_t count_of(const json_t *object, const char *name)
{
    const json_t *value = json_object_get(object, name);
    return json_is_integer(value) ? json_integer_value(value) : -1;
}

/* QEMU's own is 32 bits wide, so what nanoseconds can't hold is no time. */
static int64_t created_s(const json_t *snapshot)
{
    int64_t seconds = count_of(snapshot, "date-sec");
    return seconds < 0 || seconds > INT64_MAX / 1000000000 ? 0 : seconds;
}

static int read_snapshots(const json_t *list, struct image_info *ret, struct hm_error *err)
{
    size_t count = json_array_size(list), i;
    const json_t *item;
    ret->snapshots = hm_alloc((count + 1) * sizeof *ret->snapshots);
    json_array_foreach(list, i, item)
    {
        struct image_snapshot *s = &ret->snapshots[ret->snapshot_count];
        *s = (struct image_snapshot){.name = copy_text(item, "name"), .created_s = created_s(item)};
        if (!s->name)
            return hm_fail(err, HM_E_INVALID, "qemu-img told of a snapshot without a name");
        ret->snapshot_count++;
    }
    return 0;
}

static void read_header(const json_t *root, struct image_info *ret)
{
    const json_t *specific = json_object_get(json_object_get(root, "format-specific"), "data");
    const char *compat = json_string_value(json_object_get(specific, "compat"));
    ret->backing = copy_text(root, "backing-filename");
    ret->backing_format = copy_text(root, "backing-filename-format");
    ret->has_data_file = json_object_get(specific, "data-file") != NULL;
    ret->is_corrupt = json_is_true(json_object_get(specific, "corrupt"));
    ret->is_encrypted = json_is_true(json_object_get(root, "encrypted"));
    ret->is_old = compat && !strcmp(compat, "0.10");
}

static int read_root(const json_t *root, struct image_info *ret, struct hm_error *err)
{
    ret->format = copy_text(root, "format");
    ret->size = count_of(root, "virtual-size");
    ret->allocated = count_of(root, "actual-size");
    if (!ret->format || ret->size < 0)
        return hm_fail(err, HM_E_INVALID, "qemu-img told no format or no size");
    read_header(root, ret);
    return read_snapshots(json_object_get(root, "snapshots"), ret, err);
}

int image_info_parse(const char *text, size_t len, struct image_info *ret, struct hm_error *err)
{
    struct tree tree = {0};
    struct image_info info = {0};
    int r = tree_parse(TREE_JSON, "qemu-img info", text, len, &tree, err);
    if (r < 0)
        return r;
    r = read_root(json_array_get(tree.docs, 0), &info, err);
    tree_clear(&tree);
    if (r < 0)
        image_info_clear(&info);
    else
        *ret = info;
    return r;
}

void image_info_clear(struct image_info *info)
{
    for (size_t i = 0; i < info->snapshot_count; i++)
        free(info->snapshots[i].name);
    free(info->snapshots);
    free(info->format);
    free(info->backing);
    free(info->backing_format);
    *info = (struct image_info){0};
}

static int check_backing(const struct image_info *info, const char *path, const char *expected,
                         struct hm_error *err)
{
    char shown[TEXT_QUOTE_MAX];
    text_quote(info->backing ? info->backing : "", shown);
    if (info->backing && (!expected || strcmp(info->backing, expected) != 0))
        return hm_fail(err, HM_E_REFUSED,
                       "%s: its header names the backing file %s, which its document does not; a "
                       "guest would read that file",
                       path, shown);
    if (expected && !info->backing)
        return hm_fail(err, HM_E_REFUSED, "%s is not made on top of %s", path, expected);
    if (expected && !info->backing_format)
        return hm_fail(err, HM_E_REFUSED,
                       "%s: its header does not say the format of its backing file, which would be "
                       "guessed; set it with qemu-img rebase -u -b %s -F FORMAT",
                       path, expected);
    return 0;
}

int image_info_check(const struct image_info *info, const char *path, const char *expected,
                     struct hm_error *err)
{
    if (info->has_data_file)
        return hm_fail(
            err, HM_E_REFUSED,
            "%s: its header names another file for its data; a guest would read and write "
            "that file",
            path);
    if (info->is_encrypted)
        return hm_fail(err, HM_E_REFUSED, "%s is encrypted, which is not supported", path);
    if (info->is_corrupt)
        return hm_fail(err, HM_E_IO, "%s is marked as corrupt; look at it with qemu-img check",
                       path);
    return check_backing(info, path, expected, err);
}

const struct image_snapshot *image_info_find(const struct image_info *info, const char *snapshot)
{
    for (size_t i = 0; i < info->snapshot_count; i++)
        if (!strcmp(info->snapshots[i].name, snapshot))
            return &info->snapshots[i];
    return NULL;
}

static json_t *image_snapshot_json(const struct image_snapshot *s)
{
    char created[HM_TIME_TEXT_MAX];
    hm_time_text(s->created_s * 1000000000, created);
    return json_pack("{s:s, s:s}", "name", s->name, "created", created);
}

json_t *image_snapshot_entry(json_t *list, const struct image_snapshot *s)
{
    size_t i;
    json_t *entry;
    json_array_foreach(list, i, entry)
    {
        if (!strcmp(json_string_value(json_object_get(entry, "name")), s->name))
            return entry;
    }
    entry = image_snapshot_json(s);
    json_object_set_new(entry, "disks", json_array());
    json_object_set_new(entry, "declared", json_false());
    json_array_append_new(list, entry);
    return entry;
}

void image_snapshots_complete(json_t *list, size_t count)
{
    size_t i;
    json_t *entry;
    json_array_foreach(list, i, entry)
    {
        bool complete = json_array_size(json_object_get(entry, "disks")) == count;
        json_object_set_new(entry, "complete", json_boolean(complete));
    }
}

json_t *image_info_json(const struct image_info *info)
{
    json_t *o =
        json_pack("{s:I, s:I, s:s, s:s*}", "size", (json_int_t)info->size, "allocation",
                  (json_int_t)info->allocated, "format", info->format, "backing", info->backing);
    if (info->snapshot_count)
        json_object_set_new(o, "snapshots", json_array());
    for (size_t i = 0; i < info->snapshot_count; i++)
        json_array_append_new(json_object_get(o, "snapshots"),
                              image_snapshot_json(&info->snapshots[i]));
    return o;
}
