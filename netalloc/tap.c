#include "netalloc/tap.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <linux/if_tun.h>
#include <net/if.h>

static int fail(const char *name, const char *what, struct hm_error *err)
{
    if (errno == EBUSY)
        return hm_fail(err, HM_E_BUSY, "the TAP %s is open in a process", name);
    return hm_fail(err, HM_E_IO, "/dev/net/tun: %s %s: %s", what, name, strerror(errno));
}

int tap_create(const char *name, int *ret_fd, struct hm_error *err)
{
    struct ifreq request = {.ifr_flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR};
    int fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC);
    if (fd < 0)
        return hm_fail(err, HM_E_UNSUPPORTED, "/dev/net/tun: %s; TAPs need it: load the module tun",
                       strerror(errno));
    snprintf(request.ifr_name, sizeof request.ifr_name, "%s", name);
    if (ioctl(fd, TUNSETIFF, &request) < 0) {
        int r = fail(name, "open", err);
        close(fd);
        return r;
    }
    *ret_fd = fd;
    return 0;
}

int tap_keep(int fd, const char *name, struct hm_error *err)
{
    return ioctl(fd, TUNSETPERSIST, 1) < 0 ? fail(name, "keep", err) : 0;
}

int tap_delete(const char *name, struct hm_error *err)
{
    int fd;
    int r = tap_create(name, &fd, err); /* the one that is there is opened */
    if (r < 0)
        return r;
    if (ioctl(fd, TUNSETPERSIST, 0) < 0)
        r = fail(name, "drop", err);
    close(fd);
    return r;
}
