/* The lives of workloads (agent/life.h) in the reconciler's passes. */
#include "agent/reconcile_state.h"
#include "base/clock.h"
#include "base/log.h"

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

void lives_look(struct reconciler *r, struct task *t, const struct plan_step *s)
{
    if (!is_run(s->doc) || !s->thing || t->in_flight)
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
