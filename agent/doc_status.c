#include "agent/doc_status.h"

#include <string.h>

#include "base/alloc.h"
#include "base/clock.h"

static const char *const phase_names[] = {
#define DOC_PHASE_NAME(id, text) text,
    DOC_PHASES(DOC_PHASE_NAME)
#undef DOC_PHASE_NAME
};

const char *doc_phase_name(enum doc_phase phase)
{
    return phase_names[phase];
}

static enum doc_phase settled_phase(const struct plan_step *s, bool serving)
{
    if (s->doc->deleted)
        return PHASE_DELETED;
    if (s->over)
        return PHASE_ENDED;
    if (s->thing && s->thing->state == THING_RUNNING)
        return PHASE_RUNNING;
    if (s->thing && s->thing->state == THING_PAUSED)
        return PHASE_PAUSED;
    if (!strcmp(s->doc->where, DOC_PLACEMENT_PRIMARY) && !serving)
        return PHASE_STANDBY;
    return PHASE_STOPPED;
}

enum doc_phase doc_phase(const struct plan_step *s, const struct task *task, bool serving)
{
    switch (s->op) {
    case PLAN_NONE:
        return settled_phase(s, serving);
    case PLAN_BLOCKED:
        return PHASE_BLOCKED;
    case PLAN_WAIT:
        return PHASE_WAITING;
    default:
        return task->failures || *task->next_start ? PHASE_FAILED : PHASE_PENDING;
    }
}

static uint64_t mix(uint64_t h, uint64_t value)
{
    h ^= value + 0x9e3779b97f4a7c15u + (h << 6) + (h >> 2);
    return h * 0xff51afd7ed558ccdu;
}

static uint64_t mix_text(uint64_t h, const char *text)
{
    for (const char *c = text ? text : "\1"; *c; c++)
        h = (h ^ (unsigned char)*c) * 1099511628211u;
    return mix(h, 0);
}

/* Why it is not well is told once that is settled. */
static const char *health_reason(const struct health *health)
{
    switch (health->state) {
    case HEALTH_ILL:
    case HEALTH_UNKNOWN:
        return health->reason;
    case HEALTH_STARTING:
        return "it has just been started";
    default:
        return "it answers";
    }
}

static uint64_t mix_health(uint64_t h, const struct checkup *checkup)
{
    const struct health *health = checkup_health(checkup);
    if (!health || health->state == HEALTH_NONE)
        return mix(h, HEALTH_NONE);
    return mix_text(mix(h, (uint64_t)health->state), health_reason(health));
}

uint64_t doc_status_fingerprint(const struct plan_step *s, const struct task *task,
                                const struct desired_entry *e, bool serving)
{
    uint64_t h = mix(14695981039346656037u, (uint64_t)doc_phase(s, task, serving));
    h = mix(h, e->revision);
    h = mix(h, e->seen_revision);
    h = mix(h, (uint64_t)e->refused << 2 | (uint64_t)e->missing << 1 | s->doc->deleted);
    h = mix(h, (uint64_t)s->op << 8 | (uint64_t)s->verb);
    h = mix_text(h, s->why);
    if (s->thing) {
        h = mix(h, (uint64_t)s->thing->state);
        h = mix_text(h, s->thing->reason);
        h = mix_text(h, s->thing->mark_hash);
        h = mix_text(h, s->thing->fault.text);
        h = mix(h, (uint64_t)(uintptr_t)s->thing->details);
    }
    h = mix(h, (uint64_t)task->life.restarts << 32 | task->life.streak);
    h = mix_text(h, task->next_start);
    h = mix_health(h, task->checkup);
    h = mix_text(h, task->progress);
    return task->failures ? mix_text(h, task->error->text) : h;
}

static json_t *error_json(enum hm_code code, const char *text)
{
    return json_pack("{s:s, s:s}", "code", hm_code_name(code), "text", text);
}

static void add_condition(json_t *list, const char *type, bool holds, const char *since,
                          const char *reason)
{
    json_array_append_new(list, json_pack("{s:s, s:b, s:s, s:s}", "type", type, "status", holds,
                                          "since", since, "reason", reason));
}

/* Restarted again and again without being well for 10 min. */
static void add_crash_loop(json_t *list, const struct plan_step *s, const struct task *task)
{
    const struct life *life = &task->life;
    char since[HM_TIME_TEXT_MAX];
    if (!life_is_looping(life))
        return;
    HM_AUTOFREE char *reason =
        hm_printf("started again %u times without being well for 10 min%s%s", life->streak,
                  s->again && s->why ? "; " : "", s->again && s->why ? s->why : "");
    hm_time_text(life->loop_since_ms * HM_MS, since);
    add_condition(list, "CrashLoop", true, since, reason);
    if (*task->next_start)
        json_object_set_new(json_array_get(list, json_array_size(list) - 1), "next_try",
                            json_string(task->next_start));
}

static void add_health(json_t *list, const struct checkup *checkup)
{
    const struct health *health = checkup_health(checkup);
    if (health && health->state != HEALTH_NONE)
        add_condition(list, "Healthy", health->state == HEALTH_WELL, checkup_since(checkup),
                      health_reason(health));
}

static void add_fault(json_t *list, const struct thing *t)
{
    char since[HM_TIME_TEXT_MAX];
    if (!t || !t->fault.text)
        return;
    hm_time_text(t->fault.since_ms * HM_MS, since);
    add_condition(list, "DiskFailed", true, since, t->fault.text);
}

/* It stands still, and what to do. */
static json_t *fault_json(const struct thing *t)
{
    const struct thing_fault *f = &t->fault;
    HM_AUTOFREE char *text = hm_printf(
        "%s %s stands still: %s; %s, then resume it (harmonyctl pause %s %s, then resume)", t->kind,
        t->name, f->text,
        f->code == HM_E_NO_SPACE ? "make room there" : "mend what is behind that disk", t->kind,
        t->name);
    return error_json(f->code, text);
}

static json_t *conditions(const struct plan_step *s, const struct task *task,
                          const struct desired_entry *e, enum doc_phase phase, const char *since)
{
    json_t *list = json_array();
    bool ready = phase == PHASE_RUNNING || phase == PHASE_STOPPED || phase == PHASE_STANDBY;
    add_condition(list, "Ready", ready, since, s->why ? s->why : doc_phase_name(phase));
    add_health(list, task->checkup);
    add_crash_loop(list, s, task);
    add_fault(list, s->thing);
    if (e->missing)
        add_condition(
            list, "Orphaned", true, since,
            "its document is gone from the bucket without a delete marker; it is left as it "
            "is");
    return list;
}

/* The revision whose spec the thing has; absent when it has another one. */
static bool is_applied(const struct plan_step *s)
{
    return s->thing && s->thing->mark_hash && s->doc->hash && !s->doc->deleted &&
           !strcmp(s->thing->mark_hash, s->doc->hash);
}

json_t *doc_status_json(const struct plan_step *s, const struct task *task,
                        const struct desired_entry *e, bool serving, const char *since)
{
    enum doc_phase phase = doc_phase(s, task, serving);
    const struct thing *t = s->thing;
    json_t *o = json_pack("{s:s, s:s, s:I, s:s}", "phase", doc_phase_name(phase), "since", since,
                          "desired_revision", (json_int_t)e->seen_revision, "state",
                          thing_state_name(t ? t->state : THING_ABSENT));
    if (is_applied(s) || phase == PHASE_DELETED)
        json_object_set_new(o, "applied_revision", json_integer((json_int_t)e->revision));
    if (is_applied(s))
        json_object_set_new(o, "hash", json_string(t->mark_hash));
    if (t && t->reason)
        json_object_set_new(o, "state_reason", json_string(t->reason));
    if (s->why)
        json_object_set_new(o, "reason", json_string(s->why));
    if (task->progress && s->op != PLAN_WAIT)
        json_object_set_new(o, "progress", json_string(task->progress));
    if (s->op != PLAN_NONE)
        json_object_set_new(o, "next", json_string(plan_op_name(s->op)));
    json_object_set_new(o, "conditions", conditions(s, task, e, phase, since));
    if (e->refused)
        json_object_set_new(o, "error", error_json(e->error->code, e->error->text));
    else if (t && t->fault.stands_still)
        json_object_set_new(o, "error", fault_json(t));
    else if (task->failures)
        json_object_set_new(o, "error", error_json(task->error->code, task->error->text));
    if (t && t->run.state != RUN_NONE)
        json_object_set_new(o, "restarts", json_integer(task->life.restarts));
    const struct health *health = checkup_health(task->checkup);
    if (health && health->state != HEALTH_NONE)
        json_object_set_new(o, "health", json_string(health_state_name(health->state)));
    if (*task->next_start)
        json_object_set_new(o, "next_start", json_string(task->next_start));
    if (t && t->details)
        json_object_set(o, "details", t->details);
    return o;
}
