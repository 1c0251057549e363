/*
 * What arrives for an operation: a request (its first byte chooses the operation), and a message of a
 * stream. Refused with a clean sentence, or within its limits.
 */
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "proto/operation.h"
#include "proto/text.h"
#include "tests/fuzz/check.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_request(const struct operation_request *q)
{
    FUZZ_REQUIRE(!q->op->kinds == !*q->kind && !*q->kind == !*q->name);
    FUZZ_REQUIRE(!q->op->kinds || (operation_takes(q->op, q->kind) && name_is_valid(q->name)));
    FUZZ_REQUIRE(json_is_object(q->args));
    FUZZ_REQUIRE(q->deadline_ms > 0 && q->deadline_ms <= OPERATION_DEADLINE_MAX_MS);
    FUZZ_REQUIRE(q->credit > 0 && q->credit <= OPERATION_CREDIT_MAX);
    FUZZ_REQUIRE(!text_has_control(q->by));
}

static void parse_request(const struct operation *op, const char *text, size_t len)
{
    struct operation_request q;
    struct hm_error err;
    int rc = operation_parse(op, text, len, &q, &err);
    if (rc < 0) {
        fuzz_require_sentence(rc, &err);
        return;
    }
    check_request(&q);
    operation_request_clear(&q);
}

static void parse_frame(const char *text, size_t len)
{
    struct operation_frame frame;
    struct hm_error err;
    int rc = operation_frame_parse(text, len, &frame, &err);
    if (rc < 0) {
        fuzz_require_sentence(rc, &err);
        return;
    }
    if (frame.kind == FRAME_BYTES)
        FUZZ_REQUIRE(frame.data > text && frame.data + frame.len == text + len);
    else
        FUZZ_REQUIRE(json_is_object(frame.json));
    json_decref(frame.kind == FRAME_JSON ? frame.json : NULL);
}

static void split_subject(const char *text)
{
    char operation[DOC_NAME_MAX + 1], session[OPERATION_SESSION_MAX];
    if (operation_split(text, "site-a", operation, session))
        FUZZ_REQUIRE(*operation && !strchr(operation, '.') && !strchr(session, '.'));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    size_t count = 0;
    while (operations[count])
        count++;
    if (size == 0)
        return 0;
    HM_AUTOFREE char *text = hm_memdup(data + 1, size - 1);
    parse_request(operations[data[0] % count], text, size - 1);
    parse_frame(text, size - 1);
    split_subject(text);
    return 0;
}
