#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "bus/jetstream.h"

static int parse_ack(const char *text, struct js_ack *ret, struct hm_error *err)
{
    return js_parse_ack("b", text, strlen(text), ret, err);
}

START_TEST(acknowledgements)
{
    struct js_ack ack;
    struct hm_error err;
    ck_assert_int_eq(parse_ack("{\"stream\":\"KV_b\",\"seq\":42}", &ack, &err), 0);
    ck_assert_uint_eq(ack.revision, 42);
    ck_assert(!ack.duplicate);
    ck_assert_int_eq(ack.error.code, 0);
    ck_assert_int_eq(
        parse_ack("{\"stream\":\"KV_b\",\"seq\":42,\"duplicate\":true,\"domain\":\"x\"}", &ack,
                  &err),
        0);
    ck_assert(ack.duplicate);
    ck_assert_int_eq(parse_ack("{\"error\":{\"code\":400,\"err_code\":10071,\"description\":"
                               "\"wrong last sequence: 17\"},\"stream\":\"KV_b\",\"seq\":0}",
                               &ack, &err),
                     0);
    ck_assert_int_eq(ack.error.err_code, JS_WRONG_LAST_SEQUENCE);
    ck_assert_uint_eq(ack.revision, 17);
    ck_assert_int_eq(parse_ack("{\"error\":{\"code\":400,\"err_code\":10071,\"description\":"
                               "\"wrong last sequence: -1\"},\"stream\":\"KV_b\",\"seq\":0}",
                               &ack, &err),
                     0);
    ck_assert_uint_eq(ack.revision, 0);
}
END_TEST

/* Whatever a server sends: an error with a sentence, never success. */
START_TEST(hostile_acknowledgements)
{
    static const char *const bad[] = {
        "",
        "+OK",
        "null",
        "[]",
        "7",
        "{}",
        "{\"stream\":\"KV_b\"}",
        "{\"stream\":\"KV_b\",\"seq\":0}",
        "{\"stream\":\"KV_b\",\"seq\":-1}",
        "{\"stream\":\"KV_b\",\"seq\":\"1\"}",
        "{\"stream\":\"KV_b\",\"seq\":1.5}",
        "{\"stream\":\"KV_other\",\"seq\":1}",
        "{\"stream\":\"b\",\"seq\":1}",
        "{\"stream\":7,\"seq\":1}",
        "{\"seq\":1,\"seq\":2,\"stream\":\"KV_b\"}",
        "{\"stream\":\"KV_b\",\"seq\":99999999999999999999999999}",
        "{\"stream\":\"KV_b\\u0000\",\"seq\":1}",
        "{\"stream\":\"KV_b\",\"seq\":1} trailing",
    };
    for (size_t i = 0; i < HM_COUNT(bad); i++) {
        struct js_ack ack;
        struct hm_error err = {0};
        ck_assert_msg(parse_ack(bad[i], &ack, &err) < 0, "%s", bad[i]);
        ck_assert_int_eq(err.code, HM_E_NATS);
    }
    HM_AUTOFREE char *deep = hm_alloc(100001);
    memset(deep, '[', 100000);
    struct js_ack ack;
    ck_assert_int_lt(parse_ack(deep, &ack, NULL), 0);
}
END_TEST

START_TEST(an_error_of_any_shape_is_an_error)
{
    static const char *const bad[] = {"{\"error\":{}}", "{\"error\":7}", "{\"error\":null}",
                                      "{\"error\":{\"code\":0},\"stream\":\"KV_b\",\"seq\":5}",
                                      "{\"error\":{\"code\":99999999999,\"err_code\":\"x\"}}"};
    for (size_t i = 0; i < HM_COUNT(bad); i++) {
        struct js_ack ack;
        ck_assert_int_eq(parse_ack(bad[i], &ack, NULL), 0);
        ck_assert_msg(ack.error.code != 0, "%s", bad[i]);
    }
}
END_TEST

START_TEST(too_large_an_answer)
{
    HM_AUTOFREE char *big = hm_alloc(JS_ANSWER_MAX + 1);
    struct js_ack ack;
    struct hm_error err;
    ck_assert_int_lt(js_parse_ack("b", big, JS_ANSWER_MAX + 1, &ack, &err), 0);
    ck_assert_int_eq(err.code, HM_E_TOO_LARGE);
}
END_TEST

static int parse_message(const char *text, struct js_message *ret, struct hm_error *err)
{
    return js_parse_message(text, strlen(text), ret, err);
}

START_TEST(messages)
{
    struct js_message m;
    struct hm_error err;
    ck_assert_int_eq(parse_message("{\"message\":{\"subject\":\"$KV.b.k\",\"seq\":3,"
                                   "\"hdrs\":\"TkFUUy8xLjANCktWLU9wZXJhdGlvbjogREVMDQoNCg==\","
                                   "\"time\":\"2026-11-22T14:03:12Z\"}}",
                                   &m, &err),
                     0);
    ck_assert(m.deleted);
    ck_assert_uint_eq(m.revision, 3);
    ck_assert_uint_eq(m.len, 0);
    js_message_free(&m);
    ck_assert_int_eq(
        parse_message("{\"error\":{\"code\":404,\"err_code\":10037,\"description\":\"no\"}}", &m,
                      &err),
        0);
    ck_assert_int_eq(m.error.err_code, JS_NO_MESSAGE);
    js_message_free(&m);
}
END_TEST

START_TEST(hostile_messages)
{
    static const char *const bad[] = {
        "{}",
        "{\"message\":7}",
        "{\"message\":{}}",
        "{\"message\":{\"seq\":1,\"time\":\"x\"}}",
        "{\"message\":{\"seq\":1,\"time\":\"2026-11-22T14:03:12Z\",\"data\":\"!\"}}",
        "{\"message\":{\"seq\":1,\"time\":\"2026-11-22T14:03:12Z\",\"hdrs\":\"!\"}}",
        "{\"message\":{\"seq\":0,\"time\":\"2026-11-22T14:03:12Z\"}}",
    };
    for (size_t i = 0; i < HM_COUNT(bad); i++) {
        struct js_message m;
        struct hm_error err = {0};
        ck_assert_msg(parse_message(bad[i], &m, &err) < 0, "%s", bad[i]);
        ck_assert_int_eq(err.code, HM_E_NATS);
        js_message_free(&m);
    }
}
END_TEST

START_TEST(streams)
{
    const char *text = "{\"config\":{\"storage\":\"memory\",\"max_msgs_per_subject\":64,"
                       "\"num_replicas\":3,\"max_age\":5,\"max_msg_size\":-1,\"deny_purge\":true,"
                       "\"mirror\":{\"name\":\"x\"}},\"created\":\"2026-11-22T14:03:12.5Z\","
                       "\"state\":{\"messages\":2,\"first_seq\":1,\"last_seq\":9},"
                       "\"cluster\":{\"leader\":\"nats-1\"}}";
    struct bus_bucket b;
    struct js_error error;
    ck_assert_int_eq(js_parse_stream(text, strlen(text), &b, &error, NULL), 0);
    ck_assert(b.exists && b.deny_purge && b.is_mirror && !b.file_storage && !b.allow_direct);
    ck_assert_int_eq(b.history, 64);
    ck_assert_int_eq(b.replicas, 3);
    ck_assert_int_eq(b.max_age_ns, 5);
    ck_assert_uint_eq(b.last_revision, 9);
    ck_assert_str_eq(b.leader, "nats-1");
    ck_assert_int_eq(b.created_ns, 1795356192500000000);
    ck_assert_int_lt(js_parse_stream("{}", 2, &b, &error, NULL), 0);
    ck_assert(!b.exists);
}
END_TEST

START_TEST(consumers)
{
    const char *good = "{\"name\":\"hm_1\",\"num_pending\":5}", *bad = "{\"num_pending\":5}";
    struct js_consumer c;
    ck_assert_int_eq(js_parse_consumer(good, strlen(good), &c, NULL), 0);
    ck_assert_uint_eq(c.pending, 5);
    ck_assert_int_lt(js_parse_consumer(bad, strlen(bad), &c, NULL), 0);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("jetstream");
    TCase *tcase = tcase_create("jetstream");
    const TTest *tests[] = {acknowledgements,
                            hostile_acknowledgements,
                            an_error_of_any_shape_is_an_error,
                            too_large_an_answer,
                            messages,
                            hostile_messages,
                            streams,
                            consumers};
    for (size_t i = 0; i < HM_COUNT(tests); i++)
        tcase_add_test(tcase, tests[i]);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
