/*
 * Heartbeats: the records of `primary_heartbeat` (the lease) and `replica_heartbeat.<site>`.
 *
 * ADR-017 asks for site_id, status, counter and timestamp; docs/failover section 3 adds the epoch,
 * the promise and the evidence. Both keys use the same fields. Values are what others wrote and
 * hostile until heartbeat_parse() accepted them. Fields that are not known are let through (a newer
 * agent may add evidence), known ones are checked strictly. Pure; any thread.
 */
#ifndef HM_PROTO_HEARTBEAT_H
#define HM_PROTO_HEARTBEAT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/error.h"

enum {
    HB_SITE_MAX = 63,
    HB_VOTERS_MAX = 7,                   /* all sites of the largest group but the writer */
    HB_TEXT_MAX = 2048,                  /* a rendered heartbeat, NUL included */
    HB_PROMISE_MAX_MS = 24 * 3600 * 1000 /* no record promises longer */
};
#define HB_EPOCH_MAX ((uint64_t)1 << 50) /* also of counters: exact in every JSON reader */

/* An epoch's identity. Only `harmonyctl failover repair` raises the generation, when the store has
 * lost what it had acknowledged; whatever is of a lower generation is the past, whatever its epoch. */
struct hb_era {
    uint64_t generation, epoch;
};

/* Below, at or above 0 as `a` is before, the same as or after `b`. */
static inline int hb_era_compare(struct hb_era a, struct hb_era b)
{
    if (a.generation != b.generation)
        return a.generation < b.generation ? -1 : 1;
    return a.epoch == b.epoch ? 0 : a.epoch < b.epoch ? -1 : 1;
}

/* A site's name, padded with zero bytes to its full size. Empty: no site (JSON null). */
struct hb_site {
    char text[HB_SITE_MAX + 1];
};

static inline bool hb_site_equal(const struct hb_site *a, const struct hb_site *b)
{
    enum { FIRST = 8 }; /* mostly all that there is: the rest is padding */
    if (memcmp(a->text, b->text, FIRST) != 0)
        return false;
    return a->text[FIRST - 1] == '\0' || memcmp(a->text, b->text, sizeof(a->text)) == 0;
}
static inline bool hb_site_is_set(const struct hb_site *site)
{
    return site->text[0] != '\0';
}
/* False, and *ret untouched, if `text` is no valid site name ([a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?).
 */
bool hb_site_from(const char *text, struct hb_site *ret);

/* What the lease says of its holder. RELEASED: no primary. */
#define HB_STATUSES(X)                                                                             \
    X(HEALTHY, "HEALTHY")                                                                          \
    X(DEGRADED, "DEGRADED") /* failures counted, still inside the deadline */                      \
    X(RELEASED, "RELEASED")

enum hb_status {
#define HB_STATUS_ENUM(id, text) HB_##id,
    HB_STATUSES(HB_STATUS_ENUM)
#undef HB_STATUS_ENUM
};

/* What a site is doing; also the states of the failover core. */
#define HB_ROLES(X)                                                                                \
    X(STARTING, "starting")   /* its workload may still run from before: it is stopped first */    \
    X(REPLICA, "replica")     /* workload verified stopped; waits */                               \
    X(CLAIMING, "claiming")   /* has sent a promotion; nothing started */                          \
    X(PROMOTING, "promoting") /* holds the lease, workload is being started */                     \
    X(LEADER, "leader")       /* holds the lease and serves */                                     \
    X(DEMOTING, "demoting")   /* stops its workload for a handover */                              \
    X(FENCING, "fencing")     /* stops its workload because it must */                             \
    X(RELEASING, "releasing") /* stopped and verified; gives the lease away */

enum hb_role {
#define HB_ROLE_ENUM(id, text) HB_ROLE_##id,
    HB_ROLES(HB_ROLE_ENUM)
#undef HB_ROLE_ENUM
};

/* Why an epoch began, ended, or was given away. */
#define HB_REASONS(X)                                                                              \
    X(NONE, "none")                                                                                \
    X(INIT, "failover init")                                                                       \
    X(STALE, "the leader was silent")                                                              \
    X(RELEASED_TO, "was handed the role")                                                          \
    X(RELEASED_OPEN, "the role was free")                                                          \
    X(RETAKE, "retook its own lease")                                                              \
    X(STARTED, "agent started")                                                                    \
    X(WORKLOAD_UP, "workload serves")                                                              \
    X(STOPPED, "workload stopped and verified")                                                    \
    X(RELEASE_DONE, "release finished")                                                            \
    X(CLAIM_DENIED, "promotion denied: the lease moved on")                                        \
    X(CLAIM_UNKNOWN, "promotion not acknowledged in time")                                         \
    X(YIELD, "yields to the preferred primary")                                                    \
    X(HEARTBEATS_FAILED, "heartbeats failed")                                                      \
    X(DEADLINE, "lease deadline passed")                                                           \
    X(LOST, "another site leads")                                                                  \
    X(PROBE_FAILED, "probes failed")                                                               \
    X(PROMOTE_FAILED, "promotion of the workload failed")                                          \
    X(PROMOTE_TIMEOUT, "promotion of the workload took too long")                                  \
    X(FENCE_FAILED, "workload could not be verified stopped")                                      \
    X(STEP_DOWN, "agent is shutting down")                                                         \
    X(OPERATOR, "operator")                                                                        \
    X(GUARDIAN_LOST, "the guardian is gone")                                                       \
    X(GUARDIAN_FIRED, "the guardian ended the epoch")                                              \
    X(RESUMED, "goes on with the lease of the agent before it")                                    \
    X(SWITCHOVER, "switchover by an operator")                                                     \
    X(FORCED, "promoted by an operator, by force")

enum hb_reason {
#define HB_REASON_ENUM(id, text) HB_REASON_##id,
    HB_REASONS(HB_REASON_ENUM)
#undef HB_REASON_ENUM
};

#define HB_PROBES(X)                                                                               \
    X(NONE, "none") /* no probe is configured, or no answer yet */                                 \
    X(OK, "ok")                                                                                    \
    X(FAILED, "failed")

enum hb_probe {
#define HB_PROBE_ENUM(id, text) HB_PROBE_##id,
    HB_PROBES(HB_PROBE_ENUM)
#undef HB_PROBE_ENUM
};

/* Texts as in JSON and as people read them; reasons go into JSON by identifier
 * ("HEARTBEATS_FAILED"). */
const char *hb_status_name(enum hb_status status);
const char *hb_role_name(enum hb_role role);
const char *hb_reason_name(enum hb_reason reason);          /* identifier */
const char *hb_reason_text(enum hb_reason reason);          /* sentence part */
bool hb_reason_from(const char *name, enum hb_reason *ret); /* identifier; false: none of them */
const char *hb_probe_name(enum hb_probe probe);

struct heartbeat {
    struct hb_site
        site; /* "site_id": the holder, or the writer of a replica heartbeat; unset in RELEASED */
    struct hb_site next; /* RELEASED: who may take it first; unset: anyone */
    enum hb_status status;
    enum hb_role role;
    enum hb_reason reason; /* why this epoch began; in RELEASED why it ended */
    enum hb_probe probe;
    uint64_t nonce;           /* of the writer's run; JSON: 16 hex digits */
    uint64_t generation;      /* of the epoch; not in the JSON of a lease that was never repaired */
    uint64_t epoch;           /* of the lease; in replica heartbeats the last one seen in the key */
    uint64_t seen_epoch;      /* the highest that the writer ever saw */
    uint64_t counter;         /* grows with every attempt of a run */
    uint64_t config_revision; /* of cluster_config in force at the writer */
    int64_t timestamp_ms;     /* writer's wall clock, for people only; set by whoever renders */
    int64_t expires_in_ms;    /* the promise: at most so long after the send its writer serves */
    int64_t interval_ms;      /* T of the writer */
    int64_t rtt_us;           /* last acknowledged write of this run; -1: none yet */
    int64_t probe_latency_us; /* -1: none */
    int64_t lag;              /* replica: bytes behind; -1: not known */
    uint32_t failures, successes; /* consecutive heartbeats */
    bool paused;
    bool chosen;   /* lease: an operator chose its holder, who yields to nobody */
    bool failsafe; /* the writer may go on by the consent of `voters` (docs/failover 9) */
    bool fit;      /* replica heartbeat: could lead (probe good, lag within bounds, no back-off) */
    uint8_t voter_count; /* at least 1 with failsafe, else 0 */
    struct hb_site
        voters[HB_VOTERS_MAX]; /* beyond the count they say nothing, and are not copied */
};

/* Most name no voters, who are the larger part of the struct. */
static inline void heartbeat_copy(struct heartbeat *to, const struct heartbeat *from)
{
    memcpy(to, from,
           offsetof(struct heartbeat, voters) + from->voter_count * sizeof(from->voters[0]));
}

static inline struct hb_era hb_era_of(const struct heartbeat *hb)
{
    return (struct hb_era){hb->generation, hb->epoch};
}

/*
 * Parse and check a lease record (`is_lease`) or a replica heartbeat. A held lease must carry epoch
 * and expires_in_ms; `{"site_id":null,"status":"RELEASED","epoch":0,"next":"site-a"}` is the least
 * that a person puts. On failure *ret is untouched.
 */
int heartbeat_parse(const void *value, size_t len, bool is_lease, struct heartbeat *ret,
                    struct hm_error *err);

/* Is this site among the voters that the record names? */
bool heartbeat_names_voter(const struct heartbeat *hb, const struct hb_site *site);

/* One line of JSON, NUL-terminated; returns its length. It always fits. */
size_t heartbeat_render(const struct heartbeat *hb, bool is_lease, char out[HB_TEXT_MAX]);

#endif
