/*
 * What a document may name on this host: the paths in its spec against the agent's own allow-list.
 * Which fields are paths is said by the kind's field table. Pure. Thread: any.
 */
#ifndef HM_AGENT_ALLOW_H
#define HM_AGENT_ALLOW_H

#include <jansson.h>

#include "agent/config.h"
#include "proto/doc.h"

/* 0, or HM_E_REFUSED with the field, the path and what to set. */
int allow_paths(const struct agent_config *config, const struct kind *kind, const json_t *spec,
                struct hm_error *err);

#endif
