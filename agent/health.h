/*
 * The health of one workload: what becomes of good and bad answers. Pure: events and the time come in, what is
 * to be done goes out.
 *
 * It is asked every interval while it runs. A good answer makes it well; `retries` bad ones in a row make it
 * unhealthy. During start_period bad ones do not count, until the first good one. Where it could not be asked (no
 * address is known, the host can't) nothing is known, and nothing is ever done about it. Times are
 * BOOTTIME, ns. Thread: any.
 */
#ifndef HM_AGENT_HEALTH_H
#define HM_AGENT_HEALTH_H

#include <stdbool.h>
#include <stdint.h>

#include <jansson.h>

#define HEALTH_STATES(X)                                                                           \
    X(NONE, "none")         /* it does not run, or is not asked */                                 \
    X(STARTING, "starting") /* no good answer yet, and none is needed yet */                       \
    X(UNKNOWN, "unknown")   /* it can't be asked */                                                \
    X(WELL, "healthy")                                                                             \
    X(ILL, "unhealthy")

enum health_state {
#define HEALTH_STATE_ENUM(id, text) HEALTH_##id,
    HEALTH_STATES(HEALTH_STATE_ENUM)
#undef HEALTH_STATE_ENUM
};
const char *health_state_name(enum health_state state);

enum health_event {
    HEALTH_EVENT_RUNS, /* seen running; `began_ns` since when */
    HEALTH_EVENT_GONE, /* it does not run, or another run begins */
    HEALTH_EVENT_TIME,
    HEALTH_EVENT_GOOD,
    HEALTH_EVENT_BAD,
    HEALTH_EVENT_UNASKED, /* the question could not be put */
};

struct health_rule {
    int64_t interval_ns, timeout_ns, start_ns;
    uint32_t retries;
};

enum { HEALTH_REASON_MAX = 160 };

struct health {
    enum health_state state;
    int64_t began_ns;               /* of the run */
    int64_t next_ns;                /* when it is asked next; 0: not at all */
    uint32_t bad;                   /* bad answers in a row, of those that count */
    bool asking;                    /* no answer has come yet */
    char reason[HEALTH_REASON_MAX]; /* of the last answer that was not good; "": it was */
};

struct health_effect {
    bool ask;     /* now */
    bool changed; /* the state is another one */
};

/* From the `health` of a spec in normal form. */
struct health_rule health_rule_of(const json_t *health);

/* `reason` goes with BAD and UNASKED, `began_ns` with RUNS. */
struct health_effect health_step(struct health *h, const struct health_rule *rule,
                                 enum health_event event, const char *reason, int64_t began_ns,
                                 int64_t now_ns);

#endif
