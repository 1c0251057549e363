/* Looks that are waited for no longer while it is decided how long. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "fakes/status.c"
#include "late_clock.h"
#include "site.h"
#include "world.h"

enum { JOIN_MS = 100, SWEEP_MS = 5, STEP_MS = 20 }; /* JOIN_MS: as long a look is waited for */

static struct site s;

static bool is_running(const char *name)
{
    return !strcmp(site_phase(&s, name), "Running");
}

/* The clock goes on while the loop takes what has come next. */
static void turn_slowly(void)
{
    late_clock_begin(STEP_MS * HM_MS);
    while (late_clock_looks == 0)
        uv_run(&s.loop, UV_RUN_ONCE);
    late_clock_end();
}

START_TEST(one_that_hangs_holds_up_nobody_whenever_its_time_is_over)
{
    site_begin_with_two(&s, NULL);
    fake_hold("observe", "libvirt");
    fake_hold("observe", "disks");
    site_put(&s, "site-a.vm.web", VM "}");
    SITE_UNTIL(&s, fake_inside("observe", "libvirt") && fake_inside("observe", "disks"));
    late_clock_ahead_ns += _i * SWEEP_MS * HM_MS;
    fake_let_go("observe", "libvirt");
    turn_slowly();
    SITE_UNTIL(&s, is_running("vm.web"));
    ck_assert_int_eq(fake_inside("observe", "disks"), 1);
    fake_let_go("observe", "disks");
    site_end(&s);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("backends_late");
    TCase *t = tcase_create("clock");
    tcase_set_timeout(t, 30);
    tcase_add_loop_test(t, one_that_hangs_holds_up_nobody_whenever_its_time_is_over, 0,
                        JOIN_MS / SWEEP_MS + 1);
    suite_add_tcase(suite, t);
    SRunner *r = srunner_create(suite);
    srunner_run_all(r, CK_NORMAL);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
