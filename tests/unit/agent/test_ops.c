/* Operations as they arrive, over a fake bus, and when a restart may go on beside them. */
#include "agent/ops.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "fakes/status.c"
#include "site.h"
#include "world.h"

enum { LINGER_MS = 1500 }; /* a machine that stands still for less fails no test */

static struct site s;
static struct ops *ops;
static struct hm_buf story; /* answers, in order */
static int idles;

/* -- A fake of what bus/bus.h has for services ------------------------------------------------ */

struct bus_service {
    bus_serve_fn serve;
    void *data;
};

struct bus_incoming {
    char unused;
};

static struct bus_service *requests; /* the one that was asked for first */

struct bus_service *bus_serve(struct bus *bus, const char *subject, bus_serve_fn serve, void *data)
{
    struct bus_service *service = hm_alloc(sizeof *service);
    (void)bus;
    (void)subject;
    *service = (struct bus_service){serve, data};
    requests = requests ? requests : service;
    return service;
}

void bus_service_stop(struct bus_service *service)
{
    if (service == requests)
        requests = NULL;
    free(service);
}

int bus_respond_more(const struct bus_incoming *request, const void *payload, size_t len,
                     struct hm_error *err)
{
    (void)request;
    (void)err;
    hm_buf_add(&story, payload, len);
    hm_buf_puts(&story, "\n");
    return 0;
}

int bus_respond(struct bus_incoming *request, const void *payload, size_t len, struct hm_error *err)
{
    int r = bus_respond_more(request, payload, len, err);
    free(request);
    return r;
}

/* Nothing was measured: the real one would have the real bus with it. */
json_t *metrics_top(const struct metrics *metrics)
{
    (void)metrics;
    return NULL;
}

/* -- A site that is asked --------------------------------------------------------------------- */

static void ask(const char *operation, int64_t deadline_ms)
{
    HM_AUTOFREE char *subject = hm_printf("harmony.op.site-a.%s", operation);
    HM_AUTOFREE char *text =
        hm_printf("{\"kind\":\"vm\",\"name\":\"web\",\"deadline\":%lld}", (long long)deadline_ms);
    requests->serve(requests->data, hm_alloc(sizeof(struct bus_incoming)), subject, text,
                    strlen(text));
}

static bool was_said(const char *text)
{
    return story.data && strstr(story.data, text);
}

static void on_idle(void *data)
{
    (void)data;
    idles++;
}

static void set_up(void)
{
    idles = 0;
    site_begin(&s);
    struct ops_options options = {
        .loop = &s.loop, .site = "site-a", .reconciler = s.reconciler, .linger_ms = LINGER_MS};
    ops = ops_new(&options);
    site_made(&s, "site-a.vm.web", THING_RUNNING, VM "}");
    site_put(&s, "site-a.vm.web", VM "}");
    site_settle(&s);
}

static void tear_down(void)
{
    fake_let_go("reboot", "web");
    ops_free(ops);
    site_end(&s);
    hm_buf_free(&story);
}

static void begin_to_reboot(int64_t deadline_ms)
{
    fake_hold("reboot", "web");
    ask("reboot", deadline_ms);
    SITE_UNTIL(&s, fake_inside("reboot", "web") == 1);
}

/* -- Draining --------------------------------------------------------------------------------- */

START_TEST(nothing_is_waited_for_when_there_is_nothing)
{
    ops_drain(ops, on_idle, NULL);
    ck_assert_int_eq(idles, 1);
}
END_TEST

START_TEST(what_is_under_way_is_waited_for_and_nothing_new_let_in)
{
    begin_to_reboot(60000);
    ops_drain(ops, on_idle, NULL);
    ask("reboot", 60000);
    ck_assert(was_said("restarts as soon as what is under way has ended"));
    ck_assert_int_eq(idles, 0);
    fake_let_go("reboot", "web");
    SITE_UNTIL(&s, idles == 1);
    ck_assert(was_said("\"result\""));
    ops_let_in(ops);
    ask("reboot", 60000);
    SITE_UNTIL(&s, fake_calls("reboot", "web") == 2);
}
END_TEST

/* Who asked was told that its time is over; a worker is in it still, and may be between two VMMs. */
START_TEST(a_worker_that_is_late_is_waited_for)
{
    begin_to_reboot(100);
    ops_drain(ops, on_idle, NULL);
    SITE_UNTIL(&s, was_said("it may go on"));
    ck_assert_int_eq(idles, 0);
    fake_let_go("reboot", "web");
    SITE_UNTIL(&s, idles == 1);
    ck_assert_int_eq(fake_inside("reboot", "web"), 0);
}
END_TEST

START_TEST(so_is_one_that_was_late_before)
{
    begin_to_reboot(100);
    SITE_UNTIL(&s, was_said("it may go on"));
    ops_drain(ops, on_idle, NULL);
    ck_assert_int_eq(idles, 0);
    fake_let_go("reboot", "web");
    SITE_UNTIL(&s, idles == 1);
}
END_TEST

/* A restart is what helps against those. */
START_TEST(a_worker_that_hangs_is_not_waited_for_for_ever)
{
    begin_to_reboot(100);
    ops_drain(ops, on_idle, NULL);
    SITE_UNTIL(&s, was_said("it may go on"));
    int64_t late = hm_boottime_ns();
    SITE_UNTIL(&s, idles == 1);
    ck_assert_int_eq(fake_inside("reboot", "web"), 1);
    ck_assert_int_ge(hm_boottime_ns() - late, (LINGER_MS - 50) * HM_MS);
    fake_let_go("reboot", "web");
    site_settle(&s);
    ck_assert_int_eq(idles, 1);
}
END_TEST

START_TEST(a_restart_that_is_off_waits_for_nothing_any_more)
{
    begin_to_reboot(100);
    ops_drain(ops, on_idle, NULL);
    SITE_UNTIL(&s, was_said("it may go on"));
    ops_let_in(ops);
    fake_let_go("reboot", "web");
    site_settle(&s);
    ck_assert_int_eq(idles, 0);
}
END_TEST

/* The agent ends meanwhile: its worker comes back after the operations are gone. */
START_TEST(an_end_beside_a_late_worker_is_clean)
{
    begin_to_reboot(100);
    SITE_UNTIL(&s, was_said("it may go on"));
    ops_drain(ops, on_idle, NULL);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("ops");
    TCase *t = tcase_create("draining");
    tcase_set_timeout(t, 30);
    tcase_add_checked_fixture(t, set_up, tear_down);
    tcase_add_test(t, nothing_is_waited_for_when_there_is_nothing);
    tcase_add_test(t, what_is_under_way_is_waited_for_and_nothing_new_let_in);
    tcase_add_test(t, a_worker_that_is_late_is_waited_for);
    tcase_add_test(t, so_is_one_that_was_late_before);
    tcase_add_test(t, a_worker_that_hangs_is_not_waited_for_for_ever);
    tcase_add_test(t, a_restart_that_is_off_waits_for_nothing_any_more);
    tcase_add_test(t, an_end_beside_a_late_worker_is_clean);
    suite_add_tcase(suite, t);
    SRunner *r = srunner_create(suite);
    srunner_run_all(r, CK_NORMAL);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
