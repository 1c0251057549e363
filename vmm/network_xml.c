#include "vmm/network_xml.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "proto/doc.h"
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
    struct network_subnet subnet;
    if (!network_subnet(spec, &subnet))
        return; /* a bridge without address */
    network_gateway(spec, address);
    network_netmask(spec, netmask);
    xmlNodePtr ip = xml_add_set(root, "ip", "address", address, "netmask", netmask, NULL);
    add_dhcp(ip, spec);
}

/* Without DHCP: its dnsmasq says by which prefix guests make their own addresses. */
static void add_address6(xmlNodePtr root, const json_t *spec)
{
    char address[NETWORK_ADDRESS6_MAX + 1];
    if (network_address6(spec, address))
        xml_add_set(root, "ip", "family", "ipv6", "address", address, "prefix", "64", NULL);
}

static void add_forward(xmlNodePtr root, const json_t *spec)
{
    const char *mode = mode_of(spec);
    if (!strcmp(mode, "isolated"))
        return;
    xmlNodePtr forward = xml_add_set(root, "forward", "mode", mode, NULL);
    if (!strcmp(mode, "nat") && spec_str(spec, "subnet6"))
        xml_add_set(forward, "nat", "ipv6", "yes", NULL);
}

static void add_dns_host(xmlNodePtr dns, const json_t *host)
{
    size_t i;
    json_t *name;
    xmlNodePtr node = xml_add_set(dns, "host", "ip", spec_str(host, "ip"), NULL);
    json_array_foreach(json_object_get(host, "names"), i, name)
        xml_add_text(node, "hostname", json_string_value(name));
}

static void add_dns(xmlNodePtr root, const json_t *spec)
{
    const json_t *dns = json_object_get(spec, "dns");
    const json_t *forwarders = json_object_get(dns, "forwarders"),
                 *hosts = json_object_get(dns, "hosts");
    const char *domain = spec_str(dns, "domain");
    bool off = dns && !spec_bool(dns, "enabled");
    size_t i;
    json_t *item;
    if (domain)
        xml_add_set(root, "domain", "name", domain, NULL);
    if (!off && !json_array_size(forwarders) && !json_array_size(hosts))
        return;
    xmlNodePtr node = xml_add(root, "dns");
    if (off)
        xml_set(node, "enable", "no");
    json_array_foreach(forwarders, i, item)
        xml_add_set(node, "forwarder", "addr", json_string_value(item), NULL);
    json_array_foreach(hosts, i, item) add_dns_host(node, item);
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
    add_forward(root, spec);
    xml_add_set(root, "bridge", "name", bridge, "stp", "on", "delay", "0", NULL);
    if (json_object_get(spec, "mtu"))
        xml_set_int(xml_add(root, "mtu"), "size", spec_int(spec, "mtu", 0));
    add_dns(root, spec);
    add_address(root, spec);
    add_address6(root, spec);
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

static void shape_dns_host(json_t *shape, xmlNodePtr host)
{
    HM_AUTOFREE char *ip = xml_get(host, "ip");
    struct hm_buf names = {0};
    for (xmlNodePtr h = xml_at(host, "hostname"); h; h = xml_next(h)) {
        HM_AUTOFREE char *name = xml_text(h);
        hm_buf_printf(&names, "%s%s", names.len ? " " : "", name ? name : "?");
    }
    shape_set(shape, names.data, "dns.hosts[%s]", ip ? ip : "?");
    hm_buf_free(&names);
}

static void shape_dns(json_t *shape, xmlNodePtr root)
{
    xmlNodePtr dns = xml_at(root, "dns");
    HM_AUTOFREE char *enabled = xml_get(dns, "enable");
    shape_attribute(shape, xml_at(root, "domain"), "name", "dns.domain");
    shape_set(shape, enabled && !strcmp(enabled, "no") ? "no" : NULL, "dns.enabled");
    for (xmlNodePtr f = xml_at(dns, "forwarder"); f; f = xml_next(f)) {
        HM_AUTOFREE char *address = xml_get(f, "addr");
        shape_set(shape, "yes", "dns.forwarders[%s]", address ? address : "?");
    }
    for (xmlNodePtr h = xml_at(dns, "host"); h; h = xml_next(h))
        shape_dns_host(shape, h);
}

static bool is_family6(xmlNodePtr ip)
{
    HM_AUTOFREE char *family = xml_get(ip, "family");
    return family && !strcmp(family, "ipv6");
}

/* The first of that family, or NULL. */
static xmlNodePtr find_ip(xmlNodePtr root, bool family6)
{
    xmlNodePtr ip = xml_at(root, "ip");
    while (ip && is_family6(ip) != family6)
        ip = xml_next(ip);
    return ip;
}

static void shape_addresses6(json_t *shape, xmlNodePtr root)
{
    xmlNodePtr ip = find_ip(root, true);
    shape_attribute(shape, ip, "address", "address6");
    shape_attribute(shape, ip, "prefix", "prefix6");
    shape_attribute(shape, xml_at(root, "forward/nat"), "ipv6", "nat6");
}

static json_t *shape_of(xmlNodePtr root)
{
    json_t *shape = json_object();
    xmlNodePtr forward = xml_at(root, "forward"), ip = find_ip(root, false);
    HM_AUTOFREE char *mode = xml_get(forward, "mode");
    shape_set(shape, mode ? mode : forward ? "nat" : "isolated", "mode");
    shape_attribute(shape, xml_at(root, "bridge"), "name", "bridge");
    shape_attribute(shape, ip, "address", "address");
    shape_attribute(shape, ip, "netmask", "netmask");
    shape_attribute(shape, ip, "prefix", "prefix");
    shape_addresses6(shape, root);
    shape_attribute(shape, xml_at(root, "mtu"), "size", "mtu");
    shape_dns(shape, root);
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
    info.marked = mark_from_xml(root, kind_find("network")->fields, &info.mark) > 0;
    info.details = json_pack(
        "{s:O*, s:O*, s:O*, s:O*}", "bridge", json_object_get(info.shape, "bridge"), "mode",
        json_object_get(info.shape, "mode"), "address", json_object_get(info.shape, "address"),
        "address6", json_object_get(info.shape, "address6"));
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
