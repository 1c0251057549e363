#include "base/workq.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/clock.h"

enum job_state { WAITING, RUNNING, FINISHED };

struct item {
    struct hm_job job;
    enum job_state state; /* guarded by the queue's lock */
    bool reported;        /* loop thread only */
    bool abandoned;       /* timed out before it began: never run */
    struct item *next;
};

struct hm_workq {
    uv_async_t wake;
    uv_timer_t timer;
    pthread_mutex_t lock;
    pthread_cond_t available;
    struct item *items; /* oldest first; the loop thread adds and removes, under the lock */
    pthread_t *threads;
    unsigned thread_count;
    unsigned running; /* threads inside a job */
    unsigned depth;
    bool closing;
    unsigned users; /* threads that have not ended, and open handles: the last one frees */
    char name[16];
};

static struct item *next_waiting(struct hm_workq *q)
{
    for (struct item *i = q->items; i; i = i->next)
        if (i->state == WAITING && !i->abandoned)
            return i;
    return NULL;
}

static void leave(struct hm_workq *q)
{
    pthread_mutex_lock(&q->lock);
    bool last = --q->users == 0;
    pthread_mutex_unlock(&q->lock);
    if (!last)
        return;
    pthread_cond_destroy(&q->available);
    pthread_mutex_destroy(&q->lock);
    free(q->threads);
    free(q);
}

/* Left behind by hm_workq_free(). */
static void free_orphan(struct item *i)
{
    if (i->job.orphan)
        i->job.orphan(i->job.data);
    free(i);
}

/* With the lock, which is free while the work is done. */
static void run_item(struct hm_workq *q, struct item *i)
{
    i->state = RUNNING;
    q->running++;
    pthread_mutex_unlock(&q->lock);
    i->job.work(i->job.data);
    pthread_mutex_lock(&q->lock);
    q->running--;
    i->state = FINISHED;
    if (!q->closing)
        uv_async_send(&q->wake);
    else
        free_orphan(i);
}

static void *worker(void *arg)
{
    struct hm_workq *q = arg;
    pthread_mutex_lock(&q->lock);
    while (!q->closing) {
        struct item *i = next_waiting(q);
        if (i)
            run_item(q, i);
        else
            pthread_cond_wait(&q->available, &q->lock);
    }
    pthread_mutex_unlock(&q->lock);
    leave(q);
    return NULL;
}

static void unlink_item(struct hm_workq *q, struct item *gone)
{
    for (struct item **p = &q->items; *p; p = &(*p)->next)
        if (*p == gone) {
            *p = gone->next;
            return;
        }
}

static void release_item(struct item *i)
{
    if (i->job.release)
        i->job.release(i->job.data);
    free(i);
}

static bool deadline_passed(const struct item *i, int64_t now)
{
    return i->job.deadline_ns && now >= i->job.deadline_ns;
}

/* One item that needs the loop's attention: finished, or late and not yet reported. */
static struct item *next_due(struct hm_workq *q, int64_t now)
{
    for (struct item *i = q->items; i; i = i->next)
        if (i->state == FINISHED || (!i->reported && deadline_passed(i, now)))
            return i;
    return NULL;
}

static int64_t earliest_deadline(const struct hm_workq *q)
{
    int64_t earliest = 0;
    for (const struct item *i = q->items; i; i = i->next)
        if (!i->reported && i->job.deadline_ns && (!earliest || i->job.deadline_ns < earliest))
            earliest = i->job.deadline_ns;
    return earliest;
}

static void on_timer(uv_timer_t *timer);

static void set_timer(struct hm_workq *q)
{
    pthread_mutex_lock(&q->lock);
    int64_t deadline = earliest_deadline(q);
    pthread_mutex_unlock(&q->lock);
    if (!deadline) {
        uv_timer_stop(&q->timer);
        return;
    }
    int64_t left = deadline - hm_boottime_ns();
    uv_update_time(q->timer.loop);
    uv_timer_start(&q->timer, on_timer, left > 0 ? (uint64_t)(left / HM_MS + 1) : 0, 0);
}

static void report_due(struct hm_workq *q)
{
    while (!q->closing) {
        pthread_mutex_lock(&q->lock);
        struct item *i = next_due(q, hm_boottime_ns());
        bool finished = i && i->state == FINISHED;
        if (i && i->state == WAITING)
            i->abandoned = true;
        bool over = finished || (i && i->abandoned);
        if (over)
            unlink_item(q, i);
        pthread_mutex_unlock(&q->lock);
        if (!i)
            break;
        if (!i->reported) {
            i->reported = true;
            i->job.done(i->job.data, !finished);
        }
        if (over)
            release_item(i);
    }
    if (!q->closing)
        set_timer(q);
}

static void on_timer(uv_timer_t *timer)
{
    report_due(timer->data);
}

static void on_wake(uv_async_t *wake)
{
    report_due(wake->data);
}

struct hm_workq *hm_workq_new(uv_loop_t *loop, const char *name, unsigned threads, unsigned depth)
{
    struct hm_workq *q = hm_alloc(sizeof *q);
    q->depth = depth;
    q->threads = hm_alloc(threads * sizeof *q->threads);
    strncpy(q->name, name, sizeof q->name - 1);
    pthread_mutex_init(&q->lock, NULL);
    pthread_cond_init(&q->available, NULL);
    uv_async_init(loop, &q->wake, on_wake);
    uv_timer_init(loop, &q->timer);
    q->wake.data = q->timer.data = q;
    q->users = threads + 2;
    for (; q->thread_count < threads; q->thread_count++) {
        if (pthread_create(&q->threads[q->thread_count], NULL, worker, q) != 0)
            abort();
        pthread_setname_np(q->threads[q->thread_count], q->name);
    }
    return q;
}

static unsigned count_waiting(const struct hm_workq *q)
{
    unsigned n = 0;
    for (const struct item *i = q->items; i; i = i->next)
        n += i->state == WAITING && !i->abandoned;
    return n;
}

int hm_workq_submit(struct hm_workq *q, const struct hm_job *job, struct hm_error *err)
{
    pthread_mutex_lock(&q->lock);
    if (count_waiting(q) >= q->depth) {
        pthread_mutex_unlock(&q->lock);
        return hm_fail(err, HM_E_BUSY, "%s: %u calls are waiting already", q->name, q->depth);
    }
    struct item *i = hm_alloc(sizeof *i), **tail = &q->items;
    i->job = *job;
    while (*tail)
        tail = &(*tail)->next;
    *tail = i;
    pthread_cond_signal(&q->available);
    pthread_mutex_unlock(&q->lock);
    if (job->deadline_ns)
        set_timer(q);
    return 0;
}

unsigned hm_workq_busy(const struct hm_workq *q)
{
    unsigned n = 0;
    pthread_mutex_lock((pthread_mutex_t *)&q->lock);
    for (const struct item *i = q->items; i; i = i->next)
        n += i->state != FINISHED && !i->abandoned;
    pthread_mutex_unlock((pthread_mutex_t *)&q->lock);
    return n;
}

static void handle_closed(uv_handle_t *handle)
{
    leave(handle->data);
}

/* The jobs that no worker is inside of, taken out of the queue; the others belong to their workers
 * now. Returns whether there are such. */
static bool begin_closing(struct hm_workq *q, struct item **ret_unlinked)
{
    pthread_mutex_lock(&q->lock);
    q->closing = true;
    bool hanging = q->running > 0;
    for (struct item **p = &q->items; *p;)
        if ((*p)->state == RUNNING)
            *p = (*p)->next;
        else
            p = &(*p)->next;
    *ret_unlinked = q->items;
    q->items = NULL;
    pthread_cond_broadcast(&q->available);
    pthread_mutex_unlock(&q->lock);
    return hanging;
}

void hm_workq_free(struct hm_workq *q)
{
    if (!q)
        return;
    struct item *unlinked;
    bool hanging = begin_closing(q, &unlinked);
    for (unsigned t = 0; t < q->thread_count; t++)
        if (hanging)
            pthread_detach(q->threads[t]);
        else
            pthread_join(q->threads[t], NULL);
    for (struct item *i = unlinked, *next; i; i = next) {
        next = i->next;
        release_item(i);
    }
    uv_close((uv_handle_t *)&q->wake, handle_closed);
    uv_close((uv_handle_t *)&q->timer, handle_closed);
}
