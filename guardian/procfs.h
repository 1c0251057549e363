/*
 * Processes, as /proc shows them, and killing exactly the one that was meant.
 *
 * No allocation: folders are read with getdents64(2), files into bounded buffers. A process that is
 * gone, or a zombie with no thread left, is dead. Signals go through a pidfd that was opened before the
 * process was looked at, so never to a later one of the same number. Thread: any.
 */
#ifndef HM_GUARDIAN_PROCFS_H
#define HM_GUARDIAN_PROCFS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* Called for each name in the folder `fd` but . and ..; false ends the walk. */
typedef bool (*folder_visit)(void *data, const char *name, unsigned char d_type);
/* False: the folder could not be read to its end, or `visit` ended it. `fd` stays open, and is read from
 * its beginning. */
bool folder_walk(int fd, folder_visit visit, void *data);

/* The whole file as text, cut off at `size` - 1. Returns its length, or -1 with errno. */
ssize_t file_read(int folder, const char *path, char *ret, size_t size);
/* One write(2). Returns 0, or -1 with errno. */
int file_write(int folder, const char *path, const char *text);

#define PROCESS_DEAD    UINT64_C(0)
#define PROCESS_UNKNOWN UINT64_MAX /* can't be read: not dead */

/* Field 22 of /proc/PID/stat, in clock ticks after the boot; or one of the above. */
uint64_t process_start_time(pid_t pid);

/* SIGKILL to `pid` if it still is the process that began at `start`. Returns true while that one is not
 * known to be dead: look again. */
bool process_kill(pid_t pid, uint64_t start);

/* A pidfd, or -1. */
int process_open(pid_t pid);

#endif
