#include "proto/cluster_config.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "proto/address.h"
#include "proto/text.h"
#include "proto/tree.h"

enum { PPM = 1000000, DAY_MS = 24 * 3600 * 1000, HOUR_MS = 3600 * 1000 };

static const struct field site_fields[] = {
    {.name = "site", .type = FIELD_NAME, .required = true, .help = "A site of this group."},
    {.name = "nofailover",
     .type = FIELD_BOOL,
     .default_value = "false",
     .help = "It never takes the role, neither by silence nor by a release or a switchover; only "
             "harmonyctl failover promote --force overrides this. What it leads it keeps."},
    {.name = "priority",
     .type = FIELD_INT,
     .min = 0,
     .max = 1000,
     .help = "Replicas of a higher one rank before those of a lower one, equal ones as they are "
             "listed; absent: 100. Not for the preferred primary, whose rank is always 1."},
    {.name = NULL},
};

const struct field cluster_config_fields[] = {
    {.name = "primary_site_id",
     .type = FIELD_NAME,
     .required = true,
     .help = "The preferred primary; its rank is 1."},
    {.name = "replica_site_id",
     .type = FIELD_NAME,
     .help = "The replica, when there is one. With replica_site_ids: its first."},
    {.name = "replica_site_ids",
     .type = FIELD_LIST,
     .element = FIELD_NAME,
     .min = 1,
     .max = CLUSTER_SITES_MAX - 1,
     .help = "Replicas by rank, when there are several."},
    {.name = "sites",
     .type = FIELD_LIST,
     .element = FIELD_OBJECT,
     .fields = site_fields,
     .unique_by = "site",
     .max = CLUSTER_SITES_MAX,
     .help = "What is special about a site."},
    {.name = "failover_timeout_ms",
     .type = FIELD_INT,
     .required = true,
     .min = 100,
     .max = DAY_MS,
     .help =
         "Silence of the leader after which a replica promotes. At least the sum that an error "
         "shows: (F + fence_timeout + guardian) / (1 - drift) + 10, F = (failure_threshold + 1) "
         "x heartbeat_interval_ms."},
    {.name = "heartbeat_interval_ms",
     .type = FIELD_INT,
     .required = true,
     .min = 50,
     .max = 60000,
     .help = "T: time between heartbeats, and the limit of each."},
    {.name = "failure_threshold",
     .type = FIELD_INT,
     .default_value = "2",
     .min = 1,
     .max = 1000,
     .help = "n: so many failed heartbeats in a row, and the leader fences itself."},
    {.name = "success_threshold",
     .type = FIELD_INT,
     .default_value = "2",
     .min = 1,
     .max = 1000,
     .help = "So many heartbeats in a row before a site counts as up and may lead."},
    {.name = "fence_timeout_ms",
     .type = FIELD_INT,
     .default_value = "1500",
     .min = 1,
     .max = 120000,
     .help = "Soft stop, kill and verification of the workload take no longer."},
    {.name = "promote_timeout_ms",
     .type = FIELD_INT,
     .default_value = "60000",
     .min = 100,
     .max = HOUR_MS,
     .help = "Starting the workload takes no longer, else it has failed."},
    {.name = "max_promise_ms",
     .type = FIELD_INT,
     .default_value = "150000",
     .min = 1000,
     .max = HB_PROMISE_MAX_MS,
     .help = "The longest promise allowed; waited for when a heartbeat can't be read."},
    {.name = "yield_to_primary",
     .type = FIELD_BOOL,
     .default_value = "true",
     .help = "Give the role back to the preferred primary once it is ready again."},
    {.name = "yield_after_ms",
     .type = FIELD_INT,
     .default_value = "30000",
     .min = 0,
     .max = DAY_MS,
     .help = "It has to be ready for so long first; doubled after a return of less than 10 min."},
    {.name = "maximum_lag",
     .type = FIELD_INT,
     .min = 0,
     .max = INT64_MAX,
     .help = "Bytes that a replica may be behind and still promote; absent: any."},
    {.name = "paused",
     .type = FIELD_BOOL,
     .default_value = "false",
     .help = "Nothing starts, stops or moves by itself."},
    {.name = "failsafe",
     .type = FIELD_BOOL,
     .default_value = "false",
     .help = "A leader that can't write goes on as long as every voter consents (a voter: each "
             "other site with an address)."},
    {.name = "addresses",
     .type = FIELD_MAP,
     .help = "host:port of each site's agent, by site, for failsafe. A site without one is no "
             "voter, and does not promote by silence while failsafe is on."},
    {.name = "consistency",
     .type = FIELD_STRING,
     .default_value = "\"CP\"",
     .min = 1,
     .max = 16,
     .help = "CP: a leader that can't write its lease stops. There is nothing else."},
    {.name = NULL},
};

/* -- timing ------------------------------------------------------------------------------------ */

int64_t cluster_config_fence_start_ms(const struct cluster_config *config)
{
    return ((int64_t)config->failure_threshold + 1) * config->heartbeat_interval_ms;
}

static int64_t promised_sum(const struct cluster_config *config)
{
    return cluster_config_fence_start_ms(config) + config->fence_timeout_ms + CLUSTER_GUARDIAN_MS;
}

int64_t cluster_config_promise_ms(const struct cluster_config *config)
{
    int64_t rest = PPM - CLUSTER_DRIFT_PPM;
    return (promised_sum(config) * PPM + rest - 1) / rest;
}

static int fail_sum(const struct cluster_config *config, const char *name, int64_t value,
                    int64_t least, const char *tail, struct hm_error *err)
{
    return hm_fail(err, HM_E_INVALID,
                   "%s %" PRId64 " is below %" PRId64 " = (F %" PRId64 " + fence_timeout %" PRId64
                   " + guardian %d) / 0.9995%s",
                   name, value, least, cluster_config_fence_start_ms(config),
                   config->fence_timeout_ms, CLUSTER_GUARDIAN_MS, tail);
}

/* docs/failover section 4: "failover_timeout >= expires_in + 10 ms, else it is refused with the sum" */
int cluster_config_check(const struct cluster_config *config, struct hm_error *err)
{
    int64_t promise = cluster_config_promise_ms(config);
    if (config->failover_timeout_ms < promise + CLUSTER_MARGIN_MS)
        return fail_sum(config, "failover_timeout_ms", config->failover_timeout_ms,
                        promise + CLUSTER_MARGIN_MS, " + 10", err);
    if (config->max_promise_ms < promise)
        return fail_sum(config, "max_promise_ms", config->max_promise_ms, promise, "", err);
    return 0;
}

/* -- form -------------------------------------------------------------------------------------- */

static int add_site(struct cluster_config *config, const char *name, struct hm_error *err)
{
    struct hb_site site;
    hb_site_from(name, &site); /* a FIELD_NAME is one */
    if (cluster_config_rank(config, &site) != 0)
        return hm_fail(err, HM_E_INVALID, "site \"%s\" is named twice: name each site once", name);
    config->sites[config->site_count++] = site;
    return 0;
}

static int add_replicas(struct cluster_config *config, const json_t *spec, struct hm_error *err)
{
    const char *first = spec_str(spec, "replica_site_id");
    const json_t *list = json_object_get(spec, "replica_site_ids");
    const char *of_list = list ? json_string_value(json_array_get(list, 0)) : NULL;
    if (first && of_list && strcmp(first, of_list) != 0)
        return hm_fail(err, HM_E_INVALID,
                       "replica_site_id: \"%s\" is not the first of replica_site_ids (\"%s\"): "
                       "leave one of the two out",
                       first, of_list);
    if (!list)
        return first ? add_site(config, first, err) : 0;
    size_t i;
    json_t *name;
    json_array_foreach((json_t *)list, i, name)
    {
        int rc = add_site(config, json_string_value(name), err);
        if (rc < 0)
            return rc;
    }
    return 0;
}

/* -- what is special about a site ---------------------------------------------------------------- */

static int take_site(struct cluster_config *config, const json_t *special, struct hm_error *err)
{
    struct hb_site site;
    hb_site_from(spec_str(special, "site"), &site);
    unsigned rank = cluster_config_rank(config, &site);
    int64_t priority = spec_int(special, "priority", -1);
    if (rank == 0)
        return hm_fail(err, HM_E_INVALID, "sites: \"%s\" is no site of this group", site.text);
    if (rank == 1 && priority >= 0)
        return hm_fail(err, HM_E_INVALID,
                       "sites: \"%s\" is the primary_site_id and ranks first, whatever its "
                       "priority: leave that out",
                       site.text);
    config->nofailover[rank - 1] = spec_bool(special, "nofailover");
    if (priority >= 0)
        config->priority[rank - 1] = (uint32_t)priority;
    return 0;
}

static void swap_sites(struct cluster_config *config, unsigned i, unsigned k)
{
    struct hb_site site = config->sites[i];
    uint32_t priority = config->priority[i];
    bool nofailover = config->nofailover[i];
    config->sites[i] = config->sites[k];
    config->priority[i] = config->priority[k];
    config->nofailover[i] = config->nofailover[k];
    config->sites[k] = site;
    config->priority[k] = priority;
    config->nofailover[k] = nofailover;
}

/* Equal ones stay in the order of the list. */
static void rank_by_priority(struct cluster_config *config)
{
    for (unsigned i = 2; i < config->site_count; i++)
        for (unsigned k = i; k > 1 && config->priority[k] > config->priority[k - 1]; k--)
            swap_sites(config, k, k - 1);
}

static int take_sites(struct cluster_config *config, const json_t *spec, struct hm_error *err)
{
    size_t i;
    json_t *special;
    for (unsigned k = 0; k < config->site_count; k++)
        config->priority[k] = CLUSTER_PRIORITY;
    json_array_foreach(json_object_get(spec, "sites"), i, special)
    {
        int rc = take_site(config, special, err);
        if (rc < 0)
            return rc;
    }
    rank_by_priority(config);
    return 0;
}

static int check_consistency(const json_t *spec, struct hm_error *err)
{
    char shown[TEXT_QUOTE_MAX];
    const char *given = spec_str(spec, "consistency");
    if (strcmp(given, "CP") == 0)
        return 0;
    text_quote(given, shown);
    return hm_fail(err, HM_E_UNSUPPORTED,
                   "consistency: %s is refused: only \"CP\" exists (a leader that can't write its "
                   "lease stops); leave the field out",
                   shown);
}

static int take_address(struct cluster_config *config, const char *name, const char *address,
                        struct hm_error *err)
{
    char host[HOST_TEXT_MAX + 1], shown[TEXT_QUOTE_MAX];
    uint16_t port;
    struct hb_site site;
    unsigned rank = hb_site_from(name, &site) ? cluster_config_rank(config, &site) : 0;
    if (rank == 0) {
        text_quote(name, shown);
        return hm_fail(err, HM_E_INVALID, "addresses: %s is no site of this group", shown);
    }
    if (!host_port_parse(address, host, &port)) {
        text_quote(address, shown);
        return hm_fail(err, HM_E_INVALID,
                       "addresses.%s: %s is not HOST:PORT (db1.example.net:7422, [fd00::1]:7422)",
                       name, shown);
    }
    memcpy(config->addresses[rank - 1], address, strlen(address) + 1); /* fits: it was parsed */
    return 0;
}

/* With fewer than two there would be a leader that needs nobody's consent. */
static int check_voters(const struct cluster_config *config, struct hm_error *err)
{
    unsigned known = 0;
    for (unsigned i = 0; i < config->site_count; i++)
        known += config->addresses[i][0] != '\0';
    if (!config->failsafe || known >= 2)
        return 0;
    return hm_fail(err, HM_E_INVALID,
                   "failsafe: needs the addresses of at least two sites, of which one can consent "
                   "when the other leads; addresses has %u",
                   known);
}

static int take_failsafe(struct cluster_config *config, const json_t *spec, struct hm_error *err)
{
    const char *name;
    json_t *address;
    config->failsafe = spec_bool(spec, "failsafe");
    json_object_foreach(json_object_get(spec, "addresses"), name, address)
    {
        int rc = take_address(config, name, json_string_value(address), err);
        if (rc < 0)
            return rc;
    }
    return check_voters(config, err);
}

static void take_numbers(struct cluster_config *config, const json_t *spec)
{
    config->heartbeat_interval_ms = spec_int(spec, "heartbeat_interval_ms", 0);
    config->failover_timeout_ms = spec_int(spec, "failover_timeout_ms", 0);
    config->fence_timeout_ms = spec_int(spec, "fence_timeout_ms", 0);
    config->promote_timeout_ms = spec_int(spec, "promote_timeout_ms", 0);
    config->max_promise_ms = spec_int(spec, "max_promise_ms", 0);
    config->yield_after_ms = spec_int(spec, "yield_after_ms", 0);
    config->maximum_lag = spec_int(spec, "maximum_lag", -1);
    config->failure_threshold = (uint32_t)spec_int(spec, "failure_threshold", 1);
    config->success_threshold = (uint32_t)spec_int(spec, "success_threshold", 1);
    config->paused = spec_bool(spec, "paused");
    config->yield_to_primary = spec_bool(spec, "yield_to_primary");
}

static int from_spec(const json_t *spec, struct cluster_config *ret, struct hm_error *err)
{
    struct cluster_config config = {0};
    int rc = check_consistency(spec, err);
    if (rc == 0)
        rc = add_site(&config, spec_str(spec, "primary_site_id"), err);
    if (rc == 0)
        rc = add_replicas(&config, spec, err);
    if (rc == 0)
        rc = take_sites(&config, spec, err);
    take_numbers(&config, spec);
    if (rc == 0)
        rc = take_failsafe(&config, spec, err);
    if (rc == 0)
        rc = cluster_config_check(&config, err);
    if (rc == 0)
        *ret = config;
    return rc;
}

int cluster_config_parse(const void *value, size_t len, struct cluster_config *ret,
                         struct hm_error *err)
{
    json_t *spec = NULL;
    int rc = tree_read_record(cluster_config_fields, value, len, &spec, err);
    if (rc >= 0)
        rc = from_spec(spec, ret, err);
    json_decref(spec);
    return rc;
}

/* -- the rest ---------------------------------------------------------------------------------- */

unsigned cluster_config_rank(const struct cluster_config *config, const struct hb_site *site)
{
    for (unsigned i = 0; i < config->site_count; i++)
        if (hb_site_equal(&config->sites[i], site))
            return i + 1;
    return 0;
}

bool cluster_config_bars(const struct cluster_config *config, const struct hb_site *site)
{
    unsigned rank = cluster_config_rank(config, site);
    return rank != 0 && config->nofailover[rank - 1];
}

static bool sites_equal(const struct cluster_config *a, const struct cluster_config *b)
{
    if (a->site_count != b->site_count)
        return false;
    for (unsigned i = 0; i < a->site_count; i++)
        if (!hb_site_equal(&a->sites[i], &b->sites[i]) || a->priority[i] != b->priority[i] ||
            a->nofailover[i] != b->nofailover[i] || strcmp(a->addresses[i], b->addresses[i]) != 0)
            return false;
    return true;
}

/* Field by field: padding is not content. */
bool cluster_config_equal(const struct cluster_config *a, const struct cluster_config *b)
{
    return sites_equal(a, b) && a->heartbeat_interval_ms == b->heartbeat_interval_ms &&
           a->failover_timeout_ms == b->failover_timeout_ms &&
           a->fence_timeout_ms == b->fence_timeout_ms &&
           a->promote_timeout_ms == b->promote_timeout_ms &&
           a->max_promise_ms == b->max_promise_ms && a->yield_after_ms == b->yield_after_ms &&
           a->maximum_lag == b->maximum_lag && a->failure_threshold == b->failure_threshold &&
           a->success_threshold == b->success_threshold && a->paused == b->paused &&
           a->yield_to_primary == b->yield_to_primary && a->failsafe == b->failsafe;
}

static const struct hb_site *site_without_address(const struct cluster_config *config)
{
    for (unsigned i = 0; i < config->site_count; i++)
        if (config->addresses[i][0] == '\0')
            return &config->sites[i];
    return NULL;
}

static unsigned replicas_that_may_lead(const struct cluster_config *config)
{
    unsigned count = 0;
    for (unsigned i = 1; i < config->site_count; i++)
        count += !config->nofailover[i];
    return count;
}

static void warn_of_nofailover(const struct cluster_config *config, unsigned *count,
                               struct hm_error *out)
{
    if (config->nofailover[0])
        hm_fail(&out[(*count)++], HM_E_REFUSED,
                "%s is the preferred primary and nofailover: it never takes the role, not even "
                "the first one (sites)",
                config->sites[0].text);
    if (config->site_count > 1 && replicas_that_may_lead(config) == 0)
        hm_fail(&out[(*count)++], HM_E_REFUSED,
                "every replica is nofailover: nobody takes over without harmonyctl failover "
                "promote --force (sites)");
}

unsigned cluster_config_warnings(const struct cluster_config *config, bool replicated,
                                 struct hm_error out[CLUSTER_WARNINGS_MAX])
{
    enum { ELECTION_MS = 11000 };
    unsigned count = 0;
    int64_t fence_start = cluster_config_fence_start_ms(config);
    if (config->failure_threshold == 1)
        hm_fail(&out[count++], HM_E_REFUSED,
                "failure_threshold 1: one lost heartbeat fences; a live migration of the host can "
                "cost one");
    if (replicated && fence_start < ELECTION_MS && !config->failsafe)
        hm_fail(&out[count++], HM_E_REFUSED,
                "the leader fences after F = %" PRId64 " ms without a write; when a NATS node is "
                "lost, electing another took up to 8.6 s: choose heartbeat_interval_ms x "
                "(failure_threshold + 1) of 11000 or more, or failsafe",
                fence_start);
    const struct hb_site *silent = config->failsafe ? site_without_address(config) : NULL;
    if (silent)
        hm_fail(&out[count++], HM_E_REFUSED,
                "failsafe: %s has no address, so it never promotes by silence: only by a release "
                "or promote --force (addresses)",
                silent->text);
    if (config->site_count == 1)
        hm_fail(&out[count++], HM_E_REFUSED,
                "the group has one site: nobody can take over (replica_site_id)");
    warn_of_nofailover(config, &count, out);
    return count;
}

static json_t *replicas_json(const struct cluster_config *config)
{
    json_t *list = json_array();
    for (unsigned i = 1; i < config->site_count; i++)
        json_array_append_new(list, json_string(config->sites[i].text));
    return list;
}

static json_t *sites_json(const struct cluster_config *config)
{
    json_t *list = json_array();
    for (unsigned i = 0; i < config->site_count; i++) {
        bool has_priority = i > 0 && config->priority[i] != CLUSTER_PRIORITY;
        if (!config->nofailover[i] && !has_priority)
            continue;
        json_t *site = json_pack("{s:s, s:b}", "site", config->sites[i].text, "nofailover",
                                 config->nofailover[i]);
        if (has_priority)
            json_object_set_new(site, "priority", json_integer(config->priority[i]));
        json_array_append_new(list, site);
    }
    return list;
}

static json_t *addresses_json(const struct cluster_config *config)
{
    json_t *map = json_object();
    for (unsigned i = 0; i < config->site_count; i++)
        if (config->addresses[i][0] != '\0')
            json_object_set_new(map, config->sites[i].text, json_string(config->addresses[i]));
    return map;
}

static json_t *to_json(const struct cluster_config *c)
{
    json_t *o = json_object();
    json_object_set_new(o, "primary_site_id", json_string(c->sites[0].text));
    if (c->site_count == 2)
        json_object_set_new(o, "replica_site_id", json_string(c->sites[1].text));
    else if (c->site_count > 2)
        json_object_set_new(o, "replica_site_ids", replicas_json(c));
    json_t *special = sites_json(c);
    if (json_array_size(special) > 0)
        json_object_set(o, "sites", special);
    json_decref(special);
    json_object_set_new(o, "failover_timeout_ms", json_integer(c->failover_timeout_ms));
    json_object_set_new(o, "heartbeat_interval_ms", json_integer(c->heartbeat_interval_ms));
    json_object_set_new(o, "failure_threshold", json_integer(c->failure_threshold));
    json_object_set_new(o, "success_threshold", json_integer(c->success_threshold));
    json_object_set_new(o, "fence_timeout_ms", json_integer(c->fence_timeout_ms));
    json_object_set_new(o, "promote_timeout_ms", json_integer(c->promote_timeout_ms));
    json_object_set_new(o, "max_promise_ms", json_integer(c->max_promise_ms));
    json_object_set_new(o, "yield_to_primary", json_boolean(c->yield_to_primary));
    json_object_set_new(o, "yield_after_ms", json_integer(c->yield_after_ms));
    if (c->maximum_lag >= 0)
        json_object_set_new(o, "maximum_lag", json_integer(c->maximum_lag));
    json_object_set_new(o, "paused", json_boolean(c->paused));
    json_object_set_new(o, "failsafe", json_boolean(c->failsafe));
    json_object_set_new(o, "addresses", addresses_json(c));
    return o;
}

size_t cluster_config_render(const struct cluster_config *config, char out[CLUSTER_CONFIG_TEXT_MAX])
{
    json_t *o = to_json(config);
    size_t len = json_dumpb(o, out, CLUSTER_CONFIG_TEXT_MAX - 1, JSON_COMPACT);
    json_decref(o);
    out[len] = '\0';
    return len;
}
