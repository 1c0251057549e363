#include "agent/metrics.h"

#include <stdlib.h>
#include <string.h>

#include "agent/backends.h"
#include "agent/metrics_agent.h"
#include "agent/metrics_vm.h"
#include "base/alloc.h"
#include "base/clock.h"
#include "base/workq.h"

enum { EVERY_MS = 10000 };

/* One round: what all backends said, and what a worker makes of it. */
struct round {
    struct metrics *owner;
    struct vm_stats_list stats;
    int64_t at_ns;        /* BOOTTIME */
    unsigned outstanding; /* backends that have not answered */
    char *text;
};

struct metrics {
    struct metrics_options options;
    uv_timer_t timer;
    struct hm_workq *work;
    struct round *asking; /* the one that waits for backends, or NULL */
    char *news;
    struct vm_stats_list last; /* of the last round, which began at */
    int64_t last_ns;           /* BOOTTIME; 0: there was none */
    double *cores;             /* that each of them used since the round before; -1: not known */
    char at[HM_TIME_TEXT_MAX];
};

static void free_round(void *data)
{
    struct round *r = data;
    vm_stats_clear(&r->stats);
    free(r->text);
    free(r);
}

static void render(void *data) /* worker */
{
    struct round *r = data;
    struct hm_buf text = {0};
    metrics_vm_text(&r->stats, &text);
    r->text = hm_buf_steal(&text);
}

/* -- What was used between two rounds ------------------------------------------------------------- */

/* The order hardly changes from one round to the next. */
static const struct vm_stats *find_vm(const struct vm_stats_list *list, const char *name,
                                      size_t guess)
{
    for (size_t i = 0; i < list->count; i++) {
        const struct vm_stats *vm = &list->items[(guess + i) % list->count];
        if (!strcmp(vm->name, name))
            return vm;
    }
    return NULL;
}

static double cores_of(const struct vm_stats *now, const struct vm_stats *before, int64_t took_ns)
{
    bool is_known = before && took_ns > 0 && now->has & before->has & 1u << VM_VALUE_CPU &&
                    now->values[VM_VALUE_CPU] >= before->values[VM_VALUE_CPU];
    if (!is_known) /* or it was started anew */
        return -1;
    return (double)(now->values[VM_VALUE_CPU] - before->values[VM_VALUE_CPU]) / (double)took_ns;
}

static void keep(struct metrics *m, struct round *r)
{
    double *cores = hm_alloc((r->stats.count + 1) * sizeof *cores);
    for (size_t i = 0; i < r->stats.count; i++)
        cores[i] = cores_of(&r->stats.items[i], find_vm(&m->last, r->stats.items[i].name, i),
                            m->last_ns ? r->at_ns - m->last_ns : 0);
    free(m->cores);
    vm_stats_clear(&m->last);
    m->cores = cores;
    m->last = r->stats;
    m->last_ns = r->at_ns;
    r->stats = (struct vm_stats_list){0};
    hm_time_text(hm_wall_ns(), m->at);
}

/* -- Loop ----------------------------------------------------------------------------------------- */

static void rendered(void *data, bool timed_out)
{
    struct round *r = data;
    struct metrics *m = r->owner;
    struct hm_buf text = {0};
    (void)timed_out; /* it has no deadline */
    struct metrics_facts facts = m->options.facts(m->options.data);
    metrics_agent_text(m->options.reconciler, &facts, &text);
    lead_metrics(facts.lead, &text);
    hm_buf_puts(&text, r->text);
    free(m->news);
    m->news = hm_buf_steal(&text);
    keep(m, r);
}

static void finish(struct round *r)
{
    struct metrics *m = r->owner;
    m->asking = NULL;
    struct hm_job job = {.work = render, .done = rendered, .release = free_round, .data = r};
    if (hm_workq_submit(m->work, &job, NULL) < 0)
        free_round(r);
}

static void append(struct vm_stats_list *to, struct vm_stats_list *from)
{
    if (from->count == 0)
        return;
    to->items = hm_realloc_array(to->items, to->count + from->count, sizeof *to->items);
    memcpy(to->items + to->count, from->items, from->count * sizeof *from->items);
    to->count += from->count;
    free(from->items);
    *from = (struct vm_stats_list){0};
}

static void taken(void *data, struct vm_stats_list *list)
{
    struct round *r = data;
    if (list)
        append(&r->stats, list);
    if (--r->outstanding == 0)
        finish(r);
}

/* A round that still waits for a backend is not overtaken. */
static void on_timer(uv_timer_t *timer)
{
    struct metrics *m = timer->data;
    const struct backends *all = reconciler_backends(m->options.reconciler);
    if (m->asking)
        return;
    struct round *r = m->asking = hm_alloc(sizeof *r);
    *r = (struct round){.owner = m, .at_ns = hm_boottime_ns(), .outstanding = 1};
    for (size_t i = 0; i < all->count; i++)
        r->outstanding += backend_take_stats(all->items[i].backend, taken, r);
    taken(r, NULL); /* all were asked */
}

char *metrics_news(struct metrics *m)
{
    char *news = m->news;
    m->news = NULL;
    return news;
}

json_t *metrics_top(const struct metrics *m)
{
    if (!m->last_ns)
        return NULL;
    json_t *vms = metrics_vm_json(&m->last);
    for (size_t i = 0; i < m->last.count; i++)
        if (m->cores[i] >= 0)
            json_object_set_new(json_array_get(vms, i), "cpu_cores", json_real(m->cores[i]));
    return json_pack("{s:s, s:o}", "at", m->at, "vms", vms);
}

/* -- Life ----------------------------------------------------------------------------------------- */

struct metrics *metrics_new(const struct metrics_options *options)
{
    struct metrics *m = hm_alloc(sizeof *m);
    uint64_t every = (uint64_t)(options->every_ms ? options->every_ms : EVERY_MS);
    m->options = *options;
    m->work = hm_workq_new(options->loop, "metrics", 1, 1);
    uv_timer_init(options->loop, &m->timer);
    m->timer.data = m;
    uv_timer_start(&m->timer, on_timer, every < 1000 ? every : 1000, every);
    return m;
}

static void on_closed(uv_handle_t *handle)
{
    struct metrics *m = handle->data;
    free(m->news);
    free(m->cores);
    vm_stats_clear(&m->last);
    free(m);
}

void metrics_free(struct metrics *m)
{
    if (!m)
        return;
    if (m->asking)
        free_round(m->asking);
    m->asking = NULL;
    hm_workq_free(m->work);
    uv_close((uv_handle_t *)&m->timer, on_closed);
}
