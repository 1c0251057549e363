#include "agent/lead_timer.h"

#include <check.h>
#include <stdlib.h>

#include "base/clock.h"

static uv_loop_t loop;
static struct lead_timer *timer;
static int alarms;
static int64_t alarm_ns;

static void on_alarm(void *data)
{
    ck_assert_ptr_eq(data, &alarms);
    alarms++;
    alarm_ns = hm_boottime_ns();
}

static void set_up(void)
{
    uv_loop_init(&loop);
    alarms = 0;
    ck_assert_int_eq(lead_timer_new(&loop, on_alarm, &alarms, &timer, NULL), 0);
}

static void tear_down(void)
{
    lead_timer_free(timer);
    uv_run(&loop, UV_RUN_DEFAULT);
    ck_assert_int_eq(uv_loop_close(&loop), 0);
}

START_TEST(goes_off_once_and_not_early)
{
    int64_t at = hm_boottime_ns() + 20 * HM_MS;
    lead_timer_set(timer, at);
    uv_run(&loop, UV_RUN_ONCE);
    ck_assert_int_eq(alarms, 1);
    ck_assert_int_ge(alarm_ns, at);
    ck_assert_int_eq(uv_run(&loop, UV_RUN_NOWAIT), 1);
    ck_assert_int_eq(alarms, 1);
}
END_TEST

START_TEST(a_time_in_the_past_goes_off_at_once)
{
    lead_timer_set(timer, 1);
    uv_run(&loop, UV_RUN_ONCE);
    ck_assert_int_eq(alarms, 1);
}
END_TEST

START_TEST(a_new_time_replaces_the_old_one)
{
    int64_t later = hm_boottime_ns() + 50 * HM_MS;
    lead_timer_set(timer, hm_boottime_ns() + 10 * HM_MS);
    lead_timer_set(timer, later);
    while (alarms == 0)
        uv_run(&loop, UV_RUN_ONCE);
    ck_assert_int_ge(alarm_ns, later);
}
END_TEST

START_TEST(the_same_time_again_after_it_has_come_goes_off_again)
{
    lead_timer_set(timer, 1);
    lead_timer_set(timer, 1);
    uv_run(&loop, UV_RUN_ONCE);
    ck_assert_int_eq(alarms, 1);
    lead_timer_set(timer, 1);
    uv_run(&loop, UV_RUN_ONCE);
    ck_assert_int_eq(alarms, 2);
}
END_TEST

START_TEST(zero_takes_the_alarm_back)
{
    lead_timer_set(timer, 1);
    lead_timer_set(timer, 0);
    for (int i = 0; i < 10; i++)
        uv_run(&loop, UV_RUN_NOWAIT);
    ck_assert_int_eq(alarms, 0);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("lead_timer");
    TCase *t = tcase_create("lead_timer");
    tcase_add_checked_fixture(t, set_up, tear_down);
    tcase_add_test(t, goes_off_once_and_not_early);
    tcase_add_test(t, a_time_in_the_past_goes_off_at_once);
    tcase_add_test(t, a_new_time_replaces_the_old_one);
    tcase_add_test(t, the_same_time_again_after_it_has_come_goes_off_again);
    tcase_add_test(t, zero_takes_the_alarm_back);
    suite_add_tcase(s, t);
    SRunner *sr = srunner_create(s);
    srunner_run_all(sr, CK_NORMAL);
    int failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed != 0;
}
