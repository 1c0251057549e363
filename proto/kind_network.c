#include <stdio.h>
#include <string.h>

#include "proto/address.h"
#include "proto/kind.h"
#include "proto/kind_network.h"
#include "proto/network.h"
#include "proto/text.h"

static const char *const backends[] = {"libvirt", NETWORK_NATIVE, NULL};
static const char *const modes[] = {"nat", "route", "isolated", NULL};
static const char *const no_subnet[] = {NETWORK_NO_SUBNET, NULL};

/* COST_LIVE is what virNetworkUpdate() can do while guests are on the network; the rest needs another
 * bridge or another dnsmasq. */
static const struct field host_fields[] = {
    {.name = "mac",
     .type = FIELD_MAC,
     .cost = COST_LIVE,
     .required = true,
     .help = "The guest's MAC address, as in its networks[].mac."},
    {.name = "ip",
     .type = FIELD_IP,
     .cost = COST_LIVE,
     .required = true,
     .help = "The address it always gets; in the subnet."},
    {.name = "name",
     .type = FIELD_NAME,
     .cost = COST_LIVE,
     .help = "Host name given to it with the address; the network's DNS knows it while the lease "
             "lasts."},
    {.name = NULL},
};

static const struct field dhcp_fields[] = {
    {.name = "enabled",
     .type = FIELD_BOOL,
     .cost = COST_LIVE,
     .default_value = "true",
     .help = "Hand out addresses on this network (never without a subnet)."},
    {.name = "start",
     .type = FIELD_IP,
     .cost = COST_LIVE,
     .help = "First address handed out; absent: the larger part of the subnet beside the gateway."},
    {.name = "end",
     .type = FIELD_IP,
     .cost = COST_LIVE,
     .help = "Last address handed out; given together with start."},
    {.name = "hosts",
     .type = FIELD_LIST,
     .cost = COST_LIVE,
     .element = FIELD_OBJECT,
     .fields = host_fields,
     .unique_by = "mac",
     .help = "Static leases."},
    {.name = NULL},
};

static const struct field dns_host_fields[] = {
    {.name = "ip",
     .type = FIELD_IP,
     .cost = COST_LIVE,
     .required = true,
     .help = "The address that the names stand for."},
    {.name = "names",
     .type = FIELD_LIST,
     .cost = COST_LIVE,
     .element = FIELD_STRING,
     .required = true,
     .min = 1,
     .max = 32,
     .help = "Host names, with or without a domain (api, api.okd.example.net)."},
    {.name = NULL},
};

static const struct field dns_fields[] = {
    {.name = "enabled",
     .type = FIELD_BOOL,
     .cost = COST_REPLACE,
     .default_value = "true",
     .help = "Answer the guests' DNS questions at the host's address (never without a subnet)."},
    {.name = "domain",
     .type = FIELD_STRING,
     .cost = COST_REPLACE,
     .min = 1,
     .max = DNS_NAME_MAX,
     .help = "Domain of the guests' names; given to them with their address."},
    {.name = "forwarders",
     .type = FIELD_LIST,
     .cost = COST_REPLACE,
     .element = FIELD_IP,
     .max = 8,
     .help = "DNS servers that are asked for all other names; absent: those of the host."},
    {.name = "hosts",
     .type = FIELD_LIST,
     .cost = COST_LIVE,
     .element = FIELD_OBJECT,
     .fields = dns_host_fields,
     .unique_by = "ip",
     .help = "Names that it knows by itself."},
    {.name = NULL},
};

static const struct field network_fields[] = {
    {.name = "backend",
     .type = FIELD_ENUM,
     .cost = COST_REPLACE,
     .words = backends,
     .default_value = "\"libvirt\"",
     .help = "What makes it: libvirt, or the agent itself (native: rtnetlink, nftables and "
             "dnsmasq), whose "
             "addresses stay with each declared card and are given to nobody else."},
    {.name = "mode",
     .type = FIELD_ENUM,
     .cost = COST_REPLACE,
     .words = modes,
     .default_value = "\"nat\"",
     .help =
         "nat: guests reach the outside through the host, under its address; route: through the "
         "host, under their own, so the routers outside need a route to the subnet; isolated: only "
         "each other and the host."},
    {.name = "bridge",
     .type = FIELD_STRING,
     .cost = COST_REPLACE,
     .min = 1,
     .max = NETWORK_BRIDGE_MAX,
     .help = "Name of the bridge on the host; absent: virbr- (native: br-) and the network's name "
             "without "
             "dashes, cut and hashed to 15 characters."},
    {.name = "subnet",
     .type = FIELD_CIDR,
     .cost = COST_REPLACE,
     .words = no_subnet,
     .default_value = "\"192.168.100.1/24\"",
     .help =
         "The host's own address on the network (the guests' gateway) and the prefix; absent and "
         "native: " NETWORK_NATIVE_SUBNET ". none: a bridge without address, DHCP and DNS, where a "
         "guest is the gateway; with mode: isolated."},
    {.name = "subnet6",
     .type = FIELD_STRING,
     .cost = COST_REPLACE,
     .min = 4,
     .max = NETWORK_ADDRESS6_MAX + 3,
     .help = "The host's own IPv6 address on the network, beside subnet, with the prefix /64 "
             "(fd00:100::1/64); guests make addresses of their own in it (SLAAC). Mode nat hides "
             "them behind the host's, as it does with IPv4. On a native network those that ask by "
             "DHCPv6 get an address of their own that stays."},
    {.name = "dhcp",
     .type = FIELD_OBJECT,
     .cost = COST_LIVE,
     .default_value = "{}",
     .fields = dhcp_fields,
     .help = "Addresses for the guests."},
    {.name = "dns",
     .type = FIELD_OBJECT,
     .cost = COST_REPLACE,
     .default_value = "{}",
     .fields = dns_fields,
     .help = "Names for the guests."},
    {.name = "mtu",
     .type = FIELD_INT,
     .cost = COST_REPLACE,
     .min = 576,
     .max = 65535,
     .help =
         "Largest packet in bytes, of the bridge and of its guests' virtio cards; absent: 1500."},
    {.name = "forwards",
     .type = FIELD_LIST,
     .cost = COST_LIVE,
     .element = FIELD_OBJECT,
     .fields = network_forward_fields,
     .max = 256,
     .help = "Ports of the host that lead to a machine on the network; with backend: native."},
    {.name = "autostart",
     .type = FIELD_BOOL,
     .cost = COST_LIVE,
     .default_value = "true",
     .help =
         "Bring it up when the host starts, before the agent does (libvirt; the agent brings up a "
         "native one)."},
    FIELDS_COMMON("\"replace\""),
    {.name = NULL},
};

/* -- what the table can't say ----------------------------------------------------------------- */

/* What the kernel takes as an interface's name, without what reads like a path or an option. */
static bool is_interface_name(const char *name)
{
    size_t n = strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-");
    return n > 0 && n <= NETWORK_BRIDGE_MAX && !name[n] && *name != '.' && *name != '-';
}

int kind_check_bridge(const json_t *in, struct field_place *at, struct hm_error *err)
{
    const char *bridge = spec_str(in, "bridge");
    if (!bridge || is_interface_name(bridge))
        return 0;
    char shown[TEXT_QUOTE_MAX];
    text_quote(bridge, shown);
    size_t n = strlen(at->path);
    snprintf(at->path + n, sizeof at->path - n, "%sbridge", n ? "." : "");
    return field_fail(at, err,
                      "%s is not a network interface's name (letters, digits, _ . -, at most %d)",
                      shown, NETWORK_BRIDGE_MAX);
}

static int check_subnet(const struct network_subnet *s, const json_t *spec, struct field_place *at,
                        struct hm_error *err)
{
    field_place_set(at, "subnet");
    if (s->prefix < 8 || s->prefix > 30)
        return field_fail(at, err, "%s: the prefix must be between 8 and 30",
                          spec_str(spec, "subnet"));
    if (s->gateway < s->first || s->gateway > s->last)
        return field_fail(at, err,
                          "%s is the subnet itself or its broadcast address; give the host's own "
                          "address in it (such as .1)",
                          spec_str(spec, "subnet"));
    return 0;
}

/* Where the host has no address it forwards nothing and serves nobody: what asks for that is a
 * mistake. */
static int check_without_subnet(const json_t *spec, struct field_place *at, struct hm_error *err)
{
    static const char *const needs[][2] = {{"dhcp", "start"},     {"dhcp", "end"},
                                           {"dhcp", "hosts"},     {"dns", "domain"},
                                           {"dns", "forwarders"}, {"dns", "hosts"}};
    field_place_set(at, "mode");
    if (strcmp(spec_str(spec, "mode"), "isolated") != 0)
        return field_fail(
            at, err,
            "%s needs the host's address on the network, and subnet is none; set mode: "
            "isolated, or give a subnet",
            spec_str(spec, "mode"));
    for (size_t i = 0; i < sizeof needs / sizeof *needs; i++) {
        if (!json_object_get(json_object_get(spec, needs[i][0]), needs[i][1]))
            continue;
        field_place_set(at, "%s.%s", needs[i][0], needs[i][1]);
        return field_fail(at, err, "needs a subnet: without an address the host serves nobody");
    }
    return 0;
}

/* An address of `object` that guests may get: in the subnet, and not the gateway. */
int network_check_guest_address(const struct network_subnet *s, const json_t *object,
                                const char *name, const char *path, struct field_place *at,
                                struct hm_error *err)
{
    uint32_t address;
    const char *text = spec_str(object, name);
    if (!text || !ipv4_parse(text, &address))
        return 0;
    char first[IPV4_TEXT_MAX + 1], last[IPV4_TEXT_MAX + 1];
    ipv4_text(s->first, first);
    ipv4_text(s->last, last);
    field_place_set(at, "%s.%s", path, name);
    if (address < s->first || address > s->last)
        return field_fail(at, err, "%s is outside of the subnet (%s to %s)", text, first, last);
    if (address == s->gateway)
        return field_fail(at, err, "%s is the host's own address (subnet)", text);
    return 0;
}

static int check_range(const struct network_subnet *s, const json_t *dhcp, struct field_place *at,
                       struct hm_error *err)
{
    const char *start = spec_str(dhcp, "start"), *end = spec_str(dhcp, "end");
    uint32_t from, to;
    field_place_set(at, "dhcp");
    if (!start != !end)
        return field_fail(at, err, "start and end are given together, or neither");
    if (!start || !ipv4_parse(start, &from) || !ipv4_parse(end, &to))
        return 0;
    int rc = network_check_guest_address(s, dhcp, "start", "dhcp", at, err);
    if (rc >= 0)
        rc = network_check_guest_address(s, dhcp, "end", "dhcp", at, err);
    if (rc < 0)
        return rc;
    field_place_set(at, "dhcp.end");
    if (from > to)
        return field_fail(at, err, "%s is before start, %s", end, start);
    if (from < s->gateway && s->gateway < to)
        return field_fail(at, err, "the range %s to %s holds the host's own address", start, end);
    return 0;
}

/* No two elements before `end` and at it may share this field's text. */
static int refuse_host_twin(const json_t *hosts, size_t end, const char *field,
                            struct field_place *at, struct hm_error *err)
{
    const char *text = spec_str(json_array_get(hosts, end), field);
    for (size_t i = 0; text && i < end; i++) {
        const char *other = spec_str(json_array_get(hosts, i), field);
        if (!other || strcmp(other, text) != 0)
            continue;
        field_place_set(at, "dhcp.hosts[%zu].%s", end, field);
        return field_fail(at, err, "%s is there twice (also in [%zu])", text, i);
    }
    return 0;
}

static int check_hosts(const struct network_subnet *s, const json_t *dhcp, struct field_place *at,
                       struct hm_error *err)
{
    const json_t *hosts = json_object_get(dhcp, "hosts");
    size_t i;
    json_t *host;
    json_array_foreach(hosts, i, host)
    {
        char path[48];
        snprintf(path, sizeof path, "dhcp.hosts[%zu]", i);
        int rc = network_check_guest_address(s, host, "ip", path, at, err);
        if (rc >= 0)
            rc = refuse_host_twin(hosts, i, "ip", at, err);
        if (rc >= 0)
            rc = refuse_host_twin(hosts, i, "name", at, err);
        if (rc < 0)
            return rc;
    }
    return 0;
}

static int check_dns_name(const char *name, struct field_place *at, struct hm_error *err)
{
    if (dns_name_is_valid(name))
        return 0;
    char shown[TEXT_QUOTE_MAX];
    text_quote(name, shown);
    return field_fail(at, err, "%s is not a host name (letters, digits, - and dots between them)",
                      shown);
}

static int check_dns(const json_t *dns, struct field_place *at, struct hm_error *err)
{
    const char *domain = spec_str(dns, "domain");
    size_t i, j;
    json_t *host, *name;
    field_place_set(at, "dns.domain");
    int rc = domain ? check_dns_name(domain, at, err) : 0;
    json_array_foreach(json_object_get(dns, "hosts"), i, host)
    {
        json_array_foreach(json_object_get(host, "names"), j, name)
        {
            field_place_set(at, "dns.hosts[%zu].names[%zu]", i, j);
            rc = rc < 0 ? rc : check_dns_name(json_string_value(name), at, err);
        }
    }
    return rc;
}

static int check_network(const json_t *spec, struct field_place *at, struct hm_error *err)
{
    const json_t *dhcp = json_object_get(spec, "dhcp");
    struct network_subnet s;
    field_place_set(at, "%s", "");
    int rc = kind_check_bridge(spec, at, err);
    if (rc < 0)
        return rc;
    rc = network_check_forwards(spec, at, err);
    if (rc < 0)
        return rc;
    rc = network_check_subnet6(spec, at, err);
    if (rc < 0)
        return rc;
    if (!network_subnet(spec, &s))
        return check_without_subnet(spec, at, err);
    rc = check_subnet(&s, spec, at, err);
    if (rc >= 0)
        rc = check_range(&s, dhcp, at, err);
    if (rc >= 0)
        rc = check_hosts(&s, dhcp, at, err);
    return rc < 0 ? rc : check_dns(json_object_get(spec, "dns"), at, err);
}

static json_t *complete_network(const json_t *in)
{
    if (!network_is_native(in) || json_object_get(in, "subnet"))
        return json_incref((json_t *)(uintptr_t)in);
    json_t *whole = json_copy((json_t *)(uintptr_t)in);
    json_object_set_new(whole, "subnet", json_string(NETWORK_NATIVE_SUBNET));
    return whole;
}

const struct kind kind_network = {
    .name = "network",
    .fields = network_fields,
    .help = "A network on the host that VMs attach to: a bridge with an address, DHCP and DNS.",
    .order = 10,
    .allowed_on_primary = true,
    .complete = complete_network,
    .check = check_network,
};
