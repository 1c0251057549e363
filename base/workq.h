/*
 * A bounded queue of blocking work with threads of its own (libvirt calls, fsync).
 *
 * `work` runs on a worker; `done` runs on the loop thread, exactly once per accepted job. A job whose
 * deadline passes before it finished is reported with `timed_out`; the worker may still be inside it,
 * so the job's memory stays alive: `release` (loop thread, exactly once, after `done` and after the
 * worker has left the job) is where the job's data is freed. A job that times out while still queued
 * is not run. A full queue refuses (HM_E_BUSY).
 * Thread: all calls from the loop thread.
 */
#ifndef HM_BASE_WORKQ_H
#define HM_BASE_WORKQ_H

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

#include "base/error.h"

struct hm_workq;

struct hm_job {
    void (*work)(void *data);                 /* worker thread */
    void (*done)(void *data, bool timed_out); /* loop thread */
    void (*release)(void *data);              /* loop thread; may be NULL */
    void (*orphan)(void *data);               /* worker thread; may be NULL, see hm_workq_free() */
    void *data;
    int64_t deadline_ns; /* BOOTTIME; 0: none */
};

/* `depth`: most jobs waiting (not counting the running ones). */
struct hm_workq *hm_workq_new(uv_loop_t *loop, const char *name, unsigned threads, unsigned depth);

int hm_workq_submit(struct hm_workq *q, const struct hm_job *job, struct hm_error *err);

unsigned hm_workq_busy(const struct hm_workq *q); /* jobs accepted and not finished by a worker */

/* No `done` is called after this. Jobs that no worker is inside of are released; a worker inside of
 * one is left behind, and its job never released: `orphan` frees the data when the worker comes out of it
 * (on that thread, in place of `release`; NULL: the process is ending). The loop must run once more. NULL is allowed; so is a call from inside a `done`. */
void hm_workq_free(struct hm_workq *q);

#endif
