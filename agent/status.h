/*
 * Statuses: what the agent says about each document and about itself, in harmony_status.
 *
 * The last word per key is kept and written when it changed, a bounded number at a time; a write
 * that failed is tried again. A status that says the same as the last acknowledged one is not
 * written, unless the bucket was made anew or rolled back: that is looked for at every connection
 * and every 10 s, and then everything is written again. Thread: the loop's.
 */
#ifndef HM_AGENT_STATUS_H
#define HM_AGENT_STATUS_H

#include <jansson.h>
#include <uv.h>

#include "bus/bus.h"

struct status;

struct status *status_new(uv_loop_t *loop, struct bus *bus, const char *site);
/* The loop must run once more. */
void status_free(struct status *s);

/* Say `value` (taken over) under `<site>.<name>`; name is "vm.web1" or "agent". */
void status_set(struct status *s, const char *name, json_t *value);

/* What was said last, of everything: `visit` with the name, in the order in which each was first said. */
void status_each(const struct status *s,
                 void (*visit)(void *data, const char *name, const json_t *value), void *data);

/* Connected (again): write what is not acknowledged. */
void status_connected(struct status *s);

#endif
