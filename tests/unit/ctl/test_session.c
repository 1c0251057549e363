/* A session on a real server: every call ends, also those that are refused before anything is sent. */
#include "ctl/session.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "tests/lib/nats_helper.h"

enum { TIMEOUT_MS = 5000, BIG = 600 * 1024 };

static struct nats_server server;
static struct session *session;

static void set_up(void)
{
    struct hm_error err;
    nats_server_start(&server, NULL);
    struct connection connection = {.servers = server.url};
    ck_assert_msg(session_open(&connection, TIMEOUT_MS, &session, &err) == 0, "%s", err.text);
    struct bus_bucket_config bucket = {.bucket = "b", .history = 8, .replicas = 1, .max_value = -1};
    ck_assert_int_eq(session_bucket_create(session, &bucket, NULL), 0);
}

static void tear_down(void)
{
    session_close(session);
    nats_server_close(&server);
}

START_TEST(puts_and_lists)
{
    uint64_t revision;
    struct entries found = {0};
    struct hm_error err;
    ck_assert_int_eq(session_put(session, "b", "k.1", "one", 0, &revision, NULL), 0);
    ck_assert_int_eq(session_put(session, "b", "k.1", "two", 1, &revision, NULL), 0);
    ck_assert_int_eq(session_put(session, "b", "k.1", "three", 1, &revision, &err), -HM_E_CONFLICT);
    ck_assert_int_eq(session_list(session, "b", ">", false, &found, NULL), 0);
    const struct entry *e = entries_find(&found, "k.1");
    ck_assert_ptr_nonnull(e);
    ck_assert_uint_eq(e->revision, 2);
    ck_assert_str_eq(e->value, "two");
    entries_clear(&found);
}
END_TEST

static int64_t took_ms(int64_t begin_ns)
{
    return (hm_boottime_ns() - begin_ns) / HM_MS;
}

START_TEST(refusals_end_at_once)
{
    uint64_t revision;
    struct hm_error err;
    HM_AUTOFREE char *big = hm_alloc(BIG + 1);
    memset(big, 'x', BIG);
    int64_t begin_ns = hm_boottime_ns();
    ck_assert_int_eq(session_put(session, "b", "a key", "x", 0, &revision, &err), -HM_E_INVALID);
    ck_assert_int_eq(session_put(session, "b", "k", big, 0, &revision, &err), -HM_E_TOO_LARGE);
    ck_assert_int_eq(session_put(session, "absent", "k", "x", 0, &revision, &err), -HM_E_NOT_FOUND);
    ck_assert_int_lt(took_ms(begin_ns), TIMEOUT_MS);
}
END_TEST

START_TEST(what_is_not_there)
{
    struct entries found = {0};
    struct hm_error err;
    char *reply;
    struct bus_bucket bucket;
    ck_assert_int_eq(session_list(session, "absent", ">", false, &found, &err), -HM_E_NOT_FOUND);
    ck_assert_int_eq(session_request(session, "harmony.plan.x", "{}", &reply, &err),
                     -HM_E_NOT_FOUND);
    ck_assert_int_eq(session_bucket(session, "absent", &bucket, &err), 0);
    ck_assert(!bucket.exists);
}
END_TEST

/* The server hangs, then is gone: each call ends with its deadline. */
START_TEST(a_server_that_hangs)
{
    uint64_t revision;
    struct hm_error err;
    nats_server_freeze(&server);
    int64_t begin_ns = hm_boottime_ns();
    ck_assert_int_eq(session_put(session, "b", "k", "x", 0, &revision, &err), -HM_E_TIMEOUT);
    ck_assert_int_eq(session_put(session, "b", "k", "x", 0, &revision, &err), -HM_E_TIMEOUT);
    ck_assert_int_lt(took_ms(begin_ns), 3 * TIMEOUT_MS);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("session");
    TCase *tcase = tcase_create("session");
    tcase_set_timeout(tcase, 60);
    tcase_add_checked_fixture(tcase, set_up, tear_down);
    tcase_add_test(tcase, puts_and_lists);
    tcase_add_test(tcase, refusals_end_at_once);
    tcase_add_test(tcase, what_is_not_there);
    tcase_add_test(tcase, a_server_that_hangs);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
