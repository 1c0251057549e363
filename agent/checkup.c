#include "agent/checkup.h"

#include <stdlib.h>
#include <string.h>

#include "agent/probe.h"
#include "base/alloc.h"
#include "base/clock.h"
#include "proto/field.h"

#define LATE_NS (100 * HM_MS) /* an answer that is so late was there, and the loop was not */

struct checkups {
    struct checkups_options options;
    struct prober *prober;
};

struct checkup {
    struct checkups *all;
    struct health health;
    struct health_rule rule;
    json_t *spec; /* of health */
    char *address;
    void *whom;
    int64_t run;
    char since[HM_TIME_TEXT_MAX];
    uv_timer_t timer;
    struct probe *probe;  /* under way; NULL: none */
    int64_t answer_by_ns; /* of it */
    bool pinging;         /* ended is still to be called */
    bool dropped, closed;
};

/* -- Life of one ---------------------------------------------------------------------------------- */

static void free_if_left(struct checkup *c)
{
    if (!c->closed || c->pinging)
        return;
    json_decref(c->spec);
    free(c->address);
    free(c);
}

static void on_closed(uv_handle_t *handle)
{
    struct checkup *c = handle->data;
    c->closed = true;
    free_if_left(c);
}

void checkup_drop(struct checkup **slot)
{
    struct checkup *c = *slot;
    *slot = NULL;
    if (!c)
        return;
    c->dropped = true;
    if (c->probe)
        probe_cancel(c->probe);
    c->probe = NULL;
    uv_close((uv_handle_t *)&c->timer, on_closed);
}

static struct checkup *new_checkup(struct checkups *all)
{
    struct checkup *c = hm_alloc(sizeof *c);
    c->all = all;
    uv_timer_init(all->options.loop, &c->timer);
    c->timer.data = c;
    return c;
}

/* -- Questions and answers ------------------------------------------------------------------------ */

static void ask(struct checkup *c);
static void on_timer(uv_timer_t *timer);

static void set_timer(struct checkup *c, int64_t now)
{
    int64_t wait = c->health.next_ns - now;
    if (!c->health.next_ns)
        uv_timer_stop(&c->timer);
    else
        uv_timer_start(&c->timer, on_timer, wait > 0 ? (uint64_t)(wait / HM_MS + 1) : 0, 0);
}

static void step(struct checkup *c, enum health_event event, const char *reason, int64_t began_ns)
{
    int64_t now = hm_boottime_ns();
    struct health_effect e = health_step(&c->health, &c->rule, event, reason, began_ns, now);
    if (e.changed)
        hm_time_text(hm_wall_ns(), c->since);
    set_timer(c, now);
    if (e.ask)
        ask(c);
    if (e.changed && !c->dropped)
        c->all->options.on_change(c->all->options.data, c->whom, &c->health);
}

static void on_timer(uv_timer_t *timer)
{
    step(timer->data, HEALTH_EVENT_TIME, NULL, 0);
}

static void take_answer(struct checkup *c, const struct hm_error *err)
{
    bool unasked = err && (err->code == HM_E_UNSUPPORTED || err->code == HM_E_BUSY ||
                           err->code == HM_E_CANCELLED);
    if (!err)
        step(c, HEALTH_EVENT_GOOD, NULL, 0);
    else
        step(c, unasked ? HEALTH_EVENT_UNASKED : HEALTH_EVENT_BAD, err->text, 0);
}

/* Its time ran out while the loop stood still: whether it had answered is not known. */
static void on_probed(void *arg, const struct hm_error *err)
{
    struct checkup *c = arg;
    bool was_late = hm_boottime_ns() - c->answer_by_ns > LATE_NS;
    c->probe = NULL;
    if (err && was_late)
        step(c, HEALTH_EVENT_UNASKED, "the agent stood still while it was asked", 0);
    else
        take_answer(c, err);
}

static void on_pinged(void *arg, const struct hm_error *err)
{
    struct checkup *c = arg;
    if (!c->dropped)
        take_answer(c, err);
}

static void on_ping_ended(void *arg)
{
    struct checkup *c = arg;
    c->pinging = false;
    if (c->dropped)
        free_if_left(c);
}

static void ping(struct checkup *c)
{
    struct hm_error err;
    if (c->pinging) /* the last one hangs, though its time is over */
        hm_fail(&err, HM_E_BUSY, "the last question has not come back");
    else if (c->all->options.ping(c->whom, c->rule.timeout_ns / HM_MS, on_pinged, on_ping_ended, c,
                                  &err) >= 0) {
        c->pinging = true;
        return;
    }
    take_answer(c, &err);
}

static void probe(struct checkup *c)
{
    const json_t *http = json_object_get(c->spec, "http");
    const json_t *way = http ? http : json_object_get(c->spec, "tcp");
    struct probe_question question = {.address = c->address,
                                      .port = (uint16_t)spec_int(way, "port", 0),
                                      .path = spec_str(http, "path"),
                                      .status = (int)spec_int(http, "status", 0),
                                      .timeout_ms = c->rule.timeout_ns / HM_MS};
    c->answer_by_ns = hm_boottime_ns() + c->rule.timeout_ns;
    if (c->address)
        c->probe = probe_begin(c->all->prober, &question, on_probed, c);
    else
        step(c, HEALTH_EVENT_UNASKED, "no address of it is known", 0);
}

static void ask(struct checkup *c)
{
    if (spec_bool(c->spec, "guest_agent"))
        ping(c);
    else
        probe(c);
}

/* -- What the passes see -------------------------------------------------------------------------- */

static void take_spec(struct checkup *c, const json_t *health)
{
    if (c->spec == health || (c->spec && json_equal(c->spec, health)))
        return;
    json_decref(c->spec);
    c->spec = json_incref((json_t *)(uintptr_t)health);
    c->rule = health_rule_of(health);
}

static void take_address(struct checkup *c, const char *found)
{
    const char *given = spec_str(c->spec, "address");
    const char *address = given ? given : found;
    if (address && c->address && !strcmp(address, c->address))
        return;
    free(c->address);
    c->address = address ? hm_strdup(address) : NULL;
}

static void end_run(struct checkup *c)
{
    if (c->probe)
        probe_cancel(c->probe);
    c->probe = NULL;
    step(c, HEALTH_EVENT_GONE, NULL, 0);
}

void checkup_see(struct checkups *all, struct checkup **slot, const struct checkup_view *v)
{
    if (!v->health) {
        checkup_drop(slot);
        return;
    }
    struct checkup *c = *slot ? *slot : new_checkup(all);
    bool another = *slot && c->run != v->run;
    *slot = c;
    c->whom = v->whom;
    take_spec(c, v->health);
    take_address(c, v->address);
    c->run = v->run;
    if (!v->runs || another)
        end_run(c);
    if (v->runs)
        step(c, HEALTH_EVENT_RUNS, NULL, v->began_ns ? v->began_ns : hm_boottime_ns());
}

const struct health *checkup_health(const struct checkup *c)
{
    return c ? &c->health : NULL;
}

const char *checkup_since(const struct checkup *c)
{
    return c ? c->since : "";
}

/* -- All of them ---------------------------------------------------------------------------------- */

struct checkups *checkups_new(const struct checkups_options *options)
{
    struct checkups *all = hm_alloc(sizeof *all);
    all->options = *options;
    all->prober = prober_new(options->loop);
    return all;
}

void checkups_free(struct checkups *all)
{
    if (!all)
        return;
    prober_free(all->prober);
    free(all);
}
