/*
 * Carrying out the ladder, and ending the cgroups of epochs that are over. Nothing here waits: each
 * step looks at what has come back and begins what is due. Thread: the loop's.
 */
#ifndef HM_GUARDIAN_FENCE_H
#define HM_GUARDIAN_FENCE_H

#include "guardian/guardian.h"

int fence_start_workers(struct guardian *g); /* 0, or -1 with errno */
/* Nothing was looked for yet: at the start, also of one that goes on for another. */
void fence_begin(struct guardian *g, int64_t now_ns);

/* Fire: the armed epoch ends here. Withdraws and kills first. `why` completes "fires: ". */
void fence_fire(struct guardian *g, int64_t now_ns, const char *why);
/* The armed epoch has ended in peace: its cgroup goes. */
void fence_end_epoch(struct guardian *g, int64_t now_ns);
void fence_step(struct guardian *g, int64_t now_ns);
int64_t fence_due_ns(const struct guardian *g);

/* Is something under way that a new epoch would have to wait for? */
bool fence_is_busy(const struct guardian *g);

/* The watchdog of this plan is open and fed, another one is closed. 0, or -1 with errno. */
int fence_feed(struct guardian *g, const struct guard_plan *plan, int64_t now_ns);

/* The kept file as things are now. 0, or -1 with errno. */
int fence_keep(const struct guardian *g, const struct guard_plan *plan);

#endif
