#include "agent/metrics_agent.h"

#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "agent/agent_metrics.h"
#include "agent/backends.h"
#include "agent/health.h"
#include "agent/life.h"
#include "agent/prometheus.h"
#include "base/alloc.h"

static void begin(struct hm_buf *out, enum agent_metric metric)
{
    const struct metric_row *row = &agent_metrics[metric];
    prometheus_family(out, row->name, row->counts, row->help);
}

static void sample(struct hm_buf *out, enum agent_metric metric,
                   const struct prometheus_label labels[PROMETHEUS_LABELS], double value)
{
    prometheus_sample(out, agent_metrics[metric].name, labels, value);
}

static void one(struct hm_buf *out, enum agent_metric metric, double value)
{
    static const struct prometheus_label none[PROMETHEUS_LABELS];
    begin(out, metric);
    sample(out, metric, none, value);
}

/* -- The process ---------------------------------------------------------------------------------- */

static double resident_bytes(void)
{
    long pages = 0;
    FILE *f = fopen("/proc/self/statm", "re");
    if (f && fscanf(f, "%*d %ld", &pages) != 1)
        pages = 0;
    if (f)
        fclose(f);
    return (double)pages * (double)sysconf(_SC_PAGESIZE);
}

static double cpu_seconds(void)
{
    struct rusage u;
    if (getrusage(RUSAGE_SELF, &u) < 0)
        return 0;
    return (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) +
           (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1e6;
}

static void add_process(struct hm_buf *out)
{
    one(out, METRIC_PROCESS_CPU, cpu_seconds());
    one(out, METRIC_PROCESS_MEMORY, resident_bytes());
}

/* -- What it has done ----------------------------------------------------------------------------- */

static void add_verbs(const struct reconciler_counts *c, struct hm_buf *out)
{
    begin(out, METRIC_VERBS);
    for (int verb = 0; verb < VERB_COUNT; verb++)
        for (int failed = 0; failed < 2; failed++) {
            struct prometheus_label labels[PROMETHEUS_LABELS] = {
                {"verb", plan_verb_name((enum plan_verb)verb)},
                {"result", failed ? "error" : "ok"}};
            if (c->verbs[verb][failed])
                sample(out, METRIC_VERBS, labels, (double)c->verbs[verb][failed]);
        }
}

static void add_errors(const struct reconciler_counts *c, struct hm_buf *out)
{
    begin(out, METRIC_ERRORS);
    for (int code = 0; code < HM_CODE_COUNT; code++) {
        struct prometheus_label labels[PROMETHEUS_LABELS] = {
            {"code", hm_code_name((enum hm_code)code)}};
        if (c->errors[code])
            sample(out, METRIC_ERRORS, labels, (double)c->errors[code]);
    }
}

/* -- Backends ------------------------------------------------------------------------------------- */

struct queues {
    const char *backend;
    struct hm_buf *out;
};

static void add_queue(void *data, const char *name, unsigned jobs)
{
    const struct queues *q = data;
    struct prometheus_label labels[PROMETHEUS_LABELS] = {{"backend", q->backend}, {"queue", name}};
    sample(q->out, METRIC_QUEUE_JOBS, labels, jobs);
}

static void add_backends(const struct backends *all, struct hm_buf *out)
{
    begin(out, METRIC_BACKEND_UP);
    for (size_t i = 0; i < all->count; i++) {
        struct prometheus_label labels[PROMETHEUS_LABELS] = {
            {"backend", all->items[i].driver->name}};
        sample(out, METRIC_BACKEND_UP, labels, !all->items[i].unobserved.code);
    }
    begin(out, METRIC_QUEUE_JOBS);
    for (size_t i = 0; i < all->count; i++) {
        struct queues q = {all->items[i].driver->name, out};
        backend_each_queue(all->items[i].backend, add_queue, &q);
    }
}

/* -- Lives ---------------------------------------------------------------------------------------- */

struct lives {
    struct hm_buf *out;
    enum agent_metric metric;
    /* False: it has no such value. */
    bool (*value)(const struct life *life, const struct health *health, double *ret);
};

static void add_life(void *data, const char *key, const struct life *life,
                     const struct health *health)
{
    const struct lives *l = data;
    struct prometheus_label labels[PROMETHEUS_LABELS] = {{"key", key}};
    double value;
    if (l->value(life, health, &value))
        sample(l->out, l->metric, labels, value);
}

static bool restarts(const struct life *life, const struct health *health, double *ret)
{
    (void)health;
    *ret = life->restarts;
    return true;
}

static bool loops(const struct life *life, const struct health *health, double *ret)
{
    (void)health;
    *ret = life_is_looping(life);
    return true;
}

static bool is_well(const struct life *life, const struct health *health, double *ret)
{
    (void)life;
    *ret = health && health->state == HEALTH_WELL;
    return health && (health->state == HEALTH_WELL || health->state == HEALTH_ILL);
}

static void add_lives(const struct reconciler *r, struct hm_buf *out)
{
    static const struct {
        enum agent_metric metric;
        bool (*value)(const struct life *life, const struct health *health, double *ret);
    } families[] = {
        {METRIC_RESTARTS, restarts}, {METRIC_CRASH_LOOP, loops}, {METRIC_HEALTHY, is_well}};
    for (size_t i = 0; i < HM_COUNT(families); i++) {
        struct lives l = {out, families[i].metric, families[i].value};
        begin(out, families[i].metric);
        reconciler_each_life(r, add_life, &l);
    }
}

/* -- Failover ------------------------------------------------------------------------------------- */

static void add_peers(const struct lead_numbers *f, struct hm_buf *out)
{
    static const enum agent_metric metrics[] = {METRIC_PEER_SILENCE, METRIC_PEER_READY,
                                                METRIC_PEER_LAG};
    for (size_t m = 0; m < HM_COUNT(metrics); m++) {
        begin(out, metrics[m]);
        for (unsigned i = 0; i < f->peer_count; i++) {
            const struct lead_peer_numbers *p = &f->peers[i];
            struct prometheus_label labels[PROMETHEUS_LABELS] = {{"peer", p->site}};
            double values[] = {(double)p->silence_ns / 1e9, p->ready, (double)p->lag};
            bool is_known[] = {p->silence_ns >= 0, true, p->lag >= 0};
            if (is_known[m])
                sample(out, metrics[m], labels, values[m]);
        }
    }
}

static void add_role(const struct lead *lead, struct hm_buf *out)
{
    struct prometheus_label role[PROMETHEUS_LABELS] = {{"role", lead_role(lead)}};
    begin(out, METRIC_ROLE);
    sample(out, METRIC_ROLE, role, 1);
    one(out, METRIC_EPOCH, (double)lead_epoch(lead));
}

static void add_numbers(const struct lead_numbers *f, struct hm_buf *out)
{
    one(out, METRIC_SERVING, f->serving);
    one(out, METRIC_FIT, f->fit);
    one(out, METRIC_PAUSED, f->paused);
    one(out, METRIC_HOLDS, f->holds);
    one(out, METRIC_WARNINGS, (double)f->warnings);
    if (f->rtt_us >= 0)
        one(out, METRIC_ROUND_TRIP, (double)f->rtt_us / 1e6);
    one(out, METRIC_FAILURES, f->failures);
    one(out, METRIC_WATCH_RESTARTS, (double)f->watch_restarts);
    add_peers(f, out);
}

static void add_failover(const struct lead *lead, struct hm_buf *out)
{
    struct lead_numbers numbers;
    lead_numbers(lead, &numbers);
    add_role(lead, out);
    add_numbers(&numbers, out);
    lead_metrics(lead, out);
}

/* -- The whole ------------------------------------------------------------------------------------ */

void metrics_agent_text(const struct reconciler *r, const struct metrics_facts *facts,
                        struct hm_buf *out)
{
    struct prometheus_label info[PROMETHEUS_LABELS] = {{"site", facts->site},
                                                       {"version", HM_VERSION}};
    begin(out, METRIC_INFO);
    sample(out, METRIC_INFO, info, 1);
    add_failover(facts->lead, out);
    one(out, METRIC_CONNECTED, facts->is_connected);
    one(out, METRIC_RECONNECTS, (double)facts->reconnects);
    one(out, METRIC_DOCUMENTS, (double)facts->documents);
    one(out, METRIC_PASSES, (double)reconciler_passes(r));
    add_process(out);
    add_verbs(reconciler_counts(r), out);
    add_errors(reconciler_counts(r), out);
    add_backends(reconciler_backends(r), out);
    add_lives(r, out);
}
