/* Documents as they may be shown: values of secret fields replaced. Pure; any thread. */
#ifndef HM_CTL_REDACT_H
#define HM_CTL_REDACT_H

#include <jansson.h>

#include "proto/field.h"

/* A deep copy of `spec` (as given, verified or not) with "(secret)" for each secret field of the
 * table; a new reference. What the table does not know is left as it is. */
json_t *redact(const struct field *table, const json_t *spec);

#endif
