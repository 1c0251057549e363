/* Operations on a thing beside what else is done to it. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "fakes/status.c"
#include "proto/operation.h"
#include "site.h"
#include "world.h"

static struct site s;
static int answers, ended, stops;
static struct hm_error answer, stop_answer; /* HM_OK: done */

static void set_up(void)
{
    answers = ended = stops = 0;
    site_begin(&s);
}

static void tear_down(void)
{
    site_end(&s);
}

static void keep(struct hm_error *place, const struct hm_error *err)
{
    *place = err ? *err : (struct hm_error){0};
}

static void on_answer(void *arg, struct driver_result *result, const struct hm_error *err)
{
    (void)arg;
    (void)result;
    answers++;
    keep(&answer, err);
}

static void on_ended(void *arg)
{
    (void)arg;
    ended++;
}

static int reboot(const char *name, struct hm_error *err)
{
    struct operate_request request = {
        .kind = "vm", .name = name, .timeout_ms = 60000, .done = on_answer, .ended = on_ended};
    ck_assert_int_eq(operation_find("reboot", &request.operation, NULL), 0);
    return reconciler_operate(s.reconciler, &request, err);
}

static void begin_to_reboot(const char *name)
{
    struct hm_error err = {0};
    fake_hold("reboot", name);
    ck_assert_msg(reboot(name, &err) >= 0, "%s", err.text);
    SITE_UNTIL(&s, fake_inside("reboot", name) == 1);
}

static void on_stopped(void *arg, const struct hm_error *err)
{
    (void)arg;
    stops++;
    keep(&stop_answer, err);
}

static void stop_the_primary(int64_t ms)
{
    int64_t deadline = hm_boottime_ns() + ms * HM_MS;
    struct stop_times times = {.kill_ns = deadline, .deadline_ns = deadline};
    s.workload.stop(s.workload.data, 1, times, on_stopped, NULL);
}

static void has_primary(const char *name)
{
    HM_AUTOFREE char *key = hm_printf("primary.vm.%s", name);
    site_made(&s, key, THING_RUNNING, VM ",\"stop_grace\":\"0s\"}");
    site_put(&s, key, VM ",\"stop_grace\":\"0s\"}");
    s.workload.resume(s.workload.data, 1);
    site_settle(&s);
}

START_TEST(one_at_a_time)
{
    struct hm_error err;
    site_made(&s, "site-a.vm.web", THING_RUNNING, VM "}");
    site_put(&s, "site-a.vm.web", VM "}");
    site_settle(&s);
    begin_to_reboot("web");
    ck_assert_int_lt(reboot("web", &err), 0);
    ck_assert_int_eq(err.code, HM_E_BUSY);
    site_put(&s, "site-a.vm.web", VM ",\"power\":\"off\"}");
    site_look(&s);
    ck_assert_int_eq(fake_calls("stop", "web"), 0);
    fake_let_go("reboot", "web");
    SITE_UNTIL(&s, fake_state("vm", "web") == THING_OFF);
    ck_assert_int_eq(answers, 1);
    ck_assert_int_eq(ended, 1);
    ck_assert_int_eq(answer.code, HM_OK);
}
END_TEST

START_TEST(one_at_a_time_of_what_no_document_speaks_of)
{
    struct hm_error err;
    site_made(&s, "site-a.vm.web", THING_RUNNING, VM "}");
    site_settle(&s);
    begin_to_reboot("web");
    ck_assert_int_lt(reboot("web", &err), 0);
    ck_assert_int_eq(err.code, HM_E_BUSY);
    site_put(&s, "site-a.vm.web", VM ",\"power\":\"off\"}"); /* it is declared again meanwhile */
    site_look(&s);
    ck_assert_int_eq(fake_calls("stop", "web"), 0);
    fake_let_go("reboot", "web");
    SITE_UNTIL(&s, fake_state("vm", "web") == THING_OFF);
    ck_assert_int_eq(answers, 1);
}
END_TEST

/* An agent that has just begun: it knows the document, and what it does about it is not decided yet. */
START_TEST(one_at_a_time_before_the_first_plan)
{
    struct hm_error err;
    site_made(&s, "site-a.vm.web", THING_RUNNING, VM "}");
    site_put(&s, "site-a.vm.web", VM ",\"power\":\"off\"}");
    begin_to_reboot("web");
    ck_assert_int_lt(reboot("web", &err), 0);
    ck_assert_int_eq(err.code, HM_E_BUSY);
    site_look(&s);
    ck_assert_int_eq(fake_calls("stop", "web"), 0);
    fake_let_go("reboot", "web");
    SITE_UNTIL(&s, fake_state("vm", "web") == THING_OFF);
}
END_TEST

/* Of which document it was is not known, so not whose it is either. */
START_TEST(one_whose_mark_has_no_key_is_nobodys)
{
    struct hm_error err;
    site_made(&s, "site-a.vm.web", THING_RUNNING, VM "}");
    site_settle(&s);
    fake_lose_key("vm", "web");
    site_look(&s);
    ck_assert_int_lt(reboot("web", &err), 0);
    ck_assert_int_eq(err.code, HM_E_NOT_FOUND);
}
END_TEST

/* There is nothing to call back of it, and nobody waits for it. */
START_TEST(a_fence_waits_for_none)
{
    has_primary("web");
    begin_to_reboot("web");
    stop_the_primary(5000);
    SITE_UNTIL(&s, stops == 1);
    ck_assert_msg(stop_answer.code == HM_OK, "%s", stop_answer.text);
    ck_assert_int_eq(fake_state("vm", "web"), THING_OFF);
    ck_assert_int_eq(answers, 0);
    fake_let_go("reboot", "web");
    SITE_UNTIL(&s, ended == 1);
    site_settle(&s);
    ck_assert_int_eq(fake_state("vm", "web"), THING_OFF);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("operate");
    TCase *t = tcase_create("beside");
    tcase_set_timeout(t, 30);
    tcase_add_checked_fixture(t, set_up, tear_down);
    tcase_add_test(t, one_at_a_time);
    tcase_add_test(t, one_whose_mark_has_no_key_is_nobodys);
    tcase_add_test(t, one_at_a_time_of_what_no_document_speaks_of);
    tcase_add_test(t, one_at_a_time_before_the_first_plan);
    tcase_add_test(t, a_fence_waits_for_none);
    suite_add_tcase(suite, t);
    SRunner *r = srunner_create(suite);
    srunner_run_all(r, CK_NORMAL);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
