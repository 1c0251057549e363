/*
 * Addresses that VMs ask for (networks[].ip): each is a static lease of its network.
 *
 * A VM's document says the address, DHCP gives it: so the spec of a network that is planned and
 * applied is its document's with the leases of the VMs that name it. What is then live or not, how it
 * is told apart from what was applied, and what happens when the VM goes is the same as for a lease
 * in the network's own document. Pure. Thread: any.
 */
#ifndef HM_AGENT_ADDRESSES_H
#define HM_AGENT_ADDRESSES_H

#include <stddef.h>

#include "agent/plan.h"

struct addresses;

/*
 * The documents of a plan with those leases in: spec and hash of the networks that get some, and
 * `cannot` of VMs whose address can't be had: outside of the subnet, somebody else's, or on a network
 * that is not declared or has no DHCP. Of two VMs that want the same one, the one that the network was
 * applied with keeps it; else the first in the order of the documents has it. NULL: no VM asks for any.
 * What it returns belongs to the caller, and the input has to outlive it.
 */
struct addresses *addresses_apply(const struct plan_input *input);
const struct plan_doc *
addresses_docs(const struct addresses *addresses); /* as many as in the input */
void addresses_free(struct addresses *addresses);  /* NULL is allowed */

#endif
