/* What the backend of a vm can't do: told when the document is declared, not when the guest fails. */
#include <string.h>

#include "proto/kind_vm.h"

enum { HOTPLUG_STEP = 128 << 20 };

static bool is_text(const json_t *spec, const char *name, const char *value)
{
    const char *text = spec_str(spec, name);
    return text && !strcmp(text, value);
}

/* Fields that may have these values alone (NULL: none at all). */
static const struct {
    const char *field, *values[3], *why;
} limits[] = {
    {"cpu", {"host-model", "host-passthrough"}, "its guests see the host's own processor"},
    {"watchdog", {"none", "reset"}, "its watchdog resets the guest"},
    {"display", {"none"}, "it has no screen"},
    {"accel", {"auto", "kvm"}, "it emulates nothing"},
};

static int check_limits(const json_t *spec, struct field_place *at, struct hm_error *err)
{
    for (size_t i = 0; i < sizeof limits / sizeof *limits; i++) {
        const char *given = spec_str(spec, limits[i].field);
        bool is_fine = !given;
        for (const char *const *v = limits[i].values; *v && !is_fine; v++)
            is_fine = !strcmp(given, *v);
        field_place_set(at, "%s", limits[i].field);
        if (!is_fine)
            return field_fail(at, err, "cloud-hypervisor can't do %s: %s", given, limits[i].why);
    }
    return 0;
}

static int check_boot_order(const json_t *spec, struct field_place *at, struct hm_error *err)
{
    const json_t *order = json_object_get(spec, "boot_order");
    field_place_set(at, "boot_order");
    if (order && strcmp(json_string_value(json_array_get(order, 0)), "disk") != 0)
        return field_fail(at, err,
                          "cloud-hypervisor boots a kernel, or what its firmware finds on a disk");
    return 0;
}

static int check_parts(const json_t *spec, struct field_place *at, struct hm_error *err)
{
    field_place_set(at, "cdroms");
    if (json_array_size(json_object_get(spec, "cdroms")))
        return field_fail(
            at, err,
            "cloud-hypervisor has no CD-ROM drives; give the file as a disk with image, "
            "format raw and readonly");
    field_place_set(at, "tpm");
    if (spec_bool(spec, "tpm"))
        return field_fail(at, err, "a TPM is not given to guests of cloud-hypervisor");
    field_place_set(at, "rng");
    if (!spec_bool(spec, "rng"))
        return field_fail(at, err, "guests of cloud-hypervisor always have one");
    field_place_set(at, "firmware");
    if (!spec_str(spec, "kernel") && !is_text(spec, "firmware", "uefi"))
        return field_fail(at, err, "cloud-hypervisor has no BIOS: give kernel, or firmware uefi");
    return check_boot_order(spec, at, err);
}

static int check_max_memory(const json_t *spec, struct field_place *at, struct hm_error *err)
{
    int64_t memory = spec_int(spec, "memory", 0);
    field_place_set(at, "max_memory");
    if ((spec_int(spec, "max_memory", memory) - memory) % HOTPLUG_STEP)
        return field_fail(
            at, err,
            "must be memory and a multiple of 128MiB: cloud-hypervisor plugs memory in "
            "modules of that size");
    return 0;
}

static int check_disk(const json_t *disk, struct field_place *at, struct hm_error *err)
{
    if (!is_text(disk, "bus", "virtio"))
        return field_fail(at, err, "cloud-hypervisor has disks on bus virtio alone");
    if (json_object_get(disk, "boot"))
        return field_fail(at, err,
                          "cloud-hypervisor has no boot order; its firmware takes the first disk");
    if (json_object_get(disk, "backing_image"))
        return field_fail(at, err,
                          "backing_image is not there for cloud-hypervisor; use base, or backing");
    if (!is_text(disk, "pool", "default"))
        return field_fail(at, err,
                          "pools are libvirt's; volumes for cloud-hypervisor are in image_dir");
    return 0;
}

static int check_nic(const json_t *nic, struct field_place *at, struct hm_error *err)
{
    if (!is_text(nic, "model", "virtio"))
        return field_fail(at, err, "cloud-hypervisor has cards of model virtio alone");
    if (json_object_get(nic, "boot"))
        return field_fail(at, err, "cloud-hypervisor does not boot from a network");
    return 0;
}

int vm_check_backend(const json_t *spec, struct field_place *at, struct hm_error *err)
{
    if (!is_text(spec, "backend", "cloud-hypervisor"))
        return 0;
    int rc = check_limits(spec, at, err);
    if (rc >= 0)
        rc = check_parts(spec, at, err);
    if (rc >= 0)
        rc = check_max_memory(spec, at, err);
    if (rc >= 0)
        rc = field_check_each(spec, "disks", check_disk, at, err);
    return rc < 0 ? rc : field_check_each(spec, "networks", check_nic, at, err);
}
