/*
 * Things that are shared: a driver's cache and the lists that it hands out point at one immutable
 * copy.
 *
 * A pass over 10,000 domains must not copy 10,000 sets of strings. A driver keeps one
 * `thing_shared` per thing, replaces it when the thing changes, and gives out views of it: a
 * `struct thing` whose texts belong to the shared copy and whose state is that of the moment.
 * thing_clear() of a view drops its reference. Thread: any; the count is atomic, the contents never
 * change after thing_shared_new().
 */
#ifndef HM_VMM_THING_H
#define HM_VMM_THING_H

#include "vmm/driver.h"

struct thing_shared;

/* Takes over everything in *t (which is left zeroed) and gives one reference. */
struct thing_shared *thing_shared_new(struct thing *t);
void thing_shared_unref(struct thing_shared *shared); /* NULL is allowed */
const struct thing *thing_shared_get(const struct thing_shared *shared);

/* A view with a reference of its own. `reason` must be a constant, or NULL for the shared one. */
struct thing thing_view(struct thing_shared *shared, enum thing_state state, const char *reason);

/* Append *t (taken over, left zeroed). */
void things_add(struct things *list, struct thing *t);

#endif
