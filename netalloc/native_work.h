/*
 * Inside the native driver: one look at all that a verb has to know, under the lock.
 *
 * work_open() takes the store's lock, reads the definitions and lists the links; work_close() gives all
 * of it back. `nets` are the definitions as numbers, at the same places (prefix and bridge are empty where
 * the spec can't be read). Blocks: not for the loop. Thread: one work belongs to one.
 */
#ifndef HM_NETALLOC_NATIVE_WORK_H
#define HM_NETALLOC_NATIVE_WORK_H

#include "netalloc/dhcp.h"
#include "netalloc/link_plan.h"
#include "netalloc/net.h"
#include "netalloc/netlink.h"
#include "netalloc/store.h"

struct native {
    char *site, *runtime_dir;
    struct store store;
};

struct work {
    const struct native *native;
    int lock;
    struct netlink *netlink;
    struct links seen;
    struct definitions definitions;
    struct net *nets;
};

void native_init(struct native *n, const char *site, const char *state_dir,
                 const char *runtime_dir);
void native_clear(struct native *n);

int work_open(const struct native *n, struct work *ret, struct hm_error *err);
void work_close(struct work *w);
int work_look_again(struct work *w, struct hm_error *err); /* at the links */

/* Where the definition is; SIZE_MAX: there is none. */
size_t work_find(const struct work *w, const char *name);

/* Its bridge as it shall be, or (gone) shall not be. False: its names are none that a mark can hold. */
bool work_bridge(const struct work *w, size_t i, bool gone, struct link_want *ret);
bool work_bridge_is_ours(const struct work *w, size_t i);

/* What dnsmasq of this network would be; dhcp_clear() frees it. */
void work_dhcp(const struct work *w, size_t i, struct dhcp *ret);

/* Networks that are up, or are to be: for the firewall. `also` (SIZE_MAX: none) is one of them whatever
 * is seen, `except` is not. Returns how many; *ret is the caller's to free. */
size_t work_firewalled(const struct work *w, size_t also, size_t except, const struct net ***ret);

/* The TAPs that cards of this network are attached by, appended to *wants. */
int work_taps(const struct work *w, size_t i, struct link_want **wants, size_t *count,
              struct hm_error *err);
/* A TAP's name follows from its owner: "hm" and a hash of 12 digits. */
void tap_name(const char *site, const char *owner, char out[LINK_NAME_MAX + 1]);

/* The firewall of all networks as work_firewalled() says: made so, or (list) is it so? */
int work_set_firewall(const struct work *w, size_t also, size_t except, struct hm_error *err);
int work_firewall_is_set(const struct work *w, struct hm_error *err); /* 1, 0 or an error */

/* The TAPs of one VM's cards on a network that is up. HM_E_NETWORK_NOT_FOUND: it is not. */
int work_make_taps(struct work *w, size_t i, const char *vm_key, struct hm_error *err);
/* They go, wherever they are plugged in; one that a process has open stays. */
void work_drop_taps(const struct work *w, const char *vm_key);

/* Everything of one network: brought up, whatever is there already; taken down. */
int work_bring_up(struct work *w, size_t i, struct hm_error *err);
int work_take_down(struct work *w, size_t i, struct hm_error *err);

/* Remove TAPs of ours that no card is attached by and no process has open. What can't be removed stays. */
int work_sweep(struct work *w, struct hm_error *err);

#endif
