/*
 * `failover.vip` of the agent's configuration: addresses that are on this host while it leads, and on which
 * interface. Thread: any.
 */
#ifndef HM_AGENT_CONFIG_VIP_H
#define HM_AGENT_CONFIG_VIP_H

#include <stddef.h>

#include <jansson.h>

#include "netalloc/vip_set.h"
#include "proto/field.h"

struct vip_config {
    struct vip_want *wants;
    size_t count;
};

extern const struct field vip_fields[];

/* What the table can't say. `list` is in normal form, or NULL. */
int vip_config_check(const json_t *list, struct field_place *at, struct hm_error *err);

/* From the list, which was checked. */
void vip_config_take(struct vip_config *ret, const json_t *list);
void vip_config_clear(struct vip_config *c);

#endif
