#include <ctype.h>
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "vmm/lv.h"

enum { CMDLINE_MAX = 65536 };

/* The argument after `-uuid`; libvirt always gives it to QEMU. */
static bool runs_guest(const char *cmdline, size_t len, const char *uuid)
{
    bool is_next = false;
    for (size_t at = 0; at < len; at += strlen(cmdline + at) + 1) {
        if (is_next)
            return !strcmp(cmdline + at, uuid);
        is_next = !strcmp(cmdline + at, "-uuid");
    }
    return false;
}

static bool process_runs_guest(const char *pid, const char *uuid, char *buffer)
{
    char path[64];
    snprintf(path, sizeof path, "/proc/%.20s/cmdline", pid);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return false;
    ssize_t len = read(fd, buffer, CMDLINE_MAX - 1);
    close(fd);
    if (len <= 0) /* gone, a kernel thread, or a zombie: nothing runs in it */
        return false;
    buffer[len] = '\0';
    return runs_guest(buffer, (size_t)len, uuid);
}

/*
 * libvirt's API gives no pid, and its pid file may be in a namespace of its own. The UUID on QEMU's
 * command line is the guest's own and never recycled, so /proc is asked for it.
 */
int lv_process_of(const struct lv *lv, const char *uuid)
{
    if (!lv->is_qemu || !lv->is_local || !uuid)
        return 0;
    DIR *proc = opendir("/proc");
    if (!proc)
        return 0;
    char *buffer = malloc(CMDLINE_MAX);
    int found = 0;
    for (struct dirent *e; buffer && !found && (e = readdir(proc));)
        if (isdigit((unsigned char)e->d_name[0]) && process_runs_guest(e->d_name, uuid, buffer))
            found = (int)strtol(e->d_name, NULL, 10);
    free(buffer);
    closedir(proc);
    return found;
}
