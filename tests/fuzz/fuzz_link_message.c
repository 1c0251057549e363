/* Messages of rtnetlink, and the aliases in them, as agent and guardian read them: whatever they hold, they are read or refused. */
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include <libmnl/libmnl.h>

#include "base/alloc.h"
#include "guardian/link_answer.h"
#include "guardian/message.h"
#include "netalloc/link_plan.h"
#include "netalloc/link_read.h"
#include "netalloc/vip_link.h"
#include "tests/fuzz/check.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require_sound(const struct links *list)
{
    for (size_t i = 0; i < list->count; i++) {
        const struct link *l = &list->items[i];
        struct alias mark;
        FUZZ_REQUIRE(memchr(l->name, 0, sizeof l->name) && memchr(l->alias, 0, sizeof l->alias));
        FUZZ_REQUIRE(!alias_parse(l->alias, &mark) || owner_is_valid(mark.owner));
    }
}

/* Nothing is wanted: nothing but TAPs with our mark may be touched. */
static void require_left_alone(struct links *list)
{
    struct link_steps steps;
    links_sort(list);
    link_plan_sweep("site-a", list, NULL, 0, &steps);
    for (size_t i = 0; i < steps.count; i++) {
        const struct link *l = steps.items[i].seen;
        FUZZ_REQUIRE(l->kind == LINK_TAP && !strncmp(l->alias, "harmony:site-a:", 15));
    }
    link_steps_clear(&steps);
}

/* The guardian walks by itself, over what is not a byte longer than it was told. */
static void answer(const uint8_t *data, size_t size)
{
    static union message m;
    static const char vip[] = "127.0.0.1/8";
    HM_AUTOFREE void *exact = malloc(size ? size : 1);
    struct plan_address address = {.family = AF_INET, .bytes = {127, 0, 0, 1}};
    struct guard_entry e = {.type = GUARD_VIP, .words = 1, .bytes = sizeof vip};
    struct link_interface i = {0};
    struct link_search s = {.address = &address, .index = 1};
    struct link_vips v = {.plan = &m.plan};
    memcpy(exact, data, size);
    plan_make_empty(&m.plan);
    memcpy(m.bytes + m.header.size, &e, sizeof e);
    memcpy(m.bytes + m.header.size + sizeof e, vip, sizeof vip);
    m.plan.entries = 1;
    m.header.size += (uint32_t)(sizeof e + (sizeof vip + 7) / 8 * 8);
    link_answer(exact, size, false, link_see_interface, &i);
    link_answer(exact, size, true, link_see_address, &s);
    link_answer(exact, size, true, link_see_vip, &v);
    FUZZ_REQUIRE(v.count <= size / sizeof(struct nlmsghdr));
}

/* The walk from message to message is libmnl's in the agent, over what the kernel sent; its
 * mnl_nlmsg_ok() takes a length above 2^31 for a negative one, and the padding of the last message is read. */
static bool is_whole(const struct nlmsghdr *m, int left)
{
    return left >= (int)sizeof *m && m->nlmsg_len >= sizeof *m && m->nlmsg_len <= (unsigned)left;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size > 1 << 16)
        return 0;
    answer(data, size);
    char *copy = hm_alloc(MNL_ALIGN(size + 1)); /* as much as rtnl.c has room for */
    memcpy(copy, data, size);
    struct links list = {0};
    struct vip_address wanted = {.bytes = {127, 0, 0, 1}};
    struct vip_places places = {.wanted = &wanted, .wanted_count = 1};
    int left = (int)size;
    const struct nlmsghdr *m = (const void *)copy;
    for (; is_whole(m, left); m = mnl_nlmsg_next(m, &left)) {
        link_read(m, &list);
        link_read_address(m, &list);
        vip_place_read(m, &places);
        const char *words = netlink_error_text(m);
        FUZZ_REQUIRE(!words || strlen(words) < size);
    }
    for (size_t i = 0; i < places.count; i++)
        FUZZ_REQUIRE(vip_address_is_same(&places.items[i].address, &wanted));
    vip_places_clear(&places);
    require_sound(&list);
    require_left_alone(&list);
    links_clear(&list);
    free(copy);
    return 0;
}
