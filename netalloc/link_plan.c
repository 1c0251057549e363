#include "netalloc/link_plan.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "proto/address.h"

const char *link_verdict_name(enum link_verdict verdict)
{
    static const char *const names[] = {
#define LINK_VERDICT_NAME(id, text) [LINK_##id] = text,
        LINK_VERDICTS(LINK_VERDICT_NAME)
#undef LINK_VERDICT_NAME
    };
    return names[verdict];
}

/* -- Whose a link is --------------------------------------------------------------------------- */

static bool is_begun_by_us(const struct link_want *want, const struct link *seen)
{
    return want->kind == LINK_BRIDGE && !seen->alias[0] && !memcmp(seen->mac, want->mac, 6);
}

static enum link_verdict verdict_on_mark(const char *site, const struct link_want *want,
                                         const struct link *seen)
{
    struct alias mark;
    if (!alias_parse(seen->alias, &mark))
        return is_begun_by_us(want, seen) ? LINK_FINE : LINK_FOREIGN;
    if (strcmp(mark.site, site) != 0)
        return LINK_OTHER_SITE;
    return !strcmp(mark.owner, want->owner) ? LINK_FINE : LINK_OTHER_OWNER;
}

static bool overlaps(const struct link_want *want, const struct link_address *other)
{
    uint32_t mask = cidr_mask(want->prefix < other->prefix ? want->prefix : other->prefix);
    return (want->address & mask) == (other->address & mask);
}

/* Another link of this host with an address in the wanted subnet; the loopback's /8 is one, too. */
static const struct link *find_overlap(const struct links *seen, const struct link_want *want)
{
    for (size_t i = 0; i < seen->count; i++)
        for (size_t j = 0; j < seen->items[i].address_count; j++)
            if (strcmp(seen->items[i].name, want->name) != 0 &&
                overlaps(want, &seen->items[i].addresses[j]))
                return &seen->items[i];
    return NULL;
}

static bool overlaps6(const struct link_want *want, const struct link_address6 *other)
{
    unsigned bits = want->prefix6 < other->prefix ? want->prefix6 : other->prefix;
    for (unsigned i = 0; i < bits; i++) {
        uint8_t mask = (uint8_t)(0x80 >> (i % 8));
        if ((want->address6[i / 8] ^ other->bytes[i / 8]) & mask)
            return false;
    }
    return true;
}

static const struct link *find_overlap6(const struct links *seen, const struct link_want *want)
{
    for (size_t i = 0; i < seen->count; i++)
        for (size_t j = 0; j < seen->items[i].address6_count; j++)
            if (strcmp(seen->items[i].name, want->name) != 0 &&
                overlaps6(want, &seen->items[i].addresses6[j]))
                return &seen->items[i];
    return NULL;
}

static const struct link_want *find_want(const struct link_want *wants, size_t count,
                                         const char *name)
{
    size_t low = 0, high = count;
    while (low < high) {
        size_t middle = (low + high) / 2;
        int order = strcmp(name, wants[middle].name);
        if (order == 0)
            return &wants[middle];
        if (order < 0)
            high = middle;
        else
            low = middle + 1;
    }
    return NULL;
}

static bool has_master(const struct links *seen, const struct link_want *wants, size_t count,
                       const struct link_want *want)
{
    const struct link_want *bridge = find_want(wants, count, want->master);
    if (!want->master[0])
        return true;
    if (bridge)
        return bridge->kind == LINK_BRIDGE && !bridge->gone && bridge->verdict == LINK_FINE;
    const struct link *there = links_find(seen, want->master);
    return there && there->kind == LINK_BRIDGE;
}

static void settle(struct link_want *want, enum link_verdict verdict, const struct link *against)
{
    want->verdict = verdict;
    want->against = verdict == LINK_FINE ? NULL : against;
}

static void judge_subnets(const struct links *seen, struct link_want *want)
{
    if (want->verdict != LINK_FINE || want->gone)
        return;
    const struct link *overlap = want->prefix ? find_overlap(seen, want) : NULL;
    const struct link *overlap6 = want->prefix6 ? find_overlap6(seen, want) : NULL;
    if (overlap)
        settle(want, LINK_SUBNET_IN_USE, overlap);
    else if (overlap6)
        settle(want, LINK_SUBNET6_IN_USE, overlap6);
}

static void judge(const char *site, const struct links *seen, struct link_want *want,
                  const struct link *there)
{
    settle(want, LINK_FINE, NULL);
    if (there)
        settle(want, verdict_on_mark(site, want, there), there);
    if (want->verdict == LINK_FINE && there && there->kind != want->kind)
        settle(want, LINK_WRONG_KIND, there);
    judge_subnets(seen, want);
}

/* -- Steps ------------------------------------------------------------------------------------- */

static void add_step(struct link_steps *steps, struct link_step step)
{
    if ((steps->count & (steps->count - 1)) == 0)
        steps->items =
            hm_realloc_array(steps->items, steps->count ? 2 * steps->count : 1, sizeof step);
    steps->items[steps->count++] = step;
}

static bool is_port_of(const struct links *seen, const struct link *link, const char *master)
{
    const struct link *bridge = links_find(seen, master);
    return bridge && link->master == bridge->index;
}

/* What differs between a link that is there and what is wanted. */
static unsigned differences(const struct links *seen, const struct link_want *want,
                            const struct link *there)
{
    unsigned set = 0;
    if (strcmp(there->alias, want->alias) != 0)
        set |= SET_ALIAS;
    if (want->mtu && there->mtu != want->mtu)
        set |= SET_MTU;
    if (want->master[0] && !is_port_of(seen, there, want->master))
        set |= SET_MASTER;
    if (!there->up)
        set |= SET_UP;
    return set;
}

static unsigned all_of(const struct link_want *want)
{
    return SET_ALIAS | SET_UP | (want->mtu ? SET_MTU : 0u) | (want->master[0] ? SET_MASTER : 0u);
}

static void plan_one(const struct links *seen, const struct link_want *want,
                     const struct link *there, struct link_steps *steps)
{
    unsigned set = there ? differences(seen, want, there) : all_of(want);
    if (!there)
        add_step(steps, (struct link_step){.verb = LINK_CREATE, .want = want});
    if (set)
        add_step(steps, (struct link_step){LINK_SET, set, want, there});
    if (want->prefix && !(there && link_has_address(there, want->address, want->prefix)))
        add_step(steps, (struct link_step){.verb = LINK_ADDRESS, .want = want, .seen = there});
    if (want->prefix6 && !(there && link_has_address6(there, want->address6, want->prefix6)))
        add_step(steps, (struct link_step){.verb = LINK_ADDRESS6, .want = want, .seen = there});
}

/* The link of each want's name, or NULL: the sorted walk. */
static const struct link **pair_up(const struct links *seen, const struct link_want *wants,
                                   size_t count)
{
    const struct link **there = hm_alloc((count + 1) * sizeof(struct link *));
    size_t s = 0;
    for (size_t w = 0; w < count; w++) {
        while (s < seen->count && strcmp(seen->items[s].name, wants[w].name) < 0)
            s++;
        if (s < seen->count && !strcmp(seen->items[s].name, wants[w].name))
            there[w] = &seen->items[s];
    }
    return there;
}

static void plan_kind(const struct links *seen, const struct link_want *wants, size_t count,
                      const struct link **there, enum link_kind kind, struct link_steps *steps)
{
    for (size_t i = 0; i < count; i++)
        if (!wants[i].gone && wants[i].kind == kind && wants[i].verdict == LINK_FINE)
            plan_one(seen, &wants[i], there[i], steps);
}

/* A bridge without ports goes as well as one with; but TAPs first, so that none is left behind. */
static void plan_gone(const struct link_want *wants, size_t count, const struct link **there,
                      enum link_kind kind, struct link_steps *steps)
{
    for (size_t i = 0; i < count; i++)
        if (wants[i].gone && wants[i].kind == kind && wants[i].verdict == LINK_FINE && there[i])
            add_step(steps,
                     (struct link_step){.verb = LINK_DELETE, .want = &wants[i], .seen = there[i]});
}

void link_plan(const char *site, const struct links *seen, struct link_want *wants, size_t count,
               struct link_steps *ret)
{
    struct link_steps steps = {0};
    const struct link **there = pair_up(seen, wants, count);
    for (size_t i = 0; i < count; i++)
        judge(site, seen, &wants[i], there[i]);
    for (size_t i = 0; i < count; i++)
        if (wants[i].verdict == LINK_FINE && !wants[i].gone &&
            !has_master(seen, wants, count, &wants[i]))
            settle(&wants[i], LINK_MASTER_MISSING, NULL);
    plan_gone(wants, count, there, LINK_TAP, &steps);
    plan_gone(wants, count, there, LINK_BRIDGE, &steps);
    plan_kind(seen, wants, count, there, LINK_BRIDGE, &steps);
    plan_kind(seen, wants, count, there, LINK_TAP, &steps);
    free(there);
    *ret = steps;
}

void link_plan_sweep(const char *site, const struct links *seen, const struct link_want *wants,
                     size_t count, struct link_steps *ret)
{
    struct link_steps steps = {0};
    for (size_t i = 0; i < seen->count; i++) {
        const struct link *link = &seen->items[i];
        struct alias mark;
        bool ours = alias_parse(link->alias, &mark) && !strcmp(mark.site, site);
        if (ours && link->kind == LINK_TAP && !find_want(wants, count, link->name))
            add_step(&steps, (struct link_step){.verb = LINK_DELETE, .seen = link});
    }
    *ret = steps;
}

void link_steps_clear(struct link_steps *steps)
{
    free(steps->items);
    *steps = (struct link_steps){0};
}

static int by_name(const void *a, const void *b)
{
    return strcmp(((const struct link_want *)a)->name, ((const struct link_want *)b)->name);
}

void link_wants_sort(struct link_want *wants, size_t count)
{
    if (count)
        qsort(wants, count, sizeof *wants, by_name);
}

/* -- Sentences --------------------------------------------------------------------------------- */

static int fail_overlap(const struct link_want *want, struct hm_error *err)
{
    char subnet[CIDR_TEXT_MAX + 1];
    cidr_text(want->address & cidr_mask(want->prefix), want->prefix, subnet);
    return hm_fail(err, HM_E_CONFLICT,
                   "%s: %s of this host has an address in its subnet %s; give the network another "
                   "subnet",
                   want->name, want->against->name, subnet);
}

int link_verdict_check(const struct link_want *want, struct hm_error *err)
{
    struct alias mark = {0};
    if (want->against)
        alias_parse(want->against->alias, &mark);
    switch (want->verdict) {
    case LINK_FINE:
        return 0;
    case LINK_FOREIGN:
        return hm_fail(err, HM_E_CONFLICT,
                       "a link named %s exists on this host that harmony did not make; give the "
                       "network another bridge",
                       want->name);
    case LINK_OTHER_SITE:
        return hm_fail(err, HM_E_CONFLICT,
                       "the link %s belongs to site %s; it is left alone: give the network another "
                       "bridge",
                       want->name, mark.site);
    case LINK_OTHER_OWNER:
        return hm_fail(err, HM_E_CONFLICT,
                       "the link %s was made for %s; give the network another bridge", want->name,
                       mark.owner);
    case LINK_WRONG_KIND:
        return hm_fail(err, HM_E_CONFLICT, "the link %s exists and is no %s", want->name,
                       want->kind == LINK_BRIDGE ? "bridge" : "TAP");
    case LINK_SUBNET_IN_USE:
        return fail_overlap(want, err);
    case LINK_SUBNET6_IN_USE:
        return hm_fail(
            err, HM_E_CONFLICT,
            "%s: %s of this host has an address in its subnet6; give the network another "
            "subnet6",
            want->name, want->against->name);
    case LINK_MASTER_MISSING:
        return hm_fail(err, HM_E_NETWORK_NOT_FOUND, "%s: its bridge %s is not there", want->name,
                       want->master);
    }
    return hm_fail(err, HM_E_INTERNAL, "%s: a verdict without a sentence", want->name);
}
