/*
 * A clock that goes on while the loop's thread looks at it: hm_boottime_ns() is wrapped by the linker (tests/unit/module.mk).
 *
 * A decision that looks twice sees two instants. Tests sweep over the one at which something falls due, so that
 * it does between any two looks. Only the thread that says late_clock_begin() sees it go on by itself.
 */
#ifndef HM_TESTS_LATE_CLOCK_H
#define HM_TESTS_LATE_CLOCK_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

int64_t __real_hm_boottime_ns(void);
int64_t __wrap_hm_boottime_ns(void);

static _Atomic int64_t late_clock_ahead_ns;
static _Thread_local int64_t late_clock_step_ns;
static _Thread_local int late_clock_looks; /* since late_clock_begin() */

int64_t __wrap_hm_boottime_ns(void)
{
    late_clock_ahead_ns += late_clock_step_ns;
    late_clock_looks++;
    return __real_hm_boottime_ns() + late_clock_ahead_ns;
}

static inline void late_clock_begin(int64_t step_ns)
{
    late_clock_step_ns = step_ns;
    late_clock_looks = 0;
}

static inline void late_clock_end(void)
{
    late_clock_step_ns = 0;
}

#endif
