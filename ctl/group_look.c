/* The facts of group_view.h. */
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "ctl/group.h"
#include "ctl/group_view.h"
#include "ctl/json_text.h"
#include "ctl/show.h"

enum { FALLBACK_INTERVAL_MS = 1000, SILENT_INTERVALS = 3 };

static struct hm_error *next_warning(struct group_now *g)
{
    if (g->warning_count == GROUP_WARNINGS_MAX)
        g->warning_count--; /* the last one gives way */
    return &g->warnings[g->warning_count++];
}

static const struct entry *find_key(const struct entries *last, const char *group, const char *key)
{
    HM_AUTOFREE char *stored = group_key(group, key);
    const struct entry *e = entries_find(last, stored);
    return e && !e->deleted ? e : NULL;
}

static void look_at_config(struct group_now *g, const struct entries *last)
{
    const struct entry *e = find_key(last, g->group, KEY_CONFIG);
    struct hm_error why;
    if (!e) {
        hm_fail(next_warning(g), HM_E_NOT_FOUND,
                "there is no cluster_config (harmonyctl failover init makes it)");
        return;
    }
    g->config_revision = e->revision;
    g->has_config = cluster_config_parse(e->value, e->len, &g->config, &why) >= 0;
    if (!g->has_config)
        hm_fail(next_warning(g), why.code, "cluster_config rev %llu refused: %s",
                (unsigned long long)e->revision, why.text);
}

static struct site_now *find_site(struct group_now *g, const struct hb_site *site)
{
    for (size_t i = 0; i < g->site_count; i++)
        if (hb_site_equal(&g->sites[i].site, site))
            return &g->sites[i];
    if (g->site_count == GROUP_SITES_MAX)
        return NULL;
    struct site_now *s = &g->sites[g->site_count++];
    *s = (struct site_now){.site = *site, .is_silent = true};
    s->rank = g->has_config ? cluster_config_rank(&g->config, site) : 0;
    return s;
}

static int64_t interval_ms(const struct group_now *g, const struct heartbeat *hb)
{
    if (hb->interval_ms > 0)
        return hb->interval_ms;
    return g->has_config ? g->config.heartbeat_interval_ms : FALLBACK_INTERVAL_MS;
}

/* The newest word of a site counts, under whichever key it stands. */
static void hear(struct group_now *g, const struct heartbeat *hb, int64_t stamp_ns, int64_t now_ns)
{
    struct site_now *s = find_site(g, &hb->site);
    int64_t heard_ms = (now_ns - stamp_ns) / HM_MS;
    heard_ms = heard_ms < 0 ? 0 : heard_ms;
    if (!s || (s->has_heartbeat && s->heard_ms <= heard_ms && !s->is_leader))
        return;
    s->has_heartbeat = true;
    s->hb = *hb;
    s->heard_ms = heard_ms;
    s->is_silent = heard_ms > SILENT_INTERVALS * interval_ms(g, hb);
}

static void look_at_replicas(struct group_now *g, const struct entries *last, int64_t now_ns)
{
    for (size_t i = 0; i < last->count; i++) {
        const struct entry *e = &last->items[i];
        const char *key = key_in_group(g->group, e->key);
        struct heartbeat hb;
        if (!key || e->deleted || strncmp(key, KEY_REPLICA, strlen(KEY_REPLICA)) != 0)
            continue;
        if (heartbeat_parse(e->value, e->len, false, &hb, NULL) >= 0 &&
            strcmp(hb.site.text, key + strlen(KEY_REPLICA)) == 0)
            hear(g, &hb, e->stamp_ns, now_ns);
    }
}

static void look_at_lease(struct group_now *g, const struct entries *last, int64_t now_ns)
{
    const struct entry *e = find_key(last, g->group, KEY_LEASE);
    struct hm_error why;
    if (!e) {
        hm_fail(
            next_warning(g), HM_E_NOT_FOUND,
            "there is no primary_heartbeat: nobody can lead (harmonyctl failover init makes it)");
        return;
    }
    g->has_lease = heartbeat_parse(e->value, e->len, true, &g->lease, &why) >= 0;
    if (!g->has_lease) {
        hm_fail(next_warning(g), why.code, "primary_heartbeat rev %llu can't be read: %s",
                (unsigned long long)e->revision, why.text);
        return;
    }
    struct site_now *s = hb_site_is_set(&g->lease.site) ? find_site(g, &g->lease.site) : NULL;
    if (!s)
        return;
    s->is_leader = true;
    hear(g, &g->lease, e->stamp_ns, now_ns);
}

/* cluster_state is written once for each epoch: its stamp is the beginning of this one. */
static void look_at_state(struct group_now *g, const struct entries *last, int64_t now_ns)
{
    const struct entry *e = find_key(last, g->group, KEY_STATE);
    json_t *state = entry_object(e);
    g->leader_since_ms = -1;
    if (state && g->has_lease &&
        json_integer_value(json_object_get(state, "epoch")) == (json_int_t)g->lease.epoch)
        g->leader_since_ms = (now_ns - e->stamp_ns) / HM_MS;
    json_decref(state);
}

static void look_at_request(struct group_now *g, const struct entries *last)
{
    HM_AUTOFREE char *key = group_key(g->group, FAILOVER_REQUEST_KEY);
    const struct entry *e = entries_find(last, key);
    struct hm_error ignored;
    if (!e)
        return;
    g->request_revision = e->revision;
    g->has_request =
        !e->deleted && failover_request_parse(e->value, e->len, &g->request, &ignored) >= 0;
}

/* docs/failover section 4: (1 + rho) x max(failover_timeout, expires_in) + (rank - 1) x 2T of
 * silence. */
static int64_t silence_needed_ms(const struct group_now *g, unsigned rank)
{
    int64_t longest = g->config.failover_timeout_ms;
    if (g->has_lease && g->lease.expires_in_ms > longest)
        longest = g->lease.expires_in_ms;
    int64_t drift = longest * CLUSTER_DRIFT_PPM / 1000000 + 1;
    int64_t turns = 0;
    for (unsigned i = 0; i + 1 < rank; i++)
        turns += g->config.nofailover[i] ? 0 : 2 * g->config.heartbeat_interval_ms;
    return longest + drift + turns;
}

static void look_at_sites(struct group_now *g)
{
    for (size_t i = 0; g->has_config && i < g->site_count; i++)
        g->sites[i].silence_needed_ms = silence_needed_ms(g, g->sites[i].rank);
}

static void add_config_sites(struct group_now *g)
{
    for (unsigned i = 0; g->has_config && i < g->config.site_count; i++)
        find_site(g, &g->config.sites[i]);
}

static void add_config_warnings(struct group_now *g, int replicas)
{
    struct hm_error found[CLUSTER_WARNINGS_MAX];
    unsigned count = g->has_config ? cluster_config_warnings(&g->config, replicas > 1, found) : 0;
    for (unsigned i = 0; i < count; i++)
        *next_warning(g) = found[i];
    if (replicas == 1)
        hm_fail(next_warning(g), HM_E_UNSUPPORTED,
                "the bucket has 1 replica: an acknowledged write can be lost with its server");
}

void group_look(const struct entries *last, const char *group, int64_t now_ns, int replicas,
                struct group_now *ret)
{
    *ret = (struct group_now){.group = show_cleaned(group)};
    look_at_config(ret, last);
    add_config_sites(ret);
    look_at_replicas(ret, last, now_ns);
    look_at_lease(ret, last, now_ns);
    look_at_state(ret, last, now_ns);
    look_at_request(ret, last);
    look_at_sites(ret);
    add_config_warnings(ret, replicas);
}

static void hear_agent(const struct entry *e, struct group_now *g, size_t site)
{
    json_t *status = entry_object(e);
    const json_t *failover = json_object_get(status, "failover");
    const char *why = text_of(failover, "unfit");
    if (strcmp(text_of(failover, "group"), g->group) == 0) {
        if (*why)
            hm_fail(&g->sites[site].unfit, HM_E_REFUSED, "%s", why);
        if (json_object_get(failover, "vip"))
            group_hear_vips(g, site, json_object_get(failover, "vip"));
    }
    json_decref(status);
}

static void warn_of_vips(struct group_now *g)
{
    struct hm_error why;
    for (size_t i = 0; i < g->vip_count; i++)
        if (group_vip_warning(g, &g->vips[i], &why))
            *next_warning(g) = why;
}

void group_hear_agents(const struct entries *status, struct group_now *g)
{
    for (size_t i = 0; i < g->site_count; i++) {
        HM_AUTOFREE char *key = hm_printf("%s.agent", g->sites[i].site.text);
        const struct entry *e = entries_find(status, key);
        if (e)
            hear_agent(e, g, i);
    }
    warn_of_vips(g);
}

void group_clear(struct group_now *g)
{
    free(g->group);
    *g = (struct group_now){0};
}

const struct site_now *group_leader(const struct group_now *g)
{
    for (size_t i = 0; i < g->site_count; i++)
        if (g->sites[i].is_leader)
            return &g->sites[i];
    return NULL;
}

const struct site_now *group_site(const struct group_now *g, const struct hb_site *site)
{
    for (size_t i = 0; i < g->site_count; i++)
        if (hb_site_equal(&g->sites[i].site, site))
            return &g->sites[i];
    return NULL;
}

int group_check_config(const struct group_now *g, struct hm_error *err)
{
    if (g->has_config)
        return 0;
    return hm_fail(err, HM_E_INVALID, "group %s has no valid cluster_config: %s", g->group,
                   g->warning_count ? g->warnings[0].text : "there is none");
}

int group_check_site(const struct group_now *g, const struct hb_site *site, struct hm_error *err)
{
    int r = group_check_config(g, err);
    if (r < 0 || cluster_config_rank(&g->config, site) != 0)
        return r;
    return hm_fail(err, HM_E_NOT_FOUND, "%s is no site of group %s (cluster_config)", site->text,
                   g->group);
}

bool group_lets_promote(const struct group_now *g, const struct site_now *s)
{
    return !g->has_lease || !g->lease.failsafe || heartbeat_names_voter(&g->lease, &s->site);
}

static bool could_lead(const struct group_now *g, const struct site_now *s)
{
    return group_lets_promote(g, s) && !s->is_leader && s->rank > 0 && s->has_heartbeat &&
           !s->is_silent && s->hb.fit && !cluster_config_bars(&g->config, &s->site);
}

const struct site_now *group_successor(const struct group_now *g)
{
    const struct site_now *best = NULL;
    for (size_t i = 0; i < g->site_count; i++)
        if (could_lead(g, &g->sites[i]) && (!best || g->sites[i].rank < best->rank))
            best = &g->sites[i];
    return best;
}
