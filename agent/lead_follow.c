/* Following another leader: the resync and follow hooks, and when this site may not lead before. */
#include <inttypes.h>

#include "agent/lead_internal.h"
#include "base/clock.h"
#include "base/log.h"

#define SECOND_NS      (1000 * HM_MS)
#define RETRY_FIRST_NS SECOND_NS
#define RETRY_MOST_NS  (300 * SECOND_NS)

/* -- May have diverged -------------------------------------------------------- */

static bool is_own_era(const struct lead *l, struct hb_era era)
{
    const struct fo_known *known = &l->core.known;
    struct hb_era held = {l->core.lease.generation, l->core.lease.epoch};
    if (l->core.lease.held)
        return hb_era_compare(held, era) == 0;
    return known->has_record && known->readable &&
           hb_era_compare(hb_era_of(&known->record), era) == 0 &&
           hb_site_equal(&known->record.site, &l->core.site);
}

/* An epoch above the last that this site served in is another's, who may have served, unless this
 * site is seen in it: then it was next, and nobody was in between. */
static void look_at_epochs(struct lead *l)
{
    struct marks *m = &l->memory.marks;
    struct hb_era seen = l->core.history.seen, led = {m->led_generation, m->led_epoch};
    if (!m->led_epoch || hb_era_compare(seen, led) <= 0 || l->follow.diverged)
        return;
    l->follow.diverged = !is_own_era(l, seen);
    /* Another run under this name may be a twin: its epoch is not this host's to retake. */
    if (l->follow.diverged || l->core.known.record.nonce != l->core.nonce)
        return;
    m->led_epoch = seen.epoch;
    m->led_generation = seen.generation;
    lead_save_marks(l);
}

bool lead_must_resync(const struct lead *l, struct hm_error *why)
{
    if (!l->follow.diverged || !hooks_has(l->work.hooks, HOOK_RESYNC))
        return false;
    hm_fail(why, HM_E_REFUSED,
            "this site served in epoch %" PRIu64
            " and another may have served since: it can't lead "
            "before its resync hook has succeeded (docs/failover/hooks.md says what to do when no "
            "leader is left)",
            l->memory.marks.led_epoch);
    return true;
}

bool lead_may_be_fit(const struct lead *l)
{
    struct hm_error why;
    bool unread = !l->core.known.has_record && !l->core.lease.held;
    bool may_have_to = l->memory.marks.led_epoch && hooks_has(l->work.hooks, HOOK_RESYNC);
    /* What serves goes on: the plan that it was started with is in force, and one that is refused here may be
     * refused everywhere. */
    bool is_barred = !l->work.serving && (l->memory.failed.code || lead_guard_check(l, &why) < 0 ||
                                          vips_check(l->work.vips, &why) < 0);
    return !lead_must_resync(l, &why) && !(unread && may_have_to) && !is_barred;
}

static void tell_need(struct lead *l)
{
    struct hm_error why;
    bool need = lead_must_resync(l, &why);
    if (need == l->follow.need_told)
        return;
    l->follow.need_told = need;
    if (need)
        hm_log(HM_LOG_WARN, LEAD_LOG, "%s", why.text);
    lead_status_changed(l);
}

static void set_caught_up(struct lead *l)
{
    l->follow.diverged = false;
    l->memory.marks.led_epoch = 0;
    lead_save_marks(l);
}

/* -- The hooks ---------------------------------------------------------------- */

static void attempt_failed(struct lead *l, const struct hm_error *err)
{
    int64_t twice = 2 * l->follow.wait;
    l->follow.wait = !twice ? RETRY_FIRST_NS : twice < RETRY_MOST_NS ? twice : RETRY_MOST_NS;
    l->follow.retry_at = hm_boottime_ns() + l->follow.wait;
    l->follow.failed = *err;
    hm_log(HM_LOG_ERROR, LEAD_LOG, "%s; this site does not follow %s, next try in %lld s",
           err->text, l->follow.leader.text, (long long)(l->follow.wait / SECOND_NS));
    lead_status_changed(l);
}

static void attempt_succeeded(struct lead *l, enum hook hook, int64_t took_ns)
{
    l->follow.wait = 0;
    l->follow.failed = (struct hm_error){0};
    if (hook == HOOK_RESYNC)
        set_caught_up(l);
    else
        l->follow.done = true;
    hm_log(HM_LOG_INFO, LEAD_LOG, "%s hook ended well after %lld ms", hook_name(hook),
           (long long)(took_ns / HM_MS));
    lead_status_changed(l);
}

/* What was told about a leader that is none any more counts for nothing. */
static void attempt_ended(struct lead *l, enum hook hook, const struct hm_error *err,
                          int64_t took_ns)
{
    static const struct fo_event timer = {.type = FO_EV_TIMER};
    bool counts = hb_site_equal(&l->follow.told, &l->follow.leader);
    if (counts && err)
        attempt_failed(l, err);
    else if (counts)
        attempt_succeeded(l, hook, took_ns);
    lead_event(l, &timer); /* the next step, or the alarm for it */
}

static void followed(void *data, const struct hm_error *err, const char *out, int64_t took_ns)
{
    (void)out;
    attempt_ended(data, HOOK_FOLLOW, err, took_ns);
}

static void resynced(void *data, const struct hm_error *err, const char *out, int64_t took_ns)
{
    (void)out;
    attempt_ended(data, HOOK_RESYNC, err, took_ns);
}

/* 0: there is no such hook. */
static int attempt(struct lead *l, enum hook hook)
{
    struct hm_error why;
    struct hook_context context = {.epoch = lead_epoch(l),
                                   .from_epoch = l->core.known.record.epoch, /* it serves */
                                   .leader = l->follow.leader.text,
                                   .reason = hb_reason_text(l->core.reason)};
    l->follow.told = l->follow.leader;
    int r = hooks_run(l->work.hooks, hook, &context, 0, hook == HOOK_RESYNC ? resynced : followed,
                      l, &why);
    if (r < 0)
        attempt_failed(l, &why);
    return r;
}

/* A site that led before may have diverged: it catches up first. */
static void next_step(struct lead *l)
{
    l->follow.retry_at = 0;
    if (l->memory.marks.led_epoch) {
        if (attempt(l, HOOK_RESYNC) != 0)
            return;
        set_caught_up(l);
    }
    l->follow.done = attempt(l, HOOK_FOLLOW) == 0;
}

/* -- Whom --------------------------------------------------------------------- */

/* Another site whose record says that it serves: a claim alone is nobody to follow yet. */
static const struct hb_site *serving_leader(const struct lead *l)
{
    const struct fo_known *known = &l->core.known;
    bool held = known->has_record && known->readable && known->record.status != HB_RELEASED;
    if (!held || known->record.role != HB_ROLE_LEADER ||
        hb_site_equal(&known->record.site, &l->core.site))
        return NULL;
    return &known->record.site;
}

static bool hook_runs(const struct lead *l)
{
    return hooks_running(l->work.hooks, HOOK_FOLLOW) || hooks_running(l->work.hooks, HOOK_RESYNC);
}

static void begin_with(struct lead *l, const struct hb_site *leader)
{
    l->follow.leader = *leader;
    l->follow.done = false;
    l->follow.wait = l->follow.retry_at = 0;
    l->follow.failed = (struct hm_error){0};
    hooks_kill(l->work.hooks, HOOK_FOLLOW);
    hooks_kill(l->work.hooks, HOOK_RESYNC);
}

/* Hooks that run for the old leader are awaited: they come back here when they have ended. */
static void follow(struct lead *l, const struct hb_site *leader)
{
    if (!hb_site_equal(leader, &l->follow.leader))
        begin_with(l, leader);
    if (l->follow.done || hook_runs(l))
        return;
    if (hm_boottime_ns() >= l->follow.retry_at)
        next_step(l);
    if (l->follow.retry_at)
        l->follow.due = l->follow.retry_at;
}

void lead_follow(struct lead *l)
{
    static const struct hb_site nobody;
    const struct hb_site *leader = serving_leader(l);
    l->follow.due = FO_NEVER;
    look_at_epochs(l);
    if (l->core.lease.held && hb_site_is_set(&l->follow.leader))
        begin_with(l, &nobody);
    else if (l->core.role == HB_ROLE_REPLICA && leader)
        follow(l, leader);
    tell_need(l);
}
