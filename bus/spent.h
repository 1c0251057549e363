/*
 * Messages of libnats that are done with. natsMsg_Destroy() only hands a message to a thread of libnats that
 * frees it, and wakes that thread: an agent that receives three messages a second would wake it three times. Here they
 * are kept until there are some, and handed over together.
 *
 * Bounded: SPENT_MAX messages, or SPENT_BYTES of data. Thread: any.
 */
#ifndef HM_BUS_SPENT_H
#define HM_BUS_SPENT_H

#include <nats/nats.h>
#include <stddef.h>

enum { SPENT_MAX = 32, SPENT_BYTES = 64 * 1024 };

/* Takes it over; NULL is nothing. */
void spent_put(natsMsg *message);

/* All of them, now: no connection uses libnats any more. */
void spent_flush(void);

/* How many are kept. */
size_t spent_count(void);

#endif
