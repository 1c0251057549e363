#include "vmm/ch_loop.h"

#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"

struct errand {
    struct errand *next;
    void (*run)(void *data);
    void *data;
};

struct ch_loop {
    uv_loop_t uv;
    uv_async_t wake;
    pthread_t thread;
    pthread_mutex_t lock; /* guards: */
    struct errand *first, **last;
    bool ends;
};

static struct errand *take_errands(struct ch_loop *l, bool *ret_ends)
{
    pthread_mutex_lock(&l->lock);
    struct errand *first = l->first;
    l->first = NULL;
    l->last = &l->first;
    *ret_ends = l->ends;
    pthread_mutex_unlock(&l->lock);
    return first;
}

static void on_wake(uv_async_t *wake)
{
    struct ch_loop *l = wake->data;
    bool ends;
    struct errand *next;
    for (struct errand *e = take_errands(l, &ends); e; e = next) {
        next = e->next;
        e->run(e->data);
        free(e);
    }
    if (ends)
        uv_close((uv_handle_t *)wake, NULL);
}

static void *run(void *data)
{
    struct ch_loop *l = data;
    uv_run(&l->uv, UV_RUN_DEFAULT);
    return NULL;
}

/* Signals are the main thread's. */
static int start_thread(struct ch_loop *l)
{
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int r = pthread_create(&l->thread, NULL, run, l);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return r;
}

static void release(struct ch_loop *l)
{
    pthread_mutex_destroy(&l->lock);
    free(l);
}

static void drop(struct ch_loop *l)
{
    uv_loop_close(&l->uv);
    release(l);
}

static int fail(int r, struct hm_error *err)
{
    return hm_fail(err, HM_E_IO, "cloud-hypervisor: a loop for its answers: %s", uv_strerror(r));
}

int ch_loop_new(struct ch_loop **ret, struct hm_error *err)
{
    struct ch_loop *l = hm_alloc(sizeof *l);
    l->last = &l->first;
    pthread_mutex_init(&l->lock, NULL);
    int r = uv_loop_init(&l->uv);
    if (r != 0) {
        release(l);
        return fail(r, err);
    }
    if ((r = uv_async_init(&l->uv, &l->wake, on_wake)) == 0) {
        l->wake.data = l;
        int e = start_thread(l);
        if (e == 0) {
            *ret = l;
            return 0;
        }
        r = uv_translate_sys_error(e);
        uv_close((uv_handle_t *)&l->wake, NULL);
        uv_run(&l->uv, UV_RUN_DEFAULT);
    }
    drop(l);
    return fail(r, err);
}

static void send_errand(struct ch_loop *l, struct errand *e)
{
    pthread_mutex_lock(&l->lock);
    if (e) {
        *l->last = e;
        l->last = &e->next;
    } else
        l->ends = true;
    uv_async_send(&l->wake);
    pthread_mutex_unlock(&l->lock);
}

void ch_loop_do(struct ch_loop *l, void (*function)(void *data), void *data)
{
    struct errand *e = hm_alloc(sizeof *e);
    *e = (struct errand){.run = function, .data = data};
    send_errand(l, e);
}

uv_loop_t *ch_loop_uv(struct ch_loop *l)
{
    return &l->uv;
}

void ch_loop_free(struct ch_loop *l)
{
    if (!l)
        return;
    send_errand(l, NULL);
    pthread_join(l->thread, NULL);
    drop(l);
}
