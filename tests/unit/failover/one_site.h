/*
 * One core on a bench: a test plays the store, the workload and the clock, step by step, and looks at the
 * effects. Time is in ms. Nothing is answered by itself.
 */
#ifndef HM_TEST_ONE_SITE_H
#define HM_TEST_ONE_SITE_H

#include <check.h>
#include <string.h>

#include "failover/failover.h"
#include "failover/rules.h"

#define MS 1000000LL

struct one_site {
    struct fo_state core;
    struct fo_effects out; /* of the last step */
    struct cluster_config config;
    int64_t now; /* ms */
    uint64_t revision;
};

static inline struct hb_site named(const char *name)
{
    struct hb_site s;
    ck_assert(hb_site_from(name, &s));
    return s;
}

static inline void step(struct one_site *t, const struct fo_event *event)
{
    fo_step(&t->core, event, t->now * MS, &t->out);
}

static inline void tick_at(struct one_site *t, int64_t now)
{
    t->now = now;
    step(t, &(struct fo_event){.type = FO_EV_TIMER});
}

/* The i-th effect of this type in the last step, or NULL. */
static inline const struct fo_effect *effect(const struct one_site *t, enum fo_effect_type type,
                                             unsigned i)
{
    for (unsigned k = 0; k < t->out.count; k++)
        if (t->out.items[k].type == type && i-- == 0)
            return &t->out.items[k];
    return NULL;
}

/* The value of this note in the last step; -1: not noted. */
static inline int64_t noted(const struct one_site *t, enum fo_note note)
{
    const struct fo_effect *e;
    for (unsigned i = 0; (e = effect(t, FO_DO_NOTE, i)) != NULL; i++)
        if (e->note.note == note)
            return e->note.value;
    return -1;
}

/* The send on this key in the last step, or NULL. */
static inline const struct fo_effect *sent(const struct one_site *t, enum fo_key key)
{
    for (unsigned k = 0; k < t->out.count; k++)
        if (t->out.items[k].type == FO_DO_SEND && t->out.items[k].send.key == key)
            return &t->out.items[k];
    return NULL;
}

static inline void answer(struct one_site *t, enum fo_key key, uint64_t counter, unsigned send,
                          enum fo_write_outcome outcome, uint64_t revision)
{
    step(t, &(struct fo_event){.type = FO_EV_WRITE,
                               .write = {.key = key,
                                         .counter = counter,
                                         .send = send,
                                         .outcome = outcome,
                                         .revision = revision}});
}

static inline void lease_seen(struct one_site *t, const struct heartbeat *record, uint64_t revision)
{
    step(t, &(struct fo_event){
                .type = FO_EV_LEASE,
                .entry = {.record = record, .revision = revision, .stamp_ns = t->now * MS}});
}

static inline void echo(struct one_site *t, uint64_t counter)
{
    struct heartbeat own = {.site = t->core.site, .nonce = t->core.nonce, .counter = counter};
    step(t, &(struct fo_event){
                .type = FO_EV_ECHO,
                .entry = {.record = &own, .revision = ++t->revision, .stamp_ns = t->now * MS}});
}

/* Store and echo whatever heartbeats of its own the site has sent in the last step. */
static inline void store_own(struct one_site *t)
{
    const struct fo_effect *e = sent(t, FO_KEY_REPLICA);
    if (!e)
        return;
    uint64_t counter = e->send.counter;
    answer(t, FO_KEY_REPLICA, counter, 1, FO_WRITE_STORED, ++t->revision);
    echo(t, counter);
}

/* Go on to `until`, stopping at each deadline, with own replica heartbeats stored. */
static inline void live_until(struct one_site *t, int64_t until)
{
    for (int steps = 0; steps < 10000; steps++) {
        int64_t next = (t->out.next_ns + MS - 1) / MS;
        if (next > until || t->out.next_ns == FO_NEVER)
            break;
        tick_at(t, next > t->now ? next : t->now + 1);
        store_own(t);
        if (effect(t, FO_DO_START_WORKLOAD, 0) || t->core.role == HB_ROLE_CLAIMING)
            return;
    }
    t->now = until;
}

/* site-a prefers itself, site-b follows. T 1000, n 2, F 3000, fence 1500, promise 4753, timeout 5000. */
static inline void begin_with_marks(struct one_site *t, const char *self, fo_rules rules,
                                    struct fo_unread unread)
{
    memset(t, 0, sizeof(*t));
    t->now = 1000;
    t->revision = 100;
    t->config = (struct cluster_config){
        .sites = {named("site-a"), named("site-b")},
        .site_count = 2,
        .heartbeat_interval_ms = 1000,
        .failover_timeout_ms = 5000,
        .fence_timeout_ms = 1500,
        .promote_timeout_ms = 60000,
        .max_promise_ms = 150000,
        .yield_after_ms = 30000,
        .maximum_lag = -1,
        .failure_threshold = 2,
        .success_threshold = 2,
        .yield_to_primary = true,
    };
    struct fo_setup setup = {.site = named(self), .nonce = 77, .seed = 1, .rules = rules};
    fo_init(&t->core, &setup, t->now * MS);
    step(t,
         &(struct fo_event){.type = FO_EV_CONFIG, .config = {.config = &t->config, .revision = 1}});
    step(t, &(struct fo_event){.type = FO_EV_CONNECTED});
    step(t, &(struct fo_event){.type = FO_EV_GUARDIAN, .guardian = {.up = true}});
    step(t, &(struct fo_event){.type = FO_EV_START,
                               .start = {.workload_stopped = true, .unread = unread}});
    store_own(t);
}

static inline void begin(struct one_site *t, const char *self, fo_rules rules)
{
    begin_with_marks(t, self, rules, (struct fo_unread){0});
}

static inline struct heartbeat released(uint64_t epoch, const char *next)
{
    struct heartbeat hb = {.status = HB_RELEASED, .epoch = epoch};
    if (next)
        hb.next = named(next);
    return hb;
}

static inline struct heartbeat held_by(const char *site, uint64_t epoch, uint64_t counter)
{
    return (struct heartbeat){.site = named(site),
                              .nonce = 5,
                              .epoch = epoch,
                              .seen_epoch = epoch,
                              .counter = counter,
                              .expires_in_ms = 4753,
                              .interval_ms = 1000};
}

/* Until it leads epoch 1, taken from the first release. */
static inline void lead(struct one_site *t)
{
    struct heartbeat first = released(0, "site-a");
    lease_seen(t, &first, ++t->revision);
    live_until(t, t->now + 3000);
    ck_assert_int_eq(t->core.role, HB_ROLE_CLAIMING);
    answer(t, FO_KEY_LEASE, t->core.lease_try.record.counter, 1, FO_WRITE_STORED, ++t->revision);
    ck_assert_int_eq(t->core.role, HB_ROLE_PROMOTING);
    step(t, &(struct fo_event){.type = FO_EV_WORKLOAD_STARTED,
                               .workload = {.epoch = t->core.lease.epoch}});
    ck_assert_int_eq(t->core.role, HB_ROLE_LEADER);
}

/* One heartbeat of the leader, acknowledged at once. */
static inline void beat(struct one_site *t)
{
    tick_at(t, t->core.heartbeat_due / MS);
    const struct fo_effect *e = sent(t, FO_KEY_LEASE);
    ck_assert_ptr_nonnull(e);
    answer(t, FO_KEY_LEASE, e->send.counter, 1, FO_WRITE_STORED, ++t->revision);
}

#endif
