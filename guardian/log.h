/*
 * The guardian's log: lines on stderr in the agent's text format. It never blocks: what stderr does not
 * take at once is dropped, and counted in the next line that gets through. No allocation.
 * Thread: any (one write each).
 */
#ifndef HM_GUARDIAN_LOG_H
#define HM_GUARDIAN_LOG_H

#include <stdbool.h>

#define LOG_LEVELS(X)                                                                              \
    X(ERROR, "error")                                                                              \
    X(WARN, "warn")                                                                                \
    X(INFO, "info")                                                                                \
    X(DEBUG, "debug")

enum log_level {
#define LOG_ENUM(id, text) LOG_##id,
    LOG_LEVELS(LOG_ENUM)
#undef LOG_ENUM
};

void log_setup(enum log_level threshold);
bool log_level_from_name(const char *name, enum log_level *ret);

/* One short sentence, no newline; control characters become blanks. */
void say(enum log_level level, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

#endif
