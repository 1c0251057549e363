/*
 * A virtual IP as text: "192.0.2.10/24", "2001:db8::10/64".
 *
 * Only an address that a host can answer for alone: no group, loopback, unspecified or network address,
 * no IPv4 in IPv6's clothes. The host part is kept. Pure. Thread: any.
 */
#ifndef HM_PROTO_VIP_H
#define HM_PROTO_VIP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

enum {
    VIP_TEXT_MAX = 45 + 4,
    VIPS_MAX = 16, /* of a group, at a site */
};

struct vip_address {
    bool is_v6;
    uint8_t bytes[16]; /* in network order; the first four for IPv4, the rest 0 */
    unsigned prefix;
};

/* HM_E_INVALID with the reason, about `text`. */
int vip_address_parse(const char *text, struct vip_address *ret, struct hm_error *err);
void vip_address_text(const struct vip_address *address, char out[VIP_TEXT_MAX + 1]);
size_t vip_address_size(const struct vip_address *address); /* 4 or 16 */
/* Whatever their prefixes are: a host has an address once. */
bool vip_address_is_same(const struct vip_address *a, const struct vip_address *b);

#endif
