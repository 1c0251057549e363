#include "agent/hooks.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/process.h"

struct run {
    struct hooks *owner; /* NULL once the hooks are gone: the child is only waited for */
    enum hook hook;
    struct hm_process *process;
    hook_done done;
    void *data;
};

struct hooks {
    struct hooks_options options;
    struct run *running[HOOK_COUNT];
    bool stuck[HOOK_COUNT];
};

static const char *const names[] = {
#define HOOK_NAME(id, name, when) name,
    HOOKS(HOOK_NAME)
#undef HOOK_NAME
};

const char *hook_name(enum hook hook)
{
    return names[hook];
}

struct hooks *hooks_new(const struct hooks_options *options)
{
    struct hooks *h = hm_alloc(sizeof *h);
    h->options = *options;
    return h;
}

void hooks_free(struct hooks *h)
{
    if (!h)
        return;
    for (int i = 0; i < HOOK_COUNT; i++)
        if (h->running[i]) {
            h->running[i]->owner = NULL;
            hm_process_kill(h->running[i]->process);
        }
    free(h);
}

bool hooks_has(const struct hooks *h, enum hook hook)
{
    return h->options.commands[hook].argv != NULL;
}

bool hooks_running(const struct hooks *h, enum hook hook)
{
    return h->running[hook] != NULL;
}

bool hooks_stuck(const struct hooks *h, enum hook hook)
{
    return h->stuck[hook];
}

void hooks_kill(struct hooks *h, enum hook hook)
{
    if (h->running[hook])
        hm_process_kill(h->running[hook]->process);
}

static char *name_for_error(const struct hooks *h, enum hook hook,
                            const struct hm_process_result *result)
{
    if (result->not_started)
        return hm_printf("%s hook %s", hook_name(hook), h->options.commands[hook].argv[0]);
    return hm_printf("%s hook", hook_name(hook));
}

static void hook_ended(void *data, const struct hm_process_result *result)
{
    struct run *run = data;
    struct hooks *h = run->owner;
    if (h) {
        struct hm_error err = {0};
        HM_AUTOFREE char *what = name_for_error(h, run->hook, result);
        h->running[run->hook] = NULL;
        h->stuck[run->hook] = result->unkillable;
        bool failed = hm_process_check(what, result, &err) < 0;
        run->done(run->data, failed ? &err : NULL, result->out, result->took_ms * HM_MS);
    }
    free(run);
}

struct environment {
    char *entries[8];
};

static void make_environment(const struct hooks_options *o, const struct hook_context *c,
                             struct environment *env)
{
    *env = (struct environment){{
        hm_printf("HARMONY_SITE=%s", o->site),
        hm_printf("HARMONY_GROUP=%s", o->group),
        hm_printf("HARMONY_EPOCH=%" PRIu64, c->epoch),
        hm_printf("HARMONY_FROM_EPOCH=%" PRIu64, c->from_epoch),
        hm_printf("HARMONY_LEADER=%s", c->leader ? c->leader : ""),
        hm_printf("HARMONY_REASON=%s", c->reason ? c->reason : ""),
        hm_printf("HARMONY_CGROUP=%s", c->cgroup ? c->cgroup : ""),
    }};
}

static void free_environment(struct environment *env)
{
    for (size_t i = 0; i < HM_COUNT(env->entries); i++)
        free(env->entries[i]);
}

static int64_t own_limit(const struct hook_command *command)
{
    return command->limit_ms > 0 ? command->limit_ms : HOOK_LIMIT_MS;
}

static int64_t shorter_limit(const struct hook_command *command, int64_t limit_ms)
{
    int64_t own = own_limit(command);
    return limit_ms > 0 && limit_ms < own ? limit_ms : own;
}

int64_t hooks_limit_ms(const struct hooks *h, enum hook hook)
{
    return hooks_has(h, hook) ? own_limit(&h->options.commands[hook]) : 0;
}

/* *ret: -1 without a cgroup. */
static int open_cgroup(const struct hook_context *context, int *ret, struct hm_error *err)
{
    *ret = -1;
    if (!context->cgroup)
        return 0;
    HM_AUTOFREE char *path = hm_printf("%s/cgroup.procs", context->cgroup);
    *ret = open(path, O_WRONLY | O_CLOEXEC);
    if (*ret >= 0)
        return 0;
    return hm_fail(err, HM_E_REFUSED,
                   "%s can't be joined: %s; the guardian has ended epoch %" PRIu64, path,
                   strerror(errno), context->epoch);
}

static int start_in(struct hooks *h, struct run *run, const struct hook_context *context,
                    int cgroup, int64_t limit_ms, struct hm_error *err)
{
    const struct hook_command *command = &h->options.commands[run->hook];
    struct environment env;
    make_environment(&h->options, context, &env);
    struct hm_process_options options = {
        .argv = command->argv,
        .env = env.entries,
        .join = &cgroup,
        .timeout_ms = shorter_limit(command, limit_ms),
        .output_max = HOOK_OUTPUT_MAX,
        .done = hook_ended,
        .data = run,
    };
    int r = hm_process_start(h->options.loop, &options, &run->process, err);
    free_environment(&env);
    return r;
}

static int start(struct hooks *h, struct run *run, const struct hook_context *context,
                 int64_t limit_ms, struct hm_error *err)
{
    int cgroup;
    int r = open_cgroup(context, &cgroup, err);
    if (r >= 0)
        r = start_in(h, run, context, cgroup, limit_ms, err);
    if (cgroup >= 0)
        close(cgroup);
    return r < 0 ? hm_wrap(err, "%s hook", hook_name(run->hook)) : 0;
}

int hooks_run(struct hooks *h, enum hook hook, const struct hook_context *context, int64_t limit_ms,
              hook_done done, void *data, struct hm_error *err)
{
    if (!hooks_has(h, hook))
        return 0;
    if (h->stuck[hook])
        return hm_fail(
            err, HM_E_REFUSED,
            "%s hook: an earlier run could not be killed, so it is not run again; end that "
            "process and restart the agent",
            hook_name(hook));
    if (h->running[hook])
        return hm_fail(err, HM_E_BUSY, "%s hook: is still running", hook_name(hook));
    struct run *run = hm_alloc(sizeof *run);
    *run = (struct run){.owner = h, .hook = hook, .done = done, .data = data};
    int r = start(h, run, context, limit_ms, err);
    if (r < 0) {
        free(run);
        return r;
    }
    h->running[hook] = run;
    return 1;
}
