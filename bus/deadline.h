/*
 * Deadlines: a binary heap of points in BOOTTIME, the earliest first.
 *
 * A node is embedded in the thing that waits; it belongs to at most one heap and must be removed
 * before the thing is freed. Nothing here knows of a clock or a loop: the owner asks for the
 * earliest point, sleeps, and takes what is due. Thread: one at a time.
 */
#ifndef HM_BUS_DEADLINE_H
#define HM_BUS_DEADLINE_H

#include <stddef.h>
#include <stdint.h>

struct deadline {
    int64_t at_ns;
    size_t place; /* 1-based index in the heap; 0: not waiting */
    void (*expired)(struct deadline *deadline);
};

struct deadline_heap {
    struct deadline **nodes;
    size_t count, cap;
};

/* Wait until `at_ns`; a node that was already waiting is moved. */
void deadline_set(struct deadline_heap *heap, struct deadline *node, int64_t at_ns);
void deadline_clear(struct deadline_heap *heap, struct deadline *node); /* idempotent */
/* The earliest point, or INT64_MAX. */
int64_t deadline_next(const struct deadline_heap *heap);
/* Remove and return one node that is due at `now_ns`, or NULL. */
struct deadline *deadline_take_due(struct deadline_heap *heap, int64_t now_ns);
void deadline_heap_free(struct deadline_heap *heap); /* forgets the nodes */

#endif
