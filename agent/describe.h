/*
 * A document in a few words, for the plan of something new: "1 vcpu, 128MiB, 1 disk, 1 network". Pure.
 */
#ifndef HM_AGENT_DESCRIBE_H
#define HM_AGENT_DESCRIBE_H

#include <jansson.h>

/* `spec` in normal form. The caller frees the text; it is empty for a kind without words. */
char *describe_spec(const char *kind, const json_t *spec);

#endif
