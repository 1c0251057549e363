/*
 * Metrics as Prometheus' text form, version 0.0.4. Every family is begun once, with its help and type, and its samples
 * follow. Pure. Thread: one at a time.
 * Source: https://prometheus.io/docs/instrumenting/exposition_formats/
 */
#ifndef HM_AGENT_PROMETHEUS_H
#define HM_AGENT_PROMETHEUS_H

#include <stdbool.h>

#include "base/buf.h"

/* `name` is made of [a-z0-9_]; a counter's ends in _total. */
void prometheus_family(struct hm_buf *out, const char *name, bool counts, const char *help);

struct prometheus_label {
    const char *name, *value; /* any text; it is escaped */
};
enum { PROMETHEUS_LABELS = 3 };
/* Labels up to the first without a name. */
void prometheus_sample(struct hm_buf *out, const char *name,
                       const struct prometheus_label labels[PROMETHEUS_LABELS], double value);

#endif
