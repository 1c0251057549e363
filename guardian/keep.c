#include "guardian/keep.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include "guardian/procfs.h"

#define NAME     "guardian.plan"
#define NEW_NAME "guardian.plan.new"
#define LOCK     "guardian.lock"

enum { FILE_MAGIC = 0x4b647247, FILE_VERSION = 1 };

struct head {
    uint32_t magic, version;
    char boot[BOOT_ID_MAX];
    struct kept kept;
};

static void read_boot_id(char ret[BOOT_ID_MAX])
{
    if (file_read(AT_FDCWD, "/proc/sys/kernel/random/boot_id", ret, BOOT_ID_MAX) < 0)
        ret[0] = '\0'; /* equal to no other: see is_of_this_boot() */
    ret[strcspn(ret, "\n")] = '\0';
}

static int lock(int folder)
{
    int fd = openat(folder, LOCK, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0 || flock(fd, LOCK_EX | LOCK_NB) == 0)
        return fd;
    int saved = errno;
    close(fd);
    errno = saved;
    return -1;
}

int keep_open(struct keep *k, const char *folder)
{
    *k = (struct keep){.lock = -1};
    k->folder = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (k->folder < 0)
        return -1;
    k->lock = lock(k->folder);
    if (k->lock < 0) {
        int saved = errno;
        close(k->folder);
        errno = saved;
        return -1;
    }
    read_boot_id(k->boot);
    return 0;
}

/* A boot that can't be told apart is taken for the same: ending too much is the safe side. */
static bool is_of_this_boot(const struct keep *k, const struct head *head)
{
    return !k->boot[0] || !head->boot[0] || !strncmp(k->boot, head->boot, BOOT_ID_MAX);
}

/* A lease that none can have: what is planned is ended all the same, in the usual time. */
static void take_kept(const struct kept *from, struct kept *ret)
{
    unsigned char armed; /* damaged, it is neither of a bool's two values */
    memcpy(&armed, &from->lease.armed, sizeof armed);
    *ret = *from;
    ret->cgroup[GUARD_PATH_MAX] = '\0';
    if (armed > 1 || !lease_in_range(&from->lease.held)) {
        ret->lease.held = (struct guard_lease){0};
        ret->lease.armed = true;
    }
}

static enum keep_found read_from(const struct keep *k, int fd, struct kept *kept,
                                 union message *plan)
{
    struct head head;
    char why[PLAN_TEXT_MAX];
    struct iovec parts[] = {{&head, sizeof head}, {plan, sizeof *plan}};
    ssize_t n = readv(fd, parts, 2);
    if (n < (ssize_t)(sizeof head + sizeof plan->plan) || head.magic != FILE_MAGIC ||
        head.version != FILE_VERSION)
        return KEEP_DAMAGED;
    if (!is_of_this_boot(k, &head))
        return KEEP_NOTHING;
    if (plan->header.type != GUARD_PLAN || !plan_check(&plan->plan, (size_t)n - sizeof head, why))
        return KEEP_DAMAGED;
    take_kept(&head.kept, kept);
    return KEEP_PLAN;
}

enum keep_found keep_read(const struct keep *k, struct kept *kept, union message *plan)
{
    int fd = openat(k->folder, NAME, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0)
        return errno == ENOENT ? KEEP_NOTHING : KEEP_DAMAGED;
    enum keep_found found = read_from(k, fd, kept, plan);
    close(fd);
    return found;
}

static int write_to(const struct keep *k, int fd, const struct kept *kept,
                    const struct guard_plan *plan)
{
    struct head head = {.magic = FILE_MAGIC, .version = FILE_VERSION, .kept = *kept};
    memcpy(head.boot, k->boot, sizeof head.boot);
    struct iovec parts[] = {{&head, sizeof head}, {(void *)(uintptr_t)plan, plan->header.size}};
    ssize_t n = writev(fd, parts, 2), whole = (ssize_t)(sizeof head + plan->header.size);
    if (n >= 0 && n != whole)
        errno = ENOSPC;
    return n == whole ? 0 : -1;
}

/* Not synced: after a crash of the host there is nothing left to end. */
int keep_write(const struct keep *k, const struct kept *kept, const struct guard_plan *plan)
{
    int fd =
        openat(k->folder, NEW_NAME, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0)
        return -1;
    int r = write_to(k, fd, kept, plan);
    int saved = errno;
    close(fd);
    if (r == 0)
        return renameat(k->folder, NEW_NAME, k->folder, NAME);
    unlinkat(k->folder, NEW_NAME, 0);
    errno = saved;
    return -1;
}

void keep_remove(const struct keep *k)
{
    unlinkat(k->folder, NAME, 0);
}
