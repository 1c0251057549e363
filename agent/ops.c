#include "agent/ops.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/op.h"
#include "base/alloc.h"
#include "base/clock.h"
#include "base/log.h"

enum { MOST_UNDER_WAY = 64, MOST_STREAMS = 32, LOOK_MS = 1000, LINGER_MS = 60000 };

struct op {
    struct op *next, **place; /* in ops->list; place NULL: over */
    unsigned refs;
    struct ops *owner;       /* NULL: over */
    struct ops *lingers_for; /* over, but its worker is in it and changes things; NULL: no */
    struct operation_request request;
    struct bus_incoming *to;
    char session[OPERATION_SESSION_MAX];
    int64_t began_ns, heard_ns;
    /* Of a stream: */
    const struct op_source *source; /* NULL: none yet, or closed */
    void *source_data;
    uint64_t sent, credit; /* bytes, from the beginning */
    uint64_t taken;        /* bytes of input */
};

struct ops {
    struct ops_options options;
    struct bus_service *requests, *sessions;
    struct op *list;
    unsigned count, streams;
    unsigned changing;  /* of an operation that changes its thing */
    unsigned lingering; /* such ones that were answered, and whose worker has not left them */
    bool draining;
    void (*idle)(void *data); /* NULL: called, or nobody waits */
    void *idle_data;
    uv_timer_t look, linger; /* linger: those have lingered for long enough */
    unsigned users;          /* handles, and what lingers: the last one frees */
};

const struct operation_request *op_request(const struct op *op)
{
    return &op->request;
}

const struct ops_options *op_site(const struct op *op)
{
    return &op->owner->options;
}

/* -- Words ------------------------------------------------------------------------------------ */

static json_t *error_json(const struct hm_error *err)
{
    return json_pack("{s:{s:s, s:s}}", "error", "code", hm_code_name(err->code), "text", err->text);
}

/* `value` is taken over. */
static void say_more(const struct op *op, json_t *value)
{
    HM_AUTOFREE char *text = json_dumps(value, JSON_COMPACT);
    bus_respond_more(op->to, text, strlen(text), NULL);
    json_decref(value);
}

/* The last word; `value` is taken over. What is too large for one message becomes an error. */
static void say_last(struct bus_incoming *to, json_t *value)
{
    struct hm_error err;
    HM_AUTOFREE char *text = json_dumps(value, JSON_COMPACT);
    json_decref(value);
    if (bus_respond(to, text, strlen(text), &err) >= 0)
        return;
    json_t *instead = error_json(&err);
    HM_AUTOFREE char *why = json_dumps(instead, JSON_COMPACT);
    json_decref(instead);
    if (bus_respond(to, why, strlen(why), NULL) < 0)
        bus_respond(to, "", 0, NULL); /* a server that takes not even that: do not let them wait */
}

/* "reboot vm web for anna@hv1" */
static char *what_it_is(const struct operation_request *q)
{
    return hm_printf("%s%s%s%s%s for %s", q->op->name, *q->kind ? " " : "", q->kind,
                     *q->name ? " " : "", q->name, *q->by ? q->by : "someone without a name");
}

/* Every operation leaves this line. */
static void log_end(const struct op *op, const struct hm_error *err)
{
    HM_AUTOFREE char *what = what_it_is(&op->request);
    double seconds = (double)(hm_boottime_ns() - op->began_ns) / 1e9;
    if (err)
        hm_log(HM_LOG_WARN, "ops", "%s: %s after %.1f s: %s", what, hm_code_name(err->code),
               seconds, err->text);
    else if (op->request.op->streams)
        hm_log(HM_LOG_INFO, "ops", "%s: ended after %.1f s, %llu bytes sent, %llu taken", what,
               seconds, (unsigned long long)op->sent, (unsigned long long)op->taken);
    else
        hm_log(HM_LOG_INFO, "ops", "%s: done in %.1f s", what, seconds);
}

/* -- When none changes anything any more ------------------------------------------------------ */

static void tell_idle(struct ops *ops)
{
    void (*idle)(void *data) = ops->idle;
    ops->idle = NULL;
    uv_timer_stop(&ops->linger);
    idle(ops->idle_data);
}

static void on_lingered(uv_timer_t *timer)
{
    struct ops *ops = timer->data;
    hm_log(HM_LOG_WARN, "ops", "the agent restarts though %u late operations have not come back",
           ops->lingering);
    tell_idle(ops);
}

/* What is late is waited for, too, for a while: its worker may be between two VMMs. */
static void tell_if_idle(struct ops *ops)
{
    if (!ops->idle || ops->changing > 0)
        return;
    if (ops->lingering == 0) {
        tell_idle(ops);
    } else if (!uv_is_active((uv_handle_t *)&ops->linger)) {
        uv_update_time(ops->options.loop);
        uv_timer_start(&ops->linger, on_lingered, (uint64_t)ops->options.linger_ms, 0);
    }
}

/* -- The end of one --------------------------------------------------------------------------- */

static void leave(struct ops *ops)
{
    if (--ops->users == 0)
        free(ops);
}

void op_hold(struct op *op)
{
    op->refs++;
}

void op_release(struct op *op)
{
    struct ops *ops = op->lingers_for;
    if (--op->refs)
        return;
    operation_request_clear(&op->request);
    free(op);
    if (!ops)
        return;
    ops->lingering--;
    tell_if_idle(ops);
    leave(ops);
}

bool op_is_over(const struct op *op)
{
    return !op->owner;
}

static void leave_list(struct op *op)
{
    struct ops *ops = op->owner;
    *op->place = op->next;
    if (op->next)
        op->next->place = op->place;
    op->place = NULL;
    op->owner = NULL;
    ops->count--;
    ops->streams -= op->request.op->streams;
    ops->changing -= op->request.op->changes;
    if (!ops->streams)
        uv_timer_stop(&ops->look);
}

/* Who holds it beside the list is the worker that carries it out. */
static void let_linger(struct op *op, struct ops *ops)
{
    if (!op->request.op->changes || op->refs == 1)
        return;
    op->lingers_for = ops;
    ops->lingering++;
    ops->users++;
}

static void end(struct op *op, json_t *last, const struct hm_error *err)
{
    struct ops *ops = op->owner;
    if (op_is_over(op)) {
        json_decref(last);
        return;
    }
    log_end(op, err);
    leave_list(op);
    say_last(op->to, last);
    const struct op_source *source = op->source;
    op->source = NULL;
    if (source)
        source->close(op->source_data);
    let_linger(op, ops);
    op_release(op);
    tell_if_idle(ops);
}

void op_finish(struct op *op, json_t *value)
{
    json_t *last = json_object();
    json_object_set_new(last, "result", value ? value : json_object());
    end(op, last, NULL);
}

void op_fail(struct op *op, const struct hm_error *err)
{
    end(op, error_json(err), err);
}

void op_progress(struct op *op, int percent, const char *text)
{
    json_t *progress = json_pack("{s:s}", "text", text);
    if (!progress) /* not UTF-8 */
        return;
    if (percent >= 0)
        json_object_set_new(progress, "percent", json_integer(percent));
    if (op_is_over(op))
        json_decref(progress);
    else
        say_more(op, json_pack("{s:o}", "progress", progress));
}

/* -- Streams ---------------------------------------------------------------------------------- */

void op_stream(struct op *op, const struct op_source *source, void *data)
{
    if (op_is_over(op)) {
        source->close(data);
        return;
    }
    op->source = source;
    op->source_data = data;
    say_more(op, json_pack("{s:{}}", "begun"));
    source->more(data);
}

size_t op_room(const struct op *op)
{
    uint64_t room = op->credit > op->sent ? op->credit - op->sent : 0;
    return room < OPERATION_FRAME_MAX ? (size_t)room : OPERATION_FRAME_MAX;
}

void op_send(struct op *op, const void *bytes, size_t len)
{
    size_t frame_len;
    HM_AUTOFREE char *frame = operation_frame_bytes(op->sent, bytes, len, &frame_len);
    op->sent += len;
    bus_respond_more(op->to, frame, frame_len, NULL);
}

static void grant(struct op *op, uint64_t credit)
{
    uint64_t most = op->sent + OPERATION_CREDIT_MAX;
    credit = credit < most ? credit : most;
    if (credit <= op->credit)
        return;
    op->credit = credit;
    if (op->source)
        op->source->more(op->source_data);
}

/* Input that does not fit is sent again by who sent it. */
static json_t *take_input(struct op *op, const struct operation_frame *frame)
{
    struct hm_error err;
    if (!op->source || !op->source->input)
        return hm_fail(&err, HM_E_INVALID, "%s takes no input", op->request.op->name),
               error_json(&err);
    if (frame->offset != op->taken)
        return hm_fail(&err, HM_E_CONFLICT, "input is missing: %llu bytes came, not %llu",
                       (unsigned long long)op->taken, (unsigned long long)frame->offset),
               error_json(&err);
    op->taken += op->source->input(op->source_data, frame->data, frame->len);
    return json_pack("{s:I}", "taken", (json_int_t)op->taken);
}

static json_t *take_word(struct op *op, const json_t *word, bool *ret_close)
{
    const json_t *credit = json_object_get(word, "credit");
    *ret_close = json_is_true(json_object_get(word, "close"));
    if (json_is_integer(credit) && json_integer_value(credit) > 0)
        grant(op, (uint64_t)json_integer_value(credit));
    return json_object();
}

/* -- What belongs to one that is under way ---------------------------------------------------- */

static struct op *find_session(const struct ops *ops, const char *operation, const char *session)
{
    for (struct op *op = ops->list; op; op = op->next)
        if (!strcmp(op->session, session) && !strcmp(op->request.op->name, operation))
            return op;
    return NULL;
}

static void serve_session(void *data, struct bus_incoming *to, const char *subject,
                          const void *payload, size_t len)
{
    struct ops *ops = data;
    char operation[DOC_NAME_MAX + 1], session[OPERATION_SESSION_MAX];
    struct hm_error err;
    struct operation_frame frame = {0};
    bool close = false;
    struct op *op = operation_split(subject, ops->options.site, operation, session) && *session
                        ? find_session(ops, operation, session)
                        : NULL;
    if (!op) {
        hm_fail(&err, HM_E_NOT_FOUND, "it is over: %s does not know of it any more",
                ops->options.site);
        say_last(to, error_json(&err));
        return;
    }
    op->heard_ns = hm_boottime_ns();
    op_hold(op);
    if (operation_frame_parse(payload, len, &frame, &err) < 0)
        say_last(to, error_json(&err));
    else
        say_last(to, frame.kind == FRAME_BYTES ? take_input(op, &frame)
                                               : take_word(op, frame.json, &close));
    json_decref(frame.json);
    if (close && op->request.op->streams)
        op_finish(op, NULL);
    op_release(op);
}

/* Who reads a stream and is gone is not told by anybody. */
static void on_look(uv_timer_t *timer)
{
    struct ops *ops = timer->data;
    int64_t limit_ns = hm_boottime_ns() - OPERATION_SILENCE_MS * HM_MS;
    for (struct op *op = ops->list, *next; op; op = next) {
        struct hm_error err;
        next = op->next;
        if (!op->request.op->streams || op->heard_ns > limit_ns)
            continue;
        hm_fail(&err, HM_E_TIMEOUT, "who asked for it has said nothing for %d s",
                OPERATION_SILENCE_MS / 1000);
        op_fail(op, &err);
    }
}

/* -- A request -------------------------------------------------------------------------------- */

static void make_session(char out[OPERATION_SESSION_MAX])
{
    unsigned char random[(OPERATION_SESSION_MAX - 1) / 2];
    if (uv_random(NULL, NULL, random, sizeof random, 0, NULL) != 0)
        abort(); /* a kernel without getrandom(2) */
    for (size_t i = 0; i < sizeof random; i++)
        snprintf(out + 2 * i, 3, "%02x", random[i]);
}

static bool is_refused(const struct ops *ops, const char *name)
{
    for (char *const *r = ops->options.refused; r && *r; r++)
        if (!strcmp(*r, name))
            return true;
    return false;
}

static int check_may_begin(const struct ops *ops, const struct operation *operation,
                           struct hm_error *err)
{
    if (is_refused(ops, operation->name))
        return hm_fail(err, HM_E_REFUSED,
                       "%s does not do %s (operations.refuse in its configuration)",
                       ops->options.site, operation->name);
    if (ops->draining && operation->changes)
        return hm_fail(err, HM_E_BUSY,
                       "the agent of %s restarts as soon as what is under way has ended; try again "
                       "in a moment",
                       ops->options.site);
    if (ops->count >= MOST_UNDER_WAY)
        return hm_fail(err, HM_E_BUSY, "%d operations are under way on %s already", MOST_UNDER_WAY,
                       ops->options.site);
    if (operation->streams && ops->streams >= MOST_STREAMS)
        return hm_fail(err, HM_E_BUSY, "%d streams are open on %s already", MOST_STREAMS,
                       ops->options.site);
    return 0;
}

/* The request is taken over. */
static void begin(struct ops *ops, struct bus_incoming *to, const struct operation_request *request)
{
    struct op *op = hm_alloc(sizeof *op);
    *op = (struct op){.refs = 1, .owner = ops, .request = *request, .to = to};
    op->began_ns = op->heard_ns = hm_boottime_ns();
    op->credit = (uint64_t)request->credit;
    make_session(op->session);
    op->place = &ops->list;
    op->next = ops->list;
    if (op->next)
        op->next->place = &op->next;
    ops->list = op;
    ops->count++;
    ops->streams += request->op->streams;
    ops->changing += request->op->changes;
    if (request->op->streams) {
        HM_AUTOFREE char *what = what_it_is(request);
        hm_log(HM_LOG_INFO, "ops", "%s: begun", what);
        uv_timer_start(&ops->look, on_look, LOOK_MS, LOOK_MS);
    }
    say_more(op, json_pack("{s:{s:s}}", "accepted", "session", op->session));
    op_handler(request->op)(op);
}

static void refuse(struct bus_incoming *to, const char *operation, const struct hm_error *err)
{
    hm_log(HM_LOG_WARN, "ops", "%.63s was asked for and not begun: %s", operation, err->text);
    say_last(to, error_json(err));
}

static void serve_request(void *data, struct bus_incoming *to, const char *subject,
                          const void *payload, size_t len)
{
    struct ops *ops = data;
    char name[DOC_NAME_MAX + 1] = "", session[OPERATION_SESSION_MAX];
    const struct operation *operation;
    struct operation_request request;
    struct hm_error err;
    int r = operation_split(subject, ops->options.site, name, session)
                ? operation_find(name, &operation, &err)
                : hm_fail(&err, HM_E_INVALID, "the subject names no operation");
    if (r >= 0)
        r = check_may_begin(ops, operation, &err);
    if (r >= 0)
        r = operation_parse(operation, payload, len, &request, &err);
    if (r < 0)
        refuse(to, name, &err);
    else
        begin(ops, to, &request);
}

/* -- Life ------------------------------------------------------------------------------------- */

struct ops *ops_new(const struct ops_options *options)
{
    struct ops *ops = hm_alloc(sizeof *ops);
    ops->options = *options;
    if (!ops->options.linger_ms)
        ops->options.linger_ms = LINGER_MS;
    uv_timer_init(options->loop, &ops->look);
    uv_timer_init(options->loop, &ops->linger);
    ops->look.data = ops->linger.data = ops;
    ops->users = 2;
    HM_AUTOFREE char *requests = operation_subject(options->site, "*", NULL);
    HM_AUTOFREE char *sessions = operation_subject(options->site, "*", "*");
    ops->requests = bus_serve(options->bus, requests, serve_request, ops);
    ops->sessions = bus_serve(options->bus, sessions, serve_session, ops);
    return ops;
}

static void end_all(struct ops *ops, bool streams_only, const struct hm_error *err)
{
    for (struct op *op = ops->list, *next; op; op = next) {
        next = op->next;
        if (op->request.op->streams || !streams_only)
            op_fail(op, err);
    }
}

void ops_drain(struct ops *ops, void (*idle)(void *data), void *data)
{
    ops->draining = true;
    ops->idle = idle;
    ops->idle_data = data;
    if (ops->changing + ops->lingering > 0)
        hm_log(HM_LOG_INFO, "ops", "the agent restarts when what is under way has ended: %u",
               ops->changing + ops->lingering);
    tell_if_idle(ops);
}

void ops_let_in(struct ops *ops)
{
    ops->draining = false;
    ops->idle = NULL;
    uv_timer_stop(&ops->linger);
}

void ops_disconnected(struct ops *ops)
{
    struct hm_error err;
    hm_fail(&err, HM_E_CONNECTION, "%s lost its connection to NATS", ops->options.site);
    end_all(ops, true, &err);
}

static void on_closed(uv_handle_t *handle)
{
    leave(handle->data);
}

void ops_free(struct ops *ops)
{
    struct hm_error err;
    if (!ops)
        return;
    ops->idle = NULL;
    hm_fail(&err, HM_E_CANCELLED, "the agent of %s is ending", ops->options.site);
    end_all(ops, false, &err);
    bus_service_stop(ops->requests);
    bus_service_stop(ops->sessions);
    uv_close((uv_handle_t *)&ops->look, on_closed);
    uv_close((uv_handle_t *)&ops->linger, on_closed);
}
