/*
 * Links of this host as they were seen: what the plan compares with what is wanted.
 *
 * A list is sorted by name; links_sort() makes it so. IPv4 addresses are numbers in host byte order, IPv6 ones bytes in
 * network order (without link-local ones, which every link has).
 * Zeroed is an empty list; links_clear() frees what it holds. Pure. Thread: any.
 */
#ifndef HM_NETALLOC_LINK_H
#define HM_NETALLOC_LINK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "netalloc/alias.h"

enum { LINK_NAME_MAX = 15 };

enum link_kind { LINK_OTHER, LINK_BRIDGE, LINK_TAP };

struct link_address {
    uint32_t address;
    unsigned prefix;
};

struct link_address6 {
    uint8_t bytes[16];
    unsigned prefix;
};

struct link {
    char name[LINK_NAME_MAX + 1];
    int index, master; /* master 0: none */
    enum link_kind kind;
    uint32_t mtu;
    bool up;
    uint8_t mac[6];
    char alias[ALIAS_MAX + 1];
    struct link_address *addresses;
    size_t address_count;
    struct link_address6 *addresses6;
    size_t address6_count;
};

struct links {
    struct link *items;
    size_t count;
};

/* Append a copy without addresses; the pointer is valid until the next one. */
struct link *links_add(struct links *list, const struct link *link);
void link_add_address(struct link *link, uint32_t address, unsigned prefix);
void link_add_address6(struct link *link, const uint8_t bytes[16], unsigned prefix);
void links_sort(struct links *list);
const struct link *links_find(const struct links *list, const char *name); /* in a sorted list */
const struct link *links_at(const struct links *list, int index);
bool link_has_address(const struct link *link, uint32_t address, unsigned prefix);
bool link_has_address6(const struct link *link, const uint8_t bytes[16], unsigned prefix);
void links_clear(struct links *list);

#endif
