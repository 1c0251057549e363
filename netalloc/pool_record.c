/* The record of a pool on disk; see pool.h. */
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "base/alloc.h"
#include "netalloc/pool.h"
#include "proto/address.h"

enum { RECORD_VERSION = 1 };

static json_t *lease_to_json(const struct lease *l)
{
    char address[IPV4_TEXT_MAX + 1], mac[MAC_TEXT_MAX + 1];
    ipv4_text(l->address, address);
    mac_text(l->mac, mac);
    json_t *json = json_pack("{s:s, s:s, s:s}", "address", address, "owner", l->owner, "mac", mac);
    if (l->name[0])
        json_object_set_new(json, "name", json_string(l->name));
    if (l->tap)
        json_object_set_new(json, "tap", json_true());
    if (l->given_back)
        json_object_set_new(json, "given_back", json_integer((json_int_t)l->given_back));
    return json;
}

char *pool_to_text(const struct pool *pool)
{
    json_t *leases = json_array();
    for (size_t i = 0; i < pool->count; i++)
        json_array_append_new(leases, lease_to_json(&pool->items[i]));
    json_t *record = json_pack("{s:i, s:I, s:o}", "version", RECORD_VERSION, "returns",
                               (json_int_t)pool->returns, "leases", leases);
    char *text = json_dumps(record, JSON_COMPACT);
    json_decref(record);
    return text ? text : hm_strdup("");
}

/* -- Reading: nothing is believed --------------------------------------------------------------- */

static bool is_host_name(const char *name)
{
    static const char letters[] = "abcdefghijklmnopqrstuvwxyz0123456789-";
    size_t n = strlen(name);
    return n > 0 && n <= LEASE_NAME_MAX && strspn(name, letters) == n && name[0] != '-' &&
           name[n - 1] != '-';
}

static bool read_counter(const json_t *json, const char *name, uint64_t most, uint64_t *ret)
{
    const json_t *value = json_object_get(json, name);
    json_int_t number = json_integer_value(value);
    if (value && (!json_is_integer(value) || number < 0 || (uint64_t)number > most))
        return false;
    *ret = (uint64_t)number;
    return true;
}

static bool read_lease(const json_t *json, uint64_t returns, struct lease *ret)
{
    const char *address = json_string_value(json_object_get(json, "address"));
    const char *owner = json_string_value(json_object_get(json, "owner"));
    const char *mac = json_string_value(json_object_get(json, "mac"));
    const json_t *name = json_object_get(json, "name");
    struct lease l = {.tap = json_is_true(json_object_get(json, "tap"))};
    if (!address || !ipv4_parse(address, &l.address) || !l.address || !owner ||
        !owner_is_valid(owner) || !mac || !mac_parse(mac, l.mac) ||
        !read_counter(json, "given_back", returns, &l.given_back) || (l.tap && l.given_back))
        return false;
    if (name && (!json_is_string(name) || !is_host_name(json_string_value(name))))
        return false;
    memcpy(l.owner, owner, strlen(owner));
    if (name)
        memcpy(l.name, json_string_value(name), json_string_length(name));
    *ret = l;
    return true;
}

static int by_owner(const void *a, const void *b)
{
    const struct lease *const *left = a, *const *right = b;
    return strcmp((*left)->owner, (*right)->owner);
}

/* No owner holds two addresses. (No address has two holders: they are ascending.) */
static bool holders_differ(const struct pool *pool)
{
    HM_AUTOFREE const struct lease **held = hm_alloc((pool->count + 1) * sizeof(struct lease *));
    size_t n = 0;
    for (size_t i = 0; i < pool->count; i++)
        if (!pool->items[i].given_back)
            held[n++] = &pool->items[i];
    qsort(held, n, sizeof(struct lease *), by_owner);
    for (size_t i = 1; i < n; i++)
        if (!strcmp(held[i]->owner, held[i - 1]->owner))
            return false;
    return true;
}

static bool read_leases(const json_t *list, struct pool *into)
{
    size_t i;
    json_t *item;
    into->items = hm_alloc((json_array_size(list) + 1) * sizeof *into->items);
    json_array_foreach(list, i, item)
    {
        struct lease *l = &into->items[i];
        if (!read_lease(item, into->returns, l) || (i > 0 && l->address <= l[-1].address))
            return false;
        into->count++;
    }
    return holders_differ(into);
}

/* The room of a list that insert() goes on with is a power of two. */
static void round_room_up(struct pool *pool)
{
    size_t room = 1;
    while (room < pool->count)
        room *= 2;
    pool->items = hm_realloc_array(pool->items, room, sizeof *pool->items);
}

int pool_from_text(const char *text, size_t len, struct pool *ret, struct hm_error *err)
{
    json_error_t why;
    json_t *record = json_loadb(text, len, JSON_REJECT_DUPLICATES, &why);
    if (!record)
        return hm_fail(err, HM_E_INVALID, "a record of addresses is no JSON (line %d)", why.line);
    struct pool pool = {0};
    bool good = json_integer_value(json_object_get(record, "version")) == RECORD_VERSION &&
                read_counter(record, "returns", INT64_MAX, &pool.returns) &&
                json_is_array(json_object_get(record, "leases")) &&
                read_leases(json_object_get(record, "leases"), &pool);
    json_decref(record);
    if (!good) {
        size_t at = pool.count;
        pool_clear(&pool);
        return hm_fail(err, HM_E_INVALID,
                       "a record of addresses can't be understood (at or after lease %zu)", at);
    }
    round_room_up(&pool);
    *ret = pool;
    return 0;
}
