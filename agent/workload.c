#include "agent/workload.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/clock.h"

#define VIPS_PATIENCE_NS (250 * HM_MS)  /* as long nothing is stopped under a virtual IP */
#define VIPS_AT_LEAST_NS (1000 * HM_MS) /* to see them gone, however late it is */

struct context_copy {
    struct hook_context context; /* its texts are the copies below */
    char *leader, *reason, *cgroup;
};

struct starting {
    bool active, superseded;
    struct context_copy for_hook;
    int64_t deadline_ns;
    workload_done done;
    void *arg;
};

struct stopping {
    bool active;
    struct context_copy for_hook;
    struct stop_times times;
    workload_done done; /* of the newest call: earlier ones are joined by it */
    void *arg;
    struct hm_error why; /* the first thing that went wrong; OK: nothing did */
    unsigned parts;      /* virtual IPs, hook, documents: not ended */
    bool documents_begun;
    bool hook_waits; /* for the virtual IPs to be gone */
    bool vips_late;  /* they were not within the patience: to be seen in the end */
};

struct probing {
    bool active;
    workload_health_done done;
    void *arg;
};

struct workload {
    struct hooks *hooks;
    struct workload_documents documents;
    struct starting start;
    struct stopping stop;
    struct probing probe;
    struct workload_vips vips;
    struct lease_limit *lease;
    bool serving; /* started, and no stop asked for since */
};

static void context_free(struct context_copy *copy)
{
    free(copy->leader);
    free(copy->reason);
    free(copy->cgroup);
}

static void context_set(struct context_copy *copy, const struct hook_context *c)
{
    context_free(copy);
    copy->leader = hm_strdup(c->leader ? c->leader : "");
    copy->reason = hm_strdup(c->reason ? c->reason : "");
    copy->cgroup = c->cgroup ? hm_strdup(c->cgroup) : NULL;
    copy->context =
        (struct hook_context){c->epoch, c->from_epoch, copy->leader, copy->reason, copy->cgroup};
}

struct workload *workload_new(struct hooks *hooks, const struct workload_documents *documents)
{
    struct workload *w = hm_alloc(sizeof *w);
    w->hooks = hooks;
    w->documents = *documents;
    return w;
}

void workload_set_lease(struct workload *w, struct lease_limit *lease)
{
    w->lease = lease;
}

void workload_set_vips(struct workload *w, const struct workload_vips *vips)
{
    w->vips = *vips;
}

void workload_free(struct workload *w)
{
    if (!w)
        return;
    context_free(&w->start.for_hook);
    context_free(&w->stop.for_hook);
    free(w);
}

static bool has_documents(const struct workload *w)
{
    return w->documents.any && w->documents.any(w->documents.data);
}

static int64_t ms_until(int64_t deadline_ns)
{
    int64_t left = (deadline_ns - hm_boottime_ns()) / HM_MS;
    return left > 0 ? left : 1;
}

/* -- Start: the documents, the promote hook, the virtual IPs ------------------- */

static void start_ended(struct workload *w, const struct hm_error *err)
{
    struct hm_error cancelled;
    if (w->start.superseded) {
        hm_fail(&cancelled, HM_E_CANCELLED, "the start was overtaken by a stop");
        err = &cancelled;
    }
    w->start.active = false;
    w->serving = !err;
    w->start.done(w->start.arg, err);
}

static void vips_put_up(void *arg, const struct hm_error *err)
{
    start_ended(arg, err);
}

/* Everything else runs, unless `err`. */
static void promoted(struct workload *w, const struct hm_error *err)
{
    if (err || w->start.superseded || !w->vips.put_up)
        start_ended(w, err);
    else
        w->vips.put_up(w->vips.data, w->start.deadline_ns, vips_put_up, w);
}

static void run_fence_hook(struct workload *w);

static void promote_hook_ended(void *data, const struct hm_error *err, const char *out,
                               int64_t took_ns)
{
    struct workload *w = data;
    (void)out;
    (void)took_ns;
    bool stop_waits = w->stop.active && !w->stop.hook_waits;
    promoted(w, err);
    if (stop_waits)
        run_fence_hook(w);
}

static void documents_started(void *arg, const struct hm_error *err)
{
    struct workload *w = arg;
    struct hm_error why;
    if (err || w->start.superseded) {
        start_ended(w, err);
        return;
    }
    if (!lease_holds(w->lease)) {
        hm_fail(&why, HM_E_REFUSED, "the lease ran out while the documents were started");
        start_ended(w, &why);
        return;
    }
    int r = hooks_run(w->hooks, HOOK_PROMOTE, &w->start.for_hook.context,
                      ms_until(w->start.deadline_ns), promote_hook_ended, w, &why);
    if (r <= 0)
        promoted(w, r < 0 ? &why : NULL);
}

void workload_start(struct workload *w, const struct hook_context *context, int64_t deadline_ns,
                    workload_done done, void *arg)
{
    if (w->start.active || w->stop.active) {
        struct hm_error busy;
        hm_fail(&busy, HM_E_BUSY, "the workload can't be started: its last %s is still under way",
                w->stop.active ? "stop" : "start");
        done(arg, &busy);
        return;
    }
    context_set(&w->start.for_hook, context);
    w->start.active = true;
    w->start.superseded = false;
    w->start.deadline_ns = deadline_ns;
    w->start.done = done;
    w->start.arg = arg;
    if (w->documents.start)
        w->documents.start(w->documents.data, context->epoch, deadline_ns, documents_started, w);
    else
        documents_started(w, NULL);
}

void workload_resume(struct workload *w, uint64_t epoch)
{
    w->serving = true;
    if (w->documents.resume)
        w->documents.resume(w->documents.data, epoch);
    if (w->vips.resume)
        w->vips.resume(w->vips.data);
}

/* -- Stop: the virtual IPs, the fence hook, the documents ---------------------- */

static void note_failure(struct workload *w, const struct hm_error *err)
{
    if (w->stop.why.code == HM_OK)
        w->stop.why = *err;
}

static void see_vips_gone(struct workload *w);

static void part_ended(struct workload *w)
{
    if (--w->stop.parts > 0)
        return;
    if (w->stop.vips_late) {
        see_vips_gone(w);
        return;
    }
    struct hm_error why = w->stop.why;
    w->stop.active = false;
    w->stop.done(w->stop.arg, why.code == HM_OK ? NULL : &why);
}

static void documents_stopped(void *arg, const struct hm_error *err)
{
    struct workload *w = arg;
    if (err)
        note_failure(w, err);
    part_ended(w);
}

static void stop_documents(struct workload *w)
{
    if (w->stop.documents_begun)
        return;
    w->stop.documents_begun = true;
    w->stop.parts++;
    if (w->documents.stop)
        w->documents.stop(w->documents.data, w->stop.for_hook.context.epoch, w->stop.times,
                          documents_stopped, w);
    else
        documents_stopped(w, NULL);
}

static void hook_is_over(struct workload *w)
{
    stop_documents(w);
    part_ended(w);
}

static void fence_hook_ended(void *data, const struct hm_error *err, const char *out,
                             int64_t took_ns)
{
    struct workload *w = data;
    (void)out;
    (void)took_ns;
    if (err)
        note_failure(w, err);
    hook_is_over(w);
}

static bool is_too_late(const struct workload *w)
{
    return hm_boottime_ns() >= w->stop.times.kill_ns;
}

/* A deadline that is over asks no more: kill. */
static void kill_if_late(struct workload *w)
{
    if (is_too_late(w))
        stop_documents(w);
}

/* Who waits for it decides, not another look at the clock: the kill may fall due in between. */
static int64_t hook_limit_ms(const struct workload *w)
{
    if (w->stop.documents_begun)
        return INT32_MAX; /* nothing waits for it any more: its own limit */
    if (has_documents(w))
        return (ms_until(w->stop.times.kill_ns) + 1) / 2;
    return ms_until(w->stop.times.deadline_ns);
}

static void run_fence_hook(struct workload *w)
{
    struct hm_error why;
    if (hooks_stuck(w->hooks, HOOK_PROMOTE)) {
        hm_fail(
            &why, HM_E_REFUSED,
            "a promote hook could not be killed: what it may still start can't be seen stopped");
        note_failure(w, &why);
    }
    kill_if_late(w);
    int r = hooks_run(w->hooks, HOOK_FENCE, &w->stop.for_hook.context, hook_limit_ms(w),
                      fence_hook_ended, w, &why);
    if (r < 0)
        note_failure(w, &why);
    if (r <= 0)
        hook_is_over(w);
}

/* Its end begins the fence, where a promotion is under way. */
static void begin_hook(struct workload *w)
{
    w->stop.hook_waits = false;
    kill_if_late(w);
    if (hooks_running(w->hooks, HOOK_PROMOTE))
        hooks_kill(w->hooks, HOOK_PROMOTE);
    else
        run_fence_hook(w);
}

static void vips_gone(void *arg, const struct hm_error *err)
{
    struct workload *w = arg;
    if (err && err->code == HM_E_TIMEOUT && w->stop.hook_waits)
        w->stop.vips_late = true;
    else if (err)
        note_failure(w, err);
    if (w->stop.hook_waits)
        begin_hook(w);
    part_ended(w);
}

static int64_t later(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

static void take_vips_away(struct workload *w, int64_t deadline_ns)
{
    w->stop.parts++;
    w->vips.take_away(w->vips.data, deadline_ns, vips_gone, w);
}

static void see_vips_gone(struct workload *w)
{
    w->stop.vips_late = false;
    take_vips_away(w, later(w->stop.times.deadline_ns, hm_boottime_ns() + VIPS_AT_LEAST_NS));
}

/* The virtual IPs first; but a kill that is due waits for nothing. */
static void begin_stop(struct workload *w)
{
    int64_t now = hm_boottime_ns(), share = (w->stop.times.kill_ns - now) / 4;
    if (!w->vips.take_away) {
        begin_hook(w);
    } else if (is_too_late(w)) {
        see_vips_gone(w);
        begin_hook(w);
    } else {
        w->stop.hook_waits = true;
        take_vips_away(w, now + (share < VIPS_PATIENCE_NS ? share : VIPS_PATIENCE_NS));
    }
}

void workload_stop(struct workload *w, const struct hook_context *context, struct stop_times times,
                   workload_done done, void *arg)
{
    w->stop.done = done;
    w->stop.arg = arg;
    if (w->stop.active) {
        if (times.deadline_ns < w->stop.times.deadline_ns)
            w->stop.times = times;
        kill_if_late(w);
        return;
    }
    w->serving = false;
    context_set(&w->stop.for_hook, context);
    w->stop.active = true;
    w->stop.times = times;
    w->stop.why = (struct hm_error){0};
    w->stop.parts = 1; /* the hook */
    w->stop.documents_begun = w->stop.hook_waits = w->stop.vips_late = false;
    if (w->start.active)
        w->start.superseded = true;
    kill_if_late(w);
    begin_stop(w);
}

int64_t workload_clean_stop_ms(const struct workload *w)
{
    int64_t ms = hooks_limit_ms(w->hooks, HOOK_FENCE);
    if (w->documents.clean_stop_ms)
        ms += w->documents.clean_stop_ms(w->documents.data);
    return ms;
}

/* -- Probe -------------------------------------------------------------------- */

static void probe_ended(struct workload *w, struct workload_health *health)
{
    struct hm_error why;
    if (health->well && w->serving && w->documents.health &&
        w->documents.health(w->documents.data, &why) < 0) {
        health->well = false;
        health->why = why;
    }
    w->probe.active = false;
    w->probe.done(w->probe.arg, health);
}

/* What the probe hook printed: nothing, or the lag as a whole number of bytes. */
static bool parse_lag(const char *out, int64_t *ret)
{
    char *end;
    while (isspace((unsigned char)*out))
        out++;
    if (!isdigit((unsigned char)*out))
        return false;
    errno = 0;
    long long lag = strtoll(out, &end, 10);
    while (isspace((unsigned char)*end))
        end++;
    *ret = lag;
    return errno == 0 && *end == '\0';
}

static void probe_hook_ended(void *data, const struct hm_error *err, const char *out,
                             int64_t took_ns)
{
    struct workload *w = data;
    struct workload_health health = {.well = !err, .took_ns = took_ns};
    if (err)
        health.why = *err;
    else
        health.lag_known = parse_lag(out, &health.lag_bytes);
    probe_ended(w, &health);
}

void workload_probe(struct workload *w, const struct hook_context *context, int64_t timeout_ns,
                    workload_health_done done, void *arg)
{
    struct workload_health health = {.well = true};
    if (w->probe.active) {
        health.well = false;
        hm_fail(&health.why, HM_E_BUSY, "the last probe is still under way");
        done(arg, &health);
        return;
    }
    w->probe = (struct probing){.active = true, .done = done, .arg = arg};
    int r = hooks_run(w->hooks, HOOK_PROBE, context, (timeout_ns + HM_MS - 1) / HM_MS,
                      probe_hook_ended, w, &health.why);
    health.well = r == 0;
    if (r <= 0)
        probe_ended(w, &health);
}
