/*
 * Messages between the agents of a group, without the store: consent and being there. (docs/failover/failsafe.md)
 *
 * Each is PEER_MESSAGE_SIZE bytes, whatever it says: numbers in network byte order, the group's name
 * padded with zero bytes, everything that the kind does not use zero. Whatever else is refused, so
 * that a reader never has to guess or to wait for a length. Pure. Thread: any.
 */
#ifndef HM_PROTO_PEER_MESSAGE_H
#define HM_PROTO_PEER_MESSAGE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "proto/heartbeat.h"

enum { PEER_MESSAGE_SIZE = 128 };

/* Over one connection its opener asks, and the other side answers. */
#define PEER_KINDS(X)                                                                              \
    X(PING, "ping")                                                                                \
    X(PONG, "pong")                                                                                \
    X(ASK, "ask") /* promise not to promote for promise_ms */                                      \
    X(ANSWER, "answer")

enum peer_kind {
#define PEER_KIND_ENUM(id, text) PEER_##id,
    PEER_KINDS(PEER_KIND_ENUM)
#undef PEER_KIND_ENUM
};

struct peer_message {
    enum peer_kind kind;
    struct hb_site group;
    uint64_t nonce;      /* an answer echoes that of the question, as a pong that of the ping */
    struct hb_era era;   /* ASK, ANSWER: the lease that the asker holds */
    int64_t promise_ms;  /* ASK: 1 to HB_PROMISE_MAX_MS */
    bool granted;        /* ANSWER */
    struct hb_era lease; /* ANSWER: held there, or the last known there; 0: none */
};

void peer_message_encode(const struct peer_message *m, uint8_t out[PEER_MESSAGE_SIZE]);

/* On failure *ret is untouched. */
int peer_message_decode(const uint8_t in[PEER_MESSAGE_SIZE], struct peer_message *ret,
                        struct hm_error *err);

#endif
