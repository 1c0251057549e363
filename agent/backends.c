#include "agent/backends.h"

#include <stdlib.h>
#include <string.h>

#include "agent/drivers.h"
#include "base/alloc.h"
#include "base/clock.h"
#include "base/log.h"

enum { JOIN_MS = 100 }; /* the longest that a look which has ended waits for others */

/* -- What a look has shown ------------------------------------------------------------------------
 */

/* The driver gives the same shared copy as long as nothing changed. */
static bool is_same_thing(const struct thing *a, const struct thing *b)
{
    return a->shared && a->shared == b->shared && a->state == b->state && a->reason == b->reason &&
           a->shut_down == b->shut_down;
}

static bool are_same_things(const struct things *a, const struct things *b)
{
    if (a->count != b->count)
        return false;
    for (size_t i = 0; i < a->count; i++)
        if (!is_same_thing(&a->items[i], &b->items[i]))
            return false;
    return true;
}

static bool is_new_failure(const struct member *m, const struct hm_error *err)
{
    return m->unobserved.code != err->code || strcmp(m->unobserved.text, err->text) != 0;
}

static void note_failure(struct member *m, const struct hm_error *err)
{
    if (is_new_failure(m, err))
        hm_log(HM_LOG_WARN, "reconcile", "%s; nothing there is changed until it answers",
               err->text);
    m->unobserved = *err;
    m->unobserved_since_ns = m->began_ns;
}

static void note_success(struct member *m, struct things *things)
{
    if (m->unobserved_since_ns > m->since_ns)
        hm_log(HM_LOG_INFO, "reconcile", "the backend %s answers again", m->driver->name);
    m->unobserved = (struct hm_error){0};
    things_clear(&m->things);
    m->since_ns = m->began_ns;
    m->things = *things;
    *things = (struct things){0};
}

/* -- Looks ----------------------------------------------------------------------------------------
 */

static void look_ended(struct backends *b);

static void on_observed(void *data, struct things *things, json_t *facts,
                        const struct hm_error *err)
{
    struct member *m = data;
    struct backends *b = m->owner;
    m->under_way = false;
    m->ended_ns = hm_boottime_ns();
    bool answers_again = !err && m->unobserved.code;
    b->news |= err ? is_new_failure(m, err) : answers_again || !are_same_things(things, &m->things);
    if (err)
        note_failure(m, err);
    else
        note_success(m, things);
    if (b->options.on_backend && (facts || err || answers_again))
        b->options.on_backend(b->options.data, m->driver, facts, err);
    json_decref(facts);
    look_ended(b);
}

static bool is_in_hurry(const struct backends *b)
{
    return b->options.is_in_hurry && b->options.is_in_hurry(b->options.data);
}

/* A look that began now would be waited for, too: it comes after those that are waited for. */
static bool is_joining(const struct backends *b)
{
    return uv_is_active((const uv_handle_t *)&b->join) && !is_in_hurry(b);
}

static void begin(struct member *m)
{
    int64_t now = hm_boottime_ns();
    if (is_joining(m->owner) || m->under_way)
        return; /* their end sees `wanted` */
    m->hangs = !backend_observe(m->backend, on_observed, m);
    if (m->hangs)
        return; /* once it comes back, the backend tells of a change */
    m->wanted = false;
    m->under_way = true;
    m->began_ns = now;
}

void member_look(struct member *m)
{
    if (m->owner->closing)
        return;
    m->wanted = true;
    begin(m);
}

static bool has_cards_of_others(const struct member *m)
{
    return driver_holds(m->driver, "network") && !member_holds_vms(m);
}

void backends_look_at_networks(struct member *m)
{
    for (size_t i = 0; i < m->owner->count && member_holds_vms(m); i++)
        if (has_cards_of_others(&m->owner->items[i]))
            member_look(&m->owner->items[i]);
}

void backends_look(struct backends *b)
{
    for (size_t i = 0; i < b->count; i++)
        member_look(&b->items[i]);
}

static void conclude(struct backends *b)
{
    bool news = b->news;
    uv_timer_stop(&b->join);
    b->news = false;
    b->options.on_looked(b->options.data, news);
    for (size_t i = 0; i < b->count; i++)
        if (b->items[i].wanted)
            begin(&b->items[i]);
}

static void on_join(uv_timer_t *timer)
{
    conclude(timer->data);
}

/* How long the youngest look that is worth waiting for may take yet; 0: there is none. */
static int64_t join_ns(const struct backends *b)
{
    int64_t longest = 0, now = hm_boottime_ns();
    for (size_t i = 0; i < b->count; i++) {
        int64_t left = b->items[i].began_ns + JOIN_MS * HM_MS - now;
        if (b->items[i].under_way && left > longest)
            longest = left;
    }
    return longest;
}

static void look_ended(struct backends *b)
{
    int64_t left = is_in_hurry(b) ? 0 : join_ns(b);
    if (!left)
        conclude(b);
    else if (!uv_is_active((uv_handle_t *)&b->join))
        uv_timer_start(&b->join, on_join, (uint64_t)(left / HM_MS + 1), 0);
}

/* -- What is asked about them ---------------------------------------------------------------------
 */

struct member *backends_for(const struct backends *b, const char *kind, const json_t *spec)
{
    for (size_t i = 0; i < b->count; i++)
        if (driver_takes(b->items[i].driver, kind, spec))
            return &b->items[i];
    return NULL;
}

bool member_holds_vms(const struct member *m)
{
    return driver_holds(m->driver, "vm");
}

bool member_is_seen_since(const struct member *m, int64_t ns)
{
    return !m->unobserved.code && m->since_ns >= ns;
}

bool backends_were_looked_at_since(const struct backends *b, int64_t ns)
{
    for (size_t i = 0; i < b->count; i++) {
        const struct member *m = &b->items[i];
        if (!m->hangs && m->since_ns < ns && m->unobserved_since_ns < ns)
            return false;
    }
    return true;
}

/* -- Life -----------------------------------------------------------------------------------------
 */

static void on_change(void *data)
{
    member_look(data);
}

static void member_init(struct member *m, struct backends *owner, const struct driver *driver)
{
    *m = (struct member){.owner = owner, .driver = driver};
    struct backend_options options = {
        .loop = owner->options.loop,
        .driver = driver,
        .driver_options = owner->options.driver_options,
        .on_change = on_change,
        .data = m,
    };
    m->backend = backend_new(&options);
    hm_fail(&m->unobserved, HM_E_TIMEOUT, "%s has not answered yet", driver->name);
}

struct backends *backends_new(const struct backends_options *options)
{
    struct backends *b = hm_alloc(sizeof *b);
    b->options = *options;
    uv_timer_init(options->loop, &b->join);
    b->join.data = b;
    size_t count = 0;
    while (options->drivers[count])
        count++;
    b->items = hm_alloc(count * sizeof *b->items);
    for (; b->count < count; b->count++)
        member_init(&b->items[b->count], b, options->drivers[b->count]);
    return b;
}

static void on_closed(uv_handle_t *handle)
{
    struct backends *b = handle->data;
    for (size_t i = 0; i < b->count; i++)
        things_clear(&b->items[i].things);
    free(b->items);
    free(b);
}

void backends_free(struct backends *b)
{
    b->closing = true;
    for (size_t i = 0; i < b->count; i++)
        backend_free(b->items[i].backend);
    uv_close((uv_handle_t *)&b->join, on_closed);
}
