#include "agent/task.h"

#include <stdlib.h>

#include "agent/back_off.h"
#include "base/alloc.h"
#include "base/clock.h"

enum {
    ASK_AGAIN_MS = 2000,
    LASTING_MS = 10000,   /* what is needed again sooner did not last */
    FORGOTTEN_MS = 60000, /* what lasted longer than this speaks for itself */
};

void task_clear(struct task *t)
{
    free(t->key);
    free(t->error);
    free(t->progress);
    *t = (struct task){0};
}

static void forget_progress(struct task *t)
{
    free(t->progress);
    t->progress = NULL;
}

/* What failed before is not over yet. */
void task_goes_on(struct task *t, const char *words, int64_t now_ns)
{
    forget_progress(t);
    t->progress = hm_strdup(words);
    t->next_try_ns = now_ns + ASK_AGAIN_MS * HM_MS;
}

void task_failed(struct task *t, const struct hm_error *err, int64_t now_ns, uint32_t jitter)
{
    forget_progress(t);
    hm_error_keep(&t->error, err);
    if (t->failures < 1000)
        t->failures++;
    t->next_try_ns = now_ns + back_off_ms(t->failures, jitter) * HM_MS;
}

int64_t task_due_ns(const struct task *t, int64_t after_ns)
{
    int64_t retry = t->next_try_ns > after_ns ? t->next_try_ns : INT64_MAX;
    int64_t life = life_next_ns(&t->life);
    return life > after_ns && life < retry ? life : retry;
}

static void forget_failures(struct task *t)
{
    forget_progress(t);
    t->failures = 0;
    t->next_try_ns = 0;
    free(t->error);
    t->error = NULL;
}

void task_done(struct task *t, int64_t now_ns)
{
    forget_failures(t);
    t->done_verb = t->verb;
    t->done_ns = now_ns;
}

void task_settled(struct task *t)
{
    forget_failures(t);
}

/* Stopping is no attempt at anything: it may be needed as often as something runs. */
static bool brings_something_about(enum plan_verb verb)
{
    return verb == VERB_CREATE || verb == VERB_UPDATE || verb == VERB_START || verb == VERB_NOTE ||
           verb == VERB_PAUSE || verb == VERB_RESUME;
}

bool task_relapsed(struct task *t, enum plan_verb verb, int64_t now_ns, uint32_t jitter)
{
    int64_t lasted_ms = (now_ns - t->done_ns) / HM_MS;
    if (verb != t->done_verb || t->failures > 0 || !brings_something_about(verb))
        return false;
    if (lasted_ms >= FORGOTTEN_MS)
        t->relapses = 0;
    if (lasted_ms >= LASTING_MS)
        return false;
    struct hm_error err;
    hm_fail(&err, HM_E_REFUSED, "%s was done, and after %lld ms it is needed again",
            plan_verb_name(verb), (long long)lasted_ms);
    t->failures = t->relapses++;
    task_failed(t, &err, now_ns, jitter);
    return true;
}

void task_afresh(struct task *t)
{
    forget_failures(t);
    life_afresh(&t->life);
    t->done_verb = VERB_NOTHING;
    t->relapses = 0;
}

void task_revision(struct task *t, uint64_t revision)
{
    if (t->revision == revision)
        return;
    t->revision = revision;
    task_afresh(t);
}
