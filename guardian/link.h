/*
 * Cutting the network: virtual IPs withdrawn, interfaces down and addresses removed, by rtnetlink, in the guardian's own network
 * namespace, and read back. An interface or an address that does not exist is cut. No allocation.
 * Thread: one at a time (a worker's; the kernel may make it wait).
 */
#ifndef HM_GUARDIAN_LINK_H
#define HM_GUARDIAN_LINK_H

#include "guardian/plan.h"

/* Returns how much of the plan was seen to be still up afterwards, or could not be read: 0 is verified. */
unsigned link_cut(const struct guard_plan *plan);

/* Takes away the virtual IPs of the plan, from whatever interface has them with the mark; what has none is somebody
 * else's. Returns how many were seen to be still there afterwards, or 1 when that is not known: 0 is verified. */
unsigned link_withdraw(const struct guard_plan *plan);

#endif
