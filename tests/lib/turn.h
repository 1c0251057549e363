/* Turn a loop until a condition holds, or ten seconds are over: tests wait, they never sleep. */
#ifndef HM_TESTS_TURN_H
#define HM_TESTS_TURN_H

#include <check.h>
#include <uv.h>

#include "base/clock.h"

static inline void turn_tick(uv_timer_t *timer)
{
    (void)timer;
}

/* A timer keeps the loop from sleeping past what happens on other threads. */
#define TURN_UNTIL(loop, condition)                                                                \
    do {                                                                                           \
        int64_t limit_ = hm_boottime_ns() + 10000 * HM_MS;                                         \
        uv_timer_t tick_;                                                                          \
        uv_timer_init(loop, &tick_);                                                               \
        uv_timer_start(&tick_, turn_tick, 1, 1);                                                   \
        while (!(condition)) {                                                                     \
            ck_assert_msg(hm_boottime_ns() < limit_, "never: " #condition);                        \
            uv_run(loop, UV_RUN_ONCE);                                                             \
        }                                                                                          \
        uv_close((uv_handle_t *)&tick_, NULL);                                                     \
        uv_run(loop, UV_RUN_NOWAIT); /* closes it: it is on the stack */                           \
    } while (0)

#endif
