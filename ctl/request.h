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

/* A time that an operator gives: 2026-11-30T01:30:00Z, with or without the seconds, or 01:30, the next time
 * that it is so late; always UTC. False: it is none. Pure. */
bool request_time(const char *text, int64_t now_ns, int64_t *ret_ns);

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

/* "switchover to site-b, planned for 2026-11-30T01:30:00.000Z, by ann@desk: disks"; the caller frees it. */
char *request_text(const struct failover_request *request);

#endif
