/*
 * The guardian's two clocks: CLOCK_BOOTTIME for everything, and the wall clock as text for its log.
 * Pure but for reading them; no allocation. Thread: any.
 */
#ifndef HM_GUARDIAN_CLOCK_H
#define HM_GUARDIAN_CLOCK_H

#include <stdint.h>

#define MS  1000000LL    /* ns in a millisecond */
#define SEC 1000000000LL /* ns in a second */

int64_t clock_boot_ns(void);
int64_t clock_wall_ns(void);

enum { CLOCK_TEXT_MAX = 40 };
/* RFC 3339 in UTC with milliseconds, like the agent's log. Needs no time zone files. */
void clock_text(int64_t wall_ns, char ret[CLOCK_TEXT_MAX]);

/* a + b, at most INT64_MAX; b is not negative. */
int64_t clock_later(int64_t a, int64_t b);

#endif
