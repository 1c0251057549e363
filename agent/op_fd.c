/* A stream that is a socket or a pipe: both ways, as far as there is room. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agent/op.h"
#include "base/alloc.h"

enum { INPUT_MAX = 64 * 1024 }; /* bytes that the other end has not taken yet */

struct fd_source {
    uv_pipe_t pipe;
    struct op *op; /* NULL: closed */
    bool reading;
    char buffer[OPERATION_FRAME_MAX];
};

static void on_closed(uv_handle_t *handle)
{
    free(handle->data);
}

static void close_source(void *data)
{
    struct fd_source *s = data;
    s->op = NULL;
    uv_close((uv_handle_t *)&s->pipe, on_closed);
}

static void on_buffer(uv_handle_t *handle, size_t suggested, uv_buf_t *ret)
{
    struct fd_source *s = handle->data;
    (void)suggested;
    *ret = uv_buf_init(s->buffer, (unsigned)op_room(s->op));
}

/* Without room reading stops: uv would ask for a buffer of no size, which is an error to it. */
static void on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *buffer)
{
    struct fd_source *s = stream->data;
    struct hm_error err;
    if (n > 0)
        op_send(s->op, buffer->base, (size_t)n);
    if (n >= 0 && op_room(s->op) == 0) {
        uv_read_stop(stream);
        s->reading = false;
    }
    if (n >= 0)
        return;
    if (n == UV_EOF) {
        op_finish(s->op, NULL);
        return;
    }
    hm_fail(&err, HM_E_IO, "%s %s: it broke off: %s", op_request(s->op)->kind,
            op_request(s->op)->name, uv_strerror((int)n));
    op_fail(s->op, &err);
}

static void more(void *data)
{
    struct fd_source *s = data;
    if (s->reading || op_room(s->op) == 0)
        return;
    s->reading = true;
    uv_read_start((uv_stream_t *)&s->pipe, on_buffer, on_read);
}

struct writing {
    uv_write_t request;
    char bytes[];
};

static void on_written(uv_write_t *request, int status)
{
    (void)status; /* a broken pipe is seen by the reading side */
    free(request->data);
}

size_t op_write(uv_stream_t *stream, const void *bytes, size_t len)
{
    size_t waiting = uv_stream_get_write_queue_size(stream);
    if (len == 0 || waiting >= INPUT_MAX || len > INPUT_MAX - waiting)
        return 0;
    struct writing *w = hm_alloc(sizeof *w + len);
    memcpy(w->bytes, bytes, len);
    w->request.data = w;
    uv_buf_t buffer = uv_buf_init(w->bytes, (unsigned)len);
    if (uv_write(&w->request, stream, &buffer, 1, on_written) == 0)
        return len;
    free(w);
    return 0;
}

static size_t input(void *data, const void *bytes, size_t len)
{
    struct fd_source *s = data;
    return op_write((uv_stream_t *)&s->pipe, bytes, len);
}

void op_stream_fd(struct op *op, int fd)
{
    static const struct op_source source = {.more = more, .input = input, .close = close_source};
    struct fd_source *s = hm_alloc(sizeof *s);
    s->op = op;
    uv_pipe_init(op_site(op)->loop, &s->pipe, 0);
    s->pipe.data = s;
    int r = uv_pipe_open(&s->pipe, fd);
    if (r >= 0) {
        op_stream(op, &source, s);
        return;
    }
    struct hm_error err;
    close(fd);
    close_source(s);
    hm_fail(&err, HM_E_IO, "%s %s: its stream can't be read: %s", op_request(op)->kind,
            op_request(op)->name, uv_strerror(r));
    op_fail(op, &err);
}
