/*
 * The log, for programs at the edge (agent, harmonyctl). Libraries and pure modules do not log.
 *
 * error: something failed and someone should look; warn: recovered or skipped; info: milestones;
 * debug and trace: for the person who is looking for a fault. One line per event. Formats: text
 * (stderr), json (one object a line on stderr), journal (sd_journal_send). Secrets are never logged.
 * hm_log_setup() is called at start, from the main thread; logging is then safe from any thread. After
 * hm_log_start() it also never blocks: a thread writes the lines, and when a pipe's reader or journald
 * stalls, lines are dropped, counted, and spoken of once it flows again.
 */
#ifndef HM_BASE_LOG_H
#define HM_BASE_LOG_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"

#define HM_LOG_LEVELS(X)                                                                           \
    X(ERROR, "error", 3)                                                                           \
    X(WARN, "warn", 4)                                                                             \
    X(INFO, "info", 6)                                                                             \
    X(DEBUG, "debug", 7)                                                                           \
    X(TRACE, "trace", 7)

enum hm_log_level {
#define HM_LEVEL_ENUM(id, text, syslog) HM_LOG_##id,
    HM_LOG_LEVELS(HM_LEVEL_ENUM)
#undef HM_LEVEL_ENUM
};

enum hm_log_format { HM_LOG_TEXT, HM_LOG_JSON, HM_LOG_JOURNAL };

void hm_log_setup(enum hm_log_level level, enum hm_log_format format);
/* Give the writing to a thread. Without it, or when it fails, whoever logs writes, and may block. */
int hm_log_start(struct hm_error *err);
/* Before the end: wait that long for what was logged to be written. False: something still blocks it,
 * and the thread is left behind. */
bool hm_log_stop(int64_t wait_ms);

bool hm_log_level_from_name(const char *name, enum hm_log_level *ret);
bool hm_log_enabled(enum hm_log_level level);

/* `part` is the module that speaks ("lead", "bus", "libvirt"); one short sentence, no newline. */
void hm_log(enum hm_log_level level, const char *part, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

#endif
