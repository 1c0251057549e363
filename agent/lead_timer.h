/*
 * One alarm on BOOTTIME, which goes on while the host is suspended (libuv's timers stand still
 * then). timerfd_create(2) watched by the loop. Thread: the loop's.
 */
#ifndef HM_AGENT_LEAD_TIMER_H
#define HM_AGENT_LEAD_TIMER_H

#include <stdint.h>
#include <uv.h>

#include "base/error.h"

struct lead_timer;

int lead_timer_new(uv_loop_t *loop, void (*alarm)(void *data), void *data, struct lead_timer **ret,
                   struct hm_error *err);
/* No alarm after it; the loop must run once more. NULL is allowed. */
void lead_timer_free(struct lead_timer *timer);

/* Go off once at this time (BOOTTIME, ns), at once if it has passed; 0: not at all. Replaces what
 * was set before. */
void lead_timer_set(struct lead_timer *timer, int64_t at_ns);

#endif
