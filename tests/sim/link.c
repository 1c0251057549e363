/* What lies between a site and the store: delay, jitter, loss, duplication, reordering. */
#include "sim.h"

static int64_t delay(struct sim *w, const struct link *l)
{
    int64_t d = l->latency + rng_below(&w->rng, l->jitter) + l->slow;
    if (l->flap != 0)
        d += (w->now / (2 * w->shape.period)) % 2 == 1 ? l->flap : l->flap_low;
    return d + 1;
}

static bool is_lost(struct sim *w, const struct link *l, bool cut)
{
    return cut || w->store.outage > 0 || rng_chance(&w->rng, l->loss + l->fault_loss);
}

/* A write that is late may still be on its way when everything else has changed. */
static int64_t write_delay(struct sim *w, const struct link *l)
{
    int64_t d = delay(w, l);
    if (l->late_writes > 0 && rng_chance(&w->rng, 400))
        d += rng_below(&w->rng, 12 * w->shape.period);
    return d;
}

/* A store that was restarted knows nothing of the connections that it had. */
static bool is_connected(struct sim *w, unsigned site)
{
    struct site *s = &w->sites[site];
    if (s->told_disconnected || s->store_life == w->store.life)
        return !s->told_disconnected;
    s->store_life = w->store.life; /* its client is told so once */
    queue_push(w, w->now + 1, K_DISCONNECTED, site, 0, 0, 0);
    return false;
}

static uint32_t item_of(struct sim *w, unsigned site, const struct fo_effect *e)
{
    uint32_t i = item_new(w);
    struct item *item = &w->items[i];
    heartbeat_copy(&item->hb, e->send.record);
    item->key = (uint8_t)e->send.key;
    item->site = (uint8_t)site;
    item->run = w->sites[site].run;
    item->by_operator = false;
    item->life = w->store.life;
    item->bucket = w->store.bucket;
    item->sent_at = w->now;
    item->send = e->send.send;
    item->expect = e->send.expect_revision;
    item->unread = !w->sites[site].core.known.readable;
    item->seen_revision = w->sites[site].seen_revision;
    item->seen_serial = w->sites[site].seen_serial;
    item->serial = 0;
    return i;
}

void link_send_write(struct sim *w, unsigned site, const struct fo_effect *e)
{
    struct site *s = &w->sites[site];
    struct link *l = &s->link;
    if (!is_connected(w, site))
        return; /* the driver answers FO_WRITE_UNKNOWN, which the core counts by time alone */
    bool lost = is_lost(w, l, l->cut_up > 0);
    /* Now and then what seemed lost was only stuck, and arrives long afterwards. */
    bool stuck = lost && rng_chance(&w->rng, 60);
    if (lost && !stuck)
        return;
    uint32_t item = item_of(w, site, e);
    int64_t at = w->now + write_delay(w, l);
    if (stuck)
        at += rng_below(&w->rng, 10 * w->shape.period);
    queue_push(w, at, K_STORE_WRITE, site, item, 0, 0);
    if (l->duplicates > 0 && rng_chance(&w->rng, 300)) {
        item_hold(w, item);
        queue_push(w, w->now + delay(w, l) + write_delay(w, l), K_STORE_WRITE, site, item, 0, 0);
    }
}

void link_send_read(struct sim *w, unsigned site, const struct fo_effect *e)
{
    struct site *s = &w->sites[site];
    if (!is_connected(w, site) || is_lost(w, &s->link, s->link.cut_up > 0))
        return;
    queue_push(w, w->now + delay(w, &s->link), K_STORE_READ, site, 0, e->read.request, 0);
}

void link_answer_write(struct sim *w, unsigned site, uint32_t item, enum fo_write_outcome outcome,
                       uint64_t revision)
{
    struct site *s = &w->sites[site];
    if (w->items[item].run != s->run || is_lost(w, &s->link, s->link.cut_down > 0)) {
        item_drop(w, item);
        return;
    }
    queue_push(w, w->now + delay(w, &s->link), K_WRITE_ANSWER, site, item, outcome, revision);
}

/* `item` 0: missing. Holds the item. */
void link_answer_read(struct sim *w, unsigned site, uint32_t request, uint32_t item, uint16_t run)
{
    struct site *s = &w->sites[site];
    if (run != s->run || is_lost(w, &s->link, s->link.cut_down > 0))
        return;
    int64_t at = w->now + delay(w, &s->link);
    if (s->link.late_reads > 0)
        at += rng_below(&w->rng, 3 * w->shape.period);
    if (item != 0)
        item_hold(w, item);
    s->reads_last = at > s->reads_last ? at : s->reads_last;
    queue_push(w, at, K_READ_ANSWER, site, item, request, 0);
}

/* In order. While the link is cut, what the watch carries is lost until it is made anew. */
void link_watch(struct sim *w, unsigned site, uint32_t item)
{
    struct site *s = &w->sites[site];
    if (!s->up || s->watch_dead || item == 0)
        return;
    if (s->link.cut_down > 0 || w->store.outage > 0 || s->link.stale_node > 0) {
        s->watch_dead = true;
        return;
    }
    int64_t at = w->now + delay(w, &s->link) + s->link.watch_slow;
    if (at <= s->watch_last)
        at = s->watch_last + 1;
    s->watch_last = at;
    item_hold(w, item);
    queue_push(w, at, K_WATCH, site, item, s->watch_epoch, 0);
}
