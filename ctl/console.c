/* console: stdin and stdout are the guest's serial console, until Ctrl-]. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "ctl/op_call.h"
#include "ctl/run.h"
#include "ctl/show.h"
#include "ctl/terminal.h"
#include "ctl/writer.h"

enum { ESCAPE = 0x1d /* Ctrl-] */, PIECE = 1024 };

static const int ending_signals[] = {SIGINT, SIGTERM, SIGHUP};

struct console {
    struct invocation *in;
    struct session *session;
    struct op_talk *talk;
    struct writer writer;
    uv_poll_t input;
    uv_signal_t signals[HM_COUNT(ending_signals)], stopped, continued;
    bool is_terminal, begun, asked_to_end, ended;
    char *site;
    char *why; /* it ended, in words; NULL: as asked */
    enum ctl_exit code;
};

/* -- The end ---------------------------------------------------------------------------------- */

static void stop_if_done(struct console *c)
{
    if (c->ended && (c->asked_to_end || writer_is_idle(&c->writer)))
        session_stop(c->session);
}

/* The second time nobody waits for the agent's word. */
static void ask_to_end(struct console *c)
{
    if (c->asked_to_end) {
        c->ended = true;
        stop_if_done(c);
        return;
    }
    c->asked_to_end = true;
    uv_poll_stop(&c->input);
    op_talk_close(c->talk);
}

static void on_end(void *data, const json_t *result, const struct hm_error *err)
{
    struct console *c = data;
    (void)result;
    c->ended = true;
    if (err && !c->asked_to_end) {
        c->code = exit_for(err->code);
        c->why = show_cleaned(err->text);
    } else if (!c->asked_to_end) {
        c->why = hm_printf("%s %s closed it: it was switched off, or somebody took it over",
                           c->in->arguments[0], c->in->arguments[1]);
    }
    uv_poll_stop(&c->input);
    stop_if_done(c);
}

static void on_signal(uv_signal_t *handle, int number)
{
    (void)number;
    ask_to_end(handle->data);
}

/* -- Stopped and continued: the shell gets its terminal as it was -------------------------------- */

static void on_stop(uv_signal_t *handle, int number)
{
    (void)handle;
    (void)number;
    terminal_restore();
    raise(SIGSTOP);
}

static void on_continue(uv_signal_t *handle, int number)
{
    (void)handle;
    (void)number;
    terminal_make_raw();
}

/* -- Out -------------------------------------------------------------------------------------- */

static void on_written(void *data, size_t len)
{
    struct console *c = data;
    if (c->writer.failed)
        ask_to_end(c);
    else if (!c->ended)
        op_talk_consumed(c->talk, len);
    stop_if_done(c);
}

static void on_data(void *data, const char *bytes, size_t len)
{
    struct console *c = data;
    writer_add(&c->writer, bytes, len);
}

static void on_begun(void *data)
{
    struct console *c = data;
    c->begun = true;
    fprintf(c->in->err, "console of %s %s on %s; Ctrl-] ends it%s\n", c->in->arguments[0],
            c->in->arguments[1], c->site, c->is_terminal ? "\r" : "");
}

/* -- In --------------------------------------------------------------------------------------- */

/* A person's Ctrl-] is heard also while the guest takes nothing: what has no room is thrown away, as a
 * serial line does. What comes from a file waits. */
static void on_input(uv_poll_t *poll, int status, int events)
{
    struct console *c = poll->data;
    char bytes[PIECE];
    (void)status;
    (void)events;
    ssize_t n = read(STDIN_FILENO, bytes, sizeof bytes);
    if (n < 0 && (errno == EINTR || errno == EAGAIN))
        return;
    const char *escape = n > 0 ? memchr(bytes, ESCAPE, (size_t)n) : NULL;
    size_t len = escape ? (size_t)(escape - bytes) : n > 0 ? (size_t)n : 0;
    op_talk_write(c->talk, bytes, len);
    if (escape)
        ask_to_end(c);
    else if (n <= 0 || !c->is_terminal)
        uv_poll_stop(poll); /* the end of a file does not end the console: ^C does */
}

static void on_input_written(void *data)
{
    struct console *c = data;
    if (!c->ended && !c->asked_to_end)
        uv_poll_start(&c->input, UV_READABLE, on_input);
}

/* -- The command ------------------------------------------------------------------------------ */

static void listen_for(struct console *c, uv_signal_t *handle, int number, uv_signal_cb callback)
{
    uv_signal_init(session_loop(c->session), handle);
    handle->data = c;
    uv_signal_start(handle, callback, number);
}

static bool begin(struct console *c)
{
    uv_loop_t *loop = session_loop(c->session);
    fflush(c->in->out);
    writer_init(&c->writer, loop, fileno(c->in->out), on_written, c);
    if (uv_poll_init(loop, &c->input, STDIN_FILENO) < 0)
        return false;
    c->input.data = c;
    for (size_t i = 0; i < HM_COUNT(ending_signals); i++)
        listen_for(c, &c->signals[i], ending_signals[i], on_signal);
    listen_for(c, &c->stopped, SIGTSTP, on_stop);
    listen_for(c, &c->continued, SIGCONT, on_continue);
    c->is_terminal = terminal_make_raw();
    return true;
}

static void close_all(struct console *c)
{
    terminal_restore();
    uv_close((uv_handle_t *)&c->input, NULL);
    for (size_t i = 0; i < HM_COUNT(ending_signals); i++)
        uv_close((uv_handle_t *)&c->signals[i], NULL);
    uv_close((uv_handle_t *)&c->stopped, NULL);
    uv_close((uv_handle_t *)&c->continued, NULL);
    op_talk_free(c->talk);
}

static void say_end(const struct console *c)
{
    if (c->begun)
        fprintf(c->in->err, "\nthe console has ended%s", c->why ? ": " : "");
    fprintf(c->in->err, "%s\n", c->why ? c->why : "");
}

static enum ctl_exit talk(struct console *c, const struct op_target *target)
{
    const struct op_events events = {
        .begun = on_begun, .data = on_data, .written = on_input_written, .end = on_end};
    struct hm_error err;
    if (!begin(c)) {
        fprintf(c->in->err, "stdin is neither a terminal nor a pipe\n");
        return CTL_USAGE;
    }
    if (op_talk_begin(c->session, target, &events, c, &c->talk, &err) < 0) {
        terminal_restore();
        report_error(c->in, &err);
        return CTL_USAGE;
    }
    uv_poll_start(&c->input, UV_READABLE, on_input);
    session_run(c->session);
    close_all(c);
    say_end(c);
    if (!writer_is_idle(&c->writer)) /* a terminal that takes nothing, and nobody waits for it */
        exit((int)c->code);
    return c->code;
}

enum ctl_exit run_console(struct invocation *in)
{
    struct console c = {.in = in};
    struct op_target target;
    enum ctl_exit code = op_prepare(in, "console", &c.session, &c.site, &target);
    json_t *args = json_pack("{s:b}", "force", flag_is_set(in, "force"));
    target.args = args;
    if (code == CTL_OK)
        code = talk(&c, &target);
    session_close(c.session);
    writer_clear(&c.writer);
    json_decref(args);
    free(c.why);
    free(c.site);
    return code;
}
