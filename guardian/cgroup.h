/*
 * Cgroups: the guardian's own folder with one cgroup for each epoch, and ending all that runs in one.
 *
 * v2 with cgroup.kill where the host has it: frozen first, so that who joins late does not run, then
 * killed. v1: the freezer and signals. Ending is one attempt that does not wait; it is repeated until it
 * returns true. No allocation. Thread: any, but a folder is ended by one at a time.
 */
#ifndef HM_GUARDIAN_CGROUP_H
#define HM_GUARDIAN_CGROUP_H

#include <stdbool.h>
#include <stdint.h>

#include "guardian/lease.h"

enum { CGROUP_NAME_MAX = 48 };

/* The guardian's folder: <parent>/harmony-<group>-<hash>. */
struct cgroups {
    int fd;         /* of the folder, locked; -1: this host has none for us */
    uint32_t holds; /* GUARD_HOLDS_*, or 0 */
    char path[GUARD_PATH_MAX + 1];
};

/*
 * Make or find it under `parent`, or, if that is NULL, under the guardian's own cgroup of v2, else of
 * the v1 freezer. `key` tells guardians of one host apart. 0: done, or there is none, and `why` says why
 * not. -1: another guardian has it.
 */
int cgroups_open(struct cgroups *ret, const char *parent, const char *group, uint32_t key,
                 char why[GUARD_PATH_MAX + 1]);
/* Remove it if it is empty. */
void cgroups_close(struct cgroups *c);

void cgroups_name(struct epoch epoch, char ret[CGROUP_NAME_MAX]); /* "e1-12" */
/* The cgroup of an epoch. 0, or -1 with errno. */
int cgroups_make(const struct cgroups *c, const char *name);
/* Kill and remove every epoch's cgroup but `keep` ("" : all). Returns how many are still there. */
unsigned cgroups_end(const struct cgroups *c, const char *keep);

/* Kill everything in the cgroup at `path` and below; the folder stays. True: nothing runs there. */
bool cgroup_kill(const char *path);
#endif
