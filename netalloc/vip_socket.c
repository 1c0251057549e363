#include "netalloc/vip_socket.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

/* -- The interface ------------------------------------------------------------------- */

static bool ask(int fd, unsigned long what, const char *name, struct ifreq *r)
{
    *r = (struct ifreq){0};
    snprintf(r->ifr_name, sizeof r->ifr_name, "%s", name);
    return ioctl(fd, what, r) == 0;
}

static bool look(int fd, const char *name, struct vip_link *ret)
{
    struct ifreq index, flags, hardware;
    if (!ask(fd, SIOCGIFINDEX, name, &index) || !ask(fd, SIOCGIFFLAGS, name, &flags) ||
        !ask(fd, SIOCGIFHWADDR, name, &hardware))
        return false;
    unsigned f = (unsigned short)flags.ifr_flags;
    *ret = (struct vip_link){.index = index.ifr_ifindex,
                             .is_up = f & IFF_UP,
                             .has_carrier = f & IFF_RUNNING,
                             .speaks =
                                 hardware.ifr_hwaddr.sa_family == ARPHRD_ETHER && !(f & IFF_NOARP)};
    memcpy(ret->mac, hardware.ifr_hwaddr.sa_data, sizeof ret->mac);
    return true;
}

int vip_link_look(const char *name, struct vip_link *ret, struct hm_error *err)
{
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return hm_fail(err, HM_E_IO, "look at the interface %s: %s", name, strerror(errno));
    bool is_there = look(fd, name, ret);
    int why = errno;
    close(fd);
    if (is_there)
        return 0;
    return hm_fail(err, why == ENODEV ? HM_E_NOT_FOUND : HM_E_IO, "the interface %s: %s", name,
                   why == ENODEV ? "there is none of this name" : strerror(why));
}

/* -- The socket ---------------------------------------------------------------------- */

static uint16_t protocol_of(const struct vip_address *a)
{
    return htons(a->is_v6 ? ETHERTYPE_IPV6 : ETHERTYPE_ARP);
}

/* Nothing comes before the sieve is in place: a socket without a protocol hears nothing. */
static bool prepare(int fd, const struct vip_link *link, const struct vip_address *a)
{
    struct sock_filter instructions[VIP_FILTER_MAX];
    struct sock_fprog filter = {.len = vip_frame_filter(a, instructions), .filter = instructions};
    struct sockaddr_ll at = {
        .sll_family = AF_PACKET, .sll_protocol = protocol_of(a), .sll_ifindex = link->index};
    return setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &filter, sizeof filter) == 0 &&
           bind(fd, (const struct sockaddr *)&at, sizeof at) == 0;
}

int vip_socket_open(const struct vip_link *link, const struct vip_address *a, struct hm_error *err)
{
    int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd >= 0 && prepare(fd, link, a))
        return fd;
    int why = errno;
    if (fd >= 0)
        close(fd);
    return hm_fail(err, why == EPERM || why == EAFNOSUPPORT ? HM_E_UNSUPPORTED : HM_E_IO,
                   "open a packet socket: %s", strerror(why));
}

/* Does this host forward? Only then is it a router to its neighbours. */
static bool is_router(const char *name)
{
    char path[64 + IF_NAMESIZE], value = '0';
    snprintf(path, sizeof path, "/proc/sys/net/ipv6/conf/%.*s/forwarding", IF_NAMESIZE - 1, name);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return false;
    bool is_read = read(fd, &value, 1) == 1;
    close(fd);
    return is_read && value != '0';
}

int vip_socket_announce(int fd, const struct vip_link *link, const char *name,
                        const struct vip_address *a, struct hm_error *err)
{
    uint8_t frame[VIP_FRAME_MAX];
    size_t len = vip_frame_announcement(a, link->mac, a->is_v6 && is_router(name), frame);
    if (send(fd, frame, len, MSG_DONTWAIT | MSG_NOSIGNAL) == (ssize_t)len)
        return 0;
    return hm_fail(err, HM_E_IO, "announce an address on %s: %s", name, strerror(errno));
}

/* What was sent to us, or to all: not what others say to each other, nor what we said. */
static bool is_for_us(const struct sockaddr_ll *from)
{
    return from->sll_pkttype == PACKET_HOST || from->sll_pkttype == PACKET_BROADCAST ||
           from->sll_pkttype == PACKET_MULTICAST;
}

bool vip_socket_hear(int fd, const struct vip_link *link, const struct vip_address *a,
                     unsigned *budget, struct vip_claim *ret)
{
    uint8_t frame[VIP_FRAME_READ_MAX];
    while (*budget > 0) {
        struct sockaddr_ll from = {0};
        socklen_t size = sizeof from;
        ssize_t n =
            recvfrom(fd, frame, sizeof frame, MSG_DONTWAIT, (struct sockaddr *)&from, &size);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return false;
        --*budget;
        if (is_for_us(&from) && vip_frame_claim(frame, (size_t)n, a, link->mac, ret))
            return true;
    }
    return false;
}
