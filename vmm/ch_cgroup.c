/*
 * Where the process of a VMM is kept, apart from the agent's: under systemd in a scope, which outlives the service of
 * the agent and is stopped by nothing that stops it; else in a cgroup of v2.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <systemd/sd-bus.h>
#include <systemd/sd-daemon.h>
#include <systemd/sd-login.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/file.h"
#include "vmm/ch.h"

#define SCOPE_SUFFIX ".scope"

enum { MOUNTS_MAX = 1 << 20, CGROUPS_MAX = 65536, BUS_MS = 5000, MOVE_MS = 2000, LOOK_MS = 5 };

/* -- Folders --------------------------------------------------------------------------------------- */

/* "36 35 0:31 / /sys/fs/cgroup rw ... - cgroup2 cgroup2 rw": the fifth word. */
static char *mount_point(void)
{
    HM_AUTOFREE char *text = NULL;
    char point[256];
    if (hm_file_read("/proc/self/mountinfo", MOUNTS_MAX, &text, NULL, NULL) < 0)
        return NULL;
    for (char *rest = text, *line; (line = strsep(&rest, "\n"));)
        if (strstr(line, " - cgroup2 ") && sscanf(line, "%*s %*s %*s / %255s", point) == 1)
            return hm_strdup(point);
    return NULL;
}

static bool write_text(const char *folder, const char *file, const char *text)
{
    HM_AUTOFREE char *path = hm_printf("%s/%s", folder, file);
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    if (fd < 0)
        return false;
    bool written = write(fd, text, strlen(text)) == (ssize_t)strlen(text);
    close(fd);
    return written;
}

/* The namespace in which a pid is what we say it is; 0: not known. */
static unsigned long long pid_namespace(void)
{
    struct stat st;
    return stat("/proc/self/ns/pid", &st) == 0 ? (unsigned long long)st.st_ino : 0;
}

/* Of this run alone: another agent on this host, in namespaces of its own, may have a VM of the same UUID, and give its
 * process the same number at the same time; what is in the folder is killed with it. */
static char *name_of(const char *socket, const struct ch_pid *pid)
{
    const char *uuid = strrchr(socket, '/') + 1;
    return hm_printf("%.*s-%llu-%d-%llu", (int)strcspn(uuid, "."), uuid, pid_namespace(), pid->pid,
                     (unsigned long long)pid->start);
}

static char *join_own(const char *mount, const char *name, int pid)
{
    char number[16];
    char *folder = hm_printf("%s/harmony-vms/%s", mount, name);
    snprintf(number, sizeof number, "%d", pid);
    for (int tries = 2; tries > 0; tries--) /* a sweep may take it away while it is empty */
        if (hm_mkdirs(folder, 0755, NULL) >= 0 && write_text(folder, "cgroup.procs", number))
            return folder;
    rmdir(folder);
    free(folder);
    return NULL;
}

/* -- A scope of systemd's ---------------------------------------------------------------------------- */

/* Which unit the scope is before, so that at a power off it ends after it: the agent's, which has guests to stop in order, and would
 * start again what systemd has ended. An agent in no unit: one that every scope is before. */
static char *unit_after_it(void)
{
    char *own = NULL;
    return sd_pid_get_unit(0, &own) >= 0 ? own : hm_strdup("shutdown.target");
}

/* Whether processes have the same numbers there as here. An agent in a pid namespace of its own, in a container that was given the
 * host's bus, would have systemd move a stranger. */
static bool numbers_as_we_do(sd_bus *bus)
{
    sd_bus_creds *us = NULL;
    const char *name = NULL;
    pid_t pid = 0;
    bool does = sd_bus_get_unique_name(bus, &name) >= 0 &&
                sd_bus_get_name_creds(bus, name, SD_BUS_CREDS_PID, &us) >= 0 &&
                sd_bus_creds_get_pid(us, &pid) >= 0 && pid == getpid();
    sd_bus_creds_unref(us);
    return does;
}

static int ask_for_scope(const char *unit, const char *what, unsigned pid)
{
    sd_bus *bus = NULL;
    HM_AUTOFREE char *after_it = unit_after_it();
    int r = sd_bus_open_system(&bus);
    if (r >= 0)
        r = sd_bus_set_method_call_timeout(bus, BUS_MS * 1000ULL);
    if (r >= 0 && !numbers_as_we_do(bus))
        r = -ENXIO;
    if (r >= 0)
        r = sd_bus_call_method(bus, "org.freedesktop.systemd1", "/org/freedesktop/systemd1",
                               "org.freedesktop.systemd1.Manager", "StartTransientUnit", NULL, NULL,
                               "ssa(sv)a(sa(sv))", unit, "fail", 6, "Description", "s", what,
                               "Slice", "s", "machine.slice", "Before", "as", 1, after_it, "PIDs",
                               "au", 1, pid, "Delegate", "b", 1, "CollectMode", "s",
                               "inactive-or-failed", 0);
    sd_bus_flush_close_unref(bus);
    return r;
}

/* "0::/machine.slice/UNIT", once it has been moved. */
static char *scope_folder(const char *mount, const char *unit, int pid)
{
    HM_AUTOFREE char *path = hm_printf("/proc/%d/cgroup", pid), *text = NULL;
    if (hm_file_read(path, CGROUPS_MAX, &text, NULL, NULL) < 0)
        return NULL;
    for (char *rest = text, *line; (line = strsep(&rest, "\n"));)
        if (!strncmp(line, "0::/", 4) && strstr(line, unit))
            return hm_printf("%s%s", mount, line + 3);
    return NULL;
}

static char *join_scope(const char *mount, const char *vm, const char *name, int pid)
{
    HM_AUTOFREE char *unit = hm_printf("harmony-vm-%s" SCOPE_SUFFIX, name);
    HM_AUTOFREE char *what = hm_printf("harmony: virtual machine %s", vm);
    const struct timespec pause = {.tv_nsec = LOOK_MS * HM_MS};
    char *folder = NULL;
    if (ask_for_scope(unit, what, (unsigned)pid) < 0)
        return NULL;
    for (int64_t until = hm_boottime_ns() + MOVE_MS * HM_MS;
         !(folder = scope_folder(mount, unit, pid)) && hm_boottime_ns() < until;)
        nanosleep(&pause, NULL);
    return folder;
}

char *ch_cgroup_join(const char *vm, const char *socket, const struct ch_pid *pid)
{
    HM_AUTOFREE char *mount = mount_point(), *name = name_of(socket, pid);
    if (!mount)
        return NULL;
    char *folder = sd_booted() > 0 ? join_scope(mount, vm, name, pid->pid) : NULL;
    return folder ? folder : join_own(mount, name, pid->pid);
}

/* -- Its end ------------------------------------------------------------------------------------------- */

void ch_cgroup_kill(const char *cgroup)
{
    if (cgroup)
        write_text(cgroup, "cgroup.kill", "1");
}

void ch_cgroup_sweep(void)
{
    HM_AUTOFREE char *mount = mount_point();
    HM_AUTOFREE char *folder = mount ? hm_printf("%s/harmony-vms", mount) : NULL;
    DIR *dir = folder ? opendir(folder) : NULL;
    for (struct dirent *e; dir && (e = readdir(dir));)
        if (e->d_name[0] != '.')
            unlinkat(dirfd(dir), e->d_name, AT_REMOVEDIR); /* one that is in use refuses */
    if (dir)
        closedir(dir);
}

/* systemd ends a scope when it hears that nothing is in its folder any more. Of a folder that somebody else removes at that
 * moment it hears nothing, and the scope is active for ever. */
static bool is_scope(const char *cgroup)
{
    size_t len = strlen(cgroup), end = strlen(SCOPE_SUFFIX);
    return len > end && !strcmp(cgroup + len - end, SCOPE_SUFFIX);
}

void ch_cgroup_remove(const char *cgroup)
{
    if (cgroup && !is_scope(cgroup))
        rmdir(cgroup);
}
