/* Several backends at once: each is seen on its own, and none holds up what lies elsewhere. */
#include "agent/backends.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "fakes/status.c"
#include "site.h"
#include "world.h"

#define DISK "{\"size\":\"1GiB\"}"

static struct site s;
static char folder[] = "/tmp/backends.XXXXXX";
static int answers;
static struct hm_error answer;

static void set_up(void)
{
    ck_assert_ptr_nonnull(mkdtemp(folder));
    site_begin_with_two(&s, folder);
}

static void tear_down(void)
{
    HM_AUTOFREE char *note = hm_printf("%s/primary-made", folder);
    site_end(&s);
    unlink(note);
    ck_assert_int_eq(rmdir(folder), 0);
}

static bool is_phase(const char *name, const char *phase)
{
    return !strcmp(site_phase(&s, name), phase);
}

static void answered(void *arg, const struct hm_error *err)
{
    (void)arg;
    answers++;
    answer = err ? *err : (struct hm_error){0};
}

static void stop_and_wait(int64_t ms)
{
    int64_t deadline = hm_boottime_ns() + ms * HM_MS;
    struct stop_times times = {.kill_ns = deadline, .deadline_ns = deadline};
    answers = 0;
    s.workload.stop(s.workload.data, 1, times, answered, NULL);
    SITE_UNTIL(&s, answers == 1);
}

/* -- One is away ----------------------------------------------------------------------------------
 */

START_TEST(each_makes_its_own)
{
    site_put(&s, "site-a.disk.data", DISK);
    site_put(&s, "site-a.vm.web", VM_ON_DISK "}");
    SITE_UNTIL(&s, is_phase("vm.web", "Running") && is_phase("disk.data", "Running"));
    HM_AUTOFREE char *story = fake_story();
    ck_assert_str_eq(story, "create data, create web, start web");
}
END_TEST

START_TEST(one_that_fails_holds_up_its_own_alone)
{
    fake_fail("observe", "disks", HM_E_IO);
    site_put(&s, "site-a.disk.data", DISK);
    site_put(&s, "site-a.vm.web", VM "}");
    site_put(&s, "site-a.vm.db", VM_ON_DISK "}");
    SITE_UNTIL(&s, is_phase("vm.web", "Running") && is_phase("disk.data", "Waiting") &&
                       is_phase("vm.db", "Waiting"));
    ck_assert_int_eq(s.backend_error.code, HM_E_IO);
    fake_fail("observe", "disks", HM_OK);
    SITE_UNTIL(&s, is_phase("vm.db", "Running") && is_phase("disk.data", "Running"));
}
END_TEST

/* Until it answers, or fails for another reason, a plan would say the same. */
START_TEST(a_failure_that_goes_on_is_no_news)
{
    site_put(&s, "site-a.vm.web", VM "}");
    SITE_UNTIL(&s, is_phase("vm.web", "Running"));
    fake_fail("observe", "disks", HM_E_IO);
    site_settle(&s);
    ck_assert_int_eq(s.backend_error.code, HM_E_IO);
    int plans = s.passes;
    site_settle(&s);
    ck_assert_int_eq(s.passes, plans);
    fake_fail("observe", "disks", HM_E_TIMEOUT);
    reconciler_kick(s.reconciler);
    SITE_UNTIL(&s, s.passes > plans);
    plans = s.passes;
    fake_fail("observe", "disks", HM_OK);
    reconciler_kick(s.reconciler);
    SITE_UNTIL(&s, s.passes > plans);
}
END_TEST

START_TEST(one_that_hangs_holds_up_its_own_alone)
{
    fake_hold("observe", "disks");
    site_put(&s, "site-a.disk.data", DISK);
    site_put(&s, "site-a.vm.web", VM "}");
    SITE_UNTIL(&s, is_phase("vm.web", "Running"));
    ck_assert_int_eq(fake_inside("observe", "disks"), 1);
    ck_assert_int_eq(fake_calls("create", "data"), 0);
    fake_let_go("observe", "disks");
    SITE_UNTIL(&s, is_phase("disk.data", "Running"));
}
END_TEST

/* What was never looked at is not absent. */
START_TEST(nothing_is_made_before_the_first_look)
{
    fake_hold("observe", "libvirt");
    site_made(&s, "site-a.vm.web", THING_RUNNING, VM "}");
    site_put(&s, "site-a.vm.web", VM "}");
    site_put(&s, "site-a.disk.data", DISK);
    SITE_UNTIL(&s, is_phase("disk.data", "Running") && is_phase("vm.web", "Waiting"));
    fake_let_go("observe", "libvirt");
    SITE_UNTIL(&s, is_phase("vm.web", "Running"));
    ck_assert_int_eq(fake_calls("create", "web") + fake_calls("start", "web"), 0);
}
END_TEST

/* A look under way has the word: nothing is done there by an older one. */
START_TEST(old_news_is_not_acted_on_while_a_look_is_under_way)
{
    site_put(&s, "site-a.vm.web", VM "}");
    SITE_UNTIL(&s, is_phase("vm.web", "Running"));
    site_settle(&s);
    fake_hold("observe", "libvirt");
    site_put(&s, "site-a.vm.web", VM ",\"power\":\"off\"}");
    site_put(&s, "site-a.disk.data", DISK);
    SITE_UNTIL(&s, is_phase("disk.data", "Running"));
    ck_assert_int_eq(fake_calls("stop", "web"), 0);
    fake_let_go("observe", "libvirt");
    SITE_UNTIL(&s, fake_state("vm", "web") == THING_OFF);
}
END_TEST

START_TEST(a_disk_stays_while_its_users_are_not_seen)
{
    site_put(&s, "site-a.disk.data", DISK);
    SITE_UNTIL(&s, is_phase("disk.data", "Running"));
    fake_fail("observe", "libvirt", HM_E_LIBVIRT);
    site_put(&s, "site-a.disk.data", NULL);
    SITE_UNTIL(&s, is_phase("disk.data", "Waiting"));
    ck_assert_int_eq(fake_calls("remove", NULL), 0);
    fake_fail("observe", "libvirt", HM_OK);
    SITE_UNTIL(&s, fake_state("disk", "data") == THING_ABSENT);
}
END_TEST

static void count_plan(void *data, const json_t *plan)
{
    int *plans = data;
    (void)plan;
    (*plans)++;
}

START_TEST(a_plan_that_is_asked_for_has_seen_all)
{
    int plans = 0;
    struct plan_request q = {.done = count_plan, .data = &plans};
    site_settle(&s);
    fake_hold("observe", "disks");
    ck_assert_int_eq(reconciler_plan(s.reconciler, &q, NULL), 0);
    int seen = fake_calls("observe", "libvirt");
    SITE_UNTIL(&s, fake_inside("observe", "disks"));
    reconciler_kick(s.reconciler);
    SITE_UNTIL(&s, fake_calls("observe", "libvirt") > seen);
    uv_run(&s.loop, UV_RUN_NOWAIT);
    ck_assert_int_eq(plans, 0);
    fake_let_go("observe", "disks");
    SITE_UNTIL(&s, plans == 1);
}
END_TEST

/* -- The fence ------------------------------------------------------------------------------------
 */

START_TEST(a_fence_waits_for_no_backend_without_vms)
{
    site_made(&s, "primary.vm.db", THING_RUNNING, VM "}");
    site_settle(&s);
    fake_hold("observe", "disks");
    reconciler_kick(s.reconciler);
    SITE_UNTIL(&s, fake_inside("observe", "disks"));
    stop_and_wait(5000);
    ck_assert_msg(answer.code == HM_OK, "%s", answer.text);
    ck_assert_int_eq(fake_state("vm", "db"), THING_OFF);
    ck_assert_int_eq(fake_inside("observe", "disks"), 1);
    fake_let_go("observe", "disks");
}
END_TEST

START_TEST(a_fence_waits_for_the_one_with_vms)
{
    fake_fail("observe", "libvirt", HM_E_LIBVIRT);
    stop_and_wait(300);
    ck_assert_int_eq(answer.code, HM_E_LIBVIRT);
}
END_TEST

START_TEST(a_start_waits_for_no_backend_that_it_does_not_need)
{
    fake_fail("observe", "disks", HM_E_IO);
    site_put(&s, "primary.vm.db", VM "}");
    SITE_UNTIL(&s, fake_state("vm", "db") == THING_OFF);
    s.workload.start(s.workload.data, 1, hm_boottime_ns() + 20000 * HM_MS, answered, NULL);
    SITE_UNTIL(&s, answers == 1);
    ck_assert_msg(answer.code == HM_OK, "%s", answer.text);
    ck_assert_int_eq(fake_state("vm", "db"), THING_RUNNING);
    stop_and_wait(5000);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("backends");
    TCase *c = tcase_create("backends");
    tcase_set_timeout(c, 60);
    tcase_add_checked_fixture(c, set_up, tear_down);
    tcase_add_test(c, each_makes_its_own);
    tcase_add_test(c, one_that_fails_holds_up_its_own_alone);
    tcase_add_test(c, a_failure_that_goes_on_is_no_news);
    tcase_add_test(c, one_that_hangs_holds_up_its_own_alone);
    tcase_add_test(c, nothing_is_made_before_the_first_look);
    tcase_add_test(c, old_news_is_not_acted_on_while_a_look_is_under_way);
    tcase_add_test(c, a_disk_stays_while_its_users_are_not_seen);
    tcase_add_test(c, a_plan_that_is_asked_for_has_seen_all);
    tcase_add_test(c, a_fence_waits_for_no_backend_without_vms);
    tcase_add_test(c, a_fence_waits_for_the_one_with_vms);
    tcase_add_test(c, a_start_waits_for_no_backend_that_it_does_not_need);
    suite_add_tcase(suite, c);
    SRunner *r = srunner_create(suite);
    srunner_run_all(r, CK_NORMAL);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
