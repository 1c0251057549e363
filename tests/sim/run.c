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
    queue_begin(&w->queue);
    w->free_count = 0;
    for (unsigned i = SIM_ITEMS - 1; i > 0; i--) /* item 0: none */
        w->free_items[w->free_count++] = (uint16_t)i;
    w->violated = SIM_NONE;
    memset(w->holders, 0, sizeof(w->holders));
    w->healed = false;
    w->settled_at = w->healed_at = w->served_after = 0;
    w->at_claim = w->at_start = w->at_send = NULL;
    w->last_fault = FAULT_COUNT;
    w->digest = seed;
}

/* All faults end, everything is reachable and up, everybody has the last configuration. */
static void heal(struct sim *w)
{
    for (unsigned i = 0; i < w->fault_count; i++)
        fault_end(w, &w->faults[i]);
    for (unsigned i = 0; i < w->shape.sites; i++) {
        struct site *s = &w->sites[i];
        s->busy_until = 0;
        s->guardian.busy_until = 0;
        s->off = s->gone;
        if (!s->gone)
            guardian_boot(w, i);
        guardian_wakes(w, i);
        if (!s->up && !s->gone)
            site_boot(w, i, false);
        if (s->up && s->core.leave.promise_ms != 0)
            site_leave(w, i, 0);
        s->link.loss = 0;
        if (s->up)
            queue_push(w, w->now + 1, K_CONFIG, i, 0, w->config_count - 1, 0);
    }
    if (w->trace)
        trace_line(w, -1, "the faults have stopped");
    check_healed(w);
    operator_heals(w);
}

static void excuse_ends(struct sim *w, struct site *s)
{
    s->excused = s->guest = false;
    check_serving(w);
}

/* Not on a host that is off. */
static void guardian_back(struct sim *w, const struct entry *e)
{
    struct site *s = &w->sites[e->site];
    if (s->frozen)
        queue_again(w, e, s->thaws_at + 1);
    else if (!s->off)
        guardian_boot(w, e->site);
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
        if (!s->up && e->y != 0)
            site_host_boot(w, e->site, e->x != 0 && rng_chance(&w->rng, 500));
        else if (!s->up && e->run == s->run)
            site_boot(w, e->site, false);
        break;
    case K_OPERATOR:
        rollback_operator(w);
        break;
    case K_WORKLOAD_STOPS:
        if (e->x == s->workload_serial && s->frozen)
            queue_again(w, e, s->thaws_at + 1);
        else if (e->x == s->workload_serial)
            site_stops_serving(w, e->site);
        break;
    case K_AGENT_LEAVES:
        if (e->run == s->run)
            fault_agent_leaves(w, e->site);
        break;
    case K_ASKED_AGAIN:
        operator_asks_again(w, e);
        break;
    case K_OPERATOR_FORCES:
        operator_heals(w);
        break;
    case K_AGENT_DIES:
    case K_GUARDIAN_DIES:
    case K_POWER_CUT:
        fault_death(w, e);
        break;
    case K_EXCUSE_ENDS:
        if (e->x == s->frozen_serial)
            excuse_ends(w, s);
        break;
    case K_GUARDIAN_BOOT:
        guardian_back(w, e);
        break;
    case K_GUARDIAN_WAKES:
        guardian_wakes(w, e->site);
        break;
    case K_GUARDIAN_KILLED:
        guardian_killed(w, e);
        break;
    default:
        site_deliver(w, e);
        break;
    }
}

/* When margins are tight, a loop is late at the deadline of its lease: by what Lg allows, or by so much that
 * the guardian is alone. */
static int64_t loop_runs(const struct sim *w, struct site *s)
{
    if (w->shape.loop_late == 0 || w->healed || !s->core.lease.held || s->core.lease.paused ||
        !guardian_acts(w, s))
        return s->busy_until;
    int64_t clock = site_clock(s, w->now), deadline = s->core.lease.deadline;
    if (clock < deadline || clock >= deadline + w->shape.loop_late)
        return s->busy_until;
    s->late_until = site_real(s, deadline + w->shape.loop_late);
    return s->late_until > s->busy_until ? s->late_until : s->busy_until;
}

/* The first timer that rings before anything in the queue; -1: none. */
static int next_timer(const struct sim *w, int64_t *ret_at)
{
    int64_t first = queue_next(&w->queue);
    int timer = -1;
    for (int i = 0; i < 2 * SIM_SITES_MAX; i++) {
        timer = w->timers[i] < first ? i : timer;
        first = w->timers[i] < first ? w->timers[i] : first;
    }
    *ret_at = first;
    return timer;
}

static void ring(struct sim *w, unsigned timer)
{
    unsigned site = timer / 2;
    if (timer % 2 == 1) {
        guardian_ring(w, site);
        return;
    }
    int64_t runs = loop_runs(w, &w->sites[site]);
    if (runs > w->now)
        *agent_timer(w, site) = runs;
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
            w->sites[e.site].hears_at = runs;
            return;
        }
    }
    world_event(w, &e);
}

static void one_step(struct sim *w)
{
    int64_t next;
    int timer = next_timer(w, &next);
    if (!w->healed && next >= w->shape.faults_until) {
        w->now = w->shape.faults_until;
        heal(w);
    } else if (timer >= 0) {
        w->now = next;
        ring(w, (unsigned)timer);
    } else if (next != INT64_MAX) {
        take_entry(w);
    } else {
        violate(w, SIM_BROKEN, "nothing is to happen any more");
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
    st->digest += w->digest ^ w->rng.x ^ (uint64_t)w->now;
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
        site_host_boot(w, i, true);
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
