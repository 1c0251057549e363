#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "bus/internal.h"
#include "bus/jetstream.h"
#include "bus/names.h"

struct get_call {
    struct bus_call call;
    char *bucket, *key;
    bus_get_done done;
    void *data;
};

/* A missing bucket is another thing than a missing key: only the key's absence is HM_E_NOT_FOUND.
 */
static void give_error(const struct get_call *get, const struct js_error *error)
{
    struct hm_error err;
    if (error->err_code == JS_NO_MESSAGE)
        hm_fail(&err, HM_E_NOT_FOUND, "%s: no such key", get->call.what);
    else
        hm_fail(&err, HM_E_NATS, "%s: the server says: %s (err_code %d)", get->call.what,
                error->text, error->err_code);
    get->done(get->data, NULL, &err);
}

static void give_entry(const struct get_call *get, const struct js_message *message)
{
    struct bus_entry entry = {.bucket = get->bucket,
                              .key = get->key,
                              .value = message->value,
                              .len = message->len,
                              .revision = message->revision,
                              .stamp_ns = message->stamp_ns,
                              .deleted = message->deleted};
    get->done(get->data, &entry, NULL);
}

static bool is_of_key(const struct js_message *message, const struct get_call *get)
{
    HM_AUTOFREE char *subject = hm_printf("$KV.%s.%s", get->bucket, get->key);
    return !strcmp(message->subject, subject);
}

static void give_answer(const struct get_call *get, const struct call_answer *answer)
{
    struct js_message message;
    struct hm_error err;
    int failed = js_parse_message(answer->data, answer->len, &message, &err);
    if (!failed && !message.error.code && !is_of_key(&message, get))
        failed = hm_fail(&err, HM_E_NATS, "the answer is about another key");
    if (failed) {
        hm_wrap(&err, "%s", get->call.what);
        get->done(get->data, NULL, &err);
    } else if (message.error.code) {
        give_error(get, &message.error);
    } else {
        give_entry(get, &message);
    }
    js_message_free(&message);
}

static void get_answered(struct bus_call *call, const struct call_answer *answer)
{
    struct get_call *get = (struct get_call *)call;
    struct hm_error err;
    if (answer->no_responders) {
        hm_fail(&err, HM_E_NATS, "%s: no JetStream answers", call->what);
        get->done(get->data, NULL, &err);
    } else if (answer->err) {
        get->done(get->data, NULL, answer->err);
    } else {
        give_answer(get, answer);
    }
    free(get->bucket);
    free(get->key);
    free(get);
}

void bus_get(struct bus *bus, const char *bucket, const char *key, int64_t timeout_ms,
             bus_get_done done, void *data)
{
    struct hm_error err;
    struct get_call *get = hm_alloc(sizeof *get);
    get->call.answered = get_answered;
    get->done = done;
    get->data = data;
    bool refused = bus_check_bucket(bucket, &err) < 0 || bus_check_key(key, &err) < 0;
    get->bucket = hm_strdup(refused ? "" : bucket);
    get->key = hm_strdup(refused ? "" : key);
    HM_AUTOFREE char *subject = hm_printf("$JS.API.STREAM.MSG.GET.KV_%s", get->bucket);
    HM_AUTOFREE char *body = refused ? hm_strdup("") : js_get_request(bucket, key);
    call_start_api(bus, &get->call, hm_printf("get %s/%s", get->bucket, get->key), subject, body,
                   timeout_ms, refused ? &err : NULL);
}
