/*
 * One change of the leader, as the bucket tells it: incident.<epoch>, and account.<epoch> of the epoch
 * before, if its leader was heard again.
 *
 * Both are evidence that others wrote: whatever is missing or makes no sense is "not known" (-1, or
 * unset). Times of `beats` are the server's stamps. Pure; any thread.
 */
#ifndef HM_CTL_INCIDENT_H
#define HM_CTL_INCIDENT_H

#include <stdbool.h>
#include <stdint.h>

#include <jansson.h>

#include "base/error.h"
#include "ctl/entry.h"
#include "proto/heartbeat.h"

enum { INCIDENT_BEATS_MAX = 64, INCIDENT_ASKED_MAX = 200 };

/* A record of the lease, as the one who took over saw it. */
struct incident_beat {
    struct hb_site site; /* unset: a release */
    int64_t stamp_ns;
    int64_t gap_ms; /* since the one before */
    int64_t rtt_us;
    uint64_t epoch, counter;
    uint32_t failures;
};

/* What the leader before says of its end (account.<epoch>). */
struct incident_account {
    bool same_run, same_boot, fired, connected;
    int64_t fired_late_ms;
    enum hb_reason reason;
    int64_t acked_ms, rtt_us;
    int64_t attempts, heard_back, heard_back_ms, late_ms;
};

struct incident {
    uint64_t epoch, from_epoch;
    struct hb_site from, to; /* from: who led; unset: nobody */
    enum hb_reason reason;   /* why `to` took over */
    enum hb_reason ended;    /* why `from` gave the role away; NONE: it did not */
    int64_t taken_ns;        /* when `to` had the lease, by the server's clock */
    int64_t interval_ms;     /* T */
    int64_t silence_ms;      /* that `to` had heard, of needed_ms */
    int64_t needed_ms;
    int64_t gap_ms;       /* in which `to` itself did not hear the store, after the last beat */
    int64_t last_ms;      /* from the last beat to taken_ns */
    int64_t serving_ms;   /* from taken_ns until its workload was up */
    int64_t others_heard; /* heartbeats of other sites than `from` in the silence */
    struct incident_beat beats[INCIDENT_BEATS_MAX]; /* oldest first */
    size_t beat_count;
    char asked[INCIDENT_ASKED_MAX]; /* the operator's request that it fulfils, in words; "": none */
    bool has_account;
    struct incident_account account;
};

/*
 * Epoch `epoch` of the group, out of `history` (all stored entries, by revision). HM_E_NOT_FOUND, with
 * the epochs that there are in the sentence; HM_E_INVALID: its record makes no sense.
 */
int incident_read(const struct entries *history, const char *group, uint64_t epoch,
                  struct incident *ret, struct hm_error *err);

/* All epochs that have an incident, ascending; the caller frees *ret. */
size_t incident_epochs(const struct entries *history, const char *group, uint64_t **ret);

/* The last beat of who led; NULL: none is known. */
const struct incident_beat *incident_last_beat(const struct incident *i);

#endif
