/*
 * A model of a JetStream bucket: one sequence, compare-and-swap by key, de-duplication by message id (no
 * message is late by as much as its two minutes), stamps of the stream leader's wall clock. Linearizable, but for a node without quorum.
 */
#include <string.h>

#include "sim.h"

static uint64_t message_id(const struct item *m)
{
    return m->hb.nonce ^ (m->hb.counter * 0x9E3779B97F4A7C15u) ^ ((uint64_t)m->hb.epoch << 48);
}

/* Place of this message's id, or a free one: a table is never more than half full. Messages of a run lie side
 * by side. */
static unsigned place(const struct dedup *table, const struct item *m)
{
    uint64_t id = message_id(m);
    unsigned i = (unsigned)((m->hb.nonce + m->hb.counter) % SIM_DEDUP);
    while (table->slots[i].id != 0 && table->slots[i].id != id)
        i = (i + 1) % SIM_DEDUP;
    return i;
}

/* 0: not stored, or forgotten. */
static uint64_t known_revision(const struct sim *w, const struct item *m)
{
    const struct dedup *now = &w->store.dedup[0], *before = &w->store.dedup[1];
    uint64_t revision = now->slots[place(now, m)].revision;
    if (revision != 0 || before->count == 0)
        return revision;
    return before->slots[place(before, m)].revision;
}

/* A schedule fills a part of them: all of a table is not cleared for each. */
static void forget(struct dedup *table)
{
    for (unsigned i = 0; i < table->count; i++)
        memset(&table->slots[table->used[i]], 0, sizeof(table->slots[0]));
    table->count = 0;
}

/* Two tables, so that the oldest half is forgotten at a time. Half a table is more than two minutes of
 * three sites' heartbeats at the shortest T. */
static void remember(struct sim *w, const struct item *m)
{
    struct dedup *now = &w->store.dedup[0];
    if (now->count == SIM_DEDUP / 2) {
        w->store.dedup[1] = *now;
        forget(now);
    }
    unsigned i = place(now, m);
    if (now->slots[i].id == 0)
        now->used[now->count++] = (uint16_t)i;
    now->slots[i].id = message_id(m);
    now->slots[i].revision = m->revision;
}

static uint32_t *slot_of(struct sim *w, const struct item *m)
{
    return m->key == FO_KEY_LEASE ? &w->store.lease : &w->store.replica[m->site];
}

static void keep(struct sim *w, uint32_t item)
{
    struct item *m = &w->items[item];
    uint32_t *slot = slot_of(w, m);
    /* An old write that fits by its number: nobody can tell. */
    if (m->key == FO_KEY_LEASE && m->bucket != w->store.bucket)
        w->loss.voided = true;
    m->revision = ++w->store.seq;
    m->serial = ++w->store.serial;
    m->stored_at = w->now;
    m->stamp = w->now + w->store.clock_offset;
    if (!m->by_operator)
        remember(w, m);
    if (m->key == FO_KEY_LEASE)
        check_stored(w, *slot ? &w->items[*slot] : NULL, m);
    rollback_note(w, item, *slot);
    if (*slot != 0)
        item_drop(w, *slot);
    item_hold(w, item);
    *slot = item;
    if (m->key == FO_KEY_LEASE)
        check_late(w, m);
    for (unsigned i = 0; i < w->shape.sites; i++)
        link_watch(w, i, item);
}

/* A node that lost its quorum: it still knows old ids, commits nothing itself, and may pass on what it
 * was given once it is a follower again. */
static void write_without_quorum(struct sim *w, unsigned site, uint32_t item)
{
    struct item *m = &w->items[item];
    uint64_t known = known_revision(w, m);
    if (known != 0) {
        link_answer_write(w, site, item, FO_WRITE_DUPLICATE, known);
    } else if (m->send > 1 && rng_chance(&w->rng, 300)) {
        link_answer_write(w, site, item, FO_WRITE_REFUSED, 0); /* 10158: in process */
    } else if (rng_chance(&w->rng, 150)) {
        queue_push(w, w->now + rng_below(&w->rng, 8 * w->shape.period), K_STORE_WRITE, site, item,
                   1, 0);
    } else {
        item_drop(w, item);
    }
}

static bool expectation_holds(const struct sim *w, const struct item *m)
{
    const struct item *current = &w->items[w->store.lease];
    uint64_t revision = w->store.lease != 0 ? current->revision : 0;
    return m->expect == FO_ANY_REVISION || (uint64_t)m->expect == revision;
}

static void answer_write(struct sim *w, unsigned site, uint32_t item)
{
    struct item *m = &w->items[item];
    uint64_t known = known_revision(w, m);
    bool lease = m->key == FO_KEY_LEASE;
    if (known != 0 && !(w->store.single && lease && m->expect != FO_ANY_REVISION)) {
        link_answer_write(w, site, item, FO_WRITE_DUPLICATE, known);
    } else if (lease && !expectation_holds(w, m)) {
        uint64_t named = w->store.lease ? w->items[w->store.lease].revision : 0;
        link_answer_write(w, site, item, FO_WRITE_CONFLICT, named);
    } else {
        keep(w, item);
        link_answer_write(w, site, item, FO_WRITE_STORED, m->revision);
    }
}

void store_write(struct sim *w, const struct entry *e)
{
    struct item *m = &w->items[e->item];
    const struct link *l = &w->sites[e->site].link;
    bool passed_on = e->x != 0;           /* by a node that is a follower again */
    bool died = m->life != w->store.life; /* with the server that it had reached */
    if ((w->store.outage > 0 && !passed_on) || died) {
        item_drop(w, e->item);
    } else if (w->store.gone) {
        link_answer_write(w, e->site, e->item, FO_WRITE_REFUSED, 0);
    } else if (l->stale_node > 0 && m->run == w->sites[e->site].run && !passed_on) {
        write_without_quorum(w, e->site, e->item);
    } else if (w->store.refuse > 0 && rng_chance(&w->rng, 700)) {
        link_answer_write(w, e->site, e->item, FO_WRITE_REFUSED, 0);
    } else {
        answer_write(w, e->site, e->item);
    }
}

void store_read(struct sim *w, const struct entry *e)
{
    if (w->store.outage > 0)
        return;
    bool stale = w->sites[e->site].link.stale_node > 0;
    link_answer_read(w, e->site, e->x, stale ? w->store.stale_lease : w->store.lease, e->run);
}

/* A new watch gives the last record of every key. */
void store_restart_watch(struct sim *w, unsigned site)
{
    struct site *s = &w->sites[site];
    const struct link *l = &s->link;
    s->watch_epoch++;
    s->watch_last = 0;
    s->watch_dead = l->cut_down > 0 || l->cut_up > 0 || w->store.outage > 0 || l->stale_node > 0 ||
                    s->told_disconnected;
    link_watch(w, site, w->store.lease);
    for (unsigned i = 0; i < w->shape.sites; i++)
        link_watch(w, site, w->store.replica[i]);
}

void store_catch_up(struct sim *w, unsigned site)
{
    store_restart_watch(w, site);
}

void store_begin(struct sim *w)
{
    forget(&w->store.dedup[0]);
    forget(&w->store.dedup[1]);
    memset(&w->store, 0, offsetof(struct store, dedup));
}

/* `failover init` */
void store_first_record(struct sim *w)
{
    uint32_t i = item_new(w);
    struct item *m = &w->items[i];
    m->hb = (struct heartbeat){
        .status = HB_RELEASED, .reason = HB_REASON_INIT, .next = w->configs[0].sites[0]};
    m->key = FO_KEY_LEASE;
    m->by_operator = true;
    store_put(w, i);
    item_drop(w, i);
}

void store_put(struct sim *w, uint32_t item)
{
    w->items[item].bucket = w->store.bucket;
    keep(w, item);
}

/* As if it had never been stored; its key holds what was there before. */
void store_take_back(struct sim *w, uint32_t item, uint32_t before)
{
    struct item *m = &w->items[item];
    uint32_t *slot = slot_of(w, m);
    for (unsigned i = 0; i < 2; i++)
        w->store.dedup[i].slots[place(&w->store.dedup[i], m)].revision = 0;
    w->store.seq = m->revision - 1;
    item_drop(w, *slot);
    *slot = before; /* with the hold that the history had on it */
}

void store_clear(struct sim *w)
{
    if (w->store.lease != 0)
        item_drop(w, w->store.lease);
    w->store.lease = 0;
    for (unsigned i = 0; i < w->shape.sites; i++) {
        if (w->store.replica[i] != 0)
            item_drop(w, w->store.replica[i]);
        w->store.replica[i] = 0;
    }
    forget(&w->store.dedup[0]);
    forget(&w->store.dedup[1]);
    w->store.seq = 0;
}
