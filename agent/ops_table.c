/* Who carries out which operation. */
#include <string.h>
#include <unistd.h>

#include "agent/op.h"
#include "base/alloc.h"

/* -- On a thing: its backend does it ---------------------------------------------------------- */

static void on_progress(void *arg, int percent, const char *text)
{
    op_progress(arg, percent, text);
}

static void begin_stream(struct op *op, struct driver_result *result)
{
    const json_t *args = op_request(op)->args;
    int fd = result->fd;
    result->fd = -1;
    if (result->path)
        op_stream_file(op, &(struct op_file){.path = result->path,
                                             .follow = spec_bool(args, "follow"),
                                             .from = result->from,
                                             .back = result->back,
                                             .tail_lines = spec_int(args, "tail", -1),
                                             .input = fd});
    else
        op_stream_fd(op, fd);
}

static void on_done(void *arg, struct driver_result *result, const struct hm_error *err)
{
    struct op *op = arg;
    if (op_is_over(op))
        return;
    if (err)
        op_fail(op, err);
    else if (op_request(op)->op->streams)
        begin_stream(op, result);
    else
        op_finish(op, json_incref(result->value));
}

static void on_ended(void *arg)
{
    op_release(arg);
}

static void begin_on_thing(struct op *op)
{
    const struct operation_request *q = op_request(op);
    struct hm_error err;
    struct operate_request operate = {
        .operation = q->op,
        .kind = q->kind,
        .name = q->name,
        .args = q->args,
        .timeout_ms = q->deadline_ms,
        .progress = on_progress,
        .done = on_done,
        .ended = on_ended,
        .arg = op,
    };
    op_hold(op);
    if (reconciler_operate(op_site(op)->reconciler, &operate, &err) >= 0)
        return;
    op_fail(op, &err);
    op_release(op);
}

/* -- On the site ------------------------------------------------------------------------------ */

static void begin_metrics(struct op *op)
{
    const struct metrics *metrics = op_site(op)->metrics;
    json_t *top = metrics ? metrics_top(metrics) : NULL;
    struct hm_error err;
    if (top) {
        op_finish(op, top);
        return;
    }
    hm_fail(&err, HM_E_BUSY, "nothing was measured yet; try again in some seconds");
    op_fail(op, &err);
}

/* -- The table -------------------------------------------------------------------------------- */

/* Of the operations on the site; all others are done to a thing. */
static const struct {
    const char *operation;
    op_begin begin;
} site_handlers[] = {
    {"check", op_begin_check},
    {"metrics", begin_metrics},
};

op_begin op_handler(const struct operation *operation)
{
    for (size_t i = 0; i < HM_COUNT(site_handlers); i++)
        if (!strcmp(site_handlers[i].operation, operation->name))
            return site_handlers[i].begin;
    return begin_on_thing;
}
