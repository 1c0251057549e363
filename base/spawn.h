/*
 * Start a program and wait for nothing, least of all for the disk that holds it.
 *
 * libuv's uv_spawn() returns when the child's execve(2) has: a program on a disk or a network mount
 * that hangs would hold up the loop, and with it every heartbeat. So the outcome of execve(2) comes by
 * a descriptor instead. The child leads its own session, has /dev/null as stdin, default signal
 * actions, and no descriptor but 0-2.
 *
 * Thread: any.
 */
#ifndef HM_BASE_SPAWN_H
#define HM_BASE_SPAWN_H

#include <sys/types.h>

#include "base/error.h"

struct hm_spawned {
    pid_t pid;    /* the caller's to reap */
    int out, err; /* what it writes to stdout and stderr */
    int verdict;  /* see hm_spawn_errno() */
};

/*
 * The three descriptors are the caller's to close. Fails only for want of processes or descriptors.
 *
 * `join`: a cgroup.procs, open for writing (borrowed), or -1. The child joins that cgroup before anything
 * of the program runs, and is not started if it can't: a cgroup that was removed meanwhile takes nobody
 * in (hm_spawn_errno() says ENODEV).
 */
int hm_spawn(char *const *argv, char *const *envp, int join, struct hm_spawned *ret,
             struct hm_error *err);

/* Once the child has ended: errno of execve(2), or of the join, if the program was not started, else 0. */
int hm_spawn_errno(const struct hm_spawned *spawned);

/* For a child between fork(2) and execve(2), which inherits what is ignored and blocked here. Signal-safe. */
void hm_default_signals(void);

#endif
