#include <stdio.h>
#include <string.h>

#include "proto/address.h"
#include "proto/kind.h"
#include "proto/network.h"
#include "proto/text.h"

static const char *const modes[] = {"nat", "isolated", NULL};

static const struct field host_fields[] = {
    {.name = "mac",
     .type = FIELD_MAC,
     .cost = COST_REPLACE,
     .required = true,
     .help = "The guest's MAC address, as in its networks[].mac."},
    {.name = "ip",
     .type = FIELD_IP,
     .cost = COST_REPLACE,
     .required = true,
     .help = "The address it always gets; in the subnet."},
    {.name = "name",
     .type = FIELD_NAME,
     .cost = COST_REPLACE,
     .help = "Host name given to it with the address."},
    {.name = NULL},
};

static const struct field dhcp_fields[] = {
    {.name = "enabled",
     .type = FIELD_BOOL,
     .cost = COST_REPLACE,
     .default_value = "true",
     .help = "Hand out addresses on this network."},
    {.name = "start",
     .type = FIELD_IP,
     .cost = COST_REPLACE,
     .help = "First address handed out; absent: the larger part of the subnet beside the gateway."},
    {.name = "end",
     .type = FIELD_IP,
     .cost = COST_REPLACE,
     .help = "Last address handed out; given together with start."},
    {.name = "hosts",
     .type = FIELD_LIST,
     .cost = COST_REPLACE,
     .element = FIELD_OBJECT,
     .fields = host_fields,
     .unique_by = "mac",
     .help = "Static leases."},
    {.name = NULL},
};

static const struct field network_fields[] = {
    {.name = "mode",
     .type = FIELD_ENUM,
     .cost = COST_REPLACE,
     .words = modes,
     .default_value = "\"nat\"",
     .help = "nat: guests reach the outside through the host; isolated: only each other and the "
             "host."},
    {.name = "bridge",
     .type = FIELD_STRING,
     .cost = COST_REPLACE,
     .min = 1,
     .max = NETWORK_BRIDGE_MAX,
     .help =
         "Name of the bridge on the host; absent: virbr- and the network's name without dashes, "
         "cut and hashed to 15 characters."},
    {.name = "subnet",
     .type = FIELD_CIDR,
     .cost = COST_REPLACE,
     .default_value = "\"192.168.100.1/24\"",
     .help = "The host's own address on the network (the guests' gateway) and the prefix."},
    {.name = "dhcp",
     .type = FIELD_OBJECT,
     .cost = COST_REPLACE,
     .default_value = "{}",
     .fields = dhcp_fields,
     .help = "Addresses for the guests."},
    {.name = "autostart",
     .type = FIELD_BOOL,
     .cost = COST_LIVE,
     .default_value = "true",
     .help = "Bring it up when the host starts, before the agent does."},
    FIELDS_COMMON("\"replace\""),
    {.name = NULL},
};

/* -- what is computed ------------------------------------------------------------------------- */

struct subnet {
    uint32_t gateway, first, last; /* first and last address that a host may have */
    unsigned prefix;
};

static struct subnet subnet_of(const json_t *spec)
{
    struct subnet s = {0};
    const char *text = spec_str(spec, "subnet");
    if (text && cidr_parse(text, &s.gateway, &s.prefix)) {
        s.first = (s.gateway & cidr_mask(s.prefix)) + 1;
        s.last = (s.gateway | ~cidr_mask(s.prefix)) - 1;
    }
    return s;
}

/* FNV-1a, 32 bits: spreads names over four hex digits; no one gains by a collision. */
static unsigned short_hash(const char *text)
{
    uint32_t hash = 2166136261U;
    for (const unsigned char *p = (const unsigned char *)text; *p; p++)
        hash = (hash ^ *p) * 16777619U;
    return (hash >> 16 ^ hash) & 0xffff;
}

void network_bridge_name(const char *name, const json_t *spec, char out[NETWORK_BRIDGE_MAX + 1])
{
    const char *given = spec_str(spec, "bridge");
    char plain[DOC_NAME_MAX + 1];
    size_t n = 0;
    for (const char *p = name; *p && n < DOC_NAME_MAX; p++)
        if (*p != '-')
            plain[n++] = *p;
    plain[n] = '\0';
    const size_t room = NETWORK_BRIDGE_MAX - strlen("virbr-");
    if (given)
        snprintf(out, NETWORK_BRIDGE_MAX + 1, "%s", given);
    else if (n <= room)
        snprintf(out, NETWORK_BRIDGE_MAX + 1, "virbr-%.9s", plain);
    else
        snprintf(out, NETWORK_BRIDGE_MAX + 1, "virbr-%.5s%04x", plain, short_hash(name));
}

int network_gateway(const json_t *spec, char out[NETWORK_ADDRESS_MAX + 1])
{
    struct subnet s = subnet_of(spec);
    ipv4_text(s.gateway, out);
    return (int)s.prefix;
}

void network_netmask(const json_t *spec, char out[NETWORK_ADDRESS_MAX + 1])
{
    ipv4_text(cidr_mask(subnet_of(spec).prefix), out);
}

bool network_dhcp_range(const json_t *spec, char start[NETWORK_ADDRESS_MAX + 1],
                        char end[NETWORK_ADDRESS_MAX + 1])
{
    const json_t *dhcp = json_object_get(spec, "dhcp");
    const char *given = spec_str(dhcp, "start");
    if (!spec_bool(dhcp, "enabled"))
        return false;
    struct subnet s = subnet_of(spec);
    bool above = s.last - s.gateway >= s.gateway - s.first;
    ipv4_text(above ? s.gateway + 1 : s.first, start);
    ipv4_text(above ? s.last : s.gateway - 1, end);
    if (given) {
        snprintf(start, NETWORK_ADDRESS_MAX + 1, "%s", given);
        snprintf(end, NETWORK_ADDRESS_MAX + 1, "%s", spec_str(dhcp, "end"));
    }
    return true;
}

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

static int check_subnet(const json_t *spec, struct field_place *at, struct hm_error *err)
{
    struct subnet s = subnet_of(spec);
    field_place_set(at, "subnet");
    if (s.prefix < 8 || s.prefix > 30)
        return field_fail(at, err, "%s: the prefix must be between 8 and 30",
                          spec_str(spec, "subnet"));
    if (s.gateway < s.first || s.gateway > s.last)
        return field_fail(at, err,
                          "%s is the subnet itself or its broadcast address; give the host's own "
                          "address in it (such as .1)",
                          spec_str(spec, "subnet"));
    return 0;
}

/* An address of `object` that guests may get: in the subnet, and not the gateway. */
static int check_guest_address(const struct subnet *s, const json_t *object, const char *name,
                               const char *path, struct field_place *at, struct hm_error *err)
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

static int check_range(const struct subnet *s, const json_t *dhcp, struct field_place *at,
                       struct hm_error *err)
{
    const char *start = spec_str(dhcp, "start"), *end = spec_str(dhcp, "end");
    uint32_t from, to;
    field_place_set(at, "dhcp");
    if (!start != !end)
        return field_fail(at, err, "start and end are given together, or neither");
    if (!start || !ipv4_parse(start, &from) || !ipv4_parse(end, &to))
        return 0;
    int rc = check_guest_address(s, dhcp, "start", "dhcp", at, err);
    if (rc >= 0)
        rc = check_guest_address(s, dhcp, "end", "dhcp", at, err);
    if (rc < 0)
        return rc;
    field_place_set(at, "dhcp.end");
    if (from > to)
        return field_fail(at, err, "%s is before start, %s", end, start);
    if (from < s->gateway && s->gateway < to)
        return field_fail(at, err, "the range %s to %s holds the host's own address", start, end);
    return 0;
}

static int check_hosts(const struct subnet *s, const json_t *dhcp, struct field_place *at,
                       struct hm_error *err)
{
    size_t i;
    json_t *host;
    json_array_foreach(json_object_get(dhcp, "hosts"), i, host)
    {
        char path[48];
        snprintf(path, sizeof path, "dhcp.hosts[%zu]", i);
        int rc = check_guest_address(s, host, "ip", path, at, err);
        if (rc < 0)
            return rc;
        for (size_t j = 0; j < i; j++) {
            const json_t *other = json_array_get(json_object_get(dhcp, "hosts"), j);
            if (strcmp(spec_str(other, "ip"), spec_str(host, "ip")) != 0)
                continue;
            field_place_set(at, "%s.ip", path);
            return field_fail(at, err, "%s is there twice (also in [%zu])", spec_str(host, "ip"),
                              j);
        }
    }
    return 0;
}

static int check_network(const json_t *spec, struct field_place *at, struct hm_error *err)
{
    const json_t *dhcp = json_object_get(spec, "dhcp");
    field_place_set(at, "%s", "");
    int rc = kind_check_bridge(spec, at, err);
    if (rc >= 0)
        rc = check_subnet(spec, at, err);
    struct subnet s = subnet_of(spec);
    if (rc >= 0)
        rc = check_range(&s, dhcp, at, err);
    return rc < 0 ? rc : check_hosts(&s, dhcp, at, err);
}

const struct kind kind_network = {
    .name = "network",
    .fields = network_fields,
    .help = "A network on the host that VMs attach to: a bridge with an address, DHCP and DNS.",
    .order = 10,
    .allowed_on_primary = true,
    .check = check_network,
};
