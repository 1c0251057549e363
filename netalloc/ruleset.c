#include "netalloc/ruleset.h"

#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "netalloc/net6.h"
#include "proto/address.h"

#define LOWER  "abcdefghijklmnopqrstuvwxyz0123456789"
#define LETTER LOWER "ABCDEFGHIJKLMNOPQRSTUVWXYZ"

enum { RULESET_MAX = 8 << 20 };

static bool is_all_of(const char *text, size_t most, const char *letters)
{
    size_t n = strlen(text);
    return n > 0 && n <= most && strspn(text, letters) == n;
}

bool ruleset_table_name(const char *site, char out[RULESET_TABLE_MAX + 1])
{
    if (!is_all_of(site, ALIAS_SITE_MAX, LOWER "-"))
        return false;
    snprintf(out, RULESET_TABLE_MAX + 1, "harmony_%s", site);
    for (char *c = out; *c; c++)
        if (*c == '-') /* no site's name has a _, so no two tables share a name */
            *c = '_';
    return true;
}

/* Between quotes in the ruleset: nothing in it can end them. */
static int check_bridge(const struct net *net, struct hm_error *err)
{
    if (is_all_of(net->bridge, LINK_NAME_MAX, LETTER "_.-"))
        return 0;
    return hm_fail(err, HM_E_INVALID, "network %s: its bridge has no name that a link can have",
                   net->name);
}

/* -- Forwarding -------------------------------------------------------------------------------- */

static void add_isolated(struct hm_buf *b, const struct net *net)
{
    hm_buf_printf(b,
                  "  iifname \"%s\" oifname != \"%s\" drop\n"
                  "  oifname \"%s\" iifname != \"%s\" drop\n",
                  net->bridge, net->bridge, net->bridge, net->bridge);
}

/* What guests send: under their own addresses, and by IPv6 only where that is translated, too. */
static void add_nat_out(struct hm_buf *b, const struct net *net)
{
    char subnet[CIDR_TEXT_MAX + 1], subnet6[NET6_TEXT_MAX + 1];
    cidr_text(net->gateway & cidr_mask(net->prefix), net->prefix, subnet);
    hm_buf_printf(b, "  iifname \"%s\" oifname != \"%s\" ip saddr != %s drop\n", net->bridge,
                  net->bridge, subnet);
    hm_buf_printf(b, "  iifname \"%s\" oifname != \"%s\" ", net->bridge, net->bridge);
    net6_subnet_text(net, subnet6);
    if (net->has6)
        hm_buf_printf(b, "ip6 saddr != %s/%d drop\n", subnet6, NET6_PREFIX);
    else
        hm_buf_puts(b, "meta nfproto ipv6 drop\n");
}

static void add_nat_in(struct hm_buf *b, const struct net *net)
{
    hm_buf_printf(b,
                  "  oifname \"%s\" iifname != \"%s\" ct state established,related accept\n"
                  "  oifname \"%s\" iifname != \"%s\" ct status dnat accept\n"
                  "  oifname \"%s\" iifname != \"%s\" drop\n",
                  net->bridge, net->bridge, net->bridge, net->bridge, net->bridge, net->bridge);
}

static bool translates(const struct net *net)
{
    return net->mode == NET_NAT && net->prefix;
}

/* Packets within one bridge come by here where br_netfilter is on; no rule speaks of them. */
static void add_forward_chain(struct hm_buf *b, const struct net *const *nets, size_t count)
{
    hm_buf_puts(b,
                " chain forward {\n  type filter hook forward priority filter; policy accept;\n");
    for (size_t i = 0; i < count; i++)
        if (nets[i]->mode == NET_ISOLATED)
            add_isolated(b, nets[i]);
    for (size_t i = 0; i < count; i++)
        if (translates(nets[i]))
            add_nat_out(b, nets[i]);
    for (size_t i = 0; i < count; i++) /* last: an accept ends the chain */
        if (translates(nets[i]))
            add_nat_in(b, nets[i]);
    hm_buf_puts(b, " }\n");
}

/* -- Addresses --------------------------------------------------------------------------------- */

static void add_masquerade(struct hm_buf *b, const struct net *net)
{
    char subnet[CIDR_TEXT_MAX + 1];
    cidr_text(net->gateway & cidr_mask(net->prefix), net->prefix, subnet);
    if (net->mode == NET_NAT)
        hm_buf_printf(b,
                      "  ip saddr %s ip daddr != { %s, 224.0.0.0/4, 255.255.255.255 } masquerade\n",
                      subnet, subnet);
    if (net->mode == NET_NAT && net->has6) {
        char subnet6[NET6_TEXT_MAX + 1];
        net6_subnet_text(net, subnet6);
        hm_buf_printf(b, "  ip6 saddr %s/%d ip6 daddr != { %s/%d, ff00::/8 } masquerade\n", subnet6,
                      NET6_PREFIX, subnet6, NET6_PREFIX);
    }
    if (net->forward_count) /* a guest reaches its neighbour by the host's port: answers come back */
        hm_buf_printf(b, "  ip saddr %s ip daddr %s oifname \"%s\" ct status dnat masquerade\n",
                      subnet, subnet, net->bridge);
}

static void add_postrouting_chain(struct hm_buf *b, const struct net *const *nets, size_t count)
{
    hm_buf_puts(
        b, " chain postrouting {\n  type nat hook postrouting priority srcnat; policy accept;\n");
    for (size_t i = 0; i < count; i++)
        if (nets[i]->prefix)
            add_masquerade(b, nets[i]);
    hm_buf_puts(b, " }\n");
}

static void add_dnat(struct hm_buf *b, const struct net_forward *f)
{
    char to[IPV4_TEXT_MAX + 1];
    ipv4_text(f->to, to);
    hm_buf_printf(b,
                  "  ip daddr != 127.0.0.0/8 fib daddr type local %s dport %u dnat ip to %s:%u\n",
                  f->udp ? "udp" : "tcp", f->port, to, f->to_port);
}

static void add_dnat_chain(struct hm_buf *b, const char *hook, const struct net *const *nets,
                           size_t count)
{
    hm_buf_printf(b, " chain %s {\n  type nat hook %s priority -100; policy accept;\n", hook, hook);
    for (size_t i = 0; i < count; i++)
        for (size_t j = 0; j < nets[i]->forward_count; j++)
            add_dnat(b, &nets[i]->forwards[j]);
    hm_buf_puts(b, " }\n");
}

/* -- The whole --------------------------------------------------------------------------------- */

static int refuse_twin(const struct net *net, const struct net_forward *f, const struct net *other,
                       struct hm_error *err)
{
    for (size_t i = 0; i < other->forward_count; i++) {
        const struct net_forward *g = &other->forwards[i];
        if (g != f && g->port == f->port && g->udp == f->udp)
            return hm_fail(err, HM_E_CONFLICT,
                           "network %s: the host's port %u/%s is forwarded by network %s, too; "
                           "take another port for one of them",
                           net->name, f->port, f->udp ? "udp" : "tcp", other->name);
    }
    return 0;
}

static int check_forwards(const struct net *const *nets, size_t count, struct hm_error *err)
{
    int r = 0;
    for (size_t i = 0; i < count; i++)
        for (size_t j = 0; j < nets[i]->forward_count; j++)
            for (size_t k = 0; k <= i && r >= 0; k++)
                r = refuse_twin(nets[i], &nets[i]->forwards[j], nets[k], err);
    return r;
}

static int check_all(const struct net *const *nets, size_t count, struct hm_error *err)
{
    int r = 0;
    for (size_t i = 0; i < count && r >= 0; i++)
        r = check_bridge(nets[i], err);
    return r < 0 ? r : check_forwards(nets, count, err);
}

int ruleset_render(const char *site, const struct net *const *nets, size_t count, char **ret,
                   struct hm_error *err)
{
    char table[RULESET_TABLE_MAX + 1];
    if (!ruleset_table_name(site, table))
        return hm_fail(err, HM_E_INVALID, "a site's name that no firewall table can have");
    int r = check_all(nets, count, err);
    if (r < 0)
        return r;
    struct hm_buf b = {.limit = RULESET_MAX};
    /* Declared first, so that deleting it can't fail for want of it. */
    hm_buf_printf(&b, "table inet %s\ndelete table inet %s\n", table, table);
    if (count > 0) {
        hm_buf_printf(&b, "table inet %s {\n", table);
        add_forward_chain(&b, nets, count);
        add_postrouting_chain(&b, nets, count);
        add_dnat_chain(&b, "prerouting", nets, count);
        add_dnat_chain(&b, "output", nets, count);
        hm_buf_puts(&b, "}\n");
    }
    if (b.overflowed) {
        hm_buf_free(&b);
        return hm_fail(err, HM_E_TOO_LARGE, "the firewall's rules take more than %d bytes",
                       RULESET_MAX);
    }
    *ret = hm_buf_steal(&b);
    return 0;
}
