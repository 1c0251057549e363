/*
 * Virtual IPs on this host's interfaces, by rtnetlink: looked at, put up, taken away.
 *
 * Ours carry a mark that the kernel keeps with the address (IFA_PROTO, Linux 5.18). An
 * address without it is somebody else's and is never touched. IPv6: without duplicate address detection,
 * which would take a second and believe a host that is being fenced; and deprecated, so that connections of
 * this host's own don't come to depend on it. Blocks: not for the loop. Thread: one at a time.
 * Source: rtnetlink(7), linux/if_addr.h.
 */
#ifndef HM_NETALLOC_VIP_LINK_H
#define HM_NETALLOC_VIP_LINK_H

#include <stdbool.h>
#include <stddef.h>

#include <linux/netlink.h>

#include "netalloc/rtnl.h"
#include "proto/vip.h"

enum { VIP_MARK = 0x48 }; /* the guardian's GUARD_VIP_MARK: it takes away what has it */

struct vip_place {
    int index; /* of the interface that has it */
    bool is_ours;
    struct vip_address address; /* with the prefix that it has there */
};

/* Those of `wanted` that are somewhere, with or without our mark. Zeroed is empty; free(items). */
struct vip_places {
    const struct vip_address *wanted;
    size_t wanted_count;
    struct vip_place *items;
    size_t count;
};

/* An answer to RTM_GETADDR: appended if it is of interest. False: it can't be understood. Pure. */
bool vip_place_read(const struct nlmsghdr *message, struct vip_places *into);

/* What is there now of `wanted`, which is borrowed. */
int vip_look(struct rtnl *rtnl, const struct vip_address *wanted, size_t count,
             struct vip_places *ret, struct hm_error *err);
void vip_places_clear(struct vip_places *places);

/* Where it is. With `index` 0: on whatever interface; NULL: nowhere. Those of others come first. */
const struct vip_place *vip_place_of(const struct vip_places *places,
                                     const struct vip_address *address, int index);

/* HM_E_CONFLICT: the interface has it by now. `link` is its name, for the sentence. */
int vip_put_up(struct rtnl *rtnl, int index, const char *link, const struct vip_address *address,
               struct hm_error *err);
/* Only what is ours; gone already is well. */
int vip_take_away(struct rtnl *rtnl, const struct vip_place *place, struct hm_error *err);

#endif
