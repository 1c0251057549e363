#include "vmm/ch_process.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/clock.h"

enum { STAT_MAX = 1024, CMDLINE_MAX = 65536 };

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

char *ch_boot_id(void)
{
    char id[64];
    if (!read_file("/proc/sys/kernel/random/boot_id", id, sizeof id))
        return hm_strdup("");
    id[strcspn(id, "\n")] = '\0';
    return hm_strdup(id);
}

/* After the name, which may hold anything: field 3 is the state, field 22 the start time. */
static bool read_stat(int pid, char *ret_state, uint64_t *ret_start)
{
    char path[64], stat[STAT_MAX];
    snprintf(path, sizeof path, "/proc/%d/stat", pid);
    char *at = read_file(path, stat, sizeof stat) ? strrchr(stat, ')') : NULL;
    if (!at || at[1] != ' ')
        return false;
    at += 2;
    *ret_state = *at;
    for (int field = 3; at && field < 22; field++) {
        at = strchr(at, ' ');
        at = at ? at + 1 : NULL;
    }
    *ret_start = at ? strtoull(at, NULL, 10) : 0;
    return *ret_start > 0;
}

bool ch_pid_of(int pid, struct ch_pid *ret)
{
    char state;
    uint64_t start;
    if (pid <= 0 || !read_stat(pid, &state, &start) || state == 'Z' || state == 'X')
        return false;
    *ret = (struct ch_pid){pid, start};
    return true;
}

/* What can't be looked at for want of descriptors or memory is not dead. */
bool ch_pid_is_alive(const struct ch_pid *p)
{
    struct ch_pid now;
    errno = 0;
    if (ch_pid_of(p->pid, &now))
        return now.start == p->start;
    return errno == EMFILE || errno == ENFILE || errno == ENOMEM;
}

/* The descriptor holds the process: what is looked at after it was opened is what it means. */
int ch_pid_open(const struct ch_pid *p)
{
    int fd = p->pid > 0 ? pidfd_open(p->pid, 0) : -1;
    if (fd >= 0 && ch_pid_is_alive(p))
        return fd;
    if (fd >= 0)
        close(fd);
    return -1;
}

int ch_pidfd_wait(int pidfd, int64_t ms)
{
    int64_t deadline = hm_boottime_ns() + ms * HM_MS;
    struct pollfd ended = {.fd = pidfd, .events = POLLIN};
    for (;;) {
        int64_t left = (deadline - hm_boottime_ns()) / HM_MS;
        int n = poll(&ended, 1, left > 0 ? (int)left : 0);
        if (n > 0 || left <= 0)
            return n > 0;
    }
}

int ch_pid_kill(const struct ch_pid *p, int64_t wait_ms, struct hm_error *err)
{
    int fd = ch_pid_open(p), r = 0;
    if (fd < 0 && ch_pid_is_alive(p))
        return hm_fail(err, HM_E_PROCESS, "its process %d can't be held: %s", p->pid,
                       strerror(errno));
    if (fd < 0)
        return 0;
    if (pidfd_send_signal(fd, SIGKILL, NULL, 0) < 0 && errno != ESRCH)
        r = hm_fail(err, HM_E_PROCESS, "its process %d can't be killed: %s", p->pid,
                    strerror(errno));
    else if (!ch_pidfd_wait(fd, wait_ms))
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

static void add_process(struct ch_processes *list, const char *socket, int pid)
{
    struct ch_socket_process p;
    if (!ch_pid_of(pid, &p.pid))
        return;
    p.socket = hm_strdup(socket);
    list->items = hm_realloc_array(list->items, list->count + 1, sizeof *list->items);
    list->items[list->count++] = p;
}

/* Begins with "path=SOCKETS/". */
static bool is_in_folder(const char *word, const char *prefix)
{
    return word && !strncmp(word, prefix, strlen(prefix));
}

void ch_processes_read(const char *sockets, struct ch_processes *ret)
{
    HM_AUTOFREE char *prefix = ch_socket_word(sockets);
    HM_AUTOFREE char *cmdline = hm_alloc(CMDLINE_MAX);
    DIR *proc = opendir("/proc");
    *ret = (struct ch_processes){0};
    for (struct dirent *e; proc && (e = readdir(proc));) {
        char path[300];
        if (!isdigit((unsigned char)e->d_name[0]))
            continue;
        snprintf(path, sizeof path, "/proc/%s/cmdline", e->d_name);
        size_t len = read_file(path, cmdline, CMDLINE_MAX);
        const char *word = socket_word_of(cmdline, len);
        if (is_in_folder(word, prefix))
            add_process(ret, word + strlen("path="), (int)strtol(e->d_name, NULL, 10));
    }
    if (proc)
        closedir(proc);
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

int ch_process_find(const char *socket, struct ch_pid *ret)
{
    struct ch_processes list;
    ch_processes_read(socket, &list);
    int found = ch_processes_find(&list, socket, ret);
    ch_processes_clear(&list);
    return found;
}
