/* Cards: real TAP devices. One that is there is used and stays; one that is not is made, and goes
 * with the last of its descriptors. */
#include "fake_vmm.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

static struct answer cannot_open(const char *what, const char *why)
{
    struct answer answer = refuse(500, "Open tap device failed", what, why, NULL);
    answer = within("Failed to open taps", answer);
    answer = within("Cannot create virtio-net device", answer);
    return within("Error from device manager", answer);
}

static struct answer open_queue(struct ifreq *request, int *ret)
{
    int fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0)
        return cannot_open("Couldn't open /dev/net/tun", os_error(errno));
    if (ioctl(fd, TUNSETIFF, request)) {
        struct answer answer = cannot_open("Unable to configure tap interface", os_error(errno));
        close(fd);
        return answer;
    }
    *ret = fd;
    return FINE;
}

static void set_address(int sock, struct ifreq *request, unsigned long what, const char *address)
{
    struct sockaddr_in *in = (struct sockaddr_in *)&request->ifr_addr;
    *in = (struct sockaddr_in){.sin_family = AF_INET};
    if (address && inet_pton(AF_INET, address, &in->sin_addr) == 1)
        ioctl(sock, what, request);
}

static void configure(const char *name, const json_t *config, bool existed)
{
    int sock = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    struct ifreq request = {0};
    snprintf(request.ifr_name, IFNAMSIZ, "%s", name);
    if (!existed) {
        set_address(sock, &request, SIOCSIFADDR, text(config, "ip"));
        set_address(sock, &request, SIOCSIFNETMASK,
                    text(config, "ip") ? text(config, "mask") : NULL);
    }
    if (number(config, "mtu")) {
        request.ifr_mtu = (int)number(config, "mtu");
        ioctl(sock, SIOCSIFMTU, &request);
    }
    ioctl(sock, SIOCGIFFLAGS, &request);
    request.ifr_flags |= IFF_UP | IFF_RUNNING;
    ioctl(sock, SIOCSIFFLAGS, &request);
    close(sock);
}

static void note_mac(json_t *config, const char *name)
{
    int sock = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    struct ifreq request = {0};
    snprintf(request.ifr_name, IFNAMSIZ, "%s", name);
    ioctl(sock, SIOCGIFHWADDR, &request);
    close(sock);
    const unsigned char *mac = (const unsigned char *)request.ifr_hwaddr.sa_data;
    json_object_set_new(config, "host_mac",
                        json_sprintf("%02x:%02x:%02x:%02x:%02x:%02x", mac[0], mac[1], mac[2],
                                     mac[3], mac[4], mac[5]));
}

struct answer open_tap(json_t *config, struct device *device)
{
    const char *name = text(config, "tap");
    size_t queues = number(config, "num_queues") / 2;
    if (name && strlen(name) >= IFNAMSIZ) {
        char what[200];
        snprintf(what, sizeof(what), "Interface name too long (max length is 15): %.100s", name);
        return cannot_open(what, NULL);
    }
    bool existed = name && if_nametoindex(name);
    struct ifreq request = {0};
    snprintf(request.ifr_name, IFNAMSIZ, "%s", name ? name : "vmtap%d");
    request.ifr_flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR;
    if (queues > 1)
        request.ifr_flags |= IFF_MULTI_QUEUE;
    short flags = request.ifr_flags;
    while (device->fd_count < queues && device->fd_count < 16) {
        request.ifr_flags = flags;
        struct answer answer = open_queue(&request, &device->fds[device->fd_count]);
        if (refuses(answer)) {
            while (device->fd_count)
                close(device->fds[--device->fd_count]);
            return answer;
        }
        device->fd_count++;
    }
    configure(request.ifr_name, config, existed);
    json_object_set_new(config, "tap", json_string(request.ifr_name));
    if (!text(config, "host_mac"))
        note_mac(config, request.ifr_name);
    return FINE;
}
