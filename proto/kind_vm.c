#include <string.h>

#include "base/alloc.h"
#include "proto/kind.h"
#include "proto/kind_vm.h"
#include "proto/render.h"
#include "proto/text.h"

static const char *const backends[] = {"libvirt", "cloud-hypervisor", NULL};
static const char *const boot_devices[] = {"disk", "cdrom", "network", NULL};
static const char *const power_words[] = {"on", "off", "paused", NULL};
static const char *const displays[] = {"none", "vnc", NULL};
static const char *const firmwares[] = {"bios", "uefi", NULL};
static const char *const watchdog_words[] = {"none", "reset", "poweroff", "pause", NULL};
static const char *const accel_words[] = {"auto", "kvm", "tcg", NULL};

/* -- what a change of size costs --------------------------------------------------------------- */

/* It runs with the maximum that it was started with. What a guest has it seldom gives back, and where it
 * must its programs may end for it (docs/adr/0020-hot-changes.md). */
static enum field_cost weigh_size(enum field_type type, const char *name, const char *max_name,
                                  const json_t *before, const json_t *after, char **ret_why)
{
    char most[RENDER_NUMBER_MAX];
    int64_t max = spec_int(before, max_name, 0), wanted = spec_int(after, name, 0);
    bool is_more = wanted > spec_int(before, name, 0);
    if (is_more && wanted <= max)
        return COST_LIVE;
    render_number(type, max, most);
    *ret_why = !is_more ? hm_strdup("only more is live")
               : max    ? hm_printf("above %s %s", max_name, most)
                        : hm_printf("%s is not set", max_name);
    return COST_RESTART;
}

static enum field_cost weigh_vcpus(const json_t *before, const json_t *after, char **ret_why)
{
    return weigh_size(FIELD_INT, "vcpus", "max_vcpus", before, after, ret_why);
}

static enum field_cost weigh_memory(const json_t *before, const json_t *after, char **ret_why)
{
    return weigh_size(FIELD_SIZE, "memory", "max_memory", before, after, ret_why);
}

/* All of it may hold passwords and keys. */
static const struct field cloud_init_fields[] = {
    {.name = "user_data",
     .type = FIELD_STRING,
     .cost = COST_RESTART,
     .secret = true,
     .lines = true,
     .required = true,
     .min = 1,
     .max = 256 * 1024,
     .help = "What cloud-init does at the first boot (#cloud-config, or a script)."},
    {.name = "meta_data",
     .type = FIELD_STRING,
     .cost = COST_RESTART,
     .secret = true,
     .lines = true,
     .min = 1,
     .max = 64 * 1024,
     .help = "Absent: the document's key as instance-id, which stays, and the name as hostname."},
    {.name = "network_config",
     .type = FIELD_STRING,
     .cost = COST_RESTART,
     .secret = true,
     .lines = true,
     .min = 1,
     .max = 64 * 1024,
     .help = "Absent: DHCP on the first card, as the image does it by itself."},
    {.name = NULL},
};

static const struct field vm_fields[] = {
    {.name = "backend",
     .type = FIELD_ENUM,
     .cost = COST_REPLACE,
     .words = backends,
     .default_value = "\"libvirt\"",
     .help = "What runs it (docs/cloud-hypervisor.md)."},
    {.name = "vcpus",
     .type = FIELD_INT,
     .cost = COST_LIVE,
     .weigh = weigh_vcpus,
     .default_value = "2",
     .min = 1,
     .max = 512,
     .help = "Virtual processors. More of them are live within max_vcpus, else a restart."},
    {.name = "max_vcpus",
     .type = FIELD_INT,
     .cost = COST_RESTART,
     .min = 1,
     .max = 512,
     .help = "How many processors the guest may be given while it runs."},
    {.name = "memory",
     .type = FIELD_SIZE,
     .cost = COST_LIVE,
     .weigh = weigh_memory,
     .default_value = "\"4096MiB\"",
     .min = 8LL << 20,
     .max = 16LL << 40,
     .help = "Memory of the guest. More of it is live within max_memory, else a restart."},
    {.name = "max_memory",
     .type = FIELD_SIZE,
     .cost = COST_RESTART,
     .min = 8LL << 20,
     .max = 16LL << 40,
     .help = "How much memory the guest may be given while it runs, by its balloon driver; a guest "
             "without one uses all of it."},
    {.name = "cpu",
     .type = FIELD_STRING,
     .cost = COST_RESTART,
     .default_value = "\"host-model\"",
     .min = 1,
     .max = 64,
     .help = "host-model, host-passthrough, maximum, or the name of a model that libvirt knows."},
    {.name = "cpu_pinning",
     .type = FIELD_LIST,
     .cost = COST_RESTART,
     .element = FIELD_STRING,
     .min = 1,
     .max = 512,
     .help =
         "For each virtual processor, from the first on, the host's processors that run it (\"2\", "
         "\"4-7,12\")."},
    {.name = "hugepages",
     .type = FIELD_SIZE,
     .cost = COST_RESTART,
     .min = 1LL << 16,
     .max = 16LL << 30,
     .help =
         "Pages of this size, which the host has set aside, for all of its memory (2MiB, 1GiB)."},
    {.name = "firmware",
     .type = FIELD_ENUM,
     .cost = COST_REPLACE,
     .words = firmwares,
     .default_value = "\"bios\"",
     .help = "What the guest boots with; uefi is OVMF, without secure boot, and needs 256MiB."},
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
     .cost = COST_LIVE,
     .weigh = vm_weigh_disk,
     .element = FIELD_OBJECT,
     .fields = vm_disk_fields,
     .unique_by = "device",
     .max = 24,
     .help = "Disks, each with one of size, disk or image. Plugged in and out live on bus virtio."},
    {.name = "cdroms",
     .type = FIELD_LIST,
     .cost = COST_RESTART,
     .weigh = vm_weigh_cdrom,
     .element = FIELD_OBJECT,
     .fields = vm_cdrom_fields,
     .max = 4,
     .help = "CD-ROM drives (SATA), each with one of path, image or url, or empty ({}). What is in "
             "them changes live."},
    {.name = "cloud_init",
     .type = FIELD_OBJECT,
     .cost = COST_RESTART,
     .fields = cloud_init_fields,
     .help = "A NoCloud seed for cloud-init, on a read-only virtio disk with the label cidata."},
    {.name = "networks",
     .type = FIELD_LIST,
     .cost = COST_LIVE,
     .element = FIELD_OBJECT,
     .fields = vm_nic_fields,
     .unique_by = "mac",
     .max = 16,
     .help = "Network cards, each with one of network or bridge. Plugged in and out live."},
    {.name = "boot_order",
     .type = FIELD_LIST,
     .cost = COST_RESTART,
     .element = FIELD_ENUM,
     .words = boot_devices,
     .min = 1,
     .default_value = "[\"disk\", \"cdrom\", \"network\"]",
     .help = "What to boot from, without a kernel: the first that works; of each sort the first "
             "one is tried. Devices with boot come before."},
    {.name = "tpm",
     .type = FIELD_BOOL,
     .cost = COST_RESTART,
     .default_value = "false",
     .help = "A TPM 2.0 (swtpm). What is sealed with it outlives the VM as its disks do."},
    {.name = "watchdog",
     .type = FIELD_ENUM,
     .cost = COST_RESTART,
     .words = watchdog_words,
     .default_value = "\"none\"",
     .help = "A watchdog (i6300esb), and what happens when the guest stops feeding it; poweroff "
             "ends it as a crash does (restart_policy)."},
    {.name = "rng",
     .type = FIELD_BOOL,
     .cost = COST_RESTART,
     .default_value = "true",
     .help = "Random numbers of the host (virtio-rng)."},
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
     .help = "on: it runs; off: it is defined and stopped; paused: it is there, in memory, and "
             "stands still."},
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

static int check_within(const json_t *spec, enum field_type type, const char *name,
                        const char *max_name, struct field_place *at, struct hm_error *err)
{
    int64_t max = spec_int(spec, max_name, INT64_MAX), given = spec_int(spec, name, 0);
    char most[RENDER_NUMBER_MAX], asked[RENDER_NUMBER_MAX];
    if (given <= max)
        return 0;
    render_number(type, max, most);
    render_number(type, given, asked);
    field_place_set(at, "%s", max_name);
    return field_fail(at, err, "%s is less than %s, which is %s", most, name, asked);
}

/* A number of at most four digits; where it ends, or NULL. */
static const char *skip_number(const char *text)
{
    size_t digits = strspn(text, "0123456789");
    return digits > 0 && digits <= 4 ? text + digits : NULL;
}

/* "4-7,12": what libvirt takes for a set of processors, without its exclusions. */
static bool is_cpu_set(const char *text)
{
    const char *end = skip_number(text);
    if (end && *end == '-')
        end = skip_number(end + 1);
    return end && (*end == '\0' || (*end == ',' && is_cpu_set(end + 1)));
}

static int check_pinning(const json_t *spec, struct field_place *at, struct hm_error *err)
{
    const json_t *pinning = json_object_get(spec, "cpu_pinning");
    int64_t vcpus = spec_int(spec, "max_vcpus", spec_int(spec, "vcpus", 0));
    size_t i;
    json_t *cpus;
    json_array_foreach(pinning, i, cpus)
    {
        field_place_set(at, "cpu_pinning[%zu]", i);
        if ((int64_t)i >= vcpus)
            return field_fail(at, err, "there is no such processor: it has %lld", (long long)vcpus);
        char shown[TEXT_QUOTE_MAX];
        text_quote(json_string_value(cpus), shown);
        if (!is_cpu_set(json_string_value(cpus)))
            return field_fail(at, err, "%s is no set of processors (such as 4-7,12)", shown);
    }
    return 0;
}

/* A balloon gives none of these back to the host, and only whole ones hold the guest. */
static int check_hugepages(const json_t *spec, struct field_place *at, struct hm_error *err)
{
    int64_t page = spec_int(spec, "hugepages", 0);
    if (!page)
        return 0;
    field_place_set(at, "hugepages");
    if (json_object_get(spec, "max_memory"))
        return field_fail(at, err, "does not go with max_memory: a balloon can't return them");
    if (page & (page - 1))
        return field_fail(at, err, "must be a power of two (2MiB, 1GiB)");
    if (spec_int(spec, "memory", 0) % page)
        return field_fail(at, err, "memory must be a multiple of it");
    return 0;
}

/* With 128 MiB OVMF has been seen to end in an exception. */
static int check_firmware(const json_t *spec, struct field_place *at, struct hm_error *err)
{
    if (!strcmp(spec_str(spec, "firmware"), "bios") || spec_int(spec, "memory", 0) >= 256LL << 20)
        return 0;
    field_place_set(at, "firmware");
    return field_fail(at, err, "uefi needs a memory of 256MiB or more");
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

static int check_vm(const json_t *spec, struct field_place *at, struct hm_error *err)
{
    int rc = check_kernel(spec, at, err);
    if (rc >= 0)
        rc = check_within(spec, FIELD_INT, "vcpus", "max_vcpus", at, err);
    if (rc >= 0)
        rc = check_within(spec, FIELD_SIZE, "memory", "max_memory", at, err);
    if (rc >= 0)
        rc = check_cpu(spec, at, err);
    if (rc >= 0)
        rc = check_pinning(spec, at, err);
    if (rc >= 0)
        rc = check_hugepages(spec, at, err);
    if (rc >= 0)
        rc = check_firmware(spec, at, err);
    if (rc >= 0)
        rc = vm_check_devices(spec, at, err);
    return rc < 0 ? rc : vm_check_backend(spec, at, err);
}

const struct kind kind_vm = {
    .name = "vm",
    .fields = vm_fields,
    .help = "A virtual machine.",
    .order = 30,
    .allowed_on_primary = true,
    .check = check_vm,
};
