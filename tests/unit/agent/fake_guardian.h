/*
 * A fake of the guardian: it listens on a real socket, takes note of what it is told, answers as
 * harmony-guardian does, and ends nothing. On the test's own loop.
 */
#ifndef TEST_AGENT_FAKE_GUARDIAN_H
#define TEST_AGENT_FAKE_GUARDIAN_H

#include <stdbool.h>
#include <uv.h>

#include "guardian/protocol.h"

enum { FAKE_PLAN_MAX = GUARD_MESSAGE_MAX };

struct fake_guardian {
    uv_loop_t *loop;
    char path[108];
    int listener, agent; /* -1: none */
    uv_poll_t accepts, reads;
    bool mute;                      /* takes messages, does not answer them */
    bool holds_back;                /* does not answer what arms an epoch */
    enum guard_error refuses;       /* what it answers every PLAN and SET with */
    enum guard_error refuses_plans; /* what it answers a PLAN alone with */
    struct guard_state state;       /* what it answers with: lease and plan are those it was told */
    struct guard_hello hello;       /* as last told; zero: never */
    union {
        struct guard_plan plan;
        char bytes[FAKE_PLAN_MAX];
    } plan;
    int hellos, plans, sets;
    uint32_t last_seq; /* of the last message; a mute one answers it by fake_guardian_answer() */
};

void fake_guardian_open(struct fake_guardian *g, uv_loop_t *loop, const char *path);
/* It is gone, as if killed; it may be opened again. The loop must run once more. */
void fake_guardian_close(struct fake_guardian *g);
void fake_guardian_hang_up(struct fake_guardian *g); /* it lives, but not this connection */
void fake_guardian_answer(struct fake_guardian *g);
/* It has ended the lease's epoch: said by itself. */
void fake_guardian_fire(struct fake_guardian *g, bool verified);
/* Bytes as they are, in one packet. */
void fake_guardian_send(struct fake_guardian *g, const void *bytes, size_t len);
/* Does the plan that it has have these words as an entry? `b` may be NULL. */
bool fake_guardian_has(const struct fake_guardian *g, enum guard_entry_type type, const char *a,
                       const char *b);

#endif
