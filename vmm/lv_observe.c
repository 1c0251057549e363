#include <stdlib.h>
#include <string.h>

#include <libvirt/virterror.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "proto/field.h"
#include "vmm/lv_cache.h"
#include "vmm/lv_fault.h"
#include "vmm/lv_vm.h"
#include "vmm/network_xml.h"
#include "vmm/shape.h"
#include "vmm/spec_pool.h"

/* -- One domain, read anew --------------------------------------------------------------------- */

static void take_mark(struct thing *t, struct mark *m)
{
    t->marked = true;
    t->mark_site = m->site;
    t->mark_key = m->key;
    t->mark_hash = m->hash;
    t->spec = spec_share(m->hash, m->spec);
    json_decref(m->made);
    memset(m, 0, sizeof *m);
}

/* The definition against what was written when its mark was. */
static char *drift_of(const struct mark *m, const json_t *shape)
{
    return m->made ? shape_difference(m->made, shape) : NULL;
}

static bool is_primary_key(const char *key)
{
    return key && !strncmp(key, "primary.", 8);
}

static char *domain_drift(const struct domain_info *defined, const struct domain_info *live,
                          bool autostart)
{
    if (!defined->marked)
        return live->marked ? hm_strdup("its mark was taken away") : NULL;
    if (autostart && is_primary_key(defined->mark.key))
        return hm_strdup("autostart is on");
    return drift_of(&defined->mark, defined->shape);
}

static void add_process(const struct lv *lv, struct domain_info *info, virDomainPtr dom)
{
    unsigned id = virDomainGetID(dom);
    if (id == (unsigned)-1)
        return;
    json_object_set_new(info->details, "id", json_integer(id));
    struct lv_processes *processes = &lv->cache->processes;
    if (info->marked && !processes->is_read)
        lv_processes_read(lv, processes);
    int pid = info->marked ? lv_processes_find(processes, info->uuid) : 0;
    if (pid > 0)
        json_object_set_new(info->details, "pid", json_integer(pid));
}

/* While a guest runs its own mark tells what it was started from; the definition's is for the next
 * start. */
static struct thing_shared *thing_of(struct lv *lv, virDomainPtr dom, struct domain_info *defined,
                                     struct domain_info *live, bool autostart, int64_t stopped_ms)
{
    struct thing t = {.kind = hm_strdup("vm"),
                      .name = hm_strdup(virDomainGetName(dom)),
                      .autostart = autostart,
                      .run = defined->run,
                      .drift = domain_drift(defined, live, autostart)};
    struct domain_info *effective = live->name ? live : defined;
    if (live->name)
        add_process(lv, live, dom);
    lv_faults_read(lv, dom, &(struct lv_fault_look){live, stopped_ms}, &t.fault);
    if (t.fault.stands_still)
        t.reason = lv_fault_reason(&t.fault);
    if (effective->marked)
        take_mark(&t, &effective->mark);
    t.details = json_incref(effective->details);
    return thing_shared_new(&t);
}

/* 1: read; 0: it is gone. */
static int read_entry(struct lv *lv, virDomainPtr dom, bool active, struct lv_entry *e,
                      struct hm_error *err)
{
    struct domain_info defined = {0}, live = {0};
    int autostart = 0;
    int r = lv_read_domain(lv, dom, VIR_DOMAIN_XML_INACTIVE, &defined, err);
    if (r >= 0 && active)
        r = lv_read_domain(lv, dom, 0, &live, err);
    if (r == -HM_E_VM_NOT_FOUND)
        r = 1;
    else if (r >= 0) {
        virDomainGetAutostart(dom, &autostart); /* a transient domain has none */
        if (!active || !e->active)
            e->looks = 0;
        e->waits = active && live.marked && lv_add_addresses(lv->cache, live.details);
        if (e->waits)
            lv_look_for_address_later(lv, e);
        const struct domain_info *effective = live.name ? &live : &defined;
        e->stale = !lv_image_add_disks(lv, effective->marked ? effective->disks : NULL,
                                       effective->details, &e->images);
        thing_shared_unref(e->shared);
        e->shared = thing_of(lv, dom, &defined, &live, autostart != 0, e->stopped_ms);
        e->active = active;
    }
    domain_info_clear(&defined);
    domain_info_clear(&live);
    return r < 0 ? r : r == 0;
}

/* -- All domains, by one bulk call ------------------------------------------------------------- */

struct domain_state {
    enum thing_state state;
    const char *reason;
    bool active;
    bool shut_down; /* off, or about to be, by the guest's own clean shutdown */
    bool by_disk;   /* paused by QEMU after an I/O error */
};

static const char *off_reason(int reason)
{
    switch (reason) {
    case VIR_DOMAIN_SHUTOFF_SHUTDOWN:
        return "shut down";
    case VIR_DOMAIN_SHUTOFF_DESTROYED:
        return "destroyed";
    case VIR_DOMAIN_SHUTOFF_CRASHED:
        return "crashed";
    case VIR_DOMAIN_SHUTOFF_SAVED:
        return "saved";
    case VIR_DOMAIN_SHUTOFF_FAILED:
        return "failed to start";
    case VIR_DOMAIN_SHUTOFF_DAEMON:
        return "lost by the daemon";
    default:
        return NULL;
    }
}

/* NULL: it was read with the domain. */
static const char *paused_reason(int reason)
{
    if (reason == VIR_DOMAIN_PAUSED_IOERROR)
        return NULL;
    return reason == VIR_DOMAIN_PAUSED_WATCHDOG ? "by its watchdog: the guest no longer fed it"
                                                : "paused";
}

/* Blocked counts as running, shutdown as off (docs/architecture.md, "States"). */
static struct domain_state state_from(int state, int reason)
{
    switch (state) {
    case VIR_DOMAIN_RUNNING:
        return (struct domain_state){THING_RUNNING, NULL, true, false, false};
    case VIR_DOMAIN_BLOCKED:
        return (struct domain_state){THING_RUNNING, "blocked", true, false, false};
    case VIR_DOMAIN_PAUSED:
        return (struct domain_state){THING_PAUSED, paused_reason(reason), true, false,
                                     reason == VIR_DOMAIN_PAUSED_IOERROR};
    case VIR_DOMAIN_PMSUSPENDED:
        return (struct domain_state){THING_PAUSED, "suspended by the guest", true, false, false};
    case VIR_DOMAIN_SHUTDOWN:
        return (struct domain_state){THING_OFF, "shutting down", true, true, false};
    case VIR_DOMAIN_CRASHED:
        return (struct domain_state){THING_CRASHED, "crashed", true, false, false};
    case VIR_DOMAIN_SHUTOFF:
        return (struct domain_state){
            reason == VIR_DOMAIN_SHUTOFF_CRASHED ? THING_CRASHED : THING_OFF, off_reason(reason),
            false, reason == VIR_DOMAIN_SHUTOFF_SHUTDOWN, false};
    default:
        return (struct domain_state){THING_UNKNOWN, "libvirt does not know", false, false, false};
    }
}

static struct domain_state state_of_record(const virDomainStatsRecord *record)
{
    int state = VIR_DOMAIN_NOSTATE, reason = 0;
    for (int i = 0; i < record->nparams; i++) {
        const virTypedParameter *p = &record->params[i];
        if (p->type != VIR_TYPED_PARAM_INT)
            continue;
        if (!strcmp(p->field, "state.state"))
            state = p->value.i;
        else if (!strcmp(p->field, "state.reason"))
            reason = p->value.i;
    }
    return state_from(state, reason);
}

static int add_record(struct lv *lv, const virDomainStatsRecord *record, struct things *ret,
                      size_t *listed, struct hm_error *err)
{
    const char *name = virDomainGetName(record->dom);
    if (!name)
        return lv_fail(lv, err, "observe domains");
    struct lv_cache *cache = lv->cache;
    struct lv_entry *e = lv_cache_entry(cache, name);
    struct domain_state now = state_of_record(record);
    bool other = e->active != now.active || (e->stopped_ms != 0) != now.by_disk;
    e->pass = cache->pass;
    e->stale |= other;
    (*listed)++;
    if (!now.by_disk)
        e->stopped_ms = 0;
    else if (!e->stopped_ms)
        e->stopped_ms = hm_wall_ns() / HM_MS;
    if (!e->shared || e->stale || look_again_is_due(&e->images, cache->pass_began_ns)) {
        int r = read_entry(lv, record->dom, now.active, e, err);
        if (r <= 0)
            return r;
    }
    struct thing *t = &ret->items[ret->count++];
    *t = thing_view(e->shared, now.state, now.reason);
    t->shut_down = now.shut_down;
    return 0;
}

static int observe_domains(struct lv *lv, struct things *ret, struct hm_error *err)
{
    virDomainStatsRecordPtr *records = NULL;
    int count = virConnectGetAllDomainStats(lv->conn, VIR_DOMAIN_STATS_STATE, &records,
                                            VIR_CONNECT_GET_ALL_DOMAINS_STATS_NOWAIT);
    if (count < 0)
        return lv_fail(lv, err, "observe domains");
    size_t room = (size_t)count + lv->cache->networks.count + lv->cache->disks.count;
    ret->items = hm_alloc((room + 1) * sizeof *ret->items);
    size_t listed = 0;
    int r = 0;
    for (int i = 0; i < count && r >= 0; i++)
        r = add_record(lv, records[i], ret, &listed, err);
    virDomainStatsRecordListFree(records);
    if (r >= 0)
        lv_cache_sweep(lv->cache, listed);
    return r;
}

/* -- Networks ---------------------------------------------------------------------------------- */

/* What is active against its own mark: it was changed with `virsh net-update --live`, or defined by
 * another hand and restarted. An earlier mark means that a change of ours is still to follow. */
static char *live_drift(const struct network_info *defined, const struct network_info *live)
{
    bool same =
        live->mark.hash && defined->mark.hash && !strcmp(live->mark.hash, defined->mark.hash);
    HM_AUTOFREE char *words = same ? drift_of(&live->mark, live->shape) : NULL;
    return words ? hm_printf("as it runs, %s", words) : NULL;
}

static char *network_drift(const struct network_info *defined, const struct network_info *live,
                           bool differs, bool autostart)
{
    if (!defined->marked)
        return NULL;
    char *words = drift_of(&defined->mark, defined->shape);
    bool wanted = !is_primary_key(defined->mark.key) && spec_bool(defined->mark.spec, "autostart");
    if (words)
        return words;
    if (defined->mark.spec && autostart != wanted)
        return hm_strdup(autostart ? "autostart is on" : "autostart is off");
    return differs && live->marked ? live_drift(defined, live) : NULL;
}

/* A running network whose live form is not what its definition says was made from an earlier spec:
 * its own mark is the one that counts. */
static void network_thing(const struct lv_cache *cache, struct network_info *defined,
                          struct network_info *live, bool active, bool autostart,
                          struct things *list)
{
    bool differs = active && !json_equal(live->shape, defined->shape);
    bool adopted = differs && defined->marked && !live->marked;
    struct thing t = {.kind = hm_strdup("network"),
                      .name = hm_strdup(defined->name),
                      .state = active ? THING_RUNNING : THING_OFF,
                      .autostart = autostart,
                      .drift = network_drift(defined, live, differs, autostart)};
    struct network_info *effective = differs && live->marked ? live : defined;
    if (effective->marked)
        take_mark(&t, &effective->mark);
    t.details = json_incref(differs ? live->details : defined->details);
    json_t *leases = lv_leases_of(cache, t.name);
    if (json_array_size(leases) > 0)
        json_object_set(t.details, "leases", leases);
    json_decref(leases);
    if (adopted)
        t.reason = hm_strdup("as it was before it was adopted, until it is restarted");
    struct thing_shared *shared = thing_shared_new(&t);
    struct thing view = thing_view(shared, thing_shared_get(shared)->state, NULL);
    things_add(list, &view);
    thing_shared_unref(shared);
}

static int read_network(struct lv *lv, virNetworkPtr net, struct things *list, struct hm_error *err)
{
    struct network_info defined = {0}, live = {0};
    const char *name = virNetworkGetName(net);
    int autostart = 0, active = virNetworkIsActive(net);
    int r = active < 0 ? lv_fail(lv, err, "network %s: ask whether it is active", name)
                       : lv_read_network(lv, net, true, &defined, err);
    if (r >= 0 && active)
        r = lv_read_network(lv, net, false, &live, err);
    if (r >= 0) {
        virNetworkGetAutostart(net, &autostart); /* a transient network has none */
        network_thing(lv->cache, &defined, &live, active == 1, autostart != 0, list);
    }
    network_info_clear(&defined);
    network_info_clear(&live);
    return r == -HM_E_NETWORK_NOT_FOUND ? 0 : r; /* gone since it was listed */
}

static int observe_networks(struct lv *lv, struct hm_error *err)
{
    virNetworkPtr *nets = NULL;
    struct things found = {0};
    int count = virConnectListAllNetworks(lv->conn, &nets, 0);
    if (count < 0)
        return lv_last_is(VIR_ERR_NO_SUPPORT) ? 0 : lv_fail(lv, err, "list networks");
    int r = 0;
    for (int i = 0; i < count; i++) {
        if (r >= 0)
            r = read_network(lv, nets[i], &found, err);
        virNetworkFree(nets[i]);
    }
    free(nets);
    if (r < 0) {
        things_clear(&found);
        return r;
    }
    things_clear(&lv->cache->networks);
    lv->cache->networks = found;
    return 0;
}

/* -- The whole --------------------------------------------------------------------------------- */

static void add_views(struct things *ret, const struct things *from)
{
    for (size_t i = 0; i < from->count; i++)
        ret->items[ret->count++] = thing_view(from->items[i].shared, from->items[i].state, NULL);
}

static void apply_dirty(struct lv_cache *cache, const struct lv_dirty *dirty)
{
    if (dirty->all_domains)
        lv_cache_mark_all_stale(cache);
    for (size_t i = 0; i < dirty->domain_count; i++)
        lv_cache_mark_stale(cache, dirty->domains[i]);
}

static int observe_all(struct lv *lv, const struct lv_dirty *dirty, struct things *ret,
                       struct hm_error *err)
{
    bool leased = lv_observe_leases(lv, dirty);
    int r = dirty->networks || leased ? observe_networks(lv, err) : 0;
    if (r >= 0)
        r = lv_observe_storage(lv, dirty, err);
    if (r >= 0)
        r = observe_domains(lv, ret, err);
    if (r < 0)
        return r;
    add_views(ret, &lv->cache->networks);
    add_views(ret, &lv->cache->disks);
    return 0;
}

int lv_observe(struct lv *lv, struct things *ret, struct hm_error *err)
{
    atomic_store(&lv->observes, true);
    int r = lv_check_alive(lv, err);
    if (r < 0)
        return r;
    if (!lv->cache)
        lv->cache = lv_cache_new();
    lv_watch(lv); /* before the first look, so that nothing falls between */
    struct lv_dirty dirty;
    struct things found = {0};
    lv_take_dirty(lv, &dirty);
    lv->cache->pass++;
    lv_images_begin(lv);
    apply_dirty(lv->cache, &dirty);
    r = observe_all(lv, &dirty, &found, err);
    lv_processes_clear(&lv->cache->processes);
    if (r < 0) { /* what was noted is not read yet: note all of it again */
        lv_touch_networks(lv);
        lv_touch_pools(lv);
        things_clear(&found);
        return r;
    }
    *ret = found;
    return 0;
}
