#include "guardian/link_answer.h"

#include <errno.h>
#include <linux/if_addr.h>
#include <linux/rtnetlink.h>
#include <string.h>

/* The kernel's macros take a padding off the length that the last one need not have: what is left is signed, and may
 * fall below 0. */

static int error_of(const struct nlmsghdr *message)
{
    const struct nlmsgerr *e = NLMSG_DATA(message);
    return message->nlmsg_len < NLMSG_LENGTH(sizeof *e) ? -EBADMSG : e->error;
}

int link_answer(const void *bytes, size_t len, bool dump, link_visit visit, void *data)
{
    long left = (long)len;
    for (const struct nlmsghdr *m = bytes; NLMSG_OK(m, left); m = NLMSG_NEXT(m, left)) {
        if (m->nlmsg_flags & NLM_F_DUMP_INTR)
            return -EINTR; /* it changed meanwhile: something may be missing */
        if (m->nlmsg_type == NLMSG_ERROR)
            return error_of(m);
        if (m->nlmsg_type == NLMSG_DONE)
            return 0;
        if (visit && !visit(data, m))
            return 0;
        if (!dump && visit)
            return 0;
    }
    return 1;
}

/* -- Interfaces ---------------------------------------------------------------- */

bool link_see_interface(void *interface, const struct nlmsghdr *m)
{
    struct link_interface *ret = interface;
    const struct ifinfomsg *info = NLMSG_DATA(m);
    if (m->nlmsg_type == RTM_NEWLINK && m->nlmsg_len >= NLMSG_LENGTH(sizeof *info))
        *ret = (struct link_interface){info->ifi_index, info->ifi_flags};
    return false;
}

/* -- Addresses ----------------------------------------------------------------- */

static bool is_address(const struct nlmsghdr *m)
{
    return m->nlmsg_type == RTM_NEWADDR && m->nlmsg_len >= NLMSG_LENGTH(sizeof(struct ifaddrmsg));
}

/* Of a message with an address; NULL: it has none. */
static const struct rtattr *attribute(const struct nlmsghdr *m, unsigned short type)
{
    const struct ifaddrmsg *info = NLMSG_DATA(m);
    long left = (long)(m->nlmsg_len - NLMSG_LENGTH(sizeof *info));
    for (const struct rtattr *a = IFA_RTA(info); RTA_OK(a, left); a = RTA_NEXT(a, left))
        if (a->rta_type == type)
            return a;
    return NULL;
}

/* IFA_LOCAL is the own one where there is a peer, whose is IFA_ADDRESS; v6 may have only the latter. */
static bool has_address(const struct nlmsghdr *m, const struct plan_address *wanted)
{
    const struct rtattr *own = attribute(m, IFA_LOCAL);
    if (!own)
        own = attribute(m, IFA_ADDRESS);
    return own && RTA_PAYLOAD(own) == plan_address_size(wanted) &&
           !memcmp(RTA_DATA(own), wanted->bytes, plan_address_size(wanted));
}

/* With whatever prefix: it answers all the same. */
bool link_see_address(void *search, const struct nlmsghdr *m)
{
    struct link_search *s = search;
    const struct ifaddrmsg *info = NLMSG_DATA(m);
    if (is_address(m) && info->ifa_family == s->address->family &&
        info->ifa_index == (unsigned)s->index && has_address(m, s->address))
        s->found = true;
    return true;
}

/* -- Virtual IPs --------------------------------------------------------------- */

static bool has_mark(const struct nlmsghdr *m)
{
    const struct rtattr *mark = attribute(m, IFA_PROTO);
    return mark && RTA_PAYLOAD(mark) == 1 &&
           *(const unsigned char *)RTA_DATA(mark) == GUARD_VIP_MARK;
}

bool link_see_vip(void *vips, const struct nlmsghdr *m)
{
    struct link_vips *v = vips;
    struct plan_entry e;
    struct plan_address a;
    const struct ifaddrmsg *info = NLMSG_DATA(m);
    size_t at = 0;
    if (!is_address(m) || !has_mark(m))
        return true;
    while (plan_next_of(v->plan, GUARD_VIP, &at, &e)) {
        if (!plan_address_parse(e.word[0], &a) || a.family != info->ifa_family ||
            !has_address(m, &a))
            continue;
        a.prefix = info->ifa_prefixlen;
        if (v->count < LINK_VIPS_AT_ONCE) {
            v->found[v->count].index = (int)info->ifa_index;
            v->found[v->count].address = a;
        }
        v->count++;
        break;
    }
    return true;
}
