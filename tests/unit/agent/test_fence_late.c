/* A fence whose kill falls due while it decides whom to ask: the clock goes on by a millisecond at each look at it. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "fakes/status.c"
#include "late_clock.h"
#include "site.h"
#include "world.h"

enum { LOOKS = 40 }; /* more than a fence needs to begin */

static struct site s;
static int answers;
static struct hm_error answer;

static void answered(void *arg, const struct hm_error *err)
{
    (void)arg;
    answers++;
    answer = err ? *err : (struct hm_error){0};
}

static void begin_slowly(int64_t kill_ms)
{
    int64_t now = hm_boottime_ns();
    struct stop_times times = {.kill_ns = now + kill_ms * HM_MS, .deadline_ns = now + 9000 * HM_MS};
    answers = 0;
    late_clock_begin(HM_MS);
    s.workload.stop(s.workload.data, 1, times, answered, NULL);
    late_clock_end();
    ck_assert_int_lt(late_clock_looks, LOOKS);
}

START_TEST(what_waits_is_killed_whenever_the_kill_falls_due)
{
    site_begin(&s);
    site_made(&s, "primary.vm.db", THING_RUNNING, VM ",\"stop_grace\":\"1m\"}");
    site_made(&s, "primary.vm.web", THING_RUNNING,
              VM ",\"stop_grace\":\"1m\",\"depends_on\":[\"vm/db\"]}");
    site_look(&s);
    fake_hold("stop", "web"); /* it hears nothing */
    begin_slowly(_i);
    SITE_UNTIL(&s, fake_state("vm", "db") == THING_OFF);
    fake_let_go("stop", "web");
    SITE_UNTIL(&s, answers == 1);
    ck_assert_msg(answer.code == HM_OK, "%s", answer.text);
    ck_assert_int_eq(fake_state("vm", "web"), THING_OFF);
    site_end(&s);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("fence_late");
    TCase *t = tcase_create("clock");
    tcase_set_timeout(t, 30);
    tcase_add_loop_test(t, what_waits_is_killed_whenever_the_kill_falls_due, 0, LOOKS);
    suite_add_tcase(suite, t);
    SRunner *r = srunner_create(suite);
    srunner_run_all(r, CK_NORMAL);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
