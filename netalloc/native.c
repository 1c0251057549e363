#include "netalloc/native.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/file.h"
#include "netalloc/host.h"
#include "netalloc/native_observe.h"
#include "netalloc/native_work.h"

struct instance {
    struct native native;
    struct native_cache cache;
    bool swept;
};

/* -- Defining ---------------------------------------------------------------------------------- */

/* The definition under this name, if it is ours: 1; none: 0. */
static int find_ours(const struct work *w, const struct order *o, size_t *ret, struct hm_error *err)
{
    *ret = work_find(w, o->name);
    if (*ret == SIZE_MAX)
        return 0;
    int r = mark_check_ours(&w->definitions.items[*ret].mark, o, err);
    return r < 0 ? r : 1;
}

static int fail_absent(const struct order *o, struct hm_error *err)
{
    return hm_fail(err, HM_E_NETWORK_NOT_FOUND, "network %s does not exist", o->name);
}

static int write_definition(const struct native *n, const struct order *o, bool active,
                            struct hm_error *err)
{
    struct definition d = {.name = hm_strdup(o->name), .active = active};
    mark_of_order(o, &d.mark);
    int r = store_write(&n->store, &d, err);
    definition_clear(&d);
    return r;
}

static int set_active(const struct work *w, size_t i, bool active, struct hm_error *err)
{
    struct definition *d = &w->definitions.items[i];
    if (d->active == active)
        return 0;
    d->active = active;
    return store_write(&w->native->store, d, err);
}

/* A conflict is said when it is declared, not only when it is brought up. */
static int check_bridge(const struct work *w, const struct order *o, struct hm_error *err)
{
    struct link_want want;
    struct link_steps steps;
    size_t i = work_find(w, o->name);
    if (i == SIZE_MAX || !work_bridge(w, i, false, &want))
        return hm_fail(err, HM_E_INVALID, "network %s: no link can carry its mark", o->name);
    link_plan(w->native->site, &w->seen, &want, 1, &steps);
    link_steps_clear(&steps);
    return link_verdict_check(&want, err) < 0 ? hm_wrap(err, "network %s", o->name) : 0;
}

/* Under the lock: write it, and look with it at all others again. */
static int define(const struct native *n, const struct order *o, struct work *w,
                  struct hm_error *err)
{
    size_t i = work_find(w, o->name);
    bool active = i != SIZE_MAX && w->definitions.items[i].active;
    int r = i == SIZE_MAX ? 0 : mark_check(&w->definitions.items[i].mark, o, err);
    if (r >= 0)
        r = write_definition(n, o, active, err);
    work_close(w);
    return r < 0 ? r : work_open(n, w, err);
}

static int network_create(void *self, const struct order *o, struct hm_error *err)
{
    const struct native *n = &((struct instance *)self)->native;
    struct work w;
    int r = work_open(n, &w, err);
    if (r < 0)
        return r;
    r = define(n, o, &w, err);
    if (r < 0)
        return r;
    r = check_bridge(&w, o, err);
    work_close(&w);
    return r;
}

/* What is up is brought to its new form; what was half taken down goes down. */
static int network_update(void *self, const struct order *o, struct hm_error *err)
{
    const struct native *n = &((struct instance *)self)->native;
    struct work w;
    int r = work_open(n, &w, err);
    if (r < 0)
        return r;
    r = define(n, o, &w, err);
    if (r < 0)
        return r;
    size_t i = work_find(&w, o->name);
    bool active = w.definitions.items[i].active;
    r = active ? work_bring_up(&w, i, err) : work_take_down(&w, i, err);
    work_close(&w);
    return r;
}

/* -- Power ------------------------------------------------------------------------------------- */

static int network_start(void *self, const struct order *o, struct hm_error *err)
{
    struct work w;
    size_t i = SIZE_MAX;
    int r = work_open(&((struct instance *)self)->native, &w, err);
    if (r < 0)
        return r;
    r = find_ours(&w, o, &i, err);
    if (r == 0)
        r = fail_absent(o, err);
    if (r >= 0)
        r = set_active(&w, i, true, err);
    if (r >= 0)
        r = work_bring_up(&w, i, err);
    if (r >= 0)
        r = work_sweep(&w, err);
    work_close(&w);
    return r < 0 ? r : 0;
}

static int stop(struct work *w, const struct order *o, bool remove, struct hm_error *err)
{
    size_t i;
    int r = find_ours(w, o, &i, err);
    if (r <= 0)
        return r < 0 ? r : 1;
    r = set_active(w, i, false, err);
    if (r >= 0)
        r = work_take_down(w, i, err);
    if (r >= 0 && remove)
        r = store_remove(&w->native->store, o->name, err);
    return r < 0 ? r : 0;
}

static int stop_or_remove(void *self, const struct order *o, bool remove, struct hm_error *err)
{
    struct work w;
    int r = work_open(&((struct instance *)self)->native, &w, err);
    if (r < 0)
        return r;
    r = stop(&w, o, remove, err);
    work_close(&w);
    return r;
}

static int network_stop(void *self, const struct order *o, struct hm_error *err)
{
    return stop_or_remove(self, o, false, err);
}

static int network_remove(void *self, const struct order *o, struct hm_error *err)
{
    return stop_or_remove(self, o, true, err);
}

static int network_verify_stopped(void *self, const struct order *o, struct hm_error *err)
{
    struct work w;
    int r = work_open(&((struct instance *)self)->native, &w, err);
    if (r < 0)
        return r;
    size_t i = work_find(&w, o->name);
    if (i != SIZE_MAX && work_bridge_is_ours(&w, i))
        r = hm_fail(err, HM_E_REFUSED, "network %s is still up", o->name);
    work_close(&w);
    return r;
}

/* -- The instance ------------------------------------------------------------------------------ */

static int check_options(const struct driver_options *options, struct hm_error *err)
{
    (void)options;
    (void)err;
    return 0;
}

static int open_instance(const struct driver_options *options, void **ret_self,
                         struct hm_error *err)
{
    if (!options->state_dir || !options->runtime_dir)
        return hm_fail(err, HM_E_INVALID, "native networks need a state_dir and a runtime_dir");
    struct instance *self = hm_alloc(sizeof *self);
    native_init(&self->native, options->site, options->state_dir, options->runtime_dir);
    *ret_self = self;
    return 0;
}

static void close_instance(void *self)
{
    struct instance *instance = self;
    native_cache_clear(&instance->cache);
    native_clear(&instance->native);
    free(instance);
}

static int probe(void *self, json_t **ret_facts, struct hm_error *err)
{
    (void)self;
    (void)err;
    *ret_facts = json_pack("{s:b}", "ip_forward", host_forwards());
    return 0;
}

/* TAPs that a crash has left, and what it had not written to its end, go when the next agent looks for the first time. */
static void sweep(const struct native *n)
{
    struct definitions list = {0};
    struct work w;
    bool any = store_list(&n->store, &list, NULL) >= 0 && list.count > 0;
    definitions_clear(&list);
    if (!any || work_open(n, &w, NULL) < 0)
        return;
    hm_file_sweep(n->store.dir, ".json");
    work_sweep(&w, NULL);
    work_close(&w);
}

static int observe(void *self, struct things *ret, struct hm_error *err)
{
    struct instance *instance = self;
    if (!instance->swept)
        sweep(&instance->native);
    instance->swept = true;
    return native_observe(&instance->native, &instance->cache, ret, err);
}

static bool is_alive(void *self)
{
    (void)self;
    return true;
}

static const char *const kinds[] = {"network", NULL};

const struct driver native_driver = {
    .name = "native",
    .kinds = kinds,
    .check_options = check_options,
    .open = open_instance,
    .close = close_instance,
    .probe = probe,
    .observe = observe,
    .create = network_create,
    .update = network_update,
    .start = network_start,
    .stop = network_stop,
    .kill = network_stop,
    .verify_stopped = network_verify_stopped,
    .remove = network_remove,
    .is_alive = is_alive,
};
