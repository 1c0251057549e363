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

#include "agent/config.h"
#include "vmm/driver.h"

const struct driver *const *drivers_all(void); /* NULL-terminated; the first one is the default */
const struct driver *const *drivers_without_libvirt(void);

/* Those that this configuration uses, and with what; the texts are the configuration's. */
const struct driver *const *drivers_of(const struct agent_config *config);
struct driver_options driver_options_of(const struct agent_config *config);

bool driver_holds(const struct driver *d, const char *kind);

/* Does it make what such a document declares? By `backend`; a document without one belongs to the
 * first driver that holds its kind. */
bool driver_takes(const struct driver *d, const char *kind, const json_t *spec);

#endif
