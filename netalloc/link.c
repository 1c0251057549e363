#include "netalloc/link.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"

static bool is_full(size_t count)
{
    return (count & (count - 1)) == 0; /* 0 or a power of two */
}

struct link *links_add(struct links *list, const struct link *link)
{
    if (is_full(list->count))
        list->items =
            hm_realloc_array(list->items, list->count ? 2 * list->count : 1, sizeof *link);
    struct link *added = &list->items[list->count++];
    *added = *link;
    added->addresses = NULL;
    added->address_count = 0;
    added->addresses6 = NULL;
    added->address6_count = 0;
    return added;
}

void link_add_address(struct link *link, uint32_t address, unsigned prefix)
{
    if (is_full(link->address_count))
        link->addresses =
            hm_realloc_array(link->addresses, link->address_count ? 2 * link->address_count : 1,
                             sizeof *link->addresses);
    link->addresses[link->address_count++] = (struct link_address){address, prefix};
}

void link_add_address6(struct link *link, const uint8_t bytes[16], unsigned prefix)
{
    if (is_full(link->address6_count))
        link->addresses6 =
            hm_realloc_array(link->addresses6, link->address6_count ? 2 * link->address6_count : 1,
                             sizeof *link->addresses6);
    struct link_address6 *added = &link->addresses6[link->address6_count++];
    memcpy(added->bytes, bytes, sizeof added->bytes);
    added->prefix = prefix;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(((const struct link *)a)->name, ((const struct link *)b)->name);
}

void links_sort(struct links *list)
{
    if (list->count)
        qsort(list->items, list->count, sizeof *list->items, by_name);
}

static int name_against(const void *name, const void *link)
{
    return strcmp(name, ((const struct link *)link)->name);
}

const struct link *links_find(const struct links *list, const char *name)
{
    return list->count ? bsearch(name, list->items, list->count, sizeof *list->items, name_against)
                       : NULL;
}

const struct link *links_at(const struct links *list, int index)
{
    for (size_t i = 0; i < list->count; i++)
        if (list->items[i].index == index)
            return &list->items[i];
    return NULL;
}

bool link_has_address(const struct link *link, uint32_t address, unsigned prefix)
{
    for (size_t i = 0; i < link->address_count; i++)
        if (link->addresses[i].address == address && link->addresses[i].prefix == prefix)
            return true;
    return false;
}

bool link_has_address6(const struct link *link, const uint8_t bytes[16], unsigned prefix)
{
    for (size_t i = 0; i < link->address6_count; i++)
        if (!memcmp(link->addresses6[i].bytes, bytes, 16) && link->addresses6[i].prefix == prefix)
            return true;
    return false;
}

void links_clear(struct links *list)
{
    for (size_t i = 0; i < list->count; i++) {
        free(list->items[i].addresses);
        free(list->items[i].addresses6);
    }
    free(list->items);
    *list = (struct links){0};
}
