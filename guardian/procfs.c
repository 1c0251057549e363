#include "guardian/procfs.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

/* -- Folders and files --------------------------------------------------------- */

struct entry64 {
    uint64_t ino;
    int64_t off;
    unsigned short len;
    unsigned char type;
    char name[];
};

static bool visit_all(const char *buf, long len, folder_visit visit, void *data)
{
    for (long at = 0; at < len;) {
        const struct entry64 *e = (const struct entry64 *)(const void *)(buf + at);
        at += e->len;
        if (strcmp(e->name, ".") != 0 && strcmp(e->name, "..") != 0 &&
            !visit(data, e->name, e->type))
            return false;
    }
    return true;
}

bool folder_walk(int fd, folder_visit visit, void *data)
{
    char buf[4096] __attribute__((aligned(8)));
    if (lseek(fd, 0, SEEK_SET) < 0)
        return false;
    for (;;) {
        long len = syscall(SYS_getdents64, fd, buf, sizeof buf);
        if (len <= 0)
            return len == 0;
        if (!visit_all(buf, len, visit, data))
            return false;
    }
}

ssize_t file_read(int folder, const char *path, char *ret, size_t size)
{
    size_t len = 0;
    ssize_t n = 0;
    int fd = openat(folder, path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return -1;
    while (len < size - 1 && (n = read(fd, ret + len, size - 1 - len)) > 0)
        len += (size_t)n;
    int saved = errno;
    close(fd);
    errno = saved;
    ret[len] = '\0';
    return n < 0 ? -1 : (ssize_t)len;
}

int file_write(int folder, const char *path, const char *text)
{
    int fd = openat(folder, path, O_WRONLY | O_CLOEXEC);
    if (fd < 0)
        return -1;
    ssize_t n = write(fd, text, strlen(text));
    int saved = errno;
    close(fd);
    errno = saved;
    return n < 0 ? -1 : 0;
}

/* -- Processes ----------------------------------------------------------------- */

/* Field `number` (from 3 on) of a stat line, whose second field may hold blanks and parentheses. */
static const char *field(const char *stat, int number)
{
    const char *at = strrchr(stat, ')');
    for (int i = 2; at && i < number; i++) {
        at = strchr(at, ' ');
        if (at)
            at++;
    }
    return at;
}

uint64_t process_start_time(pid_t pid)
{
    char path[32], stat[1024];
    snprintf(path, sizeof path, "/proc/%d/stat", pid);
    if (file_read(AT_FDCWD, path, stat, sizeof stat) <= 0)
        return errno == ENOENT || errno == ESRCH ? PROCESS_DEAD : PROCESS_UNKNOWN;
    const char *state = field(stat, 3), *threads = field(stat, 20), *start = field(stat, 22);
    if (!state || !threads || !start)
        return PROCESS_UNKNOWN;
    /* A leader that has ended while its threads run on is shown as a zombie too. */
    if ((*state == 'Z' || *state == 'X') && strtol(threads, NULL, 10) <= 1)
        return PROCESS_DEAD;
    return strtoull(start, NULL, 10);
}

int process_open(pid_t pid)
{
    return (int)syscall(SYS_pidfd_open, pid, 0);
}

/* The whole process, all of its threads. */
static bool has_ended(int pidfd)
{
    struct pollfd p = {.fd = pidfd, .events = POLLIN};
    return poll(&p, 1, 0) == 1 && (p.revents & POLLIN);
}

/* The pidfd was there before the start time was read: if it has not ended since, both are of one. */
static bool kill_through(int pidfd, pid_t pid, uint64_t start)
{
    uint64_t now = process_start_time(pid);
    if (has_ended(pidfd))
        return false;
    if (now == start)
        syscall(SYS_pidfd_send_signal, pidfd, SIGKILL, NULL, 0);
    return now == start || now == PROCESS_UNKNOWN || now == PROCESS_DEAD;
}

bool process_kill(pid_t pid, uint64_t start)
{
    int fd = process_open(pid);
    if (fd < 0) /* EINVAL: a thread of another process has the number now */
        return errno != ESRCH && errno != EINVAL;
    bool lives = kill_through(fd, pid, start);
    close(fd);
    return lives;
}
