#include "netalloc/net.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "proto/address.h"
#include "proto/field.h"
#include "proto/network.h"

static enum net_mode mode_of(const json_t *spec)
{
    const char *mode = spec_str(spec, "mode");
    if (mode && !strcmp(mode, "route"))
        return NET_ROUTE;
    return mode && !strcmp(mode, "isolated") ? NET_ISOLATED : NET_NAT;
}

static void read_hosts(const json_t *list, struct net *net)
{
    size_t i;
    json_t *item;
    net->hosts = hm_alloc((json_array_size(list) + 1) * sizeof *net->hosts);
    json_array_foreach(list, i, item)
    {
        struct net_host *h = &net->hosts[net->host_count];
        h->name = spec_str(item, "name");
        if (ipv4_parse(spec_str(item, "ip"), &h->address) &&
            mac_parse(spec_str(item, "mac"), h->mac))
            net->host_count++;
    }
}

static void read_forwards(const json_t *list, struct net *net)
{
    size_t i;
    json_t *item;
    net->forwards = hm_alloc((json_array_size(list) + 1) * sizeof *net->forwards);
    json_array_foreach(list, i, item)
    {
        struct net_forward *f = &net->forwards[net->forward_count];
        const char *protocol = spec_str(item, "protocol");
        f->udp = protocol && !strcmp(protocol, "udp");
        f->port = (uint16_t)spec_int(item, "port", 0);
        f->to_port = (uint16_t)spec_int(item, "to_port", f->port);
        if (ipv4_parse(spec_str(item, "to"), &f->to))
            net->forward_count++;
    }
}

static void read_subnet(const json_t *spec, struct net *net)
{
    struct network_subnet s;
    char first[NETWORK_ADDRESS_MAX + 1], last[NETWORK_ADDRESS_MAX + 1];
    char address6[NETWORK_ADDRESS6_MAX + 1];
    if (!network_subnet(spec, &s))
        return;
    net->gateway = s.gateway;
    net->prefix = s.prefix;
    net->first = s.first;
    net->last = s.last;
    net->has6 =
        network_address6(spec, address6) && inet_pton(AF_INET6, address6, net->gateway6) == 1;
    net->dhcp = network_dhcp_range(spec, first, last);
    net->dns = spec_bool(net->dns_spec, "enabled");
    if (net->dhcp) {
        ipv4_parse(first, &net->first);
        ipv4_parse(last, &net->last);
    }
}

void net_of_spec(const char *name, const json_t *spec, struct net *ret)
{
    *ret = (struct net){.name = name,
                        .mode = mode_of(spec),
                        .mtu = (uint32_t)spec_int(spec, "mtu", 0),
                        .dns_spec = json_object_get(spec, "dns")};
    network_bridge_name(name, spec, ret->bridge);
    read_subnet(spec, ret);
    read_hosts(json_object_get(json_object_get(spec, "dhcp"), "hosts"), ret);
    read_forwards(json_object_get(spec, "forwards"), ret);
}

void net_clear(struct net *net)
{
    free(net->hosts);
    free(net->forwards);
    *net = (struct net){0};
}

static int ascending(const void *a, const void *b)
{
    uint32_t left = *(const uint32_t *)a, right = *(const uint32_t *)b;
    return left < right ? -1 : left > right;
}

uint32_t *net_reserved(const struct net *net, struct pool_range *ret)
{
    uint32_t *reserved = hm_alloc((net->host_count + 1) * sizeof *reserved);
    reserved[0] = net->gateway;
    for (size_t i = 0; i < net->host_count; i++)
        reserved[i + 1] = net->hosts[i].address;
    qsort(reserved, net->host_count + 1, sizeof *reserved, ascending);
    *ret = (struct pool_range){net->first, net->last, reserved, net->host_count + 1};
    return reserved;
}

const struct net_host *net_host_at(const struct net *net, uint32_t address)
{
    for (size_t i = 0; i < net->host_count; i++)
        if (net->hosts[i].address == address)
            return &net->hosts[i];
    return NULL;
}

const struct net_host *net_host_with(const struct net *net, const uint8_t mac[6])
{
    for (size_t i = 0; i < net->host_count; i++)
        if (!memcmp(net->hosts[i].mac, mac, 6))
            return &net->hosts[i];
    return NULL;
}
