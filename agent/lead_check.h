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

#include <stdint.h>

#include <jansson.h>

#include "base/error.h"
#include "bus/bus.h"

enum { LEAD_SERVER_MAJOR = 2, LEAD_SERVER_MINOR = 10 };

/* 0 when this server may carry a lease, else HM_E_UNSUPPORTED. */
int lead_check_server(const int version[3], struct hm_error *err);

/* Adds one string to the array `warnings` for each weakness. */
void lead_check_bucket(const struct bus_bucket *bucket, json_t *warnings);

#endif
