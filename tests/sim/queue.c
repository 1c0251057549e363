/*
 * The queue of what is to happen, sorted by time, then by order of entry; and the pool of items. There are some
 * twenty entries, half of them faults that are far away, which lie at the front and are not touched: that beats
 * a heap.
 */
#include "sim.h"

void queue_begin(struct queue *q)
{
    q->count = 1;
    q->order[0].t = INT64_MAX; /* never due: nothing is ever before it */
    q->free_count = q->fresh = 0;
}

static unsigned take_entry(struct queue *q)
{
    return q->free_count > 0 ? q->free_entries[--q->free_count] : q->fresh++;
}

/* What is sent arrives soon, so most come to lie near the end. What is due at the same time keeps its order. */
static void insert(struct queue *q, int64_t t, unsigned entry)
{
    struct queue_place *at = &q->order[q->count++];
    for (; at[-1].t <= t; at--)
        *at = at[-1];
    at->t = t;
    at->entry = entry;
}

/* A place in the queue, to be filled in at once; NULL: there is none. */
static struct entry *place_at(struct sim *w, int64_t t)
{
    struct queue *q = &w->queue;
    if (q->count == SIM_QUEUE || t == INT64_MAX) {
        violate(w, SIM_BROKEN, t == INT64_MAX ? "it would never be due" : "queue is full");
        return NULL;
    }
    unsigned entry = take_entry(q);
    insert(q, t, entry);
    q->entries[entry].t = t;
    return &q->entries[entry];
}

void queue_again(struct sim *w, const struct entry *e, int64_t t)
{
    struct entry *to = place_at(w, t);
    if (!to)
        return;
    *to = *e;
    to->t = t;
}

/* Filled in where it lies: a copy would wait for what was just written. */
void queue_push(struct sim *w, int64_t t, enum sim_kind kind, unsigned site, uint32_t item,
                uint32_t x, uint64_t y)
{
    struct entry *to = place_at(w, t);
    if (!to)
        return;
    to->kind = (uint8_t)kind;
    to->site = (uint8_t)site;
    to->run = w->sites[site].run;
    to->item = item;
    to->x = x;
    to->y = y;
}

struct entry queue_pop(struct sim *w)
{
    struct queue *q = &w->queue;
    uint64_t entry = q->order[--q->count].entry;
    q->free_entries[q->free_count++] = (uint16_t)entry;
    return q->entries[entry];
}

uint32_t item_new(struct sim *w)
{
    if (w->free_count == 0) {
        violate(w, SIM_BROKEN, "out of items");
        return 0;
    }
    uint32_t i = w->free_items[--w->free_count];
    w->items[i].refs = 1;
    return i;
}
