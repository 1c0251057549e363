/*
 * The firewall of native networks: one nftables table for each site, as text. Pure.
 *
 * "table inet harmony_SITE" is replaced as a whole in one transaction: either all of it is in force, or
 * what was before. Nothing else of the host's firewall is read or touched. In it:
 * - nat: what guests send elsewhere leaves under the host's address, by IPv6 as by IPv4 (none without subnet6); nothing comes
 *   in but answers and forwarded ports;
 * - route: passes both ways;
 * - isolated: nothing is forwarded from it or to it;
 * - forwarded ports are rewritten to their guest, for packets from outside and for the host's own, and
 *   for guests of the same network (which see the host as sender).
 * A drop here is final; an accept is not: another table that drops forwarded packets still does.
 *
 * No text of a document comes into the ruleset but names that were checked again here. Thread: any.
 * Source: nft(8).
 */
#ifndef HM_NETALLOC_RULESET_H
#define HM_NETALLOC_RULESET_H

#include "base/error.h"
#include "netalloc/net.h"

enum { RULESET_TABLE_MAX = 80 };

/* False: the site's name is none. */
bool ruleset_table_name(const char *site, char out[RULESET_TABLE_MAX + 1]);

/* *ret is the caller's to free. No networks: the table goes. HM_E_CONFLICT: one port of the host would
 * lead to two guests. */
int ruleset_render(const char *site, const struct net *const *nets, size_t count, char **ret,
                   struct hm_error *err);

#endif
