/*
 * The addresses that libvirt's DHCP gave, by one call for each active network, and only when there is
 * something new: a guest waits for its address, a network changed, or a lease was written.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/alloc.h"
#include "base/file.h"
#include "proto/address.h"
#include "vmm/lv_cache.h"

/* Where libvirt's helper of dnsmasq writes each lease, by renaming a file: the folder's time tells. Where it
 * is elsewhere, a lease that nobody waits for is seen when a network or an address is looked at. */
#define LEASE_DIR "/var/lib/libvirt/dnsmasq"

/* libvirt has no event for a lease. A guest asks for one some seconds after its start, or never. */
enum { FIRST_LOOK_MS = 1000, LAST_LOOK_MS = 30000, MOST_LOOKS = 10 };

/* -- Reading ------------------------------------------------------------------------------------- */

/* A guest chooses the name that it sends. */
static bool is_sane(const char *name)
{
    return name && dns_name_is_valid(name);
}

static void add_lease(json_t *of_network, const virNetworkDHCPLease *lease)
{
    uint8_t bytes[6];
    char mac[MAC_TEXT_MAX + 1];
    if (lease->type != VIR_IP_ADDR_TYPE_IPV4 || !lease->mac || !mac_parse(lease->mac, bytes))
        return;
    mac_text(bytes, mac);
    json_object_set_new(of_network, mac,
                        json_pack("{s:s, s:s, s:s*}", "mac", mac, "ip", lease->ipaddr, "name",
                                  is_sane(lease->hostname) ? lease->hostname : NULL));
}

static void read_network_leases(json_t *all, virNetworkPtr net)
{
    virNetworkDHCPLeasePtr *leases = NULL;
    int count = virNetworkGetDHCPLeases(net, NULL, &leases, 0);
    if (count <= 0) /* none, or it can't have any: without DHCP, or gone since it was listed */
        return;
    json_t *of_network = json_object();
    for (int i = 0; i < count; i++) {
        add_lease(of_network, leases[i]);
        virNetworkDHCPLeaseFree(leases[i]);
    }
    free(leases);
    json_object_set_new(all, virNetworkGetName(net), of_network);
}

/* {network: {mac: {mac, ip, name}}}; NULL: they can't be listed, which the observation itself tells. */
static json_t *read_leases(struct lv *lv)
{
    virNetworkPtr *nets = NULL;
    int count = virConnectListAllNetworks(lv->conn, &nets, VIR_CONNECT_LIST_NETWORKS_ACTIVE);
    if (count < 0)
        return NULL;
    json_t *all = json_object();
    for (int i = 0; i < count; i++) {
        read_network_leases(all, nets[i]);
        virNetworkFree(nets[i]);
    }
    free(nets);
    return all;
}

static const json_t *lease_of(const struct lv_cache *cache, const json_t *nic)
{
    const char *mac = json_string_value(json_object_get(nic, "mac"));
    const char *network = json_string_value(json_object_get(nic, "network"));
    return mac && network ? json_object_get(json_object_get(cache->leases, network), mac) : NULL;
}

/* -- Guests -------------------------------------------------------------------------------------- */

bool lv_add_addresses(const struct lv_cache *cache, json_t *details)
{
    size_t i;
    json_t *nic;
    bool missing = false;
    json_array_foreach(json_object_get(details, "networks"), i, nic)
    {
        const json_t *lease = lease_of(cache, nic);
        if (lease)
            json_object_set(nic, "address", json_object_get(lease, "ip"));
        missing |= !lease && json_object_get(nic, "network");
    }
    return missing;
}

static bool has_moved(const struct lv_cache *cache, const struct lv_entry *e)
{
    size_t i;
    json_t *nic;
    const json_t *details = e->shared ? thing_shared_get(e->shared)->details : NULL;
    json_array_foreach(json_object_get(details, "networks"), i, nic)
    {
        const json_t *is = json_object_get(lease_of(cache, nic), "ip");
        const json_t *was = json_object_get(nic, "address");
        if (is != was && !json_equal(is, was))
            return true;
    }
    return false;
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

/* Guests whose address changed are read anew; those that still have none are looked for later. */
static void tell_guests(struct lv *lv, bool looked_for)
{
    for (size_t i = 0; i < lv->cache->size; i++) {
        struct lv_entry *e = &lv->cache->slots[i];
        if (!e->used || !e->active)
            continue;
        if (has_moved(lv->cache, e))
            e->stale = true;
        else if (e->waits && looked_for)
            lv_look_for_address_later(lv, e);
    }
}

/* -- Networks ------------------------------------------------------------------------------------ */

static int by_address(const void *a, const void *b)
{
    uint32_t x = 0, y = 0;
    ipv4_parse(json_string_value(json_object_get(*(json_t *const *)a, "ip")), &x);
    ipv4_parse(json_string_value(json_object_get(*(json_t *const *)b, "ip")), &y);
    return x < y ? -1 : x > y;
}

json_t *lv_leases_of(const struct lv_cache *cache, const char *network)
{
    json_t *leases = json_object_get(cache->leases, network), *lease, *list = json_array();
    json_t **sorted = hm_alloc((json_object_size(leases) + 1) * sizeof(json_t *));
    size_t count = 0;
    const char *mac;
    json_object_foreach(leases, mac, lease) sorted[count++] = lease;
    qsort(sorted, count, sizeof *sorted, by_address);
    for (size_t i = 0; i < count && i < LV_LEASES_SHOWN; i++)
        json_array_append(list, sorted[i]);
    free(sorted);
    return list;
}

/* -- The whole ----------------------------------------------------------------------------------- */

static int64_t written_ns(const struct lv *lv)
{
    struct stat st;
    if (!lv->is_local || stat(LEASE_DIR, &st) < 0)
        return 0;
    return hm_file_changed_ns(&st);
}

bool lv_observe_leases(struct lv *lv, const struct lv_dirty *dirty)
{
    struct lv_cache *cache = lv->cache;
    int64_t written =
        written_ns(lv); /* before they are read: what comes meanwhile is seen next time */
    bool is_time = !cache->leases || dirty->networks || dirty->addresses;
    if (!is_time && written == cache->leases_written_ns)
        return false;
    json_t *now = read_leases(lv);
    if (!now)
        return false;
    bool changed = !json_equal(now, cache->leases);
    json_decref(cache->leases);
    cache->leases = now;
    cache->leases_written_ns = written;
    tell_guests(lv, dirty->addresses);
    return changed;
}
