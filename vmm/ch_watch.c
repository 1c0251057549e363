#include "vmm/ch_watch.h"

#include <stdlib.h>
#include <unistd.h>

#include "base/alloc.h"

/* One process, on the loop. */
struct watched {
    struct watched *next;
    struct ch_watch *owner;
    struct ch_pid pid;
    int fd;
    uv_poll_t poll;
};

struct ch_watch {
    struct ch_loop *loop;
    void (*on_end)(void *data);
    void *data;
    struct watched *list; /* the loop's */
};

static void on_closed(uv_handle_t *handle)
{
    struct watched *one = handle->data;
    close(one->fd);
    free(one);
}

static void drop(struct watched *one)
{
    struct watched **at = &one->owner->list;
    while (*at != one)
        at = &(*at)->next;
    *at = one->next;
    uv_close((uv_handle_t *)&one->poll, on_closed);
}

static void on_ended(uv_poll_t *poll, int status, int events)
{
    struct watched *one = poll->data;
    const struct ch_watch *w = one->owner;
    (void)status;
    (void)events;
    drop(one);
    w->on_end(w->data);
}

static bool is_watched(const struct ch_watch *w, const struct ch_pid *pid)
{
    for (const struct watched *one = w->list; one; one = one->next)
        if (one->pid.pid == pid->pid && one->pid.start == pid->start)
            return true;
    return false;
}

static bool begin_to_watch(struct watched *one)
{
    struct ch_watch *w = one->owner;
    if (uv_poll_init(ch_loop_uv(w->loop), &one->poll, one->fd) < 0) {
        close(one->fd);
        return false;
    }
    one->poll.data = one;
    one->next = w->list;
    w->list = one;
    uv_poll_start(&one->poll, UV_READABLE, on_ended);
    return true;
}

static void begin(void *data)
{
    struct watched *one = data;
    const struct ch_watch *w = one->owner;
    if (is_watched(w, &one->pid)) {
        free(one);
        return;
    }
    int held = ch_pid_hold(&one->pid, &one->fd, NULL);
    if (held > 0 && begin_to_watch(one))
        return;
    free(one);
    if (held == 0) /* since it was seen */
        w->on_end(w->data);
}

struct ch_watch *ch_watch_new(struct ch_loop *loop, void (*on_end)(void *data), void *data)
{
    struct ch_watch *w = hm_alloc(sizeof *w);
    *w = (struct ch_watch){.loop = loop, .on_end = on_end, .data = data};
    return w;
}

void ch_watch_add(struct ch_watch *w, const struct ch_pid *pid)
{
    struct watched *one = hm_alloc(sizeof *one);
    *one = (struct watched){.owner = w, .pid = *pid};
    ch_loop_do(w->loop, begin, one);
}

static void end(void *data)
{
    struct ch_watch *w = data;
    while (w->list)
        drop(w->list);
    free(w);
}

void ch_watch_free(struct ch_watch *w)
{
    if (w)
        ch_loop_do(w->loop, end, w);
}
