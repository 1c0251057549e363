/*
 * For LD_PRELOAD: a qemu-img or QEMU whose disk fails, or that is killed in the middle of a write.
 *
 * In qemu-img the calls that write to an image or sync it are counted from 1. At the HARMONY_TEST_WRITE_AT-th
 * it dies of SIGKILL, or, with HARMONY_TEST_WRITE_ERROR set, that call and all later ones fail with EIO. In QEMU,
 * to which libvirtd passes LD_PRELOAD and no variable of ours, they and those that read fail as long as
 * DISK_FAILS is there. All other programs are left alone.
 */
#include <dlfcn.h>
#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

/* A folder that each site has for itself (tests/lib/sites.py). */
#define DISK_FAILS "/run/libvirt/disk-fails"

static atomic_long count;

static bool runs(const char *program)
{
    return !strncmp(program_invocation_short_name, program, strlen(program));
}

static bool is_file(int fd)
{
    struct stat st;
    return fstat(fd, &st) == 0 && S_ISREG(st.st_mode);
}

/* Whether the call fails. */
static bool meets_fault(int fd, bool writes)
{
    const char *at = getenv("HARMONY_TEST_WRITE_AT");
    if (runs("qemu-system-"))
        return access(DISK_FAILS, F_OK) == 0 && is_file(fd);
    if (!runs("qemu-img") || !at || !writes || !is_file(fd))
        return false;
    long now = atomic_fetch_add(&count, 1) + 1;
    if (getenv("HARMONY_TEST_WRITE_ERROR"))
        return now >= atol(at);
    if (now == atol(at))
        raise(SIGKILL);
    return false;
}

static void *next(const char *name)
{
    void *function = dlsym(RTLD_NEXT, name);
    if (!function)
        abort();
    return function;
}

#define WRAP(type, name, writes, parameters, arguments)                                            \
    type name parameters;                                                                          \
    type name parameters                                                                           \
    {                                                                                              \
        type(*real) parameters;                                                                    \
        *(void **)&real = next(#name);                                                             \
        if (!meets_fault(fd, writes))                                                              \
            return real arguments;                                                                 \
        errno = EIO;                                                                               \
        return -1;                                                                                 \
    }

WRAP(ssize_t, pwrite64, true, (int fd, const void *data, size_t len, off64_t at),
     (fd, data, len, at))
WRAP(ssize_t, pwritev64, true, (int fd, const struct iovec *data, int parts, off64_t at),
     (fd, data, parts, at))
WRAP(int, fdatasync, true, (int fd), (fd))
WRAP(int, fsync, true, (int fd), (fd))
WRAP(int, ftruncate64, true, (int fd, off64_t len), (fd, len))
WRAP(int, fallocate64, true, (int fd, int mode, off64_t at, off64_t len), (fd, mode, at, len))
WRAP(ssize_t, pread64, false, (int fd, void *data, size_t len, off64_t at), (fd, data, len, at))
WRAP(ssize_t, preadv64, false, (int fd, const struct iovec *data, int parts, off64_t at),
     (fd, data, parts, at))
