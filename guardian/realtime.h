/*
 * What keeps a busy host from making the guardian late: its memory is locked, and it is scheduled before
 * ordinary processes, where that is permitted. Children do not inherit it. Thread: each its own.
 */
#ifndef HM_GUARDIAN_REALTIME_H
#define HM_GUARDIAN_REALTIME_H

enum { REALTIME_PRIORITY = 50 };

/* Both return 0, or -1 with errno. */
int realtime_lock_memory(void);
int realtime_schedule(void); /* this thread: SCHED_FIFO */

#endif
