#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "bus/internal.h"
#include "bus/jetstream.h"
#include "bus/names.h"

struct put_call {
    struct bus_call call;
    char *bucket;
    bool refused; /* by us: never sent */
    bus_put_done done;
    void *data;
};

static void read_ack(const struct put_call *put, const struct js_ack *ack,
                     struct bus_put_result *ret)
{
    ret->revision = ack->revision;
    ret->err_code = ack->error.err_code;
    if (!ack->error.code) {
        ret->outcome = ack->duplicate ? BUS_PUT_DUPLICATE : BUS_PUT_STORED;
    } else if (ack->error.err_code == JS_WRONG_LAST_SEQUENCE) {
        ret->outcome = BUS_PUT_CONFLICT;
        hm_fail(&ret->error, HM_E_CONFLICT, "%s: another revision is there (%s)", put->call.what,
                ack->error.text);
    } else {
        ret->outcome = BUS_PUT_REFUSED;
        hm_fail(&ret->error, HM_E_REFUSED, "%s: the server refused it: %s (err_code %d)",
                put->call.what, ack->error.text, ack->error.err_code);
    }
}

/* Not sent, or certainly not stored: that is known. Everything else without an answer is not. */
static bool is_known_refusal(const struct put_call *put, const struct call_answer *answer)
{
    return put->refused || answer->no_responders || answer->err->code == HM_E_TOO_LARGE ||
           answer->err->code == HM_E_BUSY;
}

static void put_answered(struct bus_call *call, const struct call_answer *answer)
{
    struct put_call *put = (struct put_call *)call;
    struct bus_put_result result = {.outcome = BUS_PUT_UNKNOWN};
    struct js_ack ack;
    if (answer->err) {
        result.error = *answer->err;
        if (is_known_refusal(put, answer))
            result.outcome = BUS_PUT_REFUSED;
    } else if (js_parse_ack(put->bucket, answer->data, answer->len, &ack, &result.error) < 0) {
        hm_wrap(&result.error, "%s", call->what);
    } else {
        read_ack(put, &ack, &result);
    }
    put->done(put->data, &result);
    free(put->bucket);
    free(put);
}

static int check_put(const struct bus_put *put, struct hm_error *err)
{
    int failed = bus_check_bucket(put->bucket, err);
    if (!failed)
        failed = bus_check_key(put->key, err);
    if (!failed && put->msg_id && !bus_is_header_value(put->msg_id))
        failed = hm_fail(err, HM_E_INVALID, "put %s/%s: the message id isn't printable ASCII",
                         put->bucket, put->key);
    if (!failed && !put->is_delete && put->len > BUS_VALUE_MAX)
        failed = hm_fail(err, HM_E_TOO_LARGE, "put %s/%s: %zu bytes, at most %d are allowed",
                         put->bucket, put->key, put->len, BUS_VALUE_MAX);
    return failed;
}

void bus_put(struct bus *bus, const struct bus_put *put, bus_put_done done, void *data)
{
    struct hm_error err;
    struct put_call *mine = hm_alloc(sizeof *mine);
    mine->call.answered = put_answered;
    mine->bucket = hm_strdup(put->bucket ? put->bucket : "");
    mine->done = done;
    mine->data = data;
    mine->refused = check_put(put, &err) < 0;
    char *what =
        hm_printf("put %s/%s", mine->refused ? "" : mine->bucket, mine->refused ? "" : put->key);
    char expected[24];
    snprintf(expected, sizeof expected, "%" PRId64, put->expect_revision);
    HM_AUTOFREE char *subject = hm_printf("$KV.%s.%s", mine->bucket, put->key ? put->key : "");
    const struct bus_message message = {
        .subject = subject,
        .data = put->value,
        .len = put->is_delete ? 0 : put->len,
        .headers = {{"Nats-Expected-Last-Subject-Sequence",
                     put->expect_revision == BUS_ANY_REVISION ? NULL : expected},
                    {"Nats-Msg-Id", put->msg_id},
                    {"KV-Operation", put->is_delete ? "DEL" : NULL}}};
    call_start(bus, &mine->call, what, &message, put->timeout_ms, mine->refused ? &err : NULL);
}
