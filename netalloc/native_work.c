#include "netalloc/native_work.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "netalloc/net6.h"

void native_init(struct native *n, const char *site, const char *state_dir, const char *runtime_dir)
{
    *n = (struct native){.site = hm_strdup(site), .runtime_dir = hm_strdup(runtime_dir)};
    store_init(&n->store, state_dir);
}

void native_clear(struct native *n)
{
    free(n->site);
    free(n->runtime_dir);
    store_clear(&n->store);
    *n = (struct native){0};
}

/* -- Open and close ---------------------------------------------------------------------------- */

static void read_nets(struct work *w)
{
    w->nets = hm_alloc((w->definitions.count + 1) * sizeof *w->nets);
    for (size_t i = 0; i < w->definitions.count; i++) {
        const struct definition *d = &w->definitions.items[i];
        w->nets[i].name = d->name;
        if (d->mark.spec)
            net_of_spec(d->name, d->mark.spec, &w->nets[i]);
    }
}

int work_open(const struct native *n, struct work *ret, struct hm_error *err)
{
    struct work w = {.native = n};
    w.lock = store_lock(&n->store, err);
    if (w.lock < 0)
        return w.lock;
    int r = store_list(&n->store, &w.definitions, err);
    read_nets(&w);
    if (r >= 0)
        r = netlink_open(&w.netlink, err);
    if (r >= 0)
        r = netlink_links(w.netlink, &w.seen, err);
    if (r < 0) {
        work_close(&w);
        return r;
    }
    *ret = w;
    return 0;
}

void work_close(struct work *w)
{
    for (size_t i = 0; w->nets && i < w->definitions.count; i++)
        net_clear(&w->nets[i]);
    free(w->nets);
    definitions_clear(&w->definitions);
    links_clear(&w->seen);
    netlink_close(w->netlink);
    close(w->lock);
    *w = (struct work){.lock = -1};
}

int work_look_again(struct work *w, struct hm_error *err)
{
    struct links seen = {0};
    int r = netlink_links(w->netlink, &seen, err);
    if (r < 0)
        return r;
    links_clear(&w->seen);
    w->seen = seen;
    return 0;
}

/* -- What is there ----------------------------------------------------------------------------- */

size_t work_find(const struct work *w, const char *name)
{
    for (size_t i = 0; i < w->definitions.count; i++)
        if (!strcmp(w->definitions.items[i].name, name))
            return i;
    return SIZE_MAX;
}

bool work_bridge(const struct work *w, size_t i, bool gone, struct link_want *ret)
{
    const struct net *net = &w->nets[i];
    const struct mark *mark = &w->definitions.items[i].mark;
    struct link_want want = {.kind = LINK_BRIDGE,
                             .mtu = net->mtu,
                             .address = net->gateway,
                             .prefix = net->prefix,
                             .prefix6 = net->has6 ? NET6_PREFIX : 0,
                             .gone = gone};
    if (!mark->spec || !alias_make(w->native->site, mark->key, want.alias))
        return false;
    memcpy(want.address6, net->gateway6, sizeof want.address6);
    snprintf(want.name, sizeof want.name, "%s", net->bridge);
    snprintf(want.owner, sizeof want.owner, "%s", mark->key);
    alias_mac(w->native->site, mark->key, want.mac);
    *ret = want;
    return true;
}

bool work_bridge_is_ours(const struct work *w, size_t i)
{
    struct link_want want;
    const struct link *link =
        work_bridge(w, i, false, &want) ? links_find(&w->seen, want.name) : NULL;
    return link && link->kind == LINK_BRIDGE && !strcmp(link->alias, want.alias);
}

void work_dhcp(const struct work *w, size_t i, struct dhcp *ret)
{
    HM_AUTOFREE char *leases = store_leases_path(&w->native->store, w->nets[i].name);
    dhcp_prepare(&w->nets[i], w->native->runtime_dir, leases, ret);
}

size_t work_firewalled(const struct work *w, size_t also, size_t except, const struct net ***ret)
{
    const struct net **list = hm_alloc((w->definitions.count + 1) * sizeof(struct net *));
    size_t count = 0;
    for (size_t i = 0; i < w->definitions.count; i++)
        if (i != except && w->definitions.items[i].mark.spec &&
            (i == also || work_bridge_is_ours(w, i)))
            list[count++] = &w->nets[i];
    *ret = list;
    return count;
}

/* -- TAPs -------------------------------------------------------------------------------------- */

void tap_name(const char *site, const char *owner, char out[LINK_NAME_MAX + 1])
{
    uint8_t h[6];
    alias_mac(site, owner, h);
    snprintf(out, LINK_NAME_MAX + 1, "hm%02x%02x%02x%02x%02x%02x", h[0], h[1], h[2], h[3], h[4],
             h[5]);
}

static bool tap_want(const struct work *w, size_t i, const struct lease *l, struct link_want *ret)
{
    struct link_want want = {.kind = LINK_TAP, .mtu = w->nets[i].mtu};
    if (!alias_make(w->native->site, l->owner, want.alias))
        return false;
    tap_name(w->native->site, l->owner, want.name);
    snprintf(want.owner, sizeof want.owner, "%s", l->owner);
    snprintf(want.master, sizeof want.master, "%s", w->nets[i].bridge);
    *ret = want;
    return true;
}

int work_taps(const struct work *w, size_t i, struct link_want **wants, size_t *count,
              struct hm_error *err)
{
    struct pool pool;
    int r = store_read_pool(&w->native->store, w->nets[i].name, &pool, err);
    if (r < 0)
        return r;
    *wants = hm_realloc_array(*wants, *count + pool.count + 1, sizeof **wants);
    for (size_t k = 0; k < pool.count; k++)
        if (pool.items[k].tap && tap_want(w, i, &pool.items[k], &(*wants)[*count]))
            ++*count;
    pool_clear(&pool);
    return 0;
}
