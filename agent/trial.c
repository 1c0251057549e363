#include "agent/trial.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/log.h"
#include "base/workq.h"
#include "vmm/accel_trial.h"
#include "vmm/libvirt.h"

/* Outlives the trial when its worker is left behind. */
struct run {
    struct trial *owner;
    char *runtime_dir;
    struct accel_record record;
    int result;
    struct hm_error err;
};

struct trial {
    struct hm_workq *queue;
    void (*done)(void *data);
    void *data;
};

static void run_work(void *data)
{
    struct run *r = data;
    r->result = accel_trial_run_and_record(r->runtime_dir, &r->record, &r->err);
}

static void run_done(void *data, bool timed_out)
{
    struct run *r = data;
    (void)timed_out; /* it has a deadline of its own */
    hm_log(HM_LOG_INFO, "agent", "kvm_pvm is loaded, and %s", r->record.text);
    if (r->result < 0)
        hm_log(HM_LOG_WARN, "agent", "which can't be remembered: %s", r->err.text);
    r->owner->done(r->owner->data);
}

static void run_release(void *data)
{
    struct run *r = data;
    free(r->runtime_dir);
    free(r);
}

static bool concerns_this_host(const struct agent_config *c)
{
    return c->libvirt.enabled && !strncmp(c->libvirt.uri, "qemu:", 5) &&
           !libvirt_uri_is_remote(c->libvirt.uri);
}

struct trial *trial_begin(uv_loop_t *loop, const struct agent_config *config,
                          void (*done)(void *data), void *data)
{
    struct accel_host host = {
        .dev = ACCEL_DEV, .modules = ACCEL_MODULES, .runtime_dir = config->runtime_dir};
    if (!concerns_this_host(config) || !accel_trial_is_due(config->libvirt.accel, &host))
        return NULL;
    struct trial *t = hm_alloc(sizeof *t);
    struct run *r = hm_alloc(sizeof *r);
    *t = (struct trial){.queue = hm_workq_new(loop, "trial", 1, 1), .done = done, .data = data};
    *r = (struct run){.owner = t, .runtime_dir = hm_strdup(config->runtime_dir)};
    struct hm_job job = {.work = run_work,
                         .done = run_done,
                         .release = run_release,
                         .orphan = run_release,
                         .data = r};
    hm_workq_submit(t->queue, &job, NULL); /* the only one: there is room */
    return t;
}

void trial_free(struct trial *t)
{
    if (!t)
        return;
    hm_workq_free(t->queue);
    free(t);
}
