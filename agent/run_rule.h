/*
 * What a run note and a restart policy say together: did it run, how did it end, is it wanted back? Pure.
 * Thread: any.
 */
#ifndef HM_AGENT_RUN_RULE_H
#define HM_AGENT_RUN_RULE_H

#include <stdbool.h>
#include <stdint.h>

#include "vmm/driver.h"

/* It was started, under this lease (`epoch`; 0: it is pinned to the site), and no order of ours stopped
 * it since: if it is off, it went by itself. */
bool run_was_started(const struct thing *t, uint64_t epoch);
bool run_ended_cleanly(const struct thing *t);
/* It went by itself, and by this spec it is not wanted back. */
bool run_is_over(const struct thing *t, uint64_t epoch, const json_t *spec);
/* It runs, what happens when it ends depends on a note, and there is none of this run. */
bool run_needs_note(const struct thing *t, uint64_t epoch, const json_t *spec);
/* May it be started again when it is not well? Of a kind that runs: unless its policy is `no`. */
bool run_may_be_revived(const json_t *spec);

const char *run_end_text(const struct thing *t); /* "it crashed" */

#endif
