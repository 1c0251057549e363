/*
 * What a document needs before it can be created or started: the networks and disks that it names,
 * and `depends_on`. Pure. Thread: any.
 */
#ifndef HM_AGENT_DEPENDS_H
#define HM_AGENT_DEPENDS_H

#include <stdbool.h>

#include <jansson.h>

/* Called for each dependency until it returns false. `kind` and `name` are valid during the call.
 */
typedef bool (*depends_visit)(void *data, const char *kind, const char *name);

/* Returns false if a visit did. `spec` may be NULL (no dependencies). */
bool depends_each(const char *kind, const json_t *spec, depends_visit visit, void *data);

bool depends_on_thing(const char *kind, const json_t *spec, const char *on_kind,
                      const char *on_name);

#endif
