/*
 * What can be changed of a network while guests are on it: its DHCP ranges, static leases and DNS
 * hosts, as elements that virNetworkUpdate() adds or deletes. Pure. Thread: any.
 * Source: https://libvirt.org/html/libvirt-libvirt-network.html#virNetworkUpdate
 */
#ifndef HM_VMM_NETWORK_CHANGE_H
#define HM_VMM_NETWORK_CHANGE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"

enum network_section { NETWORK_DHCP_RANGE, NETWORK_DHCP_HOST, NETWORK_DNS_HOST };

struct network_change {
    enum network_section section;
    bool adds; /* else it deletes */
    char *xml; /* one element */
};
struct network_changes {
    struct network_change *items;
    size_t count;
};

/*
 * From the XML of what is active to the XML that is wanted: deletions first, since libvirt refuses to
 * add what shares a name or an address with what is there. What differs elsewhere is not told. The
 * caller clears *ret, which is untouched on failure (XML that is none).
 */
int network_changes_between(const char *active, const char *wanted, struct network_changes *ret,
                            struct hm_error *err);
void network_changes_clear(struct network_changes *changes);

#endif
