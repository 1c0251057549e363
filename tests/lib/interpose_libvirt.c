/*
 * For LD_PRELOAD: ends the process with SIGKILL at the k-th step of libvirt calls that change something.
 *
 * Each such call has two steps, just before and just after it. HARMONY_TEST_KILL_AT=k kills at step k
 * (counted from 1, over all threads); 0 or unset never does. HARMONY_TEST_KILL_LOG=file gets one line per
 * step, "k before|after NAME", written before the process is killed: the last line of a run without a
 * kill tells how many steps there are.
 */
#include <dlfcn.h>
#include <fcntl.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <libvirt/libvirt.h>

static atomic_long steps;

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

static void step(const char *side, const char *name)
{
    const char *wanted = getenv("HARMONY_TEST_KILL_AT");
    long now = atomic_fetch_add(&steps, 1) + 1;
    write_log(now, side, name);
    if (wanted && now == atol(wanted))
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
WRAP(int, virDomainSetAutostart, (virDomainPtr d, int on), (d, on))
WRAP(int, virDomainSetMetadata,
     (virDomainPtr d, int t, const char *m, const char *k, const char *u, unsigned f),
     (d, t, m, k, u, f))
WRAP(virNetworkPtr, virNetworkDefineXML, (virConnectPtr c, const char *xml), (c, xml))
WRAP(virNetworkPtr, virNetworkDefineXMLFlags, (virConnectPtr c, const char *xml, unsigned f),
     (c, xml, f))
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
