/*
 * A thread that does one thing at a time for the loop, for what the kernel may hold up: killing by name,
 * cutting links. When it is stuck the loop goes on without it. It is started once and never ends.
 *
 * The job's data belongs to the worker from worker_give() until worker_done() has returned true; the loop
 * leaves it alone meanwhile. Thread: the loop's.
 */
#ifndef HM_GUARDIAN_WORKER_H
#define HM_GUARDIAN_WORKER_H

#include <pthread.h>
#include <stdbool.h>

typedef unsigned (*worker_job)(void *data);

struct worker {
    pthread_t thread;
    int wake_fd; /* loop -> thread */
    int done_fd; /* thread -> loop: poll for POLLIN */
    worker_job job;
    void *data;
    unsigned result;
    bool busy; /* the loop's view */
};

/* 0, or -1 with errno. The thread has all signals blocked, and the loop's scheduling if it may. */
int worker_start(struct worker *w, worker_job job, void *data);
/* Do the job once. It must not be busy. */
void worker_give(struct worker *w);
/* True when the job that was given has ended; then it is idle, and `result` is what it returned. */
bool worker_done(struct worker *w, unsigned *result);

#endif
