/*
 * The trial of the accelerator, once per boot of the host (vmm/accel_trial.h), on a worker of its own.
 *
 * Meanwhile guests are emulated; `done` is called when the answer is there, so that the backend is
 * looked at anew. Thread: the loop's.
 */
#ifndef HM_AGENT_TRIAL_H
#define HM_AGENT_TRIAL_H

#include <uv.h>

#include "agent/config.h"

struct trial;

/* NULL: it would tell nothing, or is told already. `config` is borrowed. */
struct trial *trial_begin(uv_loop_t *loop, const struct agent_config *config,
                          void (*done)(void *data), void *data);
/* One that runs is left behind; its QEMU ends by itself. The loop must run once more. NULL is allowed. */
void trial_free(struct trial *trial);

#endif
