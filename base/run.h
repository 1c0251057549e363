/*
 * Run a program to its end and take what it says: for worker threads, which may block (the loop has
 * base/process.h).
 *
 * An argv, never a shell; a deadline, at which its whole process group gets SIGKILL; bounded output. The
 * child is as base/spawn.h says. Thread: any but the loop's.
 */
#ifndef HM_BASE_RUN_H
#define HM_BASE_RUN_H

#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

struct hm_ran {
    int exit_code; /* 0-255 */
    char *out;     /* stdout, NUL-terminated */
    size_t out_len;
    char *
        err; /* what it wrote to stderr, as one line: "; " between its lines, ? for control characters */
};

/*
 * 0: it ended by itself, with whatever exit code; *ret is to be cleared. Fails, with *ret untouched: it
 * could not be started or died of a signal (HM_E_PROCESS), was killed at the deadline (HM_E_TIMEOUT), or
 * wrote more than `output_max` bytes and was killed for it (HM_E_TOO_LARGE).
 */
int hm_run(char *const *argv, int64_t timeout_ms, size_t output_max, struct hm_ran *ret,
           struct hm_error *err);
void hm_ran_clear(struct hm_ran *ran); /* zeroed is allowed */

#endif
