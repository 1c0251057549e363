#include "agent/health.h"

#include <stdio.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "proto/field.h"

const char *health_state_name(enum health_state state)
{
    static const char *const names[] = {
#define HEALTH_STATE_NAME(id, text) text,
        HEALTH_STATES(HEALTH_STATE_NAME)
#undef HEALTH_STATE_NAME
    };
    return (size_t)state < HM_COUNT(names) ? names[state] : names[0];
}

struct health_rule health_rule_of(const json_t *health)
{
    return (struct health_rule){.interval_ns = spec_int(health, "interval", 10000) * HM_MS,
                                .timeout_ns = spec_int(health, "timeout", 3000) * HM_MS,
                                .start_ns = spec_int(health, "start_period", 60000) * HM_MS,
                                .retries = (uint32_t)spec_int(health, "retries", 3)};
}

static void say(struct health *h, const char *reason)
{
    snprintf(h->reason, sizeof h->reason, "%s", reason ? reason : "");
}

static void begin(struct health *h, int64_t began_ns, int64_t now_ns)
{
    if (h->state != HEALTH_NONE)
        return;
    *h = (struct health){.state = HEALTH_STARTING, .began_ns = began_ns, .next_ns = now_ns};
}

static bool is_due(struct health *h, const struct health_rule *rule, int64_t now_ns)
{
    if (!h->next_ns || now_ns < h->next_ns)
        return false;
    bool is_late = h->asking; /* the last answer has not come */
    h->asking = true;
    h->next_ns = now_ns + rule->interval_ns;
    return !is_late;
}

static void take_good(struct health *h)
{
    h->state = HEALTH_WELL;
    h->bad = 0;
    say(h, NULL);
}

static void take_bad(struct health *h, const struct health_rule *rule, const char *reason,
                     int64_t now_ns)
{
    say(h, reason);
    bool is_spared = h->state == HEALTH_STARTING && now_ns - h->began_ns < rule->start_ns;
    if (is_spared)
        return;
    if (h->bad < rule->retries)
        h->bad++;
    if (h->bad >= rule->retries)
        h->state = HEALTH_ILL;
}

/* What was known is not known any more. A guest that has just begun is still spared. */
static void take_unasked(struct health *h, const char *reason)
{
    say(h, reason);
    h->bad = 0;
    if (h->state != HEALTH_STARTING)
        h->state = HEALTH_UNKNOWN;
}

struct health_effect health_step(struct health *h, const struct health_rule *rule,
                                 enum health_event event, const char *reason, int64_t began_ns,
                                 int64_t now_ns)
{
    enum health_state before = h->state;
    bool is_answer =
        event == HEALTH_EVENT_GOOD || event == HEALTH_EVENT_BAD || event == HEALTH_EVENT_UNASKED;
    bool ask = false;
    if (event == HEALTH_EVENT_GONE)
        *h = (struct health){0};
    else if (event == HEALTH_EVENT_RUNS)
        begin(h, began_ns, now_ns);
    else if (event == HEALTH_EVENT_TIME)
        ask = is_due(h, rule, now_ns);
    else if (is_answer && h->asking && h->state != HEALTH_NONE) {
        h->asking = false;
        if (event == HEALTH_EVENT_GOOD)
            take_good(h);
        else if (event == HEALTH_EVENT_BAD)
            take_bad(h, rule, reason, now_ns);
        else
            take_unasked(h, reason);
    }
    return (struct health_effect){.ask = ask, .changed = h->state != before};
}
