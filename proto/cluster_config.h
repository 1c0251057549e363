/*
 * cluster_config: how a failover group is tuned, live, by an operator with `nats kv put`.
 *
 * One field table (cluster_config_fields) says names, ranges and defaults. cluster_config_parse()
 * verifies the form and then the timing (docs/failover section 4): a configuration that can't keep
 * its own promise is refused with the sum shown, and the last good one stays in force. Pure; any
 * thread.
 */
#ifndef HM_PROTO_CLUSTER_CONFIG_H
#define HM_PROTO_CLUSTER_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "proto/field.h"
#include "proto/heartbeat.h"

enum {
    CLUSTER_SITES_MAX = 8,
    CLUSTER_DRIFT_PPM = 500,   /* rho: bound of the drift of any BOOTTIME */
    CLUSTER_GUARDIAN_MS = 250, /* Lg: worst lateness of whoever starts the fence */
    CLUSTER_MARGIN_MS = 10,    /* failover_timeout above the promise */
    CLUSTER_CONFIG_TEXT_MAX = 6144,
    CLUSTER_ADDRESS_MAX = 110, /* host:port */
    CLUSTER_WARNINGS_MAX = 6,
    CLUSTER_PRIORITY = 100, /* of a site that is given none */
};

struct cluster_config {
    /* [0] the preferred primary, then replicas by rank: the higher priority first, else as listed */
    struct hb_site sites[CLUSTER_SITES_MAX];
    unsigned site_count;
    uint32_t priority[CLUSTER_SITES_MAX]; /* as `sites` */
    bool nofailover[CLUSTER_SITES_MAX];   /* likewise: takes no lease of another's by itself */
    int64_t heartbeat_interval_ms;        /* T */
    int64_t failover_timeout_ms;
    int64_t fence_timeout_ms;
    int64_t promote_timeout_ms;
    int64_t max_promise_ms;
    int64_t yield_after_ms;
    int64_t maximum_lag;        /* bytes; -1: no limit */
    uint32_t failure_threshold; /* n */
    uint32_t success_threshold;
    bool paused;
    bool yield_to_primary;
    bool failsafe; /* a leader without the store may go on by consent (docs/failover 9) */
    char addresses[CLUSTER_SITES_MAX][CLUSTER_ADDRESS_MAX + 1]; /* as `sites`; empty: none */
};

_Static_assert((int)HB_VOTERS_MAX == (int)CLUSTER_SITES_MAX - 1,
               "all but the leader may be voters");

extern const struct field cluster_config_fields[];

/* Parse, verify, check the timing. On failure *ret is untouched, and the sentence begins with the
 * field ("failover_timeout_ms 3000 is below 4263 = (...)"); the caller puts "cluster_config rev 9
 * refused: " before it. */
int cluster_config_parse(const void *value, size_t len, struct cluster_config *ret,
                         struct hm_error *err);

/* The timing check alone. */
int cluster_config_check(const struct cluster_config *config, struct hm_error *err);

/* F = (n+1) x T, and expires_in = ceil((F + fence_timeout + Lg) / (1 - rho)), in ms. */
int64_t cluster_config_fence_start_ms(const struct cluster_config *config);
int64_t cluster_config_promise_ms(const struct cluster_config *config);

/* Rank of a site, 1 being the preferred primary; 0: not in the group. */
unsigned cluster_config_rank(const struct cluster_config *config, const struct hb_site *site);

/* A site that takes no lease of another's by itself, and is given none. */
bool cluster_config_bars(const struct cluster_config *config, const struct hb_site *site);

/* The same in every field. */
bool cluster_config_equal(const struct cluster_config *a, const struct cluster_config *b);

/* Sentences about what is weaker than it should be (failure_threshold 1, ...). Returns how many.
 * `replicated`: the bucket has more than one replica. */
unsigned cluster_config_warnings(const struct cluster_config *config, bool replicated,
                                 struct hm_error out[CLUSTER_WARNINGS_MAX]);

/* JSON for the cache on disk and for `failover init`, NUL-terminated; returns its length. */
size_t cluster_config_render(const struct cluster_config *config,
                             char out[CLUSTER_CONFIG_TEXT_MAX]);

#endif
