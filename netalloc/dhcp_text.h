/*
 * What dnsmasq is told and what it writes, as texts. Pure.
 *
 * One dnsmasq serves one network: its configuration, the hosts that get addresses (read again on SIGHUP),
 * the names that it knows (likewise), and the leases that it wrote. It hands out addresses only to hosts
 * that are declared (docs/adr/0030). Everything that comes into these files was verified with the
 * document; names are checked again here, and what is not a name is left out. Thread: any.
 * Source: dnsmasq(8).
 */
#ifndef HM_NETALLOC_DHCP_TEXT_H
#define HM_NETALLOC_DHCP_TEXT_H

#include "netalloc/net.h"
#include "netalloc/pool.h"

/* Where its files are. Borrowed. */
struct dhcp_paths {
    const char *hosts, *names, *leases, *pid;
};

/* The texts are the caller's to free. */
char *dhcp_config_text(const struct net *net, const struct dhcp_paths *paths);
char *dhcp_hosts_text(const struct net *net, const struct pool *pool);
char *dhcp_names_text(const struct net *net, const struct pool *pool);

/* A lease that dnsmasq has given. */
struct dhcp_lease {
    int64_t until; /* seconds of the wall clock; 0: for ever */
    uint8_t mac[6];
    uint32_t address;
};
enum { DHCP_LEASES_MAX = 4 << 20 };

/* Lines that can't be understood (IPv6, other hardware) are skipped. Returns how many; *ret is the
 * caller's to free. */
size_t dhcp_leases_read(const char *text, struct dhcp_lease **ret);

#endif
