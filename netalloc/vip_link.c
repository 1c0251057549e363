#include "netalloc/vip_link.h"

#include <errno.h>
#include <net/if.h>
#include <stdlib.h>
#include <string.h>

#include <libmnl/libmnl.h>
#include <linux/if_addr.h>
#include <linux/rtnetlink.h>

#include "base/alloc.h"

/* -- Looking ------------------------------------------------------------------------- */

struct attributes {
    const struct nlattr *local, *address, *mark;
};

static int note_attribute(const struct nlattr *attribute, void *data)
{
    struct attributes *a = data;
    uint16_t type = mnl_attr_get_type(attribute);
    if (type == IFA_LOCAL)
        a->local = attribute;
    else if (type == IFA_ADDRESS)
        a->address = attribute;
    else if (type == IFA_PROTO)
        a->mark = attribute;
    return MNL_CB_OK;
}

static bool is_marked(const struct nlattr *mark)
{
    return mark && mnl_attr_get_payload_len(mark) == 1 && mnl_attr_get_u8(mark) == VIP_MARK;
}

static bool is_wanted(const struct vip_places *places, const struct vip_address *address)
{
    for (size_t i = 0; i < places->wanted_count; i++)
        if (vip_address_is_same(&places->wanted[i], address))
            return true;
    return false;
}

static void add_place(struct vip_places *places, const struct vip_place *place)
{
    places->items = hm_realloc_array(places->items, places->count + 1, sizeof *place);
    places->items[places->count++] = *place;
}

/* IFA_LOCAL is the own one where there is a peer, whose is IFA_ADDRESS; v6 may have only the latter. */
bool vip_place_read(const struct nlmsghdr *message, struct vip_places *into)
{
    struct attributes found = {0};
    if (message->nlmsg_type != RTM_NEWADDR)
        return true;
    if (mnl_nlmsg_get_payload_len(message) < sizeof(struct ifaddrmsg) ||
        mnl_attr_parse(message, sizeof(struct ifaddrmsg), note_attribute, &found) < 0)
        return false;
    const struct ifaddrmsg *info = mnl_nlmsg_get_payload(message);
    const struct nlattr *own = found.local ? found.local : found.address;
    struct vip_place place = {.index = (int)info->ifa_index, .is_ours = is_marked(found.mark)};
    place.address.is_v6 = info->ifa_family == AF_INET6;
    place.address.prefix = info->ifa_prefixlen;
    if ((info->ifa_family != AF_INET && !place.address.is_v6) || !own)
        return true;
    if (mnl_attr_get_payload_len(own) != vip_address_size(&place.address))
        return false;
    memcpy(place.address.bytes, mnl_attr_get_payload(own), vip_address_size(&place.address));
    if (is_wanted(into, &place.address))
        add_place(into, &place);
    return true;
}

static bool read_place(const struct nlmsghdr *message, void *into)
{
    return vip_place_read(message, into);
}

int vip_look(struct rtnl *rtnl, const struct vip_address *wanted, size_t count,
             struct vip_places *ret, struct hm_error *err)
{
    for (int i = 0; i < RTNL_DUMP_TRIES; i++) {
        struct vip_places seen = {.wanted = wanted, .wanted_count = count};
        struct rtnl_answer answer = {.read = read_place, .into = &seen};
        if (rtnl_dump(rtnl, RTM_GETADDR, AF_UNSPEC, &answer) >= 0) {
            *ret = seen;
            return 0;
        }
        vip_places_clear(&seen);
        if (errno != EINTR) /* NLM_F_DUMP_INTR: it changed meanwhile */
            return hm_fail(err, HM_E_IO, "rtnetlink: list the addresses: %s", strerror(errno));
    }
    return hm_fail(err, HM_E_BUSY,
                   "rtnetlink: the addresses changed each of %d times they were listed",
                   RTNL_DUMP_TRIES);
}

void vip_places_clear(struct vip_places *places)
{
    free(places->items);
    *places = (struct vip_places){0};
}

const struct vip_place *vip_place_of(const struct vip_places *places,
                                     const struct vip_address *address, int index)
{
    const struct vip_place *best = NULL;
    for (size_t i = 0; i < places->count; i++) {
        const struct vip_place *p = &places->items[i];
        bool is_it = vip_address_is_same(&p->address, address) && (!index || p->index == index);
        if (is_it && (!best || !p->is_ours))
            best = p;
    }
    return best;
}

/* -- Changing ------------------------------------------------------------------------ */

static struct nlmsghdr *address_message(void *buffer, uint16_t type, unsigned flags, int index,
                                        const struct vip_address *a)
{
    struct nlmsghdr *message = mnl_nlmsg_put_header(buffer);
    message->nlmsg_type = type;
    message->nlmsg_flags = (uint16_t)(NLM_F_REQUEST | NLM_F_ACK | flags);
    struct ifaddrmsg *info = mnl_nlmsg_put_extra_header(message, sizeof *info);
    *info = (struct ifaddrmsg){.ifa_family = a->is_v6 ? AF_INET6 : AF_INET,
                               .ifa_prefixlen = (uint8_t)a->prefix,
                               .ifa_index = (unsigned)index};
    mnl_attr_put(message, IFA_LOCAL, vip_address_size(a), a->bytes);
    mnl_attr_put(message, IFA_ADDRESS, vip_address_size(a), a->bytes);
    return message;
}

static int fail_there(const char *link, const struct vip_address *a, struct hm_error *err)
{
    char text[VIP_TEXT_MAX + 1];
    vip_address_text(a, text);
    return hm_fail(err, HM_E_CONFLICT, "%s is on %s by now, and nobody said so", text, link);
}

int vip_put_up(struct rtnl *rtnl, int index, const char *link, const struct vip_address *a,
               struct hm_error *err)
{
    char buffer[RTNL_REQUEST_MAX];
    static const struct ifa_cacheinfo deprecated = {.ifa_prefered = 0, .ifa_valid = UINT32_MAX};
    struct nlmsghdr *message =
        address_message(buffer, RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL, index, a);
    mnl_attr_put_u8(message, IFA_PROTO, VIP_MARK);
    if (a->is_v6) {
        mnl_attr_put_u32(message, IFA_FLAGS, IFA_F_NODAD);
        mnl_attr_put(message, IFA_CACHEINFO, sizeof deprecated, &deprecated);
    }
    int r = rtnl_change(rtnl, message, link, "give a virtual IP to", err);
    return r < 0 && errno == EEXIST ? fail_there(link, a, err) : r;
}

int vip_take_away(struct rtnl *rtnl, const struct vip_place *place, struct hm_error *err)
{
    char buffer[RTNL_REQUEST_MAX], link[IF_NAMESIZE] = "an interface";
    if (!place->is_ours)
        return hm_fail(err, HM_E_CONFLICT, "an address without our mark is not taken away");
    if_indextoname((unsigned)place->index, link);
    struct nlmsghdr *message =
        address_message(buffer, RTM_DELADDR, 0, place->index, &place->address);
    int r = rtnl_change(rtnl, message, link, "take a virtual IP from", err);
    bool is_gone = r < 0 && (errno == EADDRNOTAVAIL || errno == ENODEV);
    return is_gone ? 0 : r;
}
