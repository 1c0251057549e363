#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "proto/doc.h"
#include "vmm/domain_hardware.h"
#include "vmm/run_note.h"
#include "vmm/shape.h"
#include "vmm/xml.h"

/* -- Shape ------------------------------------------------------------------------------------- */

static void shape_text_at(json_t *shape, xmlNodePtr root, const char *path, const char *key)
{
    HM_AUTOFREE char *text = xml_text(xml_at(root, path));
    shape_set(shape, text, "%s", key);
}

static void shape_size(json_t *shape, xmlNodePtr root, const char *element, const char *key)
{
    HM_AUTOFREE char *number = xml_text(xml_at(root, element));
    HM_AUTOFREE char *unit = xml_get(xml_at(root, element), "unit");
    HM_AUTOFREE char *text = number ? hm_printf("%s %s", number, unit ? unit : "KiB") : NULL;
    shape_set(shape, text, "%s", key);
}

/* How many there may be, where that is more than there are now. */
static void shape_vcpus(json_t *shape, xmlNodePtr root)
{
    HM_AUTOFREE char *max = xml_text(xml_at(root, "vcpu"));
    HM_AUTOFREE char *now = xml_get(xml_at(root, "vcpu"), "current");
    shape_set(shape, now ? now : max, "vcpus");
    shape_set(shape, now ? max : NULL, "max_vcpus");
}

static void shape_cpu(json_t *shape, xmlNodePtr root)
{
    xmlNodePtr cpu = xml_at(root, "cpu");
    HM_AUTOFREE char *mode = xml_get(cpu, "mode");
    HM_AUTOFREE char *model = xml_text(xml_at(cpu, "model"));
    bool custom = mode && !strcmp(mode, "custom");
    shape_set(shape, custom ? model : mode, "cpu");
}

static void shape_boot(json_t *shape, xmlNodePtr root)
{
    size_t nth = 0;
    for (xmlNodePtr boot = xml_at(root, "os/boot"); boot; boot = xml_next(boot)) {
        HM_AUTOFREE char *dev = xml_get(boot, "dev");
        shape_set(shape, dev, "boot_order[%zu]", nth++);
    }
}

/* The value of a source's first attribute: file, dev, network, bridge, ... */
static char *source_text(xmlNodePtr source)
{
    if (!source || !source->properties)
        return NULL;
    static const char *const places[] = {"file",    "dev",    "volume", "name",
                                         "network", "bridge", "dir"};
    for (size_t i = 0; i < HM_COUNT(places); i++) {
        char *text = xml_get(source, places[i]);
        if (text)
            return text;
    }
    return xml_get(source, (const char *)source->properties->name);
}

static void shape_disk(json_t *shape, xmlNodePtr disk)
{
    HM_AUTOFREE char *target = xml_get(xml_at(disk, "target"), "dev");
    HM_AUTOFREE char *bus = xml_get(xml_at(disk, "target"), "bus");
    HM_AUTOFREE char *device = xml_get(disk, "device");
    HM_AUTOFREE char *source = source_text(xml_at(disk, "source"));
    HM_AUTOFREE char *format = xml_get(xml_at(disk, "driver"), "type");
    HM_AUTOFREE char *serial = xml_text(xml_at(disk, "serial"));
    const char *at = target ? target : "?";
    shape_set(shape, device ? device : "disk", "disks[%s]", at);
    shape_set(shape, source, "disks[%s].path", at);
    shape_set(shape, format, "disks[%s].format", at);
    shape_set(shape, bus, "disks[%s].bus", at);
    shape_set(shape, serial, "disks[%s].label", at);
    HM_AUTOFREE char *boot = xml_get(xml_at(disk, "boot"), "order");
    shape_set(shape, boot, "disks[%s].boot", at);
    shape_set(shape, xml_at(disk, "readonly") ? "true" : "false", "disks[%s].readonly", at);
}

static void shape_nic(json_t *shape, xmlNodePtr nic)
{
    HM_AUTOFREE char *mac = xml_get(xml_at(nic, "mac"), "address");
    HM_AUTOFREE char *type = xml_get(nic, "type");
    HM_AUTOFREE char *source = source_text(xml_at(nic, "source"));
    HM_AUTOFREE char *model = xml_get(xml_at(nic, "model"), "type");
    HM_AUTOFREE char *to = hm_printf("%s %s", type ? type : "?", source ? source : "?");
    shape_set(shape, to, "networks[%s]", mac ? mac : "?");
    HM_AUTOFREE char *boot = xml_get(xml_at(nic, "boot"), "order");
    shape_set(shape, model, "networks[%s].model", mac ? mac : "?");
    shape_set(shape, boot, "networks[%s].boot", mac ? mac : "?");
}

static void shape_guest_agent(json_t *shape, xmlNodePtr devices)
{
    for (xmlNodePtr c = xml_at(devices, "channel"); c; c = xml_next(c)) {
        HM_AUTOFREE char *name = xml_get(xml_at(c, "target"), "name");
        if (name && !strcmp(name, VM_GUEST_AGENT))
            shape_set(shape, "true", "guest agent");
    }
}

/* Devices that are noticed by their number alone. */
static void shape_others(json_t *shape, xmlNodePtr devices)
{
    static const char *const kinds[] = {"hostdev", "filesystem", "graphics", "redirdev",
                                        "shmem",   "lease",      "panic"};
    for (size_t i = 0; i < HM_COUNT(kinds); i++) {
        size_t count = 0;
        for (xmlNodePtr d = xml_at(devices, kinds[i]); d; d = xml_next(d))
            count++;
        HM_AUTOFREE char *text = count ? hm_printf("%zu", count) : NULL;
        shape_set(shape, text, "%s devices", kinds[i]);
    }
}

json_t *domain_shape(xmlNodePtr root)
{
    json_t *shape = json_object();
    HM_AUTOFREE char *type = xml_get(root, "type");
    shape_set(shape, type, "type");
    shape_vcpus(shape, root);
    shape_size(shape, root, "memory", "memory");
    shape_size(shape, root, "currentMemory", "current memory");
    shape_text_at(shape, root, "os/kernel", "kernel");
    shape_text_at(shape, root, "os/initrd", "initramfs");
    shape_text_at(shape, root, "os/cmdline", "cmdline");
    shape_cpu(shape, root);
    shape_boot(shape, root);
    xmlNodePtr devices = xml_at(root, "devices");
    for (xmlNodePtr d = xml_at(devices, "disk"); d; d = xml_next(d))
        shape_disk(shape, d);
    for (xmlNodePtr n = xml_at(devices, "interface"); n; n = xml_next(n))
        shape_nic(shape, n);
    shape_guest_agent(shape, devices);
    domain_shape_hardware(shape, root);
    shape_others(shape, devices);
    return shape;
}

/* -- Details ----------------------------------------------------------------------------------- */

static json_t *nic_details(xmlNodePtr nic)
{
    HM_AUTOFREE char *mac = xml_get(xml_at(nic, "mac"), "address");
    HM_AUTOFREE char *network = xml_get(xml_at(nic, "source"), "network");
    HM_AUTOFREE char *bridge = xml_get(xml_at(nic, "source"), "bridge");
    return json_pack("{s:s*, s:s*, s:s*}", "mac", mac, "network", network, "bridge",
                     network ? NULL : bridge);
}

/* 0 for what can't be. */
static int64_t bytes_of(xmlNodePtr memory)
{
    int64_t kib = xml_int(memory, 0); /* libvirt prints KiB whatever it was given */
    return kib < 0 || kib > INT64_MAX / 1024 ? 0 : kib * 1024;
}

/* Where its screen is while it runs. */
static void add_display_details(json_t *details, xmlNodePtr root)
{
    xmlNodePtr graphics = xml_at(root, "devices/graphics");
    HM_AUTOFREE char *port = xml_get(graphics, "port"), *listen = xml_get(graphics, "listen");
    if (!port || !listen || port[0] == '-')
        return;
    HM_AUTOFREE char *where = hm_printf("%s:%s", listen, port);
    json_object_set_new(details, "display", json_string(where));
}

static int64_t vcpus_of(xmlNodePtr root)
{
    xmlNodePtr vcpu = xml_at(root, "vcpu");
    HM_AUTOFREE char *now = xml_get(vcpu, "current");
    return now ? strtoll(now, NULL, 10) : xml_int(vcpu, 0);
}

/* What a guest has now, as its balloon tells it. */
static int64_t memory_of(xmlNodePtr root)
{
    xmlNodePtr now = xml_at(root, "currentMemory");
    return bytes_of(now ? now : xml_at(root, "memory"));
}

/* Kept for every domain all the time: what is not there takes no room. */
static json_t *details_of(xmlNodePtr root, const char *uuid)
{
    HM_AUTOFREE char *type = xml_get(root, "type");
    HM_AUTOFREE char *console = xml_get(xml_at(root, "devices/serial/log"), "file");
    json_t *details = json_pack("{s:s*, s:s*, s:I, s:I, s:s*}", "uuid", uuid, "type", type, "vcpus",
                                (json_int_t)vcpus_of(root), "memory", (json_int_t)memory_of(root),
                                "console", console);
    add_display_details(details, root);
    xmlNodePtr nic = xml_at(root, "devices/interface");
    if (nic)
        json_object_set_new(details, "networks", json_array());
    for (; nic; nic = xml_next(nic))
        json_array_append_new(json_object_get(details, "networks"), nic_details(nic));
    return details;
}

static json_t *files_of(xmlNodePtr root)
{
    json_t *files = json_array();
    for (xmlNodePtr d = xml_at(root, "devices/disk"); d; d = xml_next(d)) {
        HM_AUTOFREE char *source = source_text(xml_at(d, "source"));
        if (source)
            json_array_append_new(files, json_string(source));
    }
    return files;
}

static bool holds_data(xmlNodePtr disk)
{
    HM_AUTOFREE char *device = xml_get(disk, "device");
    HM_AUTOFREE char *alias = xml_get(xml_at(disk, "alias"), "name");
    return (!device || !strcmp(device, "disk")) && !(alias && !strcmp(alias, VM_SEED_ALIAS));
}

static json_t *disks_of(xmlNodePtr root)
{
    json_t *disks = json_array();
    for (xmlNodePtr d = xml_at(root, "devices/disk"); d; d = xml_next(d)) {
        HM_AUTOFREE char *target = xml_get(xml_at(d, "target"), "dev");
        HM_AUTOFREE char *path = xml_get(xml_at(d, "source"), "file");
        HM_AUTOFREE char *format = xml_get(xml_at(d, "driver"), "type");
        if (target && path && format && holds_data(d))
            json_array_append_new(disks, json_pack("{s:s, s:s, s:s}", "target", target, "path",
                                                   path, "format", format));
    }
    return disks;
}

int domain_read(const char *xml, struct domain_info *ret, struct hm_error *err)
{
    XML_AUTOFREE xmlDocPtr doc = NULL;
    int r = xml_parse(xml, &doc, err);
    if (r < 0)
        return r;
    xmlNodePtr root = xml_root(doc);
    if (strcmp((const char *)root->name, "domain") != 0)
        return hm_fail(err, HM_E_INVALID, "expected a domain's XML, found <%s>", root->name);
    struct domain_info info = {.name = xml_text(xml_at(root, "name")),
                               .uuid = xml_text(xml_at(root, "uuid"))};
    info.marked = mark_from_xml(root, kind_find("vm")->fields, &info.mark) > 0;
    info.run = run_note_from_xml(root);
    info.shape = domain_shape(root);
    info.details = details_of(root, info.uuid);
    info.files = files_of(root);
    info.disks = disks_of(root);
    *ret = info;
    return 0;
}

void domain_info_clear(struct domain_info *info)
{
    free(info->name);
    free(info->uuid);
    mark_clear(&info->mark);
    json_decref(info->shape);
    json_decref(info->details);
    json_decref(info->files);
    json_decref(info->disks);
    memset(info, 0, sizeof *info);
}
