#include "agent/backend_operate.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/clock.h"

enum { PROGRESS_TEXT_MAX = 160 };

/* The worker writes progress under `lock`, and wakes the loop. */
struct operating {
    struct backend *backend;
    struct backend_operation given;
    struct driver_call call;
    char *kind, *name, *key;
    struct driver_result result;
    int code;
    struct hm_error err;
    bool answered; /* `done` was called: no progress any more */

    uv_async_t progressed;
    pthread_mutex_t lock;
    int percent;
    char text[PROGRESS_TEXT_MAX];
};

const struct driver_operation *backend_find_operation(const struct backend *b, const char *name)
{
    const struct driver_operation *o = backend_driver(b)->operations;
    while (o && o->name && strcmp(o->name, name) != 0)
        o++;
    return o && o->name ? o : NULL;
}

/* -- Worker ------------------------------------------------------------------------------------- */

static void note_progress(void *data, int percent, const char *text)
{
    struct operating *o = data;
    pthread_mutex_lock(&o->lock);
    o->percent = percent;
    strncpy(o->text, text, sizeof o->text - 1);
    pthread_mutex_unlock(&o->lock);
    uv_async_send(&o->progressed);
}

static int run(void *self, void *data, struct hm_error *err)
{
    struct operating *o = data;
    return o->given.operation->run(self, &o->call, &o->result, err);
}

static void work(void *data)
{
    struct operating *o = data;
    o->code = backend_with_connection(o->backend, run, o, &o->err);
}

/* -- Loop --------------------------------------------------------------------------------------- */

static void on_progressed(uv_async_t *async)
{
    struct operating *o = async->data;
    char text[PROGRESS_TEXT_MAX];
    pthread_mutex_lock(&o->lock);
    int percent = o->percent;
    memcpy(text, o->text, sizeof text);
    pthread_mutex_unlock(&o->lock);
    if (!o->answered && o->given.progress)
        o->given.progress(o->given.arg, percent, text);
}

static void done(void *data, bool timed_out)
{
    struct operating *o = data;
    struct hm_error late;
    o->answered = true;
    if (timed_out)
        hm_fail(&late, HM_E_TIMEOUT, "%s %s: %s has not ended within %lld ms; it may go on",
                o->kind, o->name, o->given.operation->name, (long long)o->given.timeout_ms);
    const struct hm_error *why = timed_out ? &late : o->code < 0 ? &o->err : NULL;
    o->given.done(o->given.arg, why ? NULL : &o->result, why);
}

static void on_closed(uv_handle_t *handle)
{
    struct operating *o = handle->data;
    json_decref(o->result.value);
    if (o->result.fd >= 0)
        close(o->result.fd);
    free(o->result.path);
    json_decref((json_t *)o->call.order.spec);
    json_decref((json_t *)o->call.args);
    pthread_mutex_destroy(&o->lock);
    free(o->kind);
    free(o->name);
    free(o->key);
    free(o);
}

static void release(void *data)
{
    struct operating *o = data;
    o->given.ended(o->given.arg);
    uv_close((uv_handle_t *)&o->progressed, on_closed);
}

static struct operating *new_operating(struct backend *b, const struct backend_operation *given)
{
    struct operating *o = hm_alloc(sizeof *o);
    *o = (struct operating){.backend = b, .given = *given, .result = {.fd = -1}};
    o->kind = hm_strdup(given->order.kind);
    o->name = hm_strdup(given->order.name);
    o->key = hm_strdup(given->order.key);
    o->call = (struct driver_call){
        .order = {.kind = o->kind,
                  .name = o->name,
                  .key = o->key,
                  .site = backend_site(b),
                  .spec = json_incref((json_t *)given->order.spec),
                  .primary = given->order.primary},
        .args = json_incref((json_t *)given->args),
        .until_ns = hm_boottime_ns() + given->timeout_ms * HM_MS,
        .progress = note_progress,
        .data = o,
    };
    pthread_mutex_init(&o->lock, NULL);
    uv_async_init(backend_loop(b), &o->progressed, on_progressed);
    uv_unref((uv_handle_t *)&o->progressed); /* one that hangs does not keep the loop at its end */
    o->progressed.data = o;
    return o;
}

int backend_operate(struct backend *b, const struct backend_operation *given, struct hm_error *err)
{
    struct operating *o = new_operating(b, given);
    struct hm_job job = {
        .work = work,
        .done = done,
        .release = release,
        .data = o,
        .deadline_ns = o->call.until_ns,
    };
    int r = hm_workq_submit(backend_operation_queue(b), &job, err);
    if (r < 0)
        uv_close((uv_handle_t *)&o->progressed, on_closed);
    return r;
}
