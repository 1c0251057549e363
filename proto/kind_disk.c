#include <string.h>

#include "base/alloc.h"
#include "proto/kind.h"

const char *const disk_formats[] = {"qcow2", "raw", NULL};

/* What lies beyond the new end of a smaller disk would be lost. */
enum field_cost disk_weigh_size(const json_t *before, const json_t *after, char **ret_why)
{
    int64_t was = spec_int(before, "size", 0), wanted = spec_int(after, "size", 0);
    if (was && wanted)
        *ret_why = hm_strdup(wanted > was ? "it grows" : "a disk never shrinks");
    return was && wanted > was ? COST_LIVE : COST_NEVER;
}

static const struct field disk_fields[] = {
    {.name = "size",
     .type = FIELD_SIZE,
     .cost = COST_NEVER,
     .weigh = disk_weigh_size,
     .required = true,
     .min = 1LL << 20,
     .max = 64LL << 40,
     .help = "How large the guest sees it; space on the host is taken as it is written."},
    {.name = "pool",
     .type = FIELD_NAME,
     .cost = COST_NEVER,
     .default_value = "\"default\"",
     .help = "Storage pool that holds it; `default` is the folder image_dir of the agent."},
    {.name = "format",
     .type = FIELD_ENUM,
     .cost = COST_NEVER,
     .words = disk_formats,
     .default_value = "\"qcow2\"",
     .help = "How it is stored on the host."},
    DISK_BACKING_FIELDS(
        "Made on top of this image file of the host, which is only read and must stay; "
        "needs format qcow2."),
    {.name = "snapshots",
     .type = FIELD_LIST,
     .element = FIELD_NAME,
     .cost = COST_LIVE,
     .max = 32,
     .help = "Snapshots that it shall have, of when the name was added here. One that is taken out "
             "of the "
             "list stays until it is deleted with harmonyctl snapshot delete."},
    FIELDS_COMMON("\"never-replace\""),
    {.name = NULL},
};

int disk_check_backing(const json_t *disk, struct field_place *at, struct hm_error *err)
{
    if (spec_str(disk, "backing_format") && !spec_str(disk, "backing"))
        return field_fail(at, err, "backing_format needs backing: it says what that is");
    if (spec_str(disk, "backing") && spec_str(disk, "backing_image"))
        return field_fail(at, err, "only one of backing and backing_image must be given");
    bool has_base = spec_str(disk, "backing") || spec_str(disk, "backing_image");
    if (has_base && strcmp(spec_str(disk, "format"), "qcow2") != 0)
        return field_fail(at, err, "a disk of format %s can't be made on top of another; qcow2 can",
                          spec_str(disk, "format"));
    return 0;
}

static int check_snapshots(const json_t *spec, struct field_place *at, struct hm_error *err)
{
    const json_t *list = json_object_get(spec, "snapshots"), *name;
    size_t i;
    field_place_set(at, "snapshots");
    if (json_array_size(list) && strcmp(spec_str(spec, "format"), "qcow2") != 0)
        return field_fail(at, err, "a disk of format %s can't hold snapshots; qcow2 can",
                          spec_str(spec, "format"));
    json_array_foreach(list, i, name)
    {
        const char first = json_string_value(name)[0];
        field_place_set(at, "snapshots[%zu]", i);
        if (first >= '0' && first <= '9')
            return field_fail(at, err, "the name of a snapshot begins with a letter");
    }
    return 0;
}

static int check_disk(const json_t *spec, struct field_place *at, struct hm_error *err)
{
    field_place_set(at, "%s", "");
    int r = disk_check_backing(spec, at, err);
    return r < 0 ? r : check_snapshots(spec, at, err);
}

const struct kind kind_disk = {
    .name = "disk",
    .fields = disk_fields,
    .help = "A disk of its own life: it outlives the VMs that use it, and is removed only when its "
            "own document is deleted. Under `primary` each site has one of its own; their contents "
            "are not replicated.",
    .order = 20,
    .allowed_on_primary = true,
    .check = check_disk,
};
