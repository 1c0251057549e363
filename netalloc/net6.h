/*
 * IPv6 of a native network (`subnet6`): its prefix of 64 bits, and what each guest is given in it. Pure.
 *
 * A guest's address is the prefix and, behind it, its IPv4 address (fd00:100::a64:32 for 10.100.0.50): as stable and as much
 * its own as that one, without a second record. Bytes are in network order. Thread: any.
 */
#ifndef HM_NETALLOC_NET6_H
#define HM_NETALLOC_NET6_H

#include <netinet/in.h>

#include "netalloc/net.h"

enum { NET6_TEXT_MAX = INET6_ADDRSTRLEN - 1, NET6_PREFIX = 64 };

void net6_text(const uint8_t address[16], char out[NET6_TEXT_MAX + 1]);
void net6_subnet_text(const struct net *net,
                      char out[NET6_TEXT_MAX + 1]); /* "fd00:100::", without /64 */
/* The address beside that IPv4 address. False: the network has no IPv6, or it is the host's own. */
bool net6_beside(const struct net *net, uint32_t address, uint8_t out[16]);

#endif
