/* The guardian, as the driver sees it: it is shown the lease before anything is done about it, and told
 * how to end the workload; what it says goes to the core. (guardian/protocol.h, ADR 0012) */
#include <inttypes.h>
#include <string.h>

#include "agent/guard_launch.h"
#include "agent/lead_internal.h"
#include "base/alloc.h"
#include "base/clock.h"
#include "base/log.h"

/* At start: who has not answered by then is not waited for. What runs is fenced then, and a lease that the
 * agent before held is lost. */
#define START_WAIT_NS (1000 * HM_MS)
#define PLAN_RETRY_NS (1000 * HM_MS) /* a plan that was refused is told again */
/* An agent that is well begins a fence at the deadline itself, and asks before it kills: the guardian, which
 * is never late by more than some ms, lets it. This comes out of the lateness (Lg) that is promised. */
#define HEAD_START_NS (GUARD_HEAD_START_MS * HM_MS)
_Static_assert(GUARD_HEAD_START_MS + GUARD_ANSWER_MS == CLUSTER_GUARDIAN_MS,
               "Lg is what they share");

/* -- Its view of the lease ---------------------------------------------------- */

static enum guard_phase phase_of(enum fo_guard_phase phase)
{
    static const enum guard_phase phases[] = {[FO_GUARD_NONE] = GUARD_NONE,
                                              [FO_GUARD_ARMED] = GUARD_ARMED,
                                              [FO_GUARD_SERVING] = GUARD_SERVING,
                                              [FO_GUARD_FENCING] = GUARD_FENCING};
    return phases[phase];
}

/* The head start is for the beginning of a fence; the kill within one is due when it is due. */
static int64_t head_start(enum fo_guard_phase phase)
{
    return phase == FO_GUARD_ARMED || phase == FO_GUARD_SERVING ? HEAD_START_NS : 0;
}

static struct guard_lease lease_of(const struct fo_guard *view)
{
    bool expires = view->deadline != FO_NEVER;
    return (struct guard_lease){
        .generation = view->generation,
        .epoch = view->epoch,
        .nonce = view->nonce,
        .first_counter = view->first_counter,
        .counter = view->counter,
        .revision = view->revision,
        .begun_ns = view->begun,
        .deadline_ns = expires ? view->deadline + head_start(view->phase) : GUARD_NEVER,
        .fence_limit_ns = view->fence_limit,
        .phase = phase_of(view->phase),
        .paused = view->paused,
    };
}

static struct fo_guard view_of(const struct guard_lease *lease)
{
    static const enum fo_guard_phase phases[] = {[GUARD_NONE] = FO_GUARD_NONE,
                                                 [GUARD_ARMED] = FO_GUARD_ARMED,
                                                 [GUARD_SERVING] = FO_GUARD_SERVING,
                                                 [GUARD_FENCING] = FO_GUARD_FENCING};
    bool expires = lease->deadline_ns != GUARD_NEVER;
    enum fo_guard_phase phase =
        lease->phase < HM_COUNT(phases) ? phases[lease->phase] : FO_GUARD_FENCING;
    return (struct fo_guard){
        .phase = phase,
        .generation = lease->generation,
        .epoch = lease->epoch,
        .nonce = lease->nonce,
        .first_counter = lease->first_counter,
        .counter = lease->counter,
        .revision = lease->revision,
        .begun = lease->begun_ns,
        .deadline = expires ? lease->deadline_ns - head_start(phase) : FO_NEVER,
        .fence_limit = lease->fence_limit_ns,
        .paused = lease->paused != 0,
    };
}

void lead_guard_show(struct lead *l)
{
    struct fo_guard view;
    if (!l->core.started)
        return; /* it keeps what it has */
    fo_guard_view(&l->core, &view);
    struct guard_lease lease = lease_of(&view);
    guard_set(l->guard.client, &lease);
}

/* -- The plan ----------------------------------------------------------------- */

static void add_vm(void *arg, const char *word)
{
    fence_plan_add_vm(arg, word);
}

static void add_tap(void *arg, const char *name)
{
    fence_plan_add_link(arg, name);
}

/* False while it can't be known yet what runs here. */
static bool compile(struct lead *l)
{
    const struct workload_documents *d = &l->options.documents;
    const struct vip_config *vips = &l->options.config->failover.vips;
    fence_plan_begin(&l->guard.plan, &l->options.config->guardian);
    for (size_t i = 0; i < vips->count; i++)
        fence_plan_add_vip(&l->guard.plan, &vips->wants[i].address);
    bool is_known = !d->each_vm || d->each_vm(d->data, add_vm, &l->guard.plan);
    if (d->each_tap)
        d->each_tap(d->data, add_tap, &l->guard.plan);
    l->guard.too_large = (struct hm_error){0};
    fence_plan_end(&l->guard.plan, &l->guard.too_large);
    return is_known;
}

static bool is_in_force(const struct lead *l)
{
    uint64_t number = fence_plan_number(&l->guard.plan);
    return number && guard_is_up(l->guard.client) && guard_last(l->guard.client)->plan == number;
}

static bool holds_a_lease(const struct guard_state *state)
{
    return state->lease.phase != GUARD_NONE && state->fired_epoch < state->lease.epoch;
}

/* What the agent before made may have other names than what it would be made with now: its plan stays
 * until its things were seen, or its lease has ended. */
static bool keeps_the_plan_of_before(const struct lead *l, bool is_known)
{
    const struct guard_state *state = guard_last(l->guard.client);
    return !is_known && l->guard.has_inherited && state->plan && holds_a_lease(state);
}

static void tell_plan(struct lead *l)
{
    struct guard_plan *plan = fence_plan_message(&l->guard.plan);
    bool is_told = l->guard.plan_told_number == fence_plan_number(&l->guard.plan) &&
                   l->guard.plan_told >> 32 == guard_told(l->guard.client) >> 32;
    if (!plan || is_in_force(l) || (is_told && !l->guard.plan_retry_at))
        return;
    l->guard.plan_retry_at = 0;
    guard_plan(l->guard.client, plan, l->guard.plan.text.len);
    l->guard.plan_told = guard_told(l->guard.client);
    l->guard.plan_told_number = fence_plan_number(&l->guard.plan);
}

void lead_documents_changed(struct lead *l)
{
    bool is_known = compile(l);
    lead_tell_clean_stop(l);
    if (guard_is_up(l->guard.client) && !keeps_the_plan_of_before(l, is_known))
        tell_plan(l);
}

bool lead_guards(const struct lead *l, const char *word)
{
    return is_in_force(l) && fence_plan_has_vm(&l->guard.plan, word);
}

/* What waited for a plan may go on. */
static void plan_answered(struct lead *l)
{
    const struct workload_documents *d = &l->options.documents;
    l->guard.refused = (struct hm_error){0};
    if (is_in_force(l) && d->recheck)
        d->recheck(d->data);
}

static void plan_refused(struct lead *l, const struct guard_state *state)
{
    struct hm_error why;
    l->guard.plan_retry_at = hm_boottime_ns() + PLAN_RETRY_NS;
    hm_fail(&why, HM_E_REFUSED, "the guardian does not take the plan of the fence: %s",
            *state->text ? state->text : "it does not say why");
    if (state->error == GUARD_BUSY || !strcmp(why.text, l->guard.refused.text))
        return;
    l->guard.refused = why;
    hm_log(HM_LOG_ERROR, LEAD_LOG, "%s; %s", why.text,
           l->work.serving ? "what it does not know is not started" : "this site does not lead");
    lead_status_changed(l);
}

/* -- A start waits for it ------------------------------------------------------ */

bool lead_guard_is_ready(const struct lead *l)
{
    return is_in_force(l) && guard_has_answered(l->guard.client, l->guard.start_told);
}

int lead_guard_cgroup(const struct lead *l, const char **ret, struct hm_error *why)
{
    const char *cgroup = guard_last(l->guard.client)->cgroup;
    *ret = *cgroup ? cgroup : NULL;
    if (*ret || !hooks_has(l->work.hooks, HOOK_PROMOTE))
        return 0;
    return hm_fail(why, HM_E_UNSUPPORTED,
                   "the guardian has made no cgroup for epoch %" PRIu64
                   ", so that what the promote hook starts can't be held",
                   l->work.epoch);
}

/* -- May this site lead? ------------------------------------------------------- */

static int check_host(const struct lead *l, struct hm_error *why)
{
    uint32_t holds = guard_last(l->guard.client)->holds;
    if (!hooks_has(l->work.hooks, HOOK_PROMOTE) ||
        (holds & (GUARD_HOLDS_CGROUP2 | GUARD_HOLDS_FREEZER)))
        return 0;
    return hm_fail(
        why, HM_E_UNSUPPORTED,
        "the guardian can use neither cgroup v2 nor the v1 freezer on this host, so that "
        "what a promote hook starts can't be ended: this site does not lead");
}

static int check_past(const struct lead *l, struct hm_error *why)
{
    const struct guard_state *state = guard_last(l->guard.client);
    if (state->climbing)
        return hm_fail(why, HM_E_BUSY,
                       "the guardian is still ending the workload of epoch %" PRIu64,
                       state->fired_epoch);
    if (!l->work.unseen)
        return 0;
    return hm_fail(why, HM_E_REFUSED,
                   "the guardian ended epoch %" PRIu64
                   ", and the agent has not seen its workload stopped yet",
                   l->work.stop_epoch);
}

int lead_guard_check(const struct lead *l, struct hm_error *why)
{
    const struct hm_error *plan = l->guard.too_large.code ? &l->guard.too_large : &l->guard.refused;
    if (!guard_is_up(l->guard.client))
        return hm_fail(why, HM_E_CONNECTION, "%s", guard_trouble(l->guard.client));
    if (plan->code)
        return hm_fail(why, plan->code, "%s", plan->text);
    int r = check_host(l, why);
    return r < 0 ? r : check_past(l, why);
}

/* -- For people ------------------------------------------------------------------ */

static int64_t limit_of(const struct guardian_config *c, enum guard_rung rung, bool is_there,
                        int64_t by_default)
{
    if (!is_there)
        return 0;
    return c->fence.limit_ms[rung] ? c->fence.limit_ms[rung] : by_default;
}

/* What all steps of the ladder may take, if each fails; ms. The defaults are the guardian's. */
static int64_t ladder_ms(const struct guardian_config *c, int64_t fence_ms)
{
    bool cuts = (c->fence.links && *c->fence.links) || c->fence.address_count;
    return limit_of(c, GUARD_RUNG_KILL, true, fence_ms) + limit_of(c, GUARD_RUNG_CUT, cuts, 500) +
           limit_of(c, GUARD_RUNG_COMMAND, c->fence.command, 10000) +
           limit_of(c, GUARD_RUNG_WATCHDOG, c->fence.watchdog, 10000);
}

bool lead_guard_warning(const struct lead *l, struct hm_error *why)
{
    int64_t fence_ms = l->core.terms.fence_limit / HM_MS;
    int64_t needed = ladder_ms(&l->options.config->guardian, fence_ms);
    if (!l->core.has_config || needed <= fence_ms)
        return false;
    hm_fail(
        why, HM_E_INVALID,
        "the steps of guardian.fence may take %lld ms together, fence_timeout_ms is %lld: if the "
        "kill fails, another site may serve before this one is cut off; set their limits, or raise "
        "fence_timeout_ms",
        (long long)needed, (long long)fence_ms);
    return true;
}

static const char *phase_text(uint32_t phase)
{
    static const char *const texts[] = {[GUARD_NONE] = "none",
                                        [GUARD_ARMED] = "armed",
                                        [GUARD_SERVING] = "serving",
                                        [GUARD_FENCING] = "fencing"};
    return phase < HM_COUNT(texts) ? texts[phase] : "unknown";
}

json_t *lead_guard_json(const struct lead *l)
{
    const struct guard_state *s = guard_last(l->guard.client);
    if (!guard_is_up(l->guard.client))
        return json_pack("{s:b}", "up", false);
    return json_pack("{s:b, s:s, s:I, s:b, s:I, s:s}", "up", true, "holds",
                     phase_text(s->lease.phase), "epoch", (json_int_t)s->lease.epoch,
                     "plan_in_force", is_in_force(l), "fired_epoch", (json_int_t)s->fired_epoch,
                     "cgroup", s->cgroup);
}

/* -- What it says -------------------------------------------------------------- */

static const char *rung_text(uint32_t rung)
{
    static const char *const texts[] = {[GUARD_RUNG_NONE] = "nothing yet",
                                        [GUARD_RUNG_KILL] = "killing what runs",
                                        [GUARD_RUNG_CUT] = "cutting off the network",
                                        [GUARD_RUNG_COMMAND] = "the operator's command",
                                        [GUARD_RUNG_WATCHDOG] = "the watchdog"};
    return rung < HM_COUNT(texts) ? texts[rung] : "a step that this agent does not know";
}

static void log_fire(const struct guard_state *s)
{
    const char *how = s->verified   ? "it has seen the effect"
                      : s->climbing ? "not verified yet"
                                    : "nothing could be verified";
    hm_log(s->verified ? HM_LOG_WARN : HM_LOG_ERROR, LEAD_LOG,
           "the guardian ended epoch %" PRIu64 " by %s; %s%s%s", s->fired_epoch, rung_text(s->rung),
           how, *s->text ? ": " : "", s->text);
}

/* It still holds something of an agent before this one, when that could not be waited for. */
static bool holds_leftover(const struct lead *l, const struct guard_state *s)
{
    return l->started && !l->core.lease.held && s->lease.phase != GUARD_NONE;
}

static void say_to_core(struct lead *l, bool up, uint64_t fired_epoch)
{
    struct fo_event event = {.type = FO_EV_GUARDIAN};
    const struct guard_state *state = guard_last(l->guard.client);
    struct fo_guard held = view_of(&state->lease);
    if (up == l->guard.said_up && fired_epoch == l->guard.said_fired)
        return;
    if (up && !l->guard.said_up && holds_leftover(l, state))
        event.guardian.armed = &held;
    event.guardian.up = l->guard.said_up = up;
    event.guardian.fired_epoch = l->guard.said_fired = fired_epoch;
    lead_event(l, &event);
    lead_status_changed(l);
}

/* It looks for what runs. What libvirt was asked to start and may bring up yet, only the agent knows of;
 * the higher rungs hold for that, too. */
static bool saw_all(const struct lead *l, const struct guard_state *s)
{
    const struct workload_documents *d = &l->options.documents;
    return s->rung != GUARD_RUNG_KILL || !d->may_still_start || !d->may_still_start(d->data);
}

void lead_guard_look_at_fire(struct lead *l)
{
    const struct guard_state *s = guard_last(l->guard.client);
    bool is_verified = guard_is_up(l->guard.client) && s->verified && s->fired_epoch &&
                       s->fired_epoch == l->work.stop_epoch;
    if (is_verified && l->work.stopping && saw_all(l, s))
        lead_stop_verified_by_guardian(l);
}

static void note_fire(struct lead *l, const struct guard_state *s)
{
    bool is_news = s->fired_epoch != l->guard.fire.epoch || s->rung != l->guard.fire.rung ||
                   s->verified != l->guard.fire.verified || s->climbing != l->guard.fire.climbing;
    l->guard.fire.epoch = s->fired_epoch;
    l->guard.fire.rung = s->rung;
    l->guard.fire.verified = s->verified;
    l->guard.fire.climbing = s->climbing;
    bool is_old = s->rung == GUARD_RUNG_NONE && !s->climbing; /* a later epoch is armed */
    if (!is_news || !s->fired_epoch || is_old)
        return;
    log_fire(s);
    lead_status_changed(l);
}

/* One that was asked to end arms nothing any more: the role is given up before it goes. */
static void hear(struct lead *l, const struct guard_state *s)
{
    note_fire(l, s);
    say_to_core(l, !s->leaving, s->fired_epoch);
    lead_guard_look_at_fire(l);
}

/* It does not hold what the core believes it does: as good as none. */
static void lease_refused(struct lead *l, const struct guard_state *s)
{
    bool fires = s->error == GUARD_FIRED; /* is heard, with the rest */
    hm_log(fires ? HM_LOG_DEBUG : HM_LOG_ERROR, LEAD_LOG,
           "the guardian refuses epoch %" PRIu64 ": %s", l->core.lease.epoch, s->text);
    if (l->work.start_waits) {
        l->work.start_waits = false;
        lead_start_fails(l, *s->text ? s->text : "the guardian refuses its epoch");
    } else if (!fires && l->core.lease.held) {
        say_to_core(l, false, s->fired_epoch);
    }
}

static void on_state(void *data, const struct guard_state *s)
{
    struct lead *l = data;
    bool is_about_plan = s->header.seq && s->header.seq == (uint32_t)l->guard.plan_told;
    if (s->error != GUARD_OK && is_about_plan)
        plan_refused(l, s);
    else if (s->error != GUARD_OK)
        lease_refused(l, s);
    else if (is_about_plan)
        plan_answered(l);
    hear(l, s);
    if (l->guard.has_inherited && !holds_a_lease(s)) { /* its plan needs to be kept no longer */
        l->guard.has_inherited = false;
        lead_documents_changed(l);
    }
    lead_begin_start_if_ready(l);
}

/* -- It comes and goes --------------------------------------------------------- */

static void begin_core(struct lead *l, const struct guard_state *state)
{
    struct fo_guard inherit = {0};
    bool holds = state && holds_a_lease(state);
    l->guard.waits_to_start = false;
    l->guard.has_inherited = holds;
    if (l->stopped && !holds) { /* it took no part, and has nothing to hand over */
        lead_end(l);
        return;
    }
    if (state)
        inherit = view_of(&state->lease);
    lead_begin(l, holds ? &inherit : NULL);
}

static void on_up(void *data, const struct guard_state *state)
{
    struct lead *l = data;
    hm_log(HM_LOG_INFO, LEAD_LOG, "the guardian answers%s%s",
           *state->cgroup ? "; cgroup of the epoch: " : "", state->cgroup);
    hear(l, state);
    if (l->guard.waits_to_start)
        begin_core(l, state);
    lead_guard_show(l);
    lead_documents_changed(l);
    lead_status_changed(l);
}

static void on_lost(void *data, const struct hm_error *why)
{
    struct lead *l = data;
    hm_log(HM_LOG_ERROR, LEAD_LOG, "%s; without it no lease is held", why->text);
    say_to_core(l, false, l->guard.said_fired);
}

static int launch(void *data, struct hm_error *err)
{
    struct lead *l = data;
    return guard_launch(l->options.config, &l->guard.launched_at, err);
}

void lead_guard_timer(struct lead *l)
{
    int64_t now = hm_boottime_ns();
    if (l->guard.waits_to_start && now >= l->guard.start_due) {
        hm_log(HM_LOG_ERROR, LEAD_LOG, "%s; whatever an agent before left behind is %s",
               guard_trouble(l->guard.client), l->stopped ? "left to it" : "fenced");
        begin_core(l, NULL);
    }
    if (l->guard.plan_retry_at && now >= l->guard.plan_retry_at)
        lead_documents_changed(l);
}

int64_t lead_guard_due(const struct lead *l)
{
    if (l->guard.waits_to_start)
        return l->guard.start_due;
    return l->guard.plan_retry_at && guard_is_up(l->guard.client) ? l->guard.plan_retry_at
                                                                  : FO_NEVER;
}

void lead_guard_new(struct lead *l)
{
    const struct agent_config *c = l->options.config;
    struct guard_options options = {
        .loop = l->options.loop,
        .path = c->guardian.socket,
        .site = c->site_id,
        .group = c->failover.group,
        .launch = guard_is_ours_to_launch(c) ? launch : NULL,
        .on_up = on_up,
        .on_state = on_state,
        .on_lost = on_lost,
        .data = l,
    };
    l->guard.client = guard_new(&options);
}

void lead_guard_begin(struct lead *l)
{
    l->guard.waits_to_start = true;
    l->guard.start_due = hm_boottime_ns() + START_WAIT_NS;
    guard_connect(l->guard.client);
}

void lead_guard_free(struct lead *l)
{
    guard_free(l->guard.client);
    fence_plan_clear(&l->guard.plan);
}
