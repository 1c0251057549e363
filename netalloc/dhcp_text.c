#include "netalloc/dhcp_text.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "netalloc/net6.h"
#include "proto/address.h"
#include "proto/field.h"

#define LEASE_TIME "12h"
/* A guest that was installed anew has another id, and is given its address when its last lease has run out. */
#define LEASE_TIME6 "10m"

/* -- Configuration ----------------------------------------------------------------------------- */

static void add_address(struct hm_buf *b, const char *before, uint32_t address, const char *after)
{
    char text[IPV4_TEXT_MAX + 1];
    ipv4_text(address, text);
    hm_buf_printf(b, "%s%s%s", before, text, after);
}

/* Isolated guests ask no server outside by way of the host. */
static void add_upstream(struct hm_buf *b, const struct net *net)
{
    const json_t *forwarders = json_object_get(net->dns_spec, "forwarders");
    size_t i;
    json_t *server;
    uint32_t address;
    if (net->mode == NET_ISOLATED || json_array_size(forwarders))
        hm_buf_puts(b, "no-resolv\n");
    json_array_foreach(forwarders, i, server)
    {
        if (ipv4_parse(json_string_value(server), &address))
            add_address(b, "server=", address, "\n");
    }
}

static void add_dns(struct hm_buf *b, const struct net *net, const struct dhcp_paths *paths)
{
    const char *domain = spec_str(net->dns_spec, "domain");
    if (!net->dns) {
        hm_buf_puts(b, "port=0\n");
        return;
    }
    hm_buf_printf(b, "no-hosts\naddn-hosts=%s\ndomain-needed\nbogus-priv\n", paths->names);
    if (domain && dns_name_is_valid(domain))
        hm_buf_printf(b, "domain=%s\nlocal=/%s/\nexpand-hosts\n", domain, domain);
    add_upstream(b, net);
}

static void add_dhcp(struct hm_buf *b, const struct net *net, const struct dhcp_paths *paths)
{
    if (!net->dhcp)
        return;
    uint32_t mask = cidr_mask(net->prefix);
    add_address(b, "dhcp-range=", net->gateway & mask, ",static,");
    add_address(b, "", mask, "," LEASE_TIME "\n");
    hm_buf_printf(b, "dhcp-hostsfile=%s\ndhcp-leasefile=%s\n", paths->hosts, paths->leases);
    hm_buf_puts(b, "dhcp-authoritative\ndhcp-no-override\n");
    if (net->mode == NET_ISOLATED) /* no way out: no default route, which dnsmasq would give */
        hm_buf_puts(b, "dhcp-option=option:router\n");
    if (!net->dns)
        hm_buf_puts(b, "dhcp-option=option:dns-server\n");
    if (net->mtu)
        hm_buf_printf(b, "dhcp-option=option:mtu,%u\n", net->mtu);
}

/* Guests make addresses of their own in the prefix; those that ask are given theirs, too. */
static void add_ipv6(struct hm_buf *b, const struct net *net)
{
    char own[NET6_TEXT_MAX + 1], subnet[NET6_TEXT_MAX + 1];
    if (!net->has6)
        return;
    net6_text(net->gateway6, own);
    net6_subnet_text(net, subnet);
    hm_buf_printf(b, "listen-address=%s\nenable-ra\ndhcp-range=%s,%s,%d," LEASE_TIME6 "\n", own,
                  subnet, net->dhcp ? "static,slaac" : "ra-only", NET6_PREFIX);
    if (net->mode == NET_ISOLATED) /* no way out: nobody's default router */
        hm_buf_printf(b, "ra-param=%s,0,0\n", net->bridge);
}

char *dhcp_config_text(const struct net *net, const struct dhcp_paths *paths)
{
    struct hm_buf b = {0};
    hm_buf_printf(&b, "# Written by harmonyd for network %s; changes are lost.\n", net->name);
    hm_buf_printf(&b, "pid-file=%s\n", paths->pid);
    hm_buf_printf(&b, "interface=%s\nexcept-interface=lo\nbind-dynamic\n", net->bridge);
    add_address(&b, "listen-address=", net->gateway, "\n");
    add_ipv6(&b, net);
    add_dns(&b, net, paths);
    add_dhcp(&b, net, paths);
    return hm_buf_steal(&b);
}

/* -- Hosts and names --------------------------------------------------------------------------- */

static void add_host(struct hm_buf *b, const struct net *net, const uint8_t mac[6],
                     uint32_t address, const char *name)
{
    char text[MAC_TEXT_MAX + 1], text6[NET6_TEXT_MAX + 1];
    uint8_t address6[16];
    mac_text(mac, text);
    hm_buf_printf(b, "%s,", text);
    add_address(b, "", address, "");
    if (net6_beside(net, address, address6)) {
        net6_text(address6, text6);
        hm_buf_printf(b, ",[%s]", text6);
    }
    bool named = name && *name && dns_name_is_valid(name);
    hm_buf_printf(b, "%s%s\n", named ? "," : "", named ? name : "");
}

/* A static entry whose address another card holds waits until that one has given it back. */
static bool is_free_for(const struct pool *pool, const struct net_host *host)
{
    const struct lease *l = pool_at(pool, host->address);
    return !l || l->given_back || !memcmp(l->mac, host->mac, 6);
}

/* Its card has no static entry, which would have the word. */
static bool is_held_as_declared(const struct net *net, const struct lease *l)
{
    return !l->given_back && !net_host_with(net, l->mac);
}

char *dhcp_hosts_text(const struct net *net, const struct pool *pool)
{
    struct hm_buf b = {0};
    for (size_t i = 0; i < net->host_count; i++)
        if (is_free_for(pool, &net->hosts[i]))
            add_host(&b, net, net->hosts[i].mac, net->hosts[i].address, net->hosts[i].name);
    for (size_t i = 0; i < pool->count; i++) {
        const struct lease *l = &pool->items[i];
        if (is_held_as_declared(net, l))
            add_host(&b, net, l->mac, l->address, l->name);
    }
    return hm_buf_steal(&b);
}

static void add_name(struct hm_buf *b, uint32_t address, const char *name)
{
    if (!name || !dns_name_is_valid(name))
        return;
    add_address(b, "", address, " ");
    hm_buf_printf(b, "%s\n", name);
}

static void add_declared_names(struct hm_buf *b, const struct net *net)
{
    size_t i, j;
    json_t *host, *name;
    uint32_t address;
    json_array_foreach(json_object_get(net->dns_spec, "hosts"), i, host)
    {
        if (!ipv4_parse(spec_str(host, "ip"), &address))
            continue;
        json_array_foreach(json_object_get(host, "names"), j, name)
        {
            add_name(b, address, json_string_value(name));
        }
    }
}

char *dhcp_names_text(const struct net *net, const struct pool *pool)
{
    struct hm_buf b = {0};
    for (size_t i = 0; i < net->host_count; i++)
        if (is_free_for(pool, &net->hosts[i]))
            add_name(&b, net->hosts[i].address, net->hosts[i].name);
    for (size_t i = 0; i < pool->count; i++)
        if (is_held_as_declared(net, &pool->items[i]))
            add_name(&b, pool->items[i].address, pool->items[i].name);
    add_declared_names(&b, net);
    return hm_buf_steal(&b);
}

/* -- Leases: "UNTIL MAC ADDRESS NAME CLIENT-ID" ------------------------------------------------- */

/* The next word of the line, into `out` of `room` bytes; NULL: there is none, or it does not fit. */
static const char *next_word(const char *at, char *out, size_t room)
{
    at += strspn(at, " ");
    size_t n = strcspn(at, " \n");
    if (n == 0 || n >= room)
        return NULL;
    memcpy(out, at, n);
    out[n] = '\0';
    return at + n;
}

static bool read_seconds(const char *text, int64_t *ret)
{
    size_t n = strlen(text);
    if (n > 18 || strspn(text, "0123456789") != n)
        return false;
    *ret = strtoll(text, NULL, 10);
    return true;
}

static bool read_lease(const char *line, struct dhcp_lease *ret)
{
    char until[24], mac[24], address[24];
    struct dhcp_lease l;
    const char *at = next_word(line, until, sizeof until);
    at = at ? next_word(at, mac, sizeof mac) : NULL;
    at = at ? next_word(at, address, sizeof address) : NULL;
    if (!at || !read_seconds(until, &l.until) || !mac_parse(mac, l.mac) ||
        !ipv4_parse(address, &l.address))
        return false;
    *ret = l;
    return true;
}

size_t dhcp_leases_read(const char *text, struct dhcp_lease **ret)
{
    struct dhcp_lease *list = NULL;
    size_t count = 0;
    while (*text) {
        struct dhcp_lease l;
        if (read_lease(text, &l)) {
            if ((count & (count - 1)) == 0)
                list = hm_realloc_array(list, count ? 2 * count : 1, sizeof l);
            list[count++] = l;
        }
        text += strcspn(text, "\n");
        text += *text == '\n';
    }
    *ret = list;
    return count;
}
