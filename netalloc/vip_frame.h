/*
 * Ethernet frames about a virtual IP: the announcement that it is here, and what others say about it.
 *
 * An announcement is an ARP Announcement (RFC 5227, 1.1: a request in which sender and target are the
 * address) or an unsolicited Neighbor Advertisement (RFC 4861, 4.4 and 7.2.6: to all nodes, Override set,
 * with the link-layer address). What is received is foreign: each length, type and code is checked, in IPv6
 * the hop limit and the checksum too (RFC 4861, 7.1); what is not for us to understand is no claim.
 * Pure. Thread: any.
 */
#ifndef HM_NETALLOC_VIP_FRAME_H
#define HM_NETALLOC_VIP_FRAME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <linux/filter.h>

#include "proto/vip.h"

enum {
    VIP_FRAME_MAX = 86,       /* of an announcement */
    VIP_FRAME_READ_MAX = 256, /* more of a received one is of no interest */
    VIP_FILTER_MAX = 32
};

/* As a router, `is_router`: a host that took the address for a router's believes it less otherwise. Returns
 * its length. */
size_t vip_frame_announcement(const struct vip_address *address, const uint8_t mac[6],
                              bool is_router, uint8_t out[VIP_FRAME_MAX]);

enum vip_claim_kind {
    VIP_PROBE, /* somebody asks whether it is free, and will take it then */
    VIP_CLAIM  /* somebody says it is theirs */
};
struct vip_claim {
    enum vip_claim_kind kind;
    uint8_t mac[6]; /* whose */
};

/* Is this frame another's probe or claim of the address? What comes from `own_mac` is not. */
bool vip_frame_claim(const uint8_t *frame, size_t len, const struct vip_address *address,
                     const uint8_t own_mac[6], struct vip_claim *ret);

/* The kernel's own sieve, so that a busy network wakes nobody: lets through at least what
 * vip_frame_claim() takes, of frames of the protocol (ARP or IPv6). Returns the instructions. */
unsigned short vip_frame_filter(const struct vip_address *address,
                                struct sock_filter out[VIP_FILTER_MAX]);

#endif
