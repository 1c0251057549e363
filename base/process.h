/*
 * Child processes: an argv (never a shell), a deadline, bounded output, one callback.
 *
 * The child leads its own session and process group and gets no descriptor but 0-2 (stdin is
 * /dev/null). At the deadline the whole group gets SIGKILL. `done` is called exactly once, on the loop
 * thread, when the child has been reaped — or, should it not die (uninterruptible), one second after
 * the kill, with `unkillable` set: such a child must not be started a second time.
 * Grandchildren that keep the output open do not delay `done`.
 *
 * argv and env are copied. `env` adds to (and overrides) the agent's own environment, as NAME=VALUE,
 * ending in NULL; it may be NULL. Thread: the loop's.
 */
#ifndef HM_BASE_PROCESS_H
#define HM_BASE_PROCESS_H

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

#include "base/error.h"

struct hm_process;

struct hm_process_result {
    int exit_code;   /* 0-255, or -1 when a signal ended it */
    int signal;      /* the signal that ended it, or 0 */
    int not_started; /* errno for which the program could not be executed, or 0 */
    bool timed_out;  /* the deadline passed and it was killed */
    bool unkillable; /* it was killed and is still there */
    bool truncated;  /* it wrote more than the bound; the rest was thrown away */
    const char *out; /* stdout, NUL-terminated, valid during the callback */
    const char *err; /* stderr, likewise */
    int64_t took_ms;
};

typedef void (*hm_process_done)(void *data, const struct hm_process_result *result);

struct hm_process_options {
    char *const *argv;
    char *const *env;
    const int
        *join; /* a cgroup to run in, see base/spawn.h; borrowed for the call; NULL: the agent's */
    int64_t timeout_ms;
    size_t output_max; /* bytes, per stream */
    hm_process_done done;
    void *data;
};

/* Start it, and wait for nothing: that the program is not there, or is on a disk that hangs, is told by
 * `done`. Fails, without `done`, only for want of processes or descriptors. *ret (may be NULL) is valid
 * until `done` returns. */
int hm_process_start(uv_loop_t *loop, const struct hm_process_options *options,
                     struct hm_process **ret, struct hm_error *err);

/* Kill the group now; `done` follows as for a deadline. NULL is allowed. */
void hm_process_kill(struct hm_process *process);

/* One sentence about how it ended ("exited with 3: <last line of stderr>"), for errors. */
int hm_process_check(const char *what, const struct hm_process_result *result,
                     struct hm_error *err); /* 0 if it exited with 0, else fails */

#endif
