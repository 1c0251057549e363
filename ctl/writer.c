#include "ctl/writer.h"

#include <errno.h>
#include <unistd.h>

static void begin(struct writer *w);

static void write_all(uv_work_t *work)
{
    struct writer *w = work->data;
    size_t done = 0;
    while (done < w->out.len) {
        ssize_t n = write(w->fd, w->out.data + done, w->out.len - done);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0) {
            w->failed = true;
            return;
        }
        done += (size_t)n;
    }
}

static void on_written(uv_work_t *work, int status)
{
    struct writer *w = work->data;
    size_t len = w->out.len;
    (void)status;
    w->busy = false;
    hm_buf_free(&w->out);
    if (!w->failed)
        begin(w);
    w->written(w->data, len);
}

static void begin(struct writer *w)
{
    if (w->busy || w->waiting.len == 0)
        return;
    w->out = w->waiting;
    w->waiting = (struct hm_buf){0};
    w->busy = true;
    uv_queue_work(w->loop, &w->work, write_all, on_written);
}

void writer_init(struct writer *w, uv_loop_t *loop, int fd, void (*written)(void *data, size_t len),
                 void *data)
{
    *w = (struct writer){.loop = loop, .fd = fd, .written = written, .data = data};
    w->work.data = w;
}

void writer_add(struct writer *w, const void *bytes, size_t len)
{
    if (w->failed)
        return;
    hm_buf_add(&w->waiting, bytes, len);
    begin(w);
}

bool writer_is_idle(const struct writer *w)
{
    return !w->busy && (w->failed || w->waiting.len == 0);
}

void writer_clear(struct writer *w)
{
    hm_buf_free(&w->waiting);
    hm_buf_free(&w->out);
}
