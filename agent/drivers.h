/*
 * The table of drivers: one row for each backend that this agent can use.
 *
 * A layer that holds things (vmm/, netalloc/, ...) brings its drivers (vmm/driver.h); they are found
 * here alone. Which one a document belongs to follows from its kind and its field `backend`. Pure.
 * Thread: any.
 */
#ifndef HM_AGENT_DRIVERS_H
#define HM_AGENT_DRIVERS_H

#include <stdbool.h>

#include <jansson.h>

#include "vmm/driver.h"

const struct driver *const *drivers_all(void); /* NULL-terminated; the first one is the default */
const struct driver *const *drivers_without_libvirt(void);

bool driver_holds(const struct driver *d, const char *kind);

/* Does it make what such a document declares? By `backend`; a document without one belongs to the
 * first driver that holds its kind. */
bool driver_takes(const struct driver *d, const char *kind, const json_t *spec);

#endif
