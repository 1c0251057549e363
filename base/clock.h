/*
 * The three clocks, by what they are for.
 *
 * Leases, deadlines and silence are counted on BOOTTIME: it goes on while the host is suspended and
 * no operator can step it. The wall clock is only ever shown to people. Nanoseconds. Thread: any.
 */
#ifndef HM_BASE_CLOCK_H
#define HM_BASE_CLOCK_H

#include <stdbool.h>
#include <stdint.h>
#include <time.h>

#define HM_MS 1000000LL /* nanoseconds in a millisecond */

int64_t hm_boottime_ns(void); /* clock_gettime(2), CLOCK_BOOTTIME */
int64_t hm_wall_ns(void);     /* CLOCK_REALTIME; for people and logs only */

enum { HM_TIME_TEXT_MAX = 40 };
/* RFC 3339 in UTC with milliseconds: 2026-11-22T14:03:12.481Z */
void hm_time_text(int64_t wall_ns, char out[HM_TIME_TEXT_MAX]);
/* The reverse, of that form alone, from 1970 to 2199. False: it is another, and *ret_ns untouched. */
bool hm_time_parse(const char *text, int64_t *ret_ns);
bool hm_time_is_in_range(const struct tm *tm); /* from 1970 to 2199 */
#define HM_TIME_END_NS 7258118400000000000LL /* 2200 begins */

#endif
