#include "proto/network.h"

#include <stdio.h>
#include <string.h>

#include "proto/address.h"
#include "proto/doc.h"

bool network_subnet(const json_t *spec, struct network_subnet *ret)
{
    struct network_subnet s = {0};
    const char *text = spec_str(spec, "subnet");
    if (!text || !cidr_parse(text, &s.gateway, &s.prefix))
        return false;
    s.first = (s.gateway & cidr_mask(s.prefix)) + 1;
    s.last = (s.gateway | ~cidr_mask(s.prefix)) - 1;
    *ret = s;
    return true;
}

/* FNV-1a, 32 bits: spreads names over four hex digits; no one gains by a collision. */
static unsigned short_hash(const char *text)
{
    uint32_t hash = 2166136261U;
    for (const unsigned char *p = (const unsigned char *)text; *p; p++)
        hash = (hash ^ *p) * 16777619U;
    return (hash >> 16 ^ hash) & 0xffff;
}

bool network_is_native(const json_t *spec)
{
    const char *backend = spec_str(spec, "backend");
    return backend && !strcmp(backend, NETWORK_NATIVE);
}

void network_bridge_name(const char *name, const json_t *spec, char out[NETWORK_BRIDGE_MAX + 1])
{
    const char *given = spec_str(spec, "bridge");
    const char *prefix = network_is_native(spec) ? "br-" : "virbr-";
    char plain[DOC_NAME_MAX + 1];
    size_t n = 0;
    for (const char *p = name; *p && n < DOC_NAME_MAX; p++)
        if (*p != '-')
            plain[n++] = *p;
    plain[n] = '\0';
    const size_t room = NETWORK_BRIDGE_MAX - strlen(prefix);
    if (given)
        snprintf(out, NETWORK_BRIDGE_MAX + 1, "%s", given);
    else if (n <= room)
        snprintf(out, NETWORK_BRIDGE_MAX + 1, "%s%.*s", prefix, (int)room, plain);
    else
        snprintf(out, NETWORK_BRIDGE_MAX + 1, "%s%.*s%04x", prefix, (int)room - 4, plain,
                 short_hash(name));
}

int network_gateway(const json_t *spec, char out[NETWORK_ADDRESS_MAX + 1])
{
    struct network_subnet s = {0};
    network_subnet(spec, &s);
    ipv4_text(s.gateway, out);
    return (int)s.prefix;
}

void network_netmask(const json_t *spec, char out[NETWORK_ADDRESS_MAX + 1])
{
    struct network_subnet s = {0};
    network_subnet(spec, &s);
    ipv4_text(cidr_mask(s.prefix), out);
}

bool network_dhcp_range(const json_t *spec, char start[NETWORK_ADDRESS_MAX + 1],
                        char end[NETWORK_ADDRESS_MAX + 1])
{
    const json_t *dhcp = json_object_get(spec, "dhcp");
    const char *given = spec_str(dhcp, "start");
    struct network_subnet s;
    if (!network_subnet(spec, &s) || !spec_bool(dhcp, "enabled"))
        return false;
    bool above = s.last - s.gateway >= s.gateway - s.first;
    ipv4_text(above ? s.gateway + 1 : s.first, start);
    ipv4_text(above ? s.last : s.gateway - 1, end);
    if (given) {
        snprintf(start, NETWORK_ADDRESS_MAX + 1, "%s", given);
        snprintf(end, NETWORK_ADDRESS_MAX + 1, "%s", spec_str(dhcp, "end"));
    }
    return true;
}

bool network_address6(const json_t *spec, char out[NETWORK_ADDRESS6_MAX + 1])
{
    const char *text = spec_str(spec, "subnet6");
    if (!text)
        return false;
    snprintf(out, NETWORK_ADDRESS6_MAX + 1, "%.*s", (int)strcspn(text, "/"), text);
    return true;
}
