/*
 * SIGHUP: the guardian executes its program anew, which may be a newer one, and keeps what it holds: the
 * socket, the connection, the locks, the lease. The new one looks at the deadline first. What is held is
 * passed in a memfd; one that does not understand it ends everything, as after a death.
 * Thread: the loop's.
 */
#ifndef HM_GUARDIAN_UPGRADE_H
#define HM_GUARDIAN_UPGRADE_H

#include "guardian/guardian.h"

/* Remembers which program this is. 0, or -1 with errno. */
int upgrade_init(struct guardian *g);
/* Nothing is half done: no worker is busy, no command runs, no answer waits. */
bool upgrade_is_possible(const struct guardian *g);
/* Words of a command line, its end included. */
enum { UPGRADE_ARGV_MAX = 35 };
/* argv as it was, without an earlier --resume, and with the new one. False: they are too many. */
bool upgrade_argv(char *const *argv, char *number, char *ret[UPGRADE_ARGV_MAX]);
/* Returns only when it has failed; then everything is as before. */
void upgrade(struct guardian *g);
/* In the new program: take over what options->resume_fd holds. False: nothing was taken over, and every
 * descriptor that was inherited is closed. */
bool upgrade_resume(struct guardian *g);

#endif
