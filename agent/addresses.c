#include "agent/addresses.h"

#include <stdlib.h>
#include <string.h>

#include "agent/index.h"
#include "base/alloc.h"
#include "proto/address.h"
#include "proto/network.h"
#include "vmm/domain_xml.h"

/* A network, and who has which of its addresses. */
struct book {
    struct plan_doc *network;
    json_t *spec;   /* a copy that leases are added to */
    json_t *before; /* MAC address -> address, as it was applied */
    json_t *owners; /* address -> whose it is, in words */
    json_t *macs;   /* MAC address -> its address */
    json_t *names;  /* host names that are taken */
    json_t *kept;   /* MAC addresses of VMs that have theirs already, and keep it */
    char hash[DOC_HASH_TEXT];
};

struct addresses {
    const struct plan_input *input;
    struct plan_doc *docs; /* a copy of the input's */
    struct book **books;
    size_t book_count;
    char **sentences;
    size_t sentence_count;
    struct index networks; /* "", name -> struct plan_doc, while it is made */
    struct index by_name;  /* "", name -> struct book, while it is made */
};

/* -- Books --------------------------------------------------------------------------------------- */

static json_t *hosts_of(json_t *spec)
{
    json_t *dhcp = json_object_get(spec, "dhcp"), *hosts = json_object_get(dhcp, "hosts");
    if (hosts)
        return hosts;
    json_object_set_new(dhcp, "hosts", json_array());
    return json_object_get(dhcp, "hosts");
}

static void enter(struct book *b, const char *mac, const char *ip, const char *name,
                  const char *owner)
{
    json_object_set_new(b->owners, ip, json_string(owner));
    json_object_set_new(b->macs, mac, json_string(ip));
    if (name)
        json_object_set_new(b->names, name, json_true());
}

static bool has_mark_of(const struct thing *t, const struct plan_doc *doc)
{
    return !strcmp(t->kind, "network") && t->marked && t->mark_key &&
           !strcmp(t->mark_key, doc->key);
}

/* The leases that the network was applied with: MAC address -> address. A new reference. */
static json_t *applied_leases(const struct addresses *a, const struct plan_doc *network)
{
    json_t *leases = json_object(), *host;
    size_t k;
    for (size_t i = 0; i < a->input->backend_count; i++) {
        const struct things *things = a->input->backends[i].things;
        for (size_t j = 0; j < things->count; j++) {
            if (!has_mark_of(&things->items[j], network))
                continue;
            const json_t *dhcp = json_object_get(things->items[j].spec, "dhcp");
            json_array_foreach(json_object_get(dhcp, "hosts"), k, host)
                json_object_set(leases, spec_str(host, "mac"), json_object_get(host, "ip"));
        }
    }
    return leases;
}

static struct book *open_book(struct addresses *a, const char *name)
{
    struct book *b = index_get(&a->by_name, "", name);
    struct plan_doc *network = b ? NULL : index_get(&a->networks, "", name);
    if (!network)
        return b;
    b = hm_alloc(sizeof *b);
    *b = (struct book){.network = network,
                       .spec = json_deep_copy(network->spec),
                       .before = applied_leases(a, network),
                       .owners = json_object(),
                       .macs = json_object(),
                       .names = json_object(),
                       .kept = json_object()};
    size_t i;
    json_t *host;
    json_array_foreach(hosts_of(b->spec), i, host)
        enter(b, spec_str(host, "mac"), spec_str(host, "ip"), spec_str(host, "name"),
              "of its own dhcp.hosts");
    a->books = hm_realloc_array(a->books, a->book_count + 1, sizeof(struct book *));
    a->books[a->book_count++] = b;
    index_put(&a->by_name, "", network->name, b);
    return b;
}

static void close_book(struct book *b)
{
    json_decref(b->spec);
    json_decref(b->owners);
    json_decref(b->macs);
    json_decref(b->names);
    json_decref(b->before);
    json_decref(b->kept);
    free(b);
}

/* -- One card ------------------------------------------------------------------------------------ */

struct card {
    const struct plan_doc *vm;
    size_t index;
    const char *network, *ip;
    char mac[VM_MAC_TEXT];
};

static struct card card_of(const struct plan_doc *vm, const json_t *nic, size_t index)
{
    struct card c = {
        .vm = vm, .index = index, .network = spec_str(nic, "network"), .ip = spec_str(nic, "ip")};
    const char *mac = spec_str(nic, "mac");
    if (mac)
        memcpy(c.mac, mac, strnlen(mac, VM_MAC_TEXT - 1));
    else
        vm_mac(vm->key, index, c.mac);
    return c;
}

/* Why the address can't be had from this network itself, or NULL; the caller frees it. */
static char *misfit(const struct card *c, const struct book *b)
{
    struct network_subnet s;
    uint32_t address = 0;
    if (!network_subnet(b->spec, &s))
        return hm_printf("network %s has no subnet", c->network);
    if (!spec_bool(json_object_get(b->spec, "dhcp"), "enabled"))
        return hm_printf("network %s gives no addresses (dhcp.enabled is false)", c->network);
    ipv4_parse(c->ip, &address);
    if (address < s.first || address > s.last)
        return hm_printf("it is outside of network %s (%s)", c->network,
                         spec_str(b->spec, "subnet"));
    if (address == s.gateway)
        return hm_printf("it is the host's own on network %s", c->network);
    return NULL;
}

/* Why somebody else has it, or NULL; the caller frees it. */
static char *taken(const struct card *c, const struct book *b)
{
    const char *other = spec_str(b->macs, c->mac), *owner = spec_str(b->owners, c->ip);
    if (other && strcmp(other, c->ip) != 0)
        return hm_printf("network %s gives %s to its card %s", c->network, other, c->mac);
    if (owner && !other)
        return hm_printf("on network %s it is that %s", c->network, owner);
    return NULL;
}

static void add_lease(const struct card *c, struct book *b)
{
    bool named = json_object_get(b->names, c->vm->name) != NULL;
    json_array_append_new(hosts_of(b->spec), json_pack("{s:s, s:s, s:s*}", "mac", c->mac, "ip",
                                                       c->ip, "name", named ? NULL : c->vm->name));
    json_object_set_new(b->names, c->vm->name, json_true());
}

static void take_address(const struct card *c, struct book *b)
{
    HM_AUTOFREE char *owner = hm_printf("of vm %s", c->vm->name);
    enter(b, c->mac, c->ip, NULL, owner);
}

/* A first look, before anybody gets a new one: who has this address keeps it. */
static char *keep(struct addresses *a, const struct card *c)
{
    struct book *b = open_book(a, c->network);
    const char *before = b ? spec_str(b->before, c->mac) : NULL;
    if (!before || strcmp(before, c->ip) != 0 || json_object_get(b->macs, c->mac))
        return NULL;
    HM_AUTOFREE char *why = misfit(c, b);
    HM_AUTOFREE char *other = why ? NULL : taken(c, b);
    if (!why && !other) {
        take_address(c, b);
        json_object_set_new(b->kept, c->mac, json_true());
    }
    return NULL;
}

static char *lease(struct addresses *a, const struct card *c)
{
    struct book *b = open_book(a, c->network);
    if (!b)
        return hm_printf("network %s, whose DHCP would give it, is not declared here", c->network);
    bool kept = json_object_del(b->kept, c->mac) == 0;
    char *why = kept ? NULL : misfit(c, b);
    if (!kept && !why)
        why = taken(c, b);
    bool told = !kept && json_object_get(b->macs, c->mac); /* its own document says the same */
    if (why || told)
        return why;
    take_address(c, b);
    add_lease(c, b);
    return NULL;
}

/* -- All ----------------------------------------------------------------------------------------- */

static void say_impossible(struct addresses *a, struct plan_doc *vm, const struct card *c,
                           const char *why)
{
    a->sentences = hm_realloc_array(a->sentences, a->sentence_count + 1, sizeof(char *));
    a->sentences[a->sentence_count++] =
        hm_printf("networks[%zu].ip: %s can't be had: %s", c->index, c->ip, why);
    if (!vm->cannot)
        vm->cannot = a->sentences[a->sentence_count - 1];
}

/* Why not, or NULL. */
typedef char *visit_card(struct addresses *a, const struct card *c);

static void each_card_of(struct addresses *a, struct plan_doc *vm, visit_card *visit)
{
    size_t i;
    json_t *nic;
    json_array_foreach(json_object_get(vm->spec, "networks"), i, nic)
    {
        if (!spec_str(nic, "ip"))
            continue;
        struct card c = card_of(vm, nic, i);
        HM_AUTOFREE char *why = visit(a, &c);
        if (why)
            say_impossible(a, vm, &c, why);
    }
}

static bool is_a(const struct plan_doc *doc, const char *kind)
{
    return !doc->deleted && !strcmp(doc->kind->name, kind);
}

static void each_card(struct addresses *a, visit_card *visit)
{
    for (size_t i = 0; i < a->input->doc_count; i++)
        if (is_a(&a->docs[i], "vm"))
            each_card_of(a, &a->docs[i], visit);
}

static bool asks_for_one(const struct plan_doc *vm)
{
    size_t i;
    json_t *nic;
    json_array_foreach(json_object_get(vm->spec, "networks"), i, nic)
    {
        if (spec_str(nic, "ip"))
            return true;
    }
    return false;
}

static bool is_needed(const struct plan_input *input)
{
    for (size_t i = 0; i < input->doc_count; i++)
        if (is_a(&input->docs[i], "vm") && asks_for_one(&input->docs[i]))
            return true;
    return false;
}

static void find_networks(struct addresses *a)
{
    index_init(&a->networks, 16);
    index_init(&a->by_name, 16);
    for (size_t i = 0; i < a->input->doc_count; i++)
        if (is_a(&a->docs[i], "network"))
            index_put(&a->networks, "", a->docs[i].name, &a->docs[i]);
}

static void take_effect(struct book *b)
{
    spec_hash(b->spec, b->hash);
    b->network->spec = b->spec;
    b->network->hash = b->hash;
}

struct addresses *addresses_apply(const struct plan_input *input)
{
    if (!is_needed(input))
        return NULL;
    struct addresses *a = hm_alloc(sizeof *a);
    a->input = input;
    a->docs = hm_memdup(input->docs, input->doc_count * sizeof *a->docs);
    find_networks(a);
    each_card(a, keep);
    each_card(a, lease);
    for (size_t i = 0; i < a->book_count; i++)
        if (!json_equal(a->books[i]->spec, a->books[i]->network->spec))
            take_effect(a->books[i]);
    index_free(&a->networks);
    index_free(&a->by_name);
    return a;
}

const struct plan_doc *addresses_docs(const struct addresses *a)
{
    return a->docs;
}

void addresses_free(struct addresses *a)
{
    if (!a)
        return;
    for (size_t i = 0; i < a->book_count; i++)
        close_book(a->books[i]);
    for (size_t i = 0; i < a->sentence_count; i++)
        free(a->sentences[i]);
    free(a->books);
    free(a->docs);
    free(a->sentences);
    free(a);
}
