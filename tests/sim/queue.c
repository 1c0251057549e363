/* The queue of what is to happen: a binary heap by time, then by order of entry; and the pool of items. */
#include "sim.h"

static inline bool before(const struct entry *a, const struct entry *b)
{
    return a->t != b->t ? a->t < b->t : (int32_t)(a->seq - b->seq) < 0;
}

static void sift_up(struct queue *q, const struct entry *e)
{
    unsigned i = q->count++;
    while (i > 0) {
        unsigned parent = (i - 1) / 2;
        if (!before(e, &q->heap[parent]))
            break;
        q->heap[i] = q->heap[parent];
        i = parent;
    }
    q->heap[i] = *e;
}

void queue_again(struct sim *w, const struct entry *e, int64_t t)
{
    struct entry copy = *e;
    copy.t = t;
    copy.seq = w->queue.seq++;
    if (w->queue.count == SIM_QUEUE)
        violate(w, SIM_BROKEN, "queue is full");
    else
        sift_up(&w->queue, &copy);
}

void queue_push(struct sim *w, int64_t t, enum sim_kind kind, unsigned site, uint32_t item,
                uint32_t x, uint64_t y)
{
    struct entry e = {
        .kind = (uint8_t)kind,
        .site = (uint8_t)site,
        .run = w->sites[site].run,
        .item = item,
        .x = x,
        .y = y,
    };
    queue_again(w, &e, t);
}

struct entry queue_pop(struct sim *w)
{
    struct queue *q = &w->queue;
    struct entry top = q->heap[0], last = q->heap[--q->count];
    unsigned i = 0, child;
    while ((child = 2 * i + 1) < q->count) {
        if (child + 1 < q->count && before(&q->heap[child + 1], &q->heap[child]))
            child++;
        if (!before(&q->heap[child], &last))
            break;
        q->heap[i] = q->heap[child];
        i = child;
    }
    q->heap[i] = last;
    return top;
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
