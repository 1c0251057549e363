#include "bus/jetstream.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "bus/decode.h"
#include "proto/text.h"

static void release_json(json_t **json)
{
    json_decref(*json);
}
#define AUTO_JSON __attribute__((cleanup(release_json))) json_t

static int parse_object(const void *data, size_t len, json_t **ret, struct hm_error *err)
{
    if (len > JS_ANSWER_MAX)
        return hm_fail(err, HM_E_TOO_LARGE, "the server's answer has %zu bytes, more than %d", len,
                       JS_ANSWER_MAX);
    json_error_t where = {0};
    json_t *root = json_loadb(data, len, JSON_REJECT_DUPLICATES, &where);
    if (json_is_object(root)) {
        *ret = root;
        return 0;
    }
    json_decref(root);
    char cited[JSON_ERROR_TEXT_LENGTH];
    text_clean(root ? "not an object" : where.text, cited, sizeof cited);
    return hm_fail(err, HM_E_NATS, "the server's answer is not a JSON object: %s", cited);
}

static int64_t int_of(const json_t *object, const char *name, int64_t fallback)
{
    const json_t *value = json_object_get(object, name);
    return json_is_integer(value) ? json_integer_value(value) : fallback;
}

static uint64_t count_of(const json_t *object, const char *name)
{
    int64_t value = int_of(object, name, 0);
    return value < 0 ? 0 : (uint64_t)value;
}

static int small_int_of(const json_t *object, const char *name)
{
    int64_t value = int_of(object, name, 0);
    return value < INT32_MIN || value > INT32_MAX ? 0 : (int)value;
}

static const char *string_of(const json_t *object, const char *name)
{
    const json_t *value = json_object_get(object, name);
    return json_is_string(value) ? json_string_value(value) : "";
}

static bool flag_of(const json_t *object, const char *name)
{
    return json_is_true(json_object_get(object, name));
}

/* Returns true when the answer is an error of the server's. */
static bool read_error(const json_t *root, struct js_error *ret)
{
    const json_t *error = json_object_get(root, "error");
    *ret = (struct js_error){0};
    if (!error)
        return false;
    ret->code = small_int_of(error, "code");
    ret->err_code = small_int_of(error, "err_code");
    if (!ret->code)
        ret->code = 500; /* an error without a code is one all the same */
    text_clean(string_of(error, "description"), ret->text, sizeof ret->text);
    return true;
}

/* "wrong last sequence: 42" */
static uint64_t sequence_in(const char *text)
{
    const char *colon = strrchr(text, ':');
    uint64_t sequence = colon ? strtoull(colon + 1, NULL, 10) : 0;
    return sequence <= INT64_MAX ? sequence : 0;
}

static bool is_stream_of(const char *stream, const char *bucket)
{
    return !strncmp(stream, "KV_", 3) && !strcmp(stream + 3, bucket);
}

int js_parse_ack(const char *bucket, const void *data, size_t len, struct js_ack *ret,
                 struct hm_error *err)
{
    AUTO_JSON *root = NULL;
    *ret = (struct js_ack){0};
    int failed = parse_object(data, len, &root, err);
    if (failed)
        return failed;
    if (read_error(root, &ret->error)) {
        if (ret->error.err_code == JS_WRONG_LAST_SEQUENCE)
            ret->revision = sequence_in(ret->error.text);
        return 0;
    }
    ret->revision = count_of(root, "seq");
    ret->duplicate = flag_of(root, "duplicate");
    if (!ret->revision || !is_stream_of(string_of(root, "stream"), bucket))
        return hm_fail(err, HM_E_NATS, "the answer is not an acknowledgement by stream KV_%s",
                       bucket);
    return 0;
}

bool js_is_delete(const char *kv_operation)
{
    return kv_operation && (!strcmp(kv_operation, "DEL") || !strcmp(kv_operation, "PURGE"));
}

static int read_headers(const char *base64, struct js_message *ret, struct hm_error *err)
{
    size_t len;
    HM_AUTOFREE char *block = bus_base64(base64, &len);
    if (!block)
        return hm_fail(err, HM_E_NATS, "the stored message's headers are not base64");
    char value[64];
    ret->deleted =
        (bus_header_in_block(block, "KV-Operation", value, sizeof value) && js_is_delete(value)) ||
        bus_header_in_block(block, "Nats-Marker-Reason", value, sizeof value);
    return 0;
}

static int read_message(const json_t *message, struct js_message *ret, struct hm_error *err)
{
    ret->revision = count_of(message, "seq");
    if (!ret->revision || !bus_parse_stamp(string_of(message, "time"), &ret->stamp_ns))
        return hm_fail(err, HM_E_NATS, "the stored message has no sequence or stamp");
    if (read_headers(string_of(message, "hdrs"), ret, err) < 0)
        return -HM_E_NATS;
    ret->value = bus_base64(string_of(message, "data"), &ret->len);
    if (!ret->value)
        return hm_fail(err, HM_E_NATS, "the stored message's data are not base64");
    ret->subject = hm_strdup(string_of(message, "subject"));
    return 0;
}

int js_parse_message(const void *data, size_t len, struct js_message *ret, struct hm_error *err)
{
    AUTO_JSON *root = NULL;
    *ret = (struct js_message){0};
    int failed = parse_object(data, len, &root, err);
    if (failed)
        return failed;
    if (read_error(root, &ret->error))
        return 0;
    return read_message(json_object_get(root, "message"), ret, err);
}

void js_message_free(struct js_message *message)
{
    free(message->subject);
    free(message->value);
    *message = (struct js_message){0};
}

static void read_stream_config(const json_t *config, struct bus_bucket *ret)
{
    ret->file_storage = !strcmp(string_of(config, "storage"), "file");
    ret->deny_purge = flag_of(config, "deny_purge");
    ret->allow_rollup = flag_of(config, "allow_rollup_hdrs");
    ret->allow_direct = flag_of(config, "allow_direct");
    ret->is_mirror = json_is_object(json_object_get(config, "mirror"));
    ret->history = small_int_of(config, "max_msgs_per_subject");
    ret->replicas = small_int_of(config, "num_replicas");
    ret->max_age_ns = int_of(config, "max_age", 0);
    ret->max_value = int_of(config, "max_msg_size", -1);
}

static void read_stream_state(const json_t *root, struct bus_bucket *ret)
{
    const json_t *state = json_object_get(root, "state");
    ret->messages = count_of(state, "messages");
    ret->first_revision = count_of(state, "first_seq");
    ret->last_revision = count_of(state, "last_seq");
    snprintf(ret->leader, sizeof ret->leader, "%s",
             string_of(json_object_get(root, "cluster"), "leader"));
}

int js_parse_stream(const void *data, size_t len, struct bus_bucket *ret,
                    struct js_error *ret_error, struct hm_error *err)
{
    AUTO_JSON *root = NULL;
    *ret = (struct bus_bucket){0};
    *ret_error = (struct js_error){0};
    int failed = parse_object(data, len, &root, err);
    if (failed)
        return failed;
    if (read_error(root, ret_error))
        return 0;
    const json_t *config = json_object_get(root, "config");
    if (!json_is_object(config) || !json_is_object(json_object_get(root, "state")) ||
        !bus_parse_stamp(string_of(root, "created"), &ret->created_ns))
        return hm_fail(err, HM_E_NATS, "the answer doesn't describe a stream");
    read_stream_config(config, ret);
    read_stream_state(root, ret);
    ret->exists = true;
    return 0;
}

int js_parse_consumer(const void *data, size_t len, struct js_consumer *ret, struct hm_error *err)
{
    AUTO_JSON *root = NULL;
    *ret = (struct js_consumer){0};
    int failed = parse_object(data, len, &root, err);
    if (failed)
        return failed;
    if (read_error(root, &ret->error))
        return 0;
    if (!*string_of(root, "name"))
        return hm_fail(err, HM_E_NATS, "the answer doesn't describe a consumer");
    ret->pending = count_of(root, "num_pending");
    return 0;
}

static char *dump(json_t *object)
{
    char *text = json_dumps(object, JSON_COMPACT);
    if (!text)
        abort(); /* out of memory: names were checked to be ASCII */
    json_decref(object);
    return text;
}

char *js_get_request(const char *bucket, const char *key)
{
    HM_AUTOFREE char *subject = hm_printf("$KV.%s.%s", bucket, key);
    return dump(json_pack("{s:s}", "last_by_subj", subject));
}

enum { MS_NS = 1000000 };
static const json_int_t DUPLICATE_WINDOW_NS = 120LL * 1000 * MS_NS;

/* The settings of NATS ADR-8, but for what the recorder forbids. */
char *js_create_stream_request(const struct bus_bucket_config *config)
{
    HM_AUTOFREE char *name = hm_printf("KV_%s", config->bucket);
    HM_AUTOFREE char *subjects = hm_printf("$KV.%s.>", config->bucket);
    return dump(json_pack(
        "{s:s, s:[s], s:s, s:s, s:s, s:i, s:i, s:i, s:i, s:I, s:I, s:i, s:I, s:b, s:b, s:b, s:b}",
        "name", name, "subjects", subjects, "retention", "limits", "storage", "file", "discard",
        "new", "max_consumers", -1, "max_msgs", -1, "max_bytes", -1, "max_age", 0, "max_msg_size",
        (json_int_t)config->max_value, "max_msgs_per_subject", (json_int_t)config->history,
        "num_replicas", config->replicas, "duplicate_window", DUPLICATE_WINDOW_NS, "deny_delete", 1,
        "deny_purge", config->recorder, "allow_rollup_hdrs", !config->recorder, "allow_direct",
        !config->recorder));
}

/* Ephemeral: the server forgets it this long after our connection is gone. */
static const json_int_t INACTIVE_NS = 10LL * 1000 * MS_NS;

char *js_create_consumer_request(const struct js_watch_request *watch)
{
    HM_AUTOFREE char *stream = hm_printf("KV_%s", watch->bucket);
    HM_AUTOFREE char *filter = hm_printf("$KV.%s.%s", watch->bucket, watch->filter);
    json_t *config =
        json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:b, s:I, s:b, s:i, s:i, s:I}", "name",
                  watch->consumer, "deliver_subject", watch->deliver_to, "deliver_policy",
                  watch->history ? "all" : "last_per_subject", "ack_policy", "none",
                  "replay_policy", "instant", "filter_subject", filter, "flow_control", 1,
                  "idle_heartbeat", (json_int_t)watch->idle_heartbeat_ms * MS_NS, "mem_storage", 1,
                  "num_replicas", 1, "max_deliver", 1, "inactive_threshold", INACTIVE_NS);
    return dump(json_pack("{s:s, s:o}", "stream_name", stream, "config", config));
}
