/*
 * What a network document leaves to be computed: bridge name, address parts, DHCP range.
 *
 * All take a spec of kind `network` in normal form and never fail for one. Pure. Thread: any.
 */
#ifndef HM_PROTO_NETWORK_H
#define HM_PROTO_NETWORK_H

#include <stdbool.h>
#include <stdint.h>

#include <jansson.h>

enum {
    NETWORK_BRIDGE_MAX = 15,  /* IFNAMSIZ - 1: what the kernel takes */
    NETWORK_ADDRESS_MAX = 15, /* 255.255.255.255 */
    NETWORK_ADDRESS6_MAX = 39
};

/* `subnet` of a bridge on which the host has no address. */
#define NETWORK_NO_SUBNET "none"

struct network_subnet {
    uint32_t gateway, first, last; /* the host's own; first and last that a machine may have */
    unsigned prefix;
};
/* False, and *ret untouched: the host has no address on this network. */
bool network_subnet(const json_t *spec, struct network_subnet *ret);

/* `backend` of a network that the agent makes itself (netalloc/), and its subnet if none is given. */
#define NETWORK_NATIVE        "native"
#define NETWORK_NATIVE_SUBNET "10.100.0.1/16"
bool network_is_native(const json_t *spec); /* `spec` may be NULL */

/* `bridge` of the spec, else virbr-<name without dashes> (br-, if it is native); when that is too long
 * its start and a hash of the whole name, so that two long names do not collide. `spec` may be NULL. */
void network_bridge_name(const char *name, const json_t *spec, char out[NETWORK_BRIDGE_MAX + 1]);

/* The host's own address on the network, and the prefix (192.168.100.1, 24). Without a subnet: 0.0.0.0
 * and 0. */
int network_gateway(const json_t *spec, char out[NETWORK_ADDRESS_MAX + 1]); /* returns the prefix */
void network_netmask(const json_t *spec, char out[NETWORK_ADDRESS_MAX + 1]);

/* The addresses handed out: as given, else the larger part of the subnet beside the gateway
 * (192.168.100.2 to 192.168.100.254). False: no DHCP on this network. */
bool network_dhcp_range(const json_t *spec, char start[NETWORK_ADDRESS_MAX + 1],
                        char end[NETWORK_ADDRESS_MAX + 1]);

/* The host's IPv6 address, in a prefix of 64 bits (`subnet6`). False, and *out untouched: it has none. */
bool network_address6(const json_t *spec, char out[NETWORK_ADDRESS6_MAX + 1]);

#endif
