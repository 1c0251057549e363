#include "agent/task.h"

#include "base/clock.h"

enum { FIRST_RETRY_MS = 1000, LONGEST_RETRY_MS = 300000 };

/* 1 s, 2 s, 4 s, ... 5 min, each plus up to a quarter, so that many do not come back at once. */
static int64_t back_off_ms(unsigned failures, uint32_t jitter)
{
    int64_t ms = LONGEST_RETRY_MS;
    if (failures < 10 && (FIRST_RETRY_MS << (failures - 1)) < LONGEST_RETRY_MS)
        ms = FIRST_RETRY_MS << (failures - 1);
    return ms + ms * (jitter % 256) / 1024;
}

void task_failed(struct task *t, const struct hm_error *err, int64_t now_ns, uint32_t jitter)
{
    t->error = *err;
    if (t->failures < 1000)
        t->failures++;
    t->next_try_ns = now_ns + back_off_ms(t->failures, jitter) * HM_MS;
}

void task_succeeded(struct task *t)
{
    t->failures = 0;
    t->next_try_ns = 0;
    t->error = (struct hm_error){0};
}

void task_revision(struct task *t, uint64_t revision)
{
    if (t->revision == revision)
        return;
    t->revision = revision;
    task_succeeded(t);
}
