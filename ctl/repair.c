#include "ctl/repair.h"

#include <inttypes.h>
#include <string.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "ctl/group.h"
#include "ctl/json_text.h"
#include "ctl/show.h"

#define AGENT_SUFFIX ".agent"

enum { NOTICED_INTERVALS = 3 };

/* -- What is known ----------------------------------------------------------------------------- */

static const struct entry *find_key(const struct entries *last, const char *group, const char *key)
{
    HM_AUTOFREE char *stored = group_key(group, key);
    return entries_find(last, stored);
}

static struct repair_site *site_of(struct repair *r, const struct hb_site *site)
{
    for (size_t i = 0; i < r->site_count; i++)
        if (hb_site_equal(&r->sites[i].site, site))
            return &r->sites[i];
    if (r->site_count == REPAIR_SITES_MAX)
        return NULL;
    struct repair_site *s = &r->sites[r->site_count++];
    *s = (struct repair_site){.site = *site, .heard_ms = -1};
    return s;
}

static void take_era(struct repair *r, struct hb_era era, uint64_t seen_epoch)
{
    if (hb_era_compare(era, r->highest) > 0)
        r->highest = era;
    r->epoch = era.epoch > r->epoch ? era.epoch : r->epoch;
    r->epoch = seen_epoch > r->epoch ? seen_epoch : r->epoch;
}

static void site_has_seen(struct repair *r, struct repair_site *s, struct hb_era era,
                          uint64_t seen_epoch)
{
    if (hb_era_compare(era, s->seen) > 0)
        s->seen = era;
    s->seen_epoch = seen_epoch > s->seen_epoch ? seen_epoch : s->seen_epoch;
    r->has_sites = true;
    take_era(r, era, seen_epoch);
}

/* One that is longer than any can be is the longest. */
static void take_promise(struct repair *r, int64_t ms)
{
    int64_t promise_ms = ms < HB_PROMISE_MAX_MS ? ms : HB_PROMISE_MAX_MS;
    r->promise_ms = promise_ms > r->promise_ms ? promise_ms : r->promise_ms;
}

static void look_at_config(struct repair *r, const struct entry *e,
                           const struct cluster_config *wanted)
{
    struct cluster_config config;
    struct hm_error why;
    if (wanted) {
        take_promise(r, cluster_config_promise_ms(wanted));
        r->interval_ms = wanted->heartbeat_interval_ms;
    }
    if (!e || e->deleted || cluster_config_parse(e->value, e->len, &config, &why) < 0)
        return;
    r->has_config = true;
    r->config_revision = e->revision;
    r->paused = config.paused;
    r->failsafe = r->failsafe || config.failsafe;
    r->interval_ms = config.heartbeat_interval_ms;
    take_promise(r, cluster_config_promise_ms(&config));
}

static void look_at_lease(struct repair *r, const struct entry *e, int64_t now_ns)
{
    struct hm_error why;
    if (!e)
        return;
    r->lease_there = true;
    r->revision = e->revision;
    r->lease_ms = (now_ns - e->stamp_ns) / HM_MS;
    r->has_lease = !e->deleted && heartbeat_parse(e->value, e->len, true, &r->lease, &why) >= 0;
    if (!r->has_lease)
        return;
    take_era(r, hb_era_of(&r->lease), r->lease.seen_epoch);
    take_promise(r, r->lease.expires_in_ms);
    r->failsafe = r->failsafe || r->lease.failsafe;
}

static void look_at_heartbeat(struct repair *r, const struct entry *e, const char *site,
                              int64_t now_ns)
{
    struct heartbeat hb;
    struct hm_error why;
    if (e->deleted || heartbeat_parse(e->value, e->len, false, &hb, &why) < 0 ||
        strcmp(hb.site.text, site) != 0)
        return;
    struct repair_site *s = site_of(r, &hb.site);
    if (!s)
        return;
    int64_t heard_ms = (now_ns - e->stamp_ns) / HM_MS;
    s->heard_ms = heard_ms < 0 ? 0 : heard_ms;
    site_has_seen(r, s, hb_era_of(&hb), hb.seen_epoch);
}

/* `failover` of what an agent last said of itself: a witness that outlives the bucket. */
static void look_at_failover(struct repair *r, const struct hb_site *site, const json_t *failover)
{
    const json_t *config = json_object_get(failover, "config");
    struct repair_site *s = site_of(r, site);
    if (!s)
        return;
    struct hb_era era = {epoch_of(failover, "generation"), epoch_of(failover, "seen_epoch")};
    site_has_seen(r, s, era, epoch_of(failover, "epoch"));
    s->serves = json_is_true(json_object_get(failover, "serving"));
    s->paused = json_is_true(json_object_get(config, "paused"));
    const json_t *failsafe = json_object_get(failover, "failsafe");
    r->failsafe = r->failsafe || json_is_true(json_object_get(failsafe, "on"));
    take_promise(r, number_of(config, "promise_ms", 0));
}

static void look_at_agent(struct repair *r, const struct entry *e, const char *group)
{
    struct hb_site site;
    size_t len = strlen(e->key), suffix = strlen(AGENT_SUFFIX);
    if (e->deleted || len <= suffix || strcmp(e->key + len - suffix, AGENT_SUFFIX) != 0)
        return;
    HM_AUTOFREE char *name = hm_strndup(e->key, len - suffix);
    json_t *status = entry_object(e);
    const json_t *failover = json_object_get(status, "failover");
    if (hb_site_from(name, &site) && strcmp(text_of(failover, "group"), group) == 0)
        look_at_failover(r, &site, failover);
    json_decref(status);
}

void repair_look(const struct entries *last, const struct entries *status, const char *group,
                 const struct cluster_config *wanted, bool has_bucket, int64_t now_ns,
                 struct repair *ret)
{
    *ret = (struct repair){.has_bucket = has_bucket};
    look_at_config(ret, find_key(last, group, KEY_CONFIG), wanted);
    look_at_lease(ret, find_key(last, group, KEY_LEASE), now_ns);
    for (size_t i = 0; i < last->count; i++) {
        const char *key = key_in_group(group, last->items[i].key);
        if (key && strncmp(key, KEY_REPLICA, strlen(KEY_REPLICA)) == 0)
            look_at_heartbeat(ret, &last->items[i], key + strlen(KEY_REPLICA), now_ns);
    }
    for (size_t i = 0; i < status->count; i++)
        look_at_agent(ret, &status->items[i], group);
}

/* -- What follows from it ----------------------------------------------------------------------- */

enum repair_verdict repair_verdict(const struct repair *r)
{
    if (r->has_lease) {
        bool lower = hb_era_compare(hb_era_of(&r->lease), r->highest) < 0;
        return lower ? REPAIR_NEEDED : REPAIR_NOT_NEEDED;
    }
    return r->lease_there || r->has_sites ? REPAIR_NEEDED : REPAIR_FIRST_TIME;
}

int64_t repair_wait_ms(const struct repair *r)
{
    int64_t drift = r->promise_ms * CLUSTER_DRIFT_PPM / 1000000 + 1;
    return r->promise_ms + drift + NOTICED_INTERVALS * r->interval_ms;
}

bool repair_is_live(const struct repair *r)
{
    bool held = r->has_lease && r->lease.status != HB_RELEASED;
    return held && (r->lease.paused || r->lease_ms <= r->lease.expires_in_ms);
}

const struct repair_site *repair_paused_leader(const struct repair *r)
{
    for (size_t i = 0; i < r->site_count; i++)
        if (r->sites[i].serves && (r->paused || r->sites[i].paused))
            return &r->sites[i];
    return NULL;
}

static bool is_heard_now(const struct repair *r, const struct repair_site *s)
{
    return s->heard_ms >= 0 && s->heard_ms <= NOTICED_INTERVALS * r->interval_ms;
}

/* Who leads writes no heartbeat of its own key: one that is heard serves under no lease. */
const struct repair_site *repair_consented_leader(const struct repair *r)
{
    const struct repair_site *serves = NULL;
    for (size_t i = 0; i < r->site_count; i++) {
        if (is_heard_now(r, &r->sites[i]))
            return NULL;
        if (r->sites[i].serves)
            serves = &r->sites[i];
    }
    return r->failsafe ? serves : NULL;
}

void repair_record(const struct repair *r, const struct hb_site *next, int64_t wall_ms,
                   struct heartbeat *ret)
{
    *ret = (struct heartbeat){
        .next = *next,
        .status = HB_RELEASED,
        .role = HB_ROLE_REPLICA,
        .reason = HB_REASON_OPERATOR,
        .generation = r->highest.generation + 1,
        .epoch = r->epoch,
        .seen_epoch = r->epoch,
        .timestamp_ms = wall_ms,
        .rtt_us = -1,
        .probe_latency_us = -1,
        .lag = -1,
    };
}

/* -- In words ----------------------------------------------------------------------------------- */

static void render_era(struct hm_buf *out, struct hb_era era)
{
    hm_buf_printf(out, "epoch %" PRIu64, era.epoch);
    if (era.generation != 0)
        hm_buf_printf(out, " of generation %" PRIu64, era.generation);
}

static void render_lease(const struct repair *r, struct hm_buf *out)
{
    char ago[SHOW_TIME_MAX];
    hm_buf_printf(out, "  primary_heartbeat  ");
    if (!r->lease_there) {
        hm_buf_printf(out, "missing\n");
        return;
    }
    show_duration(r->lease_ms < 0 ? 0 : r->lease_ms, ago);
    hm_buf_printf(out, "rev %" PRIu64 ", written %s ago: ", r->revision, ago);
    if (!r->has_lease) {
        hm_buf_printf(out, "deleted, or not readable\n");
        return;
    }
    hm_buf_printf(out, "%s",
                  r->lease.status == HB_RELEASED ? "nobody leads, " : r->lease.site.text);
    hm_buf_printf(out, r->lease.status == HB_RELEASED ? "" : " leads, ");
    render_era(out, hb_era_of(&r->lease));
    hm_buf_printf(out, "\n");
}

static void render_site(const struct repair_site *s, struct hm_buf *out)
{
    char ago[SHOW_TIME_MAX];
    hm_buf_printf(out, "  %-17s  has seen ", s->site.text);
    render_era(out, s->seen);
    if (s->heard_ms >= 0) {
        show_duration(s->heard_ms, ago);
        hm_buf_printf(out, ", heard %s ago", ago);
    } else {
        hm_buf_printf(out, ", by its agent's last status");
    }
    hm_buf_printf(out, "%s\n", s->serves ? "; served when its agent last said so" : "");
}

void repair_render(const struct repair *r, const char *group, struct hm_buf *out)
{
    HM_AUTOFREE char *clean = show_cleaned(group);
    hm_buf_printf(out, "group %s\n", clean);
    hm_buf_printf(out, "  bucket             %s\n", r->has_bucket ? "there" : "missing");
    if (r->has_config)
        hm_buf_printf(out, "  cluster_config     rev %" PRIu64 "%s\n", r->config_revision,
                      r->paused ? ", paused" : "");
    else
        hm_buf_printf(out, "  cluster_config     missing, or not valid\n");
    render_lease(r, out);
    for (size_t i = 0; i < r->site_count; i++)
        render_site(&r->sites[i], out);
}

static json_t *site_json(const struct repair_site *s)
{
    return json_pack("{s:s, s:I, s:I, s:o, s:b}", "site", s->site.text, "generation",
                     (json_int_t)s->seen.generation, "epoch", (json_int_t)s->seen.epoch, "heard_ms",
                     s->heard_ms < 0 ? json_null() : json_integer(s->heard_ms),
                     "served_when_last_said", s->serves);
}

static json_t *lease_json(const struct repair *r)
{
    if (!r->has_lease)
        return json_null();
    return json_pack("{s:I, s:s, s:o, s:I, s:I, s:I}", "revision", (json_int_t)r->revision,
                     "status", hb_status_name(r->lease.status), "site_id",
                     hb_site_is_set(&r->lease.site) ? json_string(r->lease.site.text) : json_null(),
                     "generation", (json_int_t)r->lease.generation, "epoch",
                     (json_int_t)r->lease.epoch, "written_ms_ago", (json_int_t)r->lease_ms);
}

json_t *repair_json(const struct repair *r, const char *group)
{
    HM_AUTOFREE char *clean = show_cleaned(group);
    json_t *sites = json_array();
    for (size_t i = 0; i < r->site_count; i++)
        json_array_append_new(sites, site_json(&r->sites[i]));
    return json_pack("{s:s, s:b, s:b, s:o, s:o, s:I, s:b}", "group", clean, "bucket", r->has_bucket,
                     "cluster_config", r->has_config, "primary_heartbeat", lease_json(r), "sites",
                     sites, "wait_ms", (json_int_t)repair_wait_ms(r), "paused", r->paused);
}
