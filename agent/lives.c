/* The lives of workloads (agent/life.h) in the reconciler's passes. */
#include <stdlib.h>

#include "agent/nics.h"
#include "agent/plan_world.h"
#include "agent/reconcile_state.h"
#include "base/alloc.h"
#include "base/clock.h"
#include "base/log.h"

/* So much longer than the guest's agent has: a libvirtd that is late is not the guest's fault. */
enum { PING_MARGIN_MS = 2000 };

/* Of a kind that runs, and has a restart policy. */
static bool is_run(const struct plan_doc *doc)
{
    return field_find(doc->kind->fields, "restart_policy") != NULL;
}

static void say_next_start(struct task *t, int64_t now_ns)
{
    t->next_start[0] = '\0';
    if (life_waits(&t->life, now_ns))
        hm_time_text(hm_wall_ns() + t->life.due_ns - now_ns, t->next_start);
}

static const char *first_address(const struct thing *t)
{
    size_t i;
    json_t *nic;
    json_array_foreach(json_object_get(t->details, "networks"), i, nic)
    {
        const char *address = spec_str(nic, "address");
        if (address)
            return address;
    }
    return NULL;
}

/* On a network that the agent makes itself the backend of the VM knows no address. */
static const char *native_address(const struct reconciler *r, const struct plan_step *s)
{
    const char *address = NULL;
    for (size_t i = 0; i < r->backends->count && !address; i++)
        address = nics_address(&r->backends->items[i].things, s->doc->key, s->doc->spec);
    return address;
}

/* Of the note, if it is of this run and this boot. */
static int64_t began_ns(const struct thing *t)
{
    int64_t ns = t->run.began_ms * HM_MS;
    return t->run.state == RUN_STARTED && ns < hm_boottime_ns() ? ns : 0;
}

static void see(struct reconciler *r, struct task *t, const struct plan_step *s)
{
    const struct thing *thing = s->thing && thing_is_made_from(s->thing, s->doc) ? s->thing : NULL;
    struct checkup_view view = {.health = s->doc->deleted ? NULL
                                                          : json_object_get(s->doc->spec, "health"),
                                .runs = thing && thing->state == THING_RUNNING,
                                .whom = t};
    if (view.runs && view.health) { /* few have one, and a pass looks at all */
        view.began_ns = began_ns(thing);
        view.run = spec_int(thing->details, "id", 0);
        view.address = first_address(thing);
        if (!view.address)
            view.address = native_address(r, s);
    }
    checkup_see(r->checkups, &t->checkup, &view);
}

const char *lives_unwell(void *data, const struct plan_doc *doc)
{
    const struct reconciler *r = data;
    const struct task *t = index_get(&r->tasks, "", doc->key);
    const struct health *h = t ? checkup_health(t->checkup) : NULL;
    return h && h->state == HEALTH_ILL ? h->reason : NULL;
}

void lives_look(struct reconciler *r, struct task *t, const struct plan_step *s)
{
    if (!is_run(s->doc))
        return;
    see(r, t, s);
    if (!s->thing || t->in_flight)
        return;
    struct life_view view = {.note = &s->thing->run,
                             .is_well = s->thing->state == THING_RUNNING && !s->again,
                             .fell = s->again};
    bool changed = life_look(&t->life, &view, r->pass_ns, reconciler_jitter(r));
    if (changed || *t->next_start)
        say_next_start(t, r->pass_ns);
    if (changed && *t->next_start)
        hm_log(HM_LOG_WARN, "reconcile", "%s: %s; it is started again at %s", t->key,
               s->why ? s->why : "it stopped", t->next_start);
}

static uint64_t epoch_of(const struct reconciler *r, const struct task *t)
{
    return t->primary ? r->primary.epoch : 0;
}

struct run_note lives_note(const struct reconciler *r, const struct task *t,
                           const struct plan_step *s)
{
    int64_t now = hm_boottime_ns(), wall_ms = hm_wall_ns() / HM_MS;
    struct run_note note = {0};
    if (!is_run(s->doc))
        return note;
    if (s->verb == VERB_START)
        return life_note_start(&t->life, s->again, epoch_of(r, t), now, wall_ms);
    if (s->verb == VERB_STOP)
        return life_note_stop(&t->life, s->again, epoch_of(r, t));
    if (s->verb != VERB_NOTE)
        return note;
    if (s->over)
        return life_note_end(&s->thing->run, s->thing->shut_down);
    /* Who started it died before it could say so. */
    bool revived = s->thing->run.state == RUN_REVIVED;
    return life_note_start(&t->life, revived, epoch_of(r, t), now, wall_ms);
}

/* -- Health --------------------------------------------------------------------------------------- */

struct ping {
    checkup_answer answer;
    void (*ended)(void *arg);
    void *arg;
};

/* Only the guest's own silence is a bad answer: what libvirtd does not say is unknown. */
static void on_pinged(void *arg, struct driver_result *result, const struct hm_error *err)
{
    const struct ping *p = arg;
    struct hm_error why = err ? *err : (struct hm_error){0};
    (void)result;
    if (err && err->code != HM_E_REFUSED)
        why.code = HM_E_UNSUPPORTED;
    p->answer(p->arg, err ? &why : NULL);
}

static void on_ping_ended(void *arg)
{
    struct ping *p = arg;
    p->ended(p->arg);
    free(p);
}

static int ping(void *whom, int64_t timeout_ms, checkup_answer answer, void (*ended)(void *arg),
                void *arg, struct hm_error *err)
{
    struct task *t = whom;
    const struct desired_entry *e = desired_find(t->owner->options.desired, t->key);
    struct member *m =
        e && e->doc.spec ? backends_for(t->owner->backends, e->doc.kind->name, e->doc.spec) : NULL;
    const struct driver_operation *o =
        m ? backend_find_operation(m->backend, DRIVER_GUEST_PING) : NULL;
    if (!o)
        return hm_fail(err, HM_E_UNSUPPORTED, "its backend knows no guest agents");
    struct ping *p = hm_alloc(sizeof *p);
    *p = (struct ping){answer, ended, arg};
    struct backend_operation operation = {.operation = o,
                                          .order = {.kind = e->doc.kind->name,
                                                    .name = e->doc.name,
                                                    .key = t->key,
                                                    .spec = e->doc.spec},
                                          .timeout_ms = timeout_ms + PING_MARGIN_MS,
                                          .done = on_pinged,
                                          .ended = on_ping_ended,
                                          .arg = p};
    int r = backend_operate(m->backend, &operation, err);
    if (r < 0)
        free(p);
    return r;
}

static void on_health(void *data, void *whom, const struct health *health)
{
    struct reconciler *r = data;
    const struct task *t = whom;
    enum hm_log_level level = health->state == HEALTH_ILL ? HM_LOG_WARN : HM_LOG_INFO;
    if (health->state > HEALTH_STARTING)
        hm_log(level, "health", "%s: %s%s%s", t->key, health_state_name(health->state),
               *health->reason ? ": " : "", health->reason);
    r->settled = false;
    reconciler_kick(r);
}

void lives_begin(struct reconciler *r)
{
    struct checkups_options options = {
        .loop = r->options.loop, .ping = ping, .on_change = on_health, .data = r};
    r->checkups = checkups_new(&options);
}

void lives_end(struct reconciler *r)
{
    for (size_t i = 0; i < r->task_count; i++)
        checkup_drop(&r->task_list[i]->checkup);
    checkups_free(r->checkups);
}

void reconciler_each_life(const struct reconciler *r,
                          void (*visit)(void *data, const char *key, const struct life *life,
                                        const struct health *health),
                          void *data)
{
    for (size_t i = 0; i < r->task_count; i++) {
        const struct task *t = r->task_list[i];
        if (t->life.is_known || t->checkup)
            visit(data, t->key, &t->life, checkup_health(t->checkup));
    }
}
