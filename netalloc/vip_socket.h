/*
 * The Ethernet interface under a virtual IP: a packet socket that announces it and hears who claims it.
 *
 * Sending and receiving never wait. Closing one may (for the kernel's grace period): not for the loop.
 * Thread: one at a time. Source: packet(7).
 */
#ifndef HM_NETALLOC_VIP_SOCKET_H
#define HM_NETALLOC_VIP_SOCKET_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "netalloc/vip_frame.h"

/* An interface as it is now. */
struct vip_link {
    int index;
    bool is_up, has_carrier;
    bool speaks; /* Ethernet, with ARP: there is somebody to announce to */
    uint8_t mac[6];
};

/* HM_E_NOT_FOUND: there is none of this name. */
int vip_link_look(const char *name, struct vip_link *ret, struct hm_error *err);

/* The descriptor, or an error. Hears from now on. */
int vip_socket_open(const struct vip_link *link, const struct vip_address *address,
                    struct hm_error *err);

int vip_socket_announce(int fd, const struct vip_link *link, const char *name,
                        const struct vip_address *address, struct hm_error *err);

/* The next claim that was heard; false: none more, or `*budget` frames were looked at. */
bool vip_socket_hear(int fd, const struct vip_link *link, const struct vip_address *address,
                     unsigned *budget, struct vip_claim *ret);

#endif
