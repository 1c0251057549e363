/* Operations on things, as the reconciler lets them: see reconciler_operate(). */
#include <stdlib.h>
#include <string.h>

#include "agent/reconcile.h"
#include "agent/reconcile_state.h"
#include "base/alloc.h"
#include "base/clock.h"
#include "base/nearest.h"

/* One that is under way. `task` is NULL when nothing is held for it. */
struct operating {
    struct reconciler *owner;
    struct member *member;
    struct task *task;
    void (*progress)(void *arg, int percent, const char *text);
    void (*done)(void *arg, struct driver_result *result, const struct hm_error *err);
    void (*ended)(void *arg);
    void *arg;
};

/* What it is done to. */
struct target {
    const char *key;
    const json_t *spec;
    bool primary;
};

/* -- The thing -------------------------------------------------------------------------------- */

static bool find_declared(const struct reconciler *r, const char *where,
                          const struct operate_request *q, struct target *ret)
{
    HM_AUTOFREE char *key = hm_printf("%s.%s.%s", where, q->kind, q->name);
    const struct desired_entry *e = desired_find(r->options.desired, key);
    if (!e || e->deleted || !e->doc.spec)
        return false;
    *ret = (struct target){e->key, e->doc.spec, !strcmp(where, DOC_PLACEMENT_PRIMARY)};
    return true;
}

/* Ours, and no document speaks of it any more. */
static bool is_orphan(void *data, const struct member *m, const struct thing *t)
{
    const struct operate_request *q = data;
    (void)m;
    return t->marked && t->mark_key && !strcmp(t->kind, q->kind) && !strcmp(t->name, q->name);
}

static bool find_orphan(const struct reconciler *r, const struct operate_request *q,
                        struct target *ret)
{
    const struct thing *t = reconciler_find_thing(r, is_orphan, (void *)q);
    if (!t)
        return false;
    bool primary =
        !strncmp(t->mark_key, DOC_PLACEMENT_PRIMARY ".", strlen(DOC_PLACEMENT_PRIMARY "."));
    *ret = (struct target){t->mark_key, t->spec, primary};
    return true;
}

static int fail_not_found(const struct reconciler *r, const struct operate_request *q,
                          struct hm_error *err)
{
    struct hm_nearest near = hm_nearest_to(q->name);
    size_t count;
    const struct plan_doc *docs = desired_docs(r->options.desired, &count);
    for (size_t i = 0; i < count; i++)
        if (!docs[i].deleted && !strcmp(docs[i].kind->name, q->kind))
            hm_nearest_offer(&near, docs[i].name);
    return hm_fail(err, HM_E_NOT_FOUND, "%s has no %s %s%s%s%s", r->options.site, q->kind, q->name,
                   near.best ? " (did you mean \"" : "", near.best ? near.best : "",
                   near.best ? "\"?)" : "");
}

static int find_target(const struct reconciler *r, const struct operate_request *q,
                       struct target *ret, struct hm_error *err)
{
    if (find_declared(r, r->options.site, q, ret) ||
        find_declared(r, DOC_PLACEMENT_PRIMARY, q, ret) || find_orphan(r, q, ret))
        return 0;
    return fail_not_found(r, q, err);
}

/* -- One at a time ---------------------------------------------------------------------------- */

static int hold_task(struct reconciler *r, const struct operate_request *q,
                     const struct target *target, struct member *member, struct task **ret,
                     struct hm_error *err)
{
    struct task *t = reconciler_task(r, target->key);
    if (target->primary && primary_is_fencing(r))
        return hm_fail(err, HM_E_REFUSED, "%s %s: this site gives up the lead: it is being stopped",
                       q->kind, q->name);
    if (t->in_flight)
        return hm_fail(err, HM_E_BUSY, "%s %s: %s is under way; try again when it has ended",
                       q->kind, q->name,
                       t->verb == VERB_NOTHING ? "another operation" : plan_verb_name(t->verb));
    t->in_flight = true;
    t->verb = VERB_NOTHING;
    t->member = member;
    *ret = t;
    return 0;
}

/* What was observed before shows nothing of it. */
static void let_task_go(struct reconciler *r, struct task *t)
{
    t->in_flight = false;
    t->ended_ns = hm_boottime_ns();
    r->settled = false;
    if (t->primary)
        primary_call_ended(r);
}

/* -- The call --------------------------------------------------------------------------------- */

static void on_progress(void *arg, int percent, const char *text)
{
    const struct operating *o = arg;
    if (o->progress)
        o->progress(o->arg, percent, text);
}

static void on_done(void *arg, struct driver_result *result, const struct hm_error *err)
{
    const struct operating *o = arg;
    o->done(o->arg, result, err);
}

static void on_ended(void *arg)
{
    struct operating *o = arg;
    if (o->task) {
        let_task_go(o->owner, o->task);
        member_look(o->member);
    }
    o->ended(o->arg);
    free(o);
}

static int submit(const struct operate_request *q, const struct target *target, struct operating *o,
                  struct hm_error *err)
{
    struct backend_operation call = {
        .operation = backend_find_operation(o->member->backend, q->operation->name),
        .order = {.kind = q->kind,
                  .name = q->name,
                  .key = target->key,
                  .spec = target->spec,
                  .primary = target->primary},
        .args = q->args,
        .timeout_ms = q->timeout_ms,
        .progress = on_progress,
        .done = on_done,
        .ended = on_ended,
        .arg = o,
    };
    if (!call.operation)
        return hm_fail(err, HM_E_UNSUPPORTED, "%s %s: %s can't %s it", q->kind, q->name,
                       o->member->driver->name, q->operation->name);
    return backend_operate(o->member->backend, &call, err);
}

int reconciler_operate(struct reconciler *r, const struct operate_request *q, struct hm_error *err)
{
    struct target target;
    struct task *task = NULL;
    int result = find_target(r, q, &target, err);
    struct member *member = result < 0 ? NULL : backends_for(r->backends, q->kind, target.spec);
    if (result >= 0 && !member)
        result = hm_fail(err, HM_E_UNSUPPORTED, "%s %s: no backend of this site holds it", q->kind,
                         q->name);
    if (result >= 0 && q->operation->changes)
        result = hold_task(r, q, &target, member, &task, err);
    if (result < 0)
        return result;
    struct operating *o = hm_alloc(sizeof *o);
    *o = (struct operating){r, member, task, q->progress, q->done, q->ended, q->arg};
    result = submit(q, &target, o, err);
    if (result < 0 && task)
        let_task_go(r, task);
    if (result < 0)
        free(o);
    return result;
}
