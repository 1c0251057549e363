/* docs/failover section 4, "Time": what a configuration comes to. */
#include "failover/core.h"

enum { PPM = 1000000 };

/* expires_in = ceil((F + fence_timeout + Lg) / (1 - rho)), rule by rule. */
static int64_t promise_ms(const struct fo_state *s, const struct cluster_config *config)
{
    int64_t sum = cluster_config_fence_start_ms(config);
    if (fo_rule_on(s, FO_RULE_PROMISE_FENCE))
        sum += config->fence_timeout_ms;
    if (fo_rule_on(s, FO_RULE_PROMISE_LATENESS))
        sum += FO_LATENESS_MS;
    if (!fo_rule_on(s, FO_RULE_PROMISE_DRIFT))
        return sum;
    int64_t rest = PPM - CLUSTER_DRIFT_PPM;
    return (sum * PPM + rest - 1) / rest;
}

/* "Before a planned restart the agent gets a longer promise": F is what it leaves. (5) */
static void promise_longer(struct fo_state *s, int64_t longer_ms)
{
    if (longer_ms <= s->terms.promise_ms || !fo_rule_on(s, FO_RULE_LEAVE_PROMISE))
        return;
    int64_t by_slow_clock = longer_ms * (PPM - CLUSTER_DRIFT_PPM) * (FO_MS / PPM);
    s->terms.promise_ms = longer_ms;
    s->terms.fence_start = by_slow_clock - s->terms.fence_limit - FO_LATENESS;
}

/* Candidates before this site: neither the silent holder is waited for, nor who would not take over. */
static unsigned sites_before(const struct fo_state *s)
{
    const struct cluster_config *config = &s->config;
    unsigned count = 0;
    for (unsigned i = 0; i + 1 < s->rank; i++) {
        bool holds = s->known.readable && hb_site_equal(&config->sites[i], &s->known.record.site);
        count += !holds && !config->nofailover[i];
    }
    return count;
}

/* "(1 + rho) x max(failover_timeout, expires_in) + (rank-1) x 2T of silence on its own BOOTTIME" */
static int64_t silence_needed(const struct fo_state *s)
{
    int64_t promise = s->known.readable ? s->known.record.expires_in_ms : s->config.max_promise_ms;
    int64_t wait = s->terms.failover;
    if (fo_rule_on(s, FO_RULE_HONOUR_PROMISE))
        wait = fo_max(wait, promise * FO_MS);
    if (fo_rule_on(s, FO_RULE_WAIT_DRIFT))
        wait += wait / (PPM / CLUSTER_DRIFT_PPM) + 1;
    if (fo_rule_on(s, FO_RULE_RANK_STAGGER))
        wait += sites_before(s) * 2 * s->terms.period;
    return wait;
}

void fo_silence_take(struct fo_state *s)
{
    s->known.needed = silence_needed(s);
}

void fo_terms_take(struct fo_state *s, const struct cluster_config *config)
{
    s->terms.period = config->heartbeat_interval_ms * FO_MS;
    s->terms.fence_start = cluster_config_fence_start_ms(config) * FO_MS;
    s->terms.fence_limit = config->fence_timeout_ms * FO_MS;
    s->terms.failover = config->failover_timeout_ms * FO_MS;
    s->terms.promise_ms = promise_ms(s, config);
    s->terms.config_number++;
    if (s->leave.promise_ms != 0)
        promise_longer(s, fo_min(s->leave.promise_ms, config->max_promise_ms));
    fo_silence_take(s);
}
