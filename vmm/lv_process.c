#include <ctype.h>
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "vmm/lv.h"

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

void lv_processes_read(const struct lv *lv, struct lv_processes *ret)
{
    *ret = (struct lv_processes){.is_read = true};
    DIR *proc = lv->is_qemu && lv->is_local ? opendir("/proc") : NULL;
    if (!proc)
        return;
    char *buffer = hm_alloc(CMDLINE_MAX);
    for (struct dirent *e; (e = readdir(proc));)
        if (isdigit((unsigned char)e->d_name[0]))
            add_process(ret, e->d_name, buffer);
    free(buffer);
    closedir(proc);
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
