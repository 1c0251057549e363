/*
 * What a VMM says of itself against what it was given: what somebody changed behind our back (`ch-remote`).
 *
 * Processors, memory, disks, cards, and devices of sorts that harmony never gives. A device that was asked back leaves the
 * configuration at once and the tree of devices when the guest lets go of it: until then it is as it was given. The
 * directory of a volume of ours counts for nothing, since an agent may be told another one while VMs run. What is
 * garbage is no drift. Pure. Thread: any.
 */
#ifndef HM_VMM_CH_DRIFT_H
#define HM_VMM_CH_DRIFT_H

#include <stdbool.h>

#include <jansson.h>

#include "vmm/ch_reply.h"
#include "vmm/domain_xml.h"

struct ch_given {
    const char *vm, *key;
    const char *plugged; /* the folder of disks that came while it ran */
    const json_t *spec;
    const json_t *placed; /* networks[] as this host connects them; NULL: cards are not compared */
};

/* In words, as shape_difference() says it; NULL: nothing. The caller frees it. */
char *ch_drift(const struct ch_given *given, const struct ch_info *info);

/* Is this element of its configuration what that disk, or card (as ch_config_nic() makes it), was given as? */
bool ch_drift_is_disk(const struct ch_given *given, const struct vm_disk *disk,
                      const json_t *found);
bool ch_drift_is_nic(const json_t *nic, const json_t *found);
/* Ids of devices of other sorts: an array of texts, a new reference. */
json_t *ch_drift_strangers(const json_t *config);

#endif
