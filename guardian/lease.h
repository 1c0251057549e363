/*
 * The lease that the guardian holds: what a SET may do to it, when it is due, and that firing is final.
 * It knows no rules of the failover. Pure: time is what the caller says (ns of CLOCK_BOOTTIME).
 * Thread: any, one at a time.
 */
#ifndef HM_GUARDIAN_LEASE_H
#define HM_GUARDIAN_LEASE_H

#include <stdbool.h>

#include "guardian/protocol.h"

struct epoch {
    uint64_t generation, epoch;
};

/* Zero-initialised: nothing was ever armed. Plain data, so that an upgrade can copy it. */
struct lease {
    struct guard_lease held; /* as last set */
    struct epoch last;       /* highest that was armed */
    struct epoch fired;      /* highest that was ended by the guardian */
    int64_t fired_ns;
    bool armed; /* an epoch is armed: it was set, has not fired, has not ended */
};

enum lease_change {
    LEASE_KEEPS, /* the same epoch, or none as before */
    LEASE_ARMS,  /* an epoch that was not armed before; one that was armed ends */
    LEASE_ENDS,  /* the armed epoch ends */
};

int epoch_compare(struct epoch a, struct epoch b);
struct epoch lease_epoch(const struct guard_lease *lease);

/* Are these values that a lease can have? */
bool lease_in_range(const struct guard_lease *lease);

/* May `want` be set? GUARD_OK: what it changes. Nothing is changed yet. */
enum guard_error lease_judge(const struct lease *l, const struct guard_lease *want,
                             enum lease_change *ret);
/* Set what lease_judge() has allowed. */
void lease_take(struct lease *l, const struct guard_lease *want);

/* When it fires; GUARD_NEVER: not by itself. */
int64_t lease_deadline(const struct lease *l);
bool lease_is_due(const struct lease *l, int64_t now_ns);
/* The armed epoch ends here, for ever. Nothing armed: nothing happens. */
void lease_fire(struct lease *l, int64_t now_ns);

#endif
