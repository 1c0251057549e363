/*
 * A native network as numbers: what its document says, in the form that plans are made from. Pure.
 *
 * Texts are borrowed from the spec and from `name`, which must outlive it; lists are its own
 * (net_clear()). Addresses are in host byte order. Thread: any.
 */
#ifndef HM_NETALLOC_NET_H
#define HM_NETALLOC_NET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <jansson.h>

#include "netalloc/link.h"
#include "netalloc/pool.h"

enum net_mode { NET_NAT, NET_ROUTE, NET_ISOLATED };

/* A port of the host that leads to a machine on the network. */
struct net_forward {
    bool udp;
    uint16_t port, to_port;
    uint32_t to;
};

struct net_host { /* an entry of dhcp.hosts */
    uint32_t address;
    uint8_t mac[6];
    const char *name; /* NULL: none */
};

struct net {
    const char *name;
    char bridge[LINK_NAME_MAX + 1];
    enum net_mode mode;
    uint32_t mtu;     /* 0: the kernel's own */
    uint32_t gateway; /* the host's own address */
    unsigned prefix;  /* 0: the host has no address on it, and serves nobody */
    bool has6;        /* IPv6 beside it, in a prefix of 64 bits (net6.h) */
    uint8_t gateway6[16];
    bool dhcp, dns;
    uint32_t first, last; /* the addresses that are given out; of the whole subnet without DHCP */
    struct net_host *hosts;
    size_t host_count;
    struct net_forward *forwards;
    size_t forward_count;
    const json_t *dns_spec;
};

/* `spec` is in normal form. */
void net_of_spec(const char *name, const json_t *spec, struct net *ret);
void net_clear(struct net *net);

/* The range of its pool; `reserved` (gateway and hosts, ascending) is allocated: free() it. */
uint32_t *net_reserved(const struct net *net, struct pool_range *ret);
const struct net_host *net_host_at(const struct net *net, uint32_t address);
const struct net_host *net_host_with(const struct net *net, const uint8_t mac[6]);

#endif
