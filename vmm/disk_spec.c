#include "vmm/disk_spec.h"

#include <string.h>

#include "proto/field.h"

const char *const disk_spec_formats[] = {"qcow2", "raw", NULL};

const char *disk_spec_format(const json_t *spec)
{
    const char *format = spec_str(spec, "format");
    for (const char *const *f = disk_spec_formats; format && *f; f++)
        if (!strcmp(*f, format))
            return *f;
    return disk_spec_formats[0];
}

const char *disk_spec_backing_format(const json_t *spec)
{
    const char *format = spec_str(spec, "backing_format");
    return !spec_str(spec, "backing") ? NULL : format ? format : disk_spec_formats[0];
}

/* libvirt counts in KiB and QEMU in sectors, both rounding up. */
int64_t disk_spec_bytes(const json_t *spec)
{
    enum { KIB = 1024 };
    return (spec_int(spec, "size", 0) + KIB - 1) / KIB * KIB;
}

bool disk_spec_is_key(const char *key, const char *name)
{
    const char *dot = strchr(key, '.');
    return dot && !strncmp(dot, ".disk.", 6) && !strcmp(dot + 6, name);
}
