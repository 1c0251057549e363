/*
 * The dnsmasq of a network: started, told of changes, found again and ended.
 *
 * It is a process of its own and outlives the agent. It is ours if its command line names our
 * configuration, whose path holds a hash of what is in it: a running one with another hash is outdated. It
 * is held by a pidfd while it is looked at and signalled, so that no other process is ever meant. In the
 * agent's network namespace only. Blocks: not for the loop. Thread: one at a time for a network.
 */
#ifndef HM_NETALLOC_DHCP_H
#define HM_NETALLOC_DHCP_H

#include <stdbool.h>

#include "base/error.h"
#include "netalloc/net.h"
#include "netalloc/pool.h"

struct dhcp {
    char *dir;                                        /* RUNTIME_DIR/native/NAME */
    char *config, *hosts, *names, *pid_file, *leases; /* paths */
    char *config_text;
};

/* Does this network have a dnsmasq at all? */
bool dhcp_is_wanted(const struct net *net);

/* Pure: what would be run. dhcp_clear() frees it. */
void dhcp_prepare(const struct net *net, const char *runtime_dir, const char *leases,
                  struct dhcp *ret);
void dhcp_clear(struct dhcp *d);

/* Its hosts and names as the pool says, and a process that has read them: the one that runs, if it was
 * started with this configuration, else a new one. */
int dhcp_serve(const struct dhcp *d, const struct net *net, const struct pool *pool,
               struct hm_error *err);
/* The same without starting anything: a process that runs reads the hosts again. */
int dhcp_tell(const struct dhcp *d, const struct net *net, const struct pool *pool,
              struct hm_error *err);

bool dhcp_is_served(const struct dhcp *d); /* one runs, with this configuration */

/* End it, whatever its configuration, and remove its files. None: fine. */
int dhcp_end(const struct dhcp *d, struct hm_error *err);

/* The address that the last hosts file gave to this card, or 0: what a running dnsmasq may have handed
 * out, should the record be lost. */
uint32_t dhcp_remembers(const struct dhcp *d, const uint8_t mac[6]);

#endif
