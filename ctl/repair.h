/*
 * What `harmonyctl failover repair` knows and would do: the last records of a failover group, and what its
 * agents say -> facts -> a verdict. (docs/failover/store.md)
 *
 * Pure; any thread. The command (failover_repair.c) looks, waits and writes.
 */
#ifndef HM_CTL_REPAIR_H
#define HM_CTL_REPAIR_H

#include <stdbool.h>
#include <stdint.h>

#include <jansson.h>

#include "base/buf.h"
#include "ctl/entry.h"
#include "proto/cluster_config.h"
#include "proto/heartbeat.h"

enum { REPAIR_SITES_MAX = 16 };

/* What a site has seen of the lease key, by its replica heartbeat or its agent's status. */
struct repair_site {
    struct hb_site site;
    struct hb_era seen;
    uint64_t seen_epoch; /* highest number in any generation */
    int64_t heard_ms;    /* since its replica heartbeat; -1: there is none */
    bool serves;         /* by its agent's status, as it last was: it may be old */
    bool paused;         /* likewise: a pause is in force there */
};

struct repair {
    bool has_bucket, has_config, has_lease; /* has_lease: there and readable */
    bool lease_there;                       /* an entry, of whatever kind */
    bool has_sites;                         /* somebody is known to have been a member */
    uint64_t revision;                      /* of the lease's last entry; 0: none */
    uint64_t config_revision;
    struct heartbeat lease;
    int64_t lease_ms;   /* since the lease was written, by the server's clock */
    int64_t promise_ms; /* the longest that anybody may serve after it was last heard */
    int64_t
        interval_ms; /* T; a voter may consent to a leader (failsafe) until it has noticed the loss */
    bool paused;
    bool failsafe;         /* by cluster_config, the lease, or what an agent said */
    struct hb_era highest; /* that anybody has seen */
    uint64_t epoch;        /* highest number of all */
    struct repair_site sites[REPAIR_SITES_MAX];
    size_t site_count;
};

enum repair_verdict {
    REPAIR_NOT_NEEDED,
    REPAIR_FIRST_TIME, /* nothing is known of this group: `failover init` */
    REPAIR_NEEDED,
};

/*
 * `last`: last entry of every key of harmony_failover, empty without the bucket; `status`: of harmony_status.
 * `wanted`: cluster_config to be written if there is none; NULL: none was given. `now_ns`: the server's wall
 * clock, as well as it is known.
 */
void repair_look(const struct entries *last, const struct entries *status, const char *group,
                 const struct cluster_config *wanted, bool has_bucket, int64_t now_ns,
                 struct repair *ret);

enum repair_verdict repair_verdict(const struct repair *r);
/* How long to listen before anything is released, from after the loss: whoever led has fenced then. */
int64_t repair_wait_ms(const struct repair *r);
/* The lease is held, and was written so lately that its holder may serve under it. */
bool repair_is_live(const struct repair *r);
/* The site that may serve whatever time has passed: under a pause nobody fences itself. NULL: none known. */
const struct repair_site *repair_paused_leader(const struct repair *r);

/* The site that may serve by the consent of others, whatever time has passed (failsafe): it served when it was
 * last heard of, and none of the others is heard now. Who is heard sees that the store has lost something,
 * and consents to nobody. NULL: none known. */
const struct repair_site *repair_consented_leader(const struct repair *r);

/* The record that puts it right: RELEASED, in a generation above all, `next` (unset: anyone). */
void repair_record(const struct repair *r, const struct hb_site *next, int64_t wall_ms,
                   struct heartbeat *ret);

/* What is known, line by line; and as JSON (a new reference). */
void repair_render(const struct repair *r, const char *group, struct hm_buf *out);
json_t *repair_json(const struct repair *r, const char *group);

#endif
