/*
 * The flight recorder, read: entries of harmony_failover -> what happened, in order.
 *
 * Heartbeats that follow one another in step become one run; what breaks the step becomes an item
 * of its own: gaps, promotions, releases, changes of role, of configuration, records that can't be
 * read. Times are the server's stamps. Pure; any thread.
 */
#ifndef HM_CTL_TIMELINE_H
#define HM_CTL_TIMELINE_H

#include <stdbool.h>
#include <stdint.h>

#include <jansson.h>

#include "base/buf.h"
#include "ctl/entry.h"
#include "ctl/show.h"
#include "proto/heartbeat.h"

#define TL_TYPES(X)                                                                                \
    X(LEADING, "leading")     /* a run of the leader's heartbeats */                               \
    X(STANDING_BY, "replica") /* a run of another site's heartbeats */                             \
    X(GAP, "gap")             /* a heartbeat was more than two intervals late */                   \
    X(PROMOTION, "promotion") /* the lease has a new epoch */                                      \
    X(SERVING, "serving")     /* the new leader's workload is up */                                \
    X(RELEASE, "release")     /* the lease was given away */                                       \
    X(CONFIG, "config")                                                                            \
    X(INCIDENT, "incident")                                                                        \
    X(OPERATOR, "operator")     /* what a person did */                                            \
    X(UNREADABLE, "unreadable") /* a record that can't be parsed */                                \
    X(DELETED, "deleted")       /* a delete marker where none belongs */

enum tl_type {
#define TL_TYPE_ENUM(id, text) TL_##id,
    TL_TYPES(TL_TYPE_ENUM)
#undef TL_TYPE_ENUM
};
const char *tl_type_name(enum tl_type type);

struct tl_item {
    enum tl_type type;
    int64_t from_ns, to_ns; /* the same for what happens at an instant */
    struct hb_site site;    /* who; of a gap: who was silent */
    struct hb_site other;   /* PROMOTION: the leader before; RELEASE: next; unset: none, anyone */
    uint64_t revision;      /* of the (first) record */
    uint64_t epoch, old_epoch;
    enum hb_role role;
    enum hb_reason reason;
    bool paused;
    uint64_t beats;                 /* runs */
    int64_t rtt_min_us, rtt_max_us; /* runs; -1: none known */
    uint32_t failures;              /* runs: most in a row */
    int64_t lag;                    /* runs of replicas: the last one's; -1: not known */
    int64_t since_last_ns; /* SERVING: since the old leader's last heartbeat; 0: not known */
    char *text;            /* CONFIG, INCIDENT, UNREADABLE, DELETED: in words */
};

struct timeline {
    struct tl_item *items; /* by from_ns, then revision */
    size_t count;
    size_t records;  /* entries of the group that were read */
    int64_t last_ns; /* stamp of the newest */
};

/* `history`: all stored entries, in order of revision. The caller clears *ret. */
void timeline_make(const struct entries *history, const char *group, struct timeline *ret);
void timeline_clear(struct timeline *t);

/* One item in words, without its times and site. */
void timeline_describe(const struct tl_item *item, struct hm_buf *out);
enum mood timeline_mood(const struct tl_item *item);

/* Only what ended at `from_ns` or later is rendered. */
void timeline_render(const struct timeline *t, const char *group, int64_t from_ns, bool colour,
                     struct hm_buf *out);
json_t *timeline_json(const struct timeline *t, const char *group, int64_t from_ns);

#endif
