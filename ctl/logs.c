#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "ctl/op_call.h"
#include "ctl/run.h"
#include "ctl/writer.h"

/* Reading a log: bytes from the talk to stdout, which decides how fast. */
struct reading {
    struct invocation *in;
    struct session *session;
    struct op_talk *talk;
    struct writer writer;
    uv_signal_t interrupt, terminate;
    bool clean; /* stdout is a terminal: the guest must not command it */
    unsigned char before;
    bool ended; /* the talk has */
    bool interrupted;
    enum ctl_exit code;
};

/* Colours and cursor movements of the guest become '?'; lines stay lines. In place. C1 controls are two
 * bytes in UTF-8, the first of which may have come before. */
static size_t clean_bytes(struct reading *r, char *bytes, size_t len)
{
    size_t kept = 0;
    for (size_t i = 0; i < len; i++) {
        unsigned char c = (unsigned char)bytes[i];
        bool c1 = r->before == 0xc2 && c >= 0x80 && c < 0xa0;
        bool control = (c < 0x20 && c != '\n' && c != '\t') || c == 0x7f;
        r->before = c;
        if (c != '\r')
            bytes[kept++] = c1 || control ? '?' : (char)c;
    }
    return kept;
}

static void stop_if_done(struct reading *r)
{
    if (r->ended && (r->interrupted || writer_is_idle(&r->writer)))
        session_stop(r->session);
}

static void on_written(void *data, size_t len)
{
    struct reading *r = data;
    if (r->writer.failed && !r->ended) {
        fprintf(r->in->err, "the output could not be written\n");
        r->code = CTL_FAILED;
        op_talk_close(r->talk);
    } else if (!r->ended) {
        op_talk_consumed(r->talk, len);
    }
    stop_if_done(r);
}

/* What is taken out of the text is dealt with at once. */
static void on_data(void *data, const char *bytes, size_t len)
{
    struct reading *r = data;
    HM_AUTOFREE char *copy = hm_memdup(bytes, len);
    size_t kept = r->clean ? clean_bytes(r, copy, len) : len;
    writer_add(&r->writer, copy, kept);
    op_talk_consumed(r->talk, len - kept);
}

static void on_end(void *data, const json_t *result, const struct hm_error *err)
{
    struct reading *r = data;
    (void)result;
    r->ended = true;
    if (err && !r->interrupted)
        r->code = report_error(r->in, err);
    stop_if_done(r);
}

/* The second time nobody waits for the agent's word. */
static void on_signal(uv_signal_t *handle, int number)
{
    struct reading *r = handle->data;
    (void)number;
    if (r->interrupted)
        exit(CTL_OK);
    r->interrupted = true;
    op_talk_close(r->talk);
}

static void listen_for(struct reading *r, uv_signal_t *handle, int number)
{
    uv_signal_init(session_loop(r->session), handle);
    handle->data = r;
    uv_signal_start(handle, on_signal, number);
    uv_unref((uv_handle_t *)handle);
}

static enum ctl_exit read_log(struct reading *r, const struct op_target *target)
{
    const struct op_events events = {.data = on_data, .end = on_end};
    struct hm_error err;
    fflush(r->in->out);
    writer_init(&r->writer, session_loop(r->session), fileno(r->in->out), on_written, r);
    if (op_talk_begin(r->session, target, &events, r, &r->talk, &err) < 0) {
        report_error(r->in, &err);
        return CTL_USAGE;
    }
    listen_for(r, &r->interrupt, SIGINT);
    listen_for(r, &r->terminate, SIGTERM);
    session_run(r->session);
    if (!writer_is_idle(&r->writer)) /* a reader that takes nothing, and nobody waits for it */
        exit((int)r->code);
    uv_close((uv_handle_t *)&r->interrupt, NULL);
    uv_close((uv_handle_t *)&r->terminate, NULL);
    op_talk_free(r->talk);
    return r->code;
}

static int log_args(const struct invocation *in, json_t **ret, struct hm_error *err)
{
    const char *tail = flag_value(in, "tail");
    char *end = NULL;
    errno = 0;
    long long lines = tail ? strtoll(tail, &end, 10) : 0;
    if (tail && (errno || end == tail || *end || lines < 0))
        return hm_fail(err, HM_E_INVALID, "--tail takes a number of lines, not \"%.40s\"", tail);
    *ret = json_pack("{s:b}", "follow", flag_is_set(in, "follow"));
    if (tail)
        json_object_set_new(*ret, "tail", json_integer(lines));
    if (flag_value(in, "since"))
        json_object_set_new(*ret, "since", json_string(flag_value(in, "since")));
    return 0;
}

enum ctl_exit run_logs(struct invocation *in)
{
    struct reading r = {.in = in};
    struct op_target target;
    struct hm_error err;
    char *site = NULL;
    json_t *args = NULL;
    if (log_args(in, &args, &err) < 0) {
        report_error(in, &err);
        return CTL_USAGE;
    }
    enum ctl_exit code = op_prepare(in, "logs", &r.session, &site, &target);
    target.args = args;
    r.clean = isatty(fileno(in->out)) == 1;
    if (code == CTL_OK)
        code = read_log(&r, &target);
    session_close(r.session);
    writer_clear(&r.writer);
    json_decref(args);
    free(site);
    return code;
}
