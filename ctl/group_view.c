/* The texts of group_view.h. */
#include "ctl/group_view.h"

#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "ctl/request_text.h"
#include "ctl/show.h"
#include "ctl/table.h"

enum { LABEL_WIDTH = 17 }; /* "group default    leader ..." */

static void add_label(const char *label, struct hm_buf *out)
{
    size_t width = show_width(label);
    hm_buf_puts(out, label);
    show_pad(out, width, width + 2 > LABEL_WIDTH ? width + 2 : LABEL_WIDTH);
}

static void add_reason(const struct heartbeat *lease, struct hm_buf *out)
{
    if (lease->reason != HB_REASON_NONE)
        hm_buf_printf(out, ", %s", hb_reason_text(lease->reason));
}

static void add_leader(const struct group_now *g, struct hm_buf *out)
{
    char since[SHOW_TIME_MAX];
    if (!g->has_lease) {
        hm_buf_puts(out, "leader not known\n");
        return;
    }
    if (!hb_site_is_set(&g->lease.site))
        hm_buf_printf(out, "no leader, next: %s",
                      hb_site_is_set(&g->lease.next) ? g->lease.next.text : "anyone");
    else
        hm_buf_printf(out, "leader %s", g->lease.site.text);
    if (g->leader_since_ms >= 0) {
        show_duration(g->leader_since_ms, since);
        hm_buf_printf(out, " since %s", since);
    }
    hm_buf_printf(out, " (epoch %llu", (unsigned long long)g->lease.epoch);
    add_reason(&g->lease, out);
    hm_buf_printf(out, ")%s%s%s\n", g->lease.paused ? ", paused" : "",
                  g->lease.failsafe ? ", failsafe" : "",
                  g->lease.chosen ? ", by an operator's choice: yields to nobody" : "");
}

static void add_request(const struct group_now *g, struct hm_buf *out)
{
    if (!g->has_request || !failover_request_is_open(&g->request))
        return;
    HM_AUTOFREE char *text = request_text(&g->request);
    add_label("request", out);
    hm_buf_printf(out, "%s (%s)\n", text, failover_request_state_name(g->request.state));
}

static void add_config(const struct group_now *g, struct hm_buf *out)
{
    const struct cluster_config *c = &g->config;
    char interval[SHOW_TIME_MAX];
    if (!g->has_config)
        return;
    add_label("config", out);
    show_latency(c->heartbeat_interval_ms * 1000, interval);
    hm_buf_printf(
        out,
        "T %s, %u failure%s, failover_timeout %.2f s (needs %.2f s: %.2f fence start + %.2f "
        "fence + %.2f guardian + drift)%s\n",
        interval, c->failure_threshold, c->failure_threshold == 1 ? "" : "s",
        (double)c->failover_timeout_ms / 1e3,
        (double)(cluster_config_promise_ms(c) + CLUSTER_MARGIN_MS) / 1e3,
        (double)cluster_config_fence_start_ms(c) / 1e3, (double)c->fence_timeout_ms / 1e3,
        CLUSTER_GUARDIAN_MS / 1e3, c->paused ? ", paused" : "");
}

/* -- The table of sites -------------------------------------------------------------------- */

static const char *role_word(const struct site_now *s)
{
    if (!s->has_heartbeat)
        return NULL;
    return hb_role_name(s->hb.role);
}

static enum mood role_mood(const struct site_now *s)
{
    if (s->is_silent || s->hb.role == HB_ROLE_FENCING)
        return MOOD_BAD;
    if (s->hb.role == HB_ROLE_LEADER)
        return MOOD_GOOD;
    return s->hb.role == HB_ROLE_REPLICA ? MOOD_PLAIN : MOOD_CHANGE;
}

static void add_counts(struct table *t, const struct site_now *s)
{
    HM_AUTOFREE char *counts = hm_printf("%u/%u", s->hb.failures, s->hb.successes);
    table_add(t, counts, s->hb.failures ? MOOD_CHANGE : MOOD_PLAIN);
}

static void add_probe(struct table *t, const struct heartbeat *hb)
{
    char latency[SHOW_TIME_MAX];
    if (hb->probe == HB_PROBE_NONE) {
        table_add(t, NULL, MOOD_PLAIN);
        return;
    }
    show_latency(hb->probe_latency_us, latency);
    HM_AUTOFREE char *text =
        hm_printf("%s %s", hb_probe_name(hb->probe), hb->probe_latency_us < 0 ? "" : latency);
    table_add(t, text, hb->probe == HB_PROBE_FAILED ? MOOD_BAD : MOOD_PLAIN);
}

static void add_lag(struct table *t, int64_t lag)
{
    HM_AUTOFREE char *text = lag < 0 ? NULL : hm_printf("%lld B", (long long)lag);
    table_add(t, text, MOOD_PLAIN);
}

static char *note_of(const struct group_now *g, const struct site_now *s)
{
    char time[SHOW_TIME_MAX];
    if (!s->has_heartbeat)
        return hm_strdup("never heard");
    if (s->is_silent && s->is_leader)
        return hm_strdup(g->lease.failsafe
                             ? "silent: goes on if its voters consent, else one takes over"
                             : "silent: a replica takes over");
    if (s->is_silent)
        return hm_strdup("silent: not counted");
    if (s->is_leader) {
        show_duration(g->lease.expires_in_ms, time);
        return hm_printf("%s, promises %s", g->lease.status == HB_DEGRADED ? "degraded" : "healthy",
                         time);
    }
    if (s->rank == 0)
        return hm_strdup("not in cluster_config");
    if (cluster_config_bars(&g->config, &s->site))
        return hm_strdup("nofailover: leads only by force");
    if (!s->hb.fit && s->unfit.code) {
        HM_AUTOFREE char *why = show_cleaned(s->unfit.text);
        return hm_printf("not fit: %s", why);
    }
    if (!s->hb.fit)
        return hm_strdup("not fit to lead");
    if (!group_lets_promote(g, s))
        return hm_strdup("no voter: leads only after a release");
    show_duration(s->silence_needed_ms, time);
    uint32_t priority = g->has_config ? g->config.priority[s->rank - 1] : CLUSTER_PRIORITY;
    HM_AUTOFREE char *ranks = priority == CLUSTER_PRIORITY
                                  ? hm_strdup("")
                                  : hm_printf(", priority %u", (unsigned)priority);
    return hm_printf("would lead after %s of silence%s", time, ranks);
}

static void add_site(struct table *t, const struct group_now *g, const struct site_now *s)
{
    char time[SHOW_TIME_MAX];
    HM_AUTOFREE char *note = note_of(g, s);
    bool shows_health = s->has_heartbeat && !s->is_silent;
    table_add(t, s->site.text, MOOD_PLAIN);
    table_add(t, role_word(s), role_mood(s));
    show_duration(s->heard_ms, time);
    table_add(t, s->has_heartbeat ? time : NULL, s->is_silent ? MOOD_BAD : MOOD_PLAIN);
    if (shows_health) {
        show_latency(s->hb.rtt_us, time);
        table_add(t, time, MOOD_PLAIN);
        add_counts(t, s);
        add_probe(t, &s->hb);
        add_lag(t, s->hb.lag);
        table_add(t, s->is_leader || s->hb.fit ? "yes" : "no", MOOD_PLAIN);
    } else {
        for (int i = 0; i < 4; i++)
            table_add(t, NULL, MOOD_PLAIN);
        table_add(t, "no", MOOD_PLAIN);
    }
    table_add(t, note, s->is_silent ? MOOD_BAD : MOOD_PLAIN);
}

static void add_sites(const struct group_now *g, bool colour, struct hm_buf *out)
{
    static const char *const titles[] = {"SITE",  "ROLE", "HEARD", "RTT", "FAIL/OK",
                                         "PROBE", "LAG",  "FIT",   "NOTE"};
    struct table t;
    table_start(&t, titles, HM_COUNT(titles));
    for (size_t i = 0; i < g->site_count; i++)
        add_site(&t, g, &g->sites[i]);
    table_finish(&t, 0, colour, out);
}

static void add_vips(const struct group_now *g, struct hm_buf *out)
{
    for (size_t i = 0; i < g->vip_count; i++) {
        HM_AUTOFREE char *place = group_vip_place(g, &g->vips[i]);
        add_label(i == 0 ? "virtual IP" : "", out);
        hm_buf_printf(out, "%s %s\n", g->vips[i].address, place);
    }
}

static void add_warnings(const struct group_now *g, bool colour, struct hm_buf *out)
{
    for (size_t i = 0; i < g->warning_count; i++) {
        HM_AUTOFREE char *text = show_cleaned(g->warnings[i].text);
        add_label(i == 0 ? "warnings" : "", out);
        show_mood(out, text, MOOD_CHANGE, colour);
        hm_buf_puts(out, "\n");
    }
}

static void add_outlook(const struct group_now *g, struct hm_buf *out)
{
    const struct site_now *leader = group_leader(g), *next = group_successor(g);
    char time[SHOW_TIME_MAX];
    if (!leader)
        return;
    if (!next) {
        hm_buf_printf(out, "if %s died now: nobody could take over\n", leader->site.text);
        return;
    }
    show_duration(next->silence_needed_ms, time);
    hm_buf_printf(out, "if %s died now: %s would lead in about %s", leader->site.text,
                  next->site.text, time);
    if (next->hb.lag == 0)
        hm_buf_puts(out, " and lose nothing");
    else if (next->hb.lag > 0)
        hm_buf_printf(out, " and lose up to %lld B", (long long)next->hb.lag);
    hm_buf_puts(out, g->lease.paused ? ", once the group is resumed\n" : "\n");
}

void group_render(const struct group_now *g, bool colour, struct hm_buf *out)
{
    HM_AUTOFREE char *label = hm_printf("group %s", g->group);
    add_label(label, out);
    add_leader(g, out);
    add_request(g, out);
    add_config(g, out);
    add_sites(g, colour, out);
    add_vips(g, out);
    add_warnings(g, colour, out);
    add_outlook(g, out);
}

/* -- JSON ---------------------------------------------------------------------------------- */

static json_t *site_or_null(const struct hb_site *site)
{
    return hb_site_is_set(site) ? json_string(site->text) : json_null();
}

static json_t *known_or_null(int64_t number)
{
    return number < 0 ? json_null() : json_integer(number);
}

static void add_preferences(const struct group_now *g, const struct site_now *s, json_t *o)
{
    if (!g->has_config || s->rank == 0)
        return;
    json_object_set_new(o, "nofailover", json_boolean(g->config.nofailover[s->rank - 1]));
    if (s->rank > 1)
        json_object_set_new(o, "priority", json_integer(g->config.priority[s->rank - 1]));
}

static json_t *site_json(const struct group_now *g, const struct site_now *s)
{
    json_t *o = json_pack("{s:s, s:i, s:b, s:b, s:b}", "site", s->site.text, "rank", (int)s->rank,
                          "leader", s->is_leader, "silent", s->is_silent, "fit",
                          s->is_leader || (s->has_heartbeat && !s->is_silent && s->hb.fit));
    add_preferences(g, s, o);
    if (s->unfit.code)
        json_object_set_new(o, "unfit", json_string(s->unfit.text));
    if (s->silence_needed_ms && !s->is_leader)
        json_object_set_new(o, "silence_needed_ms", json_integer(s->silence_needed_ms));
    if (!s->has_heartbeat)
        return o;
    json_object_set_new(o, "role", json_string(hb_role_name(s->hb.role)));
    json_object_set_new(o, "heard_ms", json_integer(s->heard_ms));
    json_object_set_new(o, "rtt_us", known_or_null(s->hb.rtt_us));
    json_object_set_new(o, "failures", json_integer(s->hb.failures));
    json_object_set_new(o, "successes", json_integer(s->hb.successes));
    json_object_set_new(o, "probe", json_string(hb_probe_name(s->hb.probe)));
    json_object_set_new(o, "probe_latency_us", known_or_null(s->hb.probe_latency_us));
    json_object_set_new(o, "lag", known_or_null(s->hb.lag));
    json_object_set_new(o, "counter", json_integer((json_int_t)s->hb.counter));
    json_object_set_new(o, "config_revision", json_integer((json_int_t)s->hb.config_revision));
    return o;
}

static json_t *lease_json(const struct group_now *g)
{
    if (!g->has_lease)
        return json_null();
    return json_pack("{s:o, s:o, s:s, s:I, s:s, s:b, s:b, s:I}", "leader",
                     site_or_null(&g->lease.site), "next", site_or_null(&g->lease.next), "status",
                     hb_status_name(g->lease.status), "epoch", (json_int_t)g->lease.epoch, "reason",
                     hb_reason_name(g->lease.reason), "paused", g->lease.paused, "chosen",
                     g->lease.chosen, "expires_in_ms", (json_int_t)g->lease.expires_in_ms);
}

static json_t *config_json(const struct group_now *g)
{
    char text[CLUSTER_CONFIG_TEXT_MAX];
    if (!g->has_config)
        return json_null();
    cluster_config_render(&g->config, text);
    json_t *config = json_loads(text, 0, NULL);
    return config ? config : json_null();
}

static json_t *vips_json(const struct group_now *g)
{
    json_t *list = json_array();
    for (size_t i = 0; i < g->vip_count; i++) {
        const struct group_vip *v = &g->vips[i];
        json_t *up = json_array();
        for (size_t s = 0; s < g->site_count; s++)
            if (v->up & 1u << s)
                json_array_append_new(up, json_string(g->sites[s].site.text));
        json_array_append_new(list, json_pack("{s:s, s:o, s:b}", "address", v->address, "up", up,
                                              "contested", v->contested != 0));
    }
    return list;
}

/* Also one that is over: what became of it. */
static json_t *request_json(const struct group_now *g)
{
    char text[FAILOVER_REQUEST_TEXT_MAX];
    if (!g->has_request)
        return json_null();
    failover_request_render(&g->request, text);
    json_t *request = json_loads(text, 0, NULL);
    return request ? request : json_null();
}

json_t *group_json(const struct group_now *g)
{
    json_t *sites = json_array(), *warnings = json_array();
    for (size_t i = 0; i < g->site_count; i++)
        json_array_append_new(sites, site_json(g, &g->sites[i]));
    for (size_t i = 0; i < g->warning_count; i++) {
        HM_AUTOFREE char *text = show_cleaned(g->warnings[i].text);
        json_array_append_new(warnings, json_string(text));
    }
    const struct site_now *next = group_successor(g);
    return json_pack("{s:s, s:o, s:o, s:o, s:I, s:o, s:o, s:o, s:o, s:o}", "group", g->group,
                     "lease", lease_json(g), "request", request_json(g), "config", config_json(g),
                     "config_revision", (json_int_t)g->config_revision, "leader_since_ms",
                     known_or_null(g->leader_since_ms), "sites", sites, "vip", vips_json(g),
                     "warnings", warnings, "successor",
                     next ? json_string(next->site.text) : json_null());
}
