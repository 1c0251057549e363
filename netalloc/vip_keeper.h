/*
 * A thread that keeps the virtual IPs (netalloc/vip_set.h) as it was told last: held, or given up.
 *
 * Held ones are looked at every second, and put up again if somebody took one away; those that can't be given
 * up are tried again every second. The one who tells never waits: it is woken (`on_news`, by the thread) when
 * an answer, a state or a claim is new. vip_keeper_free() does not wait either: a thread that the kernel holds
 * up is left behind, and touches nothing once it comes out.
 *
 * Thread: any, but vip_keeper_free() last. Nothing here blocks, but the reading of the record at the start.
 */
#ifndef HM_NETALLOC_VIP_KEEPER_H
#define HM_NETALLOC_VIP_KEEPER_H

#include "netalloc/vip_set.h"

struct vip_keeper;

struct vip_keeper_options {
    struct vip_set_options set; /* `may` is called by the thread, until vip_keeper_free() */
    void (*on_news)(void *data);
    void *data;
};

/* *ret is NULL where there is nothing to keep: none is wanted, none was left behind. */
int vip_keeper_new(const struct vip_keeper_options *options, struct vip_keeper **ret,
                   struct hm_error *err);
void vip_keeper_free(struct vip_keeper *k); /* NULL is allowed; what is held stays */

/* Returns the number of the order, from 1. */
uint64_t vip_keeper_tell(struct vip_keeper *k, bool hold);

/* False: that order has not been carried out yet. How it went is in *ret_failed (OK: well), of the last try. */
bool vip_keeper_answered(struct vip_keeper *k, uint64_t order, struct hm_error *ret_failed);

/* As they were last seen, in the order of the wants. */
struct vip_now vip_keeper_now(struct vip_keeper *k, size_t i);

#endif
