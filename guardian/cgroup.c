#include "guardian/cgroup.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "guardian/cgroup_find.h"
#include "guardian/procfs.h"

enum { DEPTH_MAX = 12 };

#define FOLDER (O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)

static unsigned kill_below(int fd, int depth);

/* -- Killing ------------------------------------------------------------------- */

/* Each pid of cgroup.procs gets SIGKILL; returns how many were there. */
static unsigned kill_procs(int fd)
{
    static _Thread_local char procs[16384];
    unsigned count = 0;
    if (file_read(fd, "cgroup.procs", procs, sizeof procs) < 0)
        return errno == ENOENT || errno == ENODEV ? 0 : 1;
    for (char *at = procs, *end; *at; at = end + 1) {
        long pid = strtol(at, &end, 10);
        if (end == at || *end != '\n')
            return count + 1; /* cut off in the midst of a number: the next attempt sees the rest */
        if (pid > 0 && pid <= INT32_MAX && pid != getpid()) {
            uint64_t start = process_start_time((pid_t)pid);
            count += start != PROCESS_DEAD && process_kill((pid_t)pid, start);
        }
    }
    return count;
}

struct below {
    int fd, depth;
    unsigned count;
};

static bool kill_child(void *data, const char *name, unsigned char type)
{
    struct below *b = data;
    if (type != DT_DIR)
        return true;
    int fd = openat(b->fd, name, FOLDER);
    if (fd < 0)
        return true;
    b->count += kill_below(fd, b->depth + 1);
    close(fd);
    return true;
}

static unsigned kill_below(int fd, int depth)
{
    struct below b = {.fd = fd, .depth = depth};
    if (depth > DEPTH_MAX)
        return 1;
    b.count = kill_procs(fd);
    if (!folder_walk(fd, kill_child, &b))
        b.count++;
    return b.count;
}

/* v1: nothing in it can fork or end while frozen, but it has to be thawed to die. */
static bool kill_v1(int fd)
{
    if (faccessat(fd, "cgroup.procs", F_OK, 0) != 0)
        return false; /* no cgroup at all: what it was meant to hold is elsewhere */
    bool freezer = file_write(fd, "freezer.state", "FROZEN") == 0;
    unsigned count = kill_below(fd, 0);
    if (freezer)
        file_write(fd, "freezer.state", "THAWED");
    return count == 0;
}

static bool is_populated(int fd)
{
    char events[256];
    if (file_read(fd, "cgroup.events", events, sizeof events) < 0)
        return errno != ENOENT && errno != ENODEV;
    return !strstr(events, "populated 0");
}

static bool kill_folder(int fd)
{
    if (faccessat(fd, "cgroup.kill", F_OK, 0) != 0)
        return kill_v1(fd);
    if (!is_populated(fd))
        return true;
    file_write(fd, "cgroup.kill", "1");
    return false;
}

bool cgroup_kill(const char *path)
{
    int fd = open(path, FOLDER);
    if (fd < 0)
        return errno == ENOENT || errno == ENODEV;
    bool gone = kill_folder(fd);
    close(fd);
    return gone;
}

/* -- Removing ------------------------------------------------------------------ */

static bool remove_tree(int parent, const char *name, int depth);

static bool remove_child(void *data, const char *name, unsigned char type)
{
    struct below *b = data;
    if (type == DT_DIR && !remove_tree(b->fd, name, b->depth + 1))
        b->count++;
    return true;
}

/* Deepest first. Removing while reading a folder may skip names; the next attempt finds them. */
static bool remove_tree(int parent, const char *name, int depth)
{
    struct below b = {.depth = depth};
    if (unlinkat(parent, name, AT_REMOVEDIR) == 0 || errno == ENOENT)
        return true;
    if (depth > DEPTH_MAX || (b.fd = openat(parent, name, FOLDER)) < 0)
        return false;
    folder_walk(b.fd, remove_child, &b);
    close(b.fd);
    return unlinkat(parent, name, AT_REMOVEDIR) == 0;
}

/* Who joins between the kill and the removal is frozen, or found by the next attempt. */
static bool end_epoch(int parent, const char *name)
{
    if (unlinkat(parent, name, AT_REMOVEDIR) == 0 || errno == ENOENT)
        return true;
    int fd = openat(parent, name, FOLDER);
    if (fd < 0)
        return false;
    file_write(fd, "cgroup.freeze", "1");
    kill_folder(fd);
    close(fd);
    return remove_tree(parent, name, 0);
}

struct ending {
    int fd;
    const char *keep;
    unsigned left;
};

static bool end_one(void *data, const char *name, unsigned char type)
{
    struct ending *e = data;
    if (type == DT_DIR && name[0] == 'e' && strcmp(name, e->keep) != 0 && !end_epoch(e->fd, name))
        e->left++;
    return true;
}

unsigned cgroups_end(const struct cgroups *c, const char *keep)
{
    /* A description of its own: two may walk the folder at once. */
    struct ending e = {.keep = keep};
    if (c->fd < 0)
        return 0;
    e.fd = openat(c->fd, ".", FOLDER);
    if (e.fd < 0)
        return 1;
    if (!folder_walk(e.fd, end_one, &e))
        e.left++;
    close(e.fd);
    return e.left;
}

/* -- The guardian's folder ----------------------------------------------------- */

void cgroups_name(struct epoch epoch, char ret[CGROUP_NAME_MAX])
{
    snprintf(ret, CGROUP_NAME_MAX, "e%" PRIu64 "-%" PRIu64, epoch.generation, epoch.epoch);
}

int cgroups_make(const struct cgroups *c, const char *name)
{
    return mkdirat(c->fd, name, 0755);
}

static uint32_t holds_what(int fd)
{
    if (faccessat(fd, "cgroup.kill", F_OK, 0) == 0)
        return GUARD_HOLDS_CGROUP2;
    return faccessat(fd, "freezer.state", F_OK, 0) == 0 ? GUARD_HOLDS_FREEZER : 0;
}

/* 1: it is ours; 0: not possible there, errno says why; -1: another guardian's. */
static int try_parent(struct cgroups *ret, const char *parent, const char *group, uint32_t key)
{
    char path[GUARD_PATH_MAX + 1 - CGROUP_NAME_MAX];
    int len = snprintf(path, sizeof path, "%s/harmony-%s-%08" PRIx32, parent, group, key);
    errno = ENAMETOOLONG;
    if (len < 0 || (size_t)len >= sizeof path || (mkdir(path, 0755) < 0 && errno != EEXIST))
        return 0;
    int fd = open(path, FOLDER);
    if (fd < 0)
        return 0;
    if (flock(fd, LOCK_EX | LOCK_NB) < 0) {
        close(fd);
        return -1;
    }
    *ret = (struct cgroups){.fd = fd, .holds = holds_what(fd)};
    memcpy(ret->path, path, (size_t)len + 1);
    if (ret->holds)
        return 1;
    cgroups_close(ret);
    errno = EOPNOTSUPP;
    return 0;
}

int cgroups_open(struct cgroups *ret, const char *parent, const char *group, uint32_t key,
                 char why[GUARD_PATH_MAX + 1])
{
    char found[GUARD_PATH_MAX + 1];
    static const char *const kinds[] = {CGROUP_V2, CGROUP_V1_FREEZER};
    *ret = (struct cgroups){.fd = -1};
    snprintf(why, GUARD_PATH_MAX + 1, "there is neither cgroup v2 nor the freezer of v1 here");
    for (unsigned i = 0; i < (parent ? 1 : sizeof kinds / sizeof *kinds); i++) {
        if (!parent && !cgroup_find_own(kinds[i], found))
            continue;
        const char *here = parent ? parent : found;
        int r = try_parent(ret, here, group, key);
        if (r == 1)
            return 0;
        snprintf(why, GUARD_PATH_MAX + 1,
                 r < 0 ? "another guardian has its cgroup in %.150s"
                       : "no cgroup can be made in %.150s: %s",
                 here, strerror(errno));
        if (r < 0)
            return -1;
    }
    return 0;
}

void cgroups_close(struct cgroups *c)
{
    if (c->fd < 0)
        return;
    rmdir(c->path);
    close(c->fd);
    c->fd = -1;
    c->holds = 0;
    c->path[0] = '\0';
}
