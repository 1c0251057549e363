/*
 * The fence: how the documents of placement `primary` are stopped, and when they count as stopped.
 *
 * It works in rounds over all VMs that were seen with the mark of a primary document, or may be made
 * from one by the documents: kill, see stopped. A few at a time, so that their number never meets
 * the bound of a queue. The killing begins at once, by what is known; but the stop is verified only
 * - by a round that began with no start of a primary document in flight (it could bring a VM up
 *   behind the round),
 * - together with an observation of each backend that holds VMs which succeeded, began after the stop
 *   was asked for, and shows no VM that the round did not stop. What was never seen was not seen stopped.
 * Until the instant of the kill guests are asked, those that need others first (`depends_on`); each has
 * its part of the time, so that what it needs is asked, too. From then on all that is left is killed at
 * once, in no order.
 * A name that a stranger is seen to have is nothing to stop; a VM with a primary mark that we may not
 * stop (of another site: site_id was changed) is not stopped. One exception to the observation: a host
 * whose backend can't be reached, that has no primary VM document and never had a primary VM
 * (agent/made.h) has nothing to stop: hooks alone can lead without a backend (ADR 0002).
 */
#include <stdlib.h>
#include <string.h>

#include "agent/made.h"
#include "agent/reconcile_state.h"
#include "base/alloc.h"
#include "base/clock.h"
#include "base/log.h"

enum {
    AT_ONCE = 8,         /* calls in flight: a worker that ends one finds the next */
    ROUND_PAUSE_MS = 50, /* between two rounds */
    CALL_TIMEOUT_MS = 60000,
    LOOK_AT_LEAST_MS = 1000, /* what an observation may take, even if the stop is late */
};

/* -- Targets
 * ------------------------------------------------------------------------------------------------
 */

void fence_free(struct primary *p)
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

struct fence_target *fence_find_target(const struct primary *p, const struct member *member,
                                       const char *kind, const char *name)
{
    for (size_t i = 0; i < p->target_count; i++) {
        struct fence_target *t = &p->targets[i];
        bool there = !member || t->member == member;
        if (there && !strcmp(t->kind, kind) && !strcmp(t->name, name))
            return t;
    }
    return NULL;
}

static void add_target(struct reconciler *r, struct fence_target t)
{
    struct primary *p = &r->primary;
    p->targets = hm_realloc_array(p->targets, p->target_count + 1, sizeof *p->targets);
    p->targets[p->target_count++] = (struct fence_target){
        .owner = r,
        .member = t.member,
        .kind = hm_strdup(t.kind),
        .name = hm_strdup(t.name),
        .key = hm_strdup(t.key),
        .seen_uuid = t.seen_uuid ? hm_strdup(t.seen_uuid) : NULL,
        .spec = json_incref(t.spec),
        .marked = t.marked,
    };
}

static const struct thing *find_thing(const struct member *m, const char *kind, const char *name)
{
    for (size_t i = 0; i < m->things.count; i++)
        if (!strcmp(m->things.items[i].kind, kind) && !strcmp(m->things.items[i].name, name))
            return &m->things.items[i];
    return NULL;
}

/* Networks and disks of the primary serve nobody by themselves. */
static bool is_primary_vm(const struct thing *t)
{
    return t && t->marked && made_is_primary_key(t->mark_key) && !strcmp(t->kind, "vm");
}

/* It may be ours: its mark may be what can't be read. Whose it is the backend finds out when it is to be killed. */
static bool may_be_unread(const struct thing *t)
{
    return t->state == THING_UNKNOWN && !t->marked;
}

/* Another thing has that name (a conflict, which the plan reports): it is not to be touched. */
static bool is_something_else(const struct member *m, const struct plan_doc *doc)
{
    const struct thing *t = find_thing(m, doc->kind->name, doc->name);
    return t && t->state != THING_ABSENT && !may_be_unread(t) &&
           (!t->marked || !t->mark_key || strcmp(t->mark_key, doc->key) != 0);
}

/* By which it may be killed unasked: only with our own mark, which another site's is not. */
static const char *uuid_of(const struct reconciler *r, const struct thing *t)
{
    bool is_ours = t->mark_site && !strcmp(t->mark_site, r->options.site);
    return is_ours ? json_string_value(json_object_get(t->details, "uuid")) : NULL;
}

/* Known from documents, or from an earlier look. */
static void target_seen(struct fence_target *known, const char *uuid)
{
    known->marked = true;
    free(known->seen_uuid);
    known->seen_uuid = uuid ? hm_strdup(uuid) : NULL;
}

static bool collect_seen(struct reconciler *r, struct member *m)
{
    struct primary *p = &r->primary;
    bool news = false;
    for (size_t i = 0; i < m->things.count; i++) {
        const struct thing *t = &m->things.items[i];
        if (!is_primary_vm(t))
            continue;
        struct fence_target *known = fence_find_target(p, m, t->kind, t->name);
        news |= !known || !known->marked;
        if (known)
            target_seen(known, uuid_of(r, t));
        else
            add_target(r, (struct fence_target){.member = m,
                                                .kind = t->kind,
                                                .name = t->name,
                                                .key = t->mark_key,
                                                .seen_uuid = (char *)uuid_of(r, t),
                                                .spec = t->spec,
                                                .marked = true});
    }
    return news;
}

static bool collect_declared(struct reconciler *r)
{
    bool news = false;
    size_t count;
    const struct plan_doc *docs = desired_docs(r->options.desired, &count);
    for (size_t i = 0; i < count; i++) {
        const struct plan_doc *d = &docs[i];
        struct member *m = backends_for(r->backends, d->kind->name, d->spec);
        if (!made_is_primary_key(d->key) || strcmp(d->kind->name, "vm") != 0 || !m ||
            is_something_else(m, d) || fence_find_target(&r->primary, m, d->kind->name, d->name))
            continue;
        add_target(r, (struct fence_target){.member = m,
                                            .kind = (char *)d->kind->name,
                                            .name = (char *)d->name,
                                            .key = (char *)d->key,
                                            .spec = (json_t *)d->spec});
        news = true;
    }
    return news;
}

/* What was a target stays one for this stop. True: there is something that the last round did not
 * know. Only while no call is in flight: the calls point to the targets. */
static bool collect_targets(struct reconciler *r)
{
    struct primary *p = &r->primary;
    bool news = false;
    for (size_t i = 0; i < p->target_count; i++) {
        struct fence_target *t = &p->targets[i];
        t->marked &= is_primary_vm(find_thing(t->member, t->kind, t->name));
    }
    for (size_t i = 0; i < r->backends->count; i++)
        news |= collect_seen(r, &r->backends->items[i]);
    return collect_declared(r) || news;
}

/* -- The end
 * ------------------------------------------------------------------------------------------------
 */

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
    p->awaits_look = false;
    uv_timer_stop(&p->timer);
    fence_free(p);
    outdate_tasks(r);
    reconciler_kick(r);
    if (done)
        done(p->stop_arg, err);
}

static bool has_target(const struct primary *p, const struct member *m)
{
    for (size_t i = 0; i < p->target_count; i++)
        if (p->targets[i].member == m)
            return true;
    return false;
}

static bool has_never_had_any(const struct primary *p, const struct member *m)
{
    return m->unobserved.code == HM_E_CONNECTION && m->unobserved_since_ns >= p->stop_asked_ns &&
           !has_target(p, m) && !backend_ever_had_primary(m->backend);
}

/* The first backend that may have a VM which was not seen since the stop was asked for; NULL: none. */
static const struct member *find_unseen(const struct reconciler *r)
{
    const struct primary *p = &r->primary;
    for (size_t i = 0; i < r->backends->count; i++) {
        const struct member *m = &r->backends->items[i];
        if (member_holds_vms(m) && !member_is_seen_since(m, p->stop_asked_ns) &&
            !has_never_had_any(p, m))
            return m;
    }
    return NULL;
}

static bool is_late(const struct primary *p)
{
    return hm_boottime_ns() >= p->stop_times.deadline_ns;
}

static int64_t look_deadline(const struct primary *p)
{
    int64_t least = p->stop_asked_ns + LOOK_AT_LEAST_MS * HM_MS;
    return p->stop_times.deadline_ns > least ? p->stop_times.deadline_ns : least;
}

static void say_unseen(const struct member *m, struct hm_error *ret)
{
    static const char what[] = "what runs here was not seen since the stop was asked for";
    if (m->unobserved.code)
        hm_fail(ret, m->unobserved.code, "%s: %s", what, m->unobserved.text);
    else
        hm_fail(ret, HM_E_TIMEOUT, "%s: %s has not answered", what, m->driver->name);
}

/* All that is known is stopped; is there more? The next look brings us here again, or the time. */
static void end_if_seen(struct reconciler *r)
{
    struct primary *p = &r->primary;
    const struct member *m = find_unseen(r);
    struct hm_error unseen;
    p->awaits_look = true;
    if (!m) {
        end_stop(r, NULL);
    } else if (hm_boottime_ns() >= look_deadline(p)) {
        say_unseen(m, &unseen);
        end_stop(r, &unseen);
    } else {
        primary_set_timer(p, look_deadline(p));
    }
}

static void begin_round(struct reconciler *r);

/* No call is in flight: the round is over. */
static void end_round(struct reconciler *r)
{
    struct primary *p = &r->primary;
    bool good = !p->error.code && p->round_counts;
    if (good && !collect_targets(r))
        end_if_seen(r);
    else if (p->error.code && is_late(p))
        end_stop(r, &p->error);
    else if (!p->error.code && !reconciler_start_in_flight(r))
        begin_round(r);
    else
        primary_set_timer(p, hm_boottime_ns() + ROUND_PAUSE_MS * HM_MS);
}

/* -- A round
 * ------------------------------------------------------------------------------------------------
 */

static void fence_done(void *arg, const struct hm_error *err)
{
    struct fence_target *t = arg;
    struct hm_error *error = &t->owner->primary.error;
    if (!err || (err->code == HM_E_CONFLICT && !t->marked)) /* a stranger's: nothing to stop */
        return;
    if (err->code == HM_E_CONFLICT)
        hm_fail(error, err->code,
                "%s %s was made from %s but may not be stopped: %s; stop it by hand, or set "
                "site_id to what it was",
                t->kind, t->name, t->key, err->text);
    else
        *error = *err;
}

static void submit_more(struct reconciler *r);

static void fence_ended(void *arg)
{
    struct fence_target *target = arg;
    struct reconciler *r = target->owner;
    r->primary.calls--;
    fence_order_ended(&r->primary, target);
    if (r->primary.stop_done)
        submit_more(r);
}

/* A VM that was never made here, or is off, makes these verbs succeed at once. */
static int submit_target(struct reconciler *r, struct fence_target *target, int64_t now_ns,
                         struct hm_error *err)
{
    int64_t grace = fence_order_grace(&r->primary, target, now_ns);
    struct backend_call call = {
        .verb = grace > 0 ? VERB_STOP : VERB_KILL,
        .lane = LANE_FENCE,
        .order = {.kind = target->kind,
                  .name = target->name,
                  .key = target->key,
                  .seen_uuid = target->seen_uuid,
                  .spec = target->spec,
                  .grace_ms = grace,
                  .primary = true},
        .stop_by_ns = now_ns + grace * HM_MS,
        .verify_stopped = true,
        .timeout_ms = CALL_TIMEOUT_MS + grace,
        .done = fence_done,
        .ended = fence_ended,
        .arg = target,
    };
    return backend_submit(target->member->backend, &call, NULL, err);
}

/* What the queue refuses comes when a call has ended, what waits for its dependents when these have, or
 * at the time of the kill; the round goes on until all had their turn. It all is decided by one instant: were the kill to
 * fall due between two looks at the clock, nobody would come back for those that wait. */
static void submit_more(struct reconciler *r)
{
    struct primary *p = &r->primary;
    int64_t now = hm_boottime_ns();
    struct hm_error err = {0};
    struct fence_target *t;
    while (p->calls < AT_ONCE && (t = fence_order_next(p, now))) {
        if (submit_target(r, t, now, &err) < 0)
            break;
        t->submitted = true;
        p->unsubmitted--;
        p->calls++;
    }
    if (err.code && p->calls == 0) /* and no call of ours will end */
        p->error = err;
    if (p->calls == 0 && (err.code || p->unsubmitted == 0))
        end_round(r);
    else if (p->unsubmitted > 0 && now < p->stop_times.kill_ns)
        primary_set_timer(p, p->stop_times.kill_ns);
}

static void begin_round(struct reconciler *r)
{
    struct primary *p = &r->primary;
    collect_targets(r);
    p->error = (struct hm_error){0};
    p->round_counts = !reconciler_start_in_flight(r);
    p->awaits_look = false;
    fence_order_begin(p);
    submit_more(r);
}

/* -- What happens to it
 * ------------------------------------------------------------------------------------------------
 */

void fence_begin(struct reconciler *r)
{
    r->primary.stop_asked_ns = hm_boottime_ns();
    hm_log(HM_LOG_DEBUG, "primary", "stopping the VMs of placement primary");
    reconciler_kick(r);
    begin_round(r);
}

void fence_look(struct reconciler *r)
{
    if (r->primary.awaits_look)
        end_round(r);
}

void fence_call_ended(struct reconciler *r)
{
    const struct primary *p = &r->primary;
    if (p->calls == 0 && !p->round_counts && !reconciler_start_in_flight(r))
        begin_round(r);
}

void fence_timer(struct reconciler *r)
{
    const struct primary *p = &r->primary;
    if (p->calls > 0)
        submit_more(r);
    else if (p->awaits_look)
        end_round(r);
    else
        begin_round(r);
}
