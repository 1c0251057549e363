#include <stdlib.h>
#include <string.h>

#include <libvirt/virterror.h>

#include "base/alloc.h"
#include "proto/field.h"
#include "proto/network.h"
#include "vmm/lv.h"
#include "vmm/network_change.h"
#include "vmm/network_xml.h"
#include "vmm/shape.h"

/* 1: found; 0: absent. */
static int find_network(struct lv *lv, const char *name, virNetworkPtr *ret, struct hm_error *err)
{
    *ret = virNetworkLookupByName(lv->conn, name);
    if (*ret)
        return 1;
    if (lv_last_is(VIR_ERR_NO_NETWORK))
        return 0;
    return lv_fail(lv, err, "network %s: look it up", name);
}

static char *xml_of(virNetworkPtr net, bool definition)
{
    char *xml = virNetworkGetXMLDesc(net, definition ? VIR_NETWORK_XML_INACTIVE : 0);
    if (!xml && lv_last_is(VIR_ERR_INVALID_ARG)) /* a backend that keeps one form only */
        xml = virNetworkGetXMLDesc(net, 0);
    return xml;
}

int lv_read_network(struct lv *lv, virNetworkPtr net, bool definition, struct network_info *ret,
                    struct hm_error *err)
{
    const char *name = virNetworkGetName(net);
    HM_AUTOFREE char *xml = xml_of(net, definition);
    if (!xml)
        return lv_fail(lv, err, "network %s: read its XML", name);
    return network_read(xml, ret, err) < 0 ? hm_wrap(err, "network %s", name) : 0;
}

/* 1: there and ours; 0: absent. */
static int find_ours(struct lv *lv, const struct order *o, virNetworkPtr *ret, struct hm_error *err)
{
    int found = find_network(lv, o->name, ret, err);
    if (found <= 0)
        return found;
    struct network_info info = {0};
    int r = lv_read_network(lv, *ret, true, &info, err);
    if (r >= 0)
        r = mark_check_ours(info.marked ? &info.mark : NULL, o, err);
    network_info_clear(&info);
    return r < 0 ? r : 1;
}

/* -- Defining ---------------------------------------------------------------------------------- */

static bool is_as_made(const struct network_info *info, const struct mark *wanted)
{
    if (!info->marked || !info->mark.hash || strcmp(info->mark.hash, wanted->hash) != 0)
        return false;
    HM_AUTOFREE char *difference = shape_difference(wanted->made, info->shape);
    return !difference;
}

/* The network that has this bridge, or NULL; the caller frees it. */
static char *owner_of_bridge(struct lv *lv, const char *bridge)
{
    virNetworkPtr *nets = NULL;
    char *owner = NULL;
    int count = virConnectListAllNetworks(lv->conn, &nets, 0);
    for (int i = 0; i < count; i++) {
        char *other = virNetworkGetBridgeName(nets[i]);
        if (!owner && other && !strcmp(other, bridge))
            owner = hm_strdup(virNetworkGetName(nets[i]));
        free(other);
        virNetworkFree(nets[i]);
    }
    free(nets);
    return owner;
}

static int fail_to_define(struct lv *lv, const struct order *o, struct hm_error *err)
{
    struct hm_error why;
    char bridge[NETWORK_BRIDGE_MAX + 1];
    int r = lv_fail(lv, &why, "network %s: define it", o->name);
    network_bridge_name(o->name, o->spec, bridge);
    HM_AUTOFREE char *owner = owner_of_bridge(lv, bridge);
    if (owner && strcmp(owner, o->name) != 0)
        return hm_fail(err, HM_E_NETWORK_EXISTS,
                       "network %s: its bridge %s is that of network %s; give one of them another "
                       "bridge",
                       o->name, bridge, owner);
    hm_fail(err, why.code, "%s", why.text);
    return r;
}

static int define(struct lv *lv, const struct order *o, const struct network_info *before,
                  virNetworkPtr *ret, struct hm_error *err)
{
    struct mark mark;
    mark_of_order(o, &mark);
    HM_AUTOFREE char *xml = network_xml(o->name, before->uuid, o->spec, &mark);
    bool done = is_as_made(before, &mark);
    mark_clear(&mark);
    if (done)
        return 0;
    virNetworkPtr net = virNetworkDefineXML(lv->conn, xml);
    if (!net)
        return fail_to_define(lv, o, err);
    lv_network_free(ret);
    *ret = net;
    return 0;
}

static int set_autostart(struct lv *lv, const struct order *o, virNetworkPtr net,
                         struct hm_error *err)
{
    int wanted = !o->primary && spec_bool(o->spec, "autostart"), is = 0;
    if (virNetworkGetAutostart(net, &is) < 0)
        return lv_fail(lv, err, "network %s: ask for autostart", o->name);
    if (is != wanted && virNetworkSetAutostart(net, wanted) < 0)
        return lv_fail(lv, err, "network %s: set autostart", o->name);
    return 0;
}

static int network_create(struct lv *lv, const struct order *o, struct hm_error *err)
{
    struct network_info before = {0};
    LV_NETWORK net = NULL;
    int r = find_network(lv, o->name, &net, err);
    if (r > 0)
        r = lv_read_network(lv, net, true, &before, err);
    if (r >= 0 && net)
        r = mark_check(before.marked ? &before.mark : NULL, o, err);
    if (r >= 0)
        r = define(lv, o, &before, &net, err);
    if (r >= 0)
        r = set_autostart(lv, o, net, err);
    network_info_clear(&before);
    lv_touch_networks(lv);
    return r < 0 ? r : 0;
}

/* -- Power ------------------------------------------------------------------------------------- */

static int network_start(struct lv *lv, const struct order *o, struct hm_error *err)
{
    LV_NETWORK net = NULL;
    int found = find_ours(lv, o, &net, err);
    if (found <= 0)
        return found < 0 ? found : lv_fail_absent(o, err);
    lv_touch_networks(lv);
    if (virNetworkIsActive(net) == 1)
        return 0;
    if (virNetworkCreate(net) == 0)
        return 0;
    struct hm_error why;
    lv_fail(lv, &why, "network %s: start it", o->name);
    return lv_fail_unless(virNetworkIsActive(net) == 1, &why, err);
}

/* Cards of running guests that are on it, whoever made them; libvirt keeps a port for each. */
static int count_ports(virNetworkPtr net)
{
    int count = virNetworkListAllPorts(net, NULL, 0);
    return count < 0 ? 0 : count; /* a backend without ports */
}

static int take_down(struct lv *lv, const struct order *o, virNetworkPtr net, struct hm_error *err)
{
    lv_touch_networks(lv);
    if (virNetworkIsActive(net) != 1)
        return 0;
    int ports = count_ports(net);
    if (ports > 0)
        return hm_fail(err, HM_E_REFUSED,
                       "network %s: %d %s of running guests on it; stop those guests first",
                       o->name, ports, ports == 1 ? "card is" : "cards are");
    if (virNetworkDestroy(net) == 0)
        return 0;
    struct hm_error why;
    lv_fail(lv, &why, "network %s: stop it", o->name);
    return lv_fail_unless(virNetworkIsActive(net) == 0, &why, err);
}

static int network_stop(struct lv *lv, const struct order *o, struct hm_error *err)
{
    LV_NETWORK net = NULL;
    int found = find_ours(lv, o, &net, err);
    if (found <= 0)
        return found < 0 ? found : 1;
    return take_down(lv, o, net, err);
}

static int network_verify_stopped(struct lv *lv, const struct order *o, struct hm_error *err)
{
    LV_NETWORK net = NULL;
    int found = find_network(lv, o->name, &net, err);
    if (found <= 0)
        return found;
    int active = virNetworkIsActive(net);
    if (active < 0)
        return lv_fail(lv, err, "network %s: ask whether it is active", o->name);
    if (active)
        return hm_fail(err, HM_E_REFUSED, "network %s is still active", o->name);
    return 0;
}

static int network_remove(struct lv *lv, const struct order *o, struct hm_error *err)
{
    LV_NETWORK net = NULL;
    int found = find_ours(lv, o, &net, err);
    if (found <= 0)
        return found < 0 ? found : 1;
    int r = take_down(lv, o, net, err);
    if (r < 0)
        return r;
    if (virNetworkUndefine(net) < 0 && !lv_last_is(VIR_ERR_NO_NETWORK))
        return lv_fail(lv, err, "network %s: undefine it", o->name);
    return 0;
}

/* -- While it is active ------------------------------------------------------------------------ */

static unsigned section_of(enum network_section section)
{
    return section == NETWORK_DHCP_RANGE  ? VIR_NETWORK_SECTION_IP_DHCP_RANGE
           : section == NETWORK_DHCP_HOST ? VIR_NETWORK_SECTION_IP_DHCP_HOST
                                          : VIR_NETWORK_SECTION_DNS_HOST;
}

static int change_live(struct lv *lv, const struct order *o, virNetworkPtr net,
                       const struct network_changes *changes, struct hm_error *err)
{
    for (size_t i = 0; i < changes->count; i++) {
        const struct network_change *c = &changes->items[i];
        unsigned command =
            c->adds ? VIR_NETWORK_UPDATE_COMMAND_ADD_LAST : VIR_NETWORK_UPDATE_COMMAND_DELETE;
        if (virNetworkUpdate(net, command, section_of(c->section), -1, c->xml,
                             VIR_NETWORK_UPDATE_AFFECT_LIVE) < 0)
            return lv_fail(lv, err, "network %s: %s %s", o->name, c->adds ? "add" : "take out",
                           c->xml);
    }
    return 0;
}

/* 1: it is active in another form than it is defined in, and ours; 0: as it is defined. */
static int still_differs(struct lv *lv, virNetworkPtr net, struct hm_error *err)
{
    struct network_info defined = {0}, live = {0};
    int r = lv_read_network(lv, net, true, &defined, err);
    if (r >= 0)
        r = lv_read_network(lv, net, false, &live, err);
    if (r >= 0)
        r = live.marked && !json_equal(defined.shape, live.shape);
    network_info_clear(&defined);
    network_info_clear(&live);
    return r;
}

/* What guests can be on while it changes is changed; for the rest it goes down, if no guest is on it,
 * and the plan starts it again. One that was adopted keeps its form until somebody restarts it. */
static int follow_definition(struct lv *lv, const struct order *o, virNetworkPtr net,
                             struct hm_error *err)
{
    struct network_changes changes = {0};
    HM_AUTOFREE char *active = xml_of(net, false), *defined = xml_of(net, true);
    if (!active || !defined)
        return lv_fail(lv, err, "network %s: read its XML", o->name);
    int r = network_changes_between(active, defined, &changes, err);
    if (r >= 0)
        r = change_live(lv, o, net, &changes, err);
    network_changes_clear(&changes);
    if (r >= 0)
        r = still_differs(lv, net, err);
    return r > 0 ? take_down(lv, o, net, err) : r;
}

static int network_update(struct lv *lv, const struct order *o, struct hm_error *err)
{
    LV_NETWORK net = NULL;
    int r = network_create(lv, o, err);
    if (r >= 0)
        r = find_network(lv, o->name, &net, err);
    if (r > 0 && virNetworkIsActive(net) == 1)
        r = follow_definition(lv, o, net, err);
    return r < 0 ? r : 0;
}

const struct lv_kind lv_network_kind = {
    .name = "network",
    .create = network_create,
    .update = network_update,
    .start = network_start,
    .stop = network_stop,
    .kill = network_stop,
    .verify_stopped = network_verify_stopped,
    .remove = network_remove,
};
