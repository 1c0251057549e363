/*
 * The documents of placement `primary` as a workload: started and stopped as the lease says.
 *
 * A stop is a fence. It goes by the names of all VMs that were ever made from a primary document or
 * may be in the making, and works in rounds: kill, see stopped. A round counts only if no start of
 * a primary document was in flight when it began, since that could bring a VM up behind it.
 */
#include <stdlib.h>
#include <string.h>

#include "agent/reconcile_state.h"
#include "base/alloc.h"
#include "base/clock.h"
#include "base/log.h"

enum {
    ROUND_PAUSE_MS = 50, /* between two rounds of a fence */
    FENCE_CALL_TIMEOUT_MS = 60000,
    SOFT_STOP_RESERVE_MS = 2000, /* of the time left: what the hard stop and the check may take */
};

static bool is_primary_key(const char *key)
{
    return key && !strncmp(key, DOC_PLACEMENT_PRIMARY ".", sizeof DOC_PLACEMENT_PRIMARY);
}

bool primary_is_fencing(const struct reconciler *r)
{
    return r->primary.stop_done != NULL;
}

static void on_timer(uv_timer_t *timer);

static void set_timer(struct primary *p, int64_t at_ns)
{
    int64_t left = at_ns - hm_boottime_ns();
    uv_timer_start(&p->timer, on_timer, left > 0 ? (uint64_t)(left / HM_MS + 1) : 0, 0);
}

/* -- Start
 * ------------------------------------------------------------------------------------------ */

static void end_start(struct primary *p, const struct hm_error *err)
{
    workload_done done = p->start_done;
    p->start_done = NULL;
    if (done)
        done(p->start_arg, err);
}

static void start(void *data, uint64_t epoch, int64_t deadline_ns, workload_done done, void *arg)
{
    struct reconciler *r = data;
    struct primary *p = &r->primary;
    p->serving = true;
    r->settled = false;
    p->epoch = epoch;
    p->start_done = done;
    p->start_arg = arg;
    p->start_deadline_ns = deadline_ns;
    p->started_ns = hm_boottime_ns();
    p->ill = p->down = (struct hm_error){0};
    for (size_t i = 0; i < r->task_count; i++)
        if (r->task_list[i]->primary) {
            task_afresh(r->task_list[i]); /* a new epoch waits for no old back-off */
            r->task_list[i]->has_run = false;
        }
    set_timer(p, deadline_ns);
    reconciler_kick(r);
}

static bool shall_run(const struct plan_step *s)
{
    if (s->doc->deleted || strcmp(s->doc->where, DOC_PLACEMENT_PRIMARY) != 0)
        return false;
    const char *power = spec_str(s->doc->spec, "power");
    return !power || !strcmp(power, "on");
}

static bool is_made_from(const struct thing *t, const struct plan_doc *doc)
{
    return t->marked && t->mark_key && !strcmp(t->mark_key, doc->key);
}

/* What someone else runs under that name is not it. */
static bool runs(const struct plan_step *s)
{
    return s->thing && is_made_from(s->thing, s->doc) && s->thing->state == THING_RUNNING;
}

static void note_run(const struct plan_step *s, struct task *t)
{
    if (t && runs(s))
        t->has_run = s->op != PLAN_RESTART && s->op != PLAN_REPLACE;
}

/* It ran in this epoch and does not any more. What is new on this leader, or changed by us, is no
 * illness even if it fails: its status says so, and no other site could do better. */
static bool is_ill(const struct plan_step *s, const struct task *t)
{
    return t && t->has_run && !runs(s);
}

/* The primary documents as a whole; the sentences are about the first one each. */
struct look {
    struct hm_error down; /* HM_OK: all run */
    struct hm_error ill;  /* HM_OK: all that have to be well are */
    bool hopeless;        /* the one that is down stays so without a person */
};

static void say_down(const struct plan_step *s, const struct task *t, struct hm_error *err)
{
    const char *why = t && t->failures ? t->error.text : s->why ? s->why : "it does not run yet";
    hm_fail(err, HM_E_REFUSED, "%s: %s", s->doc->key, why);
}

static void look_at(const struct plan_step *s, struct task *t, struct look *look)
{
    note_run(s, t);
    if (runs(s))
        return;
    if (!look->down.code) {
        say_down(s, t, &look->down);
        look->hopeless = s->op == PLAN_BLOCKED && s->verb == VERB_NOTHING;
    }
    if (!look->ill.code && is_ill(s, t))
        say_down(s, t, &look->ill);
}

static void look_for_health(struct reconciler *r, const struct plan *plan)
{
    struct primary *p = &r->primary;
    struct look look = {0};
    for (size_t i = 0; i < plan->count; i++) {
        const struct plan_step *s = &plan->steps[i];
        if (shall_run(s))
            look_at(s, index_get(&r->tasks, "", s->doc->key), &look);
    }
    p->ill = look.ill;
    p->down = look.down;
    if (!p->start_done)
        return;
    if (!look.down.code)
        end_start(p, NULL);
    else if (look.hopeless)
        end_start(p, &look.down);
}

static int health(void *data, struct hm_error *err)
{
    const struct reconciler *r = data;
    if (!r->primary.serving || !r->primary.ill.code)
        return 0;
    return hm_fail(err, r->primary.ill.code, "%s", r->primary.ill.text);
}

/* -- Stop: the fence
 * --------------------------------------------------------------------------------- */

static void free_targets(struct primary *p)
{
    for (size_t i = 0; i < p->target_count; i++) {
        free(p->targets[i].kind);
        free(p->targets[i].name);
        free(p->targets[i].key);
        free(p->targets[i].seen_uuid);
        json_decref(p->targets[i].spec);
    }
    free(p->targets);
    p->targets = NULL;
    p->target_count = 0;
}

static void add_target(struct reconciler *r, const char *kind, const char *name, const char *key,
                       const char *uuid, const json_t *spec)
{
    struct primary *p = &r->primary;
    for (size_t i = 0; i < p->target_count; i++)
        if (!strcmp(p->targets[i].kind, kind) && !strcmp(p->targets[i].name, name))
            return;
    p->targets = hm_realloc_array(p->targets, p->target_count + 1, sizeof *p->targets);
    p->targets[p->target_count++] = (struct fence_target){
        .owner = r,
        .kind = hm_strdup(kind),
        .name = hm_strdup(name),
        .key = hm_strdup(key),
        .seen_uuid = uuid ? hm_strdup(uuid) : NULL,
        .spec = json_incref((json_t *)spec),
    };
}

/* Another thing has that name (a conflict, which the plan reports): it is not to be touched. */
static bool is_something_else(const struct reconciler *r, const struct plan_doc *doc)
{
    for (size_t i = 0; i < r->things.count; i++) {
        const struct thing *t = &r->things.items[i];
        if (!strcmp(t->kind, doc->kind->name) && !strcmp(t->name, doc->name))
            return t->state != THING_ABSENT && !is_made_from(t, doc);
    }
    return false;
}

/* By which it may be killed unasked: only with our own mark, which another site's is not. */
static const char *seen_uuid(const struct reconciler *r, const struct thing *t)
{
    bool is_ours = t->mark_site && !strcmp(t->mark_site, r->options.site);
    return is_ours ? json_string_value(json_object_get(t->details, "uuid")) : NULL;
}

/* What serves are VMs; networks and disks of the primary serve nobody by themselves. */
static void collect_targets(struct reconciler *r)
{
    size_t count;
    const struct plan_doc *docs = desired_docs(r->options.desired, &count);
    for (size_t i = 0; i < r->things.count; i++) {
        const struct thing *t = &r->things.items[i];
        if (t->marked && is_primary_key(t->mark_key) && !strcmp(t->kind, "vm"))
            add_target(r, t->kind, t->name, t->mark_key, seen_uuid(r, t), t->spec);
    }
    for (size_t i = 0; i < count; i++)
        if (is_primary_key(docs[i].key) && !strcmp(docs[i].kind->name, "vm") &&
            !is_something_else(r, &docs[i]))
            add_target(r, docs[i].kind->name, docs[i].name, docs[i].key, NULL, docs[i].spec);
}

/* The fence went past the tasks: what was observed meanwhile is old for them, too. */
static void outdate_tasks(struct reconciler *r)
{
    for (size_t i = 0; i < r->task_count; i++)
        if (r->task_list[i]->primary)
            r->task_list[i]->ended_ns = hm_boottime_ns();
}

static void end_stop(struct reconciler *r, const struct hm_error *err)
{
    struct primary *p = &r->primary;
    workload_done done = p->stop_done;
    p->stop_done = NULL;
    uv_timer_stop(&p->timer);
    free_targets(p);
    outdate_tasks(r);
    reconciler_kick(r);
    if (done)
        done(p->stop_arg, err);
}

static void begin_round(struct reconciler *r);

/* The round is over: everything was seen stopped, or there is another one, until the deadline. */
static void end_round(struct reconciler *r)
{
    struct primary *p = &r->primary;
    if (!p->error.code && p->round_is_final)
        end_stop(r, NULL);
    else if (p->error.code && hm_boottime_ns() >= p->stop_deadline_ns)
        end_stop(r, &p->error);
    else if (!reconciler_start_in_flight(r) && !p->error.code)
        begin_round(r);
    else
        set_timer(p, hm_boottime_ns() + ROUND_PAUSE_MS * HM_MS);
}

static void fence_done(void *arg, const struct hm_error *err)
{
    struct fence_target *target = arg;
    if (err && err->code != HM_E_CONFLICT) /* what has that name is not ours: nothing to stop */
        target->owner->primary.error = *err;
}

static void fence_ended(void *arg)
{
    struct fence_target *target = arg;
    struct reconciler *r = target->owner;
    if (--r->primary.calls == 0 && r->primary.stop_done)
        end_round(r);
}

/* A VM that was never made here, or is off, makes these verbs succeed at once. */
static void fence_target(struct reconciler *r, struct fence_target *target)
{
    struct primary *p = &r->primary;
    int64_t left_ms = (p->stop_deadline_ns - hm_boottime_ns()) / HM_MS - SOFT_STOP_RESERVE_MS;
    int64_t grace = spec_int(target->spec, "stop_grace", 0);
    grace = grace < left_ms ? grace : left_ms;
    struct backend_call call = {
        .verb = grace > 0 ? VERB_STOP : VERB_KILL,
        .lane = LANE_FENCE,
        .order = {.kind = target->kind,
                  .name = target->name,
                  .key = target->key,
                  .seen_uuid = target->seen_uuid,
                  .spec = target->spec,
                  .grace_ms = grace > 0 ? grace : 0,
                  .primary = true},
        .stop_by_ns = hm_boottime_ns() + (grace > 0 ? grace : 0) * HM_MS,
        .verify_stopped = true,
        .timeout_ms = FENCE_CALL_TIMEOUT_MS + (grace > 0 ? grace : 0),
        .done = fence_done,
        .ended = fence_ended,
        .arg = target,
    };
    p->calls++;
    if (backend_submit(r->backend, &call, NULL, &p->error) < 0)
        p->calls--;
}

static void begin_round(struct reconciler *r)
{
    struct primary *p = &r->primary;
    p->error = (struct hm_error){0};
    p->round_is_final = !reconciler_start_in_flight(r);
    p->calls = 1; /* held while calls are submitted, so that the round can't end in between */
    for (size_t i = 0; i < p->target_count; i++)
        fence_target(r, &p->targets[i]);
    if (--p->calls == 0)
        end_round(r);
}

/* Nothing of an earlier lease may start any more. */
static void cancel_primary_calls(struct reconciler *r)
{
    for (size_t i = 0; i < r->task_count; i++)
        if (r->task_list[i]->primary && r->task_list[i]->in_flight)
            r->task_list[i]->cancelled = backend_cancel(r->task_list[i]->ticket);
}

/* Names are known once the first observation has ended; by documents alone if the backend is away.
 */
static void begin_fence(struct reconciler *r)
{
    collect_targets(r);
    hm_log(HM_LOG_DEBUG, "primary", "stopping %zu VMs of placement primary",
           r->primary.target_count);
    begin_round(r);
}

static void stop(void *data, uint64_t epoch, int64_t deadline_ns, workload_done done, void *arg)
{
    struct reconciler *r = data;
    struct primary *p = &r->primary;
    static const struct hm_error superseded = {HM_E_CANCELLED, "a fence supersedes the start"};
    p->serving = false;
    r->settled = false;
    p->epoch = epoch;
    p->stop_done = done;
    p->stop_arg = arg;
    p->stop_deadline_ns = deadline_ns;
    cancel_primary_calls(r);
    end_start(p, &superseded);
    if (r->attempted)
        begin_fence(r);
    else
        reconciler_kick(r);
}

/* -- Both
 * ---------------------------------------------------------------------------------------------- */

static void on_timer(uv_timer_t *timer)
{
    struct reconciler *r = timer->data;
    struct primary *p = &r->primary;
    if (p->stop_done && p->calls == 0)
        begin_round(r);
    else if (p->start_done) {
        struct hm_error late;
        hm_fail(&late, HM_E_TIMEOUT, "not everything came up in time; %s",
                p->down.code ? p->down.text : "nothing was observed");
        end_start(p, &late);
    }
}

void primary_look(struct reconciler *r, const struct plan *plan)
{
    struct primary *p = &r->primary;
    if (p->stop_done && !p->targets && p->calls == 0)
        begin_fence(r);
    else if (p->serving && !r->unobserved.code && r->things_since_ns >= p->started_ns)
        look_for_health(r, plan);
}

void primary_call_ended(struct reconciler *r)
{
    struct primary *p = &r->primary;
    if (p->stop_done && p->calls == 0 && !reconciler_start_in_flight(r))
        begin_round(r);
}

static bool any(void *data)
{
    struct reconciler *r = data;
    size_t count;
    const struct plan_doc *docs = desired_docs(r->options.desired, &count);
    for (size_t i = 0; i < count; i++)
        if (is_primary_key(docs[i].key))
            return true;
    for (size_t i = 0; i < r->things.count; i++)
        if (r->things.items[i].marked && is_primary_key(r->things.items[i].mark_key))
            return true;
    return false;
}

struct workload_documents reconciler_workload(struct reconciler *r)
{
    return (struct workload_documents){
        .start = start, .stop = stop, .health = health, .any = any, .data = r};
}

void primary_init(struct primary *p, struct reconciler *r)
{
    uv_timer_init(r->options.loop, &p->timer);
    p->timer.data = r;
}

void primary_silence(struct primary *p)
{
    p->start_done = NULL;
    p->stop_done = NULL;
}

void primary_close(struct primary *p)
{
    free_targets(p);
    uv_close((uv_handle_t *)&p->timer, NULL);
}
