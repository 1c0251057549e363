#include <string.h>

#include "proto/kind.h"
#include "proto/text.h"

static const char *const backends[] = {"libvirt", NULL};
static const char *const buses[] = {"virtio", "sata", NULL};
static const char *const nic_models[] = {"virtio", "e1000e", NULL};
static const char *const boot_devices[] = {"disk", "cdrom", "network", NULL};
static const char *const power_words[] = {"on", "off", NULL};
static const char *const displays[] = {"none", "vnc", NULL};
static const char *const accel_words[] = {"auto", "kvm", "tcg", NULL};

/* What a disk holds is never thrown away for a change: a smaller size, pool and format are blocked. */
static const struct field vm_disk_fields[] = {
    {.name = "device",
     .type = FIELD_NAME,
     .cost = COST_RESTART,
     .required = true,
     .help = "Names the disk in this VM, and its volume; vda, vdb (virtio) or sda (sata) are also "
             "its place."},
    {.name = "size",
     .type = FIELD_SIZE,
     .cost = COST_NEVER,
     .weigh = disk_weigh_size,
     .min = 1LL << 20,
     .max = 64LL << 40,
     .help =
         "A new empty volume of this size, named VM-DEVICE. It may grow, also while the VM runs, "
         "and never shrinks."},
    {.name = "disk",
     .type = FIELD_NAME,
     .cost = COST_REPLACE,
     .help = "The disk document of this name, instead of a volume of the VM's own."},
    {.name = "image",
     .type = FIELD_PATH,
     .cost = COST_REPLACE,
     .help = "An image file on the host, used where it is; never made or removed by harmony."},
    {.name = "pool",
     .type = FIELD_NAME,
     .cost = COST_NEVER,
     .default_value = "\"default\"",
     .help = "With size: the storage pool of the volume."},
    {.name = "format",
     .type = FIELD_ENUM,
     .cost = COST_NEVER,
     .words = disk_formats,
     .default_value = "\"qcow2\"",
     .help = "With size or image: how it is stored."},
    DISK_BACKING_FIELDS(
        "With size: made on top of this image file of the host, which is only read and must "
        "stay. With image: the backing file that its header may name."),
    {.name = "bus",
     .type = FIELD_ENUM,
     .cost = COST_RESTART,
     .words = buses,
     .default_value = "\"virtio\"",
     .help = "What the guest finds it on."},
    {.name = "readonly",
     .type = FIELD_BOOL,
     .cost = COST_RESTART,
     .default_value = "false",
     .help = "The guest can't write to it."},
    {.name = "ephemeral",
     .type = FIELD_BOOL,
     .default_value = "false",
     .help = "With size: the volume is removed together with the VM. Others outlive it."},
    {.name = "label",
     .type = FIELD_STRING,
     .cost = COST_RESTART,
     .min = 1,
     .max = 20,
     .help = "Serial number that the guest sees (/dev/disk/by-id)."},
    {.name = NULL},
};

static const struct field vm_cdrom_fields[] = {
    {.name = "path",
     .type = FIELD_PATH,
     .cost = COST_RESTART,
     .required = true,
     .help = "An ISO image on the host."},
    {.name = NULL},
};

static const struct field vm_nic_fields[] = {
    {.name = "network",
     .type = FIELD_NAME,
     .cost = COST_RESTART,
     .help = "The network document of this name."},
    {.name = "bridge",
     .type = FIELD_STRING,
     .cost = COST_RESTART,
     .min = 1,
     .max = 15,
     .help = "A bridge of the host that harmony does not manage, instead."},
    {.name = "mac",
     .type = FIELD_MAC,
     .cost = COST_RESTART,
     .help = "MAC address; absent: made from the document's key, so it stays the same."},
    {.name = "ip",
     .type = FIELD_IP,
     .cost = COST_LIVE,
     .help = "With network: the address that its DHCP always gives to this card, under the VM's "
             "name; the "
             "guest hears of a change when it asks again."},
    {.name = "model",
     .type = FIELD_ENUM,
     .cost = COST_RESTART,
     .words = nic_models,
     .default_value = "\"virtio\"",
     .help = "The card that the guest sees."},
    {.name = NULL},
};

static const struct field vm_fields[] = {
    {.name = "backend",
     .type = FIELD_ENUM,
     .cost = COST_REPLACE,
     .words = backends,
     .default_value = "\"libvirt\"",
     .help = "What runs it."},
    {.name = "vcpus",
     .type = FIELD_INT,
     .cost = COST_RESTART,
     .default_value = "2",
     .min = 1,
     .max = 512,
     .help = "Virtual processors."},
    {.name = "memory",
     .type = FIELD_SIZE,
     .cost = COST_RESTART,
     .default_value = "\"4096MiB\"",
     .min = 8LL << 20,
     .max = 16LL << 40,
     .help = "Memory of the guest."},
    {.name = "cpu",
     .type = FIELD_STRING,
     .cost = COST_RESTART,
     .default_value = "\"host-model\"",
     .min = 1,
     .max = 64,
     .help = "host-model, host-passthrough, maximum, or the name of a model that libvirt knows."},
    {.name = "kernel",
     .type = FIELD_PATH,
     .cost = COST_RESTART,
     .help = "Boot this kernel file of the host instead of a disk."},
    {.name = "initramfs",
     .type = FIELD_PATH,
     .cost = COST_RESTART,
     .help = "With kernel: its initial file system."},
    {.name = "cmdline",
     .type = FIELD_STRING,
     .cost = COST_RESTART,
     .min = 1,
     .max = 2048,
     .help = "With kernel: its command line (console=ttyS0 shows the boot on the serial console)."},
    {.name = "disks",
     .type = FIELD_LIST,
     .cost = COST_RESTART,
     .element = FIELD_OBJECT,
     .fields = vm_disk_fields,
     .unique_by = "device",
     .max = 24,
     .help = "Disks, each with one of size, disk or image."},
    {.name = "cdroms",
     .type = FIELD_LIST,
     .cost = COST_RESTART,
     .element = FIELD_OBJECT,
     .fields = vm_cdrom_fields,
     .unique_by = "path",
     .max = 4,
     .help = "CD-ROM drives (SATA)."},
    {.name = "networks",
     .type = FIELD_LIST,
     .cost = COST_RESTART,
     .element = FIELD_OBJECT,
     .fields = vm_nic_fields,
     .unique_by = "mac",
     .max = 16,
     .help = "Network cards, each with one of network or bridge."},
    {.name = "boot_order",
     .type = FIELD_LIST,
     .cost = COST_RESTART,
     .element = FIELD_ENUM,
     .words = boot_devices,
     .min = 1,
     .default_value = "[\"disk\", \"cdrom\", \"network\"]",
     .help = "What to boot from, without a kernel: the first that works."},
    {.name = "display",
     .type = FIELD_ENUM,
     .cost = COST_RESTART,
     .words = displays,
     .default_value = "\"none\"",
     .help = "vnc: a screen and keyboard, on the host's loopback only (where: details.display of "
             "the status) and "
             "without a password, so for every user of the host; none: the serial console alone."},
    {.name = "power",
     .type = FIELD_ENUM,
     .words = power_words,
     .default_value = "\"on\"",
     .help = "on: it runs; off: it is defined and stopped."},
    {.name = "stop_grace",
     .type = FIELD_DURATION,
     .default_value = "\"30s\"",
     .max = 3600000,
     .help = "How long a guest has to shut down after it was asked to, before it is stopped hard."},
    {.name = "accel",
     .type = FIELD_ENUM,
     .cost = COST_RESTART,
     .words = accel_words,
     .default_value = "\"auto\"",
     .help = "kvm, tcg (emulation), or what the agent's configuration and the host allow."},
    FIELDS_LIFE,
    FIELDS_COMMON("\"replace\""),
    {.name = NULL},
};

/* -- what the table can't say ----------------------------------------------------------------- */

static int check_kernel(const json_t *spec, struct field_place *at, struct hm_error *err)
{
    static const char *const companions[] = {"initramfs", "cmdline", NULL};
    for (const char *const *name = companions; *name; name++) {
        if (!spec_str(spec, *name) || spec_str(spec, "kernel"))
            continue;
        field_place_set(at, "%s", *name);
        return field_fail(at, err, "needs kernel: it belongs to the kernel that is booted");
    }
    field_place_set(at, "%s", "");
    bool boots = spec_str(spec, "kernel") || json_array_size(json_object_get(spec, "disks")) ||
                 json_array_size(json_object_get(spec, "cdroms")) ||
                 json_array_size(json_object_get(spec, "networks"));
    if (!boots)
        return field_fail(at, err, "there is nothing to boot from: give disks, cdroms, or kernel");
    return 0;
}

static int check_cpu(const json_t *spec, struct field_place *at, struct hm_error *err)
{
    const char *cpu = spec_str(spec, "cpu");
    if (!cpu[strspn(cpu, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-")])
        return 0;
    char shown[TEXT_QUOTE_MAX];
    text_quote(cpu, shown);
    field_place_set(at, "cpu");
    return field_fail(at, err, "%s is not the name of a CPU model (letters, digits, _ . -)", shown);
}

static int count_given(const json_t *object, const char *const *names)
{
    int n = 0;
    for (; *names; names++)
        n += json_object_get(object, *names) != NULL;
    return n;
}

static int check_disk(const json_t *disk, struct field_place *at, struct hm_error *err)
{
    static const char *const sources[] = {"size", "disk", "image", NULL};
    int given = count_given(disk, sources);
    if (given != 1)
        return field_fail(at, err,
                          "%s of size (a new volume), disk (a disk document) and image "
                          "(a file) must be given",
                          given == 0 ? "one" : "only one");
    if (spec_bool(disk, "ephemeral") && !json_object_get(disk, "size"))
        return field_fail(at, err,
                          "ephemeral goes with size: only a volume of the VM's own is "
                          "removed with it");
    if (spec_str(disk, "backing") && spec_str(disk, "disk"))
        return field_fail(at, err, "backing of a disk document is said there");
    return disk_check_backing(disk, at, err);
}

static int check_nic(const json_t *nic, struct field_place *at, struct hm_error *err)
{
    static const char *const sources[] = {"network", "bridge", NULL};
    int given = count_given(nic, sources);
    if (given != 1)
        return field_fail(at, err,
                          "%s of network (a network document) and bridge (of the host) "
                          "must be given",
                          given == 0 ? "one" : "only one");
    if (spec_str(nic, "ip") && !spec_str(nic, "network"))
        return field_fail(at, err, "ip goes with network: its DHCP gives the address");
    return kind_check_bridge(nic, at, err);
}

static int check_each(const json_t *spec, const char *list,
                      int (*check)(const json_t *, struct field_place *, struct hm_error *),
                      struct field_place *at, struct hm_error *err)
{
    size_t i;
    json_t *item;
    json_array_foreach(json_object_get(spec, list), i, item)
    {
        field_place_set(at, "%s[%zu]", list, i);
        int rc = check(item, at, err);
        if (rc < 0)
            return rc;
    }
    return 0;
}

static int check_vm(const json_t *spec, struct field_place *at, struct hm_error *err)
{
    int rc = check_kernel(spec, at, err);
    if (rc >= 0)
        rc = check_cpu(spec, at, err);
    if (rc >= 0)
        rc = check_each(spec, "disks", check_disk, at, err);
    return rc < 0 ? rc : check_each(spec, "networks", check_nic, at, err);
}

const struct kind kind_vm = {
    .name = "vm",
    .fields = vm_fields,
    .help = "A virtual machine.",
    .order = 30,
    .allowed_on_primary = true,
    .check = check_vm,
};
