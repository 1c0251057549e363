/*
 * What rtnetlink says about links and addresses, message by message. Pure: no socket is touched.
 *
 * Every attribute is bounded by its message and checked for its type and size before it is read; what is
 * unknown is skipped. Source: rtnetlink(7). Thread: any.
 */
#ifndef HM_NETALLOC_LINK_READ_H
#define HM_NETALLOC_LINK_READ_H

#include <linux/netlink.h>

#include "netalloc/link.h"

/* An answer to RTM_GETLINK: appended to the list. False: it can't be understood. Other messages are
 * skipped. */
bool link_read(const struct nlmsghdr *message, struct links *into);

/* An answer to RTM_GETADDR: given to its link. The list is sorted by name or not; an address of a link
 * that is not in it is skipped. */
bool link_read_address(const struct nlmsghdr *message, struct links *into);

/* The kernel's words in an error message (extended acknowledgement), or NULL; they lie in it. */
const char *netlink_error_text(const struct nlmsghdr *message);

#endif
