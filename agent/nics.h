/*
 * Before and after a verb of a VM: its cards on networks that the agent makes itself (netalloc/attach.h).
 *
 * On a worker, around the driver's verb. Without netalloc (make WITH_NETALLOC=0) there are no such
 * networks, and nothing is done.
 */
#ifndef HM_AGENT_NICS_H
#define HM_AGENT_NICS_H

#include <stdint.h>

#include "agent/plan.h"

/* Before the verb of this driver. On success order->placed is set for a verb that builds a VM; nics_release()
 * frees it. A removal gives the VM's addresses back. */
int nics_prepare(const struct driver *driver, const struct driver_options *options,
                 enum plan_verb verb, struct order *order, struct hm_error *err);
void nics_release(struct order *order);
/* After a VM was stopped, or could not be started: TAPs of its cards go. */
void nics_stopped(const struct driver *driver, const struct driver_options *options,
                  const struct order *order);

/* The TAP that this card of a VM is plugged into while it runs, where the driver opens TAPs. False: none. Pure. */
enum { NICS_TAP_TEXT = 16 };
bool nics_tap(const struct driver *driver, const char *site, const char *key, const json_t *nic,
              size_t index, char out[NICS_TAP_TEXT]);

/* The first address that a card of this VM holds on a native network, as the networks among the things
 * tell; NULL: none. Borrowed. Pure. */
const char *nics_address(const struct things *things, const char *key, const json_t *spec);

/* `before`, changed by whatever these native networks hold; `before` itself if there is none. Pure. */
uint64_t nics_held(const struct things *things, uint64_t before);
/* Into a VM's status: which address each of its cards holds (details.networks[].address). Pure. */
void nics_show(const struct things *things, const char *key, const json_t *spec, json_t *status);

#endif
