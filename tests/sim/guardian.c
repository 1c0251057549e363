/*
 * The guardian as a model: it holds what fo_guard_view() says, fires at the deadline, at most Lg late, and
 * what it kills is gone within the limit that it was given. After that the epoch's cgroup is gone, and
 * nothing of that epoch can be started.
 */
#include <string.h>

#include "sim.h"

bool guardian_acts(const struct sim *w, const struct site *s)
{
    return s->guardian.up && s->guardian.busy_until <= w->now;
}

static struct hb_era era_of(const struct fo_guard *g)
{
    return (struct hb_era){g->generation, g->epoch};
}

static bool has_fired(const struct guardian *g)
{
    return hb_era_compare(era_of(&g->held), g->fired) <= 0;
}

static bool is_armed(const struct guardian *g)
{
    return g->held.phase != FO_GUARD_NONE && !has_fired(g);
}

/* "the guardian makes that cgroup when the epoch is armed, and kills and removes it when it ends" */
bool guardian_lets_start(const struct sim *w, const struct site *s, uint64_t epoch)
{
    const struct guardian *g = &s->guardian;
    bool open = g->held.phase == FO_GUARD_ARMED || g->held.phase == FO_GUARD_SERVING;
    return guardian_acts(w, s) && g->agent == s->run && is_armed(g) && open &&
           g->held.epoch == epoch;
}

static int64_t lateness(struct sim *w)
{
    if (w->shape.short_faults)
        return 0;
    return w->shape.tight ? FO_LATENESS_MAX - 2 : rng_below(&w->rng, 10 * SIM_MS);
}

static void set_timer(struct sim *w, unsigned site)
{
    const struct site *s = &w->sites[site];
    const struct guardian *g = &s->guardian;
    int64_t at = INT64_MAX;
    if (is_armed(g) && g->held.deadline != FO_NEVER)
        at = site_real(s, g->held.deadline) + lateness(w);
    *guardian_timer(w, site) = at > w->now ? at : w->now + 1;
}

/* -- firing ------------------------------------------------------------------------------------- */

static void tell(struct sim *w, unsigned site, enum sim_kind kind, uint64_t y)
{
    if (w->sites[site].up)
        queue_push(w, w->now, kind, site, 0, w->sites[site].guardian.run, y);
}

/* When nothing may serve any more, by what the lease promised. */
static int64_t promised_end(const struct sim *w, const struct site *s)
{
    struct fo_guard view;
    fo_guard_view(&s->core, &view);
    bool stops_leftover = view.phase == FO_GUARD_NONE && s->core.stop_tries > 0 && !s->core.stopped;
    if (s->serving && stops_leftover) /* of before its start, when there was no guardian */
        return site_real(s, s->core.workload_limit);
    if (view.phase == FO_GUARD_NONE || view.deadline == FO_NEVER || !s->serving)
        return INT64_MAX;
    const struct fo_lease *lease = &s->core.lease;
    int64_t ends = view.deadline + view.fence_limit;
    int64_t promised = lease->deadline + lease->fence_limit;
    return site_real(s, ends < promised ? ends : promised) +
           (w->shape.tight ? FO_LATENESS_MAX - 2 : 0);
}

/* What serves now in `epoch` or below is gone within `limit`, and if there is no agent, by what the lease
 * promised. */
static void kill_within(struct sim *w, unsigned site, uint64_t epoch, int64_t limit)
{
    struct site *s = &w->sites[site];
    int64_t most = site_real(s, site_clock(s, w->now) + limit) - w->now;
    int64_t ends = promised_end(w, s);
    if (!s->off && !site_agent_acts(w, s) && ends - w->now < most)
        most = ends > w->now ? ends - w->now : 0;
    int64_t takes = w->shape.tight ? most : rng_below(&w->rng, most + 1);
    s->guardian.kills_by = w->now + takes;
    queue_push(w, w->now + takes, K_GUARDIAN_KILLED, site, 0, s->guardian.run, epoch);
}

static void fire(struct sim *w, unsigned site)
{
    struct site *s = &w->sites[site];
    struct guardian *g = &s->guardian;
    if (w->trace)
        trace_line(w, (int)site, "GUARDIAN fires: epoch %llu", (unsigned long long)g->held.epoch);
    g->fired = era_of(&g->held);
    *guardian_timer(w, site) = INT64_MAX;
    kill_within(w, site, g->fired.epoch, g->held.fence_limit);
    tell(w, site, K_GUARDIAN, 1);
}

void guardian_ring(struct sim *w, unsigned site)
{
    struct guardian *g = &w->sites[site].guardian;
    if (g->busy_until > w->now)
        *guardian_timer(w, site) = g->busy_until;
    else
        fire(w, site);
}

/* Verified, unless nobody can tell: then the agent goes on asking. */
void guardian_killed(struct sim *w, const struct entry *e)
{
    struct site *s = &w->sites[e->site];
    if (e->x != s->guardian.run)
        return;
    if (s->frozen) {
        queue_again(w, e, s->thaws_at + 1);
        return;
    }
    if (s->serving && s->serving_epoch <= e->y)
        site_stops_serving(w, e->site);
    if (s->stop_fails == 0)
        tell(w, e->site, K_GUARDIAN_VERIFIED, e->y);
}

/* Field by field: what was just written is still in registers, or on its way to memory. */
static bool is_same(const struct fo_guard *a, const struct fo_guard *b)
{
    return a->counter == b->counter && a->begun == b->begun && a->revision == b->revision &&
           a->deadline == b->deadline && a->fence_limit == b->fence_limit && a->phase == b->phase &&
           a->epoch == b->epoch && a->generation == b->generation && a->nonce == b->nonce &&
           a->first_counter == b->first_counter && a->paused == b->paused;
}

/* -- what the agent gives it ---------------------------------------------------------------------- */

static const char *phase_name(enum fo_guard_phase phase)
{
    static const char *const names[] = {"nothing", "a start", "a lease", "a fence"};
    return names[phase];
}

static void look(struct sim *w, unsigned site)
{
    struct site *s = &w->sites[site];
    struct guardian *g = &s->guardian;
    /* "On waking after its window: kill first, ask later." */
    if (is_armed(g) && site_clock(s, w->now) >= g->held.deadline)
        fire(w, site);
    if (!g->asked)
        return;
    g->asked = false;
    struct hb_era asked = era_of(&s->view);
    bool is_past = hb_era_compare(asked, era_of(&g->held)) < 0 ||
                   (s->view.phase != FO_GUARD_NONE && hb_era_compare(asked, g->fired) <= 0);
    if (is_past)
        return; /* refused: GUARD_PAST, GUARD_FIRED */
    if (w->trace && (s->view.phase != g->held.phase || s->view.epoch != g->held.epoch))
        trace_line(w, (int)site, "GUARDIAN holds %s of epoch %llu", phase_name(s->view.phase),
                   (unsigned long long)s->view.epoch);
    g->held = s->view;
    set_timer(w, site);
}

/* After each step of the core, before its effects. */
void guardian_told(struct sim *w, unsigned site)
{
    struct site *s = &w->sites[site];
    struct guardian *g = &s->guardian;
    struct fo_guard view;
    if (!s->core.started || !g->up || g->agent != s->run)
        return;
    bool is_idle = !s->core.lease.held && !s->core.guardian.armed;
    if (is_idle && s->view.phase == FO_GUARD_NONE && s->view.epoch == s->core.guardian.last.epoch)
        return; /* nothing was held, nor is */
    fo_guard_view(&s->core, &view);
    if (is_same(&view, &s->view))
        return;
    s->view = view;
    g->asked = true;
    if (g->busy_until <= w->now)
        look(w, site);
}

/* -- what the agent hears of it -------------------------------------------------------------------- */

static void connect(struct sim *w, struct site *s)
{
    s->guardian.agent = s->run;
    s->guardian.asked = false;
    memset(&s->view, 0xff, sizeof(s->view)); /* nothing was given yet */
    (void)w;
}

/* An agent starts: what the guardian holds of the one before. */
void guardian_meets(struct sim *w, unsigned site, struct fo_event *start)
{
    struct site *s = &w->sites[site];
    struct fo_event event = {
        .type = FO_EV_GUARDIAN,
        .guardian = {.up = guardian_acts(w, s), .fired_epoch = s->guardian.fired.epoch}};
    if (event.guardian.up) {
        if (is_armed(&s->guardian) && site_clock(s, w->now) >= s->guardian.held.deadline)
            fire(w, site);
        event.guardian.fired_epoch = s->guardian.fired.epoch;
        connect(w, s);
        start->start.inherit = &s->guardian.held;
    } else {
        event.guardian.fired_epoch = 0;
        s->guardian.agent = 0;
    }
    s->told_guardian = event.guardian.up;
    site_event(w, site, &event);
}

/* One that hangs is still given what follows, and may read it when it goes on. */
static void given_up(struct sim *w, unsigned site)
{
    struct site *s = &w->sites[site];
    struct fo_event event = {.type = FO_EV_GUARDIAN};
    s->told_guardian = false;
    site_event(w, site, &event);
    s->guardian.agent = 0;
    if (guardian_acts(w, s)) /* it has heard of the next one before */
        tell(w, site, K_GUARDIAN, 1);
}

void guardian_says(struct sim *w, const struct entry *e)
{
    struct site *s = &w->sites[e->site];
    struct guardian *g = &s->guardian;
    const struct fo_guardian *known = &s->core.guardian;
    struct fo_event event = {.type = FO_EV_GUARDIAN};
    if (e->kind == K_GUARDIAN_VERIFIED) {
        event = (struct fo_event){.type = FO_EV_WORKLOAD_STOPPED,
                                  .workload = {.epoch = s->core.workload_epoch}};
        if (e->x != g->run || s->core.stop_tries == 0 || s->serving || known->last.epoch > e->y)
            return;
    } else if (e->y == 0) {
        given_up(w, e->site);
        return;
    } else if (e->x != g->run || !g->up) {
        return;
    } else {
        if (g->agent != s->run)
            connect(w, s);
        event.guardian.up = s->told_guardian = true;
        event.guardian.fired_epoch = g->fired.epoch;
        if (is_armed(g))
            event.guardian.armed = &g->held;
    }
    site_event(w, e->site, &event);
}

/* -- its life -------------------------------------------------------------------------------------- */

/* What killing what it finds may take, by the plan on the disk. */
static int64_t plan_limit(const struct site *s)
{
    const struct fo_guard *held = &s->guardian.held;
    return held->phase != FO_GUARD_NONE ? held->fence_limit : s->core.lease.fence_limit;
}

/* "A guardian that finds the plan of one that died ends everything in it at once." */
void guardian_boot(struct sim *w, unsigned site)
{
    struct site *s = &w->sites[site];
    struct guardian *g = &s->guardian;
    if (g->up || g->gone)
        return;
    if (w->trace)
        trace_line(w, (int)site, "GUARDIAN is up");
    int64_t limit = plan_limit(s);
    g->up = true;
    g->busy_until = 0;
    g->fired = (struct hb_era){0, 0};
    *guardian_timer(w, site) = INT64_MAX;
    memset(&g->held, 0, sizeof(g->held));
    g->held.deadline = FO_NEVER;
    if (s->serving)
        kill_within(w, site, s->serving_epoch, limit);
    tell(w, site, K_GUARDIAN, 1);
}

void guardian_dies(struct sim *w, unsigned site)
{
    struct guardian *g = &w->sites[site].guardian;
    if (!g->up)
        return;
    g->up = false;
    g->agent = 0;
    g->asked = false;
    *guardian_timer(w, site) = INT64_MAX;
    g->died_at = w->now;
    g->run++;
    tell(w, site, K_GUARDIAN, 0);
}

/* `noticed`: an answer that is late counts as a dead guardian. */
void guardian_hangs(struct sim *w, unsigned site, int64_t length, bool noticed)
{
    struct guardian *g = &w->sites[site].guardian;
    if (!g->up)
        return;
    g->busy_until = w->now + length;
    if (noticed && w->sites[site].up)
        queue_push(w, w->now + FO_LATENESS_MAX, K_GUARDIAN, site, 0, g->run, 0);
    queue_push(w, g->busy_until, K_GUARDIAN_WAKES, site, 0, 0, 0);
}

void guardian_wakes(struct sim *w, unsigned site)
{
    struct site *s = &w->sites[site];
    struct guardian *g = &s->guardian;
    if (!g->up || g->busy_until > w->now)
        return;
    g->busy_until = 0;
    set_timer(w, site); /* its clock may have stood still too */
    look(w, site);
    if (s->up && g->agent != s->run)
        tell(w, site, K_GUARDIAN, 1);
}

/* It came back late, and the agent, whose own stop was in time, dies as well. */
static void kill_by(struct sim *w, unsigned site, int64_t ends)
{
    struct guardian *g = &w->sites[site].guardian;
    if (g->kills_by <= ends || g->kills_by <= w->now)
        return;
    g->kills_by = ends > w->now ? ends : w->now + 1;
    queue_push(w, g->kills_by, K_GUARDIAN_KILLED, site, 0, g->run, w->sites[site].serving_epoch);
}

/* The agent and its guardian are away at once, or one after the other within one fence: the guardian is
 * back, and has killed, within what the lease promised (docs: what it assumes). Who has been without a
 * guardian for longer than a fence takes serves nothing any more, and needs none. */
void guardian_alone(struct sim *w, unsigned site)
{
    struct site *s = &w->sites[site];
    struct guardian *g = &s->guardian;
    int64_t fence = s->core.lease.fence_limit + 2 * FO_LATENESS_MAX;
    int64_t ends = promised_end(w, s);
    if (ends == INT64_MAX || s->frozen)
        return;
    if (guardian_acts(w, s)) {
        kill_by(w, site, ends);
        return;
    }
    if (!g->up && w->now - g->died_at > fence)
        return;
    int64_t limit = g->up ? g->held.fence_limit : plan_limit(s);
    int64_t by = ends - limit > w->now ? ends - limit : w->now + 1;
    g->gone = false;
    if (!g->up) {
        queue_push(w, by, K_GUARDIAN_BOOT, site, 0, 0, 0);
    } else if (g->busy_until > by) {
        g->busy_until = by;
        queue_push(w, by, K_GUARDIAN_WAKES, site, 0, 0, 0);
    }
}
