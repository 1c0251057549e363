/* What VMs use: asked by the thread that observes, between two looks, so that no look and no verb waits for more
 * than this one call. */
#include <stdlib.h>

#include "agent/backend_operate.h"
#include "base/alloc.h"
#include "base/clock.h"
#include "vmm/vm_stats.h"

enum { TIMEOUT_MS = 60000 };

struct asking {
    struct backend *backend;
    backend_stats_taken done;
    void *data;
    struct vm_stats_list list;
};

static int ask(void *self, void *data, struct hm_error *err)
{
    struct asking *a = data;
    return backend_driver(a->backend)->stats(self, &a->list, err);
}

static void work(void *data)
{
    struct asking *a = data;
    struct hm_error err; /* a look fails alike, and says it */
    backend_with_connection(a->backend, ask, a, &err);
}

static void done(void *data, bool timed_out)
{
    struct asking *a = data;
    a->done(a->data, timed_out ? NULL : &a->list);
}

static void release(void *data)
{
    struct asking *a = data;
    vm_stats_clear(&a->list);
    free(a);
}

bool backend_take_stats(struct backend *b, backend_stats_taken taken, void *data)
{
    if (!backend_driver(b)->stats)
        return false;
    struct asking *a = hm_alloc(sizeof *a);
    *a = (struct asking){.backend = b, .done = taken, .data = data};
    struct hm_job job = {.work = work,
                         .done = done,
                         .release = release,
                         .orphan = release,
                         .data = a,
                         .deadline_ns = hm_boottime_ns() + TIMEOUT_MS * HM_MS};
    if (hm_workq_submit(backend_observe_queue(b), &job, NULL) >= 0)
        return true;
    free(a);
    return false;
}
