#include "site.h"

#include <check.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>

#include "agent/reconcile_state.h"
#include "base/alloc.h"
#include "base/log.h"
#include "world.h"

static int allows(void *data, const char *kind, const json_t *spec, struct hm_error *err)
{
    struct site *s = data;
    const char *kernel = spec_str(spec, "kernel");
    (void)kind;
    while (hm_boottime_ns() < s->busy_until_ns)
        sched_yield();
    s->busy_until_ns = 0;
    if (!s->refuse_path || !kernel || strcmp(kernel, s->refuse_path) != 0)
        return 0;
    return hm_fail(err, HM_E_REFUSED, "kernel: %s may not be named", kernel);
}

static void on_backend(void *data, const struct driver *driver, const json_t *facts,
                       const struct hm_error *err)
{
    struct site *s = data;
    (void)driver;
    s->facts += facts != NULL;
    if (err)
        s->backend_error = *err;
}

static void on_pass(void *data)
{
    struct site *s = data;
    s->passes++;
}

static bool guards(void *data, const char *uuid)
{
    const struct site *s = data;
    return !s->unguarded || strcmp(s->unguarded, uuid) != 0;
}

static const struct driver *const one_backend[] = {&fake_driver, NULL};
static const struct driver *const two_backends[] = {&fake_vms, &fake_disks, NULL};

static void make_reconciler(struct site *s, const struct driver *const *drivers, int64_t resync_ms,
                            const char *state_dir)
{
    struct reconciler_options o = {
        .loop = &s->loop,
        .site = "site-a",
        .desired = s->desired,
        .status = s->status,
        .drivers = drivers,
        .driver_options = {.site = "site-a", .state_dir = state_dir},
        .resync_ms = resync_ms,
        .allows = allows,
        .on_backend = on_backend,
        .on_pass = on_pass,
        .guards = guards,
        .data = s,
    };
    s->reconciler = reconciler_new(&o);
    s->workload = reconciler_workload(s->reconciler);
}

void site_begin_reconciler(struct site *s)
{
    make_reconciler(s, one_backend, 0, NULL);
    reconciler_kick(s->reconciler);
}

static void begin(struct site *s, const struct driver *const *drivers, int64_t resync_ms,
                  const char *state_dir)
{
    *s = (struct site){0};
    hm_log_setup(HM_LOG_ERROR, HM_LOG_TEXT);
    fake_reset();
    uv_loop_init(&s->loop);
    s->desired = desired_new("site-a");
    s->status = fake_status_new();
    make_reconciler(s, drivers, resync_ms, state_dir);
}

void site_begin(struct site *s)
{
    begin(s, one_backend, 0, NULL);
}

void site_begin_resyncing(struct site *s, int64_t resync_ms)
{
    begin(s, one_backend, resync_ms, NULL);
}

void site_begin_in(struct site *s, const char *state_dir)
{
    begin(s, one_backend, 0, state_dir);
}

void site_begin_with_two(struct site *s, const char *state_dir)
{
    begin(s, two_backends, 0, state_dir);
}

void site_free_reconciler(struct site *s)
{
    reconciler_free(s->reconciler);
    s->reconciler = NULL;
    uv_run(&s->loop, UV_RUN_DEFAULT);
}

static bool is_idle(const struct reconciler *r)
{
    for (size_t i = 0; i < r->task_count; i++)
        if (r->task_list[i]->in_flight)
            return false;
    return r->primary.calls == 0;
}

static void note_observed(void *data, struct things *things, json_t *facts,
                          const struct hm_error *err)
{
    bool *ended = data;
    (void)things;
    (void)err;
    json_decref(facts);
    *ended = true;
}

/* One of our own can begin only when none is under way. */
static void end_observation(struct site *s)
{
    for (size_t i = 0; i < s->reconciler->backends->count; i++) {
        struct backend *b = s->reconciler->backends->items[i].backend;
        bool ended = false;
        SITE_UNTIL(s, backend_observe(b, note_observed, &ended));
        SITE_UNTIL(s, ended);
    }
}

/* What is under way when a reconciler is freed is left behind, and would be reported as a leak. */
static void drain(struct site *s)
{
    while (s->reconciler && !is_idle(s->reconciler))
        SITE_UNTIL(s, is_idle(s->reconciler));
}

void site_end(struct site *s)
{
    drain(s);
    if (s->reconciler)
        end_observation(s);
    site_free_reconciler(s);
    ck_assert_int_eq(uv_loop_close(&s->loop), 0);
    ck_assert_int_eq(fake_overlaps(), 0);
    desired_free(s->desired);
    fake_status_free(s->status);
    fake_free();
}

void site_put(struct site *s, const char *key, const char *json)
{
    s->revision++;
    struct bus_entry e = {
        .key = key,
        .value = json,
        .len = json ? strlen(json) : 0,
        .revision = s->revision,
        .stamp_ns = (int64_t)s->revision * 1000,
        .deleted = !json,
    };
    ck_assert(desired_take(s->desired, &e));
    reconciler_kick(s->reconciler);
}

void site_made(struct site *s, const char *key, enum thing_state state, const char *json)
{
    char where[DOC_NAME_MAX + 1], kind[DOC_NAME_MAX + 1], name[DOC_NAME_MAX + 1];
    (void)s;
    ck_assert_int_eq(doc_key_split(key, where, kind, name, NULL), 0);
    json_t *spec = world_spec(kind, json);
    fake_put(kind, name, state, key, spec);
    json_decref(spec);
}

const char *site_phase(const struct site *s, const char *name)
{
    return fake_phase_of(s->status, name);
}

const char *site_error(const struct site *s, const char *name)
{
    const json_t *error = json_object_get(fake_status_of(s->status, name), "error");
    const char *code = json_string_value(json_object_get(error, "code"));
    return code ? code : "";
}

/* The second observation begins after the pass of the first. */
void site_look(struct site *s)
{
    for (int i = 0; i < 2; i++) {
        int seen = fake_calls("observe", NULL);
        reconciler_kick(s->reconciler);
        SITE_UNTIL(s, fake_calls("observe", NULL) > seen);
    }
}

void site_settle(struct site *s)
{
    char *before = NULL, *after = fake_story();
    do {
        free(before);
        before = after;
        site_look(s);
        drain(s);
        site_look(s);
        after = fake_story();
    } while (strcmp(before, after) != 0);
    free(before);
    free(after);
}
