/*
 * An operator's request to a failover group (proto/failover_request.h): written, and its end awaited. Blocks;
 * the program's only thread.
 */
#ifndef HM_CTL_REQUEST_H
#define HM_CTL_REQUEST_H

#include "ctl/command.h"
#include "ctl/group_view.h"
#include "ctl/session.h"
#include "proto/failover_request.h"

/* Who asks, when, and why, by --by and --reason. HM_E_INVALID: too long. */
int request_begin(const struct invocation *in, enum failover_action action, const char *site,
                  struct failover_request *ret, struct hm_error *err);
/* By compare-and-swap on what `now` shows. */
int request_put(const struct invocation *in, struct session *s, const struct group_now *now,
                const struct failover_request *request, uint64_t *ret_revision,
                struct hm_error *err);
/* Say each answer, until it is done or refused. One that nobody has begun by then is withdrawn. */
enum ctl_exit request_wait(struct invocation *in, struct session *s,
                           const struct failover_request *request, uint64_t revision,
                           int64_t limit_ms);

#endif
