#include "agent/task.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/clock.h"

static struct task t;
static int64_t now;

static void set_up(void)
{
    task_clear(&t);
    t.key = hm_strdup("site-a.vm.web");
    now = 1000000 * HM_MS;
}

static void tear_down(void)
{
    task_clear(&t);
}

static void fail_once(uint32_t jitter)
{
    struct hm_error err;
    hm_fail(&err, HM_E_LIBVIRT, "it does not start");
    task_failed(&t, &err, now, jitter);
}

static int64_t wait_ms(void)
{
    return (t.next_try_ns - now) / HM_MS;
}

/* A download that is under way: no failure, and what failed before is not over yet. */
START_TEST(what_goes_on_is_asked_again_soon)
{
    task_goes_on(&t, "downloading, 3 %", now);
    ck_assert_int_eq(wait_ms(), 2000);
    ck_assert_uint_eq(t.failures, 0);
    fail_once(0);
    ck_assert_ptr_null(t.progress);
    task_goes_on(&t, "downloading, 4 %", now);
    ck_assert_uint_eq(t.failures, 1);
    ck_assert_str_eq(t.progress, "downloading, 4 %");
    fail_once(0);
    ck_assert_int_eq(wait_ms(), 2000);
    ck_assert_uint_eq(t.failures, 2);
    task_goes_on(&t, "downloading, 5 %", now);
    task_done(&t, now);
    ck_assert_ptr_null(t.progress);
    ck_assert_uint_eq(t.failures, 0);
}
END_TEST

START_TEST(failures_back_off_from_a_second_to_five_minutes)
{
    static const int64_t expected[] = {1000,  2000,   4000,   8000,   16000, 32000,
                                       64000, 128000, 256000, 300000, 300000};
    for (size_t i = 0; i < sizeof expected / sizeof expected[0]; i++) {
        fail_once(0);
        ck_assert_int_eq(wait_ms(), expected[i]);
    }
    for (int i = 0; i < 5000; i++)
        fail_once(0);
    ck_assert_int_eq(wait_ms(), 300000);
    ck_assert_int_eq(t.error->code, HM_E_LIBVIRT);
}
END_TEST

START_TEST(jitter_adds_up_to_a_quarter)
{
    int64_t least = INT64_MAX, most = 0;
    for (uint32_t jitter = 0; jitter < 100000; jitter += 7) {
        set_up();
        fail_once(0);
        fail_once(jitter);
        least = wait_ms() < least ? wait_ms() : least;
        most = wait_ms() > most ? wait_ms() : most;
    }
    ck_assert_int_eq(least, 2000);
    ck_assert_int_gt(most, 2400);
    ck_assert_int_le(most, 2500);
}
END_TEST

START_TEST(success_ends_the_back_off)
{
    fail_once(0);
    fail_once(0);
    t.verb = VERB_START;
    task_done(&t, now);
    ck_assert_uint_eq(t.failures, 0);
    ck_assert_ptr_null(t.error);
    ck_assert_int_eq(t.next_try_ns, 0);
    fail_once(0);
    ck_assert_int_eq(wait_ms(), 1000);
}
END_TEST

START_TEST(new_revision_starts_afresh)
{
    task_revision(&t, 7);
    fail_once(0);
    task_revision(&t, 7);
    ck_assert_uint_eq(t.failures, 1);
    task_revision(&t, 8);
    ck_assert_uint_eq(t.failures, 0);
    ck_assert_int_eq(t.next_try_ns, 0);
}
END_TEST

static void do_well(enum plan_verb verb)
{
    t.verb = verb;
    task_done(&t, now);
}

START_TEST(what_does_not_last_backs_off)
{
    for (int64_t expected = 1000; expected <= 64000; expected *= 2) {
        do_well(VERB_START);
        now += 300 * HM_MS; /* it crashed */
        ck_assert(task_relapsed(&t, VERB_START, now, 0));
        ck_assert_int_eq(wait_ms(), expected);
        ck_assert_uint_gt(t.failures, 0);
        ck_assert_ptr_nonnull(strstr(t.error->text, "start was done, and after 300 ms"));
        now = t.next_try_ns;
        ck_assert(!task_relapsed(&t, VERB_START, now, 0)); /* it has waited: now it may */
    }
}
END_TEST

START_TEST(what_lasted_is_done_again_at_once)
{
    do_well(VERB_START);
    now += 10000 * HM_MS;
    ck_assert(!task_relapsed(&t, VERB_START, now, 0));
    do_well(VERB_START);
    now += 1 * HM_MS;
    ck_assert(task_relapsed(&t, VERB_START, now, 0));
    ck_assert_int_eq(wait_ms(), 1000);
}
END_TEST

START_TEST(a_minute_forgets_relapses)
{
    for (int i = 0; i < 5; i++) {
        do_well(VERB_START);
        ck_assert(task_relapsed(&t, VERB_START, now, 0));
        now = t.next_try_ns;
    }
    do_well(VERB_START);
    now += 60000 * HM_MS;
    ck_assert(!task_relapsed(&t, VERB_START, now, 0));
    do_well(VERB_START);
    ck_assert(task_relapsed(&t, VERB_START, now, 0));
    ck_assert_int_eq(wait_ms(), 1000);
}
END_TEST

START_TEST(the_steps_of_a_change_are_no_relapse)
{
    static const enum plan_verb steps[] = {VERB_STOP,   VERB_UPDATE, VERB_START, VERB_STOP,
                                           VERB_REMOVE, VERB_CREATE, VERB_START};
    for (size_t i = 0; i < sizeof steps / sizeof steps[0]; i++) {
        ck_assert(!task_relapsed(&t, steps[i], now, 0));
        do_well(steps[i]);
    }
}
END_TEST

START_TEST(stopping_is_never_held_back)
{
    do_well(VERB_KILL);
    ck_assert(!task_relapsed(&t, VERB_KILL, now, 0));
    do_well(VERB_STOP);
    ck_assert(!task_relapsed(&t, VERB_STOP, now, 0));
}
END_TEST

START_TEST(new_revision_may_need_the_same_verb)
{
    task_revision(&t, 7);
    do_well(VERB_UPDATE);
    task_revision(&t, 8);
    ck_assert(!task_relapsed(&t, VERB_UPDATE, now, 0));
}
END_TEST

int main(void)
{
    Suite *s = suite_create("task");
    TCase *c = tcase_create("task");
    tcase_add_checked_fixture(c, set_up, tear_down);
    tcase_add_test(c, what_goes_on_is_asked_again_soon);
    tcase_add_test(c, failures_back_off_from_a_second_to_five_minutes);
    tcase_add_test(c, jitter_adds_up_to_a_quarter);
    tcase_add_test(c, success_ends_the_back_off);
    tcase_add_test(c, new_revision_starts_afresh);
    tcase_add_test(c, what_does_not_last_backs_off);
    tcase_add_test(c, what_lasted_is_done_again_at_once);
    tcase_add_test(c, a_minute_forgets_relapses);
    tcase_add_test(c, the_steps_of_a_change_are_no_relapse);
    tcase_add_test(c, stopping_is_never_held_back);
    tcase_add_test(c, new_revision_may_need_the_same_verb);
    suite_add_tcase(s, c);
    SRunner *sr = srunner_create(s);
    srunner_run_all(sr, CK_NORMAL);
    int failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed ? 1 : 0;
}
