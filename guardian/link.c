#include "guardian/link.h"

#include <errno.h>
#include <linux/if_addr.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "guardian/link_answer.h"

enum { ANSWER_LIMIT_MS = 200 };

struct request {
    struct nlmsghdr header;
    union {
        struct ifinfomsg link;
        struct ifaddrmsg address;
    };
    char attributes[128];
};

union answer {
    struct nlmsghdr header;
    char bytes[16384];
};

static int netlink_open(void)
{
    struct timeval limit = {.tv_usec = ANSWER_LIMIT_MS * 1000};
    int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
    if (fd >= 0)
        setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    return fd;
}

static void add_attribute(struct request *r, unsigned short type, const void *data, size_t len)
{
    struct rtattr *a = (struct rtattr *)(void *)((char *)r + NLMSG_ALIGN(r->header.nlmsg_len));
    a->rta_type = type;
    a->rta_len = (unsigned short)RTA_LENGTH(len);
    memcpy(RTA_DATA(a), data, len);
    r->header.nlmsg_len = (unsigned)(NLMSG_ALIGN(r->header.nlmsg_len) + RTA_ALIGN(a->rta_len));
}

static struct request request(unsigned short type, unsigned short flags, size_t body)
{
    return (struct request){.header = {.nlmsg_len = (unsigned)NLMSG_LENGTH(body),
                                       .nlmsg_type = type,
                                       .nlmsg_flags = (unsigned short)(NLM_F_REQUEST | flags)}};
}

/* Returns 0, or -errno of the kernel or the socket. A socket of its own: an answer that came too late
 * belongs to nobody else. */
static int ask(struct request *r, link_visit visit, void *data)
{
    static _Thread_local union answer answer;
    struct sockaddr_nl kernel = {.nl_family = AF_NETLINK};
    bool dump = (r->header.nlmsg_flags & NLM_F_DUMP) == NLM_F_DUMP;
    int result = 1;
    int fd = netlink_open();
    if (fd < 0)
        return -errno;
    if (sendto(fd, r, r->header.nlmsg_len, 0, (struct sockaddr *)&kernel, sizeof kernel) < 0)
        result = -errno;
    while (result > 0) {
        ssize_t n = recv(fd, &answer, sizeof answer, MSG_TRUNC);
        if (n < 0 || (size_t)n > sizeof answer)
            result = n < 0 ? -errno : -EMSGSIZE;
        else
            result = link_answer(&answer, (size_t)n, dump, visit, data);
    }
    close(fd);
    return result;
}

/* -- Interfaces ---------------------------------------------------------------- */

/* 0; 1: there is none of that name; -1: not known. */
static int find_link(const char *name, struct link_interface *ret)
{
    struct request r = request(RTM_GETLINK, 0, sizeof r.link);
    *ret = (struct link_interface){0};
    add_attribute(&r, IFLA_IFNAME, name, strlen(name) + 1);
    int e = ask(&r, link_see_interface, ret);
    if (e == -ENODEV)
        return 1;
    return e == 0 && ret->index > 0 ? 0 : -1;
}

static void set_down(int index)
{
    struct request r = request(RTM_NEWLINK, NLM_F_ACK, sizeof r.link);
    r.link = (struct ifinfomsg){.ifi_index = index, .ifi_change = IFF_UP};
    ask(&r, NULL, NULL);
}

static bool cut_link(const char *name)
{
    struct link_interface i;
    int e = find_link(name, &i);
    if (e == 0 && (i.flags & IFF_UP)) {
        set_down(i.index);
        e = find_link(name, &i);
    }
    return e == 1 || (e == 0 && !(i.flags & IFF_UP));
}

/* -- Addresses ----------------------------------------------------------------- */

static void remove_address(int index, const struct plan_address *a)
{
    struct request r = request(RTM_DELADDR, NLM_F_ACK, sizeof r.address);
    r.address = (struct ifaddrmsg){.ifa_family = (unsigned char)a->family,
                                   .ifa_prefixlen = (unsigned char)a->prefix,
                                   .ifa_index = (unsigned)index};
    add_attribute(&r, IFA_LOCAL, a->bytes, plan_address_size(a));
    ask(&r, NULL, NULL);
}

/* 0: it is not there; 1: it is; -1: not known. */
static int find_address(int index, const struct plan_address *a)
{
    struct request r = request(RTM_GETADDR, NLM_F_DUMP, sizeof r.address);
    struct link_search s = {.address = a, .index = index};
    r.address.ifa_family = (unsigned char)a->family;
    return ask(&r, link_see_address, &s) == 0 ? s.found : -1;
}

static bool cut_address(const char *name, const char *text)
{
    struct link_interface i;
    struct plan_address a;
    int e = find_link(name, &i);
    if (e != 0 || !plan_address_parse(text, &a))
        return e == 1;
    remove_address(i.index, &a);
    return find_address(i.index, &a) == 0;
}

unsigned link_cut(const struct guard_plan *plan)
{
    struct plan_entry e;
    size_t at = 0;
    unsigned left = 0;
    while (plan_next(plan, &at, &e)) {
        if (e.type == GUARD_LINK)
            left += !cut_link(e.word[0]);
        else if (e.type == GUARD_ADDRESS)
            left += !cut_address(e.word[0], e.word[1]);
    }
    return left;
}

/* -- Virtual IPs --------------------------------------------------------------- */

/* False: it is not known what is there. */
static bool find_vips(struct link_vips *v)
{
    struct request r = request(RTM_GETADDR, NLM_F_DUMP, sizeof r.address);
    v->count = 0;
    return ask(&r, link_see_vip, v) == 0;
}

static bool names_a_vip(const struct guard_plan *plan)
{
    struct plan_entry e;
    size_t at = 0;
    return plan_next_of(plan, GUARD_VIP, &at, &e);
}

unsigned link_withdraw(const struct guard_plan *plan)
{
    struct link_vips v = {.plan = plan};
    if (!names_a_vip(plan))
        return 0;
    if (!find_vips(&v))
        return 1;
    if (v.count == 0)
        return 0;
    for (unsigned i = 0; i < v.count && i < LINK_VIPS_AT_ONCE; i++)
        remove_address(v.found[i].index, &v.found[i].address);
    return find_vips(&v) ? v.count : 1;
}
