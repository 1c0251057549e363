/*
 * Site quotas: how much of this host the documents may take, as the agent's own configuration says.
 *
 * What counts: vcpus and memory of every VM of this site whose applied spec lets it run (power is not off),
 * whether it runs or not: what was accepted once can start again after a crash or a reboot. A VM of
 * placement `primary` counts on every site that has made it, leading or not, so that no quota stands in
 * the way of a failover. Disks count whenever they exist, at the size that the guest sees: volumes of
 * VMs, and disk documents. What harmony did not make is not counted, nor are images and snapshots.
 *
 * A quota is looked at where something is made or grows, in the order of the plan. It stops nothing:
 * one that is set below what is used refuses further growth alone. Pure. Thread: any.
 */
#ifndef HM_AGENT_QUOTA_H
#define HM_AGENT_QUOTA_H

#include <stdint.h>

#include <jansson.h>

#include "proto/field.h"
#include "vmm/driver.h"

#define QUOTAS(X)                                                                                  \
    X(VCPUS, "vcpus", FIELD_INT, "Virtual processors of all VMs that may run.")                    \
    X(MEMORY, "memory", FIELD_SIZE, "Memory of all VMs that may run.")                             \
    X(DISK, "disk", FIELD_SIZE, "Sizes of all disks, as the guests see them.")

enum quota_resource {
#define QUOTA_ENUM(id, text, type, help) QUOTA_##id,
    QUOTAS(QUOTA_ENUM)
#undef QUOTA_ENUM
        QUOTA_COUNT
};

struct quota {
    int64_t most[QUOTA_COUNT]; /* 0: no limit */
};

/* The part `quota` of the configuration. */
extern const struct field quota_fields[];
void quota_take(struct quota *ret, const json_t *spec);

struct quota_ledger {
    const struct quota *quota;
    int64_t used[QUOTA_COUNT];
};

/* `quota` NULL: no limits. */
void quota_ledger_open(struct quota_ledger *l, const struct quota *quota);
/* What the things of this site hold by now, for each backend. */
void quota_ledger_add(struct quota_ledger *l, const struct things *things, const char *site);

/* `thing` (NULL: not there, or not ours) is to be made, or made anew, by this spec. NULL: there is room,
 * and it is entered; else why not, in words, for the caller to free. */
char *quota_refusal(struct quota_ledger *l, const char *kind, const json_t *spec,
                    const struct thing *thing);

#endif
