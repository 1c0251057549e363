#include "agent/metrics_agent.h"

#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "agent/backends.h"
#include "agent/health.h"
#include "agent/life.h"
#include "agent/prometheus.h"
#include "base/alloc.h"

static void one(struct hm_buf *out, const char *name, bool counts, const char *help, double value)
{
    static const struct prometheus_label none[PROMETHEUS_LABELS];
    prometheus_family(out, name, counts, help);
    prometheus_sample(out, name, none, value);
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
    one(out, "process_cpu_seconds_total", true, "CPU time that the agent has used.", cpu_seconds());
    one(out, "process_resident_memory_bytes", false, "Memory that the agent occupies.",
        resident_bytes());
}

/* -- What it has done ----------------------------------------------------------------------------- */

static void add_verbs(const struct reconciler_counts *c, struct hm_buf *out)
{
    const char *name = "harmony_verbs_total";
    prometheus_family(out, name, true, "Verbs carried out on things of this site, by result.");
    for (int verb = 0; verb < VERB_COUNT; verb++)
        for (int failed = 0; failed < 2; failed++) {
            struct prometheus_label labels[PROMETHEUS_LABELS] = {
                {"verb", plan_verb_name((enum plan_verb)verb)},
                {"result", failed ? "error" : "ok"}};
            if (c->verbs[verb][failed])
                prometheus_sample(out, name, labels, (double)c->verbs[verb][failed]);
        }
}

static void add_errors(const struct reconciler_counts *c, struct hm_buf *out)
{
    const char *name = "harmony_errors_total";
    prometheus_family(out, name, true, "Verbs that failed, by code of the error.");
    for (int code = 0; code < HM_CODE_COUNT; code++) {
        struct prometheus_label labels[PROMETHEUS_LABELS] = {
            {"code", hm_code_name((enum hm_code)code)}};
        if (c->errors[code])
            prometheus_sample(out, name, labels, (double)c->errors[code]);
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
    prometheus_sample(q->out, "harmony_queue_jobs", labels, jobs);
}

static void add_backends(const struct backends *all, struct hm_buf *out)
{
    prometheus_family(out, "harmony_backend_up", false, "1: the last look at it succeeded.");
    for (size_t i = 0; i < all->count; i++) {
        struct prometheus_label labels[PROMETHEUS_LABELS] = {
            {"backend", all->items[i].driver->name}};
        prometheus_sample(out, "harmony_backend_up", labels, !all->items[i].unobserved.code);
    }
    prometheus_family(out, "harmony_queue_jobs", false,
                      "Jobs of a backend that wait or are carried out.");
    for (size_t i = 0; i < all->count; i++) {
        struct queues q = {all->items[i].driver->name, out};
        backend_each_queue(all->items[i].backend, add_queue, &q);
    }
}

/* -- Lives ---------------------------------------------------------------------------------------- */

struct lives {
    struct hm_buf *out;
    const char *name;
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
        prometheus_sample(l->out, l->name, labels, value);
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
        const char *name, *help;
        bool counts;
        bool (*value)(const struct life *life, const struct health *health, double *ret);
    } families[] = {
        {"harmony_workload_restarts_total",
         "Times that it was started again since it was last started on purpose.", true, restarts},
        {"harmony_workload_crash_loop", "1: it is started again and again.", false, loops},
        {"harmony_workload_healthy", "1: healthy, 0: unhealthy; missing: unknown.", false, is_well},
    };
    for (size_t i = 0; i < HM_COUNT(families); i++) {
        struct lives l = {out, families[i].name, families[i].value};
        prometheus_family(out, families[i].name, families[i].counts, families[i].help);
        reconciler_each_life(r, add_life, &l);
    }
}

/* -- The whole ------------------------------------------------------------------------------------ */

void metrics_agent_text(const struct reconciler *r, struct metrics_facts facts, struct hm_buf *out)
{
    struct prometheus_label info[PROMETHEUS_LABELS] = {{"site", facts.site},
                                                       {"version", HM_VERSION}};
    struct prometheus_label role[PROMETHEUS_LABELS] = {{"role", facts.role}};
    prometheus_family(out, "harmony_agent_info", false, "Which agent this is; always 1.");
    prometheus_sample(out, "harmony_agent_info", info, 1);
    prometheus_family(out, "harmony_failover_role", false, "The role that this site has now; 1.");
    prometheus_sample(out, "harmony_failover_role", role, 1);
    one(out, "harmony_failover_epoch", false, "The highest epoch known.", (double)facts.epoch);
    one(out, "harmony_nats_connected", false, "1: connected to NATS.", facts.is_connected);
    one(out, "harmony_nats_reconnects_total", true, "Connections to NATS after the first one.",
        (double)facts.reconnects);
    one(out, "harmony_documents", false, "Documents that concern this site.",
        (double)facts.documents);
    one(out, "harmony_passes_total", true, "Passes of the reconciler.",
        (double)reconciler_passes(r));
    add_process(out);
    add_verbs(reconciler_counts(r), out);
    add_errors(reconciler_counts(r), out);
    add_backends(reconciler_backends(r), out);
    add_lives(r, out);
}
