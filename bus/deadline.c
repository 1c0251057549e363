#include "bus/deadline.h"

#include <stdlib.h>

#include "base/alloc.h"

static void put_at(struct deadline_heap *heap, size_t place, struct deadline *node)
{
    heap->nodes[place - 1] = node;
    node->place = place;
}

static struct deadline *node_at(const struct deadline_heap *heap, size_t place)
{
    return heap->nodes[place - 1];
}

static void sift_up(struct deadline_heap *heap, struct deadline *node)
{
    size_t place = node->place;
    while (place > 1 && node_at(heap, place / 2)->at_ns > node->at_ns) {
        put_at(heap, place, node_at(heap, place / 2));
        place /= 2;
    }
    put_at(heap, place, node);
}

static size_t earlier_child(const struct deadline_heap *heap, size_t place)
{
    size_t left = place * 2, right = left + 1;
    if (right <= heap->count && node_at(heap, right)->at_ns < node_at(heap, left)->at_ns)
        return right;
    return left;
}

static void sift_down(struct deadline_heap *heap, struct deadline *node)
{
    size_t place = node->place;
    while (place * 2 <= heap->count) {
        size_t child = earlier_child(heap, place);
        if (node_at(heap, child)->at_ns >= node->at_ns)
            break;
        put_at(heap, place, node_at(heap, child));
        place = child;
    }
    put_at(heap, place, node);
}

static void append(struct deadline_heap *heap, struct deadline *node)
{
    if (heap->count == heap->cap) {
        heap->cap = heap->cap ? heap->cap * 2 : 16;
        heap->nodes = hm_realloc_array(heap->nodes, heap->cap, sizeof *heap->nodes);
    }
    put_at(heap, ++heap->count, node);
}

void deadline_set(struct deadline_heap *heap, struct deadline *node, int64_t at_ns)
{
    node->at_ns = at_ns;
    if (!node->place)
        append(heap, node);
    sift_up(heap, node);
    sift_down(heap, node);
}

void deadline_clear(struct deadline_heap *heap, struct deadline *node)
{
    if (!node->place)
        return;
    struct deadline *last = node_at(heap, heap->count--);
    if (last != node) {
        put_at(heap, node->place, last);
        sift_up(heap, last);
        sift_down(heap, last);
    }
    node->place = 0;
}

int64_t deadline_next(const struct deadline_heap *heap)
{
    return heap->count ? heap->nodes[0]->at_ns : INT64_MAX;
}

struct deadline *deadline_take_due(struct deadline_heap *heap, int64_t now_ns)
{
    if (deadline_next(heap) > now_ns)
        return NULL;
    struct deadline *node = heap->nodes[0];
    deadline_clear(heap, node);
    return node;
}

void deadline_heap_free(struct deadline_heap *heap)
{
    free(heap->nodes);
    *heap = (struct deadline_heap){0};
}
