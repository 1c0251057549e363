/*
 * The plan for links, by cases and by chance: carried out on a model of the kernel, from thousands of
 * random worlds, it ends with every want there or with a verdict, and never touches what is not ours.
 */
#include "netalloc/link_plan.h"

#include <stdio.h>

#include "base/alloc.h"
#include "suite.h"

#define SITE  "site-a"
#define LAN   "site-a.network.lan"
#define OTHER "site-b.network.lan"

enum { MADE = 1000 }; /* the first index of a link that the plan made */

/* -- Making wants and worlds ------------------------------------------------------------------- */

static struct link_want bridge(const char *name, const char *owner, uint32_t address)
{
    struct link_want w = {.kind = LINK_BRIDGE, .address = address, .prefix = address ? 24 : 0};
    snprintf(w.name, sizeof w.name, "%s", name);
    snprintf(w.owner, sizeof w.owner, "%s", owner);
    ck_assert(alias_make(SITE, owner, w.alias));
    alias_mac(SITE, owner, w.mac);
    return w;
}

static struct link_want tap(const char *name, const char *owner, const char *master)
{
    struct link_want w = {.kind = LINK_TAP};
    snprintf(w.name, sizeof w.name, "%s", name);
    snprintf(w.owner, sizeof w.owner, "%s", owner);
    snprintf(w.master, sizeof w.master, "%s", master);
    ck_assert(alias_make(SITE, owner, w.alias));
    return w;
}

static struct link *add(struct links *world, const char *name, enum link_kind kind,
                        const char *alias)
{
    struct link l = {.kind = kind, .index = (int)world->count + 10, .mtu = 1500, .up = true};
    snprintf(l.name, sizeof l.name, "%s", name);
    snprintf(l.alias, sizeof l.alias, "%s", alias);
    return links_add(world, &l);
}

/* -- The model of the kernel ------------------------------------------------------------------- */

static struct link *find(struct links *world, const char *name)
{
    for (size_t i = 0; i < world->count; i++)
        if (!strcmp(world->items[i].name, name))
            return &world->items[i];
    return NULL;
}

static void create(struct links *world, const struct link_want *want, int index)
{
    struct link l = {.kind = want->kind, .index = index, .mtu = 1500};
    ck_assert_ptr_null(find(world, want->name));
    memcpy(l.name, want->name, sizeof l.name);
    memcpy(l.mac, want->mac, 6);
    links_add(world, &l);
}

static void set(struct links *world, const struct link_step *s)
{
    struct link *l = find(world, s->want->name);
    ck_assert_ptr_nonnull(l);
    if (s->attributes & SET_ALIAS)
        memcpy(l->alias, s->want->alias, sizeof l->alias);
    if (s->attributes & SET_MTU)
        l->mtu = s->want->mtu;
    if (s->attributes & SET_MASTER) {
        const struct link *master = find(world, s->want->master);
        ck_assert_ptr_nonnull(master);
        ck_assert_int_eq(master->kind, LINK_BRIDGE);
        l->master = master->index;
    }
    if (s->attributes & SET_UP)
        l->up = true;
}

static void drop(struct links *world, const char *name)
{
    struct link *l = find(world, name);
    ck_assert_ptr_nonnull(l);
    for (size_t i = 0; i < world->count; i++)
        if (world->items[i].master == l->index)
            world->items[i].master = 0;
    free(l->addresses);
    *l = world->items[--world->count];
}

/* A TAP is made persistent last: one that a crash left without its mark is gone with the process. */
static bool is_unfinished_tap(const struct link *l)
{
    return l->kind == LINK_TAP && !l->alias[0] && l->index >= MADE;
}

static void drop_unfinished_taps(struct links *world)
{
    for (size_t i = world->count; i-- > 0;)
        if (is_unfinished_tap(&world->items[i]))
            drop(world, world->items[i].name);
}

static bool is_ours(const struct link *l, const struct link_want *want)
{
    struct alias mark;
    if (alias_parse(l->alias, &mark))
        return !strcmp(mark.site, SITE);
    if (is_unfinished_tap(l))
        return true;
    return want && want->kind == LINK_BRIDGE && !l->alias[0] && !memcmp(l->mac, want->mac, 6);
}

static void carry_out(struct links *world, const struct link_step *s, int index)
{
    const char *name = s->want ? s->want->name : s->seen->name;
    const struct link *there = find(world, name);
    if (there)
        ck_assert_msg(is_ours(there, s->want), "%s is not ours and was touched", name);
    if (s->verb == LINK_CREATE)
        create(world, s->want, index);
    else if (s->verb == LINK_SET)
        set(world, s);
    else if (s->verb == LINK_ADDRESS)
        link_add_address(find(world, name), s->want->address, s->want->prefix);
    else if (s->verb == LINK_ADDRESS6)
        link_add_address6(find(world, name), s->want->address6, s->want->prefix6);
    else
        drop(world, name);
}

/* -- Cases ------------------------------------------------------------------------------------- */

static struct link_steps plan(struct links *seen, struct link_want *wants, size_t count)
{
    struct link_steps steps;
    links_sort(seen);
    link_wants_sort(wants, count);
    link_plan(SITE, seen, wants, count, &steps);
    return steps;
}

static void check_step(const struct link_steps *steps, size_t i, enum link_verb verb,
                       const char *name, unsigned attributes)
{
    ck_assert_uint_gt(steps->count, i);
    ck_assert_int_eq(steps->items[i].verb, verb);
    ck_assert_str_eq(steps->items[i].want->name, name);
    ck_assert_uint_eq(steps->items[i].attributes, attributes);
}

START_TEST(from_nothing_a_bridge_comes_before_its_tap)
{
    struct links none = {0};
    struct link_want wants[] = {tap("a-tap", "site-a.vm.web#0", "br-lan"),
                                bridge("br-lan", LAN, 0x0a640001)};
    struct link_steps steps = plan(&none, wants, 2);
    check_step(&steps, 0, LINK_CREATE, "br-lan", 0);
    check_step(&steps, 1, LINK_SET, "br-lan", SET_ALIAS | SET_UP);
    check_step(&steps, 2, LINK_ADDRESS, "br-lan", 0);
    check_step(&steps, 3, LINK_CREATE, "a-tap", 0);
    check_step(&steps, 4, LINK_SET, "a-tap", SET_ALIAS | SET_UP | SET_MASTER);
    ck_assert_uint_eq(steps.count, 5);
    link_steps_clear(&steps);
}
END_TEST

START_TEST(only_what_differs_is_set)
{
    struct links seen = {0};
    struct link_want want = bridge("br-lan", LAN, 0x0a640001);
    want.mtu = 1400;
    link_add_address(add(&seen, "br-lan", LINK_BRIDGE, want.alias), want.address, 24);
    seen.items[0].up = false;
    struct link_steps steps = plan(&seen, &want, 1);
    check_step(&steps, 0, LINK_SET, "br-lan", SET_MTU | SET_UP);
    ck_assert_uint_eq(steps.count, 1);
    link_steps_clear(&steps);
    links_clear(&seen);
}
END_TEST

START_TEST(a_bridge_that_a_crash_left_half_made_is_gone_on_with)
{
    struct links seen = {0};
    struct link_want want = bridge("br-lan", LAN, 0);
    memcpy(add(&seen, "br-lan", LINK_BRIDGE, "")->mac, want.mac, 6);
    struct link_steps steps = plan(&seen, &want, 1);
    ck_assert_int_eq(want.verdict, LINK_FINE);
    check_step(&steps, 0, LINK_SET, "br-lan", SET_ALIAS);
    link_steps_clear(&steps);
    links_clear(&seen);
}
END_TEST

static const struct {
    const char *alias;
    enum link_kind kind;
    enum link_verdict verdict;
    const char *says;
} conflicts[] = {
    {"", LINK_BRIDGE, LINK_FOREIGN, "harmony did not make"},
    {"uplink", LINK_OTHER, LINK_FOREIGN, "harmony did not make"},
    {"harmony:site-b:" OTHER, LINK_BRIDGE, LINK_OTHER_SITE, "belongs to site site-b"},
    {"harmony:site-a:site-a.network.dmz", LINK_BRIDGE, LINK_OTHER_OWNER, "site-a.network.dmz"},
    {"harmony:site-a:" LAN, LINK_TAP, LINK_WRONG_KIND, "is no bridge"},
};

START_TEST(a_link_of_that_name_that_is_not_ours_is_a_conflict)
{
    struct links seen = {0};
    struct link_want want = bridge("br-lan", LAN, 0x0a640001);
    struct hm_error err = {0};
    add(&seen, "br-lan", conflicts[_i].kind, conflicts[_i].alias);
    for (int gone = 0; gone < 2; gone++) {
        want.gone = gone;
        struct link_steps steps = plan(&seen, &want, 1);
        ck_assert_str_eq(link_verdict_name(want.verdict), link_verdict_name(conflicts[_i].verdict));
        ck_assert_uint_eq(steps.count, 0);
        ck_assert_int_eq(link_verdict_check(&want, &err), -HM_E_CONFLICT);
        ck_assert_ptr_nonnull(strstr(err.text, conflicts[_i].says));
        link_steps_clear(&steps);
    }
    links_clear(&seen);
}
END_TEST

START_TEST(a_subnet_that_another_link_is_in_is_a_conflict)
{
    static const struct {
        uint32_t address;
        unsigned prefix;
        bool clashes;
    } others[] = {{0x0a640009, 24, true},
                  {0x0a640001, 16, true},
                  {0x0a640080, 25, true},
                  {0x0a640101, 24, false},
                  {0x7f000001, 8, false}};
    for (size_t i = 0; i < HM_COUNT(others); i++) {
        struct links seen = {0};
        struct link_want want = bridge("br-lan", LAN, 0x0a640001);
        struct hm_error err = {0};
        link_add_address(add(&seen, "eth0", LINK_OTHER, ""), others[i].address, others[i].prefix);
        struct link_steps steps = plan(&seen, &want, 1);
        ck_assert_int_eq(want.verdict == LINK_SUBNET_IN_USE, others[i].clashes);
        ck_assert_int_eq(link_verdict_check(&want, &err) < 0, others[i].clashes);
        if (others[i].clashes)
            ck_assert_ptr_nonnull(strstr(err.text, "eth0 of this host"));
        link_steps_clear(&steps);
        links_clear(&seen);
    }
}
END_TEST

static void give6(struct link_want *want)
{
    const uint8_t address[16] = {0xfd, 0, 1, 0, [15] = 1};
    memcpy(want->address6, address, sizeof address);
    want->prefix6 = 64;
}

START_TEST(an_ipv6_address_is_given_once)
{
    struct links seen = {0};
    struct link_want want = bridge("br-lan", LAN, 0x0a640001);
    give6(&want);
    struct link *there = add(&seen, "br-lan", LINK_BRIDGE, want.alias);
    link_add_address(there, want.address, 24);
    struct link_steps steps = plan(&seen, &want, 1);
    check_step(&steps, 0, LINK_ADDRESS6, "br-lan", 0);
    ck_assert_uint_eq(steps.count, 1);
    carry_out(&seen, &steps.items[0], 0);
    link_steps_clear(&steps);
    steps = plan(&seen, &want, 1);
    ck_assert_uint_eq(steps.count, 0);
    link_steps_clear(&steps);
    links_clear(&seen);
}
END_TEST

START_TEST(an_ipv6_prefix_is_one_links_alone)
{
    static const struct {
        uint8_t bytes[16];
        unsigned prefix;
        bool clashes;
    } others[] = {{{0xfd, 0, 1, 0, [15] = 9}, 64, true},
                  {{0xfd, 0, 1, 0, [7] = 1, [15] = 9}, 64, false},
                  {{0xfd, 0, 1, 0, [7] = 1, [15] = 9}, 63, true},
                  {{0xfd, 0, 1, 0, [8] = 7}, 128, true},
                  {{[15] = 1}, 128, false}};
    for (size_t i = 0; i < HM_COUNT(others); i++) {
        struct links seen = {0};
        struct link_want want = bridge("br-lan", LAN, 0x0a640001);
        struct hm_error err = {0};
        give6(&want);
        link_add_address6(add(&seen, "eth0", LINK_OTHER, ""), others[i].bytes, others[i].prefix);
        struct link_steps steps = plan(&seen, &want, 1);
        ck_assert_int_eq(want.verdict == LINK_SUBNET6_IN_USE, others[i].clashes);
        ck_assert_int_eq(link_verdict_check(&want, &err) < 0, others[i].clashes);
        if (others[i].clashes)
            ck_assert_ptr_nonnull(strstr(err.text, "eth0 of this host"));
        link_steps_clear(&steps);
        links_clear(&seen);
    }
}
END_TEST

START_TEST(a_tap_waits_for_a_bridge_that_may_be_used)
{
    struct links seen = {0};
    struct link_want wants[] = {bridge("br-lan", LAN, 0), tap("hm-1", "site-a.vm.web#0", "br-lan"),
                                tap("hm-2", "site-a.vm.web#1", "br-none")};
    add(&seen, "br-lan", LINK_BRIDGE, "harmony:site-b:" OTHER);
    struct link_steps steps = plan(&seen, wants, 3);
    ck_assert_uint_eq(steps.count, 0);
    ck_assert_int_eq(wants[0].verdict, LINK_OTHER_SITE);
    ck_assert_int_eq(wants[1].verdict, LINK_MASTER_MISSING);
    ck_assert_int_eq(wants[2].verdict, LINK_MASTER_MISSING);
    link_steps_clear(&steps);
    links_clear(&seen);
}
END_TEST

START_TEST(only_leaked_taps_of_ours_are_swept)
{
    struct links seen = {0};
    struct link_want wants[] = {tap("hm-1", "site-a.vm.web#0", "br-lan")};
    struct link_steps steps;
    add(&seen, "hm-1", LINK_TAP, "harmony:site-a:site-a.vm.web#0");
    add(&seen, "hm-2", LINK_TAP, "harmony:site-a:site-a.vm.old#0");
    add(&seen, "hm-3", LINK_TAP, "harmony:site-b:site-b.vm.old#0");
    add(&seen, "hm-4", LINK_TAP, "");
    add(&seen, "br-old", LINK_BRIDGE, "harmony:site-a:site-a.network.old");
    links_sort(&seen);
    link_plan_sweep(SITE, &seen, wants, 1, &steps);
    ck_assert_uint_eq(steps.count, 1);
    ck_assert_str_eq(steps.items[0].seen->name, "hm-2");
    link_steps_clear(&steps);
    links_clear(&seen);
}
END_TEST

/* -- By chance --------------------------------------------------------------------------------- */

enum { NAMES = 8, SEEDS = 4000 };

static uint64_t rng;

static unsigned pick(unsigned n)
{
    return pick_of(&rng, n);
}

/* Names 0 to 3 are wanted as bridges, 4 to 7 as TAPs. */
static void name_of(unsigned i, char out[LINK_NAME_MAX + 1])
{
    snprintf(out, LINK_NAME_MAX + 1, "%s%u", i < 4 ? "br" : "hm", i);
}

static void owner_of(unsigned i, char out[OWNER_MAX + 1])
{
    snprintf(out, OWNER_MAX + 1, i < 4 ? "site-a.network.n%u" : "site-a.vm.v%u#0", i);
}

static void add_random_link(struct links *world, unsigned i)
{
    char name[LINK_NAME_MAX + 1], owner[OWNER_MAX + 1], alias[ALIAS_MAX + 1] = "";
    name_of(i, name);
    owner_of(pick(6) ? i : pick(NAMES), owner);
    if (pick(4))
        ck_assert(alias_make(pick(5) ? SITE : "site-b", owner, alias));
    bool right = pick(8) != 0;
    enum link_kind kind = !right ? (enum link_kind)pick(3) : i < 4 ? LINK_BRIDGE : LINK_TAP;
    struct link *l = add(world, name, kind, alias);
    if (pick(2))
        alias_mac(SITE, owner, l->mac);
    l->up = pick(2);
    l->mtu = 1400 + 100 * pick(2);
    for (unsigned n = pick(3); n > 0; n--)
        link_add_address(l, 0x0a000001 + (pick(6) << 8), 24);
}

static struct links random_world(void)
{
    struct links world = {0};
    for (unsigned i = 0; i < NAMES; i++)
        if (pick(2))
            add_random_link(&world, i);
    for (size_t i = 0; i < world.count; i++)
        if (world.items[i].kind == LINK_TAP && pick(2))
            world.items[i].master = world.items[pick((unsigned)world.count)].index;
    return world;
}

static size_t random_wants(struct link_want wants[NAMES])
{
    size_t count = 0;
    char name[LINK_NAME_MAX + 1], owner[OWNER_MAX + 1], master[LINK_NAME_MAX + 1] = "";
    for (unsigned i = 0; i < NAMES; i++) {
        if (pick(4) == 0)
            continue;
        name_of(i, name);
        owner_of(i, owner);
        if (pick(3))
            name_of(pick(4), master);
        wants[count] = i < 4 ? bridge(name, owner, pick(3) ? 0x0a000001 + (i << 8) : 0)
                             : tap(name, owner, master);
        wants[count].mtu = pick(2) ? 1400 : 0;
        wants[count++].gone = pick(4) == 0;
    }
    return count;
}

/* Everything that carries somebody else's mark, or none. */
static char *foreign_state(struct links *world, const struct link_want *wants, size_t count)
{
    char *text = hm_strdup("");
    links_sort(world);
    for (size_t i = 0; i < world->count; i++) {
        const struct link *l = &world->items[i];
        const struct link_want *want = NULL;
        for (size_t w = 0; w < count; w++)
            if (!strcmp(wants[w].name, l->name))
                want = &wants[w];
        if (is_ours(l, want))
            continue;
        char *more =
            hm_printf("%s%s %s %d %u %d;", text, l->name, l->alias, l->index, l->mtu, l->up);
        free(text);
        text = more;
    }
    return text;
}

static void check_end(struct links *world, struct link_want *wants, size_t count)
{
    struct link_steps again = plan(world, wants, count);
    ck_assert_msg(again.count == 0, "%s: a second plan would do something",
                  again.count ? again.items[0].want->name : "");
    for (size_t i = 0; i < count; i++)
        if (wants[i].verdict == LINK_FINE)
            ck_assert_int_eq(find(world, wants[i].name) != NULL, !wants[i].gone);
    link_steps_clear(&again);
}

static unsigned run_world(uint64_t seed)
{
    struct link_want wants[NAMES];
    rng = seed * 0x9e3779b97f4a7c15ULL + 1;
    struct links world = random_world();
    size_t count = random_wants(wants);
    char *before = foreign_state(&world, wants, count);
    unsigned done = 0;
    /* Killed after any number of steps, the next agent looks and plans anew. */
    for (int round = 0; round < 20; round++) {
        struct links seen = {0};
        for (size_t i = 0; i < world.count; i++) {
            struct link *l = links_add(&seen, &world.items[i]);
            for (size_t a = 0; a < world.items[i].address_count; a++)
                link_add_address(l, world.items[i].addresses[a].address,
                                 world.items[i].addresses[a].prefix);
        }
        struct link_steps steps = plan(&seen, wants, count);
        size_t most = round < 10 ? pick((unsigned)steps.count + 1) : steps.count;
        for (size_t i = 0; i < most; i++)
            carry_out(&world, &steps.items[i], MADE + (int)done++);
        drop_unfinished_taps(&world);
        link_steps_clear(&steps);
        links_clear(&seen);
    }
    char *after = foreign_state(&world, wants, count);
    ck_assert_str_eq(before, after);
    check_end(&world, wants, count);
    free(before);
    free(after);
    links_clear(&world);
    return done;
}

START_TEST(every_world_converges_and_nothing_foreign_is_touched)
{
    const char *one = getenv("SEED");
    unsigned done = 0;
    if (one) {
        run_world(strtoull(one, NULL, 10));
        return;
    }
    for (uint64_t seed = 1; seed <= SEEDS; seed++)
        done += run_world(seed);
    ck_assert_uint_gt(done, SEEDS); /* there was something to do */
}
END_TEST

int main(void)
{
    TCase *c = tcase_create("link_plan");
    tcase_add_test(c, from_nothing_a_bridge_comes_before_its_tap);
    tcase_add_test(c, only_what_differs_is_set);
    tcase_add_test(c, an_ipv6_address_is_given_once);
    tcase_add_test(c, an_ipv6_prefix_is_one_links_alone);
    tcase_add_test(c, a_bridge_that_a_crash_left_half_made_is_gone_on_with);
    tcase_add_loop_test(c, a_link_of_that_name_that_is_not_ours_is_a_conflict, 0,
                        HM_COUNT(conflicts));
    tcase_add_test(c, a_subnet_that_another_link_is_in_is_a_conflict);
    tcase_add_test(c, a_tap_waits_for_a_bridge_that_may_be_used);
    tcase_add_test(c, only_leaked_taps_of_ours_are_swept);
    tcase_add_test(c, every_world_converges_and_nothing_foreign_is_touched);
    return run_case("link_plan", c);
}
