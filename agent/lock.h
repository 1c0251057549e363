/*
 * One agent for each state_dir: two would lead under one name, each with the other's marks.
 *
 * agent_lock() takes flock(2) on <state_dir>/lock, which the kernel drops with the process however
 * it ends; the pid inside is for people. The file stays. Blocks on the disk: at start only.
 * Thread: any.
 */
#ifndef HM_AGENT_LOCK_H
#define HM_AGENT_LOCK_H

#include "base/error.h"

/*
 * A descriptor that holds the lock until it is closed (not inherited by programs that are run): the
 * caller's to keep open for as long as it acts under this state_dir. The folder must be there.
 * Failure: HM_E_CONFLICT, "another harmonyd runs with this state_dir (pid N): ..."; HM_E_IO.
 */
int agent_lock(const char *state_dir, struct hm_error *err);

#endif
