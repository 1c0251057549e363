#include "guardian/cgroup_find.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "guardian/procfs.h"

struct mount {
    char root[GUARD_PATH_MAX + 1], point[GUARD_PATH_MAX + 1];
};

static bool has_option(const char *options, const char *wanted)
{
    size_t len = strlen(wanted);
    for (const char *at = options; at; at = strchr(at, ','), at = at ? at + 1 : NULL)
        if (!strncmp(at, wanted, len) && (at[len] == ',' || at[len] == '\0' || at[len] == '\n'))
            return true;
    return false;
}

/* A line of mountinfo: id parent dev ROOT POINT options [optional...] - TYPE source SUPER. */
static bool is_mount(const char *line, const char *kind, struct mount *ret)
{
    char copy[1024], type[32], super[256];
    size_t len = strcspn(line, "\n");
    if (len >= sizeof copy)
        return false;
    memcpy(copy, line, len);
    copy[len] = '\0';
    const char *dash = strstr(copy, " - ");
    if (!dash || sscanf(dash, " - %31s %*s %255s", type, super) != 2 ||
        sscanf(copy, "%*s %*s %*s %255s %255s", ret->root, ret->point) != 2)
        return false;
    if (!strcmp(kind, CGROUP_V2))
        return !strcmp(type, CGROUP_V2);
    return !strcmp(type, "cgroup") && has_option(super, kind);
}

static const char *next_line(const char *line)
{
    const char *end = strchr(line, '\n');
    return end && end[1] ? end + 1 : NULL;
}

/* A line of /proc/self/cgroup: "0::/path", or "6:freezer,other:/path". */
static bool is_own(const char *line, const char *kind, char ret[GUARD_PATH_MAX + 1])
{
    char controllers[128] = "";
    const char *second = strchr(line, ':');
    const char *third = second ? strchr(second + 1, ':') : NULL;
    if (!third || (size_t)(third - second) > sizeof controllers)
        return false;
    memcpy(controllers, second + 1, (size_t)(third - second - 1));
    bool same = !strcmp(kind, CGROUP_V2) ? !*controllers : has_option(controllers, kind);
    size_t len = strcspn(third + 1, "\n");
    if (!same || len > GUARD_PATH_MAX)
        return false;
    memcpy(ret, third + 1, len);
    ret[len] = '\0';
    return true;
}

/* The mount may show a part of the hierarchy only. */
static bool join(const struct mount *m, const char *own, char ret[GUARD_PATH_MAX + 1])
{
    const char *below = own;
    size_t root = strlen(m->root);
    if (root > 1) {
        if (strncmp(own, m->root, root) != 0 || (own[root] && own[root] != '/'))
            return false;
        below = own + root;
    }
    if (!strcmp(below, "/"))
        below = "";
    int len = snprintf(ret, GUARD_PATH_MAX + 1, "%s%s", m->point, below);
    return len > 0 && len <= GUARD_PATH_MAX;
}

bool cgroup_find_in(const char *mountinfo, const char *cgroup, const char *kind,
                    char ret[GUARD_PATH_MAX + 1])
{
    char own[GUARD_PATH_MAX + 1];
    const char *line = cgroup;
    while (line && !is_own(line, kind, own))
        line = next_line(line);
    if (!line)
        return false;
    for (line = mountinfo; line; line = next_line(line)) {
        struct mount m;
        if (is_mount(line, kind, &m) && join(&m, own, ret))
            return true;
    }
    return false;
}

/* The files are read once for both kinds: mountinfo can be long. */
static _Thread_local char mountinfo[65536], cgroup[4096];

static bool read_files(void)
{
    return file_read(AT_FDCWD, "/proc/self/mountinfo", mountinfo, sizeof mountinfo) > 0 &&
           file_read(AT_FDCWD, "/proc/self/cgroup", cgroup, sizeof cgroup) > 0;
}

bool cgroup_find_own(const char *kind, char ret[GUARD_PATH_MAX + 1])
{
    return read_files() && cgroup_find_in(mountinfo, cgroup, kind, ret);
}

void cgroup_own_find(struct cgroup_own *ret)
{
    *ret = (struct cgroup_own){.v2 = ""};
    if (!read_files())
        return;
    if (!cgroup_find_in(mountinfo, cgroup, CGROUP_V2, ret->v2))
        ret->v2[0] = '\0';
    if (!cgroup_find_in(mountinfo, cgroup, CGROUP_V1_FREEZER, ret->v1))
        ret->v1[0] = '\0';
}

bool cgroup_is_own(const struct cgroup_own *own, const char *path)
{
    return (*own->v2 && cgroup_is_above(path, own->v2)) ||
           (*own->v1 && cgroup_is_above(path, own->v1));
}

bool cgroup_is_above(const char *path, const char *own)
{
    size_t len = strlen(path);
    while (len > 1 && path[len - 1] == '/')
        len--;
    return !strncmp(path, own, len) && (own[len] == '\0' || own[len] == '/');
}
