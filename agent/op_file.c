/*
 * A stream that is a file which grows: from its beginning (the first data of one that has given its old part back,
 * vmm/log_file.h) or its last lines to its end, and on while it is followed. A file that was replaced (rotated) or cut is read from its beginning; one that is not
 * there yet is waited for. Before it come those that it was before it was rotated (PATH.1, PATH.0), if they
 * are asked for. Where there is an input, its end is that of the stream, once the rest of the file was read. One request
 * to the file system at a time, on uv's threads; reads only as far as there is room.
 */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/op.h"
#include "base/alloc.h"
#include "vmm/log_file.h"

enum { LOOK_AGAIN_MS = 250, TYPING_LOOK_AGAIN_MS = 20, TAIL_BYTES_MAX = 1024 * 1024 };

struct file_source {
    uv_fs_t request;
    uv_work_t reading;
    ssize_t read; /* what came of it */
    uv_timer_t again;
    uv_pipe_t input;
    bool has_input;
    unsigned open; /* handles */
    struct op *op; /* NULL: closed */
    char *path;    /* of what is read now: the file, or with `back` one before it */
    char *file;
    size_t back;
    bool busy; /* the request is out */
    bool follow;
    int fd; /* -1: not open */
    uint64_t inode;
    int64_t at;         /* where to read next */
    int64_t from;       /* nothing before this */
    int64_t tail_lines; /* -1: from the beginning */
    char *buffer;
    uv_buf_t buf;
};

static void open_file(struct file_source *s);
static void step(struct file_source *s);

/* -- The end ---------------------------------------------------------------------------------- */

static void on_closed(uv_handle_t *handle)
{
    struct file_source *s = handle->data;
    if (--s->open > 0)
        return;
    free(s->path);
    free(s->file);
    free(s->buffer);
    free(s);
}

static void close_fd(struct file_source *s)
{
    uv_fs_t request;
    if (s->fd >= 0)
        uv_fs_close(NULL, &request, s->fd, NULL);
    s->fd = -1;
}

/* As soon as no request is out. */
static void let_go(struct file_source *s)
{
    close_fd(s);
    uv_close((uv_handle_t *)&s->again, on_closed);
    if (s->has_input)
        uv_close((uv_handle_t *)&s->input, on_closed);
}

static void close_source(void *data)
{
    struct file_source *s = data;
    s->op = NULL;
    uv_timer_stop(&s->again);
    if (!s->busy)
        let_go(s);
}

static void fail(struct file_source *s, ssize_t code)
{
    struct hm_error err;
    const struct operation_request *q = op_request(s->op);
    hm_fail(&err, HM_E_IO, "%s %s: %s can't be read: %s", q->kind, q->name, s->path,
            uv_strerror((int)code));
    op_fail(s->op, &err);
}

/* False if nobody waits for it any more. */
static bool goes_on(struct file_source *s)
{
    s->busy = false;
    if (!s->op)
        let_go(s);
    return s->op != NULL;
}

/* The same for a request that has come back. */
static bool came_back(uv_fs_t *request, struct file_source **ret, ssize_t *ret_result)
{
    *ret = request->data;
    *ret_result = request->result;
    if (!(*ret)->op)
        uv_fs_req_cleanup(request);
    return goes_on(*ret);
}

static void on_again(uv_timer_t *timer)
{
    step(timer->data);
}

/* Who types waits for what comes of it. */
static void look_again(struct file_source *s)
{
    uv_timer_start(&s->again, on_again, s->has_input ? TYPING_LOOK_AGAIN_MS : LOOK_AGAIN_MS, 0);
}

/* -- Reading ---------------------------------------------------------------------------------- */

/* What is at the path now: the same file, or another, or a shorter one? */
static void on_stat(uv_fs_t *request)
{
    struct file_source *s;
    ssize_t result;
    uv_stat_t now = request->statbuf;
    if (!came_back(request, &s, &result))
        return;
    uv_fs_req_cleanup(request);
    if (result >= 0 && now.st_ino != s->inode) {
        close_fd(s);
        s->at = 0;
    } else if (result >= 0 && (int64_t)now.st_size < s->at) {
        s->at = 0;
    }
    look_again(s);
}

static void set_path(struct file_source *s)
{
    free(s->path);
    s->path = s->back ? hm_printf("%s.%zu", s->file, s->back - 1) : hm_strdup(s->file);
}

/* The next file is the one before this one in number, unless it was all rotated once more meanwhile. */
static void on_rotated_stat(uv_fs_t *request)
{
    struct file_source *s;
    ssize_t result;
    bool is_same = request->statbuf.st_ino == ((struct file_source *)request->data)->inode;
    if (!came_back(request, &s, &result))
        return;
    uv_fs_req_cleanup(request);
    if (result < 0 || is_same)
        s->back--;
    close_fd(s);
    s->at = s->from = 0;
    set_path(s);
    step(s);
}

static void at_end(struct file_source *s)
{
    if (s->back) {
        s->busy = true;
        uv_fs_stat(s->again.loop, &s->request, s->path, on_rotated_stat);
        return;
    }
    if (!s->follow) {
        op_finish(s->op, NULL);
        return;
    }
    s->busy = true;
    uv_fs_stat(s->again.loop, &s->request, s->path, on_stat);
}

/* On a thread of uv's. */
static void read_on(uv_work_t *work)
{
    struct file_source *s = work->data;
    s->read = log_read(s->fd, s->buffer, s->buf.len, &s->at);
}

static void on_read(uv_work_t *work, int status)
{
    struct file_source *s = work->data;
    (void)status; /* nobody cancels it */
    if (!goes_on(s))
        return;
    if (s->read < 0) {
        fail(s, s->read);
    } else if (s->read == 0) {
        at_end(s);
    } else {
        s->at += s->read;
        op_send(s->op, s->buffer, (size_t)s->read);
        step(s);
    }
}

/* Go on: open it, or read as much as there is room for. */
static void step(struct file_source *s)
{
    size_t room = op_room(s->op);
    if (s->busy || uv_is_active((uv_handle_t *)&s->again))
        return;
    if (s->fd < 0) {
        open_file(s);
        return;
    }
    if (room == 0)
        return;
    s->busy = true;
    s->buf = uv_buf_init(s->buffer, (unsigned)room);
    uv_queue_work(s->again.loop, &s->reading, read_on, on_read);
}

static void more(void *data)
{
    step(data);
}

/* -- Its last lines --------------------------------------------------------------------------- */

/* Where the last `lines` lines begin. A line that is not ended counts as one. */
static size_t start_of_tail(const char *text, size_t len, int64_t lines)
{
    size_t at = len;
    if (lines == 0)
        return len;
    while (at > 0)
        if (text[--at] == '\n' && at + 1 < len && --lines == 0)
            return at + 1;
    return 0;
}

static void on_tail(uv_fs_t *request)
{
    struct file_source *s;
    ssize_t n;
    if (!came_back(request, &s, &n))
        return;
    uv_fs_req_cleanup(request);
    if (n < 0) {
        fail(s, n);
        return;
    }
    s->at += (int64_t)start_of_tail(s->buffer, (size_t)n, s->tail_lines);
    s->tail_lines = -1;
    step(s);
}

static void read_tail(struct file_source *s, int64_t size)
{
    s->at = size > TAIL_BYTES_MAX ? size - TAIL_BYTES_MAX : 0;
    s->at = s->at < s->from ? s->from : s->at;
    s->buffer = hm_realloc_array(s->buffer, TAIL_BYTES_MAX, 1);
    s->buf = uv_buf_init(s->buffer, TAIL_BYTES_MAX);
    s->busy = true;
    uv_fs_read(s->again.loop, &s->request, s->fd, &s->buf, 1, s->at, on_tail);
}

/* -- Opening ---------------------------------------------------------------------------------- */

static void on_fstat(uv_fs_t *request)
{
    struct file_source *s;
    ssize_t result;
    uv_stat_t now = request->statbuf;
    if (!came_back(request, &s, &result))
        return;
    uv_fs_req_cleanup(request);
    if (result < 0 || !S_ISREG(now.st_mode)) {
        fail(s, result < 0 ? result : UV_EINVAL);
        return;
    }
    s->inode = now.st_ino;
    if ((int64_t)now.st_size < s->at)
        s->at = s->from = 0; /* cut since it was looked at */
    if (s->tail_lines >= 0)
        read_tail(s, (int64_t)now.st_size);
    else
        step(s);
}

static void not_there(struct file_source *s)
{
    if (s->follow)
        look_again(s);
    else
        op_finish(s->op, NULL);
}

static void on_open(uv_fs_t *request)
{
    struct file_source *s = request->data;
    ssize_t result = request->result;
    if (result >= 0)
        s->fd = (int)result;
    if (!came_back(request, &s, &result))
        return;
    uv_fs_req_cleanup(request);
    if (result == UV_ENOENT && s->back) { /* gone meanwhile: the next one is its follower */
        s->back--;
        s->at = s->from = 0;
        set_path(s);
        step(s);
    } else if (result == UV_ENOENT) {
        not_there(s);
    } else if (result < 0) {
        fail(s, result);
    } else {
        s->busy = true;
        uv_fs_fstat(s->again.loop, &s->request, s->fd, on_fstat);
    }
}

static void open_file(struct file_source *s)
{
    s->busy = true;
    uv_fs_open(s->again.loop, &s->request, s->path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC,
               0, on_open);
}

/* -- Its input -------------------------------------------------------------------------------- */

static size_t input(void *data, const void *bytes, size_t len)
{
    struct file_source *s = data;
    return op_write((uv_stream_t *)&s->input, bytes, len);
}

static void on_input_buffer(uv_handle_t *handle, size_t suggested, uv_buf_t *ret)
{
    static char unused[64];
    (void)handle, (void)suggested;
    *ret = uv_buf_init(unused, sizeof unused);
}

/* It gives nothing but its end: whatever was written is in the file by then. */
static void on_input_end(uv_stream_t *stream, ssize_t n, const uv_buf_t *buffer)
{
    struct file_source *s = stream->data;
    (void)buffer;
    if (n >= 0 || !s->op)
        return;
    uv_read_stop(stream);
    s->follow = false;
    uv_timer_stop(&s->again);
    step(s);
}

static bool open_input(struct file_source *s, int fd)
{
    uv_pipe_init(s->again.loop, &s->input, 0);
    s->input.data = s;
    s->has_input = true;
    s->open++;
    s->follow = true;
    if (uv_pipe_open(&s->input, fd) < 0) {
        close(fd);
        return false;
    }
    return uv_read_start((uv_stream_t *)&s->input, on_input_buffer, on_input_end) == 0;
}

/* -- The whole -------------------------------------------------------------------------------- */

void op_stream_file(struct op *op, const struct op_file *file)
{
    static const struct op_source reading = {.more = more, .close = close_source},
                                  typing = {.more = more, .input = input, .close = close_source};
    struct file_source *s = hm_alloc(sizeof *s);
    bool is_tail = file->tail_lines >= 0; /* of the file itself */
    int64_t from = is_tail && file->back ? 0 : file->from;
    *s = (struct file_source){.op = op,
                              .file = hm_strdup(file->path),
                              .back = is_tail ? 0 : file->back,
                              .follow = file->follow,
                              .at = from,
                              .from = from,
                              .fd = -1,
                              .tail_lines = file->tail_lines,
                              .open = 1};
    set_path(s);
    s->buffer = hm_alloc(OPERATION_FRAME_MAX);
    s->request.data = s->reading.data = s;
    uv_timer_init(op_site(op)->loop, &s->again);
    s->again.data = s;
    if (file->input < 0 || open_input(s, file->input)) {
        op_stream(op, file->input < 0 ? &reading : &typing, s);
        return;
    }
    fail(s, UV_EINVAL);
    close_source(s);
}
