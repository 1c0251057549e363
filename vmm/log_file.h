/*
 * A log that somebody else appends to and keeps open for as long as it runs: a VM's console, what a VMM says.
 *
 * log_bound() keeps what it takes on the disk below a bound: what is older than its last part becomes a hole
 * (fallocate(2)). So the writer loses nothing, lengths and offsets stay what they were, and who follows the log reads on
 * (ADR 61). It then begins with its first data, which log_read() finds. Where the file system makes no holes the log is
 * cut, and its last part is kept in PATH.0: what is written in between is lost. Blocks on the disk. Thread: any, one for
 * each log.
 */
#ifndef HM_VMM_LOG_FILE_H
#define HM_VMM_LOG_FILE_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* How much goes at a time: a multiple of any file system's blocks. */
enum { LOG_STEP = 1024 * 1024 };

/* The last `keep` bytes stay, and less than LOG_STEP before them. What is no file, or can't be opened, is left alone. */
void log_bound(const char *path, int64_t keep);

/* Read from *at on, or from the first data behind it, where *at is then. The end: 0; an error: -errno. */
ssize_t log_read(int fd, void *to, size_t len, int64_t *at);

/* Its last bytes, `size` at most, and a '\0' behind them; the caller's. One that can't be read is empty. */
char *log_end(const char *path, size_t size, size_t *ret_len);

#endif
