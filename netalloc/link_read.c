#include "netalloc/link_read.h"

#include <stdio.h>
#include <string.h>

#include <libmnl/libmnl.h>
#include <linux/if_addr.h>
#include <linux/if_arp.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>

/* Attributes by their type, each with the data type that it must have. */
struct attributes {
    const enum mnl_attr_data_type *types; /* MNL_TYPE_UNSPEC: not of interest */
    const struct nlattr **found;
    uint16_t most;
};

static int note_attribute(const struct nlattr *attribute, void *data)
{
    const struct attributes *a = data;
    uint16_t type = mnl_attr_get_type(attribute);
    if (type > a->most || a->types[type] == MNL_TYPE_UNSPEC)
        return MNL_CB_OK;
    if (mnl_attr_validate(attribute, a->types[type]) < 0)
        return MNL_CB_ERROR;
    a->found[type] = attribute;
    return MNL_CB_OK;
}

static bool has_header(const struct nlmsghdr *message, size_t size)
{
    return mnl_nlmsg_get_payload_len(message) >= size;
}

/* A text that fits, ending in NUL: mnl_attr_validate() has seen to the end. */
static bool read_text(const struct nlattr *attribute, char *out, size_t room)
{
    if (!attribute)
        return false;
    int n = snprintf(out, room, "%s", mnl_attr_get_str(attribute));
    return n >= 0 && (size_t)n < room;
}

static enum link_kind kind_of(const struct nlattr *info, unsigned hardware)
{
    static const enum mnl_attr_data_type types[IFLA_INFO_MAX + 1] = {[IFLA_INFO_KIND] =
                                                                         MNL_TYPE_NUL_STRING};
    const struct nlattr *found[IFLA_INFO_MAX + 1] = {0};
    struct attributes a = {types, found, IFLA_INFO_MAX};
    char kind[16];
    if (!info || mnl_attr_parse_nested(info, note_attribute, &a) < 0 ||
        !read_text(found[IFLA_INFO_KIND], kind, sizeof kind))
        return LINK_OTHER;
    if (!strcmp(kind, "bridge"))
        return LINK_BRIDGE;
    return !strcmp(kind, "tun") && hardware == ARPHRD_ETHER ? LINK_TAP : LINK_OTHER;
}

static void read_mac(const struct nlattr *attribute, uint8_t out[6])
{
    if (attribute && mnl_attr_get_payload_len(attribute) == 6)
        memcpy(out, mnl_attr_get_payload(attribute), 6);
}

bool link_read(const struct nlmsghdr *message, struct links *into)
{
    static const enum mnl_attr_data_type types[IFLA_MAX + 1] = {
        [IFLA_IFNAME] = MNL_TYPE_NUL_STRING, [IFLA_IFALIAS] = MNL_TYPE_NUL_STRING,
        [IFLA_MASTER] = MNL_TYPE_U32,        [IFLA_MTU] = MNL_TYPE_U32,
        [IFLA_ADDRESS] = MNL_TYPE_BINARY,    [IFLA_LINKINFO] = MNL_TYPE_NESTED};
    const struct nlattr *found[IFLA_MAX + 1] = {0};
    struct attributes a = {types, found, IFLA_MAX};
    struct link l = {0};
    if (message->nlmsg_type != RTM_NEWLINK)
        return true;
    if (!has_header(message, sizeof(struct ifinfomsg)) ||
        mnl_attr_parse(message, sizeof(struct ifinfomsg), note_attribute, &a) < 0 ||
        !read_text(found[IFLA_IFNAME], l.name, sizeof l.name))
        return false;
    const struct ifinfomsg *info = mnl_nlmsg_get_payload(message);
    l.index = info->ifi_index;
    l.up = info->ifi_flags & IFF_UP;
    l.kind = kind_of(found[IFLA_LINKINFO], info->ifi_type);
    l.master = found[IFLA_MASTER] ? (int)mnl_attr_get_u32(found[IFLA_MASTER]) : 0;
    l.mtu = found[IFLA_MTU] ? mnl_attr_get_u32(found[IFLA_MTU]) : 0;
    read_mac(found[IFLA_ADDRESS], l.mac);
    read_text(found[IFLA_IFALIAS], l.alias, sizeof l.alias);
    links_add(into, &l);
    return true;
}

static bool is_link_local(const uint8_t bytes[16])
{
    return bytes[0] == 0xfe && (bytes[1] & 0xc0) == 0x80;
}

/* Its own address; of a link between two it is not the one that the prefix is about. */
static const struct nlattr *own_address(const struct nlattr **found, uint16_t size)
{
    const struct nlattr *own = found[IFA_LOCAL] ? found[IFA_LOCAL] : found[IFA_ADDRESS];
    return own && mnl_attr_get_payload_len(own) == size ? own : NULL;
}

bool link_read_address(const struct nlmsghdr *message, struct links *into)
{
    static const enum mnl_attr_data_type types[IFA_MAX + 1] = {
        [IFA_LOCAL] = MNL_TYPE_BINARY, [IFA_ADDRESS] = MNL_TYPE_BINARY};
    const struct nlattr *found[IFA_MAX + 1] = {0};
    struct attributes a = {types, found, IFA_MAX};
    if (message->nlmsg_type != RTM_NEWADDR)
        return true;
    if (!has_header(message, sizeof(struct ifaddrmsg)))
        return false;
    const struct ifaddrmsg *info = mnl_nlmsg_get_payload(message);
    bool is_6 = info->ifa_family == AF_INET6;
    if (info->ifa_family != AF_INET && !is_6)
        return true;
    if (mnl_attr_parse(message, sizeof(struct ifaddrmsg), note_attribute, &a) < 0)
        return false;
    const struct nlattr *own = own_address(found, is_6 ? 16 : 4);
    if (!own || info->ifa_prefixlen > (is_6 ? 128 : 32))
        return false;
    const uint8_t *octets = mnl_attr_get_payload(own);
    struct link *link = (struct link *)(uintptr_t)links_at(into, (int)info->ifa_index);
    if (link && is_6 && !is_link_local(octets))
        link_add_address6(link, octets, info->ifa_prefixlen);
    else if (link && !is_6)
        link_add_address(link,
                         (uint32_t)octets[0] << 24 | (uint32_t)octets[1] << 16 |
                             (uint32_t)octets[2] << 8 | octets[3],
                         info->ifa_prefixlen);
    return true;
}

const char *netlink_error_text(const struct nlmsghdr *message)
{
    static const enum mnl_attr_data_type types[NLMSGERR_ATTR_MAX + 1] = {[NLMSGERR_ATTR_MSG] =
                                                                             MNL_TYPE_NUL_STRING};
    const struct nlattr *found[NLMSGERR_ATTR_MAX + 1] = {0};
    struct attributes a = {types, found, NLMSGERR_ATTR_MAX};
    if (message->nlmsg_type != NLMSG_ERROR || !(message->nlmsg_flags & NLM_F_ACK_TLVS) ||
        !has_header(message, sizeof(struct nlmsgerr)))
        return NULL;
    const struct nlmsgerr *error = mnl_nlmsg_get_payload(message);
    size_t offset = sizeof *error;
    if (!(message->nlmsg_flags & NLM_F_CAPPED)) { /* the request is quoted in between */
        if (error->msg.nlmsg_len < sizeof error->msg)
            return NULL;
        size_t quoted = error->msg.nlmsg_len - sizeof error->msg;
        offset += (quoted + 3) & ~(size_t)3;
    }
    if (!has_header(message, offset) ||
        mnl_attr_parse(message, (unsigned)offset, note_attribute, &a) < 0)
        return NULL;
    return found[NLMSGERR_ATTR_MSG] ? mnl_attr_get_str(found[NLMSGERR_ATTR_MSG]) : NULL;
}
