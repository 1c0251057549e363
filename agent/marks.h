/*
 * Marks: what failover remembers on its own disk, so that a restart does not believe in the past.
 *
 * One small JSON file per group (<state_dir>/failover-<group>.json), written atomically and synced
 * by a worker, never on the loop. It holds the highest epoch and revision seen, the highest
 * (generation, epoch) that was in the lease key, and the creation time of the bucket that they belong
 * to (revision numbers of another bucket mean nothing), the
 * last `cluster_config` that was accepted, as it was written, and whether a pause was acknowledged.
 * A damaged file is an error with a sentence: whether to remove it is the operator's decision.
 *
 * Thread: the loop's; marks_load() blocks and belongs at start.
 */
#ifndef HM_AGENT_MARKS_H
#define HM_AGENT_MARKS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "base/workq.h"
#include "failover/failover.h"
#include "proto/heartbeat.h"

enum { MARKS_CONFIG_MAX = 6144, MARKS_BOOT_MAX = 36 };

struct marks {
    uint64_t epoch, revision;          /* an epoch may have been claimed only */
    struct hb_era seen;                /* highest that was in the lease key */
    int64_t bucket_created_ns;         /* 0: no bucket seen yet */
    uint64_t config_revision;          /* 0: no configuration was ever accepted */
    char config[MARKS_CONFIG_MAX + 1]; /* JSON text, "" if none */
    uint64_t led_epoch; /* last epoch in which this site's workload was started, until it has caught
                         * up with a later leader; 0: none */
    uint64_t led_generation;
    uint64_t open_epoch; /* likewise, until its end was told (account.<epoch>) or given away; 0 */
    char open_boot[MARKS_BOOT_MAX + 1]; /* the boot of the host that it was in; "": not known */
    uint64_t chosen_epoch; /* last epoch that an operator chose this site for; 0: none */
    bool paused;
    struct fo_unread unread; /* failover/state.h */
};

/* An absent file gives zeroed marks. On failure *ret is untouched. */
int marks_load(const char *path, struct marks *ret, struct hm_error *err);

struct marks_file;
struct marks_file *marks_file_new(struct hm_workq *queue, const char *path); /* queue is borrowed */
/* A write under way is finished by its worker; no `done` is called after this. Before the queue
 * is freed. NULL is allowed. */
void marks_file_free(struct marks_file *file);

/*
 * Write these marks. `done` (may be NULL) is called once, when they, or newer ones, are on the
 * disk, or with the error (from inside this call if the queue is full). Only one write is under way
 * at a time; what is asked for meanwhile is written by the next one, the newest marks for all.
 */
typedef void (*marks_done)(void *data, const struct hm_error *err);
void marks_save(struct marks_file *file, const struct marks *marks, marks_done done, void *data);

#endif
