#include "vmm/network_change.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "vmm/xml.h"

static const struct {
    enum network_section section;
    const char *parent, *name;
} places[] = {
    {NETWORK_DHCP_RANGE, "ip/dhcp", "range"},
    {NETWORK_DHCP_HOST, "ip/dhcp", "host"},
    {NETWORK_DNS_HOST, "dns", "host"},
};

static void copy_attribute(xmlNodePtr to, xmlNodePtr from, const char *name)
{
    HM_AUTOFREE char *value = xml_get(from, name);
    if (value)
        xml_set(to, name, value);
}

/* The element with what we write and nothing else, always in the same order: equal texts, equal
 * elements. The caller frees it. */
static char *plain(xmlNodePtr node)
{
    static const char *const attributes[] = {"start", "end", "mac", "name", "ip", NULL};
    XML_AUTOFREE xmlDocPtr doc = xml_new((const char *)node->name);
    for (const char *const *name = attributes; *name; name++)
        copy_attribute(xml_root(doc), node, *name);
    for (xmlNodePtr host = xml_at(node, "hostname"); host; host = xml_next(host)) {
        HM_AUTOFREE char *text = xml_text(host);
        xml_add_text(xml_root(doc), "hostname", text ? text : "");
    }
    return xml_print(doc);
}

/* The texts of all elements of a place, as the keys of an object, in their order. */
static json_t *texts_at(xmlDocPtr doc, size_t place)
{
    json_t *texts = json_object();
    xmlNodePtr first = xml_at(xml_at(xml_root(doc), places[place].parent), places[place].name);
    for (xmlNodePtr node = first; node; node = xml_next(node)) {
        HM_AUTOFREE char *text = plain(node);
        json_object_set_new(texts, text, json_true());
    }
    return texts;
}

/* What is in `these` and not in `others`. */
static void add_missing(struct network_changes *list, size_t place, const json_t *these,
                        const json_t *others, bool adds)
{
    const char *text;
    json_t *unused;
    json_object_foreach((json_t *)(uintptr_t)these, text, unused)
    {
        if (json_object_get(others, text))
            continue;
        list->items = hm_realloc_array(list->items, list->count + 1, sizeof *list->items);
        list->items[list->count++] =
            (struct network_change){places[place].section, adds, hm_strdup(text)};
    }
}

static void add_differences(struct network_changes *list, xmlDocPtr from, xmlDocPtr to, bool adds)
{
    for (size_t i = 0; i < HM_COUNT(places); i++) {
        json_t *before = texts_at(from, i), *after = texts_at(to, i);
        add_missing(list, i, adds ? after : before, adds ? before : after, adds);
        json_decref(before);
        json_decref(after);
    }
}

int network_changes_between(const char *active, const char *wanted, struct network_changes *ret,
                            struct hm_error *err)
{
    XML_AUTOFREE xmlDocPtr is = NULL, shall = NULL;
    struct network_changes list = {0};
    int r = xml_parse(active, &is, err);
    if (r >= 0)
        r = xml_parse(wanted, &shall, err);
    if (r < 0)
        return r;
    add_differences(&list, is, shall, false);
    add_differences(&list, is, shall, true);
    *ret = list;
    return 0;
}

void network_changes_clear(struct network_changes *changes)
{
    for (size_t i = 0; i < changes->count; i++)
        free(changes->items[i].xml);
    free(changes->items);
    *changes = (struct network_changes){0};
}
