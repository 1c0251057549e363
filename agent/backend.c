#include "agent/backend.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "agent/backend_operate.h"
#include "agent/drivers.h"
#include "agent/made.h"
#include "agent/nics.h"
#include "base/alloc.h"
#include "base/clock.h"
#include "base/workq.h"

enum {
    OBSERVE_TIMEOUT_MS = 60000, /* unless the options say otherwise */
    OBSERVE_DEPTH = 2,          /* a look and the statistics: each waits for the other at most */
    ACT_THREADS = 4,
    STOP_THREADS = 8,
    FENCE_THREADS = 4,
    OPERATE_THREADS = 4,
    QUEUE_DEPTH = 64,
};

/* One opening of the driver. What is replaced is closed when its last user leaves it, so that a call
 * that hangs on a dead connection keeps nobody from the new one. */
struct session {
    void *self;
    uint64_t number; /* counts the openings */
    unsigned users;
};

/* A connection that any worker may find dead, and open anew. */
struct connection {
    pthread_mutex_t opening; /* held by the one who opens; taken before `lock` */
    pthread_mutex_t lock;    /* guards all below, and is never held for long */
    struct session *now;     /* NULL: not open */
    uint64_t opens;
};

struct backend {
    struct backend_options options;
    struct driver_options driver_options;
    struct connection main, fence;
    struct made made;
    struct hm_workq *observe, *act, *operate;
    struct hm_workq *stop, *fence_lane; /* NULL: no VMs, nothing to wait for or to fence */
    uv_async_t changed;
    pthread_mutex_t changed_lock;  /* guards: */
    bool closed;                   /* `changed` must not be sent any more */
    uint64_t probed;               /* session whose facts were given; observing worker only */
    struct observation *observing; /* the one under way, or NULL */
};

/* -- Connections (worker threads) ---------------------------------------------------------------
 */

static void connection_init(struct connection *c)
{
    pthread_mutex_init(&c->opening, NULL);
    pthread_mutex_init(&c->lock, NULL);
}

/* The session, if it is alive, with one user more. */
static struct session *join_session(const struct backend *b, struct connection *c)
{
    pthread_mutex_lock(&c->lock);
    struct session *s = c->now && b->options.driver->is_alive(c->now->self) ? c->now : NULL;
    if (s)
        s->users++;
    pthread_mutex_unlock(&c->lock);
    return s;
}

static void end_session(const struct backend *b, struct session *s)
{
    b->options.driver->close(s->self);
    free(s);
}

static void leave_session(const struct backend *b, struct connection *c, struct session *s)
{
    pthread_mutex_lock(&c->lock);
    bool last = --s->users == 0 && s != c->now;
    pthread_mutex_unlock(&c->lock);
    if (last)
        end_session(b, s);
}

/* `next` may be NULL: there is none any more. */
static void replace_session(const struct backend *b, struct connection *c, struct session *next)
{
    pthread_mutex_lock(&c->lock);
    struct session *old = c->now;
    bool unused = old && old->users == 0;
    c->now = next;
    pthread_mutex_unlock(&c->lock);
    if (unused)
        end_session(b, old);
}

/* With `opening` held. The first user is the caller. */
static struct session *open_session(const struct backend *b, struct connection *c,
                                    struct hm_error *err)
{
    void *self = NULL;
    replace_session(b, c, NULL);
    if (b->options.driver->open(&b->driver_options, &self, err) < 0)
        return NULL;
    struct session *s = hm_alloc(sizeof *s);
    *s = (struct session){.self = self, .number = ++c->opens, .users = 1};
    replace_session(b, c, s);
    return s;
}

/* Hold the connection for a call; opens it first if need be. NULL: it can't be opened. */
static struct session *connection_enter(const struct backend *b, struct connection *c,
                                        struct hm_error *err)
{
    struct session *s = join_session(b, c);
    if (s)
        return s;
    pthread_mutex_lock(&c->opening);
    s = join_session(b, c); /* somebody else was faster */
    if (!s)
        s = open_session(b, c, err);
    pthread_mutex_unlock(&c->opening);
    return s;
}

/* -- Observe ------------------------------------------------------------------------------------
 */

static void tell_change(const struct backend *b)
{
    if (b->options.on_change)
        b->options.on_change(b->options.data);
}

struct observation {
    struct backend *backend;
    struct things things;
    json_t *facts;
    bool late; /* was answered already, with HM_E_TIMEOUT */
    int result;
    struct hm_error err;
    backend_observed done;
    void *data;
};

static void observe_work(void *data)
{
    struct observation *o = data;
    struct backend *b = o->backend;
    struct session *s = connection_enter(b, &b->main, &o->err);
    if (!s) {
        o->result = -(int)o->err.code;
        return;
    }
    o->result = b->options.driver->observe(s->self, &o->things, &o->err);
    if (o->result >= 0)
        made_note_seen(&b->made, &o->things);
    if (o->result >= 0 && b->probed != s->number &&
        b->options.driver->probe(s->self, &o->facts, NULL) >= 0)
        b->probed = s->number;
    leave_session(b, &b->main, s);
}

static void observe_done(void *data, bool timed_out)
{
    struct observation *o = data;
    const struct backend *b = o->backend;
    struct hm_error late;
    o->late = timed_out;
    if (timed_out) {
        hm_fail(&late, HM_E_TIMEOUT, "%s has not answered for %lld s", b->options.driver->name,
                (long long)b->options.observe_timeout_ms / 1000);
        o->done(o->data, NULL, NULL, &late);
        return;
    }
    o->backend->observing = NULL;
    if (o->result < 0) {
        o->done(o->data, NULL, NULL, &o->err);
        return;
    }
    json_t *facts = o->facts;
    o->facts = NULL;
    o->done(o->data, &o->things, facts, NULL);
}

static void free_observation(void *data)
{
    struct observation *o = data;
    things_clear(&o->things);
    json_decref(o->facts);
    free(o);
}

static void observe_release(void *data)
{
    struct observation *o = data;
    struct backend *b = o->backend;
    bool late = o->late;
    if (b->observing == o)
        b->observing = NULL;
    free_observation(o);
    if (late)
        tell_change(b);
}

bool backend_observe(struct backend *b, backend_observed done, void *data)
{
    if (b->observing)
        return false;
    struct observation *o = hm_alloc(sizeof *o);
    *o = (struct observation){.backend = b, .done = done, .data = data};
    struct hm_job job = {
        .work = observe_work,
        .done = observe_done,
        .release = observe_release,
        .orphan = free_observation,
        .data = o,
        .deadline_ns = hm_boottime_ns() + b->options.observe_timeout_ms * HM_MS,
    };
    if (hm_workq_submit(b->observe, &job, NULL) < 0) {
        free(o);
        return false;
    }
    b->observing = o;
    return true;
}

/* -- Calls --------------------------------------------------------------------------------------
 */

enum call_state { CALL_QUEUED, CALL_BEGUN, CALL_CANCELLED };

struct backend_ticket {
    struct backend *backend;
    _Atomic(enum call_state) state;
    struct backend_call given;
    char *kind, *name, *key, *seen_uuid;
    int result;
    struct hm_error err;
};

typedef int (*driver_verb)(void *self, const struct order *o, struct hm_error *err);

static int stand_still(driver_verb verb, void *self, const struct backend_call *c,
                       struct hm_error *err)
{
    return verb ? verb(self, &c->order, err)
                : hm_fail(err, HM_E_UNSUPPORTED, "%s %s: its backend can't %s it", c->order.kind,
                          c->order.name, plan_verb_name(c->verb));
}

static int run_verb(const struct driver *d, void *self, const struct backend_call *c,
                    struct hm_error *err)
{
    switch (c->verb) {
    case VERB_CREATE:
        return d->create(self, &c->order, err);
    case VERB_UPDATE:
        return d->update(self, &c->order, err);
    case VERB_START:
        return d->start(self, &c->order, err);
    case VERB_STOP:
        return d->stop(self, &c->order, err);
    case VERB_KILL:
        return d->kill(self, &c->order, err);
    case VERB_PAUSE:
        return stand_still(d->pause, self, c, err);
    case VERB_RESUME:
        return stand_still(d->resume, self, c, err);
    case VERB_REMOVE:
        return d->remove(self, &c->order, err);
    case VERB_NOTE:
        return d->note ? d->note(self, &c->order, err) : 0;
    case VERB_NOTHING:
        break;
    }
    return hm_fail(err, HM_E_INTERNAL, "%s %s: a step without a verb was submitted", c->order.kind,
                   c->order.name);
}

/* To begin or to be cancelled: whoever is first decides. */
static bool leave_queue(struct backend_ticket *c, enum call_state next)
{
    enum call_state queued = CALL_QUEUED;
    return atomic_compare_exchange_strong(&c->state, &queued, next);
}

/* The call may have waited for its worker. */
static void cut_grace(struct backend_call *c)
{
    int64_t left_ms = (c->stop_by_ns - hm_boottime_ns()) / HM_MS;
    if (c->stop_by_ns && c->order.grace_ms > left_ms)
        c->order.grace_ms = left_ms > 0 ? left_ms : 0;
}

static bool brings_a_primary_vm(const struct backend_call *c)
{
    return c->order.primary && !strcmp(c->order.kind, "vm") &&
           (c->verb == VERB_CREATE || c->verb == VERB_UPDATE || c->verb == VERB_START);
}

/* What may not be touched and is seen stopped all the same needs no touch. */
static int see_stopped(const struct driver *d, void *self, int result, const struct order *o,
                       struct hm_error *err)
{
    if (result >= 0)
        return d->verify_stopped(self, o, err);
    if (result == -(int)HM_E_CONFLICT && d->verify_stopped(self, o, NULL) >= 0)
        return 0;
    return result;
}

/* Its cards are plugged into nothing from now on. A fence has no time for it: the next sweep has. */
static bool unplugs(const struct backend_ticket *c)
{
    bool has_ended = c->given.verb == VERB_STOP || c->given.verb == VERB_KILL;
    return c->given.lane == LANE_ACT &&
           ((has_ended && c->result >= 0) || (c->given.verb == VERB_START && c->result < 0) ||
            (c->given.verb == VERB_NOTE && c->given.order.run.state >= RUN_ENDED));
}

static void run_call(struct backend_ticket *c, struct session *s)
{
    const struct driver *d = c->backend->options.driver;
    if (!leave_queue(c, CALL_BEGUN)) { /* the last moment before something happens */
        c->result = hm_fail(&c->err, HM_E_CANCELLED, "%s %s: %s was cancelled before it began",
                            c->kind, c->name, plan_verb_name(c->given.verb));
        return;
    }
    if (brings_a_primary_vm(&c->given))
        c->result = made_note(&c->backend->made, &c->err);
    if (c->result < 0)
        return;
    /* The disk may have taken its time: the lease has the last word. */
    bool serves = c->given.verb == VERB_START || c->given.verb == VERB_RESUME;
    if (serves && !lease_holds(c->given.lease)) {
        c->result =
            hm_fail(&c->err, HM_E_REFUSED, "%s %s: the lease ran out before %s", c->kind, c->name,
                    c->given.verb == VERB_START ? "it was started" : "it was resumed");
        return;
    }
    cut_grace(&c->given);
    c->result =
        nics_prepare(d, &c->backend->driver_options, c->given.verb, &c->given.order, &c->err);
    if (c->result >= 0)
        c->result = run_verb(d, s->self, &c->given, &c->err);
    if (unplugs(c))
        nics_stopped(d, &c->backend->driver_options, &c->given.order);
    nics_release(&c->given.order);
    if (c->given.verify_stopped)
        c->result = see_stopped(d, s->self, c->result, &c->given.order, &c->err);
}

/* Nobody can be asked. A kill still ends what was seen to be ours; it stays an error, since that it is
 * stopped can't be verified. */
static void call_without_session(struct backend_ticket *c)
{
    const struct driver *d = c->backend->options.driver;
    c->result = -(int)c->err.code;
    if (c->given.verb != VERB_KILL || !d->kill_seen || !leave_queue(c, CALL_BEGUN))
        return;
    struct hm_error why = {0};
    int r = d->kill_seen(&c->backend->driver_options, &c->given.order, &why);
    if (r > 0)
        hm_wrap(&c->err, "%s %s: its process was killed, whether it stays off is unknown", c->kind,
                c->name);
    else if (r < 0)
        c->result = hm_fail(&c->err, why.code, "%s", why.text);
}

static void call_work(void *data)
{
    struct backend_ticket *c = data;
    struct backend *b = c->backend;
    struct connection *conn = c->given.lane == LANE_FENCE ? &b->fence : &b->main;
    struct session *s = connection_enter(b, conn, &c->err);
    if (!s) {
        call_without_session(c);
        return;
    }
    run_call(c, s);
    leave_session(b, conn, s);
}

static void call_done(void *data, bool timed_out)
{
    struct backend_ticket *c = data;
    struct hm_error late; /* `err` is the worker's until it has left the call */
    bool begun = atomic_load(&c->state) == CALL_BEGUN;
    if (timed_out)
        hm_fail(&late, HM_E_TIMEOUT, "%s %s: %s has not %s within %lld ms%s", c->kind, c->name,
                plan_verb_name(c->given.verb), begun ? "answered" : "begun",
                (long long)c->given.timeout_ms, begun ? "; it goes on" : "");
    c->given.done(c->given.arg, timed_out ? &late : c->result < 0 ? &c->err : NULL);
}

static void free_call(void *data)
{
    struct backend_ticket *c = data;
    json_decref((json_t *)c->given.order.spec);
    free(c->kind);
    free(c->name);
    free(c->key);
    free(c->seen_uuid);
    free(c);
}

static void call_release(void *data)
{
    struct backend_ticket *c = data;
    c->given.ended(c->given.arg);
    free_call(c);
}

static struct backend_ticket *new_call(struct backend *b, const struct backend_call *given)
{
    struct backend_ticket *c = hm_alloc(sizeof *c);
    c->backend = b;
    c->given = *given;
    c->given.order.kind = c->kind = hm_strdup(given->order.kind);
    c->given.order.name = c->name = hm_strdup(given->order.name);
    c->given.order.key = c->key = hm_strdup(given->order.key);
    c->seen_uuid = given->order.seen_uuid ? hm_strdup(given->order.seen_uuid) : NULL;
    c->given.order.seen_uuid = c->seen_uuid;
    c->given.order.site = b->driver_options.site;
    c->given.order.spec = json_incref((json_t *)given->order.spec);
    return c;
}

static struct hm_workq *lane_for(const struct backend *b, const struct backend_call *call)
{
    if (call->lane == LANE_FENCE && b->fence_lane)
        return b->fence_lane;
    return call->verb == VERB_STOP && b->stop ? b->stop : b->act;
}

int backend_submit(struct backend *b, const struct backend_call *given,
                   struct backend_ticket **ret_ticket, struct hm_error *err)
{
    struct backend_ticket *c = new_call(b, given);
    struct hm_job job = {
        .work = call_work,
        .done = call_done,
        .release = call_release,
        .orphan = free_call,
        .data = c,
        .deadline_ns = hm_boottime_ns() + given->timeout_ms * HM_MS,
    };
    int r = hm_workq_submit(lane_for(b, given), &job, err);
    if (r < 0)
        free_call(c);
    else if (ret_ticket)
        *ret_ticket = c;
    return r;
}

bool backend_cancel(struct backend_ticket *ticket)
{
    leave_queue(ticket, CALL_CANCELLED);
    return atomic_load(&ticket->state) == CALL_CANCELLED;
}

/* -- Operations ---------------------------------------------------------------------------------
 */

struct hm_workq *backend_operation_queue(const struct backend *b)
{
    return b->operate;
}

uv_loop_t *backend_loop(const struct backend *b)
{
    return b->options.loop;
}

const char *backend_site(const struct backend *b)
{
    return b->driver_options.site;
}

int backend_with_connection(struct backend *b, backend_work work, void *data, struct hm_error *err)
{
    struct session *s = connection_enter(b, &b->main, err);
    if (!s)
        return -(int)err->code;
    int r = work(s->self, data, err);
    leave_session(b, &b->main, s);
    return r;
}

/* -- Life ---------------------------------------------------------------------------------------
 */

static void wake_loop(void *data)
{
    struct backend *b = data;
    pthread_mutex_lock(&b->changed_lock);
    if (!b->closed)
        uv_async_send(&b->changed);
    pthread_mutex_unlock(&b->changed_lock);
}

static void on_changed(uv_async_t *async)
{
    tell_change(async->data);
}

struct backend *backend_new(const struct backend_options *options)
{
    struct backend *b = hm_alloc(sizeof *b);
    b->options = *options;
    b->driver_options = options->driver_options;
    b->driver_options.on_change = wake_loop;
    b->driver_options.data = b;
    if (!b->options.observe_timeout_ms)
        b->options.observe_timeout_ms = OBSERVE_TIMEOUT_MS;
    made_open(&b->made, options->driver_options.state_dir);
    pthread_mutex_init(&b->changed_lock, NULL);
    connection_init(&b->main);
    connection_init(&b->fence);
    uv_async_init(options->loop, &b->changed, on_changed);
    b->changed.data = b;
    b->observe = hm_workq_new(options->loop, "observe", 1, OBSERVE_DEPTH);
    b->act = hm_workq_new(options->loop, "act", ACT_THREADS, QUEUE_DEPTH);
    if (driver_holds(options->driver, "vm")) {
        b->stop = hm_workq_new(options->loop, "stop", STOP_THREADS, QUEUE_DEPTH);
        b->fence_lane = hm_workq_new(options->loop, "fence", FENCE_THREADS, QUEUE_DEPTH);
    }
    b->operate = hm_workq_new(options->loop, "operate", OPERATE_THREADS, QUEUE_DEPTH);
    return b;
}

struct hm_workq *backend_observe_queue(const struct backend *b)
{
    return b->observe;
}

void backend_each_queue(const struct backend *b,
                        void (*visit)(void *data, const char *name, unsigned jobs), void *data)
{
    visit(data, "observe", hm_workq_busy(b->observe));
    visit(data, "act", hm_workq_busy(b->act));
    visit(data, "operate", hm_workq_busy(b->operate));
    if (b->stop)
        visit(data, "stop", hm_workq_busy(b->stop));
    if (b->fence_lane)
        visit(data, "fence", hm_workq_busy(b->fence_lane));
}

const struct driver *backend_driver(const struct backend *b)
{
    return b->options.driver;
}

bool backend_ever_had_primary(const struct backend *b)
{
    return made_any(&b->made);
}

static bool anything_hangs(const struct backend *b)
{
    return hm_workq_busy(b->observe) || hm_workq_busy(b->act) || hm_workq_busy(b->operate) ||
           (b->stop && (hm_workq_busy(b->stop) || hm_workq_busy(b->fence_lane)));
}

static void on_closed(uv_handle_t *handle)
{
    struct backend *b = handle->data;
    made_close(&b->made);
    free(b);
}

void backend_free(struct backend *b)
{
    if (!b)
        return;
    bool hangs = anything_hangs(b);
    hm_workq_free(b->observe);
    hm_workq_free(b->act);
    hm_workq_free(b->stop);
    hm_workq_free(b->fence_lane);
    hm_workq_free(b->operate);
    pthread_mutex_lock(&b->changed_lock);
    b->closed = true; /* a driver that is left behind may still tell of changes */
    pthread_mutex_unlock(&b->changed_lock);
    if (hangs) { /* a worker still uses the connection and the backend: the process is ending */
        uv_close((uv_handle_t *)&b->changed, NULL);
        return;
    }
    replace_session(b, &b->main, NULL);
    replace_session(b, &b->fence, NULL);
    uv_close((uv_handle_t *)&b->changed, on_closed);
}
