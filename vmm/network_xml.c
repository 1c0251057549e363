#include "vmm/network_xml.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "proto/field.h"
#include "proto/network.h"
#include "vmm/shape.h"
#include "vmm/xml.h"

static json_t *shape_of(xmlNodePtr root);

/* -- Building ---------------------------------------------------------------------------------- */

static const char *mode_of(const json_t *spec)
{
    const char *mode = spec_str(spec, "mode");
    return mode ? mode : "nat";
}

static void add_host(xmlNodePtr dhcp, const json_t *host)
{
    xmlNodePtr node = xml_add(dhcp, "host");
    if (spec_str(host, "mac"))
        xml_set(node, "mac", spec_str(host, "mac"));
    if (spec_str(host, "name"))
        xml_set(node, "name", spec_str(host, "name"));
    if (spec_str(host, "ip"))
        xml_set(node, "ip", spec_str(host, "ip"));
}

static void add_dhcp(xmlNodePtr ip, const json_t *spec)
{
    char start[NETWORK_ADDRESS_MAX + 1], end[NETWORK_ADDRESS_MAX + 1];
    if (!network_dhcp_range(spec, start, end))
        return;
    xmlNodePtr dhcp = xml_add(ip, "dhcp");
    xml_add_set(dhcp, "range", "start", start, "end", end, NULL);
    const json_t *hosts = json_object_get(json_object_get(spec, "dhcp"), "hosts");
    for (size_t i = 0; i < json_array_size(hosts); i++)
        add_host(dhcp, json_array_get(hosts, i));
}

static void add_address(xmlNodePtr root, const json_t *spec)
{
    char address[NETWORK_ADDRESS_MAX + 1], netmask[NETWORK_ADDRESS_MAX + 1];
    if (!spec_str(spec, "subnet"))
        return; /* a bridge without address */
    network_gateway(spec, address);
    network_netmask(spec, netmask);
    xmlNodePtr ip = xml_add_set(root, "ip", "address", address, "netmask", netmask, NULL);
    add_dhcp(ip, spec);
}

char *network_xml(const char *name, const char *uuid, const json_t *spec, struct mark *mark)
{
    char bridge[NETWORK_BRIDGE_MAX + 1];
    network_bridge_name(name, spec, bridge);
    XML_AUTOFREE xmlDocPtr doc = xml_new("network");
    xmlNodePtr root = xml_root(doc);
    xml_add_text(root, "name", name);
    if (uuid)
        xml_add_text(root, "uuid", uuid);
    if (strcmp(mode_of(spec), "isolated") != 0)
        xml_add_set(root, "forward", "mode", mode_of(spec), NULL);
    xml_add_set(root, "bridge", "name", bridge, "stp", "on", "delay", "0", NULL);
    add_address(root, spec);
    json_decref(mark->made);
    mark->made = shape_of(root);
    mark_to_xml(mark, root);
    return xml_print(doc);
}

/* -- Reading ----------------------------------------------------------------------------------- */

static void shape_attribute(json_t *shape, xmlNodePtr node, const char *attribute, const char *key)
{
    HM_AUTOFREE char *text = xml_get(node, attribute);
    shape_set(shape, text, "%s", key);
}

static void shape_host(json_t *shape, xmlNodePtr host)
{
    HM_AUTOFREE char *mac = xml_get(host, "mac");
    HM_AUTOFREE char *name = xml_get(host, "name");
    HM_AUTOFREE char *ip = xml_get(host, "ip");
    shape_set(shape, ip, "dhcp.hosts[%s]", mac ? mac : name ? name : "?");
    shape_set(shape, name, "dhcp.hosts[%s].name", mac ? mac : "?");
}

static json_t *shape_of(xmlNodePtr root)
{
    json_t *shape = json_object();
    xmlNodePtr forward = xml_at(root, "forward"), ip = xml_at(root, "ip");
    HM_AUTOFREE char *mode = xml_get(forward, "mode");
    shape_set(shape, mode ? mode : forward ? "nat" : "isolated", "mode");
    shape_attribute(shape, xml_at(root, "bridge"), "name", "bridge");
    shape_attribute(shape, ip, "address", "address");
    shape_attribute(shape, ip, "netmask", "netmask");
    shape_attribute(shape, ip, "prefix", "prefix");
    xmlNodePtr dhcp = xml_at(ip, "dhcp");
    shape_attribute(shape, xml_at(dhcp, "range"), "start", "dhcp.start");
    shape_attribute(shape, xml_at(dhcp, "range"), "end", "dhcp.end");
    for (xmlNodePtr h = xml_at(dhcp, "host"); h; h = xml_next(h))
        shape_host(shape, h);
    return shape;
}

int network_read(const char *xml, struct network_info *ret, struct hm_error *err)
{
    XML_AUTOFREE xmlDocPtr doc = NULL;
    int r = xml_parse(xml, &doc, err);
    if (r < 0)
        return r;
    xmlNodePtr root = xml_root(doc);
    if (strcmp((const char *)root->name, "network") != 0)
        return hm_fail(err, HM_E_INVALID, "expected a network's XML, found <%s>", root->name);
    struct network_info info = {.name = xml_text(xml_at(root, "name")),
                                .uuid = xml_text(xml_at(root, "uuid")),
                                .shape = shape_of(root)};
    info.marked = mark_from_xml(root, &info.mark) > 0;
    info.details = json_pack("{s:O*, s:O*, s:O*}", "bridge", json_object_get(info.shape, "bridge"),
                             "mode", json_object_get(info.shape, "mode"), "address",
                             json_object_get(info.shape, "address"));
    *ret = info;
    return 0;
}

void network_info_clear(struct network_info *info)
{
    free(info->name);
    free(info->uuid);
    mark_clear(&info->mark);
    json_decref(info->shape);
    json_decref(info->details);
    memset(info, 0, sizeof *info);
}
