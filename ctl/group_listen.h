/*
 * A failover group as it is at this moment: its last records, and the server's clock, by which their age
 * is told. Blocks for up to 2 s; the program's only thread.
 */
#ifndef HM_CTL_GROUP_LISTEN_H
#define HM_CTL_GROUP_LISTEN_H

#include "ctl/command.h"
#include "ctl/group_view.h"
#include "ctl/session.h"

/* The group that the command line names. The caller clears both: *ret_last has the last entry of every
 * key. On failure neither is touched. */
int group_listen(const struct invocation *in, struct session *s, struct group_now *ret,
                 struct entries *ret_last, struct hm_error *err);

/* What their agents say of themselves; where that can't be had, the rest is as good. */
void group_hear_statuses(struct session *s, struct group_now *g);

#endif
