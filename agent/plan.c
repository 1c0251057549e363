#include "agent/plan.h"

#include <stdlib.h>
#include <string.h>

#include "agent/addresses.h"
#include "agent/depends.h"
#include "agent/describe.h"
#include "agent/plan_world.h"
#include "agent/run_rule.h"
#include "base/alloc.h"

static const char *const op_names[] = {
#define PLAN_OP_NAME(id, text) text,
    PLAN_OPS(PLAN_OP_NAME)
#undef PLAN_OP_NAME
};

static const char *const verb_names[] = {
#define PLAN_VERB_NAME(id, text) text,
    PLAN_VERBS(PLAN_VERB_NAME)
#undef PLAN_VERB_NAME
};

const char *plan_op_name(enum plan_op op)
{
    return op_names[op];
}

const char *plan_verb_name(enum plan_verb verb)
{
    return verb_names[verb];
}

/* -- Words for what is looked at ----------------------------------------------------------------
 */

static bool is_primary(const struct plan_doc *doc)
{
    return !strcmp(doc->where, DOC_PLACEMENT_PRIMARY);
}

static bool is_vm(const struct plan_doc *doc)
{
    return !strcmp(doc->kind->name, "vm");
}

/* Disks and images have no off switch, and serve nobody by themselves. */
static bool can_be_stopped(const struct plan_doc *doc)
{
    return strcmp(doc->kind->name, "disk") != 0 && strcmp(doc->kind->name, "image-file") != 0;
}

static bool may_run(const struct world *w, const struct plan_doc *doc)
{
    return !is_primary(doc) || w->input->serving || !can_be_stopped(doc);
}

static bool has_power(const json_t *spec, const char *word)
{
    const char *power = spec_str(spec, "power");
    return power && !strcmp(power, word);
}

/* It shall run here and now, if only paused, by this spec (networks and disks: be active and usable). */
static bool shall_run_by(const struct world *w, const struct plan_doc *doc, const json_t *spec)
{
    return may_run(w, doc) && !(is_vm(doc) && has_power(spec, "off"));
}

static bool shall_stand_still(const struct plan_doc *doc)
{
    return is_vm(doc) && has_power(doc->spec, "paused");
}

static bool wants_running(const struct world *w, const struct plan_doc *doc)
{
    return shall_run_by(w, doc, doc->spec);
}

static bool is_stopped(const struct thing *t)
{
    return t->state == THING_OFF || t->state == THING_CRASHED || t->state == THING_ABSENT;
}

/* The epoch that counts for its runs. */
static uint64_t epoch_of(const struct world *w, const struct plan_doc *doc)
{
    return is_primary(doc) ? w->input->epoch : 0;
}

static bool is_unknown(const struct thing *t)
{
    return t->state == THING_UNKNOWN;
}

static bool is_of_another_site(const struct world *w, const struct thing *t)
{
    return t->marked && t->mark_site && strcmp(t->mark_site, w->input->site) != 0;
}

/* -- How a rule answers ---------------------------------------------------------------------------
 */

static void decide(struct plan_step *s, enum plan_op op, enum plan_verb verb, char *why)
{
    s->op = op;
    s->verb = verb;
    free(s->why);
    s->why = why;
}

static void block(struct plan_step *s, char *why)
{
    decide(s, PLAN_BLOCKED, VERB_NOTHING, why);
}

static void wait_for(struct plan_step *s, char *why)
{
    decide(s, PLAN_WAIT, VERB_NOTHING, why);
}

/* -- Dependencies ---------------------------------------------------------------------------------
 */

struct dependency_check {
    const struct world *world;
    bool must_run;     /* to start, a dependency must be up; to be created it must only be there */
    char *waiting_for; /* the first that is not ready */
};

static bool dependency_is_ready(void *data, const char *kind, const char *name)
{
    struct dependency_check *check = data;
    const struct plan_doc *doc = index_get(&check->world->docs, kind, name);
    if (!doc) /* not declared: the backend knows whether it is there */
        return true;
    struct plan_step its = {.doc = doc};
    plan_world_find(check->world, &its);
    const char *why = plan_world_unseen(check->world, &its);
    bool may_lie = !wants_running(check->world, doc) || shall_stand_still(doc);
    bool must_run = (check->must_run && !may_lie) || !can_be_stopped(doc);
    bool ready = !why && its.thing && thing_is_made_from(its.thing, doc) &&
                 (!must_run || its.thing->state == THING_RUNNING);
    if (!why && its.thing && its.thing->state == THING_MAKING)
        why = its.thing->reason;
    if (!ready)
        check->waiting_for =
            hm_printf("waits for %s %s%s%s", kind, name, why ? ": " : "", why ? why : "");
    return ready;
}

/* The network was applied with this static lease. */
static bool gives_address(const json_t *network, const char *ip)
{
    size_t i;
    json_t *host;
    json_array_foreach(json_object_get(json_object_get(network, "dhcp"), "hosts"), i, host)
    {
        if (!strcmp(spec_str(host, "ip"), ip))
            return true;
    }
    return false;
}

/* The first address that its network does not know yet: a guest that starts now would get another one. */
static char *missing_address(const struct world *w, const struct plan_step *s)
{
    size_t i;
    json_t *nic;
    json_array_foreach(json_object_get(s->doc->spec, "networks"), i, nic)
    {
        const char *ip = spec_str(nic, "ip"), *network = spec_str(nic, "network");
        const struct plan_doc *doc = ip ? index_get(&w->docs, "network", network) : NULL;
        struct plan_step its = {.doc = doc};
        if (doc)
            plan_world_find(w, &its);
        if (its.thing && !gives_address(its.thing->spec, ip))
            return hm_printf("waits for network %s to have its address %s", network, ip);
    }
    return NULL;
}

/* Returns false, and has said what the step waits for, if a dependency is not ready. */
static bool dependencies_ready(const struct world *w, struct plan_step *s, bool must_run)
{
    struct dependency_check check = {.world = w, .must_run = must_run};
    if (depends_each(s->doc->kind->name, s->doc->spec, dependency_is_ready, &check) && must_run)
        check.waiting_for = missing_address(w, s);
    if (!check.waiting_for)
        return true;
    wait_for(s, check.waiting_for);
    return false;
}

struct use {
    const struct plan_step *of;
    bool running_only;
};

/* Another thing of ours that was made to use this one. */
static bool is_user(const void *data, const struct thing *t)
{
    const struct use *use = data;
    const struct plan_doc *doc = use->of->doc;
    return t != use->of->thing && t->marked && (!use->running_only || !is_stopped(t)) &&
           depends_on_thing(t->kind, t->spec, doc->kind->name, doc->name);
}

static bool is_in_use(const struct world *w, struct plan_step *s, bool running_only)
{
    if (is_vm(s->doc))
        return false;
    struct use use = {s, running_only};
    const struct thing *user = plan_world_find_thing(w, is_user, &use);
    const char *unseen = plan_world_unseen_users(w);
    if (user)
        wait_for(s, hm_printf("in use by %s %s", user->kind, user->name));
    else if (unseen)
        wait_for(s, hm_printf("what may use it can't be seen: %s", unseen));
    return user || unseen;
}

/* -- Rules, from the one that overrides the most
 * ---------------------------------------------------- */

static bool is_ours(const struct world *w, const struct plan_step *s)
{
    return s->thing && thing_is_made_from(s->thing, s->doc) && !is_of_another_site(w, s->thing);
}

/* A workload of the primary where it must not run: whatever else is asked about it, it ends first.
 */
static bool runs_without_the_lead(const struct world *w, const struct plan_step *s)
{
    return is_vm(s->doc) && !may_run(w, s->doc) && is_ours(w, s) && !is_stopped(s->thing);
}

static void plan_removal(const struct world *w, struct plan_step *s)
{
    const struct thing *t = s->thing;
    if (!is_ours(w, s))
        return; /* nothing of ours is there: deleting what is absent succeeds */
    if (!t->spec)
        block(s, hm_strdup("deleted, but its mark can't be read, so it may be protected; declare "
                           "it again with adopt: true, then delete it"));
    else if (spec_bool(t->spec, "protect"))
        block(s,
              hm_strdup("protect: true; take protect off in a revision of its own, then delete"));
    else if (is_in_use(w, s, false))
        return;
    else if (is_vm(s->doc) && !is_stopped(t))
        decide(s, PLAN_REMOVE, VERB_STOP, hm_strdup("deleted; it is stopped first"));
    else
        decide(s, PLAN_REMOVE, VERB_REMOVE, hm_strdup("deleted"));
}

static void plan_creation(const struct world *w, struct plan_step *s)
{
    if (!dependencies_ready(w, s, false))
        return;
    HM_AUTOFREE char *words = describe_spec(s->doc->kind->name, s->doc->spec);
    bool stays_off = is_vm(s->doc) && !wants_running(w, s->doc);
    decide(s, PLAN_CREATE, VERB_CREATE,
           hm_printf("%s%s", words, stays_off ? "; defined and stopped" : ""));
}

/* The document that it was made from is deleted, so that it goes. A clone, which carries the mark of
 * its origin under another name, stays. */
static bool is_being_removed(const struct world *w, const struct thing *t)
{
    bool has_maker = t->marked && t->mark_key;
    const struct plan_doc *maker = has_maker ? index_get(&w->keys, "", t->mark_key) : NULL;
    return maker && maker->deleted && !strcmp(maker->name, t->name);
}

/* A thing of that name is there, but was not made from this document. Returns true if it is
 * settled. */
static bool plan_foreign(const struct world *w, struct plan_step *s)
{
    const struct thing *t = s->thing;
    const char *kind = s->doc->kind->name;
    if (is_ours(w, s))
        return false;
    if (is_of_another_site(w, t))
        block(s, hm_printf("this %s belongs to site %s", kind, t->mark_site));
    else if (is_being_removed(w, t))
        wait_for(s, hm_printf("the one made from %s is removed first", t->mark_key));
    else if (spec_bool(s->doc->spec, "adopt"))
        decide(s, PLAN_ADOPT, VERB_UPDATE, hm_strdup("adopt: true; what runs is not stopped"));
    else if (t->marked && t->mark_key)
        block(s, hm_printf("it was made from the document %s; delete that one, or set adopt: true",
                           t->mark_key));
    else
        block(s,
              hm_printf("a %s of this name exists that harmony did not make; rename the document, "
                        "or set adopt: true to take it over",
                        kind));
    return true;
}

/* The most that may happen without asking, as `change` says. */
static enum field_cost allowed_cost(const struct plan_doc *doc)
{
    const char *change = spec_str(doc->spec, "change");
    if (!change || !strcmp(change, "replace"))
        return COST_REPLACE;
    return !strcmp(change, "live") ? COST_LIVE : COST_RESTART; /* restart, never-replace */
}

/* "memory 128MiB -> 512MiB (above max_memory 256MiB)" */
static char *change_text(const struct spec_change *c)
{
    return hm_printf("%s %s -> %s%s%s%s", c->path, c->before ? c->before : "(none)",
                     c->after ? c->after : "(none)", c->why ? " (" : "", c->why ? c->why : "",
                     c->why ? ")" : "");
}

static char *first_change_of_cost(const struct spec_diff *diff, enum field_cost cost)
{
    for (size_t i = 0; i < diff->count; i++) {
        const struct spec_change *c = &diff->changes[i];
        if (c->cost == cost)
            return change_text(c);
    }
    return hm_strdup("");
}

static void plan_refusal(struct plan_step *s)
{
    HM_AUTOFREE char *cause = first_change_of_cost(&s->diff, COST_NEVER);
    block(s, hm_printf(
                 "%s would lose data, so it is never done by itself; use another name, or delete "
                 "it and declare it again",
                 cause));
}

static void plan_replacement(const struct world *w, struct plan_step *s)
{
    HM_AUTOFREE char *cause = first_change_of_cost(&s->diff, COST_REPLACE);
    if (spec_bool(s->thing->spec, "protect"))
        block(s,
              hm_printf("replace needed: %s; protect: true; take protect off in a revision of its "
                        "own first",
                        cause));
    else if (allowed_cost(s->doc) < COST_REPLACE)
        block(s, hm_printf("replace needed: %s; change: %s forbids it", cause,
                           spec_str(s->doc->spec, "change")));
    else if (is_in_use(w, s, true))
        return;
    else
        decide(s, PLAN_REPLACE, is_stopped(s->thing) || !is_vm(s->doc) ? VERB_REMOVE : VERB_STOP,
               hm_printf("%s; removed, then created; disks are kept unless ephemeral", cause));
}

static void plan_restart(struct plan_step *s)
{
    HM_AUTOFREE char *cause = first_change_of_cost(&s->diff, COST_RESTART);
    if (allowed_cost(s->doc) < COST_RESTART)
        block(s, hm_printf("restart needed: %s; change: live forbids it", cause));
    else
        decide(s, PLAN_RESTART, VERB_STOP, hm_printf("%s needs a restart; disks are kept", cause));
}

/* A change that may not be made does not keep down what ran before it: after a crash, or a reboot of
 * the host, it is started as it was last applied. */
static void keep_up(const struct world *w, struct plan_step *s)
{
    const struct thing *t = s->thing;
    struct dependency_check check = {.world = w, .must_run = true};
    if (is_stopped(t) && shall_run_by(w, s->doc, t->spec) &&
        !run_is_over(t, epoch_of(w, s->doc), t->spec) &&
        depends_each(t->kind, t->spec, dependency_is_ready, &check))
        s->verb = VERB_START;
    free(check.waiting_for);
}

/* What is plugged in while it runs must be there. */
static void plan_update(const struct world *w, struct plan_step *s)
{
    bool runs = is_vm(s->doc) && !is_stopped(s->thing) && s->diff.cost == COST_LIVE;
    if (!runs || dependencies_ready(w, s, true))
        decide(s, PLAN_UPDATE, VERB_UPDATE, runs ? hm_strdup("while it runs") : NULL);
}

/* Who paused it by another's word left it `power: on` in its mark: then it is not ours to resume. The mark
 * is written after the guest goes on, so that a death between the two is no riddle. */
static bool was_paused_by_us(const struct world *w, const struct plan_step *s)
{
    return is_vm(s->doc) && may_run(w, s->doc) && s->thing->state == THING_PAUSED &&
           has_power(s->thing->spec, "paused") && has_power(s->doc->spec, "on");
}

static void plan_unreadable(struct plan_step *s)
{
    if (spec_bool(s->doc->spec, "adopt"))
        decide(s, PLAN_ADOPT, VERB_UPDATE, hm_strdup("adopt: true; its mark can't be read"));
    else
        block(s, hm_strdup("its mark can't be read; set adopt: true to have it written anew"));
}

static void plan_stop(struct plan_step *s)
{
    if (is_vm(s->doc) && has_power(s->doc->spec, "off"))
        decide(s, PLAN_STOP, VERB_STOP, hm_strdup("power: off"));
    else
        decide(s, PLAN_STOP, VERB_KILL, hm_strdup("this site does not lead"));
}

/* Then it is changed when it is off: what can't be done to it while it runs does not keep it running. */
static bool is_stopped_first(const struct plan_step *s)
{
    return is_vm(s->doc) && has_power(s->doc->spec, "off") && !is_stopped(s->thing) &&
           (s->diff.cost == COST_LIVE || s->diff.cost == COST_RESTART);
}

/* The thing differs from its document. Returns true if it is settled. */
static bool plan_change(const struct world *w, struct plan_step *s)
{
    const struct thing *t = s->thing;
    if (t->mark_hash && !strcmp(t->mark_hash, s->doc->hash)) {
        if (!t->drift)
            return false;
        decide(s, PLAN_UPDATE, VERB_UPDATE, hm_printf("changed behind our back: %s", t->drift));
        return true;
    }
    if (!t->spec) {
        plan_unreadable(s);
        return true;
    }
    spec_diff(s->doc->kind, t->spec, s->doc->spec, &s->diff);
    if (s->diff.cost == COST_NEVER)
        plan_refusal(s);
    else if (s->diff.cost == COST_REPLACE)
        plan_replacement(w, s);
    else if (is_stopped_first(s))
        plan_stop(s);
    else if (s->diff.cost == COST_RESTART && !is_stopped(t))
        plan_restart(s);
    else if (was_paused_by_us(w, s))
        decide(s, PLAN_RESUME, VERB_RESUME, hm_strdup("power: on"));
    else
        plan_update(w, s);
    if (s->op == PLAN_BLOCKED)
        keep_up(w, s);
    return true;
}

/* Its end is noted while libvirt knows it: a libvirtd that was restarted does not. */
static void leave_it_off(struct plan_step *s)
{
    const struct thing *t = s->thing;
    decide(s, PLAN_NONE, t->run.state == RUN_STARTED ? VERB_NOTE : VERB_NOTHING,
           hm_printf("%s; restart_policy: %s leaves it off until power was off once",
                     run_end_text(t), spec_str(s->doc->spec, "restart_policy")));
    s->over = true;
}

static void plan_start(const struct world *w, struct plan_step *s)
{
    const struct thing *t = s->thing;
    if (!dependencies_ready(w, s, true))
        return;
    bool went = run_was_started(t, epoch_of(w, s->doc));
    bool tell = went || t->state == THING_CRASHED;
    s->again = went || t->run.state == RUN_REVIVED;
    decide(s, PLAN_START, VERB_START, tell ? hm_strdup(run_end_text(t)) : NULL);
}

/* It runs as it shall. */
static void plan_run(const struct world *w, struct plan_step *s)
{
    const struct plan_input *in = w->input;
    bool is_asked = in->unwell && run_may_be_revived(s->doc->spec);
    const char *ill = is_asked ? in->unwell(in->unwell_data, s->doc) : NULL;
    s->again = ill != NULL;
    if (ill)
        decide(s, PLAN_RESTART, VERB_STOP, hm_printf("not well: %s", ill));
    else if (run_needs_note(s->thing, epoch_of(w, s->doc), s->doc->spec))
        decide(s, PLAN_NONE, VERB_NOTE, NULL);
}

/* That it is off is what is wanted now; a later `power: on` is a new beginning. */
static bool is_to_be_forgotten(const struct world *w, const struct plan_step *s)
{
    return has_power(s->doc->spec, "off") && may_run(w, s->doc) &&
           run_was_started(s->thing, epoch_of(w, s->doc));
}

/* By whom the driver says, where it knows more than that it is. */
static char *paused_by_others(const struct thing *t)
{
    const char *by = t->reason && !strncmp(t->reason, "by ", 3) ? t->reason : "by someone else";
    return hm_printf(
        "paused %s; it is left alone until it is paused and resumed, or resumed by hand", by);
}

static void plan_power(const struct world *w, struct plan_step *s)
{
    const struct thing *t = s->thing;
    bool wanted = wants_running(w, s->doc);
    if (wanted && is_stopped(t)) {
        if (run_is_over(t, epoch_of(w, s->doc), s->doc->spec))
            leave_it_off(s);
        else
            plan_start(w, s);
    } else if (wanted && t->state == THING_RUNNING && shall_stand_still(s->doc))
        decide(s, PLAN_PAUSE, VERB_PAUSE, hm_strdup("power: paused"));
    else if (wanted && t->state == THING_RUNNING)
        plan_run(w, s);
    else if (!wanted && is_stopped(t) && is_to_be_forgotten(w, s))
        plan_stop(s);
    else if (wanted && t->state == THING_PAUSED && !shall_stand_still(s->doc))
        wait_for(s, paused_by_others(t));
    else if (wanted && t->state == THING_MAKING)
        wait_for(s, hm_strdup(t->reason));
    else if (wanted && t->state == THING_STOPPING)
        wait_for(s, hm_strdup("it is shutting down"));
    else if (!wanted && !is_stopped(t) && can_be_stopped(s->doc) && !is_in_use(w, s, true))
        plan_stop(s);
}

/* It is not made, and not changed. */
static void plan_impossible(const struct world *w, struct plan_step *s)
{
    block(s, hm_strdup(s->doc->cannot));
    if (is_ours(w, s) && s->thing->spec)
        keep_up(w, s);
}

static void plan_document(const struct world *w, struct plan_step *s)
{
    const char *unseen = plan_world_unseen(w, s);
    if (unseen)
        wait_for(s, hm_strdup(unseen));
    else if (s->thing && is_unknown(s->thing))
        wait_for(s,
                 hm_printf("its state is unknown%s%s; it is left alone",
                           s->thing->reason ? ": " : "", s->thing->reason ? s->thing->reason : ""));
    else if (runs_without_the_lead(w, s))
        decide(s, PLAN_STOP, VERB_KILL, hm_strdup("this site does not lead"));
    else if (s->doc->deleted)
        plan_removal(w, s);
    else if (s->doc->held)
        block(s, hm_strdup(s->doc->held));
    else if (s->doc->cannot)
        plan_impossible(w, s);
    else if (!s->thing || s->thing->state == THING_ABSENT)
        plan_creation(w, s);
    else if (!plan_foreign(w, s) && !plan_change(w, s))
        plan_power(w, s);
}

/* What will not be allowed to come back is not stopped either: the whole step is blocked. */
static void forbid(const struct world *w, struct plan_step *s, char *why)
{
    bool changes = s->diff.count > 0;
    block(s, why);
    if (changes)
        keep_up(w, s);
}

/* Something is made by the spec of the document. */
static bool makes(const struct plan_step *s)
{
    return s->op == PLAN_CREATE || s->op == PLAN_ADOPT || s->op == PLAN_UPDATE ||
           s->op == PLAN_RESTART || s->op == PLAN_REPLACE;
}

static void block_what_is_not_allowed(const struct world *w, struct plan_step *s)
{
    const struct plan_input *in = w->input;
    struct hm_error err;
    if ((makes(s) || s->op == PLAN_START) && in->allows &&
        in->allows(in->allows_data, s->doc->kind->name, s->doc->spec, &err) < 0)
        forbid(w, s, hm_strdup(err.text));
}

static void block_what_has_no_room(struct world *w, struct plan_step *s)
{
    const struct thing *held = is_ours(w, s) ? s->thing : NULL;
    char *why = makes(s) ? quota_refusal(&w->ledger, s->doc->kind->name, s->doc->spec, held) : NULL;
    if (why)
        forbid(w, s, why);
}

/* -- The whole
 * ---------------------------------------------------------------------------------------- */

static void find_orphans_in(const struct world *w, const struct things *all, struct plan *plan)
{
    for (size_t i = 0; i < all->count; i++) {
        const struct thing *t = &all->items[i];
        if (!t->marked || !t->mark_key || is_of_another_site(w, t) ||
            index_get(&w->keys, "", t->mark_key))
            continue;
        plan->orphans =
            hm_realloc_array(plan->orphans, plan->orphan_count + 1, sizeof *plan->orphans);
        plan->orphans[plan->orphan_count++] = t;
    }
}

static void open_ledger(struct world *w)
{
    const struct plan_input *in = w->input;
    quota_ledger_open(&w->ledger, in->quota);
    for (size_t i = 0; i < in->backend_count; i++)
        quota_ledger_add(&w->ledger, in->backends[i].things, in->site);
}

static void plan_all(struct world *w, struct plan *ret)
{
    const struct plan_input *in = w->input;
    for (size_t i = 0; i < in->doc_count; i++) {
        struct plan_step *s = &ret->steps[i];
        s->doc = &in->docs[i];
        plan_world_find(w, s);
        plan_document(w, s);
        block_what_is_not_allowed(w, s);
        block_what_has_no_room(w, s);
    }
    for (size_t i = 0; i < in->backend_count; i++)
        find_orphans_in(w, in->backends[i].things, ret);
}

void plan_make(const struct plan_input *input, struct plan *ret)
{
    struct world w;
    struct plan_input in = *input;
    *ret = (struct plan){.steps = hm_alloc(input->doc_count * sizeof *ret->steps),
                         .count = input->doc_count,
                         .addresses = addresses_apply(input)};
    if (ret->addresses)
        in.docs = addresses_docs(ret->addresses);
    plan_world_open(&w, &in);
    open_ledger(&w);
    plan_all(&w, ret);
    plan_world_close(&w);
}

void plan_clear(struct plan *plan)
{
    for (size_t i = 0; i < plan->count; i++) {
        free(plan->steps[i].why);
        spec_diff_clear(&plan->steps[i].diff);
    }
    free(plan->steps);
    free(plan->orphans);
    addresses_free(plan->addresses);
    *plan = (struct plan){0};
}
