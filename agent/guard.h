/*
 * The agent's end of its guardian (guardian/protocol.h; docs/adr/0012-guardian.md).
 *
 * It connects, says who the agent is, and from then on tells the guardian the plan and what the lease
 * is, and its owner what the guardian says. It knows nothing of either: the core decides
 * (fo_guard_view()), the lead carries it. A guardian that closes the connection, does not answer a
 * message in time, or does not take one is lost; it is looked for again, and every connection begins
 * with a HELLO. Nothing blocks.
 *
 * Thread: the loop's. Callbacks come from the loop, never from inside a call.
 */
#ifndef HM_AGENT_GUARD_H
#define HM_AGENT_GUARD_H

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

#include "base/error.h"
#include "guardian/protocol.h"

/* The guardian's lateness that every promise allows for (Lg), in two: what the agent that is well takes of
 * it before its guardian fires, and how late an answer may be before the guardian counts as lost. */
enum { GUARD_HEAD_START_MS = 50, GUARD_ANSWER_MS = 200 };

struct guard;

struct guard_options {
    uv_loop_t *loop;
    const char *path; /* of the socket; borrowed, like the next two */
    const char *site, *group;
    int64_t answer_ms; /* 0: GUARD_ANSWER_MS */
    /* Nobody listens at `path`: start one, without waiting. May be NULL. Asked again, with the
     * connection's back-off, as long as nobody does. */
    int (*launch)(void *data, struct hm_error *err);
    /* It has answered HELLO. `state` is borrowed, here and below. */
    void (*on_up)(void *data, const struct guard_state *state);
    /* It has answered a message (state->header.seq, perhaps with state->error) or speaks by itself. */
    void (*on_state)(void *data, const struct guard_state *state);
    /* Once for each on_up. A lease that is told from inside it is sent still: it may only hang. */
    void (*on_lost)(void *data, const struct hm_error *why);
    void *data;
};

struct guard *guard_new(const struct guard_options *options);
/* The connection ends and no callback comes any more. The loop must run once more. NULL is allowed. */
void guard_free(struct guard *guard);

void guard_connect(struct guard *guard); /* once: look for it, from now on */

bool guard_is_up(const struct guard *guard);
/* Why there is none, in a sentence; "" while it is up. */
const char *guard_trouble(const struct guard *guard);
/* As it said last; only while it is up. */
const struct guard_state *guard_last(const struct guard *guard);

/*
 * Tell it what the lease is, or the whole plan (its header is filled in here; `size` as it will be sent:
 * the struct and its entries). Not up: nothing is done. A lease that is what was told last on this
 * connection is not told again.
 */
void guard_set(struct guard *guard, const struct guard_lease *lease);
void guard_plan(struct guard *guard, struct guard_plan *plan, size_t size);

/* Names all that was told so far; 0: nothing was, or it is not up. */
uint64_t guard_told(const struct guard *guard);
/* Has it answered all that? False for what was told on an earlier connection. */
bool guard_has_answered(const struct guard *guard, uint64_t told);

#endif
