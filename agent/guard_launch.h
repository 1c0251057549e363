/*
 * Starting the guardian where no service manager does: in a session of its own and as nobody's child, so
 * that it outlives the agent.
 *
 * The program is looked for beside the agent's own, then in the usual folders of system programs, then
 * in PATH. What it writes goes to guardian.log in runtime_dir. Thread: the loop's; waits for nothing but
 * fork(2).
 */
#ifndef HM_AGENT_GUARD_LAUNCH_H
#define HM_AGENT_GUARD_LAUNCH_H

#include <stdbool.h>
#include <stdint.h>

#include "agent/config.h"
#include "base/error.h"

/* By the configuration, and by how this process was started (GUARDIAN_START_AUTO). */
bool guard_is_ours_to_launch(const struct agent_config *config);

/* The program's path, the caller's to free; NULL: there is none. */
char *guard_program(void);

/* Become it (harmonyd --guardian, for a unit of its own). Returns only if it fails. */
int guard_become(const struct agent_config *config, struct hm_error *err);

/* Start one. *last (BOOTTIME; 0: never) is when that was done last: within a second of it nothing is
 * done, since a new one needs a moment to listen. Fails where there is no program, or no process. */
int guard_launch(const struct agent_config *config, int64_t *last, struct hm_error *err);

#endif
