/*
 * Where the guardian's own cgroup is: /proc/self/mountinfo and /proc/self/cgroup. Pure but for reading
 * them. Thread: any.
 */
#ifndef HM_GUARDIAN_CGROUP_FIND_H
#define HM_GUARDIAN_CGROUP_FIND_H

#include <stdbool.h>

#include "guardian/protocol.h"

#define CGROUP_V2         "cgroup2"
#define CGROUP_V1_FREEZER "freezer"

/* The folder of this process's cgroup of a kind; false: it has none. */
bool cgroup_find_own(const char *kind, char ret[GUARD_PATH_MAX + 1]);

/* The same from the two files' text. */
bool cgroup_find_in(const char *mountinfo, const char *cgroup, const char *kind,
                    char ret[GUARD_PATH_MAX + 1]);

/* Every cgroup that the guardian itself is in: no part of a plan. Found anew for each plan and each look,
 * since it can be moved. */
struct cgroup_own {
    char v2[GUARD_PATH_MAX + 1], v1[GUARD_PATH_MAX + 1]; /* "": none */
};
void cgroup_own_find(struct cgroup_own *ret);
bool cgroup_is_own(const struct cgroup_own *own, const char *path);

/* Is `path` the folder `own`, or above it? */
bool cgroup_is_above(const char *path, const char *own);

#endif
