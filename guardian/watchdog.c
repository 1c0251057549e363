#include "guardian/watchdog.h"

#include <fcntl.h>
#include <linux/watchdog.h>
#include <stddef.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "guardian/log.h"

#define SECOND 1000000000LL

void watchdog_init(struct watchdog *w)
{
    *w = (struct watchdog){.fd = -1};
}

static void put(const struct watchdog *w, char c)
{
    if (write(w->fd, &c, 1) != 1)
        say(LOG_ERROR, "the watchdog does not take what it is fed");
}

int watchdog_open(struct watchdog *w, const char *path, int64_t limit_ns, int64_t now_ns)
{
    if (w->fd < 0) {
        w->fd = open(path, O_WRONLY | O_APPEND | O_CLOEXEC | O_NONBLOCK);
        if (w->fd < 0)
            return -1;
        int seconds = (int)((limit_ns + SECOND - 1) / SECOND);
        seconds = seconds < 2 ? 2 : seconds;
        ioctl(w->fd, WDIOC_SETTIMEOUT, &seconds);
    }
    watchdog_feed(w, now_ns);
    return 0;
}

void watchdog_feed(struct watchdog *w, int64_t now_ns)
{
    w->fed_ns = now_ns;
    put(w, '\0');
}

void watchdog_close(struct watchdog *w)
{
    if (w->fd < 0)
        return;
    put(w, 'V');
    close(w->fd);
    w->fd = -1;
}
