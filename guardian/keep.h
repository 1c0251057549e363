/*
 * What the guardian leaves for one that comes after it: the lock of its state folder, and the file
 * `guardian.plan` in it with the plan and the epochs. The file is there while there is something to end;
 * it is of no use after a reboot, and says of which boot it is. No allocation. Thread: the loop's.
 */
#ifndef HM_GUARDIAN_KEEP_H
#define HM_GUARDIAN_KEEP_H

#include "guardian/lease.h"
#include "guardian/message.h"

enum { BOOT_ID_MAX = 40 };

struct keep {
    int folder; /* the state folder */
    int lock;   /* `guardian.lock` in it, held while this is open */
    char boot[BOOT_ID_MAX];
};

/* What is kept beside the plan. */
struct kept {
    struct lease lease;
    char cgroup[GUARD_PATH_MAX + 1]; /* the guardian's folder of cgroups; "" */
};

enum keep_found {
    KEEP_NOTHING,
    KEEP_PLAN,    /* of a guardian that died in this boot */
    KEEP_DAMAGED, /* `ret` is untouched */
};

/* 0; -1 with errno: EWOULDBLOCK: another guardian has it. */
int keep_open(struct keep *k, const char *folder);
enum keep_found keep_read(const struct keep *k, struct kept *kept, union message *plan);
/* Atomically. 0, or -1 with errno: the old file is still there. */
int keep_write(const struct keep *k, const struct kept *kept, const struct guard_plan *plan);
void keep_remove(const struct keep *k);

#endif
