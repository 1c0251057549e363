/*
 * Typing on the serial console of a VM that runs: what is written to a socket goes to the terminal that its
 * VMM reads (ADR 60). What the guest says in turn is in its console's log.
 *
 * The terminal's other end is in the VMM, and is fetched from there (pidfd_getfd(2)), so any agent can do it that
 * finds the process. One at a time for each. A thread carries what is typed, holds a bounded part of it, and
 * waits for a VMM that does not read: a VMM that was taken over by its guest could make a write block, and so can
 * hold up nothing but this. It ends when the socket is closed or the VMM has ended, and closes its end.
 */
#ifndef HM_VMM_CH_TYPING_H
#define HM_VMM_CH_TYPING_H

#include <stdbool.h>

#include "base/error.h"
#include "vmm/ch_record.h"

/* Those that are under way. Thread: any. */
struct ch_talks;
struct ch_talks *ch_talks_new(void);
void ch_talks_end(struct ch_talks *talks); /* all of them; waits for none */

/*
 * *ret_fd: a nonblocking socket, the caller's, which gives nothing to read but its end (or a reset). HM_E_BUSY: somebody types
 * there, and not `force`; else that one's socket ends. HM_E_UNSUPPORTED: the VMM has no terminal. HM_E_REFUSED: it has
 * ended. HM_E_PROCESS: it can't be fetched.
 */
int ch_type(struct ch_talks *talks, const char *vm, const struct ch_pid *pid, bool force,
            int *ret_fd, struct hm_error *err);

#endif
