#include "base/log_queue.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/alloc.h"
#include "base/clock.h"

struct queued {
    struct queued *next;
    size_t size;
    struct log_line line; /* its text is in `room` */
    char room[];
};

/* Of the process: a writer that hangs in a write outlives whoever started it. */
static struct {
    pthread_mutex_t lock; /* never held during a write */
    pthread_cond_t filled, drained;
    struct queued *first, *last;
    size_t bytes;          /* of those, and of the one that is being written */
    unsigned long dropped; /* since the last line that was queued */
    bool running, stopping;
} queue = {.lock = PTHREAD_MUTEX_INITIALIZER, .filled = PTHREAD_COND_INITIALIZER};

static struct queued *copy_line(const struct log_line *line)
{
    size_t part = strlen(line->part) + 1, text = strlen(line->text) + 1;
    struct queued *q = hm_alloc(sizeof *q + part + text);
    q->size = sizeof *q + part + text;
    q->line = *line;
    q->line.part = memcpy(q->room, line->part, part);
    q->line.text = memcpy(q->room + part, line->text, text);
    return q;
}

static void append(const struct log_line *line)
{
    struct queued *q = copy_line(line);
    if (queue.last)
        queue.last->next = q;
    else
        queue.first = q;
    queue.last = q;
    queue.bytes += q->size;
}

static struct queued *take_first(void)
{
    struct queued *q = queue.first;
    queue.first = q->next;
    if (!queue.first)
        queue.last = NULL;
    return q;
}

/* At the place where they are missing. */
static void append_note_of_dropped(void)
{
    char text[160];
    snprintf(text, sizeof text,
             "%lu line%s dropped here: the log's reader did not take them fast enough",
             queue.dropped, queue.dropped == 1 ? " was" : "s were");
    queue.dropped = 0;
    append(&(struct log_line){HM_LOG_WARN, hm_wall_ns(), "log", text});
}

static bool has_room(void)
{
    return queue.bytes < LOG_QUEUE_BYTES;
}

bool log_queue_push(const struct log_line *line)
{
    pthread_mutex_lock(&queue.lock);
    bool taken = queue.running;
    if (taken && has_room()) {
        if (queue.dropped)
            append_note_of_dropped();
        append(line);
        pthread_cond_signal(&queue.filled);
    } else if (taken) {
        queue.dropped++;
    }
    pthread_mutex_unlock(&queue.lock);
    return taken;
}

/* With the lock, which is free during the write. */
static void write_first(void)
{
    struct queued *q = take_first();
    pthread_mutex_unlock(&queue.lock);
    log_write(&q->line);
    pthread_mutex_lock(&queue.lock);
    queue.bytes -= q->size;
    free(q);
    if (!queue.first && queue.dropped)
        append_note_of_dropped();
}

static void *writer(void *arg)
{
    (void)arg;
    pthread_mutex_lock(&queue.lock);
    while (queue.first || !queue.stopping) {
        if (queue.first)
            write_first();
        else
            pthread_cond_wait(&queue.filled, &queue.lock);
    }
    queue.running = queue.stopping = false;
    pthread_cond_broadcast(&queue.drained);
    pthread_mutex_unlock(&queue.lock);
    return NULL;
}

static int start_writer(void)
{
    pthread_t thread;
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before); /* signals are the loop's */
    int code = pthread_create(&thread, NULL, writer, NULL);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (code == 0)
        pthread_detach(thread);
    return code;
}

int hm_log_start(struct hm_error *err)
{
    pthread_condattr_t attr;
    pthread_mutex_lock(&queue.lock);
    int code = 0;
    queue.stopping = false;
    if (!queue.running) {
        pthread_condattr_init(&attr);
        pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
        pthread_cond_init(&queue.drained, &attr);
        pthread_condattr_destroy(&attr);
        code = start_writer();
        queue.running = code == 0;
    }
    pthread_mutex_unlock(&queue.lock);
    if (code)
        return hm_fail(err, HM_E_INTERNAL, "the thread that writes the log can't be started: %s",
                       strerror(code));
    return 0;
}

bool hm_log_stop(int64_t wait_ms)
{
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    int64_t ns = until.tv_nsec + wait_ms % 1000 * HM_MS;
    until.tv_sec += (time_t)(wait_ms / 1000 + ns / 1000000000);
    until.tv_nsec = (long)(ns % 1000000000);
    pthread_mutex_lock(&queue.lock);
    queue.stopping = queue.running;
    pthread_cond_signal(&queue.filled);
    int code = 0;
    while (queue.running && code != ETIMEDOUT)
        code = pthread_cond_timedwait(&queue.drained, &queue.lock, &until);
    bool written = !queue.running;
    pthread_mutex_unlock(&queue.lock);
    return written;
}
