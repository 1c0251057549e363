#include "base/process.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/spawn.h"

enum { UNKILLABLE_AFTER_MS = 1000, OUTPUT_GRACE_MS = 50 };

extern char **environ;

struct stream {
    uv_pipe_t pipe;
    struct hm_buf text;
    bool at_end;
    char chunk[4096];
};

struct hm_process {
    struct hm_spawned child;
    uv_signal_t end; /* SIGCHLD: one of the children has ended */
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
    if (p->child.verdict >= 0)
        close(p->child.verdict);
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
    close_handle((uv_handle_t *)&p->end);
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

static void note_status(struct hm_process *p, int status)
{
    struct hm_process_result *r = &p->result;
    r->exit_code = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
    r->signal = WIFSIGNALED(status) ? WTERMSIG(status) : 0;
    r->not_started = hm_spawn_errno(&p->child);
}

/* False: it is still there. What the time is over for asks, too: a loop that stood still comes to its timers
 * before it hears of the child. */
static bool has_exited(struct hm_process *p)
{
    int status;
    if (waitpid(p->child.pid, &status, WNOHANG) != p->child.pid)
        return false;
    p->exited = true;
    note_status(p, status);
    uv_signal_stop(&p->end);
    uv_timer_stop(&p->timer);
    if (p->reported) /* had been given up as unkillable */
        release(p);
    else
        report_when_complete(p);
    return true;
}

static void child_exited(uv_signal_t *end, int number)
{
    (void)number;
    has_exited(end->data);
}

/* From now, not from when the loop last looked at the clock. */
static void set_timer(struct hm_process *p, uv_timer_cb ring, int64_t ms)
{
    uv_update_time(p->timer.loop);
    uv_timer_start(&p->timer, ring, (uint64_t)ms, 0);
}

static void still_there(uv_timer_t *timer)
{
    struct hm_process *p = timer->data;
    if (has_exited(p))
        return;
    p->result.unkillable = true;
    p->result.exit_code = -1;
    report(p);
}

void hm_process_kill(struct hm_process *p)
{
    if (!p || p->exited || p->reported)
        return;
    if (kill(-p->child.pid, SIGKILL) < 0)
        kill(p->child.pid, SIGKILL); /* it has not come to lead its group yet */
    set_timer(p, still_there, UNKILLABLE_AFTER_MS);
}

static void deadline_passed(uv_timer_t *timer)
{
    struct hm_process *p = timer->data;
    if (has_exited(p))
        return;
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
    p->child.verdict = -1;
    p->done = o->done;
    p->data = o->data;
    p->out.text.limit = p->err.text.limit = o->output_max ? o->output_max : 1;
    uv_timer_init(loop, &p->timer);
    uv_signal_init(loop, &p->end);
    uv_pipe_init(loop, &p->out.pipe, 0);
    uv_pipe_init(loop, &p->err.pipe, 0);
    p->timer.data = p->out.pipe.data = p->err.pipe.data = p->end.data = p;
    p->open_handles = 4;
    p->started_ns = hm_boottime_ns();
    return p;
}

static void read_output(struct stream *s, int fd)
{
    uv_pipe_open(&s->pipe, fd);
    uv_read_start((uv_stream_t *)&s->pipe, give_chunk, output_read);
}

int hm_process_start(uv_loop_t *loop, const struct hm_process_options *o, struct hm_process **ret,
                     struct hm_error *err)
{
    struct hm_process *p = new_process(loop, o);
    HM_AUTOFREE char **env = merged_environment(o->env);
    uv_signal_start(&p->end, child_exited, SIGCHLD); /* before there is anything to miss */
    int r = hm_spawn(o->argv, env, o->join ? *o->join : -1, &p->child, err);
    if (r < 0) {
        release(p);
        return r;
    }
    read_output(&p->out, p->child.out);
    read_output(&p->err, p->child.err);
    set_timer(p, deadline_passed, o->timeout_ms > 0 ? o->timeout_ms : 0);
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
    if (r->not_started)
        return hm_fail(err, HM_E_PROCESS, "%s can't be started: %s", what,
                       strerror(r->not_started));
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
