/*
 * The pages of `incident show -o html` and `failover history -o html` (ctl/page.h, ctl/plot.h). Pure;
 * any thread.
 */
#ifndef HM_CTL_INCIDENT_HTML_H
#define HM_CTL_INCIDENT_HTML_H

#include "base/buf.h"
#include "ctl/cause.h"
#include "ctl/entry.h"
#include "ctl/incident.h"
#include "ctl/timeline.h"

/* `history`: what incident_read() had; the plot shows of it what lies around the incident. */
void incident_html(const struct incident *i, const struct cause *c, const struct entries *history,
                   const char *group, struct hm_buf *out);

/* The timeline, with all heartbeats that are still stored from `from_ns` on. */
void history_html(const struct timeline *t, const struct entries *history, const char *group,
                  int64_t from_ns, struct hm_buf *out);

#endif
