#include "base/process.h"

#include <linux/close_range.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/clock.h"

enum { UNKILLABLE_AFTER_MS = 1000, OUTPUT_GRACE_MS = 50 };

extern char **environ;

struct stream {
    uv_pipe_t pipe;
    struct hm_buf text;
    bool at_end;
    char chunk[4096];
};

struct hm_process {
    uv_process_t child;
    uv_timer_t timer;
    struct stream out, err;
    struct hm_process_result result;
    hm_process_done done;
    void *data;
    int64_t started_ns;
    bool exited;
    bool reported;
    int open_handles;
};

static void handle_closed(uv_handle_t *handle)
{
    struct hm_process *p = handle->data;
    if (--p->open_handles > 0)
        return;
    hm_buf_free(&p->out.text);
    hm_buf_free(&p->err.text);
    free(p);
}

static void close_handle(uv_handle_t *handle)
{
    if (!uv_is_closing(handle))
        uv_close(handle, handle_closed);
}

static void release(struct hm_process *p)
{
    close_handle((uv_handle_t *)&p->timer);
    close_handle((uv_handle_t *)&p->out.pipe);
    close_handle((uv_handle_t *)&p->err.pipe);
    close_handle((uv_handle_t *)&p->child);
}

static void report(struct hm_process *p)
{
    if (p->reported)
        return;
    p->reported = true;
    struct hm_process_result *r = &p->result;
    r->took_ms = (hm_boottime_ns() - p->started_ns) / HM_MS;
    r->truncated = p->out.text.overflowed || p->err.text.overflowed;
    r->out = p->out.text.data ? p->out.text.data : "";
    r->err = p->err.text.data ? p->err.text.data : "";
    p->done(p->data, r);
    if (p->exited)
        release(p);
}

static void output_grace_over(uv_timer_t *timer)
{
    report(timer->data);
}

/* Exited: report as soon as both streams ended, but do not wait for grandchildren that hold them. */
static void report_when_complete(struct hm_process *p)
{
    if (!p->exited || p->reported)
        return;
    if (p->out.at_end && p->err.at_end)
        report(p);
    else
        uv_timer_start(&p->timer, output_grace_over, OUTPUT_GRACE_MS, 0);
}

static void child_exited(uv_process_t *child, int64_t status, int signal)
{
    struct hm_process *p = child->data;
    p->exited = true;
    p->result.exit_code = signal ? -1 : (int)status;
    p->result.signal = signal;
    uv_timer_stop(&p->timer);
    if (p->reported) /* had been given up as unkillable */
        release(p);
    else
        report_when_complete(p);
}

static void still_there(uv_timer_t *timer)
{
    struct hm_process *p = timer->data;
    p->result.unkillable = true;
    p->result.exit_code = -1;
    report(p);
}

void hm_process_kill(struct hm_process *p)
{
    if (!p || p->exited || p->reported)
        return;
    kill(-p->child.pid, SIGKILL);
    uv_timer_start(&p->timer, still_there, UNKILLABLE_AFTER_MS, 0);
}

static void deadline_passed(uv_timer_t *timer)
{
    struct hm_process *p = timer->data;
    p->result.timed_out = true;
    hm_process_kill(p);
}

static void give_chunk(uv_handle_t *handle, size_t suggested, uv_buf_t *buf)
{
    (void)suggested;
    struct hm_process *p = handle->data;
    struct stream *s = handle == (uv_handle_t *)&p->out.pipe ? &p->out : &p->err;
    *buf = uv_buf_init(s->chunk, sizeof s->chunk);
}

static void keep_what_fits(struct hm_buf *text, const char *data, size_t len)
{
    size_t room = text->limit - text->len;
    hm_buf_add(text, data, len < room ? len : room);
    if (len > room)
        text->overflowed = true;
}

static void output_read(uv_stream_t *pipe, ssize_t n, const uv_buf_t *buf)
{
    struct hm_process *p = pipe->data;
    struct stream *s = pipe == (uv_stream_t *)&p->out.pipe ? &p->out : &p->err;
    if (n > 0) {
        keep_what_fits(&s->text, buf->base, (size_t)n);
    } else if (n < 0) {
        s->at_end = true;
        uv_read_stop(pipe);
        report_when_complete(p);
    }
}

static bool overrides(char *const *env, const char *entry)
{
    size_t name = strcspn(entry, "=");
    for (; env && *env; env++)
        if (!strncmp(*env, entry, name) && (*env)[name] == '=')
            return true;
    return false;
}

/* The agent's environment with `env` on top. Only the array is allocated. */
static char **merged_environment(char *const *env)
{
    size_t count = 0, n = 0;
    for (char **e = environ; *e; e++)
        count++;
    for (char *const *e = env; e && *e; e++)
        count++;
    char **all = hm_alloc((count + 1) * sizeof *all);
    for (char **e = environ; *e; e++)
        if (!overrides(env, *e))
            all[n++] = *e;
    for (char *const *e = env; e && *e; e++)
        all[n++] = *e;
    return all;
}

static struct hm_process *new_process(uv_loop_t *loop, const struct hm_process_options *o)
{
    struct hm_process *p = hm_alloc(sizeof *p);
    p->done = o->done;
    p->data = o->data;
    p->out.text.limit = p->err.text.limit = o->output_max ? o->output_max : 1;
    uv_timer_init(loop, &p->timer);
    uv_pipe_init(loop, &p->out.pipe, 0);
    uv_pipe_init(loop, &p->err.pipe, 0);
    p->timer.data = p->out.pipe.data = p->err.pipe.data = p->child.data = p;
    p->open_handles = 4;
    p->started_ns = hm_boottime_ns();
    return p;
}

/* Libraries open sockets without O_CLOEXEC. A hook's child that lives on must not hold them open.
 * close_range(2), Linux 5.11. */
static void keep_descriptors_from_children(void)
{
    close_range(STDERR_FILENO + 1, ~0U, CLOSE_RANGE_CLOEXEC);
}

int hm_process_start(uv_loop_t *loop, const struct hm_process_options *o, struct hm_process **ret,
                     struct hm_error *err)
{
    struct hm_process *p = new_process(loop, o);
    HM_AUTOFREE char **env = merged_environment(o->env);
    uv_stdio_container_t stdio[3] = {
        {.flags = UV_IGNORE},
        {.flags = UV_CREATE_PIPE | UV_WRITABLE_PIPE, .data.stream = (uv_stream_t *)&p->out.pipe},
        {.flags = UV_CREATE_PIPE | UV_WRITABLE_PIPE, .data.stream = (uv_stream_t *)&p->err.pipe},
    };
    uv_process_options_t options = {
        .exit_cb = child_exited,
        .file = o->argv[0],
        .args = (char **)o->argv,
        .env = env,
        .flags = UV_PROCESS_DETACHED, /* setsid(2): a group of its own that can be killed whole */
        .stdio_count = 3,
        .stdio = stdio,
    };
    keep_descriptors_from_children();
    int r = uv_spawn(loop, &p->child, &options);
    if (r < 0) {
        release(p);
        return hm_fail(err, HM_E_PROCESS, "cannot start %s: %s", o->argv[0], uv_strerror(r));
    }
    uv_read_start((uv_stream_t *)&p->out.pipe, give_chunk, output_read);
    uv_read_start((uv_stream_t *)&p->err.pipe, give_chunk, output_read);
    uv_timer_start(&p->timer, deadline_passed, (uint64_t)(o->timeout_ms > 0 ? o->timeout_ms : 0),
                   0);
    if (ret)
        *ret = p;
    return 0;
}

/* The last line that is not empty, for the error sentence. */
static char *last_line(const char *text)
{
    size_t end = strlen(text);
    while (end > 0 && strchr("\r\n \t", text[end - 1]))
        end--;
    size_t start = end;
    while (start > 0 && text[start - 1] != '\n')
        start--;
    return hm_strndup(text + start, end - start);
}

int hm_process_check(const char *what, const struct hm_process_result *r, struct hm_error *err)
{
    if (r->exit_code == 0)
        return 0;
    if (r->unkillable)
        return hm_fail(err, HM_E_TIMEOUT, "%s was killed after %lld ms and is still there", what,
                       (long long)r->took_ms);
    if (r->timed_out)
        return hm_fail(err, HM_E_TIMEOUT, "%s took too long and was killed after %lld ms", what,
                       (long long)r->took_ms);
    if (r->signal)
        return hm_fail(err, HM_E_PROCESS, "%s was ended by signal %d", what, r->signal);
    HM_AUTOFREE char *line = last_line(r->err);
    return hm_fail(err, HM_E_PROCESS, "%s exited with %d%s%s", what, r->exit_code,
                   *line ? ": " : "", line);
}
