#include "netalloc/native_observe.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "netalloc/host.h"
#include "netalloc/net6.h"
#include "proto/address.h"

enum { ADDRESSES_SHOWN = 256 };

/* -- What is missing --------------------------------------------------------------------------- */

static char *missing_of_links(const struct work *w, size_t i)
{
    struct link_want want;
    struct link_steps steps;
    char *missing = NULL;
    if (!work_bridge(w, i, false, &want))
        return NULL;
    link_plan(w->native->site, &w->seen, &want, 1, &steps);
    if (steps.count || want.verdict != LINK_FINE)
        missing = hm_printf("the bridge %s is not as it was made", want.name);
    link_steps_clear(&steps);
    return missing;
}

static char *missing_of_dhcp(const struct work *w, size_t i)
{
    struct dhcp d;
    if (!dhcp_is_wanted(&w->nets[i]))
        return NULL;
    work_dhcp(w, i, &d);
    bool served = dhcp_is_served(&d);
    dhcp_clear(&d);
    return served ? NULL : hm_strdup("its dnsmasq does not run");
}

/* In words, what is not as it should be of a network whose bridge is there; the caller's. */
static char *drift_of(const struct work *w, size_t i, bool firewall_is_set)
{
    char *drift = w->definitions.items[i].active ? missing_of_links(w, i)
                                                 : hm_strdup("it was not taken down whole");
    if (!drift && !firewall_is_set)
        drift = hm_strdup("the firewall's rules are not as they were set");
    if (!drift && w->nets[i].mode != NET_ISOLATED && !host_forwards())
        drift = hm_strdup("the host does not forward packets");
    if (!drift && w->nets[i].mode != NET_ISOLATED && w->nets[i].has6 && !host_forwards6())
        drift = hm_strdup("the host does not forward IPv6");
    return drift ? drift : missing_of_dhcp(w, i);
}

/* -- Things ------------------------------------------------------------------------------------ */

static void show_address(const struct net *net, const struct lease *l, json_t *list, json_t *list6)
{
    char text[IPV4_TEXT_MAX + 1], text6[NET6_TEXT_MAX + 1];
    uint8_t address6[16];
    ipv4_text(l->address, text);
    json_object_set_new(list, l->owner, json_string(text));
    if (!net6_beside(net, l->address, address6))
        return;
    net6_text(address6, text6);
    json_object_set_new(list6, l->owner, json_string(text6));
}

/* Owner -> address, of both families. */
static void add_addresses(const struct work *w, size_t i, json_t *details)
{
    json_t *list = json_object(), *list6 = json_object();
    struct pool pool = {0};
    store_read_pool(&w->native->store, w->definitions.items[i].name, &pool, NULL);
    for (size_t k = 0; k < pool.count && json_object_size(list) < ADDRESSES_SHOWN; k++)
        if (!pool.items[k].given_back)
            show_address(&w->nets[i], &pool.items[k], list, list6);
    pool_clear(&pool);
    json_object_set_new(details, "addresses", list);
    if (w->nets[i].has6)
        json_object_set(details, "addresses6", list6);
    json_decref(list6);
}

static json_t *details_of(const struct work *w, size_t i)
{
    const struct net *net = &w->nets[i];
    char address6[NET6_TEXT_MAX + 1];
    net6_text(net->gateway6, address6);
    json_t *details =
        json_pack("{s:s*, s:s*}", "bridge", w->definitions.items[i].mark.spec ? net->bridge : NULL,
                  "address6", net->has6 ? address6 : NULL);
    add_addresses(w, i, details);
    return details;
}

static char *copy(const char *text)
{
    return text ? hm_strdup(text) : NULL;
}

static struct thing thing_of(const struct work *w, size_t i, bool firewall_is_set)
{
    const struct definition *d = &w->definitions.items[i];
    bool up = work_bridge_is_ours(w, i);
    return (struct thing){
        .kind = hm_strdup("network"),
        .name = hm_strdup(d->name),
        .state = up ? THING_RUNNING : THING_OFF,
        .marked = true,
        .mark_site = hm_strdup(d->mark.site ? d->mark.site : w->native->site),
        .mark_key = copy(d->mark.key),
        .mark_hash = d->mark.spec ? copy(d->mark.hash) : NULL,
        .spec = json_incref(d->mark.spec),
        .drift = up ? drift_of(w, i, firewall_is_set) : NULL,
        .details = details_of(w, i),
    };
}

static bool same_text(const char *a, const char *b)
{
    return a == b || (a && b && !strcmp(a, b));
}

static bool is_same(const struct thing *a, const struct thing *b)
{
    return a->state == b->state && same_text(a->name, b->name) &&
           same_text(a->mark_key, b->mark_key) && same_text(a->mark_hash, b->mark_hash) &&
           same_text(a->drift, b->drift) && json_equal(a->details, b->details);
}

/* The copy that was given out before, if nothing has changed; takes *t over. */
static struct thing_shared *share(const struct native_cache *cache, struct thing *t)
{
    for (size_t i = 0; i < cache->count; i++) {
        if (!is_same(thing_shared_get(cache->items[i]), t))
            continue;
        thing_clear(t);
        return cache->items[i];
    }
    return thing_shared_new(t);
}

static bool is_in(const struct native_cache *cache, const struct thing_shared *shared)
{
    for (size_t i = 0; i < cache->count; i++)
        if (cache->items[i] == shared)
            return true;
    return false;
}

/* Copies of before that were not taken over go. */
static void replace(struct native_cache *cache, struct native_cache *next)
{
    for (size_t i = 0; i < cache->count; i++)
        if (!is_in(next, cache->items[i]))
            thing_shared_unref(cache->items[i]);
    free(cache->items);
    *cache = *next;
}

static void look_at_all(const struct work *w, bool firewall_is_set, struct native_cache *cache,
                        struct things *ret)
{
    struct native_cache next = {
        .items = hm_alloc((w->definitions.count + 1) * sizeof(struct thing_shared *))};
    for (size_t i = 0; i < w->definitions.count; i++) {
        struct thing t = thing_of(w, i, firewall_is_set);
        enum thing_state state = t.state;
        struct thing_shared *shared = share(cache, &t);
        struct thing view = thing_view(shared, state, NULL);
        next.items[next.count++] = shared;
        things_add(ret, &view);
    }
    replace(cache, &next);
}

static bool any_is_up(const struct work *w)
{
    for (size_t i = 0; i < w->definitions.count; i++)
        if (work_bridge_is_ours(w, i))
            return true;
    return false;
}

/* A host without native networks is asked for nothing. */
static bool none_was_ever_defined(const struct native *n)
{
    struct definitions list = {0};
    bool none = store_list(&n->store, &list, NULL) >= 0 && list.count == 0;
    definitions_clear(&list);
    return none;
}

int native_observe(const struct native *n, struct native_cache *cache, struct things *ret,
                   struct hm_error *err)
{
    struct work w;
    struct things list = {0};
    if (none_was_ever_defined(n)) {
        native_cache_clear(cache);
        *ret = list;
        return 0;
    }
    int r = work_open(n, &w, err);
    if (r < 0)
        return r;
    r = any_is_up(&w) ? work_firewall_is_set(&w, err) : 1;
    if (r >= 0) {
        look_at_all(&w, r > 0, cache, &list);
        *ret = list;
    }
    work_close(&w);
    return r < 0 ? r : 0;
}

void native_cache_clear(struct native_cache *cache)
{
    for (size_t i = 0; i < cache->count; i++)
        thing_shared_unref(cache->items[i]);
    free(cache->items);
    *cache = (struct native_cache){0};
}
