#include "agent/reconcile.h"

#include <stdlib.h>
#include <string.h>

#include "agent/doc_status.h"
#include "agent/made.h"
#include "agent/nics.h"
#include "agent/reconcile_state.h"
#include "base/alloc.h"
#include "base/clock.h"
#include "base/log.h"

enum {
    MOST_REQUESTS = 32,        /* plans that wait for an observation */
    RESYNC_MS = 30000,         /* a pass at least this often, unless the options say otherwise */
    REOPEN_MS = 2000,          /* try a backend again that can't be observed */
    REOPEN_FOR_FENCE_MS = 250, /* the same while a fence can't end without a look */
    CALL_TIMEOUT_MS = 120000,
    STOP_MARGIN_MS = 60000,
};

/* -- Tasks ----------------------------------------------------------------------------------------
 */

struct task *reconciler_task(struct reconciler *r, const char *key)
{
    struct task *t = index_get(&r->tasks, "", key);
    if (t)
        return t;
    t = hm_alloc(sizeof *t);
    t->owner = r;
    t->key = hm_strdup(key);
    t->primary = made_is_primary_key(key);
    r->task_list = hm_realloc_array(r->task_list, r->task_count + 1, sizeof(struct task *));
    r->task_list[r->task_count++] = t;
    index_put(&r->tasks, "", t->key, t);
    return t;
}

bool reconciler_start_in_flight(const struct reconciler *r)
{
    for (size_t i = 0; i < r->task_count; i++) {
        const struct task *t = r->task_list[i];
        if (t->primary && t->in_flight && t->verb == VERB_START && !t->cancelled)
            return true;
    }
    return false;
}

uint32_t reconciler_jitter(struct reconciler *r)
{
    r->jitter = r->jitter * 1664525u + 1013904223u;
    return r->jitter >> 16;
}

/* -- Calls ----------------------------------------------------------------------------------------
 */

static void log_failure(const struct task *t)
{
    int64_t seconds = (t->next_try_ns - hm_boottime_ns()) / 1000000000 + 1;
    hm_log(HM_LOG_WARN, "reconcile", "%s: %s: %s; next try in %lld s", t->key,
           plan_verb_name(t->verb), t->error->text, (long long)seconds);
}

static void count(struct reconciler *r, enum plan_verb verb, const struct hm_error *err)
{
    r->counts.verbs[verb][err != NULL]++;
    if (err)
        r->counts.errors[err->code]++;
}

static void call_done(void *arg, const struct hm_error *err)
{
    struct task *t = arg;
    struct reconciler *r = t->owner;
    if (err && err->code == HM_E_CANCELLED)
        return;
    if (err && err->code == HM_E_IN_PROGRESS) {
        if (!t->progress)
            hm_log(HM_LOG_INFO, "reconcile", "%s: %s: %s", t->key, plan_verb_name(t->verb),
                   err->text);
        task_goes_on(t, err->text, hm_boottime_ns());
    } else if (err) {
        count(r, t->verb, err);
        task_failed(t, err, hm_boottime_ns(), reconciler_jitter(r));
        log_failure(t);
    } else {
        count(r, t->verb, NULL);
        task_done(t, hm_boottime_ns());
        if (t->note.state != RUN_NONE)
            life_noted(&t->life, &t->note);
        hm_log(HM_LOG_INFO, "reconcile", "%s: %s done", t->key, plan_verb_name(t->verb));
    }
}

/* A VM that was made has an address, too; but its start, which comes next, would wait for that look. */
static bool changes_addresses(enum plan_verb verb)
{
    return verb == VERB_START || verb == VERB_UPDATE || verb == VERB_REMOVE;
}

static void call_ended(void *arg)
{
    struct task *t = arg;
    t->in_flight = t->cancelled = false;
    t->ticket = NULL;
    t->ended_ns = hm_boottime_ns();
    t->owner->settled = false;
    member_look(t->member);
    if (changes_addresses(t->verb))
        backends_look_at_networks(t->member);
    if (t->primary)
        primary_call_ended(t->owner);
}

static int64_t timeout_for(enum plan_verb verb, int64_t grace_ms)
{
    return verb == VERB_STOP ? grace_ms + STOP_MARGIN_MS : CALL_TIMEOUT_MS;
}

/* A stop or removal goes by what the thing was made from, and so does all that is done while the
 * document's change is blocked; everything else goes by the document. */
static const json_t *spec_for(const struct plan_step *s)
{
    bool ends = s->verb == VERB_STOP || s->verb == VERB_KILL || s->verb == VERB_REMOVE;
    bool as_it_was = ends || s->op == PLAN_BLOCKED;
    return as_it_was && s->thing && s->thing->spec ? s->thing->spec : s->doc->spec;
}

static int submit(struct reconciler *r, struct task *t, const struct plan_step *s,
                  struct hm_error *err)
{
    const json_t *spec = spec_for(s);
    int64_t grace = spec_int(spec, "stop_grace", STOP_GRACE_DEFAULT_MS);
    t->note = lives_note(r, t, s);
    struct backend_call call = {
        .verb = s->verb,
        .lane = LANE_ACT,
        .order = {.kind = s->doc->kind->name,
                  .name = s->doc->name,
                  .key = s->doc->key,
                  .spec = spec,
                  .grace_ms = s->verb == VERB_STOP ? grace : 0,
                  .primary = t->primary,
                  .run = t->note},
        .lease = t->primary ? r->options.lease : NULL,
        .timeout_ms = timeout_for(s->verb, grace),
        .done = call_done,
        .ended = call_ended,
        .arg = t,
    };
    return backend_submit(reconciler_member(r, s)->backend, &call, &t->ticket, err);
}

struct member *reconciler_member(const struct reconciler *r, const struct plan_step *s)
{
    return s->backend < r->backends->count ? &r->backends->items[s->backend] : NULL;
}

const struct thing *reconciler_find_thing(const struct reconciler *r,
                                          bool (*is)(void *data, const struct member *m,
                                                     const struct thing *t),
                                          void *data)
{
    for (size_t i = 0; i < r->backends->count; i++) {
        const struct member *m = &r->backends->items[i];
        for (size_t k = 0; k < m->things.count; k++)
            if (is(data, m, &m->things.items[k]))
                return &m->things.items[k];
    }
    return NULL;
}

/* What was observed is older than the last call's end: the next pass will know better. */
static bool is_stale(const struct member *m, const struct task *t)
{
    return t->ended_ns >= m->since_ns;
}

/* In this pass, its queue refused another step. */
static bool is_full(const struct reconciler *r, const struct plan_step *s)
{
    return r->full & 1u << s->backend;
}

/* To end what must not run waits for no back-off of anything else that failed. */
static bool is_backing_off(const struct reconciler *r, const struct task *t, enum plan_verb verb)
{
    bool tried_that = verb != VERB_KILL || t->verb == VERB_KILL;
    return tried_that && r->pass_ns < t->next_try_ns;
}

/* A look that is under way has the word about what lies there: its end brings the next pass. */
static bool may_act(struct reconciler *r, const struct task *t, const struct plan_step *s)
{
    struct member *m = reconciler_member(r, s);
    if (t->in_flight || is_backing_off(r, t, s->verb) || m->under_way || is_full(r, s))
        return false;
    if (t->primary && primary_is_fencing(r))
        return false;
    if (is_stale(m, t)) {
        member_look(m);
        return false;
    }
    return true;
}

/* "stop for restart: memory 128MiB -> 192MiB needs a restart"; "create: 1 vcpu, 128MiB" */
static void say_begin(const struct task *t, const struct plan_step *s)
{
    const char *verb = plan_verb_name(s->verb), *op = plan_op_name(s->op);
    bool part_of_more = strcmp(verb, op) != 0;
    hm_log(HM_LOG_INFO, "reconcile", "%s: %s%s%s%s%s", t->key, verb, part_of_more ? " for " : "",
           part_of_more ? op : "", s->why ? ": " : "", s->why ? s->why : "");
}

static void carry_out(struct reconciler *r, struct task *t, const struct plan_step *s)
{
    struct hm_error err;
    if (s->verb == VERB_NOTHING || !may_act(r, t, s) ||
        (s->again && life_waits(&t->life, r->pass_ns)) || !primary_is_guarded(r, s))
        return;
    t->verb = s->verb;
    if (!s->again && task_relapsed(t, s->verb, hm_boottime_ns(), reconciler_jitter(r))) {
        log_failure(t);
        return;
    }
    if (submit(r, t, s, &err) < 0) { /* the end of another call brings the next pass */
        r->full |= 1u << s->backend;
        return;
    }
    t->in_flight = true;
    t->member = reconciler_member(r, s);
    say_begin(t, s);
}

/* -- Status ---------------------------------------------------------------------------------------
 */

/* On a network that the agent makes itself the backend of the VM knows no address. */
static json_t *status_of(const struct reconciler *r, const struct task *t,
                         const struct plan_step *s, const struct desired_entry *e)
{
    json_t *status = doc_status_json(s, t, e, r->primary.serving, t->since);
    if (r->held && !strcmp(s->doc->kind->name, "vm"))
        for (size_t i = 0; i < r->backends->count; i++)
            nics_show(&r->backends->items[i].things, s->doc->key, s->doc->spec, status);
    return status;
}

static void say_status(struct reconciler *r, struct task *t, const struct plan_step *s)
{
    const struct desired_entry *e = desired_find(r->options.desired, s->doc->key);
    bool serving = r->primary.serving;
    uint64_t now = doc_status_fingerprint(s, t, e, serving) ^ r->held;
    if (now == t->said)
        return;
    t->said = now;
    const char *phase = doc_phase_name(doc_phase(s, t, serving));
    if (strcmp(phase, t->phase) != 0) {
        strncpy(t->phase, phase, sizeof t->phase - 1);
        hm_time_text(hm_wall_ns(), t->since);
    }
    HM_AUTOFREE char *name = hm_printf("%s.%s", s->doc->kind->name, s->doc->name);
    status_set(r->options.status, name, status_of(r, t, s, e));
}

/* A delete marker stays for ever; what was declared under the other placement since then has the
 * word about that name. */
static bool is_of_the_past(const struct plan *plan, size_t i)
{
    const struct plan_step *s = &plan->steps[i];
    if (!s->doc->deleted || s->op != PLAN_NONE)
        return false;
    for (size_t k = i ? i - 1 : 0; k <= i + 1 && k < plan->count; k++) {
        const struct plan_doc *other = plan->steps[k].doc;
        if (!other->deleted && other->kind == s->doc->kind && !strcmp(other->name, s->doc->name))
            return true;
    }
    return false;
}

/* Documents that never were acceptable have no step; they are said all the same, if their key is a
 * document's: any other could be mistaken for the agent's own. */
static void say_refused(void *data, const struct desired_entry *e)
{
    struct reconciler *r = data;
    char where[DOC_NAME_MAX + 1], kind[DOC_NAME_MAX + 1], name[DOC_NAME_MAX + 1];
    if (!e->refused || e->doc.kind || doc_key_split(e->key, where, kind, name, NULL) < 0)
        return;
    status_set(r->options.status, strchr(e->key, '.') + 1,
               json_pack("{s:s, s:I, s:s, s:{s:s, s:s}}", "phase", "Failed", "desired_revision",
                         (json_int_t)e->seen_revision, "state", "absent", "error", "code",
                         hm_code_name(e->error->code), "text", e->error->text));
}

/* -- The pass -------------------------------------------------------------------------------------
 */

static struct plan_input make_input(struct reconciler *r)
{
    for (size_t i = 0; i < r->backends->count; i++) {
        const struct member *m = &r->backends->items[i];
        r->seen[i] = (struct plan_backend){
            .driver = m->driver,
            .things = &m->things,
            .unobserved = m->unobserved.code ? m->unobserved.text : NULL,
        };
    }
    struct plan_input in = {
        .site = r->options.site,
        .serving = r->primary.serving,
        .epoch = r->primary.epoch,
        .unwell = lives_unwell,
        .unwell_data = r,
        .backends = r->seen,
        .backend_count = r->backends->count,
        .allows = r->options.allows,
        .allows_data = r->options.data,
        .quota = r->options.quota,
    };
    in.docs = desired_docs(r->options.desired, &in.doc_count);
    return in;
}

/* When it is to be looked at again, if nothing happens; one that is or will be looked at never. */
static int64_t look_due(const struct reconciler *r, const struct member *m)
{
    int64_t wait = r->options.resync_ms;
    if (m->unobserved.code)
        wait = primary_is_fencing(r) ? REOPEN_FOR_FENCE_MS : REOPEN_MS;
    return m->under_way || m->wanted ? INT64_MAX : m->ended_ns + wait * HM_MS;
}

static void set_timer(struct reconciler *r, int64_t now);

static bool is_any_task_due(const struct reconciler *r, int64_t now)
{
    for (size_t i = 0; i < r->task_count; i++)
        if (task_due_ns(r->task_list[i], r->pass_ns) <= now)
            return true;
    return false;
}

static void on_timer(uv_timer_t *timer)
{
    struct reconciler *r = timer->data;
    int64_t now = hm_boottime_ns();
    if (is_any_task_due(r, now))
        reconciler_kick(r);
    for (size_t i = 0; i < r->backends->count; i++)
        if (look_due(r, &r->backends->items[i]) <= now)
            member_look(&r->backends->items[i]);
    set_timer(r, now);
}

/* The next pass that nothing else would cause: a back-off's end, or the resync. */
static void set_timer(struct reconciler *r, int64_t now)
{
    int64_t at = now + r->options.resync_ms * HM_MS;
    for (size_t i = 0; i < r->backends->count; i++) {
        int64_t due = look_due(r, &r->backends->items[i]);
        at = due < at ? due : at;
    }
    for (size_t i = 0; i < r->task_count; i++) {
        int64_t due = task_due_ns(r->task_list[i], now);
        at = due < at ? due : at;
    }
    int64_t wait = at - now;
    uv_timer_start(&r->timer, on_timer, wait > 0 ? (uint64_t)(wait / HM_MS + 1) : 0, 0);
}

/* Nothing will become due by time or by the end of a call. */
static bool is_at_rest(const struct task *t, const struct plan_step *s)
{
    bool decided = (s->op == PLAN_NONE || s->op == PLAN_BLOCKED) && !life_next_ns(&t->life);
    return decided && s->verb == VERB_NOTHING && !t->in_flight && !t->failures && !t->next_try_ns;
}

static void run_pass(struct reconciler *r)
{
    struct plan_input in = make_input(r);
    struct plan plan;
    r->full = 0;
    r->settled = true;
    r->planned_generation = desired_generation(r->options.desired);
    plan_make(&in, &plan);
    for (size_t i = 0; i < plan.count; i++) {
        struct plan_step *s = &plan.steps[i];
        struct task *t = reconciler_task(r, s->doc->key);
        const struct desired_entry *e = desired_find(r->options.desired, s->doc->key);
        task_revision(t, e->revision);
        if (s->op == PLAN_NONE && !t->in_flight)
            task_settled(t);
        lives_look(r, t, s);
        carry_out(r, t, s);
        if (!is_of_the_past(&plan, i))
            say_status(r, t, s);
        r->settled &= is_at_rest(t, s);
    }
    primary_look(r, &plan);
    plan_clear(&plan);
    desired_each(r->options.desired, say_refused, r);
    if (r->options.on_pass)
        r->options.on_pass(r->options.data);
}

/* The plan is a pure function: equal inputs, equal plan. What needs nothing is not planned twice. */
static bool would_plan_the_same(const struct reconciler *r)
{
    return r->settled && !r->primary.start_done && !r->primary.stop_done &&
           r->planned_generation == desired_generation(r->options.desired);
}

const struct reconciler_counts *reconciler_counts(const struct reconciler *r)
{
    return &r->counts;
}

const struct backends *reconciler_backends(const struct reconciler *r)
{
    return r->backends;
}

uint64_t reconciler_passes(const struct reconciler *r)
{
    return r->passes;
}

/* -- Plans that were asked for
 * ---------------------------------------------------------------------- */

void plan_request_clear(struct plan_request *q)
{
    doc_list_clear(&q->documents);
    for (char **key = q->deleted_keys; key && *key; key++)
        free(*key);
    free(q->deleted_keys);
    *q = (struct plan_request){0};
}

static void answer_request(struct reconciler *r, struct plan_request *q)
{
    size_t deleted = 0;
    while (q->deleted_keys && q->deleted_keys[deleted])
        deleted++;
    struct desired_overlay overlay;
    desired_overlay_make(r->options.desired, q->documents.items, q->documents.count,
                         (const char *const *)q->deleted_keys, deleted, &overlay);
    struct plan_input in = make_input(r);
    in.docs = overlay.docs;
    in.doc_count = overlay.count;
    struct plan plan;
    plan_make(&in, &plan);
    json_t *reply = plan_to_json(&in, &plan);
    q->done(q->data, reply);
    json_decref(reply);
    plan_clear(&plan);
    desired_overlay_clear(&overlay);
}

/* Those whose look is still under way wait for the next end of one. */
static void answer_requests(struct reconciler *r)
{
    size_t kept = 0, count = r->request_count;
    for (size_t i = 0; i < count; i++) {
        struct plan_request q = r->requests[i];
        if (!backends_were_looked_at_since(r->backends, q.asked_ns)) {
            r->requests[kept++] = q;
            continue;
        }
        answer_request(r, &q);
        plan_request_clear(&q);
    }
    r->request_count = kept;
}

int reconciler_plan(struct reconciler *r, struct plan_request *request, struct hm_error *err)
{
    if (r->request_count >= MOST_REQUESTS) {
        plan_request_clear(request);
        return hm_fail(err, HM_E_BUSY, "%d plans are waiting for the backend already",
                       MOST_REQUESTS);
    }
    r->requests = hm_realloc_array(r->requests, r->request_count + 1, sizeof *r->requests);
    request->asked_ns = hm_boottime_ns();
    r->requests[r->request_count++] = *request;
    reconciler_kick(r);
    return 0;
}

/* -- Looks ----------------------------------------------------------------------------------------
 */

static void on_looked(void *data, bool news)
{
    struct reconciler *r = data;
    r->pass_ns = hm_boottime_ns();
    r->held = 0;
    for (size_t i = 0; i < r->backends->count; i++)
        r->held = nics_held(&r->backends->items[i].things, r->held);
    if (news || !would_plan_the_same(r))
        run_pass(r);
    set_timer(r, r->pass_ns);
    r->passes++;
    answer_requests(r);
}

static void on_backend(void *data, const struct driver *driver, const json_t *facts,
                       const struct hm_error *err)
{
    struct reconciler *r = data;
    if (r->options.on_backend)
        r->options.on_backend(r->options.data, driver, facts, err);
}

static bool is_in_hurry(void *data)
{
    return primary_is_fencing(data);
}

void reconciler_kick(struct reconciler *r)
{
    if (!r->closing)
        backends_look(r->backends);
}

/* -- Life
 * ------------------------------------------------------------------------------------------- */

struct reconciler *reconciler_new(const struct reconciler_options *options)
{
    struct reconciler *r = hm_alloc(sizeof *r);
    r->options = *options;
    r->jitter = (uint32_t)hm_boottime_ns();
    if (!r->options.resync_ms)
        r->options.resync_ms = RESYNC_MS;
    index_init(&r->tasks, 64);
    uv_timer_init(options->loop, &r->timer);
    r->timer.data = r;
    primary_init(&r->primary, r);
    lives_begin(r);
    struct backends_options backends = {
        .loop = options->loop,
        .drivers = options->drivers,
        .driver_options = options->driver_options,
        .on_looked = on_looked,
        .on_backend = on_backend,
        .is_in_hurry = is_in_hurry,
        .data = r,
    };
    r->backends = backends_new(&backends);
    r->seen = hm_alloc(r->backends->count * sizeof *r->seen);
    return r;
}

static void on_closed(uv_handle_t *handle)
{
    struct reconciler *r = handle->data;
    free(r->seen);
    for (size_t i = 0; i < r->task_count; i++) {
        task_clear(r->task_list[i]);
        free(r->task_list[i]);
    }
    free(r->task_list);
    index_free(&r->tasks);
    free(r);
}

void reconciler_free(struct reconciler *r)
{
    if (!r)
        return;
    r->closing = true;
    primary_silence(&r->primary);
    lives_end(r);
    backends_free(r->backends);
    primary_close(&r->primary);
    for (size_t i = 0; i < r->request_count; i++)
        plan_request_clear(&r->requests[i]);
    free(r->requests);
    uv_close((uv_handle_t *)&r->timer, on_closed);
}
