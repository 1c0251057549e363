/*
 * What a NATS server answers: acknowledgements, stored messages, streams, consumers, acknowledgement
 * subjects, its greeting. Nothing may crash; success means the promised shape; failure a sentence.
 */
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "bus/decode.h"
#include "bus/jetstream.h"
#include "bus/names.h"
#include "bus/server_version.h"
#include "proto/text.h"
#include "tests/fuzz/check.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_error(const struct js_error *error)
{
    FUZZ_REQUIRE(error->code || (!error->err_code && !error->text[0]));
    FUZZ_REQUIRE(!text_has_control(error->text));
}

static void parse_ack(const char *text, size_t len)
{
    struct js_ack ack;
    struct hm_error err;
    int rc = js_parse_ack("b", text, len, &ack, &err);
    if (rc < 0) {
        fuzz_require_sentence(rc, &err);
        return;
    }
    check_error(&ack.error);
    FUZZ_REQUIRE(ack.error.code || ack.revision > 0);
    FUZZ_REQUIRE(ack.revision <= INT64_MAX);
}

static void parse_message(const char *text, size_t len)
{
    struct js_message message;
    struct hm_error err;
    int rc = js_parse_message(text, len, &message, &err);
    if (rc < 0) {
        fuzz_require_sentence(rc, &err);
    } else {
        check_error(&message.error);
        FUZZ_REQUIRE(message.error.code || (message.revision > 0 && message.subject));
        FUZZ_REQUIRE(!message.value || message.value[message.len] == '\0');
    }
    js_message_free(&message);
}

static void parse_stream(const char *text, size_t len)
{
    struct bus_bucket bucket;
    struct js_error error;
    struct hm_error err;
    int rc = js_parse_stream(text, len, &bucket, &error, &err);
    if (rc < 0)
        fuzz_require_sentence(rc, &err);
    else
        check_error(&error);
    FUZZ_REQUIRE(rc == 0 || !bucket.exists);
}

static void parse_consumer(const char *text, size_t len)
{
    struct js_consumer consumer;
    struct hm_error err;
    int rc = js_parse_consumer(text, len, &consumer, &err);
    if (rc < 0)
        fuzz_require_sentence(rc, &err);
    else
        check_error(&consumer.error);
}

static bool is_stamp(int64_t ns)
{
    return ns >= 0 && ns < HM_TIME_END_NS;
}

static void parse_texts(const char *text)
{
    struct bus_delivery delivery;
    struct hm_error err;
    int64_t stamp;
    size_t len;
    char value[32];
    if (bus_parse_delivery(text, &delivery))
        FUZZ_REQUIRE(is_stamp(delivery.stamp_ns) && delivery.stream_seq <= INT64_MAX);
    FUZZ_REQUIRE(!bus_parse_stamp(text, &stamp) || is_stamp(stamp));
    bus_header_in_block(text, "KV-Operation", value, sizeof value);
    HM_AUTOFREE char *bytes = bus_base64(text, &len);
    FUZZ_REQUIRE(!bytes || (len <= strlen(text) && bytes[len] == '\0'));
    int rc = bus_check_key(text, &err);
    if (rc < 0)
        fuzz_require_sentence(rc, &err);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    int version[3];
    HM_AUTOFREE char *text = hm_memdup(data, size);
    parse_ack(text, size);
    parse_message(text, size);
    parse_stream(text, size);
    parse_consumer(text, size);
    parse_texts(text);
    bus_parse_server_version(text, size, version);
    return 0;
}
