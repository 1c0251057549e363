#include "base/workq.h"

#include <check.h>
#include <dirent.h>
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "tests/lib/turn.h"

static uv_loop_t loop;
static struct hm_workq *q;
static int order;

/* A job that takes note; with a gate it waits inside of its work until the test opens it. */
struct probe {
    sem_t *gate;
    atomic_int entered, left;
    pthread_t worker;
    int done, late, released; /* loop thread */
    atomic_int orphaned;
    int done_at, released_at; /* place in the order of callbacks */
    int worked_at;
};

static atomic_int worked;

static void work(void *data)
{
    struct probe *p = data;
    p->worker = pthread_self();
    p->worked_at = ++worked;
    atomic_fetch_add(&p->entered, 1);
    if (p->gate)
        while (sem_wait(p->gate) < 0)
            ;
    atomic_fetch_add(&p->left, 1);
}

static void done(void *data, bool timed_out)
{
    struct probe *p = data;
    p->done++;
    p->late += timed_out;
    p->done_at = ++order;
}

static void release(void *data)
{
    struct probe *p = data;
    p->released++;
    p->released_at = ++order;
}

static void orphan(void *data)
{
    struct probe *p = data;
    p->orphaned++;
}

static int submit(struct probe *p, int64_t deadline_ns)
{
    struct hm_job job = {.work = work,
                         .done = done,
                         .release = release,
                         .orphan = orphan,
                         .data = p,
                         .deadline_ns = deadline_ns};
    return hm_workq_submit(q, &job, NULL);
}

static int64_t in_ms(int64_t ms)
{
    return hm_boottime_ns() + ms * HM_MS;
}

#define WAIT_FOR(condition) TURN_UNTIL(&loop, condition)

static void set_up(void)
{
    uv_loop_init(&loop);
    q = NULL;
    order = 0;
    worked = 0;
}

static void tear_down(void)
{
    hm_workq_free(q);
    uv_run(&loop, UV_RUN_DEFAULT);
    ck_assert_int_eq(uv_loop_close(&loop), 0);
}

/* -- Straight -------------------------------------------------------------------------------------
 */

START_TEST(work_elsewhere_then_done_then_release_here)
{
    struct probe p = {0};
    q = hm_workq_new(&loop, "test", 2, 4);
    ck_assert_int_eq(submit(&p, 0), 0);
    ck_assert_int_eq(p.done, 0);
    WAIT_FOR(p.released);
    ck_assert(!pthread_equal(p.worker, pthread_self()));
    ck_assert_int_eq(p.done, 1);
    ck_assert_int_eq(p.late, 0);
    ck_assert_int_eq(p.done_at, 1);
    ck_assert_int_eq(p.released_at, 2);
    ck_assert_uint_eq(hm_workq_busy(q), 0);
}
END_TEST

START_TEST(release_may_be_absent)
{
    struct probe p = {0};
    struct hm_job job = {.work = work, .done = done, .data = &p};
    q = hm_workq_new(&loop, "test", 1, 1);
    ck_assert_int_eq(hm_workq_submit(q, &job, NULL), 0);
    WAIT_FOR(p.done);
}
END_TEST

START_TEST(first_come_first_served)
{
    struct probe p[20] = {0};
    sem_t gate;
    sem_init(&gate, 0, 0);
    p[0].gate = &gate;
    q = hm_workq_new(&loop, "test", 1, 20);
    for (int i = 0; i < 20; i++)
        ck_assert_int_eq(submit(&p[i], 0), 0);
    sem_post(&gate);
    WAIT_FOR(p[19].released);
    for (int i = 0; i < 20; i++)
        ck_assert_int_eq(p[i].worked_at, i + 1);
    sem_destroy(&gate);
}
END_TEST

START_TEST(full_queue_refuses)
{
    struct probe p[4] = {0};
    struct hm_error err;
    sem_t gate;
    sem_init(&gate, 0, 0);
    for (int i = 0; i < 4; i++)
        p[i].gate = &gate;
    q = hm_workq_new(&loop, "libvirt", 1, 2);
    ck_assert_int_eq(submit(&p[0], 0), 0);
    WAIT_FOR(p[0].entered); /* it runs: it does not count as waiting */
    ck_assert_int_eq(submit(&p[1], 0), 0);
    ck_assert_int_eq(submit(&p[2], 0), 0);
    ck_assert_uint_eq(hm_workq_busy(q), 3);
    struct hm_job job = {.work = work, .done = done, .release = release, .data = &p[3]};
    ck_assert_int_eq(hm_workq_submit(q, &job, &err), -(int)HM_E_BUSY);
    ck_assert_ptr_nonnull(strstr(err.text, "libvirt"));
    sem_post(&gate);
    WAIT_FOR(p[1].entered);
    ck_assert_int_eq(submit(&p[3], 0), 0);
    for (int i = 0; i < 3; i++)
        sem_post(&gate);
    WAIT_FOR(p[3].released);
    for (int i = 0; i < 4; i++)
        ck_assert_int_eq(p[i].done, 1);
    sem_destroy(&gate);
}
END_TEST

/* -- Deadlines ------------------------------------------------------------------------------------
 */

START_TEST(late_job_is_reported_and_kept_until_its_worker_left)
{
    struct probe p = {0}, other = {0};
    sem_t gate;
    sem_init(&gate, 0, 0);
    p.gate = &gate;
    q = hm_workq_new(&loop, "test", 2, 4);
    int64_t begun = hm_boottime_ns();
    submit(&p, begun + 50 * HM_MS);
    WAIT_FOR(p.done);
    ck_assert_int_eq(p.late, 1);
    ck_assert_int_ge(hm_boottime_ns() - begun, 50 * HM_MS);
    ck_assert_int_eq(p.released, 0);
    ck_assert_uint_eq(hm_workq_busy(q), 1);
    submit(&other, 0); /* the other thread goes on */
    WAIT_FOR(other.released);
    ck_assert_int_eq(p.released, 0);
    sem_post(&gate);
    WAIT_FOR(p.released);
    ck_assert_int_eq(p.left, 1);
    ck_assert_int_eq(p.done, 1);
    sem_destroy(&gate);
}
END_TEST

START_TEST(late_while_waiting_is_never_run)
{
    struct probe hanging = {0}, p = {0};
    sem_t gate;
    sem_init(&gate, 0, 0);
    hanging.gate = &gate;
    q = hm_workq_new(&loop, "test", 1, 4);
    submit(&hanging, 0);
    submit(&p, in_ms(20));
    WAIT_FOR(p.released);
    ck_assert_int_eq(p.late, 1);
    ck_assert_int_eq(p.done, 1);
    ck_assert_int_lt(p.done_at, p.released_at);
    sem_post(&gate);
    WAIT_FOR(hanging.released);
    ck_assert_int_eq(p.entered, 0);
    sem_destroy(&gate);
}
END_TEST

START_TEST(place_of_a_late_job_is_free_again)
{
    struct probe hanging = {0}, p = {0}, next = {0};
    sem_t gate;
    sem_init(&gate, 0, 0);
    hanging.gate = &gate;
    q = hm_workq_new(&loop, "test", 1, 1);
    submit(&hanging, 0);
    WAIT_FOR(hanging.entered);
    submit(&p, in_ms(20));
    ck_assert_int_eq(submit(&next, 0), -(int)HM_E_BUSY);
    WAIT_FOR(p.released);
    ck_assert_int_eq(submit(&next, 0), 0);
    sem_post(&gate);
    WAIT_FOR(next.released);
    ck_assert_int_eq(next.late, 0);
    sem_destroy(&gate);
}
END_TEST

START_TEST(deadline_that_has_passed_already)
{
    struct probe hanging = {0}, p = {0};
    sem_t gate;
    sem_init(&gate, 0, 0);
    hanging.gate = &gate;
    q = hm_workq_new(&loop, "test", 1, 4);
    submit(&hanging, 0);
    WAIT_FOR(hanging.entered);
    submit(&p, 1);
    ck_assert_int_eq(p.done, 0); /* never from inside the call */
    WAIT_FOR(p.released);
    ck_assert_int_eq(p.late, 1);
    sem_post(&gate);
    WAIT_FOR(hanging.released);
    sem_destroy(&gate);
}
END_TEST

/* The later deadline was asked for first. */
START_TEST(earliest_deadline_counts)
{
    struct probe hanging = {0}, far = {0}, near = {0};
    sem_t gate;
    sem_init(&gate, 0, 0);
    hanging.gate = &gate;
    q = hm_workq_new(&loop, "test", 1, 4);
    submit(&hanging, 0);
    WAIT_FOR(hanging.entered);
    submit(&far, in_ms(3600000));
    submit(&near, in_ms(20));
    WAIT_FOR(near.released);
    ck_assert_int_eq(far.done, 0);
    sem_post(&gate);
    WAIT_FOR(far.released);
    ck_assert_int_eq(far.late, 0);
    sem_destroy(&gate);
}
END_TEST

/* -- From inside a callback -----------------------------------------------------------------------
 */

static struct probe follower;

static void submit_follower(void *data, bool timed_out)
{
    done(data, timed_out);
    submit(&follower, 0);
}

START_TEST(done_may_submit)
{
    struct probe p = {0};
    struct hm_job job = {.work = work, .done = submit_follower, .release = release, .data = &p};
    memset(&follower, 0, sizeof follower);
    q = hm_workq_new(&loop, "test", 1, 1);
    hm_workq_submit(q, &job, NULL);
    WAIT_FOR(follower.released);
    ck_assert_int_eq(p.released, 1);
}
END_TEST

static void free_queue(void *data, bool timed_out)
{
    done(data, timed_out);
    hm_workq_free(q);
    q = NULL;
}

START_TEST(done_may_free_the_queue)
{
    struct probe p = {0}, next = {0};
    struct hm_job job = {.work = work, .done = free_queue, .release = release, .data = &p};
    q = hm_workq_new(&loop, "test", 1, 4);
    hm_workq_submit(q, &job, NULL);
    submit(&next, 0);
    WAIT_FOR(p.released && next.released);
    ck_assert_int_eq(p.done, 1);
    ck_assert_int_eq(next.done, 0);
}
END_TEST

/* -- The end --------------------------------------------------------------------------------------
 */

START_TEST(free_releases_and_reports_nothing)
{
    struct probe p[8] = {0};
    q = hm_workq_new(&loop, "test", 1, 8);
    for (int i = 0; i < 8; i++)
        submit(&p[i], in_ms(1));
    while (!p[0].left) /* finished and, as the loop did not turn, not reported */
        sched_yield();
    int64_t limit = in_ms(10000);
    while (hm_workq_busy(q) && hm_boottime_ns() < limit)
        sched_yield();
    hm_workq_free(q);
    q = NULL;
    uv_run(&loop, UV_RUN_DEFAULT);
    for (int i = 0; i < 8; i++) {
        ck_assert_int_eq(p[i].done, 0);
        ck_assert_int_eq(p[i].released, 1);
    }
}
END_TEST

START_TEST(free_of_nothing)
{
    hm_workq_free(NULL);
    q = hm_workq_new(&loop, "test", 3, 1); /* and of a queue that never had a job */
}
END_TEST

static int count_threads(void)
{
    int n = 0;
    DIR *d = opendir("/proc/self/task");
    for (struct dirent *e; (e = readdir(d));)
        n += e->d_name[0] != '.';
    closedir(d);
    return n;
}

/* The worker comes out after everything was freed and the loop closed. */
START_TEST(hanging_worker_is_left_behind)
{
    static struct probe hanging, waiting;
    static sem_t gate;
    int before = count_threads();
    sem_init(&gate, 0, 0);
    hanging.gate = &gate;
    q = hm_workq_new(&loop, "test", 3, 4);
    struct hm_workq *other = hm_workq_new(&loop, "test", 1, 4);
    submit(&hanging, in_ms(10));
    WAIT_FOR(hanging.done);
    struct hm_workq *freed = q;
    q = other;
    ck_assert_int_eq(submit(&waiting, 0), 0);
    WAIT_FOR(waiting.released);
    hm_workq_free(freed);
    hm_workq_free(other);
    q = NULL;
    uv_run(&loop, UV_RUN_DEFAULT);
    ck_assert_int_eq(uv_loop_close(&loop), 0);
    sem_post(&gate);
    int64_t limit = in_ms(10000);
    while (count_threads() > before && hm_boottime_ns() < limit)
        sched_yield();
    ck_assert_int_eq(count_threads(), before);
    ck_assert_int_eq(hanging.done, 1);
    ck_assert_int_eq(hanging.released, 0);
    ck_assert_int_eq(hanging.orphaned, 1);
    ck_assert_int_eq(waiting.orphaned, 0);
    uv_loop_init(&loop);
}
END_TEST

START_TEST(many_jobs_on_many_threads)
{
    static struct probe p[2000];
    int accepted = 0;
    q = hm_workq_new(&loop, "test", 8, 100);
    for (int i = 0; i < 2000; i++) {
        while (submit(&p[i], i % 3 ? 0 : in_ms(i % 7)) < 0)
            uv_run(&loop, UV_RUN_ONCE);
        accepted++;
    }
    WAIT_FOR(order == 2 * accepted);
    for (int i = 0; i < 2000; i++) {
        ck_assert_int_eq(p[i].done, 1);
        ck_assert_int_eq(p[i].released, 1);
        ck_assert_int_le(p[i].entered, 1);
        ck_assert(p[i].entered || p[i].late);
    }
}
END_TEST

int main(void)
{
    Suite *s = suite_create("workq");
    TCase *c = tcase_create("workq");
    tcase_set_timeout(c, 30);
    tcase_add_checked_fixture(c, set_up, tear_down);
    tcase_add_test(c, work_elsewhere_then_done_then_release_here);
    tcase_add_test(c, release_may_be_absent);
    tcase_add_test(c, first_come_first_served);
    tcase_add_test(c, full_queue_refuses);
    tcase_add_test(c, late_job_is_reported_and_kept_until_its_worker_left);
    tcase_add_test(c, late_while_waiting_is_never_run);
    tcase_add_test(c, place_of_a_late_job_is_free_again);
    tcase_add_test(c, deadline_that_has_passed_already);
    tcase_add_test(c, earliest_deadline_counts);
    tcase_add_test(c, done_may_submit);
    tcase_add_test(c, done_may_free_the_queue);
    tcase_add_test(c, free_releases_and_reports_nothing);
    tcase_add_test(c, free_of_nothing);
    tcase_add_test(c, hanging_worker_is_left_behind);
    tcase_add_test(c, many_jobs_on_many_threads);
    suite_add_tcase(s, c);
    SRunner *sr = srunner_create(s);
    srunner_run_all(sr, CK_NORMAL);
    int failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed ? 1 : 0;
}
