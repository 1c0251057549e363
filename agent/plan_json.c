/* The plan as JSON: the reply to `harmonyctl plan`. */
#include "agent/plan.h"

#include <string.h>

static json_t *text_or_null(const char *text)
{
    return text ? json_string(text) : json_null();
}

static json_t *changes_to_json(const struct spec_diff *diff)
{
    json_t *list = json_array();
    for (size_t i = 0; i < diff->count; i++) {
        const struct spec_change *c = &diff->changes[i];
        json_array_append_new(list,
                              json_pack("{s:s, s:o, s:o, s:s, s:s*}", "path", c->path, "before",
                                        text_or_null(c->before), "after", text_or_null(c->after),
                                        "cost", field_cost_name(c->cost), "why", c->why));
    }
    return list;
}

static json_t *step_to_json(const struct plan_step *s)
{
    return json_pack("{s:s, s:s, s:s, s:s, s:s, s:o, s:s, s:o}", "op", plan_op_name(s->op), "verb",
                     plan_verb_name(s->verb), "kind", s->doc->kind->name, "name", s->doc->name,
                     "key", s->doc->key, "why", text_or_null(s->why), "state",
                     thing_state_name(s->thing ? s->thing->state : THING_ABSENT), "changes",
                     changes_to_json(&s->diff));
}

static json_t *orphan_to_json(const char *kind, const char *name, const char *key)
{
    return json_pack("{s:s, s:s, s:s}", "kind", kind, "name", name, "key", key);
}

json_t *plan_to_json(const struct plan_input *input, const struct plan *plan)
{
    json_t *steps = json_array(), *orphans = json_array();
    json_int_t unchanged = 0;
    for (size_t i = 0; i < plan->count; i++) {
        const struct plan_step *s = &plan->steps[i];
        if (s->op == PLAN_NONE && !s->doc->deleted)
            unchanged++;
        else if (s->op != PLAN_NONE)
            json_array_append_new(steps, step_to_json(s));
        if (s->doc->missing)
            json_array_append_new(orphans,
                                  orphan_to_json(s->doc->kind->name, s->doc->name, s->doc->key));
    }
    for (size_t i = 0; i < plan->orphan_count; i++) {
        const struct thing *t = plan->orphans[i];
        json_array_append_new(orphans, orphan_to_json(t->kind, t->name, t->mark_key));
    }
    return json_pack("{s:s, s:b, s:o, s:I, s:o}", "site", input->site, "serving", input->serving,
                     "steps", steps, "unchanged", unchanged, "orphans", orphans);
}
