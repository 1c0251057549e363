/*
 * The firewall's table by libnftables. Blocks: not for the loop. Thread: one at a time in a process.
 * Source: libnftables(3).
 */
#ifndef HM_NETALLOC_FIREWALL_H
#define HM_NETALLOC_FIREWALL_H

#include "base/error.h"

/* One transaction: all of it, or an error and nothing. */
int firewall_apply(const char *ruleset, struct hm_error *err);

/* The table as the kernel has it, without counters; "" when there is none. The caller's to free. */
int firewall_list(const char *table, char **ret, struct hm_error *err);

#endif
