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
#include "vmm/lv.h"
#include "vmm/procfs.h"

enum { CMDLINE_MAX = 65536 };

/* The argument after `-uuid`, or NULL; libvirt always gives it to QEMU. */
static const char *uuid_in(const char *cmdline, size_t len)
{
    bool is_next = false;
    for (size_t at = 0; at < len; at += strlen(cmdline + at) + 1) {
        if (is_next)
            return cmdline + at;
        is_next = !strcmp(cmdline + at, "-uuid");
    }
    return NULL;
}

/* Its command line, NUL-terminated; 0 bytes: gone, a kernel thread, or a zombie: nothing runs in it. */
static size_t read_cmdline(const char *pid, char *buffer)
{
    char path[64];
    snprintf(path, sizeof path, "/proc/%.20s/cmdline", pid);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return 0;
    ssize_t len = read(fd, buffer, CMDLINE_MAX - 1);
    close(fd);
    buffer[len > 0 ? len : 0] = '\0';
    return len > 0 ? (size_t)len : 0;
}

static void add_process(struct lv_processes *list, const char *pid, char *buffer)
{
    const char *uuid = uuid_in(buffer, read_cmdline(pid, buffer));
    if (!uuid)
        return;
    list->items = hm_realloc_array(list->items, list->count + 1, sizeof *list->items);
    struct lv_process *p = &list->items[list->count++];
    p->pid = (int)strtol(pid, NULL, 10);
    snprintf(p->uuid, sizeof p->uuid, "%s", uuid);
}

static void read_processes(struct lv_processes *ret)
{
    DIR *proc = opendir("/proc");
    if (!proc)
        return;
    char *buffer = hm_alloc(CMDLINE_MAX);
    for (struct dirent *e; (e = readdir(proc));)
        if (isdigit((unsigned char)e->d_name[0]))
            add_process(ret, e->d_name, buffer);
    free(buffer);
    closedir(proc);
}

void lv_processes_read(const struct lv *lv, struct lv_processes *ret)
{
    *ret = (struct lv_processes){.is_read = true};
    if (lv->is_qemu && lv->is_local)
        read_processes(ret);
}

void lv_processes_clear(struct lv_processes *list)
{
    free(list->items);
    *list = (struct lv_processes){0};
}

int lv_processes_find(const struct lv_processes *list, const char *uuid)
{
    for (size_t i = 0; i < list->count; i++)
        if (!strcmp(list->items[i].uuid, uuid))
            return list->items[i].pid;
    return 0;
}

/* -- The hard stop ----------------------------------------------------------------------------- */

/* The pid of the one process that carries it; 0: there is none, or it can't be told which. */
static int only_process(const char *uuid)
{
    struct lv_processes all = {0};
    read_processes(&all);
    int pid = 0, count = 0;
    for (size_t i = 0; i < all.count; i++)
        if (!strcmp(all.items[i].uuid, uuid)) {
            pid = all.items[i].pid;
            count++;
        }
    lv_processes_clear(&all);
    return count == 1 ? pid : 0;
}

static bool carries(int pid, const char *uuid)
{
    char number[24];
    snprintf(number, sizeof number, "%d", pid);
    HM_AUTOFREE char *buffer = hm_alloc(CMDLINE_MAX);
    const char *seen = uuid_in(buffer, read_cmdline(number, buffer));
    return seen && !strcmp(seen, uuid);
}

static int kill_and_see(int pidfd, int pid, int64_t wait_ms, struct hm_error *err)
{
    if (pidfd_send_signal(pidfd, SIGKILL, NULL, 0) < 0 && errno != ESRCH)
        return 0; /* not ours to signal: libvirtd may */
    if (pidfd_wait(pidfd, wait_ms))
        return 1;
    return hm_fail(err, HM_E_TIMEOUT,
                   "its process %d got SIGKILL and is still there after %lld ms: it hangs in the "
                   "kernel, see /proc/%d/stack",
                   pid, (long long)wait_ms, pid);
}

/* The pidfd holds the process, so what is looked at after it was opened is what is killed: a pid that
 * was given to somebody else in between does not carry the UUID. */
int lv_process_kill(const char *uuid, int64_t wait_ms, struct hm_error *err)
{
    int pid = only_process(uuid);
    int pidfd = pid > 0 ? pidfd_open(pid, 0) : -1;
    if (pidfd < 0)
        return 0;
    int r = carries(pid, uuid) ? kill_and_see(pidfd, pid, wait_ms, err) : 0;
    close(pidfd);
    return r;
}
