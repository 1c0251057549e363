#include "netalloc/netlink.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <libmnl/libmnl.h>
#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <net/if.h>

#include "base/alloc.h"
#include "netalloc/host.h"
#include "netalloc/link_read.h"
#include "netalloc/rtnl.h"
#include "netalloc/tap.h"

struct netlink {
    struct rtnl *rtnl;
    int new_tap; /* the descriptor that holds a TAP which is not persistent yet, or -1 */
};

/* -- The socket -------------------------------------------------------------------------------- */

int netlink_open(struct netlink **ret, struct hm_error *err)
{
    struct rtnl *rtnl;
    int r = rtnl_open(&rtnl, err);
    if (r < 0)
        return r;
    struct netlink *nl = hm_alloc(sizeof *nl);
    *nl = (struct netlink){.rtnl = rtnl, .new_tap = -1};
    *ret = nl;
    return 0;
}

static void forget_new_tap(struct netlink *nl)
{
    if (nl->new_tap >= 0)
        close(nl->new_tap);
    nl->new_tap = -1;
}

void netlink_close(struct netlink *nl)
{
    if (!nl)
        return;
    forget_new_tap(nl);
    rtnl_close(nl->rtnl);
    free(nl);
}

/* -- Looking ----------------------------------------------------------------------------------- */

static bool read_link(const struct nlmsghdr *message, void *into)
{
    return link_read(message, into);
}

static bool read_address(const struct nlmsghdr *message, void *into)
{
    return link_read_address(message, into);
}

static int dump_all(struct netlink *nl, struct links *into)
{
    struct rtnl_answer links = {.read = read_link, .into = into};
    struct rtnl_answer addresses = {.read = read_address, .into = into};
    if (rtnl_dump(nl->rtnl, RTM_GETLINK, AF_UNSPEC, &links) < 0)
        return -1;
    return rtnl_dump(nl->rtnl, RTM_GETADDR, AF_UNSPEC, &addresses);
}

int netlink_links(struct netlink *nl, struct links *ret, struct hm_error *err)
{
    for (int i = 0; i < RTNL_DUMP_TRIES; i++) {
        struct links seen = {0};
        int r = dump_all(nl, &seen);
        if (r >= 0) {
            links_sort(&seen);
            *ret = seen;
            return 0;
        }
        links_clear(&seen);
        if (errno != EINTR) /* NLM_F_DUMP_INTR: it changed meanwhile */
            return hm_fail(err, HM_E_IO, "rtnetlink: list the links: %s", strerror(errno));
    }
    return hm_fail(err, HM_E_BUSY, "rtnetlink: the links changed each of %d times they were listed",
                   RTNL_DUMP_TRIES);
}

/* -- Changing ---------------------------------------------------------------------------------- */

static struct nlmsghdr *link_message(void *buffer, uint16_t type, unsigned flags, int index)
{
    struct nlmsghdr *message = mnl_nlmsg_put_header(buffer);
    message->nlmsg_type = type;
    message->nlmsg_flags = (uint16_t)(NLM_F_REQUEST | NLM_F_ACK | flags);
    struct ifinfomsg *info = mnl_nlmsg_put_extra_header(message, sizeof *info);
    info->ifi_family = AF_UNSPEC;
    info->ifi_index = index;
    return message;
}

static int create_bridge(struct netlink *nl, const struct link_want *want, struct hm_error *err)
{
    char buffer[RTNL_REQUEST_MAX];
    struct nlmsghdr *message = link_message(buffer, RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, 0);
    mnl_attr_put_strz(message, IFLA_IFNAME, want->name);
    mnl_attr_put(message, IFLA_ADDRESS, 6, want->mac);
    struct nlattr *info = mnl_attr_nest_start(message, IFLA_LINKINFO);
    mnl_attr_put_strz(message, IFLA_INFO_KIND, "bridge");
    mnl_attr_nest_end(message, info);
    return rtnl_change(nl->rtnl, message, want->name, "make the bridge", err);
}

static int create(struct netlink *nl, const struct link_want *want, struct hm_error *err)
{
    if (want->kind == LINK_BRIDGE)
        return create_bridge(nl, want, err);
    forget_new_tap(nl);
    return tap_create(want->name, &nl->new_tap, err);
}

static int fail_missing(const char *name, struct hm_error *err)
{
    return hm_fail(err, HM_E_NOT_FOUND, "the link %s is not there any more", name);
}

/* Its number: as it was seen, or of the link that was just made. */
static int index_of(const struct link_step *s)
{
    return s->seen ? s->seen->index : (int)if_nametoindex(s->want->name);
}

static int set(struct netlink *nl, const struct link_step *s, struct hm_error *err)
{
    char buffer[RTNL_REQUEST_MAX];
    int index = index_of(s);
    unsigned master = s->attributes & SET_MASTER ? if_nametoindex(s->want->master) : 0;
    if (!index)
        return fail_missing(s->want->name, err);
    if (s->attributes & SET_MASTER && !master)
        return fail_missing(s->want->master, err);
    struct nlmsghdr *message = link_message(buffer, RTM_SETLINK, 0, index);
    struct ifinfomsg *info = mnl_nlmsg_get_payload(message);
    if (s->attributes & SET_UP)
        info->ifi_flags = info->ifi_change = IFF_UP;
    if (s->attributes & SET_ALIAS)
        mnl_attr_put_strz(message, IFLA_IFALIAS, s->want->alias);
    if (s->attributes & SET_MTU)
        mnl_attr_put_u32(message, IFLA_MTU, s->want->mtu);
    if (s->attributes & SET_MASTER)
        mnl_attr_put_u32(message, IFLA_MASTER, master);
    return rtnl_change(nl->rtnl, message, s->want->name, "set up", err);
}

static int set_and_keep(struct netlink *nl, const struct link_step *s, struct hm_error *err)
{
    int r = set(nl, s, err);
    bool is_new_tap = s->want->kind == LINK_TAP && nl->new_tap >= 0;
    if (r >= 0 && is_new_tap)
        r = tap_keep(nl->new_tap, s->want->name, err);
    if (is_new_tap)
        forget_new_tap(nl);
    return r;
}

static int add_address(struct netlink *nl, const struct link_step *s, struct hm_error *err)
{
    char buffer[RTNL_REQUEST_MAX];
    const struct link_want *want = s->want;
    uint32_t broadcast = htonl(want->address | (uint32_t)(UINT64_C(0xffffffff) >> want->prefix));
    struct nlmsghdr *message = mnl_nlmsg_put_header(buffer);
    message->nlmsg_type = RTM_NEWADDR;
    message->nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK | NLM_F_CREATE | NLM_F_REPLACE;
    struct ifaddrmsg *info = mnl_nlmsg_put_extra_header(message, sizeof *info);
    *info = (struct ifaddrmsg){.ifa_family = AF_INET,
                               .ifa_prefixlen = (uint8_t)want->prefix,
                               .ifa_index = (unsigned)index_of(s)};
    mnl_attr_put_u32(message, IFA_LOCAL, htonl(want->address));
    mnl_attr_put_u32(message, IFA_ADDRESS, htonl(want->address));
    mnl_attr_put_u32(message, IFA_BROADCAST, broadcast);
    return rtnl_change(nl->rtnl, message, want->name, "give an address to", err);
}

/* At once, without a look for a twin: no other link has an address in its subnet. */
static int add_address6(struct netlink *nl, const struct link_step *s, struct hm_error *err)
{
    char buffer[RTNL_REQUEST_MAX];
    const struct link_want *want = s->want;
    int r = host_prepare_bridge6(want->name, err);
    if (r < 0)
        return r;
    struct nlmsghdr *message = mnl_nlmsg_put_header(buffer);
    message->nlmsg_type = RTM_NEWADDR;
    message->nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK | NLM_F_CREATE | NLM_F_REPLACE;
    struct ifaddrmsg *info = mnl_nlmsg_put_extra_header(message, sizeof *info);
    *info = (struct ifaddrmsg){.ifa_family = AF_INET6,
                               .ifa_prefixlen = (uint8_t)want->prefix6,
                               .ifa_flags = IFA_F_NODAD,
                               .ifa_index = (unsigned)index_of(s)};
    mnl_attr_put(message, IFA_LOCAL, sizeof want->address6, want->address6);
    mnl_attr_put(message, IFA_ADDRESS, sizeof want->address6, want->address6);
    return rtnl_change(nl->rtnl, message, want->name, "give an IPv6 address to", err);
}

static int delete (struct netlink *nl, const struct link *seen, struct hm_error *err)
{
    char buffer[RTNL_REQUEST_MAX];
    if (seen->kind == LINK_TAP)
        return tap_delete(seen->name, err);
    return rtnl_change(nl->rtnl, link_message(buffer, RTM_DELLINK, 0, seen->index), seen->name,
                       "delete", err);
}

int netlink_step(struct netlink *nl, const struct link_step *s, struct hm_error *err)
{
    switch (s->verb) {
    case LINK_CREATE:
        return create(nl, s->want, err);
    case LINK_SET:
        return set_and_keep(nl, s, err);
    case LINK_ADDRESS:
        return add_address(nl, s, err);
    case LINK_ADDRESS6:
        return add_address6(nl, s, err);
    case LINK_DELETE:
        return delete (nl, s->seen, err);
    }
    return hm_fail(err, HM_E_INTERNAL, "a step for a link without a verb");
}
