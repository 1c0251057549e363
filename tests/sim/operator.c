/*
 * Operators: who ask for a switchover at any instant, also twice, or withdraw it, or to a site that dies; who
 * bar sites and change their ranks; and who force a promotion. (docs/failover section 11)
 *
 * A switchover is given to the core of whoever leads, again and again, as a driver does that finds the request
 * in the bucket. By force no operator promotes anybody while another serves, unless the core can know it.
 */
#include <string.h>

#include "sim.h"

#define OPERATOR_LOOKS (2 * SIM_S)

/* -- switchover ----------------------------------------------------------------------------------- */

static const struct hb_site *target_of(const struct sim *w, uint32_t target)
{
    static const struct hb_site nobody, stranger = {.text = "stranger"};
    if (target == OPERATOR_WITHDRAWS)
        return &nobody;
    return target < w->shape.sites ? &w->configs[0].sites[target] : &stranger;
}

struct fo_event operator_asks(struct sim *w, const struct entry *e)
{
    struct fo_event event = {.type = FO_EV_SWITCHOVER, .switchover = {*target_of(w, e->x)}};
    if (w->trace)
        trace_line(w, e->site, "  <- switchover to %s",
                   e->x == OPERATOR_WITHDRAWS ? "nobody: withdrawn" : event.switchover.to.text);
    return event;
}

static void ask(struct sim *w, int64_t at, uint32_t target)
{
    int leader = site_leading(w);
    if (leader >= 0)
        queue_push(w, at, K_SWITCHOVER, (unsigned)leader, 0, target, 0);
}

void operator_asks_again(struct sim *w, const struct entry *e)
{
    if (!w->healed)
        ask(w, w->now + 1, e->x);
}

static void dies(struct sim *w, const struct timed_fault *f, enum sim_kind kind, unsigned site)
{
    int64_t most = 2 * w->shape.period + w->configs[0].fence_timeout_ms * SIM_MS;
    queue_push(w, w->now + rng_below(&w->rng, most), kind, site, (uint32_t)(f - w->faults), 0, 0);
}

/* Now and then to itself, or to nobody known. */
static void begin_switchover(struct sim *w, const struct timed_fault *f)
{
    int64_t period = w->shape.period;
    uint32_t target = (uint32_t)rng_below(&w->rng, w->shape.sites + 1);
    uint32_t other = (uint32_t)rng_below(&w->rng, w->shape.sites);
    ask(w, w->now + 1 + rng_below(&w->rng, period / 4), target);
    for (unsigned i = 1; i < 4; i++) /* it lies in the bucket, and finds whoever leads */
        queue_push(w, w->now + i * period, K_ASKED_AGAIN, 0, 0, target, 0);
    if (f->type == FAULT_SWITCHOVER_CUT && target < w->shape.sites)
        dies(w, f, K_POWER_CUT, target);
    else if (f->amount % 8 == 0)
        queue_push(w, w->now + rng_below(&w->rng, 3 * period), K_ASKED_AGAIN, 0, 0,
                   OPERATOR_WITHDRAWS, 0);
    else if (f->amount % 8 == 1)
        queue_push(w, w->now + rng_below(&w->rng, 3 * period), K_ASKED_AGAIN, 0, 0, other, 0);
    else if (f->amount % 8 < 4)
        dies(w, f, K_AGENT_DIES, other);
}

/* -- nofailover and priorities --------------------------------------------------------------------- */

static void set_barred(struct sim *w, int64_t site, bool barred)
{
    struct cluster_config *c = fault_another_config(w);
    if (!c)
        return;
    for (unsigned i = 0; i < c->site_count; i++)
        if (hb_site_equal(&c->sites[i], &w->configs[0].sites[site]))
            c->nofailover[i] = barred;
    fault_tell_all(w, 3 * w->shape.period);
}

/* What the higher priority of the last site comes to. */
static void swap_ranks(struct sim *w)
{
    struct cluster_config *c = fault_another_config(w);
    if (!c || c->site_count < 3)
        return;
    struct hb_site site = c->sites[1];
    bool barred = c->nofailover[1];
    char address[sizeof(c->addresses[1])];
    memcpy(address, c->addresses[1], sizeof(address));
    c->sites[1] = c->sites[2];
    c->nofailover[1] = c->nofailover[2];
    memcpy(c->addresses[1], c->addresses[2], sizeof(address));
    c->sites[2] = site;
    c->nofailover[2] = barred;
    memcpy(c->addresses[2], address, sizeof(address));
    fault_tell_all(w, 3 * w->shape.period);
}

/* -- by force ---------------------------------------------------------------------------------------- */

/* An operator has seen to it: no other site serves, nor is about to. */
static bool is_certain(const struct sim *w, unsigned site)
{
    for (unsigned i = 0; i < w->shape.sites; i++) {
        const struct site *s = &w->sites[i];
        if (i != site && (s->serving || (s->up && s->core.lease.held)))
            return false;
    }
    return true;
}

static void set_paused(struct sim *w, bool paused)
{
    struct cluster_config *c = fault_another_config(w);
    if (c)
        c->paused = paused;
    fault_tell_all(w, w->shape.period);
}

/* Again and again, as people do whose leader is gone, and whom nobody replaces by itself. */
static void force_fault(struct sim *w, const struct timed_fault *f, bool begins)
{
    bool barred = f->amount % 4 == 0, paused = f->amount % 4 == 2;
    int leader = site_leading(w);
    uint32_t forced = (uint32_t)(f->amount / 4 % w->shape.sites); /* f->site: of who dies */
    if (barred)
        set_barred(w, forced, begins);
    else if (paused)
        set_paused(w, begins);
    if (!begins)
        return;
    if (leader >= 0 && (barred || paused))
        dies(w, f, K_POWER_CUT, (unsigned)leader);
    for (unsigned i = 0; i < 12; i++)
        queue_push(w, w->now + 1 + i * w->shape.period, K_FORCE, forced, 0, 0, 0);
}

/* Their word, that no other site serves, is given by people who have seen to it. */
struct fo_event operator_forces(struct sim *w, unsigned site)
{
    bool is_off = is_certain(w, site);
    if (w->trace)
        trace_line(w, (int)site, "  <- forced%s", is_off ? ": the leader is off" : "");
    w->sites[site].forced = true;
    return (struct fo_event){.type = FO_EV_FORCE, .force = {.leader_is_off = is_off}};
}

/* Nobody but an operator can end a pause whose leader is dead. */
void operator_heals(struct sim *w)
{
    if (w->without_operators)
        return;
    unsigned site = w->asked.turn++ % w->shape.sites;
    if (w->needs_force && site_leading(w) < 0 && w->sites[site].up)
        queue_push(w, w->now + 1, K_FORCE, site, 0, 0, 0);
    queue_push(w, w->now + OPERATOR_LOOKS, K_OPERATOR_FORCES, 0, 0, 0, 0);
}

int64_t operator_patience(const struct sim *w)
{
    return w->needs_force ? (int64_t)(2 + w->shape.sites) * OPERATOR_LOOKS : 0;
}

/* -- all ----------------------------------------------------------------------------------------------- */

void operator_fault(struct sim *w, const struct timed_fault *f, bool begins)
{
    if (f->type == FAULT_NOFAILOVER)
        set_barred(w, f->site, begins);
    else if (f->type == FAULT_FORCE)
        force_fault(w, f, begins);
    else if (!begins)
        return;
    else if (f->type == FAULT_PRIORITY)
        swap_ranks(w);
    else if (f->type == FAULT_SWITCHOVER || f->type == FAULT_SWITCHOVER_CUT)
        begin_switchover(w, f);
}

bool operator_is_fault(enum fault_type type)
{
    return type == FAULT_NOFAILOVER || type == FAULT_PRIORITY || type == FAULT_SWITCHOVER ||
           type == FAULT_SWITCHOVER_CUT || type == FAULT_FORCE;
}

/* From a generator of its own, so that all other schedules are what they were without operators. */
void operator_draw(struct sim *w)
{
    static const enum fault_type types[] = {FAULT_SWITCHOVER,     FAULT_SWITCHOVER,
                                            FAULT_SWITCHOVER_CUT, FAULT_NOFAILOVER,
                                            FAULT_PRIORITY,       FAULT_FORCE};
    struct rng r = {.x = w->seed ^ 0x0FE7A70125ULL};
    memset(&w->asked, 0, sizeof(w->asked));
    rng_next(&r);
    if (w->shape.short_faults || w->without_operators || !rng_chance(&r, 400))
        return;
    int64_t room = w->shape.faults_until - w->shape.faults_from;
    w->asked.wanted = rng_chance(&r, 300);
    for (int64_t left = rng_range(&r, 1, 4); left > 0; left--)
        schedule_fault(w, (struct timed_fault){.type = types[rng_below(&r, 6)],
                                               .begin = w->shape.faults_from + rng_below(&r, room),
                                               .length = 1 + rng_below(&r, 12 * w->shape.period),
                                               .site = -1,
                                               .amount = rng_below(&r, INT64_MAX / 2)});
}

/* -- when all is well again ------------------------------------------------------------------------------ */

static int64_t bound(const struct sim *w)
{
    const struct cluster_config *c = &w->configs[w->config_count - 1];
    int64_t period = c->heartbeat_interval_ms * SIM_MS;
    return w->shape.clean_stop + c->fence_timeout_ms * SIM_MS + 12 * period + 6 * w->shape.rtt;
}

/* Ready to be asked for: long enough after whatever was. */
static bool is_good_target(const struct sim *w, unsigned site)
{
    const struct site *s = &w->sites[site];
    int leader = site_leading(w);
    if (leader < 0 || leader == (int)site || !s->up || s->gone || s->guardian.gone || s->dead)
        return false;
    const struct fo_state *core = &w->sites[leader].core;
    int64_t now = site_clock(&w->sites[leader], w->now);
    return fo_switchover_refusal(core, &w->configs[0].sites[site], now) == FO_REFUSED_NONE &&
           fo_fit(&s->core, site_clock(s, w->now)) && s->probe_fails == 0;
}

static bool leads(const struct site *s)
{
    return s->serving && s->up_and_well && s->core.role == HB_ROLE_LEADER;
}

/* What was on its way when the faults ended may still have stood against the first one. */
static bool judge_switchover(struct sim *w)
{
    if (leads(&w->sites[w->asked.target]))
        return true;
    if (w->now - w->asked.at <= bound(w))
        return false;
    if (w->asked.again)
        violate(w, SIM_I6, "%s does not lead %lld ms after a switchover to it was asked for again",
                w->configs[0].sites[w->asked.target].text,
                (long long)((w->now - w->asked.at) / SIM_MS));
    w->asked.again = true;
    w->asked.at = w->now;
    ask(w, w->now + 1, w->asked.target);
    return false;
}

/* One more, of healthy sites: true once it has come to its end, or there is none to be asked for. */
bool operator_has_moved(struct sim *w)
{
    if (!w->asked.wanted || w->loss.watched)
        return true;
    if (w->asked.at != 0)
        return judge_switchover(w);
    for (unsigned i = 0; i < w->shape.sites; i++) {
        if (!is_good_target(w, i))
            continue;
        w->asked.at = w->now;
        w->asked.target = i;
        ask(w, w->now + 1, i);
        return false;
    }
    return w->now > w->shape.ends + 20 * w->shape.period;
}
