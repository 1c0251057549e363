#include "agent/metrics.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "agent/backends.h"
#include "agent/metrics_agent.h"
#include "agent/metrics_vm.h"
#include "base/alloc.h"
#include "base/buf.h"
#include "base/clock.h"

enum { EVERY_MS = 10000 };

/* One round: what all backends said. Once it is whole it does not change. */
struct round {
    atomic_uint refs;
    struct metrics *owner; /* until it is whole */
    struct vm_stats_list stats;
    int64_t at_ns;        /* BOOTTIME */
    unsigned outstanding; /* backends that have not answered */
};

struct metrics {
    struct metrics_options options;
    uv_timer_t timer;
    struct round *asking; /* the one that waits for backends, or NULL */
    struct round *last;   /* NULL: there was none */
    bool is_news;         /* nobody was given the last one */
    double *cores;        /* that each of its VMs used since the round before; -1: not known */
    char at[HM_TIME_TEXT_MAX];
};

static void unref(struct round *r)
{
    if (!r || atomic_fetch_sub(&r->refs, 1) != 1)
        return;
    vm_stats_clear(&r->stats);
    free(r);
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

static double *all_cores(const struct round *now, const struct round *before)
{
    static const struct vm_stats_list none;
    const struct vm_stats_list *was = before ? &before->stats : &none;
    double *cores = hm_alloc((now->stats.count + 1) * sizeof *cores);
    for (size_t i = 0; i < now->stats.count; i++)
        cores[i] = cores_of(&now->stats.items[i], find_vm(was, now->stats.items[i].name, i),
                            before ? now->at_ns - before->at_ns : 0);
    return cores;
}

/* -- Loop ----------------------------------------------------------------------------------------- */

static void finish(struct round *r)
{
    struct metrics *m = r->owner;
    m->asking = NULL;
    free(m->cores);
    m->cores = all_cores(r, m->last);
    unref(m->last);
    m->last = r;
    m->is_news = true;
    hm_time_text(hm_wall_ns(), m->at);
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
    *r = (struct round){.refs = 1, .owner = m, .at_ns = hm_boottime_ns(), .outstanding = 1};
    for (size_t i = 0; i < all->count; i++)
        r->outstanding += backend_take_stats(all->items[i].backend, taken, r);
    taken(r, NULL); /* all were asked */
}

/* -- As a text ------------------------------------------------------------------------------------ */

struct text {
    struct round *round;
    char *agent; /* the agent's own, which only the loop knows */
};

static char *make_text(void *data) /* any thread */
{
    const struct text *t = data;
    struct hm_buf text = {0};
    hm_buf_puts(&text, t->agent);
    metrics_vm_text(&t->round->stats, &text);
    return hm_buf_steal(&text);
}

static void free_text(void *data) /* any thread */
{
    struct text *t = data;
    unref(t->round);
    free(t->agent);
    free(t);
}

static char *agent_text(const struct metrics *m)
{
    struct hm_buf text = {0};
    struct metrics_facts facts = m->options.facts(m->options.data);
    metrics_agent_text(m->options.reconciler, &facts, &text);
    return hm_buf_steal(&text);
}

struct http_text metrics_news(struct metrics *m)
{
    if (!m->is_news)
        return (struct http_text){0};
    m->is_news = false;
    atomic_fetch_add(&m->last->refs, 1);
    struct text *t = hm_alloc(sizeof *t);
    *t = (struct text){.round = m->last, .agent = agent_text(m)};
    return (struct http_text){.make = make_text, .free = free_text, .data = t};
}

json_t *metrics_top(const struct metrics *m)
{
    if (!m->last)
        return NULL;
    json_t *vms = metrics_vm_json(&m->last->stats);
    for (size_t i = 0; i < m->last->stats.count; i++)
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
    uv_timer_init(options->loop, &m->timer);
    m->timer.data = m;
    uv_timer_start(&m->timer, on_timer, every < 1000 ? every : 1000, every);
    return m;
}

static void on_closed(uv_handle_t *handle)
{
    struct metrics *m = handle->data;
    unref(m->last);
    free(m->cores);
    free(m);
}

void metrics_free(struct metrics *m)
{
    if (!m)
        return;
    unref(m->asking);
    m->asking = NULL;
    uv_close((uv_handle_t *)&m->timer, on_closed);
}
