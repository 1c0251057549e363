/* How the documents of placement `primary` are stopped, and when they count as stopped. */
#include <check.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/file.h"
#include "fakes/status.c"
#include "site.h"
#include "world.h"

enum { MANY = 100 }; /* more than the fence's queue and workers hold */

static struct site s;
static char folder[] = "/tmp/fence.XXXXXX";
static int answers;
static struct hm_error answer; /* HM_OK: stopped, verified */

static void set_up(void)
{
    ck_assert_ptr_nonnull(mkdtemp(folder));
    site_begin_in(&s, folder);
}

static void tear_down(void)
{
    HM_AUTOFREE char *note = hm_printf("%s/primary-made", folder);
    site_end(&s);
    unlink(note);
    ck_assert_int_eq(rmdir(folder), 0);
}

static void answered(void *arg, const struct hm_error *err)
{
    (void)arg;
    answers++;
    answer = err ? *err : (struct hm_error){0};
}

static void stop(int64_t ms)
{
    int64_t deadline = hm_boottime_ns() + ms * HM_MS;
    struct stop_times times = {.kill_ns = deadline, .deadline_ns = deadline};
    answers = 0;
    s.workload.stop(s.workload.data, 1, times, answered, NULL);
}

static void stop_and_wait(int64_t ms)
{
    stop(ms);
    SITE_UNTIL(&s, answers == 1);
}

static void expect_stopped(void)
{
    ck_assert_msg(answer.code == HM_OK, "%s", answer.text);
}

static void expect_failed(enum hm_code code, const char *part)
{
    ck_assert_int_eq(answer.code, code);
    ck_assert_msg(strstr(answer.text, part) != NULL, "%s", answer.text);
}

/* -- Many, some of them paused -----------------------------------------------------------------------------------------
 */

static void make_many(void)
{
    char key[40];
    for (int i = 0; i < MANY; i++) {
        snprintf(key, sizeof key, "primary.vm.v%03d", i);
        site_made(&s, key, i % 3 ? THING_RUNNING : THING_PAUSED, VM ",\"stop_grace\":\"0s\"}");
    }
}

static int running(void)
{
    char name[40];
    int count = 0;
    for (int i = 0; i < MANY; i++) {
        snprintf(name, sizeof name, "v%03d", i);
        count += fake_state("vm", name) != THING_OFF;
    }
    return count;
}

START_TEST(more_than_the_queue_holds)
{
    make_many();
    fake_hold("kill", NULL); /* a backend that takes its time for each */
    stop(5000);
    for (int i = 0; i < MANY; i++) {
        SITE_UNTIL(&s, fake_inside("kill", NULL) > 0);
        fake_let_one_go("kill", NULL);
    }
    SITE_UNTIL(&s, answers == 1);
    expect_stopped();
    ck_assert_int_eq(running(), 0);
    ck_assert_int_eq(fake_calls("kill", NULL), MANY); /* one round */
}
END_TEST

START_TEST(one_that_fails_keeps_no_other_running)
{
    make_many();
    fake_fail("kill", "v000", HM_E_LIBVIRT);
    stop_and_wait(300);
    expect_failed(HM_E_LIBVIRT, "kill v000 fails");
    ck_assert_int_eq(running(), 1);
}
END_TEST

/* -- Order --------------------------------------------------------------------------------------- */

/* web needs app, app needs db. */
static void make_tower(void)
{
    site_made(&s, "primary.vm.app", THING_RUNNING,
              VM ",\"stop_grace\":\"1m\",\"depends_on\":[\"vm/db\"]}");
    site_made(&s, "primary.vm.db", THING_RUNNING, VM ",\"stop_grace\":\"1m\"}");
    site_made(&s, "primary.vm.web", THING_RUNNING,
              VM ",\"stop_grace\":\"1m\",\"depends_on\":[\"vm/app\"]}");
    site_look(&s);
}

START_TEST(those_that_need_others_are_asked_first)
{
    make_tower();
    fake_hold("stop", NULL);
    stop(9000);
    SITE_UNTIL(&s, fake_inside("stop", "web") == 1 || fake_inside("stop", NULL) == 1);
    ck_assert_int_le(fake_last_grace_ms(), 3000); /* a third: two more are to be asked */
    ck_assert_int_ge(fake_last_grace_ms(), 2000);
    fake_let_one_go("stop", NULL);
    SITE_UNTIL(&s, fake_calls("stop", "app") == 1);
    ck_assert_int_eq(fake_calls("stop", "db"), 0);
    fake_let_go("stop", NULL);
    SITE_UNTIL(&s, answers == 1);
    expect_stopped();
    HM_AUTOFREE char *calls = fake_story();
    ck_assert_str_eq(calls, "stop web, stop app, stop db");
}
END_TEST

START_TEST(at_the_time_of_the_kill_there_is_no_order)
{
    make_tower();
    fake_hold("stop", "web"); /* it hears nothing */
    int64_t now = hm_boottime_ns();
    struct stop_times times = {.kill_ns = now + 200 * HM_MS, .deadline_ns = now + 5000 * HM_MS};
    answers = 0;
    s.workload.stop(s.workload.data, 1, times, answered, NULL);
    SITE_UNTIL(&s, fake_calls("kill", "app") == 1 && fake_calls("kill", "db") == 1);
    ck_assert_int_ge(hm_boottime_ns(), times.kill_ns);
    ck_assert_int_eq(answers, 0);
    fake_let_go("stop", "web");
    SITE_UNTIL(&s, answers == 1);
    expect_stopped();
}
END_TEST

START_TEST(those_that_need_each_other_are_killed_in_time)
{
    site_made(&s, "primary.vm.a", THING_RUNNING,
              VM ",\"stop_grace\":\"1m\",\"depends_on\":[\"vm/b\"]}");
    site_made(&s, "primary.vm.b", THING_RUNNING,
              VM ",\"stop_grace\":\"1m\",\"depends_on\":[\"vm/a\"]}");
    site_look(&s);
    int64_t now = hm_boottime_ns();
    struct stop_times times = {.kill_ns = now + 100 * HM_MS, .deadline_ns = now + 5000 * HM_MS};
    answers = 0;
    s.workload.stop(s.workload.data, 1, times, answered, NULL);
    SITE_UNTIL(&s, answers == 1);
    expect_stopped();
    ck_assert_int_eq(fake_state("vm", "a"), THING_OFF);
    ck_assert_int_eq(fake_state("vm", "b"), THING_OFF);
}
END_TEST

/* -- Not ours to stop -----------------------------------------------------------------------------
 */

START_TEST(what_may_not_be_stopped_is_not_stopped)
{
    site_put(&s, "primary.vm.db", VM "}");
    site_made(&s, "primary.vm.db", THING_RUNNING, VM "}");
    fake_set_site("vm", "db", "site-old");
    stop_and_wait(300);
    expect_failed(HM_E_CONFLICT, "vm db was made from primary.vm.db but may not be stopped");
    ck_assert_int_eq(fake_state("vm", "db"), THING_RUNNING);
}
END_TEST

START_TEST(what_may_not_be_stopped_but_is_off_is_stopped)
{
    site_made(&s, "primary.vm.db", THING_OFF, VM "}");
    fake_set_site("vm", "db", "site-old");
    stop_and_wait(5000);
    expect_stopped();
}
END_TEST

START_TEST(stranger_by_a_documents_name_is_nothing_to_stop)
{
    site_put(&s, "primary.vm.db", VM "}");
    fake_put("vm", "db", THING_RUNNING, NULL, NULL);
    stop_and_wait(5000);
    expect_stopped();
    ck_assert_int_eq(fake_state("vm", "db"), THING_RUNNING);
}
END_TEST

/* A record that can't be read may be of what the document has made (cloud-hypervisor). */
START_TEST(one_that_can_not_be_told_from_ours_is_something_to_stop)
{
    site_put(&s, "primary.vm.db", VM ",\"stop_grace\":\"0s\"}");
    fake_put("vm", "db", THING_UNKNOWN, NULL, NULL);
    site_look(&s);
    fake_fail("kill", "db", HM_E_PROCESS);
    stop_and_wait(300);
    expect_failed(HM_E_PROCESS, "kill db fails");
}
END_TEST

/* -- What was not seen ----------------------------------------------------------------------------
 */

START_TEST(what_was_not_seen_is_not_stopped)
{
    site_made(&s, "primary.vm.gone", THING_RUNNING, VM "}"); /* no document */
    fake_fail("observe", NULL, HM_E_LIBVIRT);
    stop_and_wait(300);
    expect_failed(HM_E_LIBVIRT, "was not seen since the stop was asked for");
}
END_TEST

START_TEST(what_documents_name_is_killed_unseen)
{
    site_made(&s, "primary.vm.db", THING_RUNNING, VM "}");
    site_made(&s, "primary.vm.gone", THING_RUNNING, VM "}");
    fake_fail("observe", NULL, HM_E_LIBVIRT);
    site_put(&s, "primary.vm.db", VM "}");
    stop(9000);
    SITE_UNTIL(&s, fake_state("vm", "db") == THING_OFF);
    ck_assert_int_eq(answers, 0);
    fake_fail("observe", NULL, HM_OK);
    SITE_UNTIL(&s, answers == 1);
    expect_stopped();
    ck_assert_int_eq(fake_state("vm", "gone"), THING_OFF);
}
END_TEST

START_TEST(an_old_look_does_not_count)
{
    site_put(&s, "primary.vm.db", VM ",\"stop_grace\":\"0s\"}");
    site_settle(&s);
    fake_hold("observe", NULL);
    reconciler_kick(s.reconciler);
    SITE_UNTIL(&s, fake_inside("observe", NULL));            /* it has seen all there was, */
    site_made(&s, "primary.vm.late", THING_RUNNING, VM "}"); /* but not this */
    stop(9000);
    SITE_UNTIL(&s, fake_calls("kill", "db"));
    fake_let_go("observe", NULL);
    SITE_UNTIL(&s, answers == 1);
    expect_stopped();
    ck_assert_int_eq(fake_state("vm", "late"), THING_OFF);
}
END_TEST

/* Its time is over before it begins; that keeps nobody from looking. */
START_TEST(a_late_stop_looks_all_the_same)
{
    site_made(&s, "primary.vm.gone", THING_RUNNING, VM "}");
    fake_hold("observe", NULL);
    stop(-100);
    SITE_UNTIL(&s, fake_inside("observe", NULL));
    ck_assert_int_eq(answers, 0);
    fake_let_go("observe", NULL);
    SITE_UNTIL(&s, answers == 1);
    expect_stopped();
    ck_assert_int_eq(fake_state("vm", "gone"), THING_OFF);
}
END_TEST

START_TEST(a_look_that_hangs_ends_the_stop_unverified)
{
    fake_hold("observe", NULL);
    reconciler_kick(s.reconciler);
    SITE_UNTIL(&s, fake_inside("observe", NULL));
    stop_and_wait(200);
    expect_failed(HM_E_TIMEOUT, "has not answered");
    fake_let_go("observe", NULL);
    stop_and_wait(5000);
    expect_stopped();
}
END_TEST

/* -- A host without a backend ---------------------------------------------------------------------
 */

START_TEST(host_that_never_had_a_vm_has_nothing_to_stop)
{
    fake_fail("open", NULL, HM_E_CONNECTION);
    stop_and_wait(5000);
    expect_stopped();
}
END_TEST

START_TEST(document_of_a_vm_is_something_to_stop)
{
    fake_fail("open", NULL, HM_E_CONNECTION);
    site_put(&s, "primary.vm.db", VM "}");
    stop_and_wait(300);
    expect_failed(HM_E_CONNECTION, "open");
}
END_TEST

START_TEST(backend_that_answers_wrongly_is_not_away)
{
    fake_fail("open", NULL, HM_E_LIBVIRT);
    stop_and_wait(300);
    expect_failed(HM_E_LIBVIRT, "was not seen");
}
END_TEST

/* The agent forgot everything else: another one, over the same state_dir. */
static void next_agent_without_backend(void)
{
    site_end(&s);
    site_begin_in(&s, folder);
    fake_fail("open", NULL, HM_E_CONNECTION);
}

START_TEST(next_agent_knows_that_a_vm_was_made)
{
    site_put(&s, "primary.vm.db", VM "}");
    SITE_UNTIL(&s, fake_state("vm", "db") == THING_OFF);
    next_agent_without_backend();
    stop_and_wait(300);
    expect_failed(HM_E_CONNECTION, "was not seen");
}
END_TEST

START_TEST(next_agent_knows_that_a_vm_was_seen)
{
    site_made(&s, "primary.vm.db", THING_RUNNING, VM "}");
    site_settle(&s);
    next_agent_without_backend();
    stop_and_wait(300);
    expect_failed(HM_E_CONNECTION, "was not seen");
}
END_TEST

START_TEST(other_documents_leave_no_note)
{
    site_put(&s, "site-a.vm.web", VM "}");
    site_put(&s, "primary.network.lan", "{}");
    SITE_UNTIL(&s, fake_state("vm", "web") == THING_RUNNING &&
                       fake_state("network", "lan") != THING_ABSENT);
    next_agent_without_backend();
    stop_and_wait(5000);
    expect_stopped();
}
END_TEST

static void add_tests(TCase *c)
{
    tcase_add_test(c, more_than_the_queue_holds);
    tcase_add_test(c, one_that_fails_keeps_no_other_running);
    tcase_add_test(c, those_that_need_others_are_asked_first);
    tcase_add_test(c, at_the_time_of_the_kill_there_is_no_order);
    tcase_add_test(c, those_that_need_each_other_are_killed_in_time);
    tcase_add_test(c, what_may_not_be_stopped_is_not_stopped);
    tcase_add_test(c, what_may_not_be_stopped_but_is_off_is_stopped);
    tcase_add_test(c, stranger_by_a_documents_name_is_nothing_to_stop);
    tcase_add_test(c, one_that_can_not_be_told_from_ours_is_something_to_stop);
    tcase_add_test(c, what_was_not_seen_is_not_stopped);
    tcase_add_test(c, what_documents_name_is_killed_unseen);
    tcase_add_test(c, an_old_look_does_not_count);
    tcase_add_test(c, a_late_stop_looks_all_the_same);
    tcase_add_test(c, a_look_that_hangs_ends_the_stop_unverified);
    tcase_add_test(c, host_that_never_had_a_vm_has_nothing_to_stop);
    tcase_add_test(c, document_of_a_vm_is_something_to_stop);
    tcase_add_test(c, backend_that_answers_wrongly_is_not_away);
    tcase_add_test(c, next_agent_knows_that_a_vm_was_made);
    tcase_add_test(c, next_agent_knows_that_a_vm_was_seen);
    tcase_add_test(c, other_documents_leave_no_note);
}

int main(void)
{
    Suite *suite = suite_create("fence");
    TCase *c = tcase_create("fence");
    tcase_set_timeout(c, 30);
    tcase_add_checked_fixture(c, set_up, tear_down);
    add_tests(c);
    suite_add_tcase(suite, c);
    SRunner *sr = srunner_create(suite);
    srunner_run_all(sr, CK_NORMAL);
    int failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed ? 1 : 0;
}
