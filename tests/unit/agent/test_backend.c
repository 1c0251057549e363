#include "agent/backend.h"

#include <check.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "fake_driver.h"
#include "tests/lib/turn.h"
#include "world.h"

static uv_loop_t loop;
static struct backend *b;
static json_t *spec;
static int changes;
static bool freeing;

static void on_change(void *data)
{
    (void)data;
    changes++;
}

static void begin(int64_t observe_timeout_ms)
{
    struct backend_options o = {
        .loop = &loop,
        .driver = &fake_driver,
        .driver_options = {.site = "site-a"},
        .observe_timeout_ms = observe_timeout_ms,
        .on_change = on_change,
    };
    b = backend_new(&o);
}

static void set_up(void)
{
    uv_loop_init(&loop);
    fake_reset();
    changes = 0;
    spec = world_spec("vm", VM "}");
    begin(0);
}

static void end(void)
{
    backend_free(b);
    b = NULL;
    uv_run(&loop, UV_RUN_DEFAULT);
}

static void tear_down(void)
{
    end();
    ck_assert_int_eq(uv_loop_close(&loop), 0);
    ck_assert_int_eq(fake_overlaps(), 0);
    json_decref(spec);
    fake_free();
}

/* -- Observe --------------------------------------------------------------------------------------
 */

static struct seen {
    int answers, facts;
    size_t things;
    struct hm_error err;
} seen;

static void on_observed(void *data, struct things *things, json_t *facts,
                        const struct hm_error *err)
{
    (void)data;
    seen.answers++;
    seen.facts += facts != NULL;
    seen.things = things ? things->count : 0;
    seen.err = err ? *err : (struct hm_error){0};
    ck_assert((things != NULL) == (err == NULL));
    if (things)
        things_clear(things);
    json_decref(facts);
}

static void observe(void)
{
    seen = (struct seen){0};
    ck_assert(backend_observe(b, on_observed, NULL));
    ck_assert_int_eq(seen.answers, 0);
    TURN_UNTIL(&loop, seen.answers == 1);
}

START_TEST(observes_and_gives_facts_once_for_each_connection)
{
    fake_put("vm", "web", THING_RUNNING, "site-a.vm.web", spec);
    fake_put("vm", "other", THING_OFF, NULL, NULL);
    observe();
    ck_assert_uint_eq(seen.things, 2);
    ck_assert_int_eq(seen.facts, 1);
    observe();
    ck_assert_int_eq(seen.facts, 0);
    fake_die();
    observe();
    ck_assert_uint_eq(seen.things, 2);
    ck_assert_int_eq(seen.facts, 1);
    ck_assert_int_eq(fake_calls("open", NULL), 2);
    ck_assert_int_eq(fake_connections(), 1); /* the dead one was closed */
}
END_TEST

START_TEST(one_observation_at_a_time)
{
    seen = (struct seen){0};
    ck_assert(backend_observe(b, on_observed, NULL));
    ck_assert(!backend_observe(b, on_observed, NULL));
    TURN_UNTIL(&loop, seen.answers == 1);
    observe();
    ck_assert_int_eq(fake_calls("observe", NULL), 2);
}
END_TEST

START_TEST(what_cannot_be_asked_is_an_error_not_an_empty_list)
{
    fake_fail("open", NULL, HM_E_CONNECTION);
    observe();
    ck_assert_int_eq(seen.err.code, HM_E_CONNECTION);
    fake_fail("open", NULL, HM_OK);
    fake_fail("observe", NULL, HM_E_LIBVIRT);
    observe();
    ck_assert_int_eq(seen.err.code, HM_E_LIBVIRT);
    fake_fail("observe", NULL, HM_OK);
    observe();
    ck_assert_int_eq(seen.err.code, HM_OK);
    ck_assert_int_eq(seen.facts, 1);
}
END_TEST

/* Facts are for people: that they can't be had keeps nothing from being managed, and they follow. */
START_TEST(facts_that_cannot_be_had_come_later)
{
    fake_fail("probe", NULL, HM_E_LIBVIRT);
    observe();
    ck_assert_int_eq(seen.err.code, HM_OK);
    ck_assert_int_eq(seen.facts, 0);
    fake_fail("probe", NULL, HM_OK);
    observe();
    ck_assert_int_eq(seen.facts, 1);
}
END_TEST

START_TEST(late_observation_is_an_error_and_its_end_is_told)
{
    end();
    begin(300);
    observe(); /* connects */
    fake_hold("observe", NULL);
    seen = (struct seen){0};
    ck_assert(backend_observe(b, on_observed, NULL));
    TURN_UNTIL(&loop, fake_inside("observe", NULL));
    TURN_UNTIL(&loop, seen.answers == 1);
    ck_assert_int_eq(seen.err.code, HM_E_TIMEOUT);
    ck_assert(!backend_observe(b, on_observed, NULL)); /* it still hangs */
    int before = changes;
    fake_let_go("observe", NULL);
    TURN_UNTIL(&loop, changes > before);
    ck_assert_int_eq(seen.answers, 1); /* what it saw is old, and not given */
    observe();
    ck_assert_int_eq(seen.err.code, HM_OK);
}
END_TEST

START_TEST(changes_reach_the_loop)
{
    observe();
    fake_change();
    fake_change();
    TURN_UNTIL(&loop, changes > 0);
}
END_TEST

/* -- Calls ----------------------------------------------------------------------------------------
 */

struct call {
    int done, ended;
    struct hm_error err;
    struct backend_ticket *ticket;
};

static void call_done(void *arg, const struct hm_error *err)
{
    struct call *c = arg;
    ck_assert_int_eq(c->ended, 0);
    c->done++;
    c->err = err ? *err : (struct hm_error){0};
}

static void call_ended(void *arg)
{
    struct call *c = arg;
    ck_assert_int_eq(c->done, freeing ? 0 : 1);
    c->ended++;
}

static struct backend_call order(enum plan_verb verb, const char *name, struct call *c)
{
    return (struct backend_call){
        .verb = verb,
        .lane = LANE_ACT,
        .order = {.kind = "vm", .name = name, .key = "site-a.vm.web", .spec = spec},
        .timeout_ms = 8000,
        .done = call_done,
        .ended = call_ended,
        .arg = c,
    };
}

static void submit(enum plan_verb verb, const char *name, struct call *c)
{
    struct backend_call call = order(verb, name, c);
    *c = (struct call){0};
    ck_assert_int_eq(backend_submit(b, &call, &c->ticket, NULL), 0);
    ck_assert_int_eq(c->done, 0);
}

START_TEST(verbs_are_carried_out)
{
    static const struct {
        enum plan_verb verb;
        enum thing_state after;
    } steps[] = {
        {VERB_CREATE, THING_OFF},    {VERB_START, THING_RUNNING}, {VERB_UPDATE, THING_RUNNING},
        {VERB_STOP, THING_OFF},      {VERB_START, THING_RUNNING}, {VERB_KILL, THING_OFF},
        {VERB_REMOVE, THING_ABSENT},
    };
    for (size_t i = 0; i < HM_COUNT(steps); i++) {
        struct call c;
        submit(steps[i].verb, "web", &c);
        TURN_UNTIL(&loop, c.ended);
        ck_assert_msg(c.err.code == HM_OK, "%s", c.err.text);
        ck_assert_int_eq(fake_state("vm", "web"), steps[i].after);
    }
    HM_AUTOFREE char *story = fake_story();
    ck_assert_str_eq(story, "create web, start web, update web, stop web, start web, kill web, "
                            "remove web");
}
END_TEST

START_TEST(failure_is_told)
{
    struct call c;
    fake_fail("create", "web", HM_E_LIBVIRT);
    submit(VERB_CREATE, "web", &c);
    TURN_UNTIL(&loop, c.ended);
    ck_assert_int_eq(c.err.code, HM_E_LIBVIRT);
    fake_fail("open", NULL, HM_E_CONNECTION);
    fake_die();
    submit(VERB_CREATE, "web", &c);
    TURN_UNTIL(&loop, c.ended);
    ck_assert_int_eq(c.err.code, HM_E_CONNECTION);
}
END_TEST

static void submit_seen(enum plan_verb verb, struct call *c)
{
    struct backend_call call = order(verb, "web", c);
    char uuid[] = "6d1c1b0a-3c9f-4f4e-9a36-5f0d2a9b7c11";
    call.order.seen_uuid = uuid;
    *c = (struct call){0};
    ck_assert_int_eq(backend_submit(b, &call, NULL, NULL), 0);
    memset(uuid, 'x', sizeof uuid - 1);
    TURN_UNTIL(&loop, c->ended);
    ck_assert_int_eq(c->err.code, HM_E_CONNECTION);
}

START_TEST(without_a_connection_only_a_kill_of_what_was_seen_is_carried_out)
{
    struct call c;
    fake_put("vm", "web", THING_RUNNING, "site-a.vm.web", spec);
    fake_fail("open", NULL, HM_E_CONNECTION);
    submit(VERB_KILL, "web", &c);
    TURN_UNTIL(&loop, c.ended);
    ck_assert_int_eq(c.err.code, HM_E_CONNECTION);
    submit_seen(VERB_STOP, &c);
    ck_assert_int_eq(fake_state("vm", "web"), THING_RUNNING);
    submit_seen(VERB_KILL, &c);
    ck_assert_int_eq(fake_state("vm", "web"), THING_CRASHED);
    ck_assert_ptr_nonnull(strstr(c.err.text, "its process was killed"));
}
END_TEST

/* The texts of an order are the backend's from the call on. */
START_TEST(order_is_copied)
{
    struct call c = {0};
    char kind[] = "vm", name[] = "web", key[] = "site-a.vm.web";
    struct backend_call call = order(VERB_CREATE, name, &c);
    call.order.kind = kind;
    call.order.key = key;
    call.order.spec = world_spec("vm", VM "}");
    fake_hold("create", NULL);
    ck_assert_int_eq(backend_submit(b, &call, NULL, NULL), 0);
    json_decref((json_t *)(uintptr_t)call.order.spec);
    memset(kind, 'x', sizeof kind - 1);
    memset(name, 'x', sizeof name - 1);
    memset(key, 'x', sizeof key - 1);
    fake_let_go("create", NULL);
    TURN_UNTIL(&loop, c.ended);
    ck_assert_int_eq(fake_state("vm", "web"), THING_OFF);
}
END_TEST

START_TEST(late_call_is_told_and_goes_on)
{
    struct call c = {0};
    struct backend_call call = order(VERB_CREATE, "web", &c);
    call.timeout_ms = 50;
    fake_hold("create", "web");
    ck_assert_int_eq(backend_submit(b, &call, NULL, NULL), 0);
    TURN_UNTIL(&loop, c.done);
    ck_assert_int_eq(c.err.code, HM_E_TIMEOUT);
    ck_assert_ptr_nonnull(strstr(c.err.text, "it goes on"));
    ck_assert_int_eq(c.ended, 0);
    fake_let_go("create", "web");
    TURN_UNTIL(&loop, c.ended);
    ck_assert_int_eq(c.done, 1);
    ck_assert_int_eq(fake_state("vm", "web"), THING_OFF);
}
END_TEST

static bool all_ended(const struct call *calls, int count)
{
    for (int i = 0; i < count; i++)
        if (!calls[i].ended)
            return false;
    return true;
}

static void fill_lane(enum plan_verb verb, struct call *calls, char (*names)[16], int count)
{
    static const char *const verbs[] = {[VERB_CREATE] = "create", [VERB_STOP] = "stop"};
    fake_hold(verbs[verb], NULL);
    for (int i = 0; i < count; i++) {
        snprintf(names[i], sizeof names[i], "n%d", i);
        submit(verb, names[i], &calls[i]);
    }
    TURN_UNTIL(&loop, fake_inside(verbs[verb], NULL) == count);
}

START_TEST(late_before_it_began_does_not_go_on)
{
    struct call busy[4], c = {0};
    char names[4][16];
    fill_lane(VERB_CREATE, busy, names, 4);
    struct backend_call call = order(VERB_CREATE, "web", &c);
    call.timeout_ms = 50;
    ck_assert_int_eq(backend_submit(b, &call, NULL, NULL), 0);
    TURN_UNTIL(&loop, c.ended);
    ck_assert_int_eq(c.err.code, HM_E_TIMEOUT);
    ck_assert_ptr_null(strstr(c.err.text, "it goes on"));
    fake_let_go("create", NULL);
    TURN_UNTIL(&loop, all_ended(busy, 4));
    ck_assert_int_eq(fake_calls("create", "web"), 0);
}
END_TEST

START_TEST(cancelled_before_it_began_never_begins)
{
    struct call busy[4], c;
    char names[4][16];
    fill_lane(VERB_CREATE, busy, names, 4);
    submit(VERB_CREATE, "web", &c);
    backend_cancel(c.ticket);
    backend_cancel(busy[0].ticket); /* has begun: goes on */
    fake_let_go("create", NULL);
    TURN_UNTIL(&loop, c.ended && all_ended(busy, 4));
    ck_assert_int_eq(c.err.code, HM_E_CANCELLED);
    ck_assert_int_eq(fake_calls("create", "web"), 0);
    ck_assert_int_eq(busy[0].err.code, HM_OK);
}
END_TEST

START_TEST(queue_is_bounded)
{
    static struct call calls[200];
    static char names[200][16];
    int accepted = 0, refused = 0;
    struct hm_error err = {0};
    fake_hold("create", NULL);
    for (int i = 0; i < 200; i++) {
        snprintf(names[i], sizeof names[i], "x%d", i);
        struct backend_call call = order(VERB_UPDATE, names[i], &calls[i]);
        call.verb = i < 4 ? VERB_CREATE : VERB_UPDATE;
        calls[i] = (struct call){0};
        if (backend_submit(b, &call, NULL, &err) < 0)
            refused++;
        else
            accepted++;
        if (i < 4)
            TURN_UNTIL(&loop, fake_inside("create", NULL) == i + 1);
    }
    ck_assert_int_eq(accepted, 4 + 64);
    ck_assert_int_eq(err.code, HM_E_BUSY);
    ck_assert_int_eq(refused, 200 - accepted);
    ck_assert_int_eq(calls[199].done, 0); /* refused: no callback */
    fake_let_go("create", NULL);
    TURN_UNTIL(&loop, all_ended(calls, accepted));
    ck_assert_int_eq(calls[199].done, 0);
}
END_TEST

/* A guest that takes its whole grace, or a call that hangs, holds up nothing else. */
START_TEST(lanes_do_not_wait_for_each_other)
{
    struct call acting[4], stopping[8], fence = {0};
    char acting_names[4][16], stopping_names[8][16];
    fill_lane(VERB_CREATE, acting, acting_names, 4);
    for (int i = 0; i < 8; i++) {
        snprintf(stopping_names[i], sizeof stopping_names[i], "s%d", i);
        fake_hold("stop", stopping_names[i]);
        submit(VERB_STOP, stopping_names[i], &stopping[i]);
        TURN_UNTIL(&loop, fake_inside("stop", stopping_names[i]) == 1);
    }
    fake_put("vm", "db", THING_RUNNING, "site-a.vm.web", spec);
    struct backend_call call = order(VERB_KILL, "db", &fence);
    call.lane = LANE_FENCE;
    call.verify_stopped = true;
    ck_assert_int_eq(backend_submit(b, &call, NULL, NULL), 0);
    TURN_UNTIL(&loop, fence.ended);
    ck_assert_int_eq(fence.err.code, HM_OK);
    ck_assert_int_eq(fake_state("vm", "db"), THING_OFF);
    ck_assert_int_eq(fake_connections(), 2); /* its own */
    fake_let_go("create", NULL);
    for (int i = 0; i < 8; i++)
        fake_let_go("stop", stopping_names[i]);
    TURN_UNTIL(&loop, all_ended(acting, 4) && all_ended(stopping, 8));
}
END_TEST

/* The first call that comes through opens the connection; those that wanted to open it, too, must
 * not wait until it ends. */
START_TEST(calls_that_open_together_run_together)
{
    struct call calls[4];
    char names[4][16];
    fake_hold("open", NULL);
    fake_hold("create", NULL);
    for (int i = 0; i < 4; i++) {
        snprintf(names[i], sizeof names[i], "n%d", i);
        submit(VERB_CREATE, names[i], &calls[i]);
    }
    TURN_UNTIL(&loop, fake_inside("open", NULL) == 1);
    fake_let_go("open", NULL);
    TURN_UNTIL(&loop, fake_inside("create", NULL) == 4);
    fake_let_go("create", NULL);
    TURN_UNTIL(&loop, all_ended(calls, 4));
    ck_assert_int_eq(fake_calls("open", NULL), 1);
}
END_TEST

/* A call that hangs on a dead connection keeps nobody from the new one. */
START_TEST(dead_connection_is_closed_by_its_last_user)
{
    struct call hanging, c;
    fake_hold("create", "web");
    submit(VERB_CREATE, "web", &hanging);
    TURN_UNTIL(&loop, fake_inside("create", "web"));
    fake_die();
    observe();
    ck_assert_int_eq(seen.err.code, HM_OK);
    submit(VERB_CREATE, "db", &c);
    TURN_UNTIL(&loop, c.ended);
    ck_assert_int_eq(c.err.code, HM_OK);
    ck_assert_int_eq(fake_connections(), 2);
    fake_let_go("create", "web");
    TURN_UNTIL(&loop, hanging.ended);
    ck_assert_int_eq(fake_connections(), 1);
}
END_TEST

START_TEST(stopped_is_what_was_seen_stopped)
{
    struct call c = {0};
    struct backend_call call = order(VERB_KILL, "web", &c);
    call.lane = LANE_FENCE;
    call.verify_stopped = true;
    fake_put("vm", "web", THING_RUNNING, "site-a.vm.web", spec);
    fake_fail("verify_stopped", "web", HM_E_REFUSED);
    ck_assert_int_eq(backend_submit(b, &call, NULL, NULL), 0);
    TURN_UNTIL(&loop, c.ended);
    ck_assert_int_eq(c.err.code, HM_E_REFUSED);
}
END_TEST

/* A stop that had to wait for a worker has less time left, not its whole grace. */
START_TEST(grace_ends_when_it_was_to_end)
{
    struct call busy[8], c = {0};
    char names[8][16];
    fill_lane(VERB_STOP, busy, names, 8);
    struct backend_call call = order(VERB_STOP, "web", &c);
    call.order.grace_ms = 5000;
    call.stop_by_ns = hm_boottime_ns() + 5000 * HM_MS;
    int64_t asked = hm_boottime_ns();
    ck_assert_int_eq(backend_submit(b, &call, NULL, NULL), 0);
    TURN_UNTIL(&loop, hm_boottime_ns() - asked > 100 * HM_MS);
    fake_let_go("stop", NULL);
    TURN_UNTIL(&loop, c.ended && all_ended(busy, 8));
    ck_assert_int_le(fake_last_grace_ms(), 4900);
    ck_assert_int_ge(fake_last_grace_ms(), 0);
    call.stop_by_ns = 1; /* long gone: hard, at once */
    c = (struct call){0};
    ck_assert_int_eq(backend_submit(b, &call, NULL, NULL), 0);
    TURN_UNTIL(&loop, c.ended);
    ck_assert_int_eq(fake_last_grace_ms(), 0);
}
END_TEST

/* It waited in the queue while the loop stood still: nobody could call it back. */
START_TEST(start_begins_only_under_the_lease)
{
    struct lease_limit lease = {0};
    struct call c = {0};
    struct backend_call call = order(VERB_START, "web", &c);
    call.lease = &lease;
    fake_put("vm", "web", THING_OFF, "site-a.vm.web", spec);
    lease_set(&lease, hm_boottime_ns() - 1);
    ck_assert_int_eq(backend_submit(b, &call, NULL, NULL), 0);
    TURN_UNTIL(&loop, c.ended);
    ck_assert_int_eq(c.err.code, HM_E_REFUSED);
    ck_assert_int_eq(fake_state("vm", "web"), THING_OFF);
    lease_set(&lease, hm_boottime_ns() + 60000 * HM_MS);
    c = (struct call){0};
    ck_assert_int_eq(backend_submit(b, &call, NULL, NULL), 0);
    TURN_UNTIL(&loop, c.ended);
    ck_assert_int_eq(fake_state("vm", "web"), THING_RUNNING);
}
END_TEST

START_TEST(resume_begins_only_under_the_lease)
{
    struct lease_limit lease = {0};
    struct call c = {0};
    struct backend_call call = order(VERB_RESUME, "web", &c);
    call.lease = &lease;
    fake_put("vm", "web", THING_PAUSED, "site-a.vm.web", spec);
    lease_set(&lease, hm_boottime_ns() - 1);
    ck_assert_int_eq(backend_submit(b, &call, NULL, NULL), 0);
    TURN_UNTIL(&loop, c.ended);
    ck_assert_int_eq(c.err.code, HM_E_REFUSED);
    ck_assert_int_eq(fake_state("vm", "web"), THING_PAUSED);
    lease_set(&lease, hm_boottime_ns() + 60000 * HM_MS);
    c = (struct call){0};
    ck_assert_int_eq(backend_submit(b, &call, NULL, NULL), 0);
    TURN_UNTIL(&loop, c.ended);
    ck_assert_int_eq(fake_state("vm", "web"), THING_RUNNING);
}
END_TEST

/* -- The end --------------------------------------------------------------------------------------
 */

START_TEST(connections_are_closed_at_the_end)
{
    struct call c = {0};
    struct backend_call call = order(VERB_KILL, "web", &c);
    call.lane = LANE_FENCE;
    observe();
    ck_assert_int_eq(backend_submit(b, &call, NULL, NULL), 0);
    TURN_UNTIL(&loop, c.ended);
    ck_assert_int_eq(fake_connections(), 2);
    end();
    ck_assert_int_eq(fake_connections(), 0);
}
END_TEST

/* Two of the worst at once: calls that hang when everything is freed, and a driver that goes on to
 * tell of changes. Workers come out when the loop is closed. */
START_TEST(what_hangs_is_left_behind)
{
    static struct call hanging[4], waiting[8]; /* tickets of what hangs stay reachable */
    static char names[12][16];
    observe();
    seen = (struct seen){0};
    fake_hold("create", NULL);
    fake_hold("observe", NULL);
    for (int i = 0; i < 12; i++) {
        snprintf(names[i], sizeof names[i], "n%d", i);
        submit(VERB_CREATE, names[i], i < 4 ? &hanging[i] : &waiting[i - 4]);
    }
    ck_assert(backend_observe(b, on_observed, NULL));
    TURN_UNTIL(&loop, fake_inside("create", NULL) == 4 && fake_inside("observe", NULL));
    freeing = true;
    backend_free(b);
    b = NULL;
    uv_run(&loop, UV_RUN_DEFAULT);
    ck_assert_int_eq(uv_loop_close(&loop), 0);
    fake_change();
    fake_let_go("create", NULL);
    fake_let_go("observe", NULL);
    int64_t limit = hm_boottime_ns() + 10000 * HM_MS;
    while ((fake_inside("create", NULL) || fake_inside("observe", NULL)) &&
           hm_boottime_ns() < limit)
        sched_yield();
    fake_change();
    ck_assert_int_eq(hanging[0].done, 0);
    ck_assert_int_eq(seen.answers, 0);
    ck_assert_int_eq(waiting[7].ended, 1); /* never begun: released */
    uv_loop_init(&loop);
}
END_TEST

START_TEST(free_of_nothing)
{
    backend_free(NULL);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("backend");
    TCase *c = tcase_create("backend");
    tcase_set_timeout(c, 30);
    tcase_add_checked_fixture(c, set_up, tear_down);
    tcase_add_test(c, observes_and_gives_facts_once_for_each_connection);
    tcase_add_test(c, one_observation_at_a_time);
    tcase_add_test(c, what_cannot_be_asked_is_an_error_not_an_empty_list);
    tcase_add_test(c, facts_that_cannot_be_had_come_later);
    tcase_add_test(c, late_observation_is_an_error_and_its_end_is_told);
    tcase_add_test(c, changes_reach_the_loop);
    tcase_add_test(c, verbs_are_carried_out);
    tcase_add_test(c, failure_is_told);
    tcase_add_test(c, without_a_connection_only_a_kill_of_what_was_seen_is_carried_out);
    tcase_add_test(c, order_is_copied);
    tcase_add_test(c, late_call_is_told_and_goes_on);
    tcase_add_test(c, late_before_it_began_does_not_go_on);
    tcase_add_test(c, cancelled_before_it_began_never_begins);
    tcase_add_test(c, queue_is_bounded);
    tcase_add_test(c, lanes_do_not_wait_for_each_other);
    tcase_add_test(c, calls_that_open_together_run_together);
    tcase_add_test(c, dead_connection_is_closed_by_its_last_user);
    tcase_add_test(c, stopped_is_what_was_seen_stopped);
    tcase_add_test(c, grace_ends_when_it_was_to_end);
    tcase_add_test(c, connections_are_closed_at_the_end);
    tcase_add_test(c, start_begins_only_under_the_lease);
    tcase_add_test(c, resume_begins_only_under_the_lease);
    tcase_add_test(c, what_hangs_is_left_behind);
    tcase_add_test(c, free_of_nothing);
    suite_add_tcase(s, c);
    SRunner *sr = srunner_create(s);
    srunner_run_all(sr, CK_NORMAL);
    int failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed ? 1 : 0;
}
