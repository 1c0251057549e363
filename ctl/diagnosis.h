/*
 * What `harmonyctl doctor` finds: facts in, findings out, each with what to do about it. Pure; any thread.
 */
#ifndef HM_CTL_DIAGNOSIS_H
#define HM_CTL_DIAGNOSIS_H

#include <stdint.h>

#include <jansson.h>

#include "base/buf.h"
#include "bus/bus.h"
#include "ctl/entry.h"

#define FINDING_LEVELS(X)                                                                          \
    X(OK, "ok")                                                                                    \
    X(WARNING, "warning") /* it works, and is less safe or slower than it could be */              \
    X(PROBLEM, "problem") /* something does not work, or would lose data: exit code 1 */

enum finding_level {
#define FINDING_LEVEL_ENUM(id, text) FINDING_##id,
    FINDING_LEVELS(FINDING_LEVEL_ENUM)
#undef FINDING_LEVEL_ENUM
};

struct finding {
    enum finding_level level;
    char *subject, *text;
    char *advice; /* NULL: nothing to do */
};
struct diagnosis {
    struct finding *items;
    size_t count;
};

/* `advice` is NULL for what is well. */
void diagnosis_add(struct diagnosis *d, enum finding_level level, const char *subject,
                   const char *advice, const char *fmt, ...) __attribute__((format(printf, 5, 6)));
size_t diagnosis_count(const struct diagnosis *d, enum finding_level level);
void diagnosis_clear(struct diagnosis *d);
void diagnosis_render(const struct diagnosis *d, bool colour, struct hm_buf *out);
json_t *diagnosis_json(const struct diagnosis *d);

void diagnose_server(struct diagnosis *d, const int version[3], const char *servers);
void diagnose_bucket(struct diagnosis *d, const char *name, const struct bus_bucket *bucket);
/* Clocks of the writers against the server's stamp. `last`: of harmony_failover. */
void diagnose_heartbeats(struct diagnosis *d, const struct entries *last);
/* The agents' own statuses, and documents whose site has none. Appends the sites that are to be asked. */
void diagnose_statuses(struct diagnosis *d, const struct entries *desired,
                       const struct entries *status, json_t *sites);
/* An agent's answer to `check`, asked and answered at these points of our wall clock. */
void diagnose_check(struct diagnosis *d, const char *site, const json_t *answer, int64_t asked_ns,
                    int64_t answered_ns);

#endif
