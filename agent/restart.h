/*
 * The agent executes itself anew, in place: same process, same arguments, the program and the
 * configuration as they are on the disk now.
 *
 * Before it, the configuration is read and verified, so that an agent that would not come up again
 * stays; so does one that would come up under another name, or look for its guardian elsewhere: it would
 * not find the lease that it left. What the old one had open is closed by execve(2); signals that come in between wait for the new
 * one. Thread: the loop's, before and after it the main one.
 */
#ifndef HM_AGENT_RESTART_H
#define HM_AGENT_RESTART_H

#include <stdint.h>

#include <uv.h>

#include "base/error.h"

/* At the start of the program: where it lies, before an upgrade replaces it. `argv` is borrowed. */
void restart_remember(char *const *argv);

/* Would an agent with this file come up, and go on with what this one (`now`, borrowed) leads? Read by a
 * worker, until `deadline_ns` (BOOTTIME): HM_E_TIMEOUT, its disk may hang. `done` once, not from inside, unless
 * freed before; `err` NULL: yes. */
struct agent_config;
struct restart_check;
struct restart_check *restart_check_begin(uv_loop_t *loop, const char *config_path,
                                          const struct agent_config *now, int64_t deadline_ns,
                                          void (*done)(void *data, const struct hm_error *err),
                                          void *data);
/* In or after its `done`, or before. The loop must run once more. NULL is allowed. */
void restart_check_free(struct restart_check *check);

/* A signal came for the new agent while the old one still heard it: it finds it when it listens. */
void restart_pass_on(int signal_number);

/* No signal is heard any more, by whatever thread: those to come wait for the new agent. By the thread that calls
 * restart_now(). */
void restart_hold_signals(void);

/* The old agent has ended, with its signals held. Returns only if it fails: the caller ends, and whoever started it will start
 * it again. */
int restart_now(struct hm_error *err);

/* The new one listens for signals. */
void restart_signals_wanted(void);

#endif
