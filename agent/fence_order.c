/*
 * In which order a fence asks its targets: the reverse of the order in which they were started.
 *
 * Those that need others are asked first, and leave them a part of the time; once the kill is due there
 * is no order any more.
 */
#include <string.h>

#include "agent/depends.h"
#include "agent/reconcile_state.h"
#include "base/clock.h"

enum { HEIGHT_MAX = 8 }; /* higher towers, and circles, share the time as if they were this high */

struct needs_visit {
    const struct primary *p;
    struct fence_target *of;
    void (*visit)(struct fence_target *of, struct fence_target *needed);
};

static bool visit_needed(void *data, const char *kind, const char *name)
{
    struct needs_visit *v = data;
    struct fence_target *t = strcmp(kind, "vm") ? NULL : fence_find_target(v->p, NULL, kind, name);
    if (t && t != v->of)
        v->visit(v->of, t);
    return true;
}

static void each_needed(const struct primary *p, struct fence_target *of,
                        void (*visit)(struct fence_target *of, struct fence_target *needed))
{
    struct needs_visit v = {p, of, visit};
    depends_each(of->kind, of->spec, visit_needed, &v);
}

static void count_dependent(struct fence_target *of, struct fence_target *needed)
{
    (void)of;
    needed->dependents++;
}

static void dependent_ended(struct fence_target *of, struct fence_target *needed)
{
    (void)of;
    if (needed->dependents > 0)
        needed->dependents--;
}

static void rise_above(struct fence_target *of, struct fence_target *needed)
{
    if (of->height <= needed->height && needed->height < HEIGHT_MAX)
        of->height = needed->height + 1;
}

static void each_pair(struct primary *p,
                      void (*visit)(struct fence_target *of, struct fence_target *needed))
{
    for (size_t i = 0; i < p->target_count; i++)
        each_needed(p, &p->targets[i], visit);
}

void fence_order_begin(struct primary *p)
{
    p->unsubmitted = p->target_count;
    for (size_t i = 0; i < p->target_count; i++) {
        p->targets[i].submitted = false;
        p->targets[i].dependents = 0;
        p->targets[i].height = 1;
    }
    each_pair(p, count_dependent);
    for (unsigned height = 1; height < HEIGHT_MAX; height++)
        each_pair(p, rise_above);
}

struct fence_target *fence_order_next(const struct primary *p, int64_t now_ns)
{
    bool kill = now_ns >= p->stop_times.kill_ns;
    for (size_t i = 0; i < p->target_count; i++) {
        struct fence_target *t = &p->targets[i];
        if (!t->submitted && (kill || t->dependents == 0))
            return t;
    }
    return NULL;
}

void fence_order_ended(struct primary *p, struct fence_target *target)
{
    each_needed(p, target, dependent_ended);
}

int64_t fence_order_grace(const struct primary *p, const struct fence_target *target,
                          int64_t now_ns)
{
    int64_t left_ms = (p->stop_times.kill_ns - now_ns) / HM_MS;
    int64_t share = left_ms / target->height, wanted = spec_int(target->spec, "stop_grace", 0);
    int64_t grace = wanted < share ? wanted : share;
    return grace > 0 ? grace : 0;
}
