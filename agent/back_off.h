/*
 * How long to wait before something is tried the n-th time in a row: 1 s, 2 s, 4 s, ... 5 min, each plus up to
 * a quarter, so that many do not come back at once. Pure. Thread: any.
 */
#ifndef HM_AGENT_BACK_OFF_H
#define HM_AGENT_BACK_OFF_H

#include <stdint.h>

/* `nth` from 1; 0 waits for nothing. `jitter` is any number. */
int64_t back_off_ms(uint32_t nth, uint32_t jitter);

#endif
