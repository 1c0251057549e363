#include "vmm/ch_process.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/file.h"
#include "vmm/procfs.h"

enum { STAT_MAX = 1024, STATUS_MAX = 4096, CMDLINE_MAX = 65536 };

/* -- Who it is ------------------------------------------------------------------------------------ */

static size_t read_file(const char *path, char *buffer, size_t size)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return 0;
    ssize_t len = read(fd, buffer, size - 1);
    close(fd);
    buffer[len > 0 ? len : 0] = '\0';
    return len > 0 ? (size_t)len : 0;
}

struct stat_line {
    char state;
    long threads;
    uint64_t start;
};

/* Field `number` (from 3 on), behind the name, which may hold anything. */
static const char *field(const char *stat, int number)
{
    const char *at = strrchr(stat, ')');
    for (int i = 2; at && i < number; i++) {
        at = strchr(at, ' ');
        at = at ? at + 1 : NULL;
    }
    return at;
}

static bool read_stat(int pid, struct stat_line *ret)
{
    char path[64], stat[STAT_MAX];
    snprintf(path, sizeof path, "/proc/%d/stat", pid);
    if (!read_file(path, stat, sizeof stat))
        return false;
    const char *state = field(stat, 3), *threads = field(stat, 20), *start = field(stat, 22);
    if (!start)
        return false;
    *ret = (struct stat_line){*state, strtol(threads, NULL, 10), strtoull(start, NULL, 10)};
    return ret->start > 0;
}

/* A leader that has ended while its threads run on is shown as a zombie, too. */
bool ch_pid_of(int pid, struct ch_pid *ret)
{
    struct stat_line now;
    if (pid <= 0 || !read_stat(pid, &now))
        return false;
    if ((now.state == 'Z' || now.state == 'X') && now.threads <= 1)
        return false;
    *ret = (struct ch_pid){pid, now.start};
    return true;
}

/* Of descriptors or memory: it says nothing of what was looked for. */
static bool is_want(void)
{
    return errno == EMFILE || errno == ENFILE || errno == ENOMEM;
}

/* What can't be looked at for want of descriptors or memory is not dead. */
bool ch_pid_is_alive(const struct ch_pid *p)
{
    struct ch_pid now;
    errno = 0;
    if (ch_pid_of(p->pid, &now))
        return now.start == p->start;
    return is_want();
}

/* The descriptor holds the process: what is looked at after it was opened is what it means. */
int ch_pid_hold(const struct ch_pid *p, int *ret, struct hm_error *err)
{
    int fd = p->pid > 0 ? pidfd_open(p->pid, 0) : -1, why = errno;
    bool is_alive = ch_pid_is_alive(p);
    if (fd >= 0 && is_alive) {
        *ret = fd;
        return 1;
    }
    if (fd >= 0)
        close(fd);
    return is_alive ? hm_fail(err, HM_E_PROCESS, "its process %d can't be held: %s", p->pid,
                              strerror(why))
                    : 0;
}

int ch_pid_kill(const struct ch_pid *p, int64_t wait_ms, struct hm_error *err)
{
    int fd, r = ch_pid_hold(p, &fd, err);
    if (r <= 0)
        return r;
    r = 0;
    if (pidfd_send_signal(fd, SIGKILL, NULL, 0) < 0 && errno != ESRCH)
        r = hm_fail(err, HM_E_PROCESS, "its process %d can't be killed: %s", p->pid,
                    strerror(errno));
    else if (!pidfd_wait(fd, wait_ms))
        r = hm_fail(err, HM_E_TIMEOUT,
                    "its process %d got SIGKILL and is still there after %lld ms: it hangs in the "
                    "kernel, see /proc/%d/stack",
                    p->pid, (long long)wait_ms, p->pid);
    close(fd);
    return r;
}

/* -- Finding it by its socket --------------------------------------------------------------------- */

char *ch_socket_word(const char *socket)
{
    return hm_printf("path=%s", socket);
}

/* The word after the option, or NULL. */
static const char *socket_word_of(const char *cmdline, size_t len)
{
    bool is_next = false;
    for (size_t at = 0; at < len; at += strlen(cmdline + at) + 1) {
        if (is_next)
            return cmdline + at;
        is_next = !strcmp(cmdline + at, CH_SOCKET_OPTION);
    }
    return NULL;
}

/* Any user of the host may give a process a VMM's words, and so may a container: what an agent has started has its user, and one
 * number, in the namespace that they share. */
static bool is_of_this_agent(int pid)
{
    char path[64], status[STATUS_MAX], end;
    unsigned user = 0;
    int number = 0;
    snprintf(path, sizeof path, "/proc/%d/status", pid);
    if (!read_file(path, status, sizeof status))
        return false;
    const char *users = strstr(status, "\nUid:"), *numbers = strstr(status, "\nNSpid:");
    return users && sscanf(users, "\nUid: %*u %u", &user) == 1 && user == geteuid() &&
           (!numbers || (sscanf(numbers, "\nNSpid: %d%c", &number, &end) == 2 && end == '\n'));
}

/* False: it can't be told whether it is there. */
static bool add_process(struct ch_processes *list, const char *socket, int pid)
{
    struct ch_socket_process p;
    errno = 0;
    if (!is_of_this_agent(pid) || !ch_pid_of(pid, &p.pid))
        return !is_want();
    p.socket = hm_strdup(socket);
    list->items = hm_realloc_array(list->items, list->count + 1, sizeof *list->items);
    list->items[list->count++] = p;
    return true;
}

/* Begins with "path=SOCKETS/". */
static bool is_in_folder(const char *word, const char *prefix)
{
    return word && !strncmp(word, prefix, strlen(prefix));
}

/* False: it can't be looked at. */
static bool look_at(const char *number, const char *prefix, char *cmdline,
                    struct ch_processes *list)
{
    char path[300];
    snprintf(path, sizeof path, "/proc/%s/cmdline", number);
    errno = 0;
    size_t len = read_file(path, cmdline, CMDLINE_MAX);
    if (len == 0)
        return !is_want();
    const char *word = socket_word_of(cmdline, len);
    return !is_in_folder(word, prefix) ||
           add_process(list, word + strlen("path="), (int)strtol(number, NULL, 10));
}

int ch_processes_read(const char *sockets, struct ch_processes *ret, struct hm_error *err)
{
    HM_AUTOFREE char *prefix = ch_socket_word(sockets);
    HM_AUTOFREE char *cmdline = hm_alloc(CMDLINE_MAX);
    DIR *proc = opendir("/proc");
    bool is_seen = proc != NULL;
    *ret = (struct ch_processes){0};
    for (struct dirent *e; is_seen && (e = hm_next_entry(proc));)
        if (isdigit((unsigned char)e->d_name[0]))
            is_seen = look_at(e->d_name, prefix, cmdline, ret);
    int why = errno;
    is_seen = is_seen && !why;
    if (proc)
        closedir(proc);
    if (is_seen)
        return 0;
    ch_processes_clear(ret);
    return hm_fail(err, HM_E_IO, "cannot look at the processes of this host: %s", strerror(why));
}

void ch_processes_clear(struct ch_processes *list)
{
    for (size_t i = 0; i < list->count; i++)
        free(list->items[i].socket);
    free(list->items);
    *list = (struct ch_processes){0};
}

int ch_processes_find(const struct ch_processes *list, const char *socket, struct ch_pid *ret)
{
    for (size_t i = 0; i < list->count; i++)
        if (!strcmp(list->items[i].socket, socket)) {
            *ret = list->items[i].pid;
            return 1;
        }
    return 0;
}

int ch_process_find(const char *socket, struct ch_pid *ret, struct hm_error *err)
{
    struct ch_processes list;
    int r = ch_processes_read(socket, &list, err);
    if (r < 0)
        return r;
    int found = ch_processes_find(&list, socket, ret);
    ch_processes_clear(&list);
    return found;
}
