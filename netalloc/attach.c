#include "netalloc/attach.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "netalloc/native_work.h"
#include "proto/address.h"
#include "proto/field.h"
#include "vmm/domain_xml.h"

struct attachment {
    const struct attach_options *options;
    const struct order *order;
    struct native native;
    struct work work;
};

/* A network's pool while cards are attached to it. */
struct desk {
    size_t network;
    struct pool pool;
    struct dhcp dhcp;
    bool changed;
};

static const json_t *nics_of(const struct order *o)
{
    return json_object_get(o->spec, "networks");
}

/* -- One card ---------------------------------------------------------------------------------- */

static void mac_of(const struct order *o, const json_t *nic, size_t index, uint8_t out[6])
{
    char made[VM_MAC_TEXT];
    const char *given = spec_str(nic, "mac");
    vm_mac(o->key, index, made);
    mac_parse(given ? given : made, out);
}

/* The address that the card shall have: by its own document, the network's static entries, or what a
 * running dnsmasq was last told (the record may have been lost). 0: any. */
static uint32_t wanted_address(const struct attachment *a, const struct desk *d, const json_t *nic,
                               const struct pool_request *q)
{
    const struct net *net = &a->work.nets[d->network];
    const struct net_host *host = net_host_with(net, q->mac);
    const char *given = spec_str(nic, "ip");
    uint32_t address = 0;
    if (given && ipv4_parse(given, &address))
        return address;
    if (host)
        return host->address;
    if (pool_held_by(&d->pool, q->owner))
        return 0;
    address = dhcp_remembers(&d->dhcp, q->mac);
    const struct lease *l = address ? pool_at(&d->pool, address) : NULL;
    bool is_free = address >= net->first && address <= net->last && (!l || l->given_back) &&
                   !net_host_at(net, address);
    return is_free ? address : 0;
}

/* An address that a document names must be one that this network has for this card. */
static int check_wanted(const struct net *net, const struct pool_request *q, struct hm_error *err)
{
    char text[IPV4_TEXT_MAX + 1];
    uint32_t mask = cidr_mask(net->prefix);
    ipv4_text(q->wanted, text);
    if ((q->wanted & mask) != (net->gateway & mask) || q->wanted == (net->gateway & mask) ||
        q->wanted == (net->gateway | ~mask))
        return hm_fail(err, HM_E_INVALID, "%s: %s is not an address of network %s", q->owner, text,
                       net->name);
    if (q->wanted == net->gateway)
        return hm_fail(err, HM_E_CONFLICT, "%s: %s is the host's own address on network %s",
                       q->owner, text, net->name);
    const struct net_host *host = net_host_at(net, q->wanted);
    if (host && memcmp(host->mac, q->mac, 6) != 0)
        return hm_fail(err, HM_E_CONFLICT,
                       "%s: %s belongs to another card (dhcp.hosts of network %s)", q->owner, text,
                       net->name);
    return 0;
}

static bool is_first_on(const struct attachment *a, size_t index, const char *network)
{
    for (size_t i = 0; i < index; i++) {
        const char *other = spec_str(json_array_get(nics_of(a->order), i), "network");
        if (other && !strcmp(other, network))
            return false;
    }
    return true;
}

static int take_address(const struct attachment *a, struct desk *d, const json_t *nic, size_t index,
                        struct hm_error *err)
{
    char owner[OWNER_MAX + 1];
    const struct net *net = &a->work.nets[d->network];
    struct pool_request q = {.owner = owner, .tap = a->options->by_tap};
    struct pool_range range;
    uint32_t address;
    if (!owner_make(a->order->key, index, owner))
        return hm_fail(err, HM_E_INVALID, "vm %s: its key can't be a mark", a->order->name);
    mac_of(a->order, nic, index, q.mac);
    q.name = is_first_on(a, index, net->name) ? a->order->name : NULL;
    q.wanted = wanted_address(a, d, nic, &q);
    int r = q.wanted ? check_wanted(net, &q, err) : 0;
    if (r < 0)
        return r;
    HM_AUTOFREE uint32_t *reserved = net_reserved(net, &range);
    r = pool_take(&d->pool, &range, &q, &address, err);
    d->changed |= r > 0;
    return r;
}

/* -- One network ------------------------------------------------------------------------------- */

/* Cards that this VM held an address for and that are on this network no more. */
static void give_back_others(const struct attachment *a, struct desk *d, bool all)
{
    size_t key = strlen(a->order->key);
    for (size_t i = 0; i < d->pool.count; i++) {
        const struct lease *l = &d->pool.items[i];
        bool its = !strncmp(l->owner, a->order->key, key) && l->owner[key] == '#';
        if (!its || l->given_back)
            continue;
        size_t index = strtoul(l->owner + key + 1, NULL, 10);
        const char *on = spec_str(json_array_get(nics_of(a->order), index), "network");
        if (all || !on || strcmp(on, a->work.nets[d->network].name) != 0)
            d->changed |= pool_give_back(&d->pool, l->owner);
    }
}

static int open_desk(const struct attachment *a, size_t network, struct desk *ret,
                     struct hm_error *err)
{
    struct desk d = {.network = network};
    int r = store_read_pool(&a->native.store, a->work.nets[network].name, &d.pool, err);
    if (r < 0)
        return r;
    work_dhcp(&a->work, network, &d.dhcp);
    *ret = d;
    return 0;
}

/* On disk first; then dnsmasq hears of it, also when a crash had kept that from it. */
static int close_desk(const struct attachment *a, struct desk *d, int r, struct hm_error *err)
{
    const struct net *net = &a->work.nets[d->network];
    if (r >= 0 && d->changed)
        r = store_write_pool(&a->native.store, net->name, &d->pool, err);
    if (r >= 0)
        r = dhcp_tell(&d->dhcp, net, &d->pool, err);
    dhcp_clear(&d->dhcp);
    pool_clear(&d->pool);
    return r;
}

static int serve_network(const struct attachment *a, size_t network, struct hm_error *err)
{
    struct desk d;
    size_t i;
    json_t *nic;
    bool uses = false;
    int r = open_desk(a, network, &d, err);
    if (r < 0)
        return r;
    json_array_foreach((json_t *)(uintptr_t)nics_of(a->order), i, nic)
    {
        const char *on = spec_str(nic, "network");
        if (r < 0 || !on || strcmp(on, a->work.nets[network].name) != 0)
            continue;
        uses = true;
        if (a->work.nets[network].prefix)
            r = take_address(a, &d, nic, i, err);
    }
    if (r >= 0 && a->options->starting)
        give_back_others(a, &d, false);
    if (!uses && !d.changed) { /* none of its business */
        dhcp_clear(&d.dhcp);
        pool_clear(&d.pool);
        return r;
    }
    return close_desk(a, &d, r, err);
}

/* -- The spec as this host connects it ---------------------------------------------------------- */

static int plug_in(const struct attachment *a, json_t *nic, size_t index, struct hm_error *err)
{
    const char *on = spec_str(nic, "network");
    char owner[OWNER_MAX + 1], name[LINK_NAME_MAX + 1];
    size_t network = on ? work_find(&a->work, on) : SIZE_MAX;
    if (network == SIZE_MAX)
        return 0;
    json_object_del(nic, "network");
    if (!a->options->by_tap) {
        json_object_set_new(nic, "bridge", json_string(a->work.nets[network].bridge));
        return 0;
    }
    if (!owner_make(a->order->key, index, owner))
        return hm_fail(err, HM_E_INVALID, "vm %s: its key can't be a mark", a->order->name);
    tap_name(a->native.site, owner, name);
    json_object_set_new(nic, "tap", json_string(name));
    return 0;
}

static int place_spec(const struct attachment *a, json_t **ret, struct hm_error *err)
{
    json_t *spec = json_deep_copy(a->order->spec), *nic;
    size_t i;
    int r = 0;
    json_array_foreach(json_object_get(spec, "networks"), i, nic)
    {
        r = r < 0 ? r : plug_in(a, nic, i, err);
    }
    if (r < 0)
        json_decref(spec);
    else
        *ret = spec;
    return r;
}

/* TAPs are made, and old ones go, once the record says so. A VM that is only changed has no need of a network
 * that is down. */
static int make_taps(struct attachment *a, struct hm_error *err)
{
    size_t i;
    json_t *nic;
    int r = 0;
    json_array_foreach((json_t *)(uintptr_t)nics_of(a->order), i, nic)
    {
        const char *on = spec_str(nic, "network");
        size_t network = on ? work_find(&a->work, on) : SIZE_MAX;
        if (r >= 0 && network != SIZE_MAX)
            r = work_make_taps(&a->work, network, a->order->key, err);
        if (r == -(int)HM_E_NETWORK_NOT_FOUND && !a->options->starting)
            r = 0;
    }
    return r < 0 ? r : work_sweep(&a->work, err);
}

/* -- The whole --------------------------------------------------------------------------------- */

static int begin(const struct attach_options *options, const struct order *o,
                 struct attachment *ret, struct hm_error *err)
{
    *ret = (struct attachment){.options = options, .order = o};
    native_init(&ret->native, options->site, options->state_dir, options->runtime_dir);
    int r = work_open(&ret->native, &ret->work, err);
    if (r < 0)
        native_clear(&ret->native);
    return r;
}

static void end(struct attachment *a)
{
    work_close(&a->work);
    native_clear(&a->native);
}

/* Hosts without native networks pay nothing. */
static bool has_natives(const struct attach_options *options)
{
    struct store store;
    struct definitions list = {0};
    store_init(&store, options->state_dir);
    bool has = store_list(&store, &list, NULL) < 0 || list.count > 0;
    definitions_clear(&list);
    store_clear(&store);
    return has;
}

int attach_vm(const struct attach_options *options, const struct order *o, json_t **ret_spec,
              struct hm_error *err)
{
    struct attachment a;
    json_t *spec = NULL;
    int r = has_natives(options) ? begin(options, o, &a, err) : 1;
    if (r > 0)
        *ret_spec = json_incref((json_t *)(uintptr_t)o->spec);
    if (r != 0)
        return r < 0 ? r : 0;
    r = place_spec(&a, &spec, err);
    for (size_t i = 0; i < a.work.definitions.count && r >= 0; i++)
        r = serve_network(&a, i, err);
    if (r >= 0 && options->by_tap && (options->starting || options->plugging))
        r = make_taps(&a, err);
    end(&a);
    if (r < 0)
        json_decref(spec);
    else
        *ret_spec = spec;
    return r < 0 ? r : 0;
}

void unplug_vm(const struct attach_options *options, const struct order *o)
{
    struct attachment a;
    if (!has_natives(options) || begin(options, o, &a, NULL) < 0)
        return;
    work_drop_taps(&a.work, o->key);
    end(&a);
}

int detach_vm(const struct attach_options *options, const struct order *o, struct hm_error *err)
{
    struct attachment a;
    int r = has_natives(options) ? begin(options, o, &a, err) : 1;
    if (r != 0)
        return r < 0 ? r : 0;
    for (size_t i = 0; i < a.work.definitions.count && r >= 0; i++) {
        struct desk d;
        r = open_desk(&a, i, &d, err);
        if (r < 0)
            break;
        give_back_others(&a, &d, true);
        r = close_desk(&a, &d, r, err);
    }
    if (r >= 0)
        r = work_sweep(&a.work, err);
    end(&a);
    return r;
}
