/* The agent's own metrics: what it has done, what waits, its role, and the lives of workloads. Thread: the loop's. */
#ifndef HM_AGENT_METRICS_AGENT_H
#define HM_AGENT_METRICS_AGENT_H

#include "agent/metrics.h"
#include "base/buf.h"

void metrics_agent_text(const struct reconciler *r, const struct metrics_facts *facts,
                        struct hm_buf *out);

#endif
