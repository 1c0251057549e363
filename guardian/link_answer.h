/*
 * What rtnetlink answers: its messages one by one, and what they say of interfaces and addresses. A message that is cut
 * off, or too short for what it should hold, is none. Pure; no allocation. Thread: any.
 */
#ifndef HM_GUARDIAN_LINK_ANSWER_H
#define HM_GUARDIAN_LINK_ANSWER_H

#include <linux/netlink.h>

#include "guardian/plan.h"

/* What an answer's messages are looked at with; false ends it. */
typedef bool (*link_visit)(void *data, const struct nlmsghdr *message);

/* One packet, aligned as a message is. 1: more is to come; else the end, as 0 or -errno. `visit` may be NULL: only the
 * end matters. */
int link_answer(const void *bytes, size_t len, bool dump, link_visit visit, void *data);

/* The visits, each with its `data`. */
struct link_interface {
    int index; /* 0: none was seen */
    unsigned flags;
};
bool link_see_interface(void *interface, const struct nlmsghdr *m);

struct link_search {
    const struct plan_address *address;
    int index; /* of the interface */
    bool found;
};
bool link_see_address(void *search, const struct nlmsghdr *m);

enum { LINK_VIPS_AT_ONCE = 64 }; /* what is beyond that is found by the next look */

struct link_vips {
    const struct guard_plan *plan;
    struct {
        int index;
        struct plan_address address; /* with the prefix that it has there */
    } found[LINK_VIPS_AT_ONCE];
    unsigned count; /* may be more than were noted */
};
bool link_see_vip(void *vips, const struct nlmsghdr *m);

#endif
