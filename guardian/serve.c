#include "guardian/serve.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "guardian/cgroup_find.h"
#include "guardian/clock.h"
#include "guardian/fence.h"
#include "guardian/log.h"
#include "guardian/talk.h"

static void refuse_system(struct guardian *g, const char *what, const char *where)
{
    char why[PLAN_TEXT_MAX];
    snprintf(why, sizeof why, "%s %.120s: %s", what, where, strerror(errno));
    talk_answer(g, GUARD_SYSTEM, why);
}

/* -- HELLO --------------------------------------------------------------------- */

static void serve_hello(struct guardian *g)
{
    char why[PLAN_TEXT_MAX] = "";
    enum guard_error e = message_hello(&g->talk.in.hello, g->options->site, g->options->group, why);
    if (e == GUARD_OK) {
        g->held.greeted = true;
        say(LOG_INFO, "an agent has come");
    } else {
        g->talk.close_soon = true;
    }
    talk_answer(g, e, e == GUARD_OK ? g->text : why);
}

/* -- PLAN ---------------------------------------------------------------------- */

/* The guardian does not kill itself. */
static const char *own_cgroup(const struct guard_plan *plan)
{
    struct cgroup_own own;
    struct plan_entry e;
    size_t at = 0;
    cgroup_own_find(&own);
    while (plan_next_of(plan, GUARD_CGROUP, &at, &e))
        if (cgroup_is_own(&own, e.word[0]))
            return e.word[0];
    return NULL;
}

static bool refuse_plan(struct guardian *g, const struct guard_plan *plan, int64_t now_ns)
{
    char why[PLAN_TEXT_MAX];
    const char *own = own_cgroup(plan);
    if (own) {
        snprintf(why, sizeof why, "the guardian itself is in the cgroup %.150s", own);
        talk_answer(g, GUARD_MALFORMED, why);
    } else if (g->held.ladder.mode == LADDER_CLIMBING || g->command.pid) {
        talk_answer(g, GUARD_BUSY, "the ladder is being climbed by the present plan");
    } else if (fence_keep(g, plan) < 0) {
        refuse_system(g, "the plan can't be kept in", g->options->state);
    } else if (g->held.lease.armed && fence_feed(g, plan, now_ns) < 0) {
        refuse_system(g, "the plan's watchdog can't be opened for", g->options->group);
        fence_keep(g, &g->held.plan.plan);
        fence_feed(g, &g->held.plan.plan, now_ns);
    } else {
        return false;
    }
    return true;
}

static void serve_plan(struct guardian *g, int64_t now_ns)
{
    const struct guard_plan *plan = &g->talk.in.plan;
    if (refuse_plan(g, plan, now_ns))
        return;
    memcpy(&g->held.plan, plan, plan->header.size);
    g->withdraw_ns = now_ns; /* after a fire it may name a virtual IP that the last one did not */
    say(LOG_DEBUG, "has plan %" PRIu64 " with %u entries", plan->number, plan->entries);
    talk_answer(g, GUARD_OK, "");
}

/* -- SET ----------------------------------------------------------------------- */

static void refuse_set(struct guardian *g, enum guard_error e, const struct guard_lease *want)
{
    char why[PLAN_TEXT_MAX];
    const struct lease *l = &g->held.lease;
    if (e == GUARD_FIRED)
        snprintf(why, sizeof why, "epoch %" PRIu64 " was ended by the guardian", want->epoch);
    else
        snprintf(why, sizeof why,
                 "epoch %" PRIu64 " (generation %" PRIu64
                 ") can't be set to phase %u: the last one "
                 "was epoch %" PRIu64 " (generation %" PRIu64 ")%s",
                 want->epoch, want->generation, want->phase, l->last.epoch, l->last.generation,
                 l->armed ? "" : ", and has ended");
    talk_answer(g, e, why);
}

/* A look under way still spares the old epoch and kills what it does not know: a new one waits for it.
 * Returns true when the message has been answered, or stays. */
static bool has_to_wait(struct guardian *g, int64_t now_ns)
{
    if (g->held.leaving) {
        talk_answer(g, GUARD_LEAVING, "this guardian is about to end, and arms no new epoch");
        return true;
    }
    if (!fence_is_busy(g))
        return false;
    bool climbs = g->held.ladder.mode == LADDER_CLIMBING || g->command.pid;
    if (climbs || now_ns >= talk_due_ns(g))
        talk_answer(g, GUARD_BUSY,
                    climbs ? "the ladder is being climbed"
                           : "a look at what has to end takes long");
    return true;
}

static bool make_cgroup(struct guardian *g, const char *name)
{
    if (!g->cgroups.holds || cgroups_make(&g->cgroups, name) == 0)
        return true;
    refuse_system(g, "the epoch's cgroup can't be made in", g->cgroups.path);
    return false;
}

/* Everything that may fail comes before the old epoch ends. */
static bool arm(struct guardian *g, const struct guard_lease *want, int64_t now_ns)
{
    struct held *h = &g->held;
    struct lease before = h->lease;
    char name[CGROUP_NAME_MAX], name_before[CGROUP_NAME_MAX];
    cgroups_name(lease_epoch(want), name);
    memcpy(name_before, h->cgroup, sizeof name_before);
    if (!make_cgroup(g, name))
        return false;
    lease_take(&h->lease, want);
    snprintf(h->cgroup, sizeof h->cgroup, "%s", g->cgroups.holds ? name : "");
    bool kept = fence_keep(g, &h->plan.plan) == 0;
    if (!kept || fence_feed(g, &h->plan.plan, now_ns) < 0) {
        refuse_system(g, kept ? "the plan's watchdog can't be opened for" : "can't write to",
                      kept ? g->options->group : g->options->state);
        h->lease = before;
        memcpy(h->cgroup, name_before, sizeof name_before);
        fence_keep(g, &h->plan.plan);
        h->ending = true;
        g->ended_ns = g->look_ns = now_ns;
        return false;
    }
    return true;
}

static void begin_epoch(struct guardian *g, const struct guard_lease *want, int64_t now_ns)
{
    struct held *h = &g->held;
    ladder_rest(&h->ladder);
    h->starving = false;
    h->old_cgroup[0] = '\0';
    g->text[0] = '\0';
    h->ending = true; /* of an epoch before this one, or nothing */
    g->ended_ns = g->look_ns = now_ns;
    say(LOG_INFO, "epoch %" PRIu64 " is armed", want->epoch);
}

static void take_set(struct guardian *g, const struct guard_lease *want, enum lease_change change,
                     int64_t now_ns)
{
    bool was_armed = g->held.lease.armed;
    lease_take(&g->held.lease, want);
    if (change == LEASE_ENDS) {
        fence_end_epoch(g, now_ns);
        say(LOG_INFO, "epoch %" PRIu64 " has ended, and is disarmed", g->held.lease.last.epoch);
    } else if (was_armed && lease_is_due(&g->held.lease, now_ns)) {
        fence_fire(g, now_ns, "its new deadline has passed already");
        refuse_set(g, GUARD_FIRED, want);
        return;
    }
    talk_answer(g, GUARD_OK, "");
}

static void serve_set(struct guardian *g, int64_t now_ns)
{
    struct guard_lease want = g->talk.in.set.lease;
    enum lease_change change = LEASE_KEEPS;
    enum guard_error e = lease_judge(&g->held.lease, &want, &change);
    if (e != GUARD_OK) {
        refuse_set(g, e, &want);
        return;
    }
    if (change == LEASE_ARMS) {
        if (has_to_wait(g, now_ns) || !arm(g, &want, now_ns))
            return;
        begin_epoch(g, &want, now_ns);
        change = LEASE_KEEPS;
    }
    take_set(g, &want, change, now_ns);
}

/* -- All ----------------------------------------------------------------------- */

void serve_message(struct guardian *g, int64_t now_ns)
{
    char why[PLAN_TEXT_MAX] = "";
    const union message *m = &g->talk.in;
    enum guard_error e = message_check(m, g->talk.in_size, why);
    if (e == GUARD_OK && !g->held.greeted && m->header.type != GUARD_HELLO) {
        e = GUARD_STRANGER;
        snprintf(why, sizeof why, "say HELLO first");
    }
    if (e != GUARD_OK) {
        g->talk.close_soon = !g->held.greeted;
        talk_answer(g, e, why);
    } else if (m->header.type == GUARD_HELLO) {
        serve_hello(g);
    } else if (m->header.type == GUARD_PLAN) {
        serve_plan(g, now_ns);
    } else {
        serve_set(g, now_ns);
    }
}
