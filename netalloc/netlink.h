/*
 * Links of this network namespace by rtnetlink (libmnl) and /dev/net/tun: looked at, and changed as the
 * plan says.
 *
 * A dump that changed while it was read is read again; an error of the kernel comes with its own words
 * (extended acknowledgement). Nothing waits longer than 5 s. Blocks: not for the loop. Thread: one at a
 * time. Source: rtnetlink(7), Documentation/networking/tuntap.rst.
 */
#ifndef HM_NETALLOC_NETLINK_H
#define HM_NETALLOC_NETLINK_H

#include "base/error.h"
#include "netalloc/link_plan.h"

struct netlink;

/* HM_E_UNSUPPORTED: this host gives no such socket. */
int netlink_open(struct netlink **ret, struct hm_error *err);
void netlink_close(struct netlink *nl); /* NULL is allowed */

/* Everything that is there, sorted, with IPv4 addresses; links_clear() frees it. */
int netlink_links(struct netlink *nl, struct links *ret, struct hm_error *err);

/*
 * Carry out one step. The steps of one want must follow each other: a new TAP is made persistent with
 * the step that marks it, and is gone if that does not come. A TAP that a process has open is not deleted:
 * HM_E_BUSY.
 */
int netlink_step(struct netlink *nl, const struct link_step *step, struct hm_error *err);

#endif
