/* Inside proto/fields.c: one value of each type that is neither list nor object, verified. */
#ifndef HM_PROTO_SCALAR_H
#define HM_PROTO_SCALAR_H

#include <jansson.h>

#include "base/error.h"
#include "proto/field.h"

struct verifier {
    struct field_place at; /* where it is */
    struct hm_error *err;
};

/* "PATH: sentence". Returns -code. */
int verify_fail(const struct verifier *v, enum hm_code code, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* "PATH: VALUE is not TYPE", and `hint` in brackets when it is not empty. */
int verify_fail_type(const struct verifier *v, const struct field *f, enum field_type type,
                     const json_t *in, const char *hint);

/* The value in normal form (a new reference); negative on failure. `f` gives range and words when
 * `type` is its own type; for an element of a list they are of the element, except the range. */
int verify_scalar(const struct verifier *v, const struct field *f, enum field_type type,
                  const json_t *in, json_t **ret);

#endif
