/* Requests for operations, their subjects, and the messages of a stream. */
#include "proto/operation.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"

static const struct operation *named(const char *name)
{
    const struct operation *op = NULL;
    struct hm_error err;
    ck_assert_int_eq(operation_find(name, &op, &err), 0);
    return op;
}

static int parse(const char *name, const char *text, struct operation_request *ret,
                 struct hm_error *err)
{
    return operation_parse(named(name), text, strlen(text), ret, err);
}

START_TEST(takes_a_request)
{
    struct operation_request q;
    ck_assert_int_eq(parse("logs",
                           "{\"kind\":\"vm\",\"name\":\"web\",\"args\":{\"follow\":true},"
                           "\"deadline\":\"2s\",\"credit\":100,\"by\":\"anna@hv1\"}",
                           &q, NULL),
                     0);
    ck_assert_str_eq(q.kind, "vm");
    ck_assert_str_eq(q.name, "web");
    ck_assert_int_eq(q.deadline_ms, 2000);
    ck_assert_int_eq(q.credit, 100);
    ck_assert(spec_bool(q.args, "follow"));
    ck_assert_str_eq(q.by, "anna@hv1");
    operation_request_clear(&q);
}
END_TEST

START_TEST(fills_in_what_is_not_said)
{
    struct operation_request q;
    ck_assert_int_eq(parse("reboot", "{\"kind\":\"vm\",\"name\":\"web\"}", &q, NULL), 0);
    ck_assert_int_eq(q.deadline_ms, named("reboot")->deadline_ms);
    ck_assert_str_eq(q.by, "");
    operation_request_clear(&q);
}
END_TEST

static const struct {
    const char *operation, *text, *sentence;
} wrong[] = {
    {"reboot", "[]", "the message is no JSON object: not an object"},
    {"reboot", "{", "the message is no JSON object: "},
    {"reboot", "", "reboot needs kind and name"},
    {"reboot", "{\"kind\":\"vm\"}", "reboot needs kind and name"},
    {"reboot", "{\"kind\":\"disk\",\"name\":\"a\"}", "reboot is not for a disk; it takes vm"},
    {"reboot", "{\"knd\":\"vm\"}", "reboot: unknown field \"knd\" (did you mean \"kind\"?)"},
    {"reboot", "{\"kind\":\"vm\",\"name\":\"../x\"}", "reboot: name: "},
    {"logs", "{\"kind\":\"vm\",\"name\":\"a\",\"args\":[]}", "logs: args: is not an object"},
    {"logs", "{\"kind\":\"vm\",\"name\":\"a\",\"args\":{\"tai\":1}}",
     "logs: args: unknown field \"tai\" (did you mean \"tail\"?)"},
    {"logs", "{\"kind\":\"vm\",\"name\":\"a\",\"by\":\"anna\\u001b\"}", "logs: by: "},
    {"logs", "{\"kind\":\"vm\",\"name\":\"a\",\"deadline\":\"2h\"}", "logs: deadline: "},
    {"logs", "{\"kind\":\"vm\",\"name\":\"a\",\"credit\":99999999}", "logs: credit: "},
};

START_TEST(refuses_with_a_sentence)
{
    struct operation_request q = {.credit = 42};
    struct hm_error err;
    ck_assert_int_lt(parse(wrong[_i].operation, wrong[_i].text, &q, &err), 0);
    ck_assert_msg(!strncmp(err.text, wrong[_i].sentence, strlen(wrong[_i].sentence)), "%s",
                  err.text);
    ck_assert_int_eq(q.credit, 42);
}
END_TEST

START_TEST(refuses_too_much)
{
    struct operation_request q;
    struct hm_error err;
    HM_AUTOFREE char *text = hm_alloc(OPERATION_MAX_BYTES + 2);
    memset(text, ' ', OPERATION_MAX_BYTES + 1);
    ck_assert_int_eq(parse("reboot", text, &q, &err), -HM_E_TOO_LARGE);
}
END_TEST

START_TEST(names_the_nearest_operation)
{
    const struct operation *op;
    struct hm_error err;
    ck_assert_int_lt(operation_find("log", &op, &err), 0);
    ck_assert_ptr_nonnull(strstr(err.text, "did you mean \"logs\"?"));
    ck_assert_ptr_nonnull(strstr(err.text, "; known: "));
    ck_assert_ptr_nonnull(strstr(err.text, ", reboot, "));
}
END_TEST

/* What the table says must hold together: args are verified, the deadline can be had, words are there. */
START_TEST(every_operation_is_whole)
{
    for (const struct operation *const *o = operations; *o; o++) {
        ck_assert(name_is_valid((*o)->name));
        ck_assert_ptr_nonnull((*o)->args);
        ck_assert_int_gt((*o)->deadline_ms, 0);
        ck_assert_int_le((*o)->deadline_ms, OPERATION_DEADLINE_MAX_MS);
        ck_assert_uint_gt(strlen((*o)->help), 10);
        ck_assert(!((*o)->changes && (*o)->streams));
        for (const char *const *k = (*o)->kinds; k && *k; k++)
            ck_assert_ptr_nonnull(kind_find(*k));
    }
}
END_TEST

START_TEST(subjects_go_both_ways)
{
    char operation[DOC_NAME_MAX + 1], session[OPERATION_SESSION_MAX];
    HM_AUTOFREE char *plain = operation_subject("site-a", "logs", NULL);
    HM_AUTOFREE char *with = operation_subject("site-a", "logs", "0af");
    ck_assert_str_eq(plain, "harmony.op.site-a.logs");
    ck_assert(operation_split(plain, "site-a", operation, session));
    ck_assert_str_eq(operation, "logs");
    ck_assert_str_eq(session, "");
    ck_assert(operation_split(with, "site-a", operation, session));
    ck_assert_str_eq(session, "0af");
}
END_TEST

START_TEST(other_subjects_are_none)
{
    static const char *const others[] = {
        "harmony.op.site-a",
        "harmony.op.site-a.",
        "harmony.op.site-b.logs",
        "harmony.op.site-ab.logs",
        "harmony.plan.site-a.logs",
        "harmony.op.site-a.logs.1.2",
        "harmony.op.site-a.logs.",
        "harmony.op.site-a..1",
        "",
        "harmony.op.site-a.logs.0123456789abcdef0123456789abcdef0"};
    char operation[DOC_NAME_MAX + 1], session[OPERATION_SESSION_MAX];
    for (size_t i = 0; i < HM_COUNT(others); i++)
        ck_assert_msg(!operation_split(others[i], "site-a", operation, session), "%s", others[i]);
}
END_TEST

START_TEST(bytes_go_both_ways)
{
    static const char bytes[] = "a\0{b";
    struct operation_frame frame;
    size_t len;
    HM_AUTOFREE char *text = operation_frame_bytes(1234567890123u, bytes, sizeof bytes, &len);
    ck_assert_int_eq(operation_frame_parse(text, len, &frame, NULL), 0);
    ck_assert_int_eq(frame.kind, FRAME_BYTES);
    ck_assert_uint_eq(frame.offset, 1234567890123u);
    ck_assert_uint_eq(frame.len, sizeof bytes);
    ck_assert(!memcmp(frame.data, bytes, sizeof bytes));
}
END_TEST

START_TEST(broken_frames_are_refused)
{
    static const char *const broken[] = {"", "=", "= x", "=12", "=x y", "[]", "1", "{", "x"};
    struct operation_frame frame;
    struct hm_error err;
    for (size_t i = 0; i < HM_COUNT(broken); i++)
        ck_assert_msg(operation_frame_parse(broken[i], strlen(broken[i]), &frame, &err) < 0, "%s",
                      broken[i]);
}
END_TEST

int main(void)
{
    const TTest *tests[] = {takes_a_request,          fills_in_what_is_not_said,
                            refuses_too_much,         names_the_nearest_operation,
                            every_operation_is_whole, subjects_go_both_ways,
                            other_subjects_are_none,  bytes_go_both_ways,
                            broken_frames_are_refused};
    Suite *suite = suite_create("operation");
    TCase *cases = tcase_create("operation");
    for (size_t i = 0; i < HM_COUNT(tests); i++)
        tcase_add_test(cases, tests[i]);
    tcase_add_loop_test(cases, refuses_with_a_sentence, 0, (int)HM_COUNT(wrong));
    suite_add_tcase(suite, cases);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
