/*
 * Until when this host may begin to start what only the leader runs.
 *
 * The failover driver writes it after every step of the core; whoever is about to start something looks
 * at it at the last moment, also on a worker thread: a loop that stood still can't call back what waits
 * in a queue. Thread: any.
 */
#ifndef HM_AGENT_LEASE_H
#define HM_AGENT_LEASE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/clock.h"

struct lease_limit {
    atomic_llong until_ns; /* BOOTTIME; 0: no lease; INT64_MAX: paused, it does not run out */
};

static inline void lease_set(struct lease_limit *lease, int64_t until_ns)
{
    if (lease)
        atomic_store(&lease->until_ns, until_ns);
}

/* NULL: nothing limits. */
static inline bool lease_holds(struct lease_limit *lease)
{
    return !lease || hm_boottime_ns() < atomic_load(&lease->until_ns);
}

#endif
