#include "guardian/worker.h"

#include <poll.h>
#include <semaphore.h>

#include "tests/unit/guardian/suite.h"

static struct worker w;
static sem_t go_on;
static unsigned done;

static unsigned job(void *data)
{
    sem_wait(&go_on);
    return ++*(unsigned *)data;
}

static unsigned finish(void)
{
    unsigned result = 0;
    struct pollfd p = {.fd = w.done_fd, .events = POLLIN};
    sem_post(&go_on);
    ck_assert_int_eq(poll(&p, 1, 10000), 1);
    ck_assert(worker_done(&w, &result));
    ck_assert(!w.busy);
    return result;
}

START_TEST(it_works_beside_the_loop_and_says_when_it_is_done)
{
    unsigned result = 77;
    sem_init(&go_on, 0, 0);
    ck_assert_int_eq(worker_start(&w, job, &done), 0);
    ck_assert(!worker_done(&w, &result));
    worker_give(&w);
    ck_assert(w.busy);
    ck_assert(!worker_done(&w, &result)); /* stuck, and the loop goes on */
    ck_assert_uint_eq(result, 77);
    ck_assert_uint_eq(finish(), 1);
    ck_assert(!worker_done(&w, &result));
    worker_give(&w);
    ck_assert_uint_eq(finish(), 2);
}
END_TEST

RUN_SUITE("worker", it_works_beside_the_loop_and_says_when_it_is_done)
