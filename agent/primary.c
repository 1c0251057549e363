/*
 * The documents of placement `primary` as a workload: started and stopped as the lease says. A stop
 * is a fence (fence.c).
 */
#include <stdlib.h>
#include <string.h>

#include "agent/depends.h"
#include "agent/made.h"
#include "agent/nics.h"
#include "agent/plan_world.h"
#include "agent/reconcile_state.h"
#include "base/alloc.h"
#include "base/clock.h"
#include "vmm/vm_uuid.h"

bool primary_is_fencing(const struct reconciler *r)
{
    return r->primary.stop_done != NULL;
}

static void on_timer(uv_timer_t *timer);

/* From now, not from when the loop last looked at the clock. */
void primary_set_timer(struct primary *p, int64_t at_ns)
{
    int64_t left = at_ns - hm_boottime_ns();
    uv_update_time(p->timer.loop);
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
    primary_set_timer(p, deadline_ns);
    reconciler_kick(r);
}

/* Nothing is started anew: what does not run any more, though it did, is an illness. */
static void resume(void *data, uint64_t epoch)
{
    struct reconciler *r = data;
    struct primary *p = &r->primary;
    p->serving = true;
    r->settled = false;
    p->epoch = epoch;
    p->started_ns = hm_boottime_ns();
    p->ill = p->down = (struct hm_error){0};
    reconciler_kick(r);
}

static bool shall_run(const struct plan_step *s)
{
    if (s->doc->deleted || strcmp(s->doc->where, DOC_PLACEMENT_PRIMARY) != 0)
        return false;
    const char *power = spec_str(s->doc->spec, "power");
    return !s->over && (!power || !strcmp(power, "on"));
}

/* What someone else runs under that name is not it. */
static bool runs(const struct plan_step *s)
{
    return s->thing && thing_is_made_from(s->thing, s->doc) && s->thing->state == THING_RUNNING;
}

static void note_run(const struct plan_step *s, struct task *t)
{
    if (t && runs(s))
        t->has_run = s->op != PLAN_RESTART && s->op != PLAN_REPLACE;
}

/* It ran in this epoch and does not any more. What is new on this leader, changed by us, or starts again
 * after it was to be off, is no illness even if it fails: its status says so, and no other site could do better. */
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
    const char *why = t && t->failures ? t->error->text : s->why ? s->why : "it does not run yet";
    hm_fail(err, HM_E_REFUSED, "%s: %s", s->doc->key, why);
}

/* It runs, and says itself, or does not say, that it is well. */
static void look_how_it_is(const struct plan_step *s, const struct task *t, struct look *look)
{
    const struct health *h = t ? checkup_health(t->checkup) : NULL;
    if (h && h->state == HEALTH_ILL && !look->ill.code)
        hm_fail(&look->ill, HM_E_REFUSED, "%s: unhealthy: %s", s->doc->key, h->reason);
}

static void look_at(const struct plan_step *s, struct task *t, struct look *look)
{
    note_run(s, t);
    if (runs(s)) {
        look_how_it_is(s, t, look);
        return;
    }
    if (!look->down.code) {
        say_down(s, t, &look->down);
        look->hopeless = s->op == PLAN_BLOCKED && s->verb == VERB_NOTHING;
    }
    if (!look->ill.code && is_ill(s, t))
        say_down(s, t, &look->ill);
}

/* What is elsewhere and can't be seen says nothing about the primary's documents. */
static bool are_all_seen(const struct reconciler *r, const struct plan *plan)
{
    for (size_t i = 0; i < plan->count; i++) {
        const struct member *m = reconciler_member(r, &plan->steps[i]);
        if (shall_run(&plan->steps[i]) && m && !member_is_seen_since(m, r->primary.started_ns))
            return false;
    }
    return true;
}

static void look_for_health(struct reconciler *r, const struct plan *plan)
{
    struct primary *p = &r->primary;
    struct look look = {0};
    for (size_t i = 0; i < plan->count; i++) {
        const struct plan_step *s = &plan->steps[i];
        struct task *t = index_get(&r->tasks, "", s->doc->key);
        if (shall_run(s))
            look_at(s, t, &look);
        else if (t)
            t->has_run = false;
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

/* -- Stop, and both
 * ---------------------------------------------------------------------------------------------- */

/* Nothing of an earlier lease may start any more. An operation, which has no ticket, starts nothing. */
static void cancel_primary_calls(struct reconciler *r)
{
    for (size_t i = 0; i < r->task_count; i++) {
        struct task *t = r->task_list[i];
        if (t->primary && t->ticket)
            t->cancelled = backend_cancel(t->ticket);
    }
}

static void stop(void *data, uint64_t epoch, struct stop_times times, workload_done done, void *arg)
{
    struct reconciler *r = data;
    struct primary *p = &r->primary;
    static const struct hm_error superseded = {HM_E_CANCELLED, "a fence supersedes the start"};
    p->serving = false;
    r->settled = false;
    p->epoch = epoch;
    p->stop_done = done;
    p->stop_arg = arg;
    p->stop_times = times;
    cancel_primary_calls(r);
    end_start(p, &superseded);
    fence_begin(r);
}

static void on_timer(uv_timer_t *timer)
{
    struct reconciler *r = timer->data;
    struct primary *p = &r->primary;
    if (p->stop_done)
        fence_timer(r);
    else if (p->start_done) {
        struct hm_error late;
        hm_fail(&late, HM_E_TIMEOUT, "not everything came up in time; %s",
                p->down.code ? p->down.text : "nothing was observed");
        end_start(p, &late);
    }
}

/* Then nothing is to be seen, either: a host whose libvirt is away can lead with its hooks alone (ADR 2). */
static bool starts_nothing(const struct plan *plan)
{
    for (size_t i = 0; i < plan->count; i++)
        if (shall_run(&plan->steps[i]))
            return false;
    return true;
}

void primary_look(struct reconciler *r, const struct plan *plan)
{
    struct primary *p = &r->primary;
    if (p->stop_done)
        fence_look(r);
    else if (p->start_done && starts_nothing(plan))
        end_start(p, NULL);
    else if (p->serving && are_all_seen(r, plan))
        look_for_health(r, plan);
    else if (p->serving)
        r->settled = false; /* not judged yet: by the next look, whatever that shows */
}

void primary_call_ended(struct reconciler *r)
{
    if (r->primary.stop_done)
        fence_call_ended(r);
}

static bool is_of_the_primary(void *unused, const struct member *m, const struct thing *t)
{
    (void)unused;
    (void)m;
    return t->marked && made_is_primary_key(t->mark_key);
}

static bool any(void *data)
{
    struct reconciler *r = data;
    size_t count;
    const struct plan_doc *docs = desired_docs(r->options.desired, &count);
    for (size_t i = 0; i < count; i++)
        if (made_is_primary_key(docs[i].key))
            return true;
    return reconciler_find_thing(r, is_of_the_primary, NULL) != NULL;
}

/* -- What the guardian is to know
 * ---------------------------------------------------------------------------------------------- */

struct vm_visit {
    const struct reconciler *r;
    void (*visit)(void *arg, const char *word);
    void *arg;
};

/* By which its process is told from others, in the backend that runs it; the caller's. */
static char *word_of(const struct reconciler *r, const struct member *m, const char *uuid)
{
    return m->driver->process_word ? m->driver->process_word(&r->options.driver_options, uuid)
                                   : hm_strdup(uuid);
}

static void visit_vm(const struct vm_visit *v, const struct member *m, const char *uuid)
{
    HM_AUTOFREE char *word = word_of(v->r, m, uuid);
    v->visit(v->arg, word);
}

/* Where a VM of a primary document lies; NULL: it declares none. */
static const struct member *vm_member(const struct reconciler *r, const struct plan_doc *d)
{
    bool is_vm = !d->deleted && made_is_primary_key(d->key) && !strcmp(d->kind->name, "vm");
    return is_vm ? backends_for(r->backends, d->kind->name, d->spec) : NULL;
}

/* By its document: it may be made, by libvirt as late as it likes. */
static void visit_declared(const struct vm_visit *v)
{
    size_t count;
    char uuid[VM_UUID_TEXT];
    const struct plan_doc *docs = desired_docs(v->r->options.desired, &count);
    for (size_t i = 0; i < count; i++) {
        const struct member *m = vm_member(v->r, &docs[i]);
        if (!m)
            continue;
        vm_uuid(v->r->options.site, docs[i].key, uuid);
        visit_vm(v, m, uuid);
    }
}

/* One that lies in another backend than its document says is not the one that the document may make. */
static bool was_declared(const struct vm_visit *v, const struct member *m, const struct thing *t,
                         const char *uuid)
{
    char of_document[VM_UUID_TEXT];
    const struct desired_entry *e = desired_find(v->r->options.desired, t->mark_key);
    vm_uuid(v->r->options.site, t->mark_key, of_document);
    return e && e->doc.kind && !e->deleted && !strcmp(uuid, of_document) &&
           backends_for(v->r->backends, e->doc.kind->name, e->doc.spec) == m;
}

/* Adopted, made by an agent of before, or an orphan. What carries no mark of this site is a stranger's. */
static bool visit_seen(void *data, const struct member *m, const struct thing *t)
{
    const struct vm_visit *v = data;
    const char *uuid = spec_str(t->details, "uuid");
    bool is_ours = t->marked && made_is_primary_key(t->mark_key) && !strcmp(t->kind, "vm") &&
                   t->mark_site && !strcmp(t->mark_site, v->r->options.site);
    if (is_ours && uuid && !was_declared(v, m, t, uuid))
        visit_vm(v, m, uuid);
    return false; /* on to the next */
}

/* Everything that may hold a VM was seen at least once. */
static bool are_vms_known(const struct reconciler *r)
{
    for (size_t i = 0; i < r->backends->count; i++)
        if (member_holds_vms(&r->backends->items[i]) && !r->backends->items[i].since_ns)
            return false;
    return true;
}

static bool each_vm(void *data, void (*visit)(void *arg, const char *word), void *arg)
{
    const struct reconciler *r = data;
    struct vm_visit v = {r, visit, arg};
    visit_declared(&v);
    reconciler_find_thing(r, visit_seen, &v);
    return are_vms_known(r);
}

/* TAPs that a VM of a primary document is plugged into, where its backend opens them. */
static void visit_taps(const struct reconciler *r, const struct member *m,
                       const struct plan_doc *doc, void (*visit)(void *arg, const char *name),
                       void *arg)
{
    char tap[NICS_TAP_TEXT];
    const json_t *cards = json_object_get(doc->spec, "networks");
    for (size_t i = 0; i < json_array_size(cards); i++)
        if (nics_tap(m->driver, r->options.site, doc->key, json_array_get(cards, i), i, tap))
            visit(arg, tap);
}

static void each_tap(void *data, void (*visit)(void *arg, const char *name), void *arg)
{
    const struct reconciler *r = data;
    size_t count;
    const struct plan_doc *docs = desired_docs(r->options.desired, &count);
    for (size_t i = 0; i < count; i++) {
        const struct member *m = vm_member(r, &docs[i]);
        if (m)
            visit_taps(r, m, &docs[i], visit, arg);
    }
}

/* -- How long a clean stop takes
 * ---------------------------------------------------------------------------------------------- */

enum { TOWER_MAX = 8 }; /* as in fence_order.c */

struct tower {
    const struct plan_doc *docs;
    size_t count, at;
    int64_t *total_ms; /* of this one and what it needs, asked one after the other */
    int64_t below_ms;
};

static bool is_asked(const struct plan_doc *d)
{
    const char *power = spec_str(d->spec, "power");
    return !d->deleted && made_is_primary_key(d->key) && !strcmp(d->kind->name, "vm") &&
           (!power || strcmp(power, "off") != 0); /* one that is paused is resumed to hear it */
}

static bool add_below(void *data, const char *kind, const char *name)
{
    struct tower *t = data;
    for (size_t i = 0; !strcmp(kind, "vm") && i < t->count; i++)
        if (i != t->at && is_asked(&t->docs[i]) && !strcmp(t->docs[i].name, name) &&
            t->total_ms[i] > t->below_ms)
            t->below_ms = t->total_ms[i];
    return true;
}

static void add_floor(struct tower *t)
{
    for (t->at = 0; t->at < t->count; t->at++) {
        const struct plan_doc *d = &t->docs[t->at];
        if (!is_asked(d))
            continue;
        t->below_ms = 0;
        depends_each(d->kind->name, d->spec, add_below, t);
        t->total_ms[t->at] = spec_int(d->spec, "stop_grace", 0) + t->below_ms;
    }
}

static int64_t clean_stop_ms(void *data)
{
    const struct reconciler *r = data;
    struct tower t = {0};
    int64_t most = 0, before = -1;
    t.docs = desired_docs(r->options.desired, &t.count);
    t.total_ms = hm_alloc((t.count + 1) * sizeof *t.total_ms);
    for (int floor = 0; floor < TOWER_MAX && most > before; floor++) {
        before = most;
        add_floor(&t);
        for (size_t i = 0; i < t.count; i++)
            most = t.total_ms[i] > most ? t.total_ms[i] : most;
    }
    free(t.total_ms);
    return most;
}

static bool may_still_start(void *data)
{
    return reconciler_start_in_flight(data);
}

static void recheck(void *data)
{
    reconciler_kick(data);
}

bool primary_is_guarded(const struct reconciler *r, const struct plan_step *s)
{
    const char *uuid = s->thing ? spec_str(s->thing->details, "uuid") : NULL;
    const struct member *m = &r->backends->items[s->backend];
    bool serves = s->verb == VERB_START || s->verb == VERB_RESUME;
    bool is_vm = made_is_primary_key(s->doc->key) && !strcmp(s->doc->kind->name, "vm");
    if (!is_vm || !serves || !r->options.guards)
        return true;
    HM_AUTOFREE char *word = uuid ? word_of(r, m, uuid) : NULL;
    return word && r->options.guards(r->options.data, word);
}

struct workload_documents reconciler_workload(struct reconciler *r)
{
    return (struct workload_documents){.start = start,
                                       .resume = resume,
                                       .stop = stop,
                                       .health = health,
                                       .any = any,
                                       .each_vm = each_vm,
                                       .each_tap = each_tap,
                                       .clean_stop_ms = clean_stop_ms,
                                       .may_still_start = may_still_start,
                                       .recheck = recheck,
                                       .data = r};
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
    fence_free(p);
    uv_close((uv_handle_t *)&p->timer, NULL);
}
