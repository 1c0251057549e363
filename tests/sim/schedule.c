/* A schedule, drawn from its seed: group, clocks, links, faults. */
#include <string.h>

#include "sim.h"

static const struct {
    uint32_t failures, successes;
} personalities[] = {{1, 1}, {10, 1}, {5, 5}, {2, 2}}; /* nervous, tank, sticky, default */

static void draw_shape(struct sim *w)
{
    static const int periods[] = {250, 500, 1000, 1000, 1000, 2000, 2000};
    struct shape *p = &w->shape;
    struct rng *r = &w->rng;
    memset(p, 0, sizeof(*p));
    p->period = periods[rng_below(r, 7)] * SIM_MS;
    p->sites = rng_chance(r, 600) ? 2 : 3;
    p->tight = rng_chance(r, 500);
    p->short_faults = rng_chance(r, 80);
    p->probes = rng_chance(r, 350);
    p->clean_stop = rng_chance(r, 200) ? rng_range(r, p->period, 6 * p->period) : 0;
    if (p->tight && !p->short_faults)
        p->loop_late = rng_chance(r, 500) ? FO_LATENESS_MAX - 2 : 4 * p->period;
    /* round trips from T/4000 to above T, evenly by order of magnitude */
    int64_t rtt = p->period / 4000;
    int doublings = (int)rng_below(r, p->short_faults ? 8 : 13);
    for (int i = 0; i < doublings; i++)
        rtt *= 2;
    if (p->tight && rng_chance(r, 500))
        rtt = p->period / 4000;
    p->rtt = rtt + rng_below(r, rtt / 4 + 1);
    if (p->short_faults && p->rtt > p->period / 16)
        p->rtt = p->period / 16;
}

static void draw_config(struct sim *w)
{
    struct cluster_config *c = &w->configs[0];
    struct rng *r = &w->rng;
    static const char *const names[SIM_SITES_MAX] = {"site-a", "site-b", "site-c"};
    unsigned who = (unsigned)rng_below(r, 4);
    memset(c, 0, sizeof(*c));
    w->config_count = 1;
    c->site_count = w->shape.sites;
    for (unsigned i = 0; i < c->site_count; i++)
        memcpy(c->sites[i].text, names[i], strlen(names[i]));
    int64_t period = w->shape.period / SIM_MS;
    c->heartbeat_interval_ms = period;
    c->failure_threshold = personalities[who].failures;
    c->success_threshold = personalities[who].successes;
    c->fence_timeout_ms = rng_range(r, period / 4, 2 * period);
    c->promote_timeout_ms = rng_range(r, 3 * period, 8 * period);
    c->max_promise_ms = 150000;
    c->yield_after_ms = rng_range(r, period, 6 * period);
    c->yield_to_primary = !w->shape.short_faults && !rng_chance(r, 150);
    c->maximum_lag = -1;
    int64_t slack = w->shape.tight ? 0 : rng_below(r, 4 * period);
    c->failover_timeout_ms = cluster_config_promise_ms(c) + CLUSTER_MARGIN_MS + slack;
}

/* Time between two faults that have nothing to do with each other. */
static int64_t apart(const struct sim *w)
{
    const struct cluster_config *c = &w->configs[0];
    return (c->failure_threshold + c->success_threshold + 8) * w->shape.period;
}

static void draw_times(struct sim *w)
{
    struct shape *p = &w->shape;
    p->faults_from = 10 * p->period;
    p->faults_until = p->faults_from + rng_range(&w->rng, 38 * SIM_S, 55 * SIM_S);
    if (p->short_faults && p->faults_until < p->faults_from + 4 * apart(w))
        p->faults_until = p->faults_from + 4 * apart(w);
    p->ends = p->faults_until + 6 * p->period;
    if (p->ends < 60 * SIM_S)
        p->ends = 60 * SIM_S;
}

static void draw_site(struct sim *w, unsigned i)
{
    struct site *s = &w->sites[i];
    struct rng *r = &w->rng;
    memset(s, 0, sizeof(*s));
    s->connects_in = -1;
    int64_t extreme = rng_chance(r, 500) ? 500 : -500;
    site_set_drift(s, w->shape.tight ? extreme : rng_range(r, -500, 500));
    s->offset = rng_range(r, 0, 1000 * SIM_S);
    s->has_probe = w->shape.probes;
    s->link.latency = w->shape.rtt / 2;
    s->link.jitter = w->shape.short_faults ? w->shape.rtt / 8 : rng_below(r, w->shape.rtt / 2 + 1);
    bool lossy = !w->shape.short_faults && rng_chance(r, 150);
    s->link.loss = lossy ? (unsigned)rng_range(r, 1, 30) : 0;
}

static enum fault_type draw_type(struct rng *r)
{
    static const unsigned weights[] = {
#define WEIGHT(id, name, weight, text) weight,
        SIM_FAULTS(WEIGHT)
#undef WEIGHT
    };
    unsigned sum = 0;
    for (unsigned i = 0; i < FAULT_COUNT; i++)
        sum += weights[i];
    unsigned at = (unsigned)rng_below(r, sum), type = 0;
    while (at >= weights[type])
        at -= weights[type++];
    return (enum fault_type)type;
}

/* Long enough to matter: around the times that the group's configuration speaks of. */
static int64_t draw_length(struct sim *w)
{
    const struct cluster_config *c = &w->configs[0];
    int64_t longest = 2 * c->failover_timeout_ms * SIM_MS;
    int64_t share = rng_chance(&w->rng, 300) ? 2 * w->shape.period : longest;
    return 1 + rng_below(&w->rng, share);
}

struct timed_fault *schedule_fault(struct sim *w, struct timed_fault fault)
{
    if (w->fault_count == FAULTS_MAX)
        violate(w, SIM_BROKEN, "more than %d faults", FAULTS_MAX);
    else
        w->fault_count++;
    w->faults[w->fault_count - 1] = fault;
    return &w->faults[w->fault_count - 1];
}

/* A site, most often the leader, or its guardian, is lost for good while the other faults come to their end. */
static void draw_last_cut(struct sim *w)
{
    struct rng *r = &w->rng;
    if (!rng_chance(r, 300))
        return;
    int64_t before = rng_below(r, 4 * w->shape.period);
    enum fault_type type = rng_chance(r, 250) ? FAULT_GUARDIAN_DIES : FAULT_POWER_CUT;
    w->faults[w->fault_count++] = (struct timed_fault){.type = type,
                                                       .begin = w->shape.faults_until - 1 - before,
                                                       .length = FAULT_FOR_GOOD,
                                                       .site = -1};
}

/* A link that fails by degrees: first answers are lost or late, then nothing passes any more. */
static void draw_failing_link(struct sim *w)
{
    static const enum fault_type first[] = {FAULT_CUT_DOWN, FAULT_SLOW, FAULT_LOSS,
                                            FAULT_STALE_NODE, FAULT_LATE_WRITES};
    struct rng *r = &w->rng;
    int64_t period = w->shape.period;
    if (!rng_chance(r, 400))
        return;
    int64_t room = w->shape.faults_until - w->shape.faults_from;
    struct timed_fault *f = &w->faults[w->fault_count];
    f[0] = (struct timed_fault){.type = first[rng_below(r, 5)],
                                .begin = w->shape.faults_from + rng_below(r, room),
                                .length = period / 4 + rng_below(r, 2 * period),
                                .site = -1,
                                .at_leader = true,
                                .amount = rng_below(r, INT64_MAX / 2)};
    f[1] = (struct timed_fault){.type = rng_chance(r, 500) ? FAULT_PARTITION : FAULT_CUT_UP,
                                .begin = f[0].begin + f[0].length + rng_below(r, period),
                                .length = draw_length(w),
                                .site = -1,
                                .at_leader = true,
                                .amount = rng_below(r, INT64_MAX / 2)};
    w->fault_count += 2;
}

static void draw_faults(struct sim *w)
{
    struct rng *r = &w->rng;
    int64_t room = w->shape.faults_until - w->shape.faults_from;
    w->fault_count = (unsigned)rng_range(r, 3, 9);
    for (unsigned i = 0; i < w->fault_count; i++) {
        w->faults[i] = (struct timed_fault){.type = draw_type(r),
                                            .begin = w->shape.faults_from + rng_below(r, room),
                                            .length = draw_length(w),
                                            .site = -1,
                                            .amount = rng_below(r, INT64_MAX / 2)};
    }
    draw_failing_link(w);
    consent_draw_faults(w);
    draw_last_cut(w);
}

/* "Faults shorter than nT - T/4 - round trip, at a round trip of at most T/12" (I5), "a restart of the agent
 * alone within nT - 3 round trips, its start included" (I7), or as long as it asked for. */
static int64_t longest_short(const struct sim *w, enum fault_type type)
{
    int64_t period = w->shape.period;
    int64_t round_trip = w->shape.rtt + 2 * w->sites[0].link.jitter;
    int64_t all = w->configs[0].failure_threshold * period;
    all -= all / 1000 + 2 * SIM_MS; /* by the fastest clock */
    if (type == FAULT_LEAVE)
        return 8 * period;
    return type == FAULT_RESTART ? all - 3 * round_trip : all - period / 4 - round_trip;
}

/* One at a time. */
static void draw_short_faults(struct sim *w)
{
    static const enum fault_type types[] = {FAULT_PARTITION, FAULT_CUT_UP, FAULT_CUT_DOWN,
                                            FAULT_LOSS,      FAULT_OUTAGE, FAULT_ELECTION,
                                            FAULT_RESTART,   FAULT_LEAVE};
    struct rng *r = &w->rng;
    int64_t at = w->shape.faults_from;
    w->fault_count = 0;
    while (w->fault_count < 8 && at + apart(w) <= w->shape.faults_until) {
        struct timed_fault *f = &w->faults[w->fault_count++];
        *f = (struct timed_fault){.type = types[rng_below(r, 8)],
                                  .begin = at + rng_below(r, w->shape.period),
                                  .site = -1,
                                  .amount = rng_below(r, INT64_MAX / 2)};
        int64_t longest = longest_short(w, f->type);
        f->length = rng_chance(r, 300) ? longest : 1 + rng_below(r, longest);
        at += apart(w) + (f->type == FAULT_LEAVE ? f->length : 0);
    }
}

void schedule_draw(struct sim *w)
{
    draw_shape(w);
    draw_config(w);
    draw_times(w);
    for (unsigned i = 0; i < 2 * SIM_SITES_MAX; i++)
        w->timers[i] = INT64_MAX;
    for (unsigned i = 0; i < w->shape.sites; i++)
        draw_site(w, i);
    consent_draw(w);
    store_begin(w);
    w->store.single = rng_chance(&w->rng, 300);
    w->store.bucket = 1;
    if (w->shape.short_faults)
        draw_short_faults(w);
    else
        draw_faults(w);
    rollback_draw(w);
    operator_draw(w);
    for (unsigned i = 0; i < w->fault_count; i++) {
        struct timed_fault *f = &w->faults[i];
        f->dropped = (w->drop_faults >> i) & 1;
        queue_push(w, f->begin, K_FAULT_BEGIN, 0, i, 0, 0);
        queue_push(w, f->begin + f->length, K_FAULT_END, 0, i, 0, 0);
    }
}
