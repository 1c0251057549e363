#include "tests/unit/bus/fixture.h"

static struct bus_incoming *kept;
static int served;
static char prefix[] = "e";

static void echo(void *data, struct bus_incoming *incoming, const char *subject,
                 const void *payload, size_t len)
{
    served++;
    HM_AUTOFREE char *text = hm_memdup(payload, len);
    HM_AUTOFREE char *answer = hm_printf("%s %s %s", (const char *)data, subject, text);
    ck_assert_int_eq(bus_respond(incoming, answer, strlen(answer), NULL), 0);
}

static void keep(void *data, struct bus_incoming *incoming, const char *subject,
                 const void *payload, size_t len)
{
    (void)data;
    (void)subject;
    (void)payload;
    (void)len;
    kept = incoming;
}

/* The service's subscription is on its way before the request: one connection, in order. */
START_TEST(answers)
{
    struct bus_service *service = bus_serve(bus, "harmony.plan.*", echo, prefix);
    AUTO_OUTCOME o = request("harmony.plan.site-a", "{}", 5000);
    ck_assert(!o.failed);
    ck_assert_str_eq(o.value, "e harmony.plan.site-a {}");
    bus_service_stop(service);
    AUTO_OUTCOME after = request("harmony.plan.site-a", "{}", 5000);
    ck_assert_int_eq(after.err.code, HM_E_NOT_FOUND);
    ck_assert_int_eq(served, 1);
}
END_TEST

START_TEST(nobody_listens)
{
    int64_t begin_ns = hm_boottime_ns();
    AUTO_OUTCOME o = request("harmony.plan.site-x", "{}", 10000);
    ck_assert_int_eq(o.err.code, HM_E_NOT_FOUND);
    ck_assert_int_lt((hm_boottime_ns() - begin_ns) / HM_MS, 5000);
}
END_TEST

START_TEST(answers_later_or_never)
{
    bus_serve(bus, "slow", keep, NULL);
    AUTO_OUTCOME first = {0}, never = {0};
    bus_request(bus, "slow", "1", 1, 5000, on_reply, &first);
    run_until(&loop, kept);
    ck_assert_int_eq(bus_respond(kept, "done", 4, NULL), 0);
    kept = NULL;
    run_until(&loop, first.calls);
    ck_assert_str_eq(first.value, "done");
    bus_request(bus, "slow", "2", 1, 100, on_reply, &never);
    run_until(&loop, never.calls);
    ck_assert_int_eq(never.err.code, HM_E_TIMEOUT);
    ck_assert_ptr_nonnull(kept);
    ck_assert_int_eq(bus_respond(kept, "too late", 8, NULL), 0);
    run_for(&loop, 100);
    ck_assert_int_eq(never.calls, 1);
}
END_TEST

/* A request that is still open when the bus closes may be answered after: nothing happens. */
START_TEST(answer_after_close)
{
    bus_serve(bus, "slow", keep, NULL);
    AUTO_OUTCOME o = {0};
    bus_request(bus, "slow", "1", 1, 5000, on_reply, &o);
    run_until(&loop, kept);
    close_bus();
    ck_assert_int_eq(bus_respond(kept, "x", 1, NULL), 0);
    ck_assert_int_eq(o.err.code, HM_E_CANCELLED);
}
END_TEST

START_TEST(services_survive_the_server)
{
    bus_serve(bus, "echo", echo, prefix);
    AUTO_OUTCOME before = request("echo", "1", 5000);
    ck_assert(!before.failed);
    nats_server_kill(&server);
    run_until(&loop, !bus_is_connected(bus));
    nats_server_restart(&server);
    run_until(&loop, bus_is_connected(bus));
    AUTO_OUTCOME after = request("echo", "2", 5000);
    ck_assert_str_eq(after.value, "e echo 2");
}
END_TEST

START_TEST(sizes)
{
    bus_serve(bus, "echo", echo, prefix);
    size_t len = 2 * 1024 * 1024; /* more than the server's max_payload */
    HM_AUTOFREE char *big = hm_alloc(len + 1);
    memset(big, 'x', len);
    AUTO_OUTCOME o = {0};
    bus_request(bus, "echo", big, len, 5000, on_reply, &o);
    run_until(&loop, o.calls);
    ck_assert_int_eq(o.err.code, HM_E_TOO_LARGE);
    AUTO_OUTCOME empty = request("echo", "", 5000);
    ck_assert_str_eq(empty.value, "e echo ");
    AUTO_OUTCOME bad = request("a subject", "", 5000);
    ck_assert_int_eq(bad.err.code, HM_E_INVALID);
}
END_TEST

/* The request is still there to be answered with less. */
START_TEST(too_large_an_answer_is_an_error_of_who_answers)
{
    size_t len = 1024 * 1024; /* the server's max_payload */
    struct hm_error err;
    HM_AUTOFREE char *big = hm_alloc(len + 1);
    bus_serve(bus, "slow", keep, NULL);
    AUTO_OUTCOME o = {0};
    bus_request(bus, "slow", "1", 1, 5000, on_reply, &o);
    run_until(&loop, kept);
    ck_assert_int_eq(bus_respond(kept, big, len + 1, &err), -HM_E_TOO_LARGE);
    ck_assert_ptr_nonnull(strstr(err.text, "1048577 bytes"));
    ck_assert_ptr_nonnull(strstr(err.text, "at most 1048576 in one message (max_payload)"));
    ck_assert_int_eq(bus_respond(kept, big, len, &err), 0);
    run_until(&loop, o.calls);
    ck_assert(!o.failed);
}
END_TEST

struct talked {
    char text[64];
    int failures;
    struct hm_error err;
};

static void on_word(void *data, const void *payload, size_t len)
{
    struct talked *t = data;
    strncat(t->text, payload, len);
}

static void on_talk_failed(void *data, const struct hm_error *err)
{
    struct talked *t = data;
    t->failures++;
    t->err = *err;
}

START_TEST(a_talk_has_many_answers_in_order)
{
    struct talked t = {0};
    const struct bus_talk_events events = {on_word, on_talk_failed, &t};
    bus_serve(bus, "many.*", keep, NULL);
    struct bus_talk *talk = bus_talk_begin(bus, "many.words", "", 0, &events);
    run_until(&loop, kept);
    for (const char *c = "abc"; *c; c++)
        ck_assert_int_eq(bus_respond_more(kept, c, 1, NULL), 0);
    ck_assert_int_eq(bus_respond(kept, "d", 1, NULL), 0);
    run_until(&loop, strlen(t.text) == 4);
    ck_assert_str_eq(t.text, "abcd");
    ck_assert_int_eq(t.failures, 0);
    bus_talk_end(talk);
}
END_TEST

START_TEST(a_talk_with_nobody_fails_at_once)
{
    struct talked t = {0};
    const struct bus_talk_events events = {on_word, on_talk_failed, &t};
    struct bus_talk *talk = bus_talk_begin(bus, "nobody.there", "", 0, &events);
    run_until(&loop, t.failures);
    ck_assert_int_eq(t.err.code, HM_E_NOT_FOUND);
    bus_talk_end(talk);
    talk = bus_talk_begin(bus, "a subject", "", 0, &events);
    ck_assert_int_eq(t.failures, 1); /* told by the loop */
    run_until(&loop, t.failures == 2);
    ck_assert_int_eq(t.err.code, HM_E_INVALID);
    bus_talk_end(talk);
}
END_TEST

START_TEST(a_talk_ends_with_its_connection)
{
    struct talked t = {0}, gone = {0};
    const struct bus_talk_events events = {on_word, on_talk_failed, &t},
                                 unheard = {on_word, on_talk_failed, &gone};
    bus_serve(bus, "many.*", keep, NULL);
    struct bus_talk *talk = bus_talk_begin(bus, "many.words", "", 0, &events);
    bus_talk_end(bus_talk_begin(bus, "many.others", "", 0, &unheard));
    run_until(&loop, kept);
    nats_server_kill(&server);
    run_until(&loop, t.failures);
    ck_assert_int_eq(t.err.code, HM_E_CONNECTION);
    ck_assert_int_eq(gone.failures, 0);
    bus_talk_end(talk);
}
END_TEST

int main(void)
{
    const TTest *tests[] = {answers,
                            nobody_listens,
                            answers_later_or_never,
                            answer_after_close,
                            services_survive_the_server,
                            sizes,
                            a_talk_has_many_answers_in_order,
                            a_talk_with_nobody_fails_at_once,
                            a_talk_ends_with_its_connection,
                            too_large_an_answer_is_an_error_of_who_answers};
    return run_bus_suite("request", tests, HM_COUNT(tests));
}
