/*
 * The socket and its one connection: who may connect, messages in, STATE out. It never waits: what the
 * socket does not take is kept, and nothing more is read until it is gone. Thread: the loop's.
 */
#ifndef HM_GUARDIAN_TALK_H
#define HM_GUARDIAN_TALK_H

#include "guardian/guardian.h"

void talk_init(struct talk *t);
/* Listen at `path`; a socket that nobody listens at is replaced. 0; -1 with errno, EADDRINUSE: another
 * guardian listens there. */
int talk_listen(struct talk *t, const char *path);

/* The next connection, when there is none now. One of another user is closed. */
void talk_accept(struct guardian *g, int64_t now_ns);
/* Read a message into talk.in, unless there is one. False: there is none. A connection that has ended is
 * closed. */
bool talk_receive(struct guardian *g, int64_t now_ns);
/* Answer the message in talk.in, which is done with. */
void talk_answer(struct guardian *g, enum guard_error error, const char *text);
/* Send what waits, and news. */
void talk_flush(struct guardian *g);
void talk_close(struct guardian *g);

/* Does it take messages now? */
bool talk_listens(const struct talk *t);
int64_t talk_due_ns(const struct guardian *g);

#endif
