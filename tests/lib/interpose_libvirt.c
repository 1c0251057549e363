/*
 * For LD_PRELOAD: ends the process with SIGKILL at the k-th step of libvirt calls that change something.
 *
 * Each such call has two steps, just before and just after it. HARMONY_TEST_KILL_AT=k kills at step k
 * (counted from 1, over all threads); 0 or unset never does. HARMONY_TEST_KILL_LOG=file gets one line per
 * step, "k before|after NAME", written before the process is killed: the last line of a run without a
 * kill tells how many steps there are.
 *
 * So has each qemu-img that changes an image: just before it would begin, and when it has begun and goes on
 * although the process that started it is gone.
 */
#include <dlfcn.h>
#include <fcntl.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <libvirt/libvirt-qemu.h>
#include <libvirt/libvirt.h>

static atomic_long *steps; /* shared with the children */

__attribute__((constructor)) static void share_steps(void)
{
    steps = mmap(NULL, sizeof *steps, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (steps == MAP_FAILED)
        abort();
}

static void write_log(long step, const char *side, const char *name)
{
    const char *path = getenv("HARMONY_TEST_KILL_LOG");
    int fd = path ? open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600) : -1;
    if (fd < 0)
        return;
    char line[128];
    int len = snprintf(line, sizeof line, "%ld %s %s\n", step, side, name);
    if (write(fd, line, (size_t)len) != len)
        abort();
    close(fd);
}

static bool step_is_the_one(const char *side, const char *name)
{
    const char *wanted = getenv("HARMONY_TEST_KILL_AT");
    long now = atomic_fetch_add(steps, 1) + 1;
    write_log(now, side, name);
    return wanted && now == atol(wanted);
}

static void step(const char *side, const char *name)
{
    if (step_is_the_one(side, name))
        raise(SIGKILL);
}

static void *next(const char *name)
{
    void *function = dlsym(RTLD_NEXT, name);
    if (!function)
        abort();
    return function;
}

/* The library's header promises these functions; -Wmissing-prototypes is satisfied by it. */
#define WRAP(type, name, parameters, arguments)                                                    \
    type name parameters                                                                           \
    {                                                                                              \
        type(*real) parameters;                                                                    \
        *(void **)&real = next(#name);                                                             \
        step("before", #name);                                                                     \
        type result = real arguments;                                                              \
        step("after", #name);                                                                      \
        return result;                                                                             \
    }

WRAP(virDomainPtr, virDomainDefineXMLFlags, (virConnectPtr c, const char *xml, unsigned f),
     (c, xml, f))
WRAP(int, virDomainCreateWithFlags, (virDomainPtr d, unsigned f), (d, f))
WRAP(int, virDomainCreate, (virDomainPtr d), (d))
WRAP(int, virDomainShutdownFlags, (virDomainPtr d, unsigned f), (d, f))
WRAP(int, virDomainDestroyFlags, (virDomainPtr d, unsigned f), (d, f))
WRAP(int, virDomainUndefineFlags, (virDomainPtr d, unsigned f), (d, f))
WRAP(int, virDomainResume, (virDomainPtr d), (d))
WRAP(int, virDomainSuspend, (virDomainPtr d), (d))
WRAP(int, virDomainReboot, (virDomainPtr d, unsigned f), (d, f))
WRAP(int, virDomainReset, (virDomainPtr d, unsigned f), (d, f))
WRAP(int, virDomainSetVcpusFlags, (virDomainPtr d, unsigned n, unsigned f), (d, n, f))
WRAP(int, virDomainSetMemoryFlags, (virDomainPtr d, unsigned long n, unsigned f), (d, n, f))
WRAP(int, virDomainAttachDeviceFlags, (virDomainPtr d, const char *xml, unsigned f), (d, xml, f))
WRAP(int, virDomainDetachDeviceAlias, (virDomainPtr d, const char *alias, unsigned f),
     (d, alias, f))
WRAP(int, virDomainSetAutostart, (virDomainPtr d, int on), (d, on))
WRAP(int, virDomainSetMetadata,
     (virDomainPtr d, int t, const char *m, const char *k, const char *u, unsigned f),
     (d, t, m, k, u, f))
WRAP(virNetworkPtr, virNetworkDefineXML, (virConnectPtr c, const char *xml), (c, xml))
WRAP(virNetworkPtr, virNetworkDefineXMLFlags, (virConnectPtr c, const char *xml, unsigned f),
     (c, xml, f))
WRAP(int, virNetworkUpdate,
     (virNetworkPtr n, unsigned command, unsigned section, int parent, const char *xml, unsigned f),
     (n, command, section, parent, xml, f))
WRAP(int, virNetworkCreate, (virNetworkPtr n), (n))
WRAP(int, virNetworkSetAutostart, (virNetworkPtr n, int on), (n, on))
WRAP(int, virNetworkDestroy, (virNetworkPtr n), (n))
WRAP(int, virNetworkUndefine, (virNetworkPtr n), (n))
WRAP(virStoragePoolPtr, virStoragePoolDefineXML, (virConnectPtr c, const char *xml, unsigned f),
     (c, xml, f))
WRAP(int, virStoragePoolBuild, (virStoragePoolPtr p, unsigned f), (p, f))
WRAP(int, virStoragePoolCreate, (virStoragePoolPtr p, unsigned f), (p, f))
WRAP(int, virStoragePoolSetAutostart, (virStoragePoolPtr p, int on), (p, on))
WRAP(int, virStoragePoolRefresh, (virStoragePoolPtr p, unsigned f), (p, f))
WRAP(virStorageVolPtr, virStorageVolCreateXML, (virStoragePoolPtr p, const char *xml, unsigned f),
     (p, xml, f))
WRAP(int, virStorageVolDelete, (virStorageVolPtr v, unsigned f), (v, f))
WRAP(int, virStorageVolResize, (virStorageVolPtr v, unsigned long long n, unsigned f), (v, n, f))
WRAP(int, virDomainBlockResize, (virDomainPtr d, const char *t, unsigned long long n, unsigned f),
     (d, t, n, f))
WRAP(int, virDomainQemuMonitorCommand, (virDomainPtr d, const char *c, char **r, unsigned f),
     (d, c, r, f))

/* -- qemu-img, in the child that becomes it ------------------------------------------------------ */

static bool changes_an_image(char *const *argv)
{
    return !strcmp(argv[0], "qemu-img") && argv[1] &&
           (!strcmp(argv[1], "resize") || !strcmp(argv[1], "snapshot"));
}

int execvpe(const char *file, char *const *argv, char *const *envp)
{
    int (*real)(const char *, char *const *, char *const *);
    *(void **)&real = next("execvpe");
    if (!changes_an_image(argv))
        return real(file, argv, envp);
    if (step_is_the_one("before", argv[1])) {
        kill(getppid(), SIGKILL);
        _exit(0);
    }
    if (step_is_the_one("after", argv[1]))
        kill(getppid(), SIGKILL);
    return real(file, argv, envp);
}
