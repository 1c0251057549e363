/*
 * What the kernel says of this host and its processes, for whoever starts or ends some. Thread: any.
 */
#ifndef HM_VMM_PROCFS_H
#define HM_VMM_PROCFS_H

#include <stdint.h>

/* Of this boot of the host; the caller's. "": it can't be told. */
char *host_boot_id(void);

/* 1: the pidfd's process has ended, reaped or not (that of another descriptor: there is something to read, or its end);
 * 0: not within that time. Signals don't shorten it. */
int pidfd_wait(int fd, int64_t ms);

#endif
