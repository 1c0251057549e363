/*
 * The host's watchdog device (Documentation/watchdog/watchdog-api.rst of Linux): open, it resets the host
 * unless it is fed. A plain file can stand in for it: it gets a NUL for each feeding. Thread: the loop's.
 */
#ifndef HM_GUARDIAN_WATCHDOG_H
#define HM_GUARDIAN_WATCHDOG_H

#include <stdint.h>

struct watchdog {
    int fd; /* -1: closed */
    int64_t fed_ns;
};

#define WATCHDOG_EVERY (1000 * INT64_C(1000000)) /* ns between two feedings */

void watchdog_init(struct watchdog *w);
/* Opens it, asks for a reset after `limit_ns` without food (whole seconds, at least 2; what it can't do is
 * left as it is), and feeds it. Open already: only fed. 0, or -1 with errno. */
int watchdog_open(struct watchdog *w, const char *path, int64_t limit_ns, int64_t now_ns);
void watchdog_feed(struct watchdog *w, int64_t now_ns);
/* With the magic V: the device stops counting. */
void watchdog_close(struct watchdog *w);

#endif
