/*
 * The mark of a link: its alias (IFLA_IFALIAS) says which site made it, and from which document.
 *
 * "harmony:SITE:OWNER". An owner is a document's key ("site-a.network.lan"), or that of a VM and the
 * number of its NIC ("site-a.vm.web#0"). A link without such an alias is somebody else's. Pure.
 * Thread: any.
 */
#ifndef HM_NETALLOC_ALIAS_H
#define HM_NETALLOC_ALIAS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { ALIAS_MAX = 255, OWNER_MAX = 195, ALIAS_SITE_MAX = 63 };

struct alias {
    char site[ALIAS_SITE_MAX + 1], owner[OWNER_MAX + 1];
};

/* False, and *out untouched: it would not fit, or is not written as sites and owners are. */
bool alias_make(const char *site, const char *owner, char out[ALIAS_MAX + 1]);

/* False: it is not ours, nor another site's. What follows the prefix is hostile. */
bool alias_parse(const char *text, struct alias *ret);

/* Lower-case letters, digits, - and . with an optional #NUMBER: no more than a mark needs. */
bool owner_is_valid(const char *owner);
bool owner_make(const char *key, size_t nic, char out[OWNER_MAX + 1]);

/* A unicast MAC address, locally administered, that follows from site and owner. It is set in the
 * same message that makes the link: so one that a crash left without its alias is known again. */
void alias_mac(const char *site, const char *owner, uint8_t out[6]);

#endif
