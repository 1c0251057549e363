#include "guardian/worker.h"

#include <errno.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "guardian/realtime.h"

enum { STACK_BYTES = 192 * 1024 };

static void *run(void *data)
{
    struct worker *w = data;
    eventfd_t n;
    realtime_schedule();
    for (;;) {
        if (eventfd_read(w->wake_fd, &n) < 0)
            continue;
        w->result = w->job(w->data);
        eventfd_write(w->done_fd, 1);
    }
    return NULL;
}

static int start_thread(struct worker *w)
{
    pthread_attr_t attributes;
    sigset_t all, before;
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, STACK_BYTES);
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int e = pthread_create(&w->thread, &attributes, run, w);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    pthread_attr_destroy(&attributes);
    errno = e;
    return e ? -1 : 0;
}

int worker_start(struct worker *w, worker_job job, void *data)
{
    *w = (struct worker){.job = job, .data = data};
    w->wake_fd = eventfd(0, EFD_CLOEXEC);
    w->done_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (w->wake_fd < 0 || w->done_fd < 0)
        return -1;
    return start_thread(w);
}

void worker_give(struct worker *w)
{
    w->busy = true;
    eventfd_write(w->wake_fd, 1);
}

bool worker_done(struct worker *w, unsigned *result)
{
    eventfd_t n;
    if (!w->busy || eventfd_read(w->done_fd, &n) < 0)
        return false;
    w->busy = false;
    *result = w->result;
    return true;
}
