#include "agent/guard.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/clock.h"
#include "fake_guardian.h"

static uv_loop_t loop;
static char folder[32], path[64];
static struct fake_guardian fake;
static struct guard *guard;
static struct guard_options options;
static int ups, losses, launches;
static bool launch_works;
static struct hm_error why_lost;
static struct hm_buf said; /* "seq/error " of every state after the first */

static void note_up(void *data, const struct guard_state *state)
{
    ck_assert_ptr_eq(data, &ups);
    ck_assert_ptr_eq(state, guard_last(guard));
    ups++;
}

static void note_state(void *data, const struct guard_state *state)
{
    (void)data;
    hm_buf_printf(&said, "%u/%u ", state->header.seq, state->error);
}

static void note_loss(void *data, const struct hm_error *why)
{
    (void)data;
    losses++;
    why_lost = *why;
}

static int launch(void *data, struct hm_error *err)
{
    (void)data;
    launches++;
    if (launch_works)
        fake_guardian_open(&fake, &loop, path);
    return launch_works ? 0 : hm_fail(err, HM_E_PROCESS, "no such program");
}

static void tick(uv_timer_t *timer)
{
    (void)timer; /* lets uv_run() return */
}

static bool wait_for(bool (*condition)(void))
{
    int64_t give_up = hm_boottime_ns() + 10000 * HM_MS;
    uv_timer_t ticker;
    uv_timer_init(&loop, &ticker);
    uv_timer_start(&ticker, tick, 1, 1);
    while (!condition() && hm_boottime_ns() < give_up)
        uv_run(&loop, UV_RUN_ONCE);
    uv_close((uv_handle_t *)&ticker, NULL);
    uv_run(&loop, UV_RUN_NOWAIT);
    return condition();
}

static bool is_up(void)
{
    return guard_is_up(guard);
}

static bool is_lost(void)
{
    return losses > 0;
}

static bool has_answered_all(void)
{
    return guard_has_answered(guard, guard_told(guard));
}

static void set_up(void)
{
    snprintf(folder, sizeof folder, "/tmp/test_guard.XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/guardian.sock", folder);
    uv_loop_init(&loop);
    memset(&fake, 0, sizeof fake);
    fake.agent = fake.listener = -1;
    ups = losses = launches = 0;
    launch_works = false;
    why_lost = (struct hm_error){0};
    options = (struct guard_options){.loop = &loop,
                                     .path = path,
                                     .site = "site-a",
                                     .group = "default",
                                     .answer_ms = 5000, /* no test is about a slow machine */
                                     .on_up = note_up,
                                     .on_state = note_state,
                                     .on_lost = note_loss,
                                     .data = &ups};
}

static void begin(void)
{
    guard = guard_new(&options);
    guard_connect(guard);
}

static void tear_down(void)
{
    guard_free(guard);
    guard = NULL;
    if (fake.listener >= 0)
        fake_guardian_close(&fake);
    uv_run(&loop, UV_RUN_DEFAULT);
    ck_assert_int_eq(uv_loop_close(&loop), 0);
    hm_buf_free(&said);
    rmdir(folder);
}

static struct guard_lease lease_of(uint64_t epoch)
{
    return (struct guard_lease){
        .epoch = epoch, .phase = GUARD_ARMED, .deadline_ns = hm_boottime_ns() + 1000 * HM_MS};
}

START_TEST(says_who_it_is_and_hears_what_is_held)
{
    fake.state.lease = lease_of(7);
    fake_guardian_open(&fake, &loop, path);
    begin();
    ck_assert(!guard_is_up(guard));
    ck_assert_str_ne(guard_trouble(guard), "");
    ck_assert(wait_for(is_up));
    ck_assert_str_eq(fake.hello.site, "site-a");
    ck_assert_str_eq(fake.hello.group, "default");
    ck_assert_uint_eq(guard_last(guard)->lease.epoch, 7);
    ck_assert_str_eq(guard_trouble(guard), "");
    ck_assert_int_eq(ups, 1);
    ck_assert_int_eq(fake.sets, 0); /* what is held stays until the owner says otherwise */
}
END_TEST

START_TEST(tells_a_lease_once_and_knows_when_it_was_answered)
{
    struct guard_lease lease = lease_of(3);
    fake_guardian_open(&fake, &loop, path);
    begin();
    guard_set(guard, &lease); /* not up: nothing */
    ck_assert_uint_eq(guard_told(guard), 0);
    ck_assert(wait_for(is_up));
    guard_set(guard, &lease);
    guard_set(guard, &lease);
    uint64_t told = guard_told(guard);
    ck_assert(!guard_has_answered(guard, told));
    ck_assert(wait_for(has_answered_all));
    ck_assert(guard_has_answered(guard, told));
    ck_assert_int_eq(fake.sets, 1);
    ck_assert_int_eq(memcmp(&fake.state.lease, &lease, sizeof lease), 0);
    lease.counter++;
    guard_set(guard, &lease);
    ck_assert(!guard_has_answered(guard, guard_told(guard)));
    ck_assert(guard_has_answered(guard, told));
    ck_assert(wait_for(has_answered_all));
    ck_assert_str_eq(said.data, "2/0 3/0 ");
}
END_TEST

START_TEST(a_refusal_is_handed_on)
{
    struct guard_lease lease = lease_of(3);
    fake_guardian_open(&fake, &loop, path);
    begin();
    ck_assert(wait_for(is_up));
    fake.refuses = GUARD_PAST;
    guard_set(guard, &lease);
    ck_assert(wait_for(has_answered_all));
    ck_assert_str_eq(said.data, "2/4 ");
    ck_assert_int_eq(losses, 0);
}
END_TEST

static bool has_fired(void)
{
    return said.len > 0;
}

START_TEST(what_it_says_by_itself_is_handed_on)
{
    fake_guardian_open(&fake, &loop, path);
    begin();
    ck_assert(wait_for(is_up));
    fake.state.lease = lease_of(9);
    fake_guardian_fire(&fake, true);
    ck_assert(wait_for(has_fired));
    ck_assert_uint_eq(guard_last(guard)->fired_epoch, 9);
}
END_TEST

START_TEST(one_that_ends_is_lost_and_looked_for_again)
{
    struct guard_lease lease = lease_of(3);
    fake_guardian_open(&fake, &loop, path);
    begin();
    ck_assert(wait_for(is_up));
    guard_set(guard, &lease);
    ck_assert(wait_for(has_answered_all));
    uint64_t told = guard_told(guard);
    fake_guardian_close(&fake);
    ck_assert(wait_for(is_lost));
    ck_assert_ptr_nonnull(strstr(why_lost.text, "has ended"));
    ck_assert(!guard_has_answered(guard, told));
    fake_guardian_open(&fake, &loop, path);
    ck_assert(wait_for(is_up));
    ck_assert_int_eq(ups, 2);
    ck_assert_int_eq(losses, 1);
    ck_assert(!guard_has_answered(guard, told)); /* that was another one */
    guard_set(guard, &lease);                    /* is told anew */
    ck_assert(wait_for(has_answered_all));
    ck_assert_int_eq(fake.sets, 2);
}
END_TEST

START_TEST(one_that_does_not_answer_is_lost)
{
    struct guard_lease lease = lease_of(3);
    options.answer_ms = 50;
    fake_guardian_open(&fake, &loop, path);
    begin();
    ck_assert(wait_for(is_up));
    fake.mute = true;
    guard_set(guard, &lease);
    ck_assert(wait_for(is_lost));
    ck_assert_ptr_nonnull(strstr(why_lost.text, "has not answered for 50 ms"));
    ck_assert_str_eq(guard_trouble(guard), why_lost.text);
}
END_TEST

/* The loop stood still for longer than the limit; the answer was there all the time. */
START_TEST(an_answer_that_was_there_in_time_counts_however_late_it_is_read)
{
    struct guard_lease lease = lease_of(3);
    options.answer_ms = 20;
    fake_guardian_open(&fake, &loop, path);
    begin();
    ck_assert(wait_for(is_up));
    fake.mute = true;
    guard_set(guard, &lease);
    fake.last_seq = 2;
    fake_guardian_answer(&fake);
    int64_t stood_still = hm_boottime_ns() + 200 * HM_MS;
    while (hm_boottime_ns() < stood_still)
        ;
    ck_assert(wait_for(has_answered_all));
    ck_assert_int_eq(losses, 0);
}
END_TEST

START_TEST(one_that_takes_nothing_any_more_is_lost)
{
    struct guard_lease lease = lease_of(3);
    fake_guardian_open(&fake, &loop, path);
    begin();
    ck_assert(wait_for(is_up));
    uv_poll_stop(&fake.reads);
    for (int i = 0; i < 20000 && losses == 0; i++) {
        lease.counter++;
        guard_set(guard, &lease);
    }
    ck_assert_int_eq(losses, 0); /* not from inside the call */
    ck_assert(wait_for(is_lost));
}
END_TEST

START_TEST(what_is_no_state_of_this_version_ends_the_connection)
{
    fake_guardian_open(&fake, &loop, path);
    begin();
    ck_assert(wait_for(is_up));
    struct guard_state other = fake.state;
    other.header.version++;
    fake_guardian_send(&fake, &other, sizeof other);
    ck_assert(wait_for(is_lost));
    ck_assert_ptr_nonnull(strstr(why_lost.text, "another version"));
    ck_assert(wait_for(is_up));
    losses = 0;
    fake_guardian_send(&fake, "x", 1);
    ck_assert(wait_for(is_lost));
    ck_assert(wait_for(is_up));
    losses = 0;
    other = fake.state;
    other.lease.fence_limit_ns = INT64_MAX; /* no guardian takes it */
    fake_guardian_send(&fake, &other, sizeof other);
    ck_assert(wait_for(is_lost));
}
END_TEST

static bool has_been_refused(void)
{
    return strstr(guard_trouble(guard), "does not take this agent") != NULL;
}

START_TEST(one_of_another_site_is_never_up)
{
    fake.refuses = GUARD_STRANGER;
    fake.mute = true;
    fake_guardian_open(&fake, &loop, path);
    begin();
    while (fake.hellos == 0)
        uv_run(&loop, UV_RUN_ONCE);
    fake.state.header = (struct guard_header){.magic = GUARD_MAGIC,
                                              .version = GUARD_VERSION,
                                              .type = GUARD_STATE,
                                              .size = sizeof fake.state,
                                              .seq = 1};
    fake.state.error = GUARD_STRANGER;
    fake_guardian_send(&fake, &fake.state, sizeof fake.state);
    ck_assert(wait_for(has_been_refused));
    ck_assert_int_eq(ups, 0);
    ck_assert_int_eq(losses, 0);
}
END_TEST

static bool was_launched(void)
{
    return launches > 0;
}

START_TEST(where_nobody_listens_one_is_started)
{
    options.launch = launch;
    begin();
    ck_assert(wait_for(was_launched));
    ck_assert_ptr_nonnull(strstr(guard_trouble(guard), "no such program"));
    launch_works = true;
    ck_assert(wait_for(is_up));
    ck_assert_str_eq(guard_trouble(guard), "");
}
END_TEST

START_TEST(without_a_program_to_start_it_is_waited_for)
{
    begin();
    ck_assert_ptr_nonnull(strstr(guard_trouble(guard), "no guardian at"));
    fake_guardian_open(&fake, &loop, path);
    ck_assert(wait_for(is_up));
}
END_TEST

int main(void)
{
    Suite *s = suite_create("guard");
    TCase *t = tcase_create("guard");
    tcase_set_timeout(t, 60);
    tcase_add_checked_fixture(t, set_up, tear_down);
    tcase_add_test(t, says_who_it_is_and_hears_what_is_held);
    tcase_add_test(t, tells_a_lease_once_and_knows_when_it_was_answered);
    tcase_add_test(t, a_refusal_is_handed_on);
    tcase_add_test(t, what_it_says_by_itself_is_handed_on);
    tcase_add_test(t, one_that_ends_is_lost_and_looked_for_again);
    tcase_add_test(t, one_that_does_not_answer_is_lost);
    tcase_add_test(t, an_answer_that_was_there_in_time_counts_however_late_it_is_read);
    tcase_add_test(t, one_that_takes_nothing_any_more_is_lost);
    tcase_add_test(t, what_is_no_state_of_this_version_ends_the_connection);
    tcase_add_test(t, one_of_another_site_is_never_up);
    tcase_add_test(t, where_nobody_listens_one_is_started);
    tcase_add_test(t, without_a_program_to_start_it_is_waited_for);
    suite_add_tcase(s, t);
    SRunner *sr = srunner_create(s);
    srunner_run_all(sr, CK_NORMAL);
    int failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed != 0;
}
