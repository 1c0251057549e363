#include "guardian/log.h"

#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "guardian/clock.h"

enum { LINE_MAX_BYTES = 1024 };

static enum log_level threshold_now = LOG_INFO;
static atomic_uint dropped;

static const char *const names[] = {
#define LOG_NAME(id, text) text,
    LOG_LEVELS(LOG_NAME)
#undef LOG_NAME
};

void log_setup(enum log_level threshold)
{
    threshold_now = threshold;
}

bool log_level_from_name(const char *name, enum log_level *ret)
{
    for (unsigned i = 0; i < sizeof names / sizeof *names; i++)
        if (!strcmp(names[i], name)) {
            *ret = (enum log_level)i;
            return true;
        }
    return false;
}

/* stderr is shared with whoever started us, so its flags are not ours to change. A pipe that polls as
 * writable takes PIPE_BUF bytes, and a line is less. */
static bool write_at_once(const char *line, size_t len)
{
    ssize_t n = send(STDERR_FILENO, line, len, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (n >= 0 || errno != ENOTSOCK)
        return n == (ssize_t)len;
    struct pollfd p = {.fd = STDERR_FILENO, .events = POLLOUT};
    if (poll(&p, 1, 0) != 1 || !(p.revents & POLLOUT))
        return false;
    return write(STDERR_FILENO, line, len) == (ssize_t)len;
}

static void defuse(char *text)
{
    for (char *c = text; *c; c++)
        if ((unsigned char)*c < 0x20 || *c == 0x7f)
            *c = ' ';
}

static void write_line(enum log_level level, const char *text)
{
    char when[CLOCK_TEXT_MAX], line[LINE_MAX_BYTES];
    clock_text(clock_wall_ns(), when);
    unsigned lost = atomic_exchange(&dropped, 0);
    int len =
        lost ? snprintf(line, sizeof line, "%s %-5s guardian: %s (%u lines before were lost)\n",
                        when, names[level], text, lost)
             : snprintf(line, sizeof line, "%s %-5s guardian: %s\n", when, names[level], text);
    if (!write_at_once(line, (size_t)len))
        atomic_fetch_add(&dropped, lost + 1);
}

void say(enum log_level level, const char *fmt, ...)
{
    if (level > threshold_now)
        return;
    char text[LINE_MAX_BYTES - 128];
    va_list args;
    va_start(args, fmt);
    vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    defuse(text);
    write_line(level, text);
}
