#include "agent/backend.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/workq.h"

enum {
    OBSERVE_TIMEOUT_MS = 60000, /* unless the options say otherwise */
    ACT_THREADS = 4,
    STOP_THREADS = 8,
    FENCE_THREADS = 4,
    QUEUE_DEPTH = 64,
};

/* A connection that any worker may find dead and open anew. Users hold it for reading. */
struct connection {
    pthread_rwlock_t lock;
    void *self;     /* NULL: not open */
    uint64_t opens; /* how often it was opened */
};

struct backend {
    struct backend_options options;
    struct driver_options driver_options;
    struct connection main, fence;
    struct hm_workq *observe, *act, *stop, *fence_lane;
    uv_async_t changed;
    pthread_mutex_t changed_lock; /* guards: */
    bool closed;                  /* `changed` must not be sent any more */
    uint64_t probed; /* main.opens when the facts were last given; observing worker only */
    struct observation *observing; /* the one under way, or NULL */
};

/* -- Connections (worker threads) ---------------------------------------------------------------
 */

static bool is_usable(const struct backend *b, const struct connection *c)
{
    return c->self && b->options.driver->is_alive(c->self);
}

static int reopen(struct backend *b, struct connection *c, struct hm_error *err)
{
    const struct driver *d = b->options.driver;
    int r = 0;
    pthread_rwlock_wrlock(&c->lock);
    if (!is_usable(b, c)) {
        if (c->self)
            d->close(c->self);
        c->self = NULL;
        r = d->open(&b->driver_options, &c->self, err);
        c->opens++;
    }
    pthread_rwlock_unlock(&c->lock);
    return r;
}

/* Hold the connection for a call; opens it first if need be. On success connection_leave() follows.
 */
static int connection_enter(struct backend *b, struct connection *c, struct hm_error *err)
{
    for (;;) {
        pthread_rwlock_rdlock(&c->lock);
        if (is_usable(b, c))
            return 0;
        pthread_rwlock_unlock(&c->lock);
        int r = reopen(b, c, err);
        if (r < 0)
            return r;
    }
}

static void connection_leave(struct connection *c)
{
    pthread_rwlock_unlock(&c->lock);
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
    o->result = connection_enter(b, &b->main, &o->err);
    if (o->result < 0)
        return;
    o->result = b->options.driver->observe(b->main.self, &o->things, &o->err);
    if (o->result >= 0 && b->probed != b->main.opens &&
        b->options.driver->probe(b->main.self, &o->facts, NULL) >= 0)
        b->probed = b->main.opens;
    connection_leave(&b->main);
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

static void observe_release(void *data)
{
    struct observation *o = data;
    struct backend *b = o->backend;
    bool late = o->late;
    if (b->observing == o)
        b->observing = NULL;
    things_clear(&o->things);
    json_decref(o->facts);
    free(o);
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

struct backend_ticket {
    struct backend *backend;
    atomic_bool cancelled, begun;
    struct backend_call given;
    char *kind, *name, *key;
    int result;
    struct hm_error err;
};

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
    case VERB_REMOVE:
        return d->remove(self, &c->order, err);
    case VERB_NOTHING:
        break;
    }
    return hm_fail(err, HM_E_INTERNAL, "%s %s: a step without a verb was submitted", c->order.kind,
                   c->order.name);
}

/* The call may have waited for its worker. */
static void cut_grace(struct backend_call *c)
{
    int64_t left_ms = (c->stop_by_ns - hm_boottime_ns()) / HM_MS;
    if (c->stop_by_ns && c->order.grace_ms > left_ms)
        c->order.grace_ms = left_ms > 0 ? left_ms : 0;
}

static void call_work(void *data)
{
    struct backend_ticket *c = data;
    const struct driver *d = c->backend->options.driver;
    struct connection *conn = c->given.lane == LANE_FENCE ? &c->backend->fence : &c->backend->main;
    c->result = connection_enter(c->backend, conn, &c->err);
    if (c->result < 0)
        return;
    if (atomic_load(&c->cancelled)) { /* the last moment before something happens */
        connection_leave(conn);
        c->result = hm_fail(&c->err, HM_E_CANCELLED, "%s %s: %s was cancelled before it began",
                            c->kind, c->name, plan_verb_name(c->given.verb));
        return;
    }
    atomic_store(&c->begun, true);
    cut_grace(&c->given);
    c->result = run_verb(d, conn->self, &c->given, &c->err);
    if (c->result >= 0 && c->given.verify_stopped)
        c->result = d->verify_stopped(conn->self, &c->given.order, &c->err);
    connection_leave(conn);
}

static void call_done(void *data, bool timed_out)
{
    struct backend_ticket *c = data;
    struct hm_error late; /* `err` is the worker's until it has left the call */
    if (timed_out)
        hm_fail(&late, HM_E_TIMEOUT, "%s %s: %s has not %s within %lld ms%s", c->kind, c->name,
                plan_verb_name(c->given.verb), atomic_load(&c->begun) ? "answered" : "begun",
                (long long)c->given.timeout_ms, atomic_load(&c->begun) ? "; it goes on" : "");
    c->given.done(c->given.arg, timed_out ? &late : c->result < 0 ? &c->err : NULL);
}

static void free_call(struct backend_ticket *c)
{
    json_decref((json_t *)c->given.order.spec);
    free(c->kind);
    free(c->name);
    free(c->key);
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
    c->given.order.site = b->driver_options.site;
    c->given.order.spec = json_incref((json_t *)given->order.spec);
    return c;
}

static struct hm_workq *lane_for(const struct backend *b, const struct backend_call *call)
{
    if (call->lane == LANE_FENCE)
        return b->fence_lane;
    return call->verb == VERB_STOP ? b->stop : b->act;
}

int backend_submit(struct backend *b, const struct backend_call *given,
                   struct backend_ticket **ret_ticket, struct hm_error *err)
{
    struct backend_ticket *c = new_call(b, given);
    struct hm_job job = {
        .work = call_work,
        .done = call_done,
        .release = call_release,
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

void backend_cancel(struct backend_ticket *ticket)
{
    atomic_store(&ticket->cancelled, true);
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
    pthread_mutex_init(&b->changed_lock, NULL);
    pthread_rwlock_init(&b->main.lock, NULL);
    pthread_rwlock_init(&b->fence.lock, NULL);
    uv_async_init(options->loop, &b->changed, on_changed);
    b->changed.data = b;
    b->observe = hm_workq_new(options->loop, "observe", 1, 1);
    b->act = hm_workq_new(options->loop, "act", ACT_THREADS, QUEUE_DEPTH);
    b->stop = hm_workq_new(options->loop, "stop", STOP_THREADS, QUEUE_DEPTH);
    b->fence_lane = hm_workq_new(options->loop, "fence", FENCE_THREADS, QUEUE_DEPTH);
    return b;
}

const struct driver *backend_driver(const struct backend *b)
{
    return b->options.driver;
}

static bool anything_hangs(const struct backend *b)
{
    return hm_workq_busy(b->observe) || hm_workq_busy(b->act) || hm_workq_busy(b->stop) ||
           hm_workq_busy(b->fence_lane);
}

static void close_connection(struct backend *b, struct connection *c)
{
    if (c->self)
        b->options.driver->close(c->self);
    c->self = NULL;
}

static void on_closed(uv_handle_t *handle)
{
    struct backend *b = handle->data;
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
    pthread_mutex_lock(&b->changed_lock);
    b->closed = true; /* a driver that is left behind may still tell of changes */
    pthread_mutex_unlock(&b->changed_lock);
    if (hangs) { /* a worker still uses the connection and the backend: the process is ending */
        uv_close((uv_handle_t *)&b->changed, NULL);
        return;
    }
    close_connection(b, &b->main);
    close_connection(b, &b->fence);
    uv_close((uv_handle_t *)&b->changed, on_closed);
}
