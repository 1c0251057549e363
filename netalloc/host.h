/* What native networks need of the host as a whole. Blocks briefly. Thread: any. */
#ifndef HM_NETALLOC_HOST_H
#define HM_NETALLOC_HOST_H

#include <stdbool.h>

#include "base/error.h"

/* Does the host forward packets (net.ipv4.ip_forward; net.ipv6.conf.all.forwarding)? Unknown is no. */
bool host_forwards(void);
bool host_forwards6(void);
/*
 * Make it; it stays so: others may have come to rely on it. A host that forwards IPv6 takes no routes from routers any more, on
 * any link, unless accept_ra is 2 there; where it did until now it goes on: 1 becomes 2. (The kernel forwards IPv6 for all
 * links or for none: Linux, ip-sysctl.rst.)
 */
int host_let_forward(struct hm_error *err);
int host_let_forward6(struct hm_error *err);

/* A bridge of ours speaks IPv6, and takes neither routes nor addresses from what a guest announces. */
int host_prepare_bridge6(const char *bridge, struct hm_error *err);

#endif
