/*
 * An operator's request to a failover group, in words, and the times that operators give. Pure; any thread.
 */
#ifndef HM_CTL_REQUEST_TEXT_H
#define HM_CTL_REQUEST_TEXT_H

#include <stdbool.h>
#include <stdint.h>

#include "proto/failover_request.h"

/* A time that an operator gives: 2026-11-30T01:30:00Z, with or without the seconds, or 01:30, the next time
 * that it is so late; always UTC. False: it is none. */
bool request_time(const char *text, int64_t now_ns, int64_t *ret_ns);

/* "switchover to site-b, planned for 2026-11-30T01:30:00.000Z, by ann@desk: disks"; the caller frees it. */
char *request_text(const struct failover_request *request);

#endif
