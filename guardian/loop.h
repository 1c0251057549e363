/*
 * The loop: one poll(2), and a timer on CLOCK_BOOTTIME. After each wait the deadline is looked at before
 * anything that was said meanwhile is read. Thread: the main one.
 */
#ifndef HM_GUARDIAN_LOOP_H
#define HM_GUARDIAN_LOOP_H

#include "guardian/guardian.h"

int loop_open(struct guardian *g); /* timer and signals. 0, or -1 with errno */
/* Until it is asked to end and may. */
void loop_run(struct guardian *g);

#endif
