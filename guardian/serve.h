/*
 * What the agent asks for: HELLO, PLAN, SET. Each is answered once. Thread: the loop's.
 */
#ifndef HM_GUARDIAN_SERVE_H
#define HM_GUARDIAN_SERVE_H

#include "guardian/guardian.h"

/* Serve the message in talk.in. It may stay there, to be served again when a look that is under way has
 * ended, or GUARD_ANSWER_MAX_MS later at the latest. */
void serve_message(struct guardian *g, int64_t now_ns);

#endif
