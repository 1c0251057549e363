/* The driver's side towards this host: the workload, and what is remembered on disk. */
#include <inttypes.h>
#include <stdlib.h>

#include "agent/lead_internal.h"
#include "base/alloc.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"

enum { DISK_JOBS_MAX = 4 };
#define FENCE_UNCONFIGURED_NS (1500 * HM_MS) /* as long as no configuration was ever seen */
#define LOOK_AGAIN_NS         (1000 * HM_MS) /* a stop that only the guardian has verified */

/* Of the lease record in the bucket, as last read; 0: none, or it can't be read. */
static uint64_t record_epoch(const struct lead *l)
{
    const struct fo_known *known = &l->core.known;
    return known->has_record && known->readable ? known->record.epoch : 0;
}

static struct hook_context context_for(const struct lead *l, uint64_t epoch, enum hb_reason reason)
{
    const char *leader = lead_leader(l);
    return (struct hook_context){.epoch = epoch,
                                 .from_epoch = record_epoch(l),
                                 .leader = leader,
                                 .reason = hb_reason_text(reason)};
}

static void workload_event(struct lead *l, enum fo_event_type type, uint64_t epoch)
{
    struct fo_event event = {.type = type};
    event.workload.epoch = epoch;
    lead_event(l, &event);
}

/* -- Start -------------------------------------------------------------------- */

static void started(void *arg, const struct hm_error *err)
{
    struct lead *l = arg;
    if (err && err->code == HM_E_CANCELLED) /* a stop has overtaken it, and will be answered */
        return;
    if (err)
        hm_log(HM_LOG_ERROR, LEAD_LOG, "the workload could not be started: %s", err->text);
    workload_event(l, err ? FO_EV_WORKLOAD_FAILED : FO_EV_WORKLOAD_STARTED, l->work.epoch);
}

void lead_start_fails(struct lead *l, const char *why)
{
    hm_log(HM_LOG_ERROR, LEAD_LOG, "the workload is not started: %s", why);
    workload_event(l, FO_EV_WORKLOAD_FAILED, l->work.epoch);
}

/* Replication from the old leader must not go on beside the promotion. */
static void begin_start(struct lead *l)
{
    struct hm_error why;
    struct hook_context context = context_for(l, l->work.epoch, l->work.reason);
    l->work.start_waits = false;
    if (hm_boottime_ns() >= l->work.start_deadline) {
        lead_start_fails(l, "its deadline has passed");
        return;
    }
    if (lead_guard_cgroup(l, &context.cgroup, &why) < 0) {
        lead_start_fails(l, why.text);
        return;
    }
    context.leader = l->core.site.text;
    context.from_epoch = l->core.incident.from_epoch;
    hooks_kill(l->work.hooks, HOOK_FOLLOW);
    hooks_kill(l->work.hooks, HOOK_RESYNC);
    l->work.serving = true;
    workload_start(l->work.workload, &context, l->work.start_deadline, started, l);
}

/* Whatever else the loop brings before the timer: a lease that has run out meanwhile starts nothing. */
static void look_at_deadline(struct lead *l)
{
    static const struct fo_event timer = {.type = FO_EV_TIMER};
    if (l->work.start_waits)
        lead_event(l, &timer);
}

/* The last of those that it waits for has answered. */
void lead_begin_start_if_ready(struct lead *l)
{
    look_at_deadline(l);
    if (l->work.start_waits && l->memory.unsaved == 0 && lead_guard_is_ready(l))
        begin_start(l);
}

/* -- Marks -------------------------------------------------------------------- */

/* Nothing may start on what would be forgotten: a site whose disk takes nothing is not fit to lead. */
static void note_disk(struct lead *l, const struct hm_error *err)
{
    bool news = (err != NULL) != (l->memory.failed.code != HM_OK);
    l->memory.failed = (struct hm_error){0};
    if (err)
        hm_fail(
            &l->memory.failed, err->code,
            "what failover must remember was not saved: %s; this site will not lead until it is",
            err->text);
    if (!news)
        return;
    if (err)
        hm_log(HM_LOG_ERROR, LEAD_LOG, "%s", l->memory.failed.text);
    else
        hm_log(HM_LOG_INFO, LEAD_LOG, "what failover must remember can be saved again");
    lead_status_changed(l);
}

static void probe_now(struct lead *l);

static void marks_saved(void *data, const struct hm_error *err)
{
    struct lead *l = data;
    bool probe_waits = l->work.probe_waits;
    l->memory.unsaved--;
    l->memory.is_tried = true;
    l->work.probe_waits = false;
    note_disk(l, err);
    if (probe_waits && !l->stopped)
        probe_now(l);
    lead_end_if_stepped_down(l);
    if (err && l->work.start_waits && l->memory.unsaved == 0) {
        l->work.start_waits = false;
        lead_start_fails(l, "its epoch could not be saved on disk");
    }
    lead_begin_start_if_ready(l);
}

void lead_save_marks(struct lead *l)
{
    l->memory.unsaved++;
    marks_save(l->memory.file, &l->memory.marks, marks_saved, l);
}

void lead_persist(struct lead *l, const struct fo_effect *effect)
{
    l->memory.marks.epoch = effect->persist.seen_epoch;
    l->memory.marks.seen = effect->persist.seen;
    l->memory.marks.paused = effect->persist.paused;
    l->memory.marks.chosen_epoch = effect->persist.chosen_epoch;
    l->memory.marks.unread = effect->persist.unread;
    lead_save_marks(l);
}

void lead_start_workload(struct lead *l, const struct fo_effect *effect)
{
    struct hm_error why;
    l->work.epoch = effect->workload.epoch;
    l->work.start_deadline = effect->workload.deadline_ns;
    l->work.reason = effect->workload.reason;
    if (lead_must_resync(l, &why)) { /* learnt since the last probe */
        lead_start_fails(l, why.text);
        return;
    }
    l->work.start_waits = true;
    l->guard.start_told = guard_told(l->guard.client); /* the view that armed it is among it */
    l->follow.diverged = false;
    l->memory.marks.led_epoch = effect->workload.epoch;
    l->memory.marks.led_generation = l->core.lease.generation;
    lead_account_open(l, effect->workload.epoch);
    lead_save_marks(l); /* its end begins the start */
}

/* The agent before has started it, and nothing of it was touched. */
void lead_resume_workload(struct lead *l)
{
    l->work.epoch = l->core.lease.epoch;
    l->work.serving = true;
    lead_account_resume(l);
    workload_resume(l->work.workload, l->work.epoch);
}

/* -- Stop --------------------------------------------------------------------- */

static void stop_answered(struct lead *l, const struct hm_error *err)
{
    l->work.stopping = false;
    if (err)
        hm_log(HM_LOG_ERROR, LEAD_LOG, "the workload could not be seen stopped: %s", err->text);
    workload_event(l, err ? FO_EV_STOP_FAILED : FO_EV_WORKLOAD_STOPPED, l->work.stop_epoch);
}

/* The guardian had verified it before: what is still missing is that the agent sees it, too. */
static void seen_at_last(struct lead *l, const struct hm_error *err)
{
    static const struct fo_event timer = {.type = FO_EV_TIMER};
    l->work.unseen = err != NULL;
    l->work.stop_again_at = err ? hm_boottime_ns() + LOOK_AGAIN_NS : 0;
    lead_status_changed(l);
    lead_event(l, &timer); /* sets the alarm */
}

/* A stop that was reported as overdue goes on; its good end is good news at any time. */
static void stopped(void *arg, const struct hm_error *err)
{
    struct lead *l = arg;
    if (l->work.unseen)
        seen_at_last(l, err);
    else if (!err || l->work.stopping)
        stop_answered(l, err);
}

static int64_t fence_limit(const struct lead *l)
{
    return l->core.terms.fence_limit > 0 ? l->core.terms.fence_limit : FENCE_UNCONFIGURED_NS;
}

void lead_tell_clean_stop(struct lead *l)
{
    struct fo_event event = {.type = FO_EV_CLEAN_STOP};
    int64_t asking_ms = workload_clean_stop_ms(l->work.workload);
    if (asking_ms > 0) /* and then the hard stop, and to see it */
        event.clean_stop.limit_ms = asking_ms + fence_limit(l) / HM_MS;
    if (event.clean_stop.limit_ms * HM_MS != l->core.clean_stop)
        lead_event(l, &event);
}

/* The soft stop ends where the guardian kills: there is one division of the time, the core's. */
static struct stop_times stop_times(const struct lead *l, int64_t deadline)
{
    int64_t kill = l->core.guardian.kill;
    return (struct stop_times){.kill_ns = kill < deadline ? kill : deadline,
                               .deadline_ns = deadline};
}

/* A stop that is asked for again comes with its old deadline, and gets the same time once more. The
 * first one does not: a loop that was late, or a host that was frozen, kills first and asks later. */
static int64_t deadline_of_stop(const struct lead *l, const struct fo_effect *effect)
{
    int64_t now = hm_boottime_ns();
    bool again = l->work.stop_asked && l->work.stop_epoch == effect->workload.epoch;
    if (!again || effect->workload.deadline_ns > now)
        return effect->workload.deadline_ns;
    return now + fence_limit(l);
}

void lead_stop_workload(struct lead *l, const struct fo_effect *effect)
{
    struct hook_context context = context_for(l, effect->workload.epoch, effect->workload.reason);
    int64_t deadline = deadline_of_stop(l, effect);
    l->work.serving = false;
    l->work.start_waits = false;
    l->work.stop_asked = true;
    l->work.stop_epoch = effect->workload.epoch;
    if (!l->work.stopping || deadline < l->work.stop_due)
        l->work.stop_due = deadline;
    l->work.stopping = true;
    l->work.unseen = false;
    l->work.stop_again_at = 0;
    workload_stop(l->work.workload, &context, stop_times(l, deadline), stopped, l);
    lead_guard_look_at_fire(l);
}

void lead_look_again_if_due(struct lead *l)
{
    int64_t now = hm_boottime_ns();
    if (!l->work.stop_again_at || now < l->work.stop_again_at)
        return;
    struct hook_context context = context_for(l, l->work.stop_epoch, l->core.reason);
    l->work.stop_again_at = 0;
    workload_stop(l->work.workload, &context, stop_times(l, now + fence_limit(l)), stopped, l);
}

/* "A stop is verified by the agent's own looking or by the guardian's rung." The agent's goes on: until it
 * has ended well, nothing starts here. */
void lead_stop_verified_by_guardian(struct lead *l)
{
    l->work.stopping = false;
    l->work.unseen = true;
    lead_status_changed(l);
    workload_event(l, FO_EV_WORKLOAD_STOPPED, l->work.stop_epoch);
}

void lead_stop_if_overdue(struct lead *l)
{
    struct hm_error late;
    if (!l->work.stopping || hm_boottime_ns() < l->work.stop_due)
        return;
    hm_fail(&late, HM_E_TIMEOUT, "it has not ended within its limit; the stop goes on");
    stop_answered(l, &late);
}

/* -- Probe -------------------------------------------------------------------- */

static void log_change_of_health(struct lead *l, const struct workload_health *health)
{
    if (health->well && l->work.ill)
        hm_log(HM_LOG_INFO, LEAD_LOG, "probe: well again");
    else if (!health->well && !l->work.ill)
        hm_log(HM_LOG_WARN, LEAD_LOG, "probe failed: %s", health->why.text);
    if (health->well == l->work.ill)
        lead_status_changed(l);
    l->work.ill = !health->well;
    l->work.illness = health->why;
}

static void probed(void *arg, const struct workload_health *health)
{
    struct lead *l = arg;
    struct fo_event event = {.type = FO_EV_PROBE};
    event.probe.ok = health->well && lead_may_be_fit(l);
    event.probe.latency_us = health->took_ns / 1000;
    event.probe.lag = health->lag_known ? health->lag_bytes : -1;
    log_change_of_health(l, health);
    lead_event(l, &event);
}

static void probe_now(struct lead *l)
{
    struct hook_context context = context_for(l, lead_epoch(l), l->core.reason);
    if (l->memory.failed.code && l->memory.unsaved == 0)
        lead_save_marks(l); /* has it room again? */
    workload_probe(l->work.workload, &context, l->core.terms.period, probed, l);
}

/* Whether the disk takes anything is known before a lease is taken. What is held goes on. */
void lead_probe(struct lead *l, const struct fo_effect *effect)
{
    (void)effect;
    l->work.probe_waits = !l->memory.is_tried && !l->core.lease.held;
    if (!l->work.probe_waits)
        probe_now(l);
}

/* -- Life --------------------------------------------------------------------- */

static struct hooks *make_hooks(const struct lead *l)
{
    const struct agent_config *c = l->options.config;
    struct hooks_options options = {
        .loop = l->options.loop, .site = c->site_id, .group = c->failover.group};
    for (int i = 0; i < HOOK_COUNT; i++)
        options.commands[i] = (struct hook_command){.argv = c->failover.hooks[i],
                                                    .limit_ms = c->failover.hook_timeout_ms};
    options.commands[HOOK_FOLLOW].limit_ms = c->failover.follow_timeout_ms;
    options.commands[HOOK_RESYNC].limit_ms = c->failover.follow_timeout_ms;
    return hooks_new(&options);
}

static void vips_changed(void *data)
{
    lead_status_changed(data);
}

static int make_vips(struct lead *l, struct hm_error *err)
{
    const struct agent_config *c = l->options.config;
    struct vips_options options = {.loop = l->options.loop,
                                   .config = &c->failover.vips,
                                   .runtime_dir = c->runtime_dir,
                                   .group = c->failover.group,
                                   .lease = l->options.lease,
                                   .on_change = vips_changed,
                                   .data = l};
    return vips_new(&options, &l->work.vips, err);
}

static void make_workload(struct lead *l)
{
    struct workload_vips vips = vips_workload(l->work.vips);
    l->work.workload = workload_new(l->work.hooks, &l->options.documents);
    workload_set_lease(l->work.workload, l->options.lease);
    workload_set_vips(l->work.workload, &vips);
}

int lead_work_new(struct lead *l, struct hm_error *err)
{
    const struct agent_config *c = l->options.config;
    HM_AUTOFREE char *path = hm_printf("%s/failover-%s.json", c->state_dir, c->failover.group);
    int r = hm_mkdirs(c->state_dir, 0700, err);
    if (r >= 0)
        r = marks_load(path, &l->memory.marks, err);
    if (r >= 0)
        r = make_vips(l, err);
    if (r < 0)
        return r;
    l->memory.disk = hm_workq_new(l->options.loop, "failover-disk", 1, DISK_JOBS_MAX);
    l->memory.file = marks_file_new(l->memory.disk, path);
    l->work.hooks = make_hooks(l);
    make_workload(l);
    return 0;
}

void lead_work_free(struct lead *l)
{
    marks_file_free(l->memory.file);
    hm_workq_free(l->memory.disk);
    vips_free(l->work.vips);
    workload_free(l->work.workload);
    hooks_free(l->work.hooks);
}
