/* IPv6 on a network: the one subnet that routers can tell guests to take an address of. */
#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

#include "proto/kind_network.h"
#include "proto/network.h"

enum { INTERFACE_PART = 8 }; /* bytes, behind a prefix of 64 bits */

/* Its 16 bytes, or what is wrong with it. */
static const char *fault_of(const char *text, unsigned char bytes[16])
{
    static const unsigned char nothing[16];
    char address[NETWORK_ADDRESS6_MAX + 1], canonical[INET6_ADDRSTRLEN];
    const char *slash = strchr(text, '/');
    if (!slash || strcmp(slash, "/64") != 0)
        return "guests make addresses of their own in a prefix of 64 bits alone: end it with /64";
    if ((size_t)(slash - text) > NETWORK_ADDRESS6_MAX)
        return "it is no IPv6 address";
    snprintf(address, sizeof address, "%.*s", (int)(slash - text), text);
    if (inet_pton(AF_INET6, address, bytes) != 1)
        return "it is no IPv6 address";
    inet_ntop(AF_INET6, bytes, canonical, sizeof canonical);
    if (strcmp(canonical, address) != 0)
        return "write it in its short form (lower case, without leading zeros, the longest run of "
               "zeros as ::)";
    if (bytes[0] == 0xff || (bytes[0] == 0xfe && (bytes[1] & 0xc0) == 0x80))
        return "a multicast or link-local address is no host's own";
    if (!memcmp(bytes, nothing, INTERFACE_PART))
        return "it is in no network";
    if (!memcmp(bytes + 16 - INTERFACE_PART, nothing, INTERFACE_PART))
        return "it is the subnet itself; give the host's own address in it (such as ::1 behind the "
               "prefix)";
    return NULL;
}

int network_check_subnet6(const json_t *spec, struct field_place *at, struct hm_error *err)
{
    const char *text = spec_str(spec, "subnet6");
    unsigned char bytes[16];
    struct network_subnet subnet;
    if (!text)
        return 0;
    field_place_set(at, "subnet6");
    const char *fault = fault_of(text, bytes);
    if (fault)
        return field_fail(at, err, "%s: %s", text, fault);
    if (!network_subnet(spec, &subnet))
        return field_fail(at, err, "it needs a subnet beside it, and subnet is none");
    return 0;
}
