#include "agent/lead_timer.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "base/alloc.h"

struct lead_timer {
    uv_poll_t poll;
    int fd;
    int64_t set_to; /* 0: it is not set, or has gone off */
    void (*alarm)(void *data);
    void *data;
};

static void on_readable(uv_poll_t *poll, int status, int events)
{
    struct lead_timer *t = poll->data;
    uint64_t times;
    (void)status;
    (void)events;
    if (read(t->fd, &times, sizeof times) != (ssize_t)sizeof times)
        return; /* it was set anew meanwhile */
    t->set_to = 0;
    t->alarm(t->data);
}

int lead_timer_new(uv_loop_t *loop, void (*alarm)(void *data), void *data, struct lead_timer **ret,
                   struct hm_error *err)
{
    int fd = timerfd_create(CLOCK_BOOTTIME, TFD_CLOEXEC | TFD_NONBLOCK);
    if (fd < 0)
        return hm_fail(err, HM_E_UNSUPPORTED, "cannot make a timer on CLOCK_BOOTTIME: %s",
                       strerror(errno));
    struct lead_timer *t = hm_alloc(sizeof *t);
    t->fd = fd;
    t->alarm = alarm;
    t->data = data;
    uv_poll_init(loop, &t->poll, fd);
    t->poll.data = t;
    uv_poll_start(&t->poll, UV_READABLE, on_readable);
    *ret = t;
    return 0;
}

static void closed(uv_handle_t *handle)
{
    struct lead_timer *t = handle->data;
    close(t->fd);
    free(t);
}

void lead_timer_free(struct lead_timer *t)
{
    if (t)
        uv_close((uv_handle_t *)&t->poll, closed);
}

void lead_timer_set(struct lead_timer *t, int64_t at_ns)
{
    if (at_ns == t->set_to)
        return;
    t->set_to = at_ns;
    struct itimerspec at = {
        .it_value = {.tv_sec = at_ns / 1000000000, .tv_nsec = at_ns % 1000000000}};
    timerfd_settime(t->fd, TFD_TIMER_ABSTIME, &at, NULL); /* a time in the past fires at once */
}
