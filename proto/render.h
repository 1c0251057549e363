/*
 * Values of a spec in normal form, as people write them: 512MiB, 10s, [disk, network].
 *
 * Secrets are shown as "(secret)". Pure. Thread: any.
 */
#ifndef HM_PROTO_RENDER_H
#define HM_PROTO_RENDER_H

#include <stdint.h>

#include <jansson.h>

#include "base/buf.h"
#include "proto/field.h"

enum { RENDER_NUMBER_MAX = 32 };

/* "a size (512MiB, 20GB, 20GiB)", for sentences. Never NULL. */
const char *field_type_text(enum field_type type);

/* INT, SIZE or DURATION. */
void render_number(enum field_type type, int64_t value, char out[RENDER_NUMBER_MAX]);

/* Add the value to `out`; NULL adds nothing. Lists as [a, b], objects as {size: 20GiB, ...}, with
 * the fields that differ from their default. */
void render_value(const struct field *f, const json_t *value, struct hm_buf *out);

/* The same as a new string; NULL for a NULL value. The caller frees it. */
char *render_text(const struct field *f, const json_t *value);

#endif
