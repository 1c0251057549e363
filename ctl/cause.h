/*
 * Why a leader lost its role: what the evidence of an incident allows to say, and what it doesn't.
 *
 * Rules from the surest to the weakest (docs/failover/explain.md lists them): what the old leader gave as
 * its reason, what it tells of its end once it is heard again, and, as long as it is not, how its last
 * heartbeats looked. What can't be told is said to be unknown. Pure; any thread.
 */
#ifndef HM_CTL_CAUSE_H
#define HM_CTL_CAUSE_H

#include <stddef.h>

#include "ctl/incident.h"

#define CAUSES(X)                                                                                  \
    X(UNKNOWN, "unknown")                                                                          \
    X(FIRST_LEADER, "first leader")                                                                \
    X(OPERATOR, "operator")                                                                        \
    X(HAND_BACK, "hand-back to the preferred primary")                                             \
    X(WORKLOAD_DOWN, "workload down")                                                              \
    X(POWER_CUT, "power cut")                                                                      \
    X(AGENT_DIED, "agent died")                                                                    \
    X(STALLED_AGENT, "stalled agent")                                                              \
    X(FROZEN_HOST, "frozen host")                                                                  \
    X(GUARDIAN_GONE, "guardian gone")                                                              \
    X(SLOW_LINK, "slow link")                                                                      \
    X(ISOLATION, "isolation")                                                                      \
    X(NATS_DOWN, "NATS down")

enum cause_id {
#define CAUSE_ENUM(id, text) CAUSE_##id,
    CAUSES(CAUSE_ENUM)
#undef CAUSE_ENUM
};
const char *cause_name(enum cause_id id); /* identifier, for programs */
const char *cause_text(enum cause_id id);

enum confidence { CONFIDENCE_NONE, CONFIDENCE_LIKELY, CONFIDENCE_SURE };
const char *confidence_text(enum confidence c);

enum { CAUSE_LINES_MAX = 6 };

struct cause {
    enum cause_id id;
    enum confidence confidence;
    char *because[CAUSE_LINES_MAX]; /* the evidence, one sentence each */
    size_t because_count;
    char *but; /* what else it could have been, or why that is ruled out; NULL: nothing to say */
};

/* The caller clears *ret. */
void cause_infer(const struct incident *i, struct cause *ret);
void cause_clear(struct cause *c);

#endif
