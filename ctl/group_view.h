/*
 * A failover group now: the last records of harmony_failover -> who leads, who would follow.
 *
 * Two steps, both pure: group_look() makes the facts, the renderers say them. Any thread.
 */
#ifndef HM_CTL_GROUP_VIEW_H
#define HM_CTL_GROUP_VIEW_H

#include <stdbool.h>
#include <stdint.h>

#include <jansson.h>

#include "base/buf.h"
#include "ctl/entry.h"
#include "proto/cluster_config.h"
#include "proto/failover_request.h"
#include "proto/heartbeat.h"
#include "proto/vip.h"

enum { GROUP_SITES_MAX = 16, GROUP_WARNINGS_MAX = CLUSTER_WARNINGS_MAX + 4 + VIPS_MAX };

struct site_now {
    struct hb_site site;
    unsigned rank; /* 1: the preferred primary; 0: not in cluster_config */
    bool is_leader;
    bool has_heartbeat; /* of its own key, or of the lease when it leads */
    bool is_silent;     /* not heard for three intervals, or never */
    int64_t heard_ms;   /* since its last heartbeat */
    struct heartbeat hb;
    int64_t silence_needed_ms; /* a replica leads after so much silence of the leader */
    struct hm_error unfit;     /* why it can't lead, by its agent's status; code OK: not known */
};

/* A virtual IP; sites as bits, by their place in `sites`. */
struct group_vip {
    char address[VIP_TEXT_MAX + 1];
    unsigned configured, up, contested;
};

struct group_now {
    char *group;
    bool has_config, has_lease;
    uint64_t config_revision;
    struct cluster_config config;
    struct heartbeat lease;
    int64_t leader_since_ms; /* -1: not known */
    bool has_request;        /* that could be read: the last one, whatever became of it */
    struct failover_request request;
    uint64_t request_revision; /* also of one that can't be read; 0: there was never one */
    struct site_now sites[GROUP_SITES_MAX];
    size_t site_count;
    struct group_vip vips[VIPS_MAX];
    size_t vip_count;
    unsigned vips_told; /* sites whose agents say which they have, as bits */
    struct hm_error warnings[GROUP_WARNINGS_MAX];
    size_t warning_count;
};

/*
 * `last`: the last entry of every key (entries_keep_last()). `now_ns`: the server's wall clock, as well as it is known.
 * `replicas`: copies of the bucket. The caller clears *ret.
 */
void group_look(const struct entries *last, const char *group, int64_t now_ns, int replicas,
                struct group_now *ret);
/* What the agents say of themselves: `status` are the last entries of `<site>.agent` in harmony_status. */
void group_hear_agents(const struct entries *status, struct group_now *g);
/* Of one of them, the list `vip` of its failover status. */
void group_hear_vips(struct group_now *g, size_t site, const json_t *list);
void group_clear(struct group_now *g);

/* "at site-a", "nowhere"; the caller frees it. */
char *group_vip_place(const struct group_now *g, const struct group_vip *v);
/* False: all is well with it. */
bool group_vip_warning(const struct group_now *g, const struct group_vip *v, struct hm_error *ret);

void group_render(const struct group_now *g, bool colour, struct hm_buf *out);
json_t *group_json(const struct group_now *g);

/* Borrowed; NULL: there is none. */
const struct site_now *group_leader(const struct group_now *g);
const struct site_now *group_site(const struct group_now *g, const struct hb_site *site);

/* Has it a valid cluster_config? Is the site in it? Else the sentence to refuse with. */
int group_check_config(const struct group_now *g, struct hm_error *err);
int group_check_site(const struct group_now *g, const struct hb_site *site, struct hm_error *err);

/* With failsafe on only the voters that the lease names promote by silence. */
bool group_lets_promote(const struct group_now *g, const struct site_now *s);

/* Who would lead if the leader died now; NULL: nobody. */
const struct site_now *group_successor(const struct group_now *g);

#endif
