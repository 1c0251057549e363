#include "netalloc/host.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"

#define IP_FORWARD  "/proc/sys/net/ipv4/ip_forward"
#define LINKS6      "/proc/sys/net/ipv6/conf"
#define IP6_FORWARD LINKS6 "/all/forwarding"

/* The first letter of what it says; 0: it can't be read. */
static char read_switch(const char *path)
{
    char value = 0;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return 0;
    if (read(fd, &value, 1) != 1)
        value = 0;
    close(fd);
    return value;
}

/* False: errno says why. */
static bool write_switch(const char *path, char value)
{
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    bool done = fd >= 0 && write(fd, &value, 1) == 1;
    int why = errno;
    if (fd >= 0)
        close(fd);
    errno = why;
    return done;
}

static bool is_on(const char *path)
{
    char value = read_switch(path);
    return value && value != '0';
}

bool host_forwards(void)
{
    return is_on(IP_FORWARD);
}

bool host_forwards6(void)
{
    return is_on(IP6_FORWARD);
}

int host_let_forward(struct hm_error *err)
{
    if (host_forwards() || write_switch(IP_FORWARD, '1'))
        return 0;
    return hm_fail(err, HM_E_UNSUPPORTED,
                   "this host does not forward packets and may not be told to (%s: %s); set "
                   "net.ipv4.ip_forward=1",
                   IP_FORWARD, strerror(errno));
}

/* -- IPv6 -------------------------------------------------------------------------------------- */

static int keep_routes_of(const char *link, struct hm_error *err)
{
    HM_AUTOFREE char *path = hm_printf(LINKS6 "/%s/accept_ra", link);
    if (!strcmp(link, "all") || read_switch(path) != '1' || write_switch(path, '2') ||
        errno == ENOENT) /* a link that is gone has no routes */
        return 0;
    return hm_fail(
        err, HM_E_UNSUPPORTED,
        "this host would lose the IPv6 routes that routers told it on %s if it forwarded "
        "(%s: %s); set accept_ra=2 there, or take subnet6 out of the network",
        link, path, strerror(errno));
}

/* Links that come later have what `default` says. A host without IPv6 has none, and says so when it is to forward. */
static int keep_routes(struct hm_error *err)
{
    DIR *links = opendir(LINKS6);
    int r = 0;
    for (const struct dirent *e; links && r >= 0 && (e = readdir(links));)
        if (e->d_name[0] != '.')
            r = keep_routes_of(e->d_name, err);
    if (links)
        closedir(links);
    return r;
}

int host_let_forward6(struct hm_error *err)
{
    if (host_forwards6())
        return 0;
    int r = keep_routes(err); /* before: those that it had from routers would go */
    if (r < 0)
        return r;
    if (write_switch(IP6_FORWARD, '1'))
        return 0;
    return hm_fail(err, HM_E_UNSUPPORTED,
                   "this host does not forward IPv6 and may not be told to (%s: %s); set "
                   "net.ipv6.conf.all.forwarding=1, or take subnet6 out of the network",
                   IP6_FORWARD, strerror(errno));
}

int host_prepare_bridge6(const char *bridge, struct hm_error *err)
{
    static const char *const off[] = {"accept_ra", "autoconf", "disable_ipv6"};
    for (size_t i = 0; i < HM_COUNT(off); i++) {
        HM_AUTOFREE char *path = hm_printf(LINKS6 "/%s/%s", bridge, off[i]);
        if (read_switch(path) != '0' && !write_switch(path, '0'))
            return hm_fail(err, HM_E_UNSUPPORTED, "IPv6 on %s: %s: %s", bridge, path,
                           strerror(errno));
    }
    return 0;
}
