#include "guardian/fence.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "guardian/cgroup_find.h"
#include "guardian/clock.h"
#include "guardian/link.h"
#include "guardian/log.h"

#define CUT_AGAIN (20 * MS)

static const char *const rungs[] = {"nothing", "the kill", "cutting the network", "the command",
                                    "the watchdog"};

static int64_t earlier(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static bool has_fired(const struct guardian *g)
{
    return g->held.ladder.mode != LADDER_REST;
}

/* -- Workers ------------------------------------------------------------------- */

static unsigned kill_old_cgroup(const struct kill_job *job)
{
    struct cgroup_own own;
    if (!*job->old_cgroup)
        return 0;
    cgroup_own_find(&own);
    return !cgroup_is_own(&own, job->old_cgroup) && !cgroup_kill(job->old_cgroup);
}

static unsigned do_kill(void *data)
{
    struct kill_job *job = data;
    unsigned left = 0;
    if (job->begun_fire_ns != job->fire_ns)
        job->killing.count = 0;
    job->begun_fire_ns = job->fire_ns;
    left = kill_all(&job->killing, &job->plan.plan, &job->cgroups, job->keep, job->spare);
    return left + kill_old_cgroup(job);
}

static unsigned do_cut(void *data)
{
    struct cut_job *job = data;
    job->vips_left = link_withdraw(&job->plan.plan);
    return job->cuts ? link_cut(&job->plan.plan) : 0;
}

int fence_start_workers(struct guardian *g)
{
    if (worker_start(&g->killer, do_kill, &g->kill_job) < 0)
        return -1;
    return worker_start(&g->cutter, do_cut, &g->cut_job);
}

static void copy_plan(union message *to, const struct guardian *g)
{
    memcpy(to, &g->held.plan, g->held.plan.header.size);
}

/* Not fired: only what ended epochs have left in their cgroups. */
static void give_kill(struct guardian *g)
{
    struct kill_job *job = &g->kill_job;
    if (has_fired(g))
        copy_plan(&job->plan, g);
    else
        plan_make_empty(&job->plan.plan);
    job->cgroups = g->cgroups;
    job->spare = g->command.pid;
    job->fire_ns = has_fired(g) ? g->held.ladder.begun_ns : 0;
    snprintf(job->keep, sizeof job->keep, "%s", g->held.cgroup);
    snprintf(job->old_cgroup, sizeof job->old_cgroup, "%s", g->held.old_cgroup);
    worker_give(&g->killer);
}

static void give_cut(struct guardian *g, int64_t now_ns)
{
    copy_plan(&g->cut_job.plan, g);
    g->cut_job.fire_ns = g->held.ladder.begun_ns;
    g->cut_job.cuts = now_ns >= g->cut_ns;
    g->cut_ns = g->cut_job.cuts ? GUARD_NEVER : g->cut_ns;
    g->withdraw_ns = GUARD_NEVER;
    worker_give(&g->cutter);
}

/* -- What is kept and fed ------------------------------------------------------ */

int fence_keep(const struct guardian *g, const struct guard_plan *plan)
{
    struct kept kept = {.lease = g->held.lease};
    memcpy(kept.cgroup, g->cgroups.path, sizeof kept.cgroup);
    return keep_write(&g->keep, &kept, plan);
}

static void keep_or_say(const struct guardian *g)
{
    if (fence_keep(g, &g->held.plan.plan) < 0)
        say(LOG_ERROR, "the plan can't be kept in %s: %s", g->options->state, strerror(errno));
}

int fence_feed(struct guardian *g, const struct guard_plan *plan, int64_t now_ns)
{
    struct plan_entry now, before;
    size_t at = 0, at_before = 0;
    bool has = plan_next_of(plan, GUARD_WATCHDOG, &at, &now);
    bool had = plan_next_of(&g->held.plan.plan, GUARD_WATCHDOG, &at_before, &before);
    if (!has || (had && strcmp(now.word[0], before.word[0]) != 0))
        watchdog_close(&g->watchdog);
    if (!has)
        return 0;
    return watchdog_open(&g->watchdog, now.word[0], plan_limit_ns(plan, GUARD_RUNG_WATCHDOG, 0),
                         now_ns);
}

/* -- Firing -------------------------------------------------------------------- */

static bool has_vip(const struct guardian *g)
{
    struct plan_entry e;
    size_t at = 0;
    return plan_next_of(&g->held.plan.plan, GUARD_VIP, &at, &e);
}

void fence_begin(struct guardian *g, int64_t now_ns)
{
    g->kill_left = 1;
    g->vips_left = has_vip(g);
    g->look_ns = now_ns;
    g->cut_ns = GUARD_NEVER;
    g->withdraw_ns = g->vips_left ? now_ns : GUARD_NEVER;
}

void fence_fire(struct guardian *g, int64_t now_ns, const char *why)
{
    struct held *h = &g->held;
    int64_t late = lease_is_due(&h->lease, now_ns) ? now_ns - h->lease.held.deadline_ns : 0;
    lease_fire(&h->lease, now_ns);
    ladder_begin(&h->ladder, &h->plan.plan, h->lease.held.fence_limit_ns, now_ns);
    h->cgroup[0] = '\0';
    h->ending = true;
    g->acted = GUARD_RUNG_KILL;
    g->ended_ns = now_ns;
    fence_begin(g, now_ns);
    if (now_ns >= g->withdraw_ns && !g->cutter.busy) /* nobody finds a dying workload under it */
        give_cut(g, now_ns);
    if (!g->killer.busy)
        give_kill(g);
    g->talk.news = true;
    snprintf(g->text, sizeof g->text, "%s", why);
    say(LOG_WARN, "fires for epoch %" PRIu64 ": %s (%" PRId64 " us late)", h->lease.fired.epoch,
        why, late / 1000);
    /* The kept file still says that this epoch is armed: who finds it fires, which is the same. */
}

void fence_end_epoch(struct guardian *g, int64_t now_ns)
{
    g->held.cgroup[0] = '\0';
    g->held.ending = true;
    g->ended_ns = g->look_ns = now_ns;
    watchdog_close(&g->watchdog);
    keep_or_say(g);
}

/* -- What has come back -------------------------------------------------------- */

/* Nothing fired: until the ended epoch's cgroup is gone. */
static void ended_looked(struct guardian *g, unsigned left, int64_t now_ns)
{
    int64_t age = (now_ns - g->ended_ns) / 8;
    g->held.ending = left > 0;
    if (left == 0)
        g->look_ns = GUARD_NEVER;
    else
        g->look_ns = now_ns + (age < 2 * MS ? 2 * MS : earlier(age, 100 * MS));
}

/* Everything that the first rung ends, together. */
static void looked(struct guardian *g)
{
    ladder_looked(&g->held.ladder, g->kill_left + g->vips_left);
}

static void take_kill(struct guardian *g, int64_t now_ns)
{
    struct ladder *l = &g->held.ladder;
    unsigned left;
    if (!worker_done(&g->killer, &left))
        return;
    if (!has_fired(g)) {
        ended_looked(g, left, now_ns);
    } else if (g->kill_job.fire_ns == l->begun_ns) {
        if (l->killed && left > 0)
            say(LOG_WARN, "%u came up after the fire, and was killed", left);
        g->kill_left = left;
        looked(g);
        g->held.ending = left > 0;
        g->look_ns = ladder_next_look_ns(l, now_ns);
    } else {
        g->look_ns = now_ns; /* what it looked for was less */
    }
}

/* It is looked for as long as the epoch is over: an agent that was stopped between looking at its lease and
 * adding the address adds it when it goes on. */
static void take_withdrawal(struct guardian *g, int64_t now_ns)
{
    g->vips_left = g->cut_job.vips_left;
    looked(g);
    g->withdraw_ns = has_vip(g) ? ladder_next_look_ns(&g->held.ladder, now_ns) : GUARD_NEVER;
}

static void take_cut(struct guardian *g, int64_t now_ns)
{
    unsigned left;
    if (!worker_done(&g->cutter, &left) || !has_fired(g))
        return;
    if (g->cut_job.fire_ns != g->held.ladder.begun_ns) {
        g->withdraw_ns = g->vips_left ? now_ns : GUARD_NEVER; /* it was another fire's */
        return;
    }
    take_withdrawal(g, now_ns);
    if (!g->cut_job.cuts)
        return;
    if (left == 0)
        ladder_worked(&g->held.ladder, GUARD_RUNG_CUT);
    else if (g->held.ladder.rung == GUARD_RUNG_CUT)
        g->cut_ns = now_ns + CUT_AGAIN;
}

static void take_command_result(struct guardian *g, enum command_result result, int64_t now_ns)
{
    if (result == COMMAND_RUNS)
        return;
    g->command_by_ns = GUARD_NEVER;
    if (result == COMMAND_WORKED)
        ladder_worked(&g->held.ladder, GUARD_RUNG_COMMAND);
    else
        ladder_failed(&g->held.ladder, GUARD_RUNG_COMMAND, now_ns);
}

static void take_command(struct guardian *g, int64_t now_ns)
{
    if (!g->command.pid)
        return;
    if (g->held.ladder.mode != LADDER_CLIMBING || g->held.ladder.rung != GUARD_RUNG_COMMAND)
        command_is_last(&g->command);
    take_command_result(g,
                        command_check(&g->command, &g->held.plan.plan, g->options->site,
                                      g->options->group, g->held.lease.fired),
                        now_ns);
    if (now_ns >= g->command_by_ns) {
        command_kill(&g->command);
        g->command_by_ns = GUARD_NEVER;
    }
}

/* -- What is due --------------------------------------------------------------- */

static void begin_command(struct guardian *g, int64_t now_ns)
{
    enum command_result r = command_begin(&g->command, &g->held.plan.plan, g->options->site,
                                          g->options->group, g->held.lease.fired);
    g->command_by_ns = clock_later(now_ns, g->held.ladder.limit_ns[GUARD_RUNG_COMMAND]);
    take_command_result(g, r, now_ns);
}

static void begin_rung(struct guardian *g, int64_t now_ns)
{
    struct ladder *l = &g->held.ladder;
    g->acted = l->rung;
    g->talk.news = true;
    say(LOG_ERROR, "it is not verified that everything is gone: goes on to %s", rungs[l->rung]);
    if (l->rung == GUARD_RUNG_CUT)
        g->cut_ns = now_ns;
    else if (l->rung == GUARD_RUNG_COMMAND)
        begin_command(g, now_ns);
    else if (l->rung == GUARD_RUNG_WATCHDOG)
        g->held.starving = true;
}

/* A rung may fail at once: then the next one is begun in the same step. */
static void climb(struct guardian *g, int64_t now_ns)
{
    struct ladder *l = &g->held.ladder;
    ladder_tick(l, now_ns);
    while (l->mode == LADDER_CLIMBING && l->rung != g->acted)
        begin_rung(g, now_ns);
}

static void tell_end(struct guardian *g)
{
    const struct ladder *l = &g->held.ladder;
    g->talk.news = true;
    if (l->verified) {
        snprintf(g->text, sizeof g->text, "%s was verified", rungs[l->rung]);
        say(LOG_WARN, "epoch %" PRIu64 " is over: %s", g->held.lease.fired.epoch, g->text);
        watchdog_close(&g->watchdog);
    } else {
        snprintf(g->text, sizeof g->text, "no rung could be verified; %s was the last one",
                 rungs[l->rung]);
        say(LOG_ERROR, "epoch %" PRIu64 " may still be served here: %s", g->held.lease.fired.epoch,
            g->text);
    }
}

static void feed_watchdog(struct guardian *g, int64_t now_ns)
{
    if (g->watchdog.fd >= 0 && !g->held.starving && now_ns >= g->watchdog.fed_ns + WATCHDOG_EVERY)
        watchdog_feed(&g->watchdog, now_ns);
}

void fence_step(struct guardian *g, int64_t now_ns)
{
    const struct ladder *l = &g->held.ladder;
    enum ladder_mode before = l->mode;
    bool verified = l->verified;
    take_kill(g, now_ns);
    take_cut(g, now_ns);
    take_command(g, now_ns);
    climb(g, now_ns);
    if (l->mode == LADDER_ENDED && (before != LADDER_ENDED || verified != l->verified))
        tell_end(g);
    if (now_ns >= g->look_ns && !g->killer.busy)
        give_kill(g);
    if (now_ns >= earlier(g->cut_ns, g->withdraw_ns) && !g->cutter.busy && has_fired(g))
        give_cut(g, now_ns);
    feed_watchdog(g, now_ns);
}

int64_t fence_due_ns(const struct guardian *g)
{
    int64_t due = earlier(ladder_due_ns(&g->held.ladder), g->command_by_ns);
    if (!g->killer.busy)
        due = earlier(due, g->look_ns);
    if (!g->cutter.busy && has_fired(g))
        due = earlier(due, earlier(g->cut_ns, g->withdraw_ns));
    if (g->watchdog.fd >= 0 && !g->held.starving)
        due = earlier(due, g->watchdog.fed_ns + WATCHDOG_EVERY);
    return due;
}

bool fence_is_busy(const struct guardian *g)
{
    return g->held.ladder.mode == LADDER_CLIMBING || g->command.pid || g->cutter.busy ||
           g->killer.busy;
}
