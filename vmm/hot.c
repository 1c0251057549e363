#include "vmm/hot.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "vmm/domain_hardware.h"
#include "vmm/xml.h"

static void add(struct hot_steps *steps, struct hot_step step)
{
    steps->items = hm_realloc_array(steps->items, steps->count + 1, sizeof *steps->items);
    steps->items[steps->count++] = step;
}

/* -- Numbers ----------------------------------------------------------------------------------- */

static int64_t vcpus_of(xmlNodePtr root)
{
    xmlNodePtr vcpu = xml_at(root, "vcpu");
    HM_AUTOFREE char *now = xml_get(vcpu, "current");
    return now ? strtoll(now, NULL, 10) : xml_int(vcpu, 0);
}

static void plan_numbers(xmlNodePtr live, xmlNodePtr defined, struct hot_steps *steps)
{
    int64_t vcpus = vcpus_of(defined), kib = xml_int(xml_at(defined, "currentMemory"), 0);
    if (vcpus > vcpus_of(live))
        add(steps, (struct hot_step){.what = HOT_VCPUS, .number = vcpus});
    if (kib > 0 &&
        kib != xml_int(xml_at(live, "currentMemory"), 0)) /* or its balloon still fills */
        add(steps, (struct hot_step){.what = HOT_MEMORY, .number = kib});
}

/* -- Devices ----------------------------------------------------------------------------------- */

/* What is plugged in and out, and what two of them can't share. */
static const struct device_kind {
    const char *element, *words;
    const char *own_at, *own; /* element and attribute */
} kinds[] = {
    {"disk", "disk", "source", "file"},
    {"interface", "network card", "mac", "address"},
};

static char *alias_of(xmlNodePtr device)
{
    return xml_get(xml_at(device, "alias"), "name");
}

static bool is_ours(const char *alias)
{
    return alias && !strncmp(alias, VM_ALIAS_PREFIX, sizeof VM_ALIAS_PREFIX - 1);
}

static bool is_equal(const char *a, const char *b)
{
    return a && b && !strcmp(a, b);
}

static bool is_same(const struct device_kind *kind, xmlNodePtr a, xmlNodePtr b)
{
    HM_AUTOFREE char *alias_a = alias_of(a), *alias_b = alias_of(b);
    HM_AUTOFREE char *own_a = xml_get(xml_at(a, kind->own_at), kind->own);
    HM_AUTOFREE char *own_b = xml_get(xml_at(b, kind->own_at), kind->own);
    return is_equal(alias_a, alias_b) || is_equal(own_a, own_b);
}

static bool is_in(const struct device_kind *kind, xmlNodePtr device, xmlNodePtr devices)
{
    for (xmlNodePtr d = xml_at(devices, kind->element); d; d = xml_next(d))
        if (is_same(kind, d, device))
            return true;
    return false;
}

/* "data" of ua-harmony-disk-data; a card is known by its address. */
static char *name_of(const struct device_kind *kind, xmlNodePtr device, const char *alias)
{
    HM_AUTOFREE char *own = xml_get(xml_at(device, kind->own_at), kind->own);
    const char *rest = alias + sizeof VM_ALIAS_PREFIX - 1, *dash = strchr(rest, '-');
    bool is_disk = !strcmp(kind->element, "disk");
    return hm_printf("%s %s", kind->words, is_disk && dash ? dash + 1 : own ? own : rest);
}

static void plan_detach(const struct device_kind *kind, xmlNodePtr live, xmlNodePtr defined,
                        struct hot_steps *steps)
{
    for (xmlNodePtr d = xml_at(live, kind->element); d; d = xml_next(d)) {
        HM_AUTOFREE char *alias = alias_of(d);
        if (is_ours(alias) && !is_in(kind, d, defined))
            add(steps, (struct hot_step){.what = HOT_DETACH,
                                         .alias = hm_strdup(alias),
                                         .name = name_of(kind, d, alias)});
    }
}

static void drop(xmlNodePtr device, const char *element)
{
    xmlNodePtr node = xml_at(device, element);
    if (!node)
        return;
    xmlUnlinkNode(node);
    xmlFreeNode(node);
}

/* Its places on the bus and among what is booted are for the next start; in the running domain others have
 * them. */
static char *device_xml(xmlNodePtr device)
{
    XML_AUTOFREE xmlDocPtr doc = xmlNewDoc(NULL);
    xmlNodePtr copy = xmlDocCopyNode(device, doc, 1);
    xmlDocSetRootElement(doc, copy);
    drop(copy, "address");
    drop(copy, "boot");
    return xml_print(doc);
}

static void plan_attach(const struct device_kind *kind, xmlNodePtr live, xmlNodePtr defined,
                        struct hot_steps *steps)
{
    for (xmlNodePtr d = xml_at(defined, kind->element); d; d = xml_next(d)) {
        HM_AUTOFREE char *alias = alias_of(d);
        if (is_ours(alias) && !is_in(kind, d, live))
            add(steps, (struct hot_step){.what = HOT_ATTACH,
                                         .xml = device_xml(d),
                                         .name = name_of(kind, d, alias)});
    }
}

/* -- CDs ----------------------------------------------------------------------------------------- */

static bool is_drive(xmlNodePtr disk)
{
    HM_AUTOFREE char *device = xml_get(disk, "device");
    return is_equal(device, "cdrom");
}

static xmlNodePtr find_drive(xmlNodePtr devices, const char *target)
{
    for (xmlNodePtr d = xml_at(devices, "disk"); d; d = xml_next(d)) {
        HM_AUTOFREE char *own = xml_get(xml_at(d, "target"), "dev");
        if (is_drive(d) && is_equal(own, target))
            return d;
    }
    return NULL;
}

static bool holds_the_same(xmlNodePtr a, xmlNodePtr b)
{
    HM_AUTOFREE char *in_a = xml_get(xml_at(a, "source"), "file");
    HM_AUTOFREE char *in_b = xml_get(xml_at(b, "source"), "file");
    return (!in_a && !in_b) || is_equal(in_a, in_b);
}

static void plan_media(xmlNodePtr live, xmlNodePtr defined, struct hot_steps *steps)
{
    for (xmlNodePtr d = xml_at(defined, "disk"); d; d = xml_next(d)) {
        HM_AUTOFREE char *target = xml_get(xml_at(d, "target"), "dev");
        xmlNodePtr drive = is_drive(d) ? find_drive(live, target) : NULL;
        if (drive && !holds_the_same(drive, d))
            add(steps, (struct hot_step){.what = HOT_MEDIUM,
                                         .xml = device_xml(d),
                                         .name = hm_printf("CD-ROM %s", target)});
    }
}

/* Out before in: a name or a slot may be wanted again. */
static void plan_devices(xmlNodePtr live, xmlNodePtr defined, struct hot_steps *steps)
{
    for (size_t i = 0; i < HM_COUNT(kinds); i++)
        plan_detach(&kinds[i], live, defined, steps);
    for (size_t i = 0; i < HM_COUNT(kinds); i++)
        plan_attach(&kinds[i], live, defined, steps);
}

int hot_plan(const char *live, const char *defined, struct hot_steps *ret, struct hm_error *err)
{
    XML_AUTOFREE xmlDocPtr live_doc = NULL, defined_doc = NULL;
    int r = xml_parse(live, &live_doc, err);
    if (r >= 0)
        r = xml_parse(defined, &defined_doc, err);
    if (r < 0)
        return r;
    xmlNodePtr is = xml_root(live_doc), shall_be = xml_root(defined_doc);
    struct hot_steps steps = {0};
    plan_numbers(is, shall_be, &steps);
    plan_devices(xml_at(is, "devices"), xml_at(shall_be, "devices"), &steps);
    plan_media(xml_at(is, "devices"), xml_at(shall_be, "devices"), &steps);
    *ret = steps;
    return 0;
}

int hot_has_device(const char *live, const char *alias, struct hm_error *err)
{
    XML_AUTOFREE xmlDocPtr doc = NULL;
    int r = xml_parse(live, &doc, err);
    xmlNodePtr devices = r < 0 ? NULL : xml_at(xml_root(doc), "devices");
    for (size_t i = 0; r == 0 && i < HM_COUNT(kinds); i++)
        for (xmlNodePtr d = xml_at(devices, kinds[i].element); r == 0 && d; d = xml_next(d)) {
            HM_AUTOFREE char *found = alias_of(d);
            r = is_equal(found, alias);
        }
    return r;
}

void hot_steps_clear(struct hot_steps *steps)
{
    for (size_t i = 0; i < steps->count; i++) {
        free(steps->items[i].alias);
        free(steps->items[i].xml);
        free(steps->items[i].name);
    }
    free(steps->items);
    *steps = (struct hot_steps){0};
}
