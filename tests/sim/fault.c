/* Faults, while they happen. */
#include "sim.h"

/* -- configuration and pause ---------------------------------------------------------------------- */

/* A copy of the last configuration, to be changed; NULL when there are enough. */
struct cluster_config *fault_another_config(struct sim *w)
{
    if (w->config_count == SIM_CONFIGS)
        return NULL;
    struct cluster_config *c = &w->configs[w->config_count];
    *c = w->configs[w->config_count - 1];
    w->config_count++;
    return c;
}

void fault_tell(struct sim *w, unsigned site, int64_t delay)
{
    if (w->sites[site].up)
        queue_push(w, w->now + 1 + delay, K_CONFIG, site, 0, w->config_count - 1, 0);
}

void fault_tell_all(struct sim *w, int64_t most)
{
    for (unsigned i = 0; i < w->shape.sites; i++)
        fault_tell(w, i, rng_below(&w->rng, most));
}

static void fit_timeout(struct sim *w, struct cluster_config *c)
{
    int64_t slack = w->shape.tight ? 0 : rng_below(&w->rng, 3 * c->heartbeat_interval_ms);
    c->failover_timeout_ms = cluster_config_promise_ms(c) + CLUSTER_MARGIN_MS + slack;
    if (c->max_promise_ms < cluster_config_promise_ms(c))
        c->max_promise_ms = cluster_config_promise_ms(c);
}

static void shorten(struct sim *w, struct cluster_config *c)
{
    int64_t base = w->configs[0].heartbeat_interval_ms;
    if (rng_chance(&w->rng, 600))
        c->heartbeat_interval_ms = base / 2;
    if (rng_chance(&w->rng, 600))
        c->fence_timeout_ms = 1 + rng_below(&w->rng, c->fence_timeout_ms);
    if (rng_chance(&w->rng, 400))
        c->failure_threshold = (uint32_t)rng_range(&w->rng, 1, c->failure_threshold);
    fit_timeout(w, c);
}

void fault_lengthen(struct sim *w, struct cluster_config *c)
{
    int64_t base = w->configs[0].heartbeat_interval_ms;
    if (rng_chance(&w->rng, 500))
        c->heartbeat_interval_ms = 2 * base;
    if (rng_chance(&w->rng, 600))
        c->fence_timeout_ms += rng_below(&w->rng, 2 * base);
    if (rng_chance(&w->rng, 400))
        c->failure_threshold += (uint32_t)rng_below(&w->rng, 3);
    fit_timeout(w, c);
}

static void change_config(struct sim *w, const struct timed_fault *f)
{
    struct cluster_config *c = fault_another_config(w);
    if (!c)
        return;
    if (f->amount % 2 == 0)
        shorten(w, c);
    else
        fault_lengthen(w, c);
    fault_tell_all(w, f->amount % 3 == 0 ? w->shape.period : f->length);
}

/* Shorter times reach the others at once and the leader last, which is cut off; or longer ones reach the
 * leader, which is then cut off before it can promise them. */
static void shrink(struct sim *w, const struct timed_fault *f)
{
    struct cluster_config *c = fault_another_config(w);
    unsigned leader = (unsigned)f->site;
    if (!c)
        return;
    if (f->amount % 3 == 0) {
        fault_lengthen(w, c);
        fault_tell(w, leader, 0);
        return;
    }
    shorten(w, c);
    for (unsigned i = 0; i < w->shape.sites; i++)
        if (i != leader || f->amount % 3 == 1)
            fault_tell(w, i, rng_below(&w->rng, w->shape.period / 4));
}

static void cut_leader(struct sim *w, const struct timed_fault *f, int by)
{
    struct link *l = &w->sites[f->site].link;
    if (f->amount % 4 != 0)
        l->cut_up += by;
    if (f->amount % 4 != 1)
        l->cut_down += by;
}

/* Sometimes only the leader hears of it, and is cut off. */
static void pause_all(struct sim *w, const struct timed_fault *f, bool paused)
{
    struct cluster_config *c = fault_another_config(w);
    struct link *l = &w->sites[f->site].link;
    bool leader_only = f->amount % 3 == 0;
    if (leader_only)
        l->cut_up += paused ? 1 : -1;
    if (!c)
        return;
    c->paused = paused;
    if (leader_only && paused)
        fault_tell(w, (unsigned)f->site, 0);
    else
        fault_tell_all(w, 3 * w->shape.period);
}

/* -- links and store -------------------------------------------------------------------------------- */

static void lose_connection(struct sim *w, unsigned site)
{
    if (!w->shape.short_faults && rng_chance(&w->rng, 500))
        queue_push(w, w->now + rng_below(&w->rng, 2 * w->shape.period), K_DISCONNECTED, site, 0, 0,
                   0);
}

/* Its client notices that it missed something, or does not, and the core must. */
static void regain(struct sim *w, unsigned site)
{
    if (w->sites[site].up && rng_chance(&w->rng, 700))
        queue_push(w, w->now + rng_below(&w->rng, w->shape.period), K_CONNECTED, site, 0, 0, 0);
}

/* By turns slow and good, or, as in ADR-017-2, answers after 30 s and after 5 s: a late one is never a success. */
static void flap(struct sim *w, struct link *l, const struct timed_fault *f, bool begins)
{
    bool as_in_adr = f->amount % 4 == 0;
    int64_t high = w->shape.period / 2 + f->amount % (3 * w->shape.period);
    l->flap = begins ? (as_in_adr ? 30 * SIM_S : high) : 0;
    l->flap_low = begins && as_in_adr ? 5 * SIM_S : 0;
}

void fault_outage(struct sim *w, bool begins)
{
    w->store.outage += begins ? 1 : -1;
    for (unsigned i = 0; i < w->shape.sites; i++) {
        if (begins)
            lose_connection(w, i);
        else if (w->store.outage == 0)
            regain(w, i);
    }
}

static void step_stamps(struct sim *w, const struct timed_fault *f)
{
    int64_t range = f->amount % 2 == 0 ? 3600 * SIM_S : 2 * w->shape.period;
    w->store.clock_offset = rng_range(&w->rng, -range, range);
}

static void stale_node(struct sim *w, struct site *s, bool begins)
{
    s->link.stale_node += begins ? 1 : -1;
    s->link.stale_until = w->now;
    if (begins && w->store.stale_lease == 0 && w->store.lease != 0) {
        w->store.stale_lease = w->store.lease;
        item_hold(w, w->store.lease);
    }
    for (unsigned i = 0; i < w->shape.sites; i++)
        if (w->sites[i].link.stale_node > 0)
            return;
    if (w->store.stale_lease != 0)
        item_drop(w, w->store.stale_lease);
    w->store.stale_lease = 0;
}

/* -- hosts and agents -------------------------------------------------------------------------------- */

/* What waits for the loop is put off until then, so that it must not be after the faults have stopped. */
static void stand_still(struct sim *w, struct site *s, int64_t length)
{
    int64_t until = w->now + length;
    if (until > w->shape.faults_until)
        until = w->shape.faults_until;
    if (s->busy_until < until)
        s->busy_until = until;
    consent_note_trouble(w, until);
}

static void stall(struct sim *w, const struct timed_fault *f)
{
    stand_still(w, &w->sites[f->site], f->length);
    guardian_alone(w, (unsigned)f->site);
}

/* The guardian stands still with the agent. */
static void freeze_host(struct sim *w, const struct timed_fault *f)
{
    struct site *s = &w->sites[f->site];
    s->frozen = true;
    s->guest = f->type == FAULT_PAUSE_GUEST;
    s->frozen_at = w->now;
    stand_still(w, s, f->length);
    int64_t until = w->now + f->length;
    if (until > w->shape.faults_until)
        until = w->shape.faults_until;
    s->thaws_at = until;
    if (s->guardian.busy_until < until)
        s->guardian.busy_until = until;
}

static void excuse(struct sim *w, unsigned site, int64_t length)
{
    w->sites[site].excused = true;
    queue_push(w, w->now + length + length / 1000 + 2, K_EXCUSE_ENDS, site, 0,
               w->sites[site].frozen_serial, 0);
}

/* "it may serve after the thaw until its next answer or deadline and the fence" */
static void thaw_guest(struct sim *w, unsigned site)
{
    struct site *s = &w->sites[site];
    int64_t slept = w->now - s->frozen_at;
    const struct fo_terms *t = &s->core.terms;
    int64_t most = t->fence_start + t->period + FO_LATENESS_MAX + t->fence_limit;
    int64_t held = s->core.lease.deadline - site_clock(s, s->frozen_at);
    if (s->core.lease.held && !s->core.lease.paused && held > 0)
        most += held + s->core.lease.fence_limit;
    s->offset -= slept;
    *agent_timer(w, site) = w->now + 1;
    for (unsigned i = 0; i < w->shape.sites; i++)
        s->peer_heard[i] += slept; /* by its clock */
    excuse(w, site, most);
}

static void alone_if(struct sim *w, unsigned site)
{
    if (!site_agent_acts(w, &w->sites[site]))
        guardian_alone(w, site);
}

/* What serves after its deadline is excepted from I1 until the kill rung of its guardian has ended. */
static void thaw_host(struct sim *w, unsigned site)
{
    struct site *s = &w->sites[site];
    if (!s->frozen)
        return;
    s->frozen = false;
    s->frozen_serial++;
    bool expired = site_clock(s, w->now) >= s->core.lease.deadline && !s->core.lease.paused;
    if (s->guest)
        thaw_guest(w, site);
    else if (s->serving && (!s->core.lease.held || expired))
        excuse(w, site, FO_LATENESS_MAX + s->core.lease.fence_limit);
    guardian_wakes(w, site);
    alone_if(w, site);
    check_serving(w);
}

static bool is_free(const struct sim *w, const struct site *s)
{
    return s->up && !s->frozen && s->busy_until <= w->now;
}

static void restart_agent(struct sim *w, struct timed_fault *f)
{
    struct site *s = &w->sites[f->site];
    if (!is_free(w, s))
        return;
    int64_t away = 1 + rng_below(&w->rng, f->length);
    if (w->shape.short_faults)
        s->connects_in = f->length - away;
    site_agent_ends(w, (unsigned)f->site, away);
}

static void leave(struct sim *w, struct timed_fault *f)
{
    if (is_free(w, &w->sites[f->site]))
        site_leave(w, (unsigned)f->site, f->length);
}

/* It may: the planned restart begins. */
void fault_agent_leaves(struct sim *w, unsigned site)
{
    struct site *s = &w->sites[site];
    if (!is_free(w, s) || w->healed) {
        site_leave(w, site, 0);
        return;
    }
    int64_t away = 1 + rng_below(&w->rng, s->leaves_for);
    if (w->shape.short_faults)
        s->connects_in = s->leaves_for - away;
    site_agent_ends(w, site, away);
}

/* -- the guardian ------------------------------------------------------------------------------------ */

static void kill_guardian(struct sim *w, const struct timed_fault *f)
{
    unsigned site = (unsigned)f->site;
    struct site *s = &w->sites[site];
    bool agent_ends_them = s->up && !s->core.guardian.armed;
    bool guardian_ends_them = s->guardian.held.phase == FO_GUARD_NONE;
    bool ends_leftovers = s->serving && (agent_ends_them || guardian_ends_them);
    if (s->frozen || ends_leftovers || !s->guardian.up)
        return; /* not the third of agent, guardian and guardian within one lease (docs) */
    guardian_dies(w, site);
    w->sites[site].guardian.gone = f->length == FAULT_FOR_GOOD;
    if (f->length != FAULT_FOR_GOOD)
        queue_push(w, w->now + f->length, K_GUARDIAN_BOOT, site, 0, 0, 0);
    alone_if(w, site);
}

static void hang_guardian(struct sim *w, const struct timed_fault *f)
{
    unsigned site = (unsigned)f->site;
    int64_t until =
        w->now + f->length < w->shape.faults_until ? f->length : w->shape.faults_until - w->now;
    if (w->sites[site].frozen)
        return;
    guardian_hangs(w, site, until, f->amount % 2 == 0);
    alone_if(w, site);
}

/* One now, the other within the time that matters. */
static void both_die(struct sim *w, struct timed_fault *f)
{
    struct site *s = &w->sites[f->site];
    if (!is_free(w, s))
        return;
    if (f->amount % 2 == 0) {
        kill_guardian(w, f);
        queue_push(w, w->now + rng_below(&w->rng, 3 * w->shape.period), K_AGENT_DIES,
                   (unsigned)f->site, (uint32_t)(f - w->faults), 0, 0);
    } else {
        restart_agent(w, f);
        queue_push(w, w->now + rng_below(&w->rng, 3 * w->shape.period), K_GUARDIAN_DIES,
                   (unsigned)f->site, (uint32_t)(f - w->faults), 0, 0);
    }
}

static void power_cut(struct sim *w, const struct timed_fault *f)
{
    site_power_cut(w, (unsigned)f->site);
    w->sites[f->site].run++;
    w->sites[f->site].gone = f->length == FAULT_FOR_GOOD;
    queue_push(w, w->now + f->length, K_BOOT, (unsigned)f->site, 0, 1, 1);
}

/* Of one that dies later than its fault was drawn for. */
void fault_death(struct sim *w, const struct entry *e)
{
    struct timed_fault *f = &w->faults[e->item];
    if (w->healed || w->sites[e->site].frozen)
        return;
    f->site = e->site;
    if (e->kind == K_GUARDIAN_DIES)
        kill_guardian(w, f);
    else if (e->kind == K_AGENT_DIES)
        restart_agent(w, f);
    else if (w->sites[e->site].up)
        power_cut(w, f);
}

/* A planned end takes as long as it takes; whatever is left is ended with the host. */
static void come_back(struct sim *w, unsigned site)
{
    if (!w->sites[site].up)
        return;
    site_power_cut(w, site);
    w->sites[site].run++;
    queue_push(w, w->now + 1, K_BOOT, site, 0, 0, 1);
}

/* -- all ---------------------------------------------------------------------------------------------- */

static void counted_fault(struct sim *w, struct timed_fault *f, bool begins)
{
    struct site *s = &w->sites[f->site];
    struct link *l = &s->link;
    int by = begins ? 1 : -1;
    switch (f->type) {
    case FAULT_PARTITION:
        l->cut_up += by;
        l->cut_down += by;
        break;
    case FAULT_CUT_UP:
        l->cut_up += by;
        break;
    case FAULT_CUT_DOWN:
        l->cut_down += by;
        break;
    case FAULT_LOSS:
        l->fault_loss = begins ? (unsigned)(100 + f->amount % 800) : 0;
        break;
    case FAULT_SLOW:
        l->slow = begins ? f->amount % (3 * w->shape.period / 2) : 0;
        break;
    case FAULT_FLAP:
        flap(w, l, f, begins);
        break;
    case FAULT_OUTAGE:
        fault_outage(w, begins);
        break;
    case FAULT_ELECTION:
        fault_outage(w, begins);
        step_stamps(w, f);
        break;
    case FAULT_STALE_NODE:
        stale_node(w, s, begins);
        break;
    case FAULT_WATCH_SLOW:
        l->watch_slow = begins ? f->amount % (6 * w->shape.period) : 0;
        break;
    case FAULT_LATE_WRITES:
        l->late_writes += by;
        break;
    case FAULT_LATE_READS:
        l->late_reads += by;
        break;
    case FAULT_DUPLICATES:
        l->duplicates += by;
        break;
    case FAULT_REFUSE:
        w->store.refuse += by;
        break;
    case FAULT_UNREADABLE:
        s->unreadable += by;
        break;
    case FAULT_PROBE_FAILS:
        s->probe_fails += by;
        break;
    case FAULT_PROBE_HANGS:
        s->probe_hangs += by;
        if (!begins) /* the driver's limit for the probe */
            queue_push(w, w->now + 1, K_PROBE, (unsigned)f->site, 0, 0, 0);
        break;
    case FAULT_PROMOTE_FAILS:
        s->promote_fails += by;
        break;
    case FAULT_PROMOTE_HANGS:
        s->promote_hangs += by;
        break;
    case FAULT_STOP_FAILS:
        s->stop_fails += by;
        break;
    case FAULT_SHRINK:
        cut_leader(w, f, by);
        break;
    case FAULT_PAUSE:
        pause_all(w, f, begins);
        break;
    default:
        operator_is_fault(f->type) ? operator_fault(w, f, begins) : consent_fault(w, f, begins);
        break;
    }
}

static bool cuts_the_watch(enum fault_type type)
{
    return type == FAULT_PARTITION || type == FAULT_CUT_DOWN || type == FAULT_SHRINK ||
           type == FAULT_STALE_NODE || type == FAULT_CUT_UP || type == FAULT_AWAY ||
           type == FAULT_FAILSAFE;
}

static bool is_of_the_host(enum fault_type type)
{
    return type == FAULT_POWER_CUT || type == FAULT_RESTART || type == FAULT_STEP_DOWN ||
           type == FAULT_FREEZE_HOST || type == FAULT_FREEZE_AGENT || type == FAULT_PAUSE_GUEST ||
           type == FAULT_LEAVE || type == FAULT_BOTH_DIE;
}

static bool is_a_loss(enum fault_type type)
{
    return type == FAULT_LOST_WRITES || type == FAULT_ROLLED_BACK || type == FAULT_BUCKET_GONE ||
           type == FAULT_REMADE;
}

/* Half of them strike whoever leads. */
static int choose_site(struct sim *w, const struct timed_fault *f)
{
    int leader = site_leading(w);
    bool at_leader = f->at_leader || f->type == FAULT_SHRINK || f->type == FAULT_PAUSE ||
                     f->type == FAULT_WORKLOAD_DIES || rng_chance(&w->rng, 500);
    if (leader >= 0 && at_leader)
        return leader;
    return (int)rng_below(&w->rng, w->shape.sites);
}

/* A host that freezes, or an agent that stalls, with a promotion on its way finds the answer when it goes on. */
void fault_at_claim(struct sim *w, unsigned site)
{
    struct timed_fault *f = w->at_claim;
    if (!f || w->healed || w->sites[site].frozen)
        return;
    w->at_claim = NULL;
    f->site = (int)site;
    if (f->type == FAULT_FREEZE_AGENT) {
        stall(w, f);
        return;
    }
    f->active = true;
    freeze_host(w, f);
    consent_note_fault(w, f->type, true);
    queue_push(w, w->sites[site].busy_until, K_FAULT_END, site, (uint32_t)(f - w->faults), 1, 0);
}

/* "the agent checks, stalls, the guardian fires, the agent launches" */
void fault_at_start(struct sim *w, unsigned site)
{
    struct timed_fault *f = w->at_start;
    if (!f || w->healed || w->sites[site].frozen)
        return;
    w->at_start = NULL;
    f->site = (int)site;
    stall(w, f);
}

/* An agent that dies with a heartbeat on its way. */
void fault_at_send(struct sim *w, unsigned site)
{
    struct timed_fault *f = w->at_send;
    if (!f || w->healed)
        return;
    w->at_send = NULL;
    queue_push(w, w->now + rng_below(&w->rng, 2 * w->shape.rtt), K_AGENT_DIES, site,
               (uint32_t)(f - w->faults), 0, 0);
}

/* Some wait for the instant at which they hurt most. */
static bool arm(struct sim *w, struct timed_fault *f)
{
    struct timed_fault **when = NULL;
    if (f->type == FAULT_FREEZE_HOST && f->amount % 3 == 0)
        when = &w->at_claim;
    else if (f->type == FAULT_FREEZE_AGENT && f->amount % 3 == 0)
        when = &w->at_start;
    else if (f->type == FAULT_FREEZE_AGENT && f->amount % 3 == 1)
        when = &w->at_claim;
    else if (f->type == FAULT_RESTART && f->amount % 2 == 0)
        when = &w->at_send;
    if (when)
        *when = f;
    return when != NULL;
}

void fault_begin(struct sim *w, struct timed_fault *f)
{
    f->site = choose_site(w, f);
    struct site *s = &w->sites[f->site];
    if (f->dropped || (is_of_the_host(f->type) && (!s->up || s->frozen)))
        return;
    f->armed = arm(w, f);
    f->active = !f->armed;
    w->last_fault = f->type;
    w->stats->faults++;
    w->stats->by_fault[f->type]++;
    if (w->trace)
        trace_line(w, f->site, "FAULT %s for %lld ms", fault_name(f->type),
                   (long long)(f->length / SIM_MS));
    if (f->armed)
        return;
    if (f->type == FAULT_POWER_CUT)
        power_cut(w, f);
    else if (f->type == FAULT_RESTART)
        restart_agent(w, f);
    else if (f->type == FAULT_STEP_DOWN)
        site_step_down(w, (unsigned)f->site);
    else if (f->type == FAULT_FREEZE_HOST || f->type == FAULT_PAUSE_GUEST)
        freeze_host(w, f);
    else if (f->type == FAULT_LEAVE)
        leave(w, f);
    else if (f->type == FAULT_GUARDIAN_DIES)
        kill_guardian(w, f);
    else if (f->type == FAULT_GUARDIAN_HANGS)
        hang_guardian(w, f);
    else if (f->type == FAULT_BOTH_DIE)
        both_die(w, f);
    else if (f->type == FAULT_FREEZE_AGENT)
        stall(w, f);
    else if (f->type == FAULT_WATCH_DEAD)
        s->watch_dead = true;
    else if (f->type == FAULT_WORKLOAD_DIES)
        s->dead = s->has_probe && s->serving;
    else if (f->type == FAULT_CONFIG)
        change_config(w, f);
    else if (f->type == FAULT_SHRINK)
        shrink(w, f);
    else if (is_a_loss(f->type))
        rollback_fault(w, f);
    counted_fault(w, f, true);
    if (f->active)
        consent_note_fault(w, f->type, true);
    if (cuts_the_watch(f->type) && f->type != FAULT_STALE_NODE)
        lose_connection(w, (unsigned)f->site);
}

void fault_end(struct sim *w, struct timed_fault *f)
{
    if (!f->active)
        return;
    f->active = false;
    if (w->trace)
        trace_line(w, f->site, "END   %s", fault_name(f->type));
    counted_fault(w, f, false);
    consent_note_fault(w, f->type, false);
    if (f->type == FAULT_FREEZE_HOST || f->type == FAULT_PAUSE_GUEST)
        thaw_host(w, (unsigned)f->site);
    if (is_a_loss(f->type))
        rollback_ends(w, f);
    if (f->type == FAULT_STEP_DOWN)
        come_back(w, (unsigned)f->site);
    if (cuts_the_watch(f->type))
        regain(w, (unsigned)f->site);
    if (f->type == FAULT_SHRINK)
        fault_tell_all(w, w->shape.period);
}
