#include "tests/unit/bus/fixture.h"

START_TEST(stores_and_reads_back)
{
    ck_assert(!create("b", 8, false).failed);
    struct outcome first = put_text("b", "site-a.vm.web", "{\"vcpus\":2}", 0);
    ck_assert_int_eq(first.put.outcome, BUS_PUT_STORED);
    ck_assert_uint_eq(first.put.revision, 1);
    AUTO_OUTCOME back = get("b", "site-a.vm.web");
    ck_assert(!back.failed);
    ck_assert_str_eq(back.value, "{\"vcpus\":2}");
    ck_assert_str_eq(back.key, "site-a.vm.web");
    ck_assert_uint_eq(back.entry.revision, 1);
    ck_assert(!back.entry.deleted);
    int64_t age_ns = hm_wall_ns() - back.entry.stamp_ns;
    ck_assert(age_ns >= 0 && age_ns < 60000 * HM_MS);
}
END_TEST

START_TEST(compare_and_swap)
{
    ck_assert(!create("b", 8, false).failed);
    ck_assert_int_eq(put_text("b", "k", "1", 0).put.outcome, BUS_PUT_STORED);
    struct outcome again = put_text("b", "k", "2", 0);
    ck_assert_int_eq(again.put.outcome, BUS_PUT_CONFLICT);
    ck_assert_uint_eq(again.put.revision, 1);
    ck_assert_int_eq(again.put.err_code, 10071);
    ck_assert_int_eq(again.put.error.code, HM_E_CONFLICT);
    struct outcome next = put_text("b", "k", "3", 1);
    ck_assert_int_eq(next.put.outcome, BUS_PUT_STORED);
    ck_assert_uint_eq(next.put.revision, 2);
    ck_assert_int_eq(put_text("b", "k", "4", BUS_ANY_REVISION).put.outcome, BUS_PUT_STORED);
    AUTO_OUTCOME back = get("b", "k");
    ck_assert_str_eq(back.value, "4");
}
END_TEST

/* The expectation is of the key, not of the bucket: other keys may be written in between. */
START_TEST(compares_the_key_only)
{
    ck_assert(!create("b", 8, false).failed);
    ck_assert_int_eq(put_text("b", "k", "1", 0).put.outcome, BUS_PUT_STORED);
    ck_assert_int_eq(put_text("b", "other", "1", 0).put.outcome, BUS_PUT_STORED);
    ck_assert_int_eq(put_text("b", "k", "2", 1).put.outcome, BUS_PUT_STORED);
}
END_TEST

START_TEST(same_message_id_is_a_duplicate)
{
    ck_assert(!create("b", 8, false).failed);
    struct bus_put one = {.bucket = "b",
                          .key = "k",
                          .value = "1",
                          .len = 1,
                          .expect_revision = BUS_ANY_REVISION,
                          .msg_id = "site-a.n1.7.42",
                          .timeout_ms = 5000};
    ck_assert_int_eq(put(&one).put.outcome, BUS_PUT_STORED);
    struct outcome resent = put(&one);
    ck_assert_int_eq(resent.put.outcome, BUS_PUT_DUPLICATE);
    ck_assert_uint_eq(resent.put.revision, 1);
}
END_TEST

START_TEST(delete_leaves_a_marker)
{
    ck_assert(!create("b", 8, false).failed);
    put_text("b", "k", "1", 0);
    struct bus_put gone = {
        .bucket = "b", .key = "k", .expect_revision = 1, .is_delete = true, .timeout_ms = 5000};
    ck_assert_int_eq(put(&gone).put.outcome, BUS_PUT_STORED);
    AUTO_OUTCOME back = get("b", "k");
    ck_assert(!back.failed);
    ck_assert(back.entry.deleted);
    ck_assert_uint_eq(back.entry.revision, 2);
    ck_assert_uint_eq(back.entry.len, 0);
}
END_TEST

START_TEST(missing_key_and_missing_bucket_differ)
{
    ck_assert(!create("b", 8, false).failed);
    AUTO_OUTCOME no_key = get("b", "k");
    ck_assert_int_eq(no_key.err.code, HM_E_NOT_FOUND);
    AUTO_OUTCOME no_bucket = get("absent", "k");
    ck_assert_int_eq(no_bucket.err.code, HM_E_NATS);
    struct outcome refused = put_text("absent", "k", "1", 0);
    ck_assert_int_eq(refused.put.outcome, BUS_PUT_REFUSED);
    ck_assert_int_eq(refused.put.error.code, HM_E_NOT_FOUND);
}
END_TEST

START_TEST(refuses_what_is_too_large)
{
    ck_assert(!create("b", 8, false).failed);
    HM_AUTOFREE char *big = hm_alloc(600 * 1024);
    memset(big, 'x', 600 * 1024);
    struct bus_put one = {.bucket = "b",
                          .key = "k",
                          .value = big,
                          .len = 600 * 1024,
                          .expect_revision = BUS_ANY_REVISION,
                          .timeout_ms = 5000};
    struct outcome refused = put(&one);
    ck_assert_int_eq(refused.put.outcome, BUS_PUT_REFUSED);
    ck_assert_int_eq(refused.put.error.code, HM_E_TOO_LARGE);
    one.len = 512 * 1024;
    ck_assert_int_eq(put(&one).put.outcome, BUS_PUT_STORED);
    AUTO_OUTCOME back = get("b", "k");
    ck_assert_uint_eq(back.entry.len, 512 * 1024);
    ck_assert_int_eq(memcmp(back.value, big, 512 * 1024), 0);
}
END_TEST

START_TEST(refuses_names_that_would_be_protocol)
{
    static const char *const keys[] = {"",    "a b", "a\r\nPUB x 0\r\n", "a..b", ".a", "a.",
                                       "a.>", "*"};
    for (size_t i = 0; i < HM_COUNT(keys); i++) {
        struct outcome refused = put_text("b", keys[i], "1", 0);
        ck_assert_int_eq(refused.put.outcome, BUS_PUT_REFUSED);
        ck_assert_int_eq(refused.put.error.code, HM_E_INVALID);
        AUTO_OUTCOME none = get("b", keys[i]);
        ck_assert_int_eq(none.err.code, HM_E_INVALID);
    }
    struct bus_put one = {.bucket = "b",
                          .key = "k",
                          .value = "1",
                          .len = 1,
                          .expect_revision = 0,
                          .msg_id = "x\r\nEvil: 1",
                          .timeout_ms = 5000};
    ck_assert_int_eq(put(&one).put.error.code, HM_E_INVALID);
}
END_TEST

static int ticks;

static void on_tick(uv_timer_t *timer)
{
    (void)timer;
    ticks++;
}

/* A server that hangs: the outcome is unknown at the deadline, and the loop goes on meanwhile. */
START_TEST(silence_is_unknown)
{
    ck_assert(!create("b", 8, false).failed);
    uv_timer_t timer;
    uv_timer_init(&loop, &timer);
    uv_timer_start(&timer, on_tick, 10, 10);
    nats_server_freeze(&server);
    struct bus_put one = {.bucket = "b",
                          .key = "k",
                          .value = "late",
                          .len = 4,
                          .expect_revision = 0,
                          .timeout_ms = 300};
    int64_t begin_ns = hm_boottime_ns();
    struct outcome o = put(&one);
    int64_t took_ms = (hm_boottime_ns() - begin_ns) / HM_MS;
    ck_assert_int_eq(o.put.outcome, BUS_PUT_UNKNOWN);
    ck_assert_int_eq(o.put.error.code, HM_E_TIMEOUT);
    ck_assert_int_ge(took_ms, 299);
    ck_assert_int_lt(took_ms, 5000); /* the default of the library */
    ck_assert_int_ge(ticks, 10);
    uv_close((uv_handle_t *)&timer, NULL);
    nats_server_thaw(&server);
    /* It was stored after all, long after the send: the acknowledgement that then comes is nobody's. */
    struct outcome after = put_text("b", "k", "2", 0);
    ck_assert_int_eq(after.put.outcome, BUS_PUT_CONFLICT);
    ck_assert_uint_eq(after.put.revision, 1);
    ck_assert_int_eq(o.calls, 1);
}
END_TEST

enum { MANY = 5000 };

START_TEST(thousands_at_once)
{
    ck_assert(!create("b", 1, false).failed);
    struct outcome *all = hm_alloc(MANY * sizeof *all);
    for (int i = 0; i < MANY; i++) {
        HM_AUTOFREE char *key = hm_printf("k.%d", i);
        struct bus_put one = {.bucket = "b",
                              .key = key,
                              .value = key,
                              .len = strlen(key),
                              .expect_revision = 0,
                              .timeout_ms = 15000};
        bus_put(bus, &one, on_put, &all[i]);
    }
    for (int i = 0; i < MANY; i++)
        run_until(&loop, all[i].calls);
    for (int i = 0; i < MANY; i++) {
        ck_assert_int_eq(all[i].calls, 1);
        ck_assert_msg(all[i].put.outcome == BUS_PUT_STORED, "%d: %s", i, all[i].put.error.text);
        ck_assert_uint_eq(all[i].put.revision, (unsigned)i + 1);
    }
    free(all);
}
END_TEST

START_TEST(disconnected_fails_at_once)
{
    nats_server_kill(&server);
    run_until(&loop, !bus_is_connected(bus));
    ck_assert_int_eq(disconnects, 1);
    int64_t begin_ns = hm_boottime_ns();
    struct outcome o = put_text("b", "k", "1", 0);
    ck_assert_int_eq(o.put.outcome, BUS_PUT_UNKNOWN);
    ck_assert_int_eq(o.put.error.code, HM_E_CONNECTION);
    ck_assert_int_lt((hm_boottime_ns() - begin_ns) / HM_MS, 5000); /* its timeout */
}
END_TEST

/* What was asked for while the connection was away is not sent when it is back. */
START_TEST(nothing_is_sent_late)
{
    ck_assert(!create("b", 8, false).failed);
    nats_server_freeze(&server);
    run_until(&loop, !bus_is_connected(bus)); /* the pings found out */
    struct outcome late[20] = {0};
    struct bus_put one = {.bucket = "b",
                          .key = "late",
                          .value = "1",
                          .len = 1,
                          .expect_revision = BUS_ANY_REVISION,
                          .timeout_ms = 20000};
    for (size_t i = 0; i < HM_COUNT(late); i++)
        bus_put(bus, &one, on_put, &late[i]);
    nats_server_thaw(&server);
    run_until(&loop, bus_is_connected(bus));
    AUTO_OUTCOME absent = get("b", "late");
    ck_assert_int_eq(absent.err.code, HM_E_NOT_FOUND);
    for (size_t i = 0; i < HM_COUNT(late); i++)
        ck_assert_int_eq(late[i].put.error.code, HM_E_CONNECTION);
}
END_TEST

START_TEST(pending_ones_end_when_the_connection_does)
{
    ck_assert(!create("b", 8, false).failed);
    nats_server_freeze(&server);
    struct outcome o = {0};
    struct bus_put one = {.bucket = "b",
                          .key = "k",
                          .value = "1",
                          .len = 1,
                          .expect_revision = 0,
                          .timeout_ms = 60000};
    bus_put(bus, &one, on_put, &o);
    run_for(&loop, 50);
    nats_server_kill(&server);
    run_until(&loop, o.calls);
    ck_assert_int_eq(o.put.outcome, BUS_PUT_UNKNOWN);
    ck_assert_int_eq(o.put.error.code, HM_E_CONNECTION);
}
END_TEST

START_TEST(close_cancels)
{
    nats_server_freeze(&server);
    struct outcome o = {0};
    struct bus_put one = {.bucket = "b",
                          .key = "k",
                          .value = "1",
                          .len = 1,
                          .expect_revision = 0,
                          .timeout_ms = 60000};
    bus_put(bus, &one, on_put, &o);
    bus_close(bus);
    bus = NULL;
    ck_assert_int_eq(o.calls, 1);
    ck_assert_int_eq(o.put.outcome, BUS_PUT_UNKNOWN);
    ck_assert_int_eq(o.put.error.code, HM_E_CANCELLED);
    uv_run(&loop, UV_RUN_DEFAULT);
    ck_assert_int_eq(o.calls, 1);
}
END_TEST

int main(void)
{
    const TTest *tests[] = {stores_and_reads_back,
                            compare_and_swap,
                            compares_the_key_only,
                            same_message_id_is_a_duplicate,
                            delete_leaves_a_marker,
                            missing_key_and_missing_bucket_differ,
                            refuses_what_is_too_large,
                            refuses_names_that_would_be_protocol,
                            silence_is_unknown,
                            thousands_at_once,
                            disconnected_fails_at_once,
                            nothing_is_sent_late,
                            pending_ones_end_when_the_connection_does,
                            close_cancels};
    return run_bus_suite("put", tests, HM_COUNT(tests));
}
