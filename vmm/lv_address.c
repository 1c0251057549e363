#include <stdlib.h>
#include <strings.h>

#include "vmm/lv_cache.h"

/* libvirt has no event for a lease. A guest asks for one some seconds after its start, or never. */
enum { FIRST_LOOK_MS = 1000, LAST_LOOK_MS = 30000, MOST_LOOKS = 10 };

static const char *leased_to(virDomainInterfacePtr *interfaces, int count, const char *mac)
{
    for (int i = 0; i < count; i++)
        if (interfaces[i]->hwaddr && !strcasecmp(interfaces[i]->hwaddr, mac) &&
            interfaces[i]->naddrs > 0)
            return interfaces[i]->addrs[0].addr;
    return NULL;
}

/* Returns whether the card is on a network of libvirt's and has no address. */
static bool add_address(json_t *nic, virDomainInterfacePtr *interfaces, int count)
{
    const char *mac = json_string_value(json_object_get(nic, "mac"));
    if (!mac || !json_object_get(nic, "network"))
        return false;
    const char *address = leased_to(interfaces, count, mac);
    if (address)
        json_object_set_new(nic, "address", json_string(address));
    return !address;
}

bool lv_add_addresses(virDomainPtr dom, json_t *details)
{
    const json_t *nics = json_object_get(details, "networks");
    virDomainInterfacePtr *interfaces = NULL;
    if (json_array_size(nics) == 0)
        return false;
    int count =
        virDomainInterfaceAddresses(dom, &interfaces, VIR_DOMAIN_INTERFACE_ADDRESSES_SRC_LEASE, 0);
    bool missing = false;
    for (size_t i = 0; i < json_array_size(nics); i++)
        missing |= add_address(json_array_get(nics, i), interfaces, count);
    for (int i = 0; i < count; i++)
        virDomainInterfaceFree(interfaces[i]);
    free(interfaces);
    return missing;
}

void lv_look_for_address_later(struct lv *lv, struct lv_entry *e)
{
    if (e->looks >= MOST_LOOKS) {
        e->waits = false;
        return;
    }
    int ms = e->looks < 5 ? FIRST_LOOK_MS << e->looks : LAST_LOOK_MS;
    e->looks++;
    lv_look_later(lv, ms);
}
