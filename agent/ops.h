/*
 * Operations as they arrive: requests on harmony.op.<site>.<operation>, and what belongs to one that
 * is under way on harmony.op.<site>.<operation>.<session> (docs/operations.md).
 *
 * Each is verified, looked up in the table (proto/operations.c), let through or refused by this site's
 * configuration, and handed to its handler (ops_table.c). Who asked is told: accepted, progress, and
 * once the result or an error. How many can be under way is bounded; so is what one can hold. Each
 * leaves a line in the log: what, to what, by whom, and what came of it. Thread: the loop's.
 */
#ifndef HM_AGENT_OPS_H
#define HM_AGENT_OPS_H

#include <uv.h>

#include "agent/metrics.h"
#include "agent/reconcile.h"
#include "bus/bus.h"

struct ops;

struct ops_options {
    uv_loop_t *loop;
    struct bus *bus;
    const char *site;
    struct reconciler *reconciler;
    const struct metrics *metrics;     /* NULL: none */
    const char *image_dir, *state_dir; /* whose disks `check` looks at */
    char *const *refused; /* names of operations that this site does not do; NULL-terminated */
    int64_t linger_ms;    /* see ops_drain(); 0: a minute */
};

/* The options' texts are borrowed for its life. */
struct ops *ops_new(const struct ops_options *options);
/* Streams end with a word to who reads them. Before the reconciler and the bus; the loop must run once
 * more. NULL is allowed. */
void ops_free(struct ops *ops);

/* The agent is to be restarted. `idle` is called once when no operation that changes a thing is under way any more, maybe from
 * inside; until ops_let_in() such ones are refused as busy. How many it waits for is logged. One that was late, and was answered
 * so, is under way until its worker has left it, or `linger_ms` long. */
void ops_drain(struct ops *ops, void (*idle)(void *data), void *data);
void ops_let_in(struct ops *ops); /* it is not restarted */

/* The connection to NATS is gone: streams end, since what was sent meanwhile is lost. */
void ops_disconnected(struct ops *ops);

#endif
