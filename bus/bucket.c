#include <stdlib.h>

#include "base/alloc.h"
#include "bus/internal.h"
#include "bus/jetstream.h"
#include "bus/names.h"

/* -- Info ------------------------------------------------------------------------------------- */

struct info_call {
    struct bus_call call;
    bus_bucket_done done;
    void *data;
};

static int read_info(const struct bus_call *call, const struct call_answer *answer,
                     struct bus_bucket *ret, struct hm_error *err)
{
    struct js_error error;
    if (answer->err) {
        *err = *answer->err;
        return answer->no_responders
                   ? hm_fail(err, HM_E_NATS, "%s: no JetStream answers", call->what)
                   : -(int)err->code;
    }
    if (js_parse_stream(answer->data, answer->len, ret, &error, err) < 0)
        return hm_wrap(err, "%s", call->what);
    if (error.code && error.err_code != JS_STREAM_NOT_FOUND)
        return hm_fail(err, HM_E_NATS, "%s: the server says: %s (err_code %d)", call->what,
                       error.text, error.err_code);
    return 0;
}

static void info_answered(struct bus_call *call, const struct call_answer *answer)
{
    struct info_call *mine = (struct info_call *)call;
    struct bus_bucket info = {0};
    struct hm_error err;
    bool failed = read_info(call, answer, &info, &err) < 0;
    mine->done(mine->data, failed ? NULL : &info, failed ? &err : NULL);
    free(mine);
}

void bus_bucket_info(struct bus *bus, const char *bucket, int64_t timeout_ms, bus_bucket_done done,
                     void *data)
{
    struct hm_error err;
    struct info_call *mine = hm_alloc(sizeof *mine);
    mine->call.answered = info_answered;
    mine->done = done;
    mine->data = data;
    bool refused = bus_check_bucket(bucket, &err) < 0;
    HM_AUTOFREE char *subject = hm_printf("$JS.API.STREAM.INFO.KV_%s", refused ? "" : bucket);
    call_start_api(bus, &mine->call, hm_printf("bucket %s", refused ? "" : bucket), subject, "",
                   timeout_ms, refused ? &err : NULL);
}

/* -- Creation --------------------------------------------------------------------------------- */

struct create_call {
    struct bus_call call;
    bus_done done;
    void *data;
};

static int read_creation(const struct bus_call *call, const struct call_answer *answer,
                         struct hm_error *err)
{
    struct bus_bucket info;
    struct js_error error;
    if (answer->err) {
        *err = *answer->err;
        return answer->no_responders
                   ? hm_fail(err, HM_E_NATS, "%s: no JetStream answers", call->what)
                   : -(int)err->code;
    }
    if (js_parse_stream(answer->data, answer->len, &info, &error, err) < 0)
        return hm_wrap(err, "%s", call->what);
    if (error.err_code == JS_STREAM_EXISTS)
        return hm_fail(err, HM_E_CONFLICT,
                       "%s: it is there with another configuration, which was left as it is",
                       call->what);
    if (error.code)
        return hm_fail(err, HM_E_REFUSED, "%s: the server refused: %s (err_code %d)", call->what,
                       error.text, error.err_code);
    return 0;
}

static void create_answered(struct bus_call *call, const struct call_answer *answer)
{
    struct create_call *mine = (struct create_call *)call;
    struct hm_error err;
    bool failed = read_creation(call, answer, &err) < 0;
    mine->done(mine->data, failed ? &err : NULL);
    free(mine);
}

void bus_bucket_create(struct bus *bus, const struct bus_bucket_config *config, int64_t timeout_ms,
                       bus_done done, void *data)
{
    struct hm_error err;
    struct create_call *mine = hm_alloc(sizeof *mine);
    mine->call.answered = create_answered;
    mine->done = done;
    mine->data = data;
    bool refused = bus_check_bucket(config->bucket, &err) < 0;
    const char *bucket = refused ? "" : config->bucket;
    HM_AUTOFREE char *subject = hm_printf("$JS.API.STREAM.CREATE.KV_%s", bucket);
    HM_AUTOFREE char *body = refused ? hm_strdup("") : js_create_stream_request(config);
    call_start_api(bus, &mine->call, hm_printf("create bucket %s", bucket), subject, body,
                   timeout_ms, refused ? &err : NULL);
}
