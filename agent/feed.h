/*
 * The feed: brings harmony_desired into the desired state, and keeps a copy on disk.
 *
 * The watch is checked end to end: every check_ms the last sequence that came through the watch is
 * compared with the one that the bucket had at the check before; if it has not got there, or the bucket is
 * another one than before, the watch is made anew, counted and logged. The cache is written off the loop,
 * atomically, after changes. Thread: the loop's.
 */
#ifndef HM_AGENT_FEED_H
#define HM_AGENT_FEED_H

#include <stdbool.h>
#include <uv.h>

#include "agent/desired.h"
#include "bus/bus.h"

struct feed;

struct feed_options {
    uv_loop_t *loop;
    struct bus *bus;
    struct desired *desired;
    const char *cache_path;        /* borrowed */
    int64_t check_ms;              /* between two checks of the watch; 0: 10 s */
    void (*on_change)(void *data); /* what is in force, or refused, has changed */
    void *data;
};

/* Reads the cache (blocks on the disk), then watches. A damaged cache is a warning, not an error.
 */
struct feed *feed_new(const struct feed_options *options);
/* The loop must run once more. */
void feed_free(struct feed *f);

/* The whole bucket has been seen since the start. */
bool feed_is_complete(const struct feed *f);
/* How often the watch was made anew, for the status. */
uint64_t feed_remakes(const struct feed *f);
/* Why there is nothing to see ("there is no bucket harmony_desired"), or "". */
const char *feed_trouble(const struct feed *f);

#endif
