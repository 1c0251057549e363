/* Who has a disk open that a VM could not be started with: a VMM that harmony did not start, most often, which it does not
 * adopt (ADR 62). Found by what the kernel says that processes have open; no file is looked at, since it may lie on a
 * file system that hangs. */
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/file.h"
#include "proto/field.h"
#include "proto/text.h"
#include "vmm/ch.h"

enum { NAME_TEXT = 64, COMM_MAX = 64 };

static bool has_open(const char *pid, const char *path)
{
    char folder[64], target[PATH_MAX];
    snprintf(folder, sizeof folder, "/proc/%.20s/fd", pid);
    DIR *dir = opendir(folder);
    bool has = false;
    for (struct dirent *e; dir && !has && (e = readdir(dir));) {
        ssize_t len = readlinkat(dirfd(dir), e->d_name, target, sizeof target);
        has = len > 0 && (size_t)len == strlen(path) && !memcmp(target, path, (size_t)len);
    }
    if (dir)
        closedir(dir);
    return has;
}

/* 0: nobody that can be seen. */
static int find_holder(const char *path)
{
    DIR *proc = opendir("/proc");
    int found = 0;
    for (struct dirent *e; proc && !found && (e = readdir(proc));)
        if (isdigit((unsigned char)e->d_name[0]) && has_open(e->d_name, path))
            found = (int)strtol(e->d_name, NULL, 10);
    if (proc)
        closedir(proc);
    return found;
}

static void name_of(int pid, char out[NAME_TEXT])
{
    HM_AUTOFREE char *path = hm_printf("/proc/%d/comm", pid), *comm = NULL;
    hm_file_read(path, COMM_MAX, &comm, NULL, NULL);
    if (comm)
        comm[strcspn(comm, "\n")] = '\0';
    text_clean(comm ? comm : "?", out, NAME_TEXT);
}

static bool is_ours(const struct ch *ch, int pid)
{
    struct ch_processes list;
    bool is = false;
    if (ch_processes_read(ch->sockets, &list, NULL) < 0)
        return false;
    for (size_t i = 0; i < list.count; i++)
        is = is || list.items[i].pid.pid == pid;
    ch_processes_clear(&list);
    return is;
}

static void blame(const struct ch *ch, const char *disk, int pid, struct hm_error *err)
{
    const struct hm_error why = *err;
    char name[NAME_TEXT];
    name_of(pid, name);
    if (is_ours(ch, pid))
        hm_fail(err, why.code, "%s: %s is open in process %d, a VM of another document", why.text,
                disk, pid);
    else
        hm_fail(err, why.code,
                "%s: %s is open in process %d (%s), which harmony did not start and does not adopt "
                "while it runs; end it, and the VM starts from the same disks",
                why.text, disk, pid, name);
}

void ch_blame_stranger(const struct ch *ch, const json_t *config, struct hm_error *err)
{
    size_t i;
    json_t *disk;
    int pid = 0;
    json_array_foreach(json_object_get(config, "disks"), i, disk)
    {
        const char *path = spec_str(disk, "path");
        bool is_shared = spec_bool(disk, "readonly"); /* as many as like may read it */
        HM_AUTOFREE char *real = path && !pid && !is_shared ? realpath(path, NULL) : NULL;
        if (real && (pid = find_holder(real)) > 0)
            blame(ch, path, pid, err);
    }
}
