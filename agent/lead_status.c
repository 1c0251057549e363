/* What the driver says about itself. */
#include <inttypes.h>

#include "agent/lead_internal.h"
#include "base/clock.h"

void lead_status_changed(struct lead *l)
{
    if (l->options.on_status && !l->closed)
        l->options.on_status(l->options.data);
}

bool lead_may_serve(const struct lead *l)
{
    return l->work.serving;
}

uint64_t lead_epoch(const struct lead *l)
{
    return fo_epoch(&l->core);
}

const char *lead_role(const struct lead *l)
{
    return hb_role_name(l->core.role);
}

bool lead_is_fit(const struct lead *l)
{
    return fo_fit(&l->core, hm_boottime_ns());
}

const char *lead_leader(const struct lead *l)
{
    const struct hb_site *leader = fo_leader(&l->core);
    return leader ? leader->text : "";
}

static json_t *ms_json(int64_t ns)
{
    return ns < 0 ? json_null() : json_integer(ns / HM_MS);
}

static json_t *us_json(int64_t us)
{
    return us < 0 ? json_null() : json_integer(us);
}

static json_t *config_json(const struct lead *l)
{
    const struct cluster_config *c = &l->core.config;
    if (!l->core.has_config)
        return json_null();
    return json_pack(
        "{s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:b}", "revision", (json_int_t)l->core.config_revision,
        "heartbeat_interval_ms", (json_int_t)c->heartbeat_interval_ms, "failure_threshold",
        (json_int_t)c->failure_threshold, "failover_timeout_ms", (json_int_t)c->failover_timeout_ms,
        "fence_start_ms", (json_int_t)cluster_config_fence_start_ms(c), "fence_timeout_ms",
        (json_int_t)c->fence_timeout_ms, "promise_ms", (json_int_t)cluster_config_promise_ms(c),
        "paused", c->paused);
}

/* A leader is heard by the lease, a replica by its own record. -1: never. */
static int64_t silence_ns(const struct lead *l, const struct fo_peer *p, int64_t now)
{
    const struct fo_known *known = &l->core.known;
    bool leads = known->has_record && hb_site_equal(&known->record.site, &p->site);
    int64_t heard = leads && known->learnt > p->heard ? known->learnt : p->heard;
    return heard ? now - heard : -1;
}

static json_t *peer_json(const struct lead *l, const struct fo_peer *p, int64_t now)
{
    return json_pack("{s:s, s:o, s:b, s:b, s:o}", "site", p->site.text, "heard_ms_ago",
                     ms_json(silence_ns(l, p, now)), "fit", p->fit, "ready",
                     fo_peer_ready(&l->core, p, now), "lag", us_json(p->lag));
}

static json_t *peers_json(const struct lead *l, int64_t now)
{
    json_t *list = json_array();
    for (unsigned i = 0; i < l->core.peer_count; i++)
        json_array_append_new(list, peer_json(l, &l->core.peers[i], now));
    return list;
}

static json_t *heartbeat_json(const struct fo_state *s)
{
    return json_pack("{s:i, s:i, s:o, s:o, s:s, s:I}", "failures", (int)s->failures, "successes",
                     (int)s->successes, "rtt_us", us_json(s->rtt_us), "rtt_max_us",
                     us_json(s->rtt_max_us), "probe", hb_probe_name(s->probe.last),
                     "watch_restarts", (json_int_t)s->watch.restarts);
}

static void add_error(json_t *list, const struct hm_error *err)
{
    if (err->code)
        json_array_append_new(list, json_string(err->text));
}

/* "Healed means: serving, or waiting for a named operator action." Not said while it may be but one
 * answer that was late. */
static void add_hold(const struct lead *l, json_t *list)
{
    const struct fo_state *s = &l->core;
    struct hm_error why;
    if (!s->history.told)
        return;
    bool missing = fo_holds(s) == FO_HOLD_MISSING;
    hm_fail(&why, HM_E_REFUSED,
            "this site holds and takes no lease: it has seen epoch %" PRIu64 " (generation %" PRIu64
            ") in primary_heartbeat, and %s: the store has lost writes; harmonyctl failover repair "
            "says who may serve and puts it right",
            s->history.seen.epoch, s->history.seen.generation,
            missing ? "now it is gone" : "now there is an older one");
    add_error(list, &why);
}

/* The first of what keeps this site from leading, if it is not fit. */
static void why_unfit(const struct lead *l, int64_t now, struct hm_error *why)
{
    const struct fo_state *s = &l->core;
    int64_t backs_off_ms = (s->back_off.until - now) / HM_MS;
    if (s->rank == 0)
        hm_fail(why, HM_E_REFUSED, "%s is not in cluster_config", s->site.text);
    else if (s->barred)
        hm_fail(why, HM_E_REFUSED, "nofailover bars it (sites in cluster_config)");
    else if (s->stepping_down)
        hm_fail(why, HM_E_REFUSED, "its agent is shutting down");
    else if (lead_guard_check(l, why) < 0 || lead_must_resync(l, why))
        return;
    else if (l->memory.failed.code)
        *why = l->memory.failed;
    else if (!l->memory.is_tried)
        hm_fail(why, HM_E_BUSY, "its disk has not taken yet what failover must remember");
    else if (vips_check(l->work.vips, why) < 0)
        return;
    else if (l->work.ill)
        hm_fail(why, HM_E_REFUSED, "its probe failed: %s", l->work.illness.text);
    else if (backs_off_ms > 0)
        hm_fail(why, HM_E_BUSY, "it backs off for %" PRId64 " ms after it failed to lead",
                backs_off_ms);
    else if (s->config.maximum_lag >= 0 && s->probe.lag > s->config.maximum_lag)
        hm_fail(why, HM_E_REFUSED, "it is %" PRId64 " bytes behind, maximum_lag is %" PRId64,
                s->probe.lag, s->config.maximum_lag);
    else
        hm_fail(why, HM_E_BUSY, "it has not been probed well yet");
}

static json_t *unfit_json(const struct lead *l, int64_t now)
{
    struct hm_error why;
    if (fo_fit(&l->core, now))
        return json_null();
    why_unfit(l, now, &why);
    return json_string(why.text);
}

static json_t *warnings_json(const struct lead *l)
{
    struct hm_error why, config[CLUSTER_WARNINGS_MAX];
    json_t *list = json_array();
    add_hold(l, list);
    json_array_extend(list, l->store.warnings);
    unsigned count = l->core.has_config
                         ? cluster_config_warnings(&l->core.config, l->store.replicated, config)
                         : 0;
    for (unsigned i = 0; i < count; i++)
        add_error(list, &config[i]);
    add_error(list, &l->store.server);
    add_error(list, &l->store.refused);
    add_error(list, &l->store.broken);
    add_error(list, &l->memory.failed);
    if (lead_must_resync(l, &why))
        add_error(list, &why);
    if (lead_guard_check(l, &why) < 0 || lead_guard_warning(l, &why))
        add_error(list, &why);
    add_error(list, &l->follow.failed);
    vips_warnings(l->work.vips, list);
    lead_consent_warnings(l, list);
    return list;
}

void lead_metrics(const struct lead *l, struct hm_buf *out)
{
    vips_metrics(l->work.vips, out);
}

json_t *lead_status(const struct lead *l)
{
    int64_t now = hm_boottime_ns();
    int64_t promotes_at = fo_promotes_at(&l->core, now);
    return json_pack(
        "{s:s, s:s, s:s, s:I, s:I, s:I, s:b, s:s, s:b, s:b, s:b, s:o, s:o, s:o, s:o, s:o, s:o, "
        "s:o, s:o, s:o, s:o}",
        "group", l->options.config->failover.group, "role", lead_role(l), "reason",
        hb_reason_text(l->core.reason), "epoch", (json_int_t)lead_epoch(l), "generation",
        (json_int_t)l->core.history.seen.generation, "seen_epoch",
        (json_int_t)l->core.history.seen.epoch, "holds", l->core.history.told, "leader",
        lead_leader(l), "serving", lead_may_serve(l), "fit", fo_fit(&l->core, now), "chosen",
        fo_leads_by_choice(&l->core), "request", lead_request_status(l), "unfit",
        unfit_json(l, now), "guardian", lead_guard_json(l), "vip", vips_json(l->work.vips),
        "config", config_json(l), "heartbeat", heartbeat_json(&l->core), "peers",
        peers_json(l, now), "failsafe", lead_consent_status(l, now), "promotes_in_ms",
        ms_json(promotes_at == FO_NEVER ? -1 : promotes_at - now), "warnings", warnings_json(l));
}

static struct lead_peer_numbers peer_numbers(const struct lead *l, const struct fo_peer *p,
                                             int64_t now)
{
    return (struct lead_peer_numbers){.site = p->site.text,
                                      .silence_ns = silence_ns(l, p, now),
                                      .ready = fo_peer_ready(&l->core, p, now),
                                      .lag = p->lag};
}

void lead_numbers(const struct lead *l, struct lead_numbers *ret)
{
    int64_t now = hm_boottime_ns();
    const struct fo_state *s = &l->core;
    json_t *warnings = warnings_json(l);
    *ret = (struct lead_numbers){.serving = lead_may_serve(l),
                                 .fit = fo_fit(s, now),
                                 .paused = s->has_config && s->config.paused,
                                 .holds = s->history.told,
                                 .warnings = json_array_size(warnings),
                                 .rtt_us = s->rtt_us,
                                 .failures = s->failures,
                                 .watch_restarts = s->watch.restarts,
                                 .peer_count = s->peer_count};
    json_decref(warnings);
    for (unsigned i = 0; i < s->peer_count; i++)
        ret->peers[i] = peer_numbers(l, &s->peers[i], now);
}
