/*
 * What the store should be like, and what is weaker than it should be, as sentences.
 *
 * Looked at when the agent starts and at every reconnection. A weakness is reported, not corrected:
 * the bucket belongs to the operator. Only the server's version is a reason not to lead: before
 * 2.9.21 two compare-and-swaps could both win in a cluster, and this agent is not tested
 * below 2.10. Pure. Thread: any.
 */
#ifndef HM_AGENT_LEAD_CHECK_H
#define HM_AGENT_LEAD_CHECK_H

#include <stdbool.h>
#include <stdint.h>

#include <jansson.h>

#include "base/error.h"
#include "bus/bus.h"

enum { LEAD_SERVER_MAJOR = 2, LEAD_SERVER_MINOR = 10 };

/* 0 when this server may carry a lease, else HM_E_UNSUPPORTED. */
int lead_check_server(const int version[3], struct hm_error *err);

/*
 * A server that is there and takes no writes may have lost the other servers. Another one is tried, but only
 * after longer than NATS needs to elect a leader of the stream: until then no server answers.
 *
 * `*since`: BOOTTIME of the first of the writes in a row that nobody answered; 0: none. True: it is time, and
 * the count begins anew.
 */
#define LEAD_ELECTION_MAX_NS (10000LL * 1000000)
bool lead_leaves_server(int64_t *since, bool is_answered, int64_t now_ns);

/* Adds one string to the array `warnings` for each weakness. */
void lead_check_bucket(const struct bus_bucket *bucket, json_t *warnings);

#endif
