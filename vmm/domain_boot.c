#include "vmm/domain_boot.h"

#include <string.h>

#include "proto/field.h"
#include "vmm/xml.h"

static int64_t place_of(const json_t *element)
{
    return spec_int(element, "boot", 0);
}

/* -- Devices that say their place -------------------------------------------------------------- */

static void add(struct boot_list *list, const json_t *element)
{
    if (list->count < BOOT_MOST)
        list->items[list->count++] = element;
}

/* Lowest first; no two are alike. */
static void insert(struct boot_list *list, const json_t *element)
{
    if (!place_of(element))
        return;
    add(list, element);
    for (size_t i = list->count - 1; i > 0; i--) {
        if (place_of(list->items[i - 1]) < place_of(list->items[i]))
            break;
        const json_t *later = list->items[i - 1];
        list->items[i - 1] = list->items[i];
        list->items[i] = later;
    }
}

static void insert_all(struct boot_list *list, const struct vm_build *b)
{
    const json_t *nics = json_object_get(b->spec, "networks");
    for (size_t i = 0; i < b->disks->count; i++)
        insert(list, b->disks->items[i].spec);
    for (size_t i = 0; i < json_array_size(nics); i++)
        insert(list, json_array_get(nics, i));
}

/* -- Behind them the first of each sort that is left --------------------------------------------- */

static const json_t *first_disk(const struct vm_build *b, bool cdrom)
{
    for (size_t i = 0; i < b->disks->count; i++) {
        const struct vm_disk *d = &b->disks->items[i];
        if (d->cdrom == cdrom && !d->seed && !place_of(d->spec))
            return d->spec;
    }
    return NULL;
}

static const json_t *first_card(const struct vm_build *b)
{
    const json_t *nics = json_object_get(b->spec, "networks");
    for (size_t i = 0; i < json_array_size(nics); i++)
        if (!place_of(json_array_get(nics, i)))
            return json_array_get(nics, i);
    return NULL;
}

static const json_t *first_of(const struct vm_build *b, const char *sort)
{
    return !strcmp(sort, "network") ? first_card(b) : first_disk(b, !strcmp(sort, "cdrom"));
}

void domain_boot_list(const struct vm_build *b, struct boot_list *ret)
{
    struct boot_list list = {.count = 0};
    const json_t *order = json_object_get(b->spec, "boot_order");
    insert_all(&list, b);
    for (size_t i = 0; list.count > 0 && i < json_array_size(order); i++) {
        const json_t *next = first_of(b, json_string_value(json_array_get(order, i)));
        if (next)
            add(&list, next);
    }
    *ret = list;
}

/* -- XML --------------------------------------------------------------------------------------- */

void domain_add_place(xmlNodePtr device, const struct boot_list *list, const json_t *element)
{
    for (size_t i = 0; i < list->count; i++)
        if (list->items[i] == element)
            xml_set_int(xml_add(device, "boot"), "order", (int64_t)i + 1);
}

static const char *boot_device(const char *word)
{
    if (!strcmp(word, "network"))
        return "network";
    return !strcmp(word, "cdrom") ? "cdrom" : "hd";
}

void domain_add_boot_order(xmlNodePtr os, const struct boot_list *list, const json_t *spec)
{
    const json_t *order = json_object_get(spec, "boot_order");
    if (list->count > 0)
        return;
    for (size_t i = 0; i < json_array_size(order); i++)
        xml_add_set(os, "boot", "dev", boot_device(json_string_value(json_array_get(order, i))),
                    NULL);
    if (json_array_size(order) == 0)
        xml_add_set(os, "boot", "dev", "hd", NULL);
}
