#include "netalloc/host.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#define IP_FORWARD "/proc/sys/net/ipv4/ip_forward"

bool host_forwards(void)
{
    char value = '0';
    int fd = open(IP_FORWARD, O_RDONLY | O_CLOEXEC);
    bool forwards = fd >= 0 && read(fd, &value, 1) == 1 && value != '0';
    if (fd >= 0)
        close(fd);
    return forwards;
}

int host_let_forward(struct hm_error *err)
{
    if (host_forwards())
        return 0;
    int fd = open(IP_FORWARD, O_WRONLY | O_CLOEXEC);
    bool done = fd >= 0 && write(fd, "1", 1) == 1;
    int why = errno;
    if (fd >= 0)
        close(fd);
    if (done)
        return 0;
    return hm_fail(err, HM_E_UNSUPPORTED,
                   "this host does not forward packets and may not be told to (%s: %s); set "
                   "net.ipv4.ip_forward=1",
                   IP_FORWARD, strerror(why));
}
