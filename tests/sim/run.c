/* One schedule, from its seed to a verdict. */
#include <string.h>

#include "sim.h"

/* A schedule takes about a thousand. Far above that, something goes round without getting on. */
enum { STEPS_MAX = 1000000 };

static void begin(struct sim *w, uint64_t seed, fo_rules rules, uint64_t drop_faults, bool trace,
                  struct stats *stats)
{
    w->seed = seed;
    w->rules = rules;
    w->drop_faults = drop_faults;
    w->trace = trace;
    w->stats = stats;
    w->rng.x = seed;
    rng_next(&w->rng);
    w->now = 0;
    w->queue.count = 0;
    w->queue.seq = 0;
    w->free_count = 0;
    for (unsigned i = SIM_ITEMS - 1; i > 0; i--) /* item 0: none */
        w->free_items[w->free_count++] = (uint16_t)i;
    w->violated = SIM_NONE;
    w->max_epoch = 0;
    memset(w->holders, 0, sizeof(w->holders));
    w->settled = w->healed = false;
    w->healed_at = w->served_after = 0;
    w->armed = NULL;
}

/* All faults end, everything is reachable and up, everybody has the last configuration. */
static void heal(struct sim *w)
{
    for (unsigned i = 0; i < w->fault_count; i++)
        fault_end(w, &w->faults[i]);
    for (unsigned i = 0; i < w->shape.sites; i++) {
        struct site *s = &w->sites[i];
        if (!s->up && !s->gone)
            site_boot(w, i, false);
        s->busy_until = 0;
        s->link.loss = 0;
        if (s->up)
            queue_push(w, w->now + 1, K_CONFIG, i, 0, w->config_count - 1, 0);
    }
    if (w->trace)
        trace_line(w, -1, "the faults have stopped");
    check_healed(w);
}

static void world_event(struct sim *w, const struct entry *e)
{
    struct site *s = &w->sites[e->site];
    switch ((enum sim_kind)e->kind) {
    case K_STORE_WRITE:
        store_write(w, e);
        break;
    case K_STORE_READ:
        store_read(w, e);
        break;
    case K_FAULT_BEGIN:
        if (!w->healed)
            fault_begin(w, &w->faults[e->item]);
        break;
    case K_FAULT_END:
        if (!w->faults[e->item].armed || e->x != 0)
            fault_end(w, &w->faults[e->item]);
        break;
    case K_BOOT:
        if (!s->up)
            site_boot(w, e->site, e->x != 0 && rng_chance(&w->rng, 500));
        break;
    case K_OPERATOR:
        rollback_operator(w);
        break;
    case K_WORKLOAD_STOPS:
        if (e->x == s->workload_serial)
            site_stops_serving(w, e->site);
        break;
    default:
        site_deliver(w, e);
        break;
    }
}

/* When margins are tight, a loop is late by all that Lg allows at the deadline of its lease. */
static int64_t loop_runs(const struct sim *w, const struct site *s)
{
    if (!w->shape.tight || w->shape.short_faults || w->healed || !s->core.lease.held ||
        s->core.lease.paused)
        return s->busy_until;
    int64_t clock = site_clock(s, w->now), deadline = s->core.lease.deadline;
    if (clock < deadline || clock >= deadline + FO_LATENESS_MAX - 2)
        return s->busy_until;
    int64_t late = site_real(s, deadline + FO_LATENESS_MAX - 2);
    return late > s->busy_until ? late : s->busy_until;
}

/* The site whose timer rings first, if it does before anything in the queue; else -1. */
static int next_timer(const struct sim *w)
{
    int64_t first = w->queue.count > 0 ? w->queue.heap[0].t : INT64_MAX;
    int site = -1;
    for (unsigned i = 0; i < w->shape.sites; i++) {
        if (w->sites[i].timer < first) {
            first = w->sites[i].timer;
            site = (int)i;
        }
    }
    return site;
}

static void ring(struct sim *w, unsigned site)
{
    struct site *s = &w->sites[site];
    w->now = s->timer;
    int64_t runs = loop_runs(w, s);
    if (runs > w->now)
        s->timer = runs;
    else
        site_timer(w, site);
}

static void take_entry(struct sim *w)
{
    struct entry e = queue_pop(w);
    w->now = e.t;
    if (e.kind >= K_FIRST_FOR_AGENT) {
        int64_t runs = loop_runs(w, &w->sites[e.site]);
        if (runs > w->now) {
            queue_again(w, &e, runs);
            return;
        }
    }
    world_event(w, &e);
}

static void one_step(struct sim *w)
{
    int site = next_timer(w);
    int64_t next = site >= 0 ? w->sites[site].timer : w->queue.heap[0].t;
    if (!w->healed && next >= w->shape.faults_until) {
        w->now = w->shape.faults_until;
        heal(w);
    } else if (site >= 0) {
        ring(w, (unsigned)site);
    } else {
        take_entry(w);
    }
}

static void count(struct sim *w)
{
    struct stats *st = w->stats;
    unsigned faults = 0;
    for (unsigned i = 0; i < w->fault_count; i++)
        faults += w->faults[i].site >= 0;
    int64_t seconds = w->now / SIM_S;
    unsigned by_length = seconds < 60 ? 0 : (unsigned)((seconds - 40) / 20);
    st->schedules++;
    st->counted += seconds >= 60 && faults >= 3;
    st->simulated_ms += (uint64_t)(w->now / SIM_MS);
    st->by_length[by_length < 8 ? by_length : 7]++;
    st->by_faults[faults < 8 ? faults : 7]++;
}

bool sim_run(struct sim *w, uint64_t seed, fo_rules rules, uint64_t drop_faults, bool trace,
             struct stats *stats)
{
    begin(w, seed, rules, drop_faults, trace, stats);
    schedule_draw(w);
    if (trace)
        trace_shape(w);
    store_first_record(w);
    for (unsigned i = 0; i < w->shape.sites; i++)
        site_boot(w, i, true);
    for (unsigned steps = 0; w->violated == SIM_NONE; steps++) {
        if (steps == STEPS_MAX)
            violate(w, SIM_BROKEN, "%d steps, and no end in sight at %.3f s", STEPS_MAX,
                    (double)w->now / 1e9);
        one_step(w);
        if (w->now >= w->shape.faults_until && w->healed && check_end(w))
            break;
    }
    count(w);
    return w->violated == SIM_NONE;
}
