/*
 * Inside the log: lines on their way to a writer thread, so that whoever logs never waits for a pipe
 * or for journald.
 *
 * The queue is bounded (LOG_QUEUE_BYTES). What does not fit is dropped and counted, and a line says so
 * at that place once it flows again. Thread: any.
 */
#ifndef HM_BASE_LOG_QUEUE_H
#define HM_BASE_LOG_QUEUE_H

#include <stdint.h>

#include "base/log.h"

enum { LOG_QUEUE_BYTES = 256 * 1024 };

struct log_line {
    enum hm_log_level level;
    int64_t wall_ns;
    const char *part, *text; /* UTF-8 without control characters */
};

/* Write it where the log goes; may block (log.c). */
void log_write(const struct log_line *line);

/* Queue a copy, or drop it. False: there is no writer thread, and nothing was done. */
bool log_queue_push(const struct log_line *line);

#endif
