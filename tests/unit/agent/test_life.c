/* Restarts in time; no second passes in it. */
#include "agent/life.h"

#include <check.h>
#include <stdlib.h>

#include "base/clock.h"

#define SECOND (1000 * HM_MS)
#define MINUTE (60 * SECOND)

static struct life l;
static struct run_note kept; /* what the thing keeps */
static int64_t now;

static void set_up(void)
{
    l = (struct life){0};
    kept = (struct run_note){0};
    now = 1000 * MINUTE;
}

static void look(bool is_well, bool fell)
{
    struct life_view v = {.note = &kept, .is_well = is_well, .fell = fell};
    life_look(&l, &v, now, 0);
}

static void start(bool again)
{
    kept = life_note_start(&l, again, 0, now, 1000 + now / HM_MS);
    life_noted(&l, &kept);
    look(true, false);
}

/* It ends after `lasted`; returns how long it then waits. */
static int64_t fall_after(int64_t lasted)
{
    now += lasted;
    look(true, false);
    look(false, true);
    int64_t wait = life_waits(&l, now) ? life_next_ns(&l) - now : 0;
    now += wait;
    ck_assert(!life_waits(&l, now));
    return wait;
}

static int64_t fall_and_start(int64_t lasted)
{
    int64_t wait = fall_after(lasted);
    start(true);
    return wait;
}

START_TEST(the_first_time_it_comes_back_at_once_then_ever_later)
{
    static const int64_t seconds[] = {0, 1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300};
    start(false);
    for (size_t i = 0; i < sizeof seconds / sizeof seconds[0]; i++)
        ck_assert_int_eq(fall_and_start(9 * MINUTE), seconds[i] * SECOND);
    ck_assert_uint_eq(kept.restarts, 12);
    ck_assert_uint_eq(kept.streak, 12);
}
END_TEST

START_TEST(ten_minutes_of_being_well_end_the_row)
{
    start(false);
    for (int i = 0; i < 5; i++)
        fall_and_start(SECOND);
    ck_assert(life_is_looping(&l));
    ck_assert_int_eq(life_next_ns(&l), now + 10 * MINUTE);
    now += 10 * MINUTE;
    look(true, false);
    ck_assert(!life_is_looping(&l));
    ck_assert_int_eq(life_next_ns(&l), 0);
    ck_assert_int_eq(fall_and_start(SECOND), 0);
    ck_assert_uint_eq(kept.restarts, 6); /* counted on */
    ck_assert_uint_eq(kept.streak, 1);
}
END_TEST

START_TEST(being_ill_is_not_being_well)
{
    start(false);
    for (int i = 0; i < 3; i++)
        fall_and_start(SECOND);
    now += 9 * MINUTE;
    look(true, false);
    look(false, false); /* paused */
    now += 2 * MINUTE;
    look(true, false);
    ck_assert(life_is_looping(&l));
}
END_TEST

START_TEST(the_third_restart_in_a_row_is_a_crash_loop_and_keeps_its_beginning)
{
    start(false);
    fall_and_start(SECOND);
    fall_and_start(SECOND);
    ck_assert(!life_is_looping(&l));
    ck_assert_int_eq(kept.loop_since_ms, 0);
    fall_and_start(SECOND);
    ck_assert(life_is_looping(&l));
    int64_t since = kept.loop_since_ms;
    ck_assert_int_eq(since, 1000 + now / HM_MS);
    fall_and_start(SECOND);
    ck_assert_int_eq(kept.loop_since_ms, since);
}
END_TEST

START_TEST(what_recovers_before_its_time_is_not_started_again)
{
    start(false);
    fall_and_start(SECOND);
    look(false, true);
    ck_assert(life_waits(&l, now));
    look(true, false);
    ck_assert(!life_waits(&l, now));
    ck_assert_uint_eq(l.restarts, 1);
}
END_TEST

START_TEST(the_wait_is_fixed_when_it_falls)
{
    start(false);
    fall_and_start(SECOND);
    look(false, true);
    int64_t due = life_next_ns(&l);
    now += SECOND / 2;
    look(false, true);
    ck_assert_int_eq(life_next_ns(&l), due);
}
END_TEST

START_TEST(the_next_agent_goes_on)
{
    start(false);
    for (int i = 0; i < 4; i++)
        fall_and_start(SECOND);
    l = (struct life){0};
    now += 2 * SECOND;
    look(true, false);
    ck_assert_uint_eq(l.restarts, 4);
    ck_assert(life_is_looping(&l));
    ck_assert_int_eq(life_next_ns(&l), kept.began_ms * HM_MS + 10 * MINUTE);
    ck_assert_int_eq(fall_after(SECOND), 8 * SECOND);

    l = (struct life){0}; /* and one that comes while it is down waits as long */
    look(false, true);
    ck_assert_int_eq(life_next_ns(&l) - now, 8 * SECOND);
}
END_TEST

/* The clock began anew with the host, so the note tells nothing about how long it was well. */
START_TEST(a_note_of_an_earlier_boot_ends_no_row)
{
    start(false);
    for (int i = 0; i < 4; i++)
        fall_and_start(SECOND);
    l = (struct life){0};
    now = 5 * MINUTE;
    look(true, false);
    ck_assert(life_is_looping(&l));
    ck_assert_int_eq(life_next_ns(&l), now + 10 * MINUTE);
}
END_TEST

START_TEST(a_stop_on_purpose_counts_from_nothing_and_one_for_illness_goes_on)
{
    start(false);
    fall_and_start(SECOND);
    fall_and_start(SECOND);
    struct run_note stop = life_note_stop(&l, true, 7);
    ck_assert_int_eq(stop.state, RUN_REVIVED);
    ck_assert_uint_eq(stop.epoch, 7);
    life_noted(&l, &stop);
    start(true);
    ck_assert_uint_eq(kept.restarts, 3);
    ck_assert_uint_eq(kept.streak, 3);
    stop = life_note_stop(&l, false, 0);
    ck_assert_int_eq(stop.state, RUN_STOPPED);
    life_noted(&l, &stop);
    start(false);
    ck_assert_uint_eq(kept.restarts, 0);
    ck_assert_uint_eq(kept.streak, 0);
}
END_TEST

START_TEST(an_end_is_noted_with_its_counters)
{
    struct run_note run = {.state = RUN_STARTED, .epoch = 3, .restarts = 5, .streak = 2};
    ck_assert_int_eq(life_note_end(&run, true).state, RUN_ENDED);
    ck_assert_int_eq(life_note_end(&run, false).state, RUN_FAILED);
    ck_assert_uint_eq(life_note_end(&run, false).restarts, 5);
    ck_assert_uint_eq(life_note_end(&run, false).epoch, 3);
}
END_TEST

START_TEST(a_new_revision_waits_for_nothing)
{
    start(false);
    for (int i = 0; i < 6; i++)
        fall_and_start(SECOND);
    look(false, true);
    life_afresh(&l);
    ck_assert(!life_waits(&l, now));
    ck_assert(!life_is_looping(&l));
}
END_TEST

int main(void)
{
    Suite *s = suite_create("life");
    TCase *c = tcase_create("life");
    tcase_add_checked_fixture(c, set_up, NULL);
    tcase_add_test(c, the_first_time_it_comes_back_at_once_then_ever_later);
    tcase_add_test(c, ten_minutes_of_being_well_end_the_row);
    tcase_add_test(c, being_ill_is_not_being_well);
    tcase_add_test(c, the_third_restart_in_a_row_is_a_crash_loop_and_keeps_its_beginning);
    tcase_add_test(c, what_recovers_before_its_time_is_not_started_again);
    tcase_add_test(c, the_wait_is_fixed_when_it_falls);
    tcase_add_test(c, the_next_agent_goes_on);
    tcase_add_test(c, a_note_of_an_earlier_boot_ends_no_row);
    tcase_add_test(c, a_stop_on_purpose_counts_from_nothing_and_one_for_illness_goes_on);
    tcase_add_test(c, an_end_is_noted_with_its_counters);
    tcase_add_test(c, a_new_revision_waits_for_nothing);
    suite_add_tcase(s, c);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
