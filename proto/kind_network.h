/* Inside proto/kind_network*.c: the parts of the kind network. Pure. Thread: any. */
#ifndef HM_PROTO_KIND_NETWORK_H
#define HM_PROTO_KIND_NETWORK_H

#include "proto/field.h"
#include "proto/network.h"

/* Elements of forwards[]. */
extern const struct field network_forward_fields[];

/* What these can't say; `at` is set on failure. */
int network_check_forwards(const json_t *spec, struct field_place *at, struct hm_error *err);

/* An address of `object` that guests may get: in the subnet, and not the gateway. */
int network_check_guest_address(const struct network_subnet *s, const json_t *object,
                                const char *name, const char *path, struct field_place *at,
                                struct hm_error *err);

/* `subnet6` (kind_network6.c). */
int network_check_subnet6(const json_t *spec, struct field_place *at, struct hm_error *err);

#endif
