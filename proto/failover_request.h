/*
 * `request` in the bucket of a failover group: what an operator asks for, and what became of it. One at a
 * time: who writes another, or withdraws it, replaces it by compare-and-swap, and so does the agent that
 * answers. All of them stay in the history of the key, with the operator's name. (docs/failover/operate.md)
 *
 *   {"action":"switchover","site":"site-b","state":"asked","by":"ann@desk","host_time":"2026-..."}
 *
 * A switchover is for whoever leads when it is due, a promotion for the site alone, and only for the run of
 * its agent that the operator saw, within FAILOVER_REQUEST_BEATS of its heartbeats: so nobody acts on an old
 * one. JSON by a field table; what others wrote is hostile until it was read by it. Pure. Thread: any.
 */
#ifndef HM_PROTO_FAILOVER_REQUEST_H
#define HM_PROTO_FAILOVER_REQUEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "proto/heartbeat.h"

#define FAILOVER_REQUEST_KEY "request"

#define FAILOVER_ACTIONS(X)                                                                        \
    X(SWITCHOVER, "switchover") /* by whoever leads, to `site` */                                  \
    X(PROMOTE, "promote")       /* `site`, by force */

#define FAILOVER_REQUEST_STATES(X)                                                                 \
    X(ASKED, "asked")                                                                              \
    X(CANCELLED, "cancelled") /* by an operator, before it had begun */                            \
    X(BEGUN, "begun")         /* the workload is being stopped, or the lease claimed */            \
    X(DONE, "done")           /* `site` serves */                                                  \
    X(REFUSED, "refused")     /* `text` says why; nobody tries it again */

enum failover_action {
#define FAILOVER_ACTION_ENUM(id, text) FAILOVER_##id,
    FAILOVER_ACTIONS(FAILOVER_ACTION_ENUM)
#undef FAILOVER_ACTION_ENUM
};

enum failover_request_state {
#define FAILOVER_REQUEST_ENUM(id, text) REQUEST_##id,
    FAILOVER_REQUEST_STATES(FAILOVER_REQUEST_ENUM)
#undef FAILOVER_REQUEST_ENUM
};

enum {
    FAILOVER_BY_MAX = 320,
    FAILOVER_WHY_MAX = 512,
    FAILOVER_REQUEST_TEXT_MAX = 8192, /* rendered; a control character may need six bytes */
    FAILOVER_REQUEST_BEATS = 60,
    FAILOVER_REQUEST_PATIENCE_MS =
        60000, /* a switchover that has not begun so long after it was due */
};

struct failover_request {
    enum failover_action action;
    enum failover_request_state state;
    struct hb_site site;            /* who is to lead */
    char by[FAILOVER_BY_MAX + 1];   /* the operator */
    char why[FAILOVER_WHY_MAX + 1]; /* their reason; "": none given */
    int64_t host_time_ns;           /* when it was asked for, by the operator's wall clock; 0 */
    int64_t at_ns;              /* switchover: due then, by the leader's wall clock; 0: at once */
    uint64_t run, counter;      /* promote: of the last heartbeat of `site` that was seen */
    struct hb_site off;         /* promote: the operator's word that it is off; unset: not given */
    uint64_t off_epoch;         /* that it led */
    struct hb_site answered_by; /* unset while it is asked */
    char text[FAILOVER_WHY_MAX + 1]; /* of the answer */
};

const char *failover_action_name(enum failover_action action);
const char *failover_request_state_name(enum failover_request_state state);
/* It is asked for, or under way. */
bool failover_request_is_open(const struct failover_request *request);

/* On failure *ret is untouched, and the sentence says why. */
int failover_request_parse(const void *value, size_t len, struct failover_request *ret,
                           struct hm_error *err);
/* The length; texts that are not UTF-8 are left out. */
size_t failover_request_render(const struct failover_request *request,
                               char out[FAILOVER_REQUEST_TEXT_MAX]);

#endif
