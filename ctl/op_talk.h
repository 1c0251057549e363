/*
 * An operation on a site, asked for over NATS (proto/operation.h, docs/operations.md).
 *
 * op_talk_begin() asks; the events tell what comes back, from the session's loop, and `end` comes
 * exactly once, with the result or an error that says what is known: nobody answers there, not within
 * the time, the agent went away meanwhile. A stream gives `data` in order and without gaps; whoever
 * takes it says how much it has dealt with (op_talk_consumed()), and no more than OPERATION_CREDIT bytes
 * are ever on their way. Thread: the session's.
 */
#ifndef HM_CTL_OP_TALK_H
#define HM_CTL_OP_TALK_H

#include <jansson.h>

#include "ctl/session.h"
#include "proto/operation.h"

struct op_target {
    const char *site;
    const struct operation *op;
    const char *kind, *name; /* NULL where it is about the site */
    const json_t *args;      /* NULL: none */
    int64_t deadline_ms;     /* 0: the operation's own */
};

struct op_events {
    void (*begun)(void *data); /* a stream is open. May be NULL */
    void (*progress)(void *data, int percent,
                     const char *text);                      /* percent -1: unknown; may be NULL */
    void (*data)(void *data, const char *bytes, size_t len); /* NULL: not a stream */
    void (*written)(void *data); /* all of the input was taken. May be NULL */
    void (*end)(void *data, const json_t *result, const struct hm_error *err);
};

struct op_talk;

/* Everything is copied. Fails, without an event, only when the args are not those of the operation. */
int op_talk_begin(struct session *s, const struct op_target *target, const struct op_events *events,
                  void *data, struct op_talk **ret, struct hm_error *err);
/* So many bytes of `data` were dealt with. */
void op_talk_consumed(struct op_talk *t, size_t len);
/* Input for a stream. Returns how many bytes were taken, from the first: OP_INPUT_MAX wait at most. */
enum { OP_INPUT_MAX = 4096 };
size_t op_talk_write(struct op_talk *t, const char *bytes, size_t len);
/* Ask the agent to end the stream; `end` comes. */
void op_talk_close(struct op_talk *t);
void op_talk_free(struct op_talk *t); /* no event after it; NULL is allowed */

#endif
