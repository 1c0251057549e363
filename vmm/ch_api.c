#include <stdlib.h>

#include "base/alloc.h"
#include "vmm/ch.h"

static int call(struct ch *ch, struct ch_call *c, struct hm_error *err)
{
    int r = ch_need_loop(ch, err);
    if (r < 0)
        return r;
    ch_http_calls(ch->http, c, 1);
    return c->result < 0 ? hm_fail(err, c->err.code, "%s", c->err.text) : 0;
}

int ch_put(struct ch *ch, const char *vm, const char *socket, const char *what, const char *name,
           json_t *body, int64_t timeout_ms, struct hm_error *err)
{
    HM_AUTOFREE char *text = body ? json_dumps(body, JSON_COMPACT) : NULL;
    HM_AUTOFREE char *context = hm_printf("vm %s: %s", vm, what);
    struct ch_call c = {
        .socket = socket, .method = "PUT", .name = name, .body = text, .timeout_ms = timeout_ms};
    json_decref(body);
    int r = call(ch, &c, err);
    if (r < 0)
        hm_wrap(err, "%s", context);
    else
        r = ch_reply_check(context, c.status, c.text, c.len, err);
    free(c.text);
    return r;
}

int ch_ask_info_for(struct ch *ch, const char *vm, const char *socket, int64_t timeout_ms,
                    struct ch_info *ret, struct hm_error *err)
{
    HM_AUTOFREE char *context = hm_printf("vm %s: ask for its state", vm);
    struct ch_call c = {
        .socket = socket, .method = "GET", .name = "vm.info", .timeout_ms = timeout_ms};
    int r = call(ch, &c, err);
    if (r < 0)
        hm_wrap(err, "%s", context);
    else
        r = ch_info_parse(context, c.status, c.text, c.len, ret, err);
    free(c.text);
    return r;
}

int ch_ask_info(struct ch *ch, const char *vm, const char *socket, struct ch_info *ret,
                struct hm_error *err)
{
    return ch_ask_info_for(ch, vm, socket, CH_ANSWER_MS, ret, err);
}

int ch_ping(struct ch *ch, const char *vm, const char *socket, struct ch_version *ret,
            struct hm_error *err)
{
    HM_AUTOFREE char *context = hm_printf("vm %s: ask its VMM whether it is up", vm);
    struct ch_call c = {
        .socket = socket, .method = "GET", .name = "vmm.ping", .timeout_ms = CH_ANSWER_MS};
    int r = call(ch, &c, err);
    if (r >= 0)
        r = ch_reply_check(context, c.status, c.text, c.len, err);
    if (r >= 0)
        r = ch_ping_parse(c.text, c.len, ret, err);
    free(c.text);
    return r;
}
