/*
 * Cards of VMs on native networks: which address each has, and what it is plugged into. For every backend
 * that runs VMs.
 *
 * attach_vm() is called before a VM is made, changed or started: each card of spec.networks[] whose network
 * is native gets an address that it keeps (pool.h), which the network's dnsmasq knows before the guest
 * can ask. The spec comes back as this host connects it: `network` is replaced by the bridge, or by a TAP
 * of the agent's own; other networks are left as they are. Before a start, what the VM held for cards that
 * it has no more is given back; detach_vm() gives back all of it, before the VM is removed: should that
 * fail, the next attach takes the same addresses again.
 *
 * Safe at any kill -9: an address is on disk before anyone is told of it. Blocks: not for the loop. Thread:
 * any.
 */
#ifndef HM_NETALLOC_ATTACH_H
#define HM_NETALLOC_ATTACH_H

#include "vmm/driver.h"

struct attach_options {
    const char *site, *state_dir, *runtime_dir;
    bool by_tap;   /* the backend opens TAPs by name; else it makes its own on a bridge */
    bool starting; /* the VM does not run, and is about to */
    bool plugging; /* it may run, and get cards more: their TAPs are made where the network is up */
};

/* *ret_spec is a new reference: the order's own spec when nothing in it is native. HM_E_CONFLICT: an
 * address that a card wants is another's; HM_E_REFUSED: none is left. */
int attach_vm(const struct attach_options *options, const struct order *o, json_t **ret_spec,
              struct hm_error *err);

/* After a stop: its TAPs go, its addresses stay. What can't be done now is done by the next sweep. */
void unplug_vm(const struct attach_options *options, const struct order *o);

int detach_vm(const struct attach_options *options, const struct order *o, struct hm_error *err);

#endif
