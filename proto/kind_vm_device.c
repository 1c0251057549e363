/* The devices of a vm: tables of their fields, what these can't say, and what a change of them costs. */
#include "proto/kind_vm.h"

#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "proto/kind.h"
#include "proto/url.h"

static const char *const buses[] = {"virtio", "sata", NULL};
static const char *const nic_models[] = {"virtio", "e1000e", NULL};

#define BOOT_FIELD                                                                                 \
    {                                                                                              \
        .name = "boot", .type = FIELD_INT, .cost = COST_RESTART, .min = 1, .max = 100,             \
        .help =                                                                                    \
            "Tried in this place, lowest first, before all that boot_order says; from its next "   \
            "start on."                                                                            \
    }

/* What a disk holds is never thrown away for a change: a smaller size, pool and format are blocked. */
const struct field vm_disk_fields[] = {
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
    {.name = "base",
     .type = FIELD_NAME,
     .cost = COST_NEVER,
     .help = "With size: the image-file document whose contents the new volume begins with, copied "
             "and grown to size."},
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
    BOOT_FIELD,
    {.name = NULL},
};

const struct field vm_cdrom_fields[] = {
    {.name = "path", .type = FIELD_PATH, .cost = COST_LIVE, .help = "An ISO image on the host."},
    {.name = "image",
     .type = FIELD_NAME,
     .cost = COST_LIVE,
     .help = "The image-file document of this name, instead."},
    {.name = "url",
     .type = FIELD_STRING,
     .cost = COST_LIVE,
     .min = 8,
     .max = URL_MAX,
     .help = "An ISO that is downloaded into the image store, instead; with sha256."},
    {.name = "sha256",
     .type = FIELD_STRING,
     .cost = COST_LIVE,
     .min = SHA256_TEXT,
     .max = SHA256_TEXT,
     .help = "With url: the checksum of its contents, 64 hexadecimal digits."},
    BOOT_FIELD,
    {.name = NULL},
};

const struct field vm_nic_fields[] = {
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
             "name; the guest hears of a change when it asks again."},
    {.name = "model",
     .type = FIELD_ENUM,
     .cost = COST_RESTART,
     .words = nic_models,
     .default_value = "\"virtio\"",
     .help = "The card that the guest sees."},
    BOOT_FIELD,
    {.name = NULL},
};

/* -- what it costs to plug one in or out ---------------------------------------------------------- */

enum field_cost vm_weigh_disk(const json_t *before, const json_t *after, char **ret_why)
{
    const char *bus = spec_str(before ? before : after, "bus");
    if (!bus || !strcmp(bus, "virtio")) /* of a version that knew no other */
        return COST_LIVE;
    *ret_why = hm_printf("bus %s takes none while it runs", bus);
    return COST_RESTART;
}

enum field_cost vm_weigh_cdrom(const json_t *before, const json_t *after, char **ret_why)
{
    *ret_why = hm_printf("a drive %s with a restart; what is in it changes live",
                         before && !after ? "goes" : "comes");
    return COST_RESTART;
}

/* -- what the tables can't say ---------------------------------------------------------------- */

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
    bool on_another = spec_str(disk, "backing") || spec_str(disk, "backing_image");
    if (spec_str(disk, "base") && (!json_object_get(disk, "size") || on_another))
        return field_fail(at, err, "base goes with size, and not with backing or backing_image");
    if (on_another && spec_str(disk, "disk"))
        return field_fail(at, err, "backing of a disk document is said there");
    if (spec_str(disk, "backing_image") && spec_str(disk, "image"))
        return field_fail(at, err, "backing_image goes with size: image is used as it is");
    return disk_check_backing(disk, at, err);
}

static int check_cdrom(const json_t *cdrom, struct field_place *at, struct hm_error *err)
{
    static const char *const sources[] = {"path", "image", "url", NULL};
    const char *url = spec_str(cdrom, "url"), *sha256 = spec_str(cdrom, "sha256");
    const char *fault = url ? url_fault(url, false) : NULL;
    int given = count_given(cdrom, sources);
    if (given > 1)
        return field_fail(
            at, err,
            "only one of path (a file), image (an image-file document) and url must be given");
    if (fault)
        return field_fail(at, err, "its url %s", fault);
    if (!url != !sha256 || (sha256 && !sha256_is_valid(sha256)))
        return field_fail(at, err, "url and sha256 (64 hexadecimal digits) go together");
    return 0;
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

/* Each place is one device's; `taken` has those before it in the document. */
static int check_boot(const json_t *spec, const char *list, json_t *taken, struct field_place *at,
                      struct hm_error *err)
{
    size_t i;
    json_t *item;
    char place[24];
    json_array_foreach(json_object_get(spec, list), i, item)
    {
        int64_t boot = spec_int(item, "boot", 0);
        snprintf(place, sizeof place, "%lld", (long long)boot);
        const char *other = spec_str(taken, place);
        field_place_set(at, "%s[%zu].boot", list, i);
        if (other)
            return field_fail(at, err, "%s is the place of a device in %s already", place, other);
        if (boot)
            json_object_set_new(taken, place, json_string(list));
    }
    return 0;
}

static int check_boots(const json_t *spec, struct field_place *at, struct hm_error *err)
{
    static const char *const lists[] = {"disks", "cdroms", "networks"};
    json_t *taken = json_object();
    int rc = 0;
    for (size_t i = 0; i < HM_COUNT(lists) && rc >= 0; i++)
        rc = check_boot(spec, lists[i], taken, at, err);
    json_decref(taken);
    return rc;
}

int vm_check_devices(const json_t *spec, struct field_place *at, struct hm_error *err)
{
    int rc = field_check_each(spec, "disks", check_disk, at, err);
    if (rc >= 0)
        rc = field_check_each(spec, "cdroms", check_cdrom, at, err);
    if (rc >= 0)
        rc = field_check_each(spec, "networks", check_nic, at, err);
    return rc < 0 ? rc : check_boots(spec, at, err);
}
