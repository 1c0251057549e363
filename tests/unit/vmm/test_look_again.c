/* When what could not be looked into is looked into again. */
#include <check.h>
#include <stdlib.h>

#include "base/clock.h"
#include "vmm/look_again.h"

#define S (1000 * HM_MS)

static struct look_again again;

/* Fails at that time, and is due `wait` later and no sooner; returns then. */
static int64_t fail_and_wait(int64_t now, int64_t wait)
{
    look_again_note(&again, true, now);
    ck_assert(!look_again_is_due(&again, now + wait - 1));
    ck_assert(look_again_is_due(&again, now + wait));
    return now + wait;
}

START_TEST(what_did_not_fail_is_never_due)
{
    ck_assert(!look_again_is_due(&again, INT64_MAX));
    look_again_note(&again, false, 7 * S);
    ck_assert(!look_again_is_due(&again, INT64_MAX));
}
END_TEST

START_TEST(the_time_doubles_to_a_bound)
{
    static const int waits[] = {10, 20, 40, 80, 160, 300, 300};
    int64_t now = 7 * S;
    for (size_t i = 0; i < sizeof waits / sizeof *waits; i++)
        now = fail_and_wait(now, waits[i] * S);
}
END_TEST

START_TEST(a_look_before_it_is_due_does_not_put_it_off)
{
    look_again_note(&again, true, 7 * S);
    look_again_note(&again, true, 16 * S);
    ck_assert(!look_again_is_due(&again, 17 * S - 1));
    ck_assert(look_again_is_due(&again, 17 * S));
}
END_TEST

START_TEST(after_one_that_went_well_it_begins_anew)
{
    int64_t now = fail_and_wait(fail_and_wait(7 * S, 10 * S), 20 * S);
    look_again_note(&again, false, now);
    ck_assert(!look_again_is_due(&again, INT64_MAX));
    fail_and_wait(now + S, 10 * S);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("look_again");
    TCase *t = tcase_create("all");
    tcase_add_test(t, what_did_not_fail_is_never_due);
    tcase_add_test(t, the_time_doubles_to_a_bound);
    tcase_add_test(t, a_look_before_it_is_due_does_not_put_it_off);
    tcase_add_test(t, after_one_that_went_well_it_begins_anew);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
