/*
 * Equal specs are kept once, and equal values of different specs too.
 *
 * What a document says and what the mark of its thing says is nearly always the same, for each of
 * thousands of documents; and most of their fields have the same value, the default. Process-wide, so that it outlives a worker that hangs; what nobody else
 * refers to any more is dropped when the table grows. A shared spec never changes. Thread: any.
 */
#ifndef HM_VMM_SPEC_POOL_H
#define HM_VMM_SPEC_POOL_H

#include <jansson.h>

/* `spec` is taken over (NULL gives NULL), and not touched if somebody else holds it, too; returns a reference to a spec that is equal to it. `hash` is
 * its spec_hash(), or what someone claims to be that: a wrong one only shares nothing. */
json_t *spec_share(const char *hash, json_t *spec);

#endif
