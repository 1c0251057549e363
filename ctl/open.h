/*
 * What nearly every command begins with: the connection that flags and environment name.
 */
#ifndef HM_CTL_OPEN_H
#define HM_CTL_OPEN_H

#include "ctl/command.h"
#include "ctl/session.h"

#define BUCKET_DESIRED  "harmony_desired"
#define BUCKET_STATUS   "harmony_status"
#define BUCKET_FAILOVER "harmony_failover"

/* CTL_OK, or the error is printed and this is the exit code. */
enum ctl_exit open_or_report(struct invocation *in, struct session **ret);

/* session_list(), with the error printed. */
enum ctl_exit list_or_report(struct invocation *in, struct session *s, const char *bucket,
                             const char *filter, struct entries *ret);

/* The failover group: --group, HARMONY_GROUP, "default". */
const char *group_name(const struct invocation *in);

#endif
