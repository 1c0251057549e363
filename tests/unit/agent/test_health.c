/* Answers in time; no second passes in it. */
#include "agent/health.h"

#include <check.h>
#include <stdlib.h>

#include "base/clock.h"

#define SECOND (1000 * HM_MS)

static struct health h;
static struct health_rule rule;
static int64_t now;

static void set_up(void)
{
    h = (struct health){0};
    rule = (struct health_rule){.interval_ns = 10 * SECOND,
                                .timeout_ns = 3 * SECOND,
                                .start_ns = 60 * SECOND,
                                .retries = 3};
    now = 1000 * SECOND;
}

static struct health_effect event(enum health_event e, const char *reason)
{
    return health_step(&h, &rule, e, reason, now, now);
}

static void run(void)
{
    event(HEALTH_EVENT_RUNS, NULL);
}

/* Its time comes, it is asked, and answers. Returns whether the state is another one. */
static bool answer(enum health_event e)
{
    if (h.next_ns > now)
        now = h.next_ns;
    ck_assert(event(HEALTH_EVENT_TIME, NULL).ask);
    return event(e, e == HEALTH_EVENT_GOOD ? NULL : "status 500").changed;
}

static void expect(enum health_state state)
{
    ck_assert_str_eq(health_state_name(h.state), health_state_name(state));
}

START_TEST(it_is_asked_at_once_and_then_every_interval)
{
    run();
    expect(HEALTH_STARTING);
    int64_t began = now;
    ck_assert(answer(HEALTH_EVENT_GOOD));
    ck_assert_int_eq(now, began);
    ck_assert(!answer(HEALTH_EVENT_GOOD));
    ck_assert_int_eq(now, began + 10 * SECOND);
    ck_assert(!event(HEALTH_EVENT_TIME, NULL).ask);
}
END_TEST

START_TEST(bad_answers_in_a_row_make_it_ill_and_one_good_one_well)
{
    run();
    answer(HEALTH_EVENT_GOOD);
    ck_assert(!answer(HEALTH_EVENT_BAD));
    ck_assert(!answer(HEALTH_EVENT_BAD));
    expect(HEALTH_WELL);
    answer(HEALTH_EVENT_GOOD); /* the row is broken */
    answer(HEALTH_EVENT_BAD);
    answer(HEALTH_EVENT_BAD);
    expect(HEALTH_WELL);
    ck_assert(answer(HEALTH_EVENT_BAD));
    expect(HEALTH_ILL);
    ck_assert_str_eq(h.reason, "status 500");
    ck_assert(answer(HEALTH_EVENT_GOOD));
    expect(HEALTH_WELL);
    ck_assert_str_eq(h.reason, "");
}
END_TEST

START_TEST(in_its_start_period_it_is_spared)
{
    run();
    for (int i = 0; i < 6; i++) /* 0 s to 50 s */
        answer(HEALTH_EVENT_BAD);
    expect(HEALTH_STARTING);
    answer(HEALTH_EVENT_BAD); /* 60 s */
    answer(HEALTH_EVENT_BAD);
    expect(HEALTH_STARTING);
    ck_assert(answer(HEALTH_EVENT_BAD));
    expect(HEALTH_ILL);
}
END_TEST

START_TEST(the_first_good_answer_ends_the_start_period)
{
    run();
    answer(HEALTH_EVENT_GOOD);
    for (int i = 0; i < 3; i++)
        answer(HEALTH_EVENT_BAD);
    expect(HEALTH_ILL);
}
END_TEST

START_TEST(what_cannot_be_asked_is_unknown_and_counts_for_nothing)
{
    run();
    answer(HEALTH_EVENT_UNASKED);
    expect(HEALTH_STARTING);
    answer(HEALTH_EVENT_GOOD);
    answer(HEALTH_EVENT_BAD);
    answer(HEALTH_EVENT_BAD);
    ck_assert(answer(HEALTH_EVENT_UNASKED));
    expect(HEALTH_UNKNOWN);
    for (int i = 0; i < 100; i++)
        answer(HEALTH_EVENT_UNASKED);
    expect(HEALTH_UNKNOWN);
    answer(HEALTH_EVENT_BAD); /* a row begins anew */
    answer(HEALTH_EVENT_BAD);
    expect(HEALTH_UNKNOWN);
    answer(HEALTH_EVENT_BAD);
    expect(HEALTH_ILL);
    answer(HEALTH_EVENT_UNASKED);
    expect(HEALTH_UNKNOWN); /* nothing is done about what is not known any more */
}
END_TEST

START_TEST(what_has_gone_is_not_asked_and_its_late_answer_is_void)
{
    run();
    answer(HEALTH_EVENT_GOOD);
    now = h.next_ns;
    ck_assert(event(HEALTH_EVENT_TIME, NULL).ask);
    ck_assert(event(HEALTH_EVENT_GONE, NULL).changed);
    expect(HEALTH_NONE);
    event(HEALTH_EVENT_BAD, "late");
    expect(HEALTH_NONE);
    ck_assert(!event(HEALTH_EVENT_TIME, NULL).ask);
    ck_assert_int_eq(h.next_ns, 0);
    run();
    event(HEALTH_EVENT_GOOD, NULL); /* of the run before: nobody asked yet */
    expect(HEALTH_STARTING);
}
END_TEST

START_TEST(no_question_before_the_last_one_is_answered_and_no_spinning)
{
    run();
    ck_assert(event(HEALTH_EVENT_TIME, NULL).ask);
    now = h.next_ns;
    ck_assert(!event(HEALTH_EVENT_TIME, NULL).ask);
    ck_assert_int_gt(h.next_ns, now);
    event(HEALTH_EVENT_GOOD, NULL);
    expect(HEALTH_WELL);
}
END_TEST

START_TEST(seen_running_again_and_again_is_one_run)
{
    run();
    answer(HEALTH_EVENT_GOOD);
    int64_t next = h.next_ns;
    for (int i = 0; i < 10; i++)
        run();
    expect(HEALTH_WELL);
    ck_assert_int_eq(h.next_ns, next);
}
END_TEST

START_TEST(a_run_that_began_earlier_has_used_up_its_start_period)
{
    health_step(&h, &rule, HEALTH_EVENT_RUNS, NULL, now - 3600 * SECOND, now);
    for (int i = 0; i < 3; i++)
        answer(HEALTH_EVENT_BAD);
    expect(HEALTH_ILL);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("health");
    TCase *c = tcase_create("health");
    tcase_add_checked_fixture(c, set_up, NULL);
    tcase_add_test(c, it_is_asked_at_once_and_then_every_interval);
    tcase_add_test(c, bad_answers_in_a_row_make_it_ill_and_one_good_one_well);
    tcase_add_test(c, in_its_start_period_it_is_spared);
    tcase_add_test(c, the_first_good_answer_ends_the_start_period);
    tcase_add_test(c, what_cannot_be_asked_is_unknown_and_counts_for_nothing);
    tcase_add_test(c, what_has_gone_is_not_asked_and_its_late_answer_is_void);
    tcase_add_test(c, no_question_before_the_last_one_is_answered_and_no_spinning);
    tcase_add_test(c, seen_running_again_and_again_is_one_run);
    tcase_add_test(c, a_run_that_began_earlier_has_used_up_its_start_period);
    suite_add_tcase(s, c);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
