#include "guardian/upgrade.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "guardian/clock.h"
#include "guardian/log.h"

enum { RESUME_MAGIC = 0x52647247, RESUME_VERSION = 1, FIRST_INHERITED = 3 };

static const char option[] = "--resume";

struct resume {
    uint32_t magic, version, size, pad;
    struct held held;
    struct keep keep;
    struct cgroups cgroups;
    struct watchdog watchdog;
    int listen_fd, fd;
    int64_t hello_by_ns;
    char text[PLAN_TEXT_MAX];
};

static struct resume buffer;

int upgrade_init(struct guardian *g)
{
    ssize_t n = readlink("/proc/self/exe", g->program, sizeof g->program - 1);
    if (n < 0)
        return -1;
    g->program[n] = '\0';
    return 0;
}

bool upgrade_is_possible(const struct guardian *g)
{
    return !g->killer.busy && !g->cutter.busy && !g->command.pid &&
           g->held.ladder.mode != LADDER_CLIMBING && g->talk.in_size == 0 && !g->talk.out_waits;
}

/* The descriptors that the next program is to have. */
static void keep_open_at_exec(const struct guardian *g, bool open)
{
    const int fds[] = {g->keep.folder, g->keep.lock,      g->cgroups.fd,
                       g->watchdog.fd, g->talk.listen_fd, g->talk.fd};
    for (unsigned i = 0; i < sizeof fds / sizeof *fds; i++)
        if (fds[i] >= 0)
            fcntl(fds[i], F_SETFD, open ? 0 : FD_CLOEXEC);
}

static int write_held(const struct guardian *g)
{
    buffer = (struct resume){.magic = RESUME_MAGIC,
                             .version = RESUME_VERSION,
                             .size = sizeof buffer,
                             .held = g->held,
                             .keep = g->keep,
                             .cgroups = g->cgroups,
                             .watchdog = g->watchdog,
                             .listen_fd = g->talk.listen_fd,
                             .fd = g->talk.fd,
                             .hello_by_ns = g->talk.hello_by_ns};
    memcpy(buffer.text, g->text, sizeof buffer.text);
    int fd = memfd_create("harmony-guardian", 0);
    if (fd < 0)
        return -1;
    if (pwrite(fd, &buffer, sizeof buffer, 0) == (ssize_t)sizeof buffer)
        return fd;
    close(fd);
    return -1;
}

bool upgrade_argv(char *const *argv, char *number, char *ret[UPGRADE_ARGV_MAX])
{
    static char name[sizeof option];
    unsigned n = 0;
    for (unsigned i = 0; argv[i]; i++) {
        if (!strcmp(argv[i], option) && argv[i + 1])
            i++;
        else if (n < UPGRADE_ARGV_MAX - 3) /* two more and the end must have room */
            ret[n++] = argv[i];
        else
            return false;
    }
    memcpy(name, option, sizeof name);
    ret[n++] = name;
    ret[n++] = number;
    ret[n] = NULL;
    return true;
}

void upgrade(struct guardian *g)
{
    char number[16], *argv[UPGRADE_ARGV_MAX];
    g->upgrade_wanted = false;
    int fd = write_held(g);
    snprintf(number, sizeof number, "%d", fd);
    errno = fd >= 0 ? E2BIG : errno; /* if it is the command line that stops it */
    if (fd >= 0 && upgrade_argv(g->options->argv, number, argv)) {
        say(LOG_INFO, "executes %s anew", g->program);
        keep_open_at_exec(g, true);
        execve(g->program, argv, environ);
        keep_open_at_exec(g, false);
    }
    say(LOG_ERROR, "%s can't be executed anew: %s; this one goes on", g->program, strerror(errno));
    if (fd >= 0)
        close(fd);
}

static bool is_open(int fd)
{
    return fd < 0 || fcntl(fd, F_GETFD) >= 0;
}

static bool is_sound(const struct resume *r, ssize_t size)
{
    char why[PLAN_TEXT_MAX];
    return size == (ssize_t)sizeof *r && r->magic == RESUME_MAGIC && r->version == RESUME_VERSION &&
           r->size == sizeof *r && is_open(r->keep.folder) && is_open(r->keep.lock) &&
           is_open(r->cgroups.fd) && is_open(r->watchdog.fd) && is_open(r->listen_fd) &&
           r->listen_fd >= 0 && is_open(r->fd) &&
           plan_check(&r->held.plan.plan, r->held.plan.header.size, why);
}

static void take_over(struct guardian *g, const struct resume *r)
{
    g->held = r->held;
    g->keep = r->keep;
    g->cgroups = r->cgroups;
    g->watchdog = r->watchdog;
    g->talk.listen_fd = r->listen_fd;
    g->talk.fd = r->fd;
    g->talk.hello_by_ns = r->hello_by_ns;
    g->talk.news = true; /* an agent may have missed some, and this does no harm */
    g->acted = g->held.ladder.rung;
    memcpy(g->text, r->text, sizeof g->text);
    keep_open_at_exec(g, false);
}

bool upgrade_resume(struct guardian *g)
{
    int fd = g->options->resume_fd;
    ssize_t n = pread(fd, &buffer, sizeof buffer, 0);
    if (!is_sound(&buffer, n)) {
        syscall(SYS_close_range, FIRST_INHERITED, ~0u, 0);
        say(LOG_ERROR, "what the guardian before this one has left can't be read: this one begins "
                       "anew, and ends what runs");
        return false;
    }
    close(fd);
    take_over(g, &buffer);
    return true;
}
