#include "netalloc/alias.h"

#include <stdio.h>
#include <string.h>

#define PREFIX    "harmony:"
#define NAME_TEXT "abcdefghijklmnopqrstuvwxyz0123456789-"

static bool is_all_of(const char *text, size_t len, const char *letters)
{
    return len > 0 && strspn(text, letters) >= len;
}

static bool is_site(const char *text, size_t len)
{
    return len <= ALIAS_SITE_MAX && is_all_of(text, len, NAME_TEXT);
}

bool owner_is_valid(const char *owner)
{
    size_t key = strcspn(owner, "#"), all = strlen(owner);
    bool has_number = key < all;
    return all <= OWNER_MAX && is_all_of(owner, key, NAME_TEXT ".") &&
           (!has_number || is_all_of(owner + key + 1, all - key - 1, "0123456789"));
}

bool owner_make(const char *key, size_t nic, char out[OWNER_MAX + 1])
{
    char made[OWNER_MAX + 1];
    int n = snprintf(made, sizeof made, "%s#%zu", key, nic);
    if (n < 0 || (size_t)n >= sizeof made || !owner_is_valid(made))
        return false;
    memcpy(out, made, sizeof made);
    return true;
}

bool alias_make(const char *site, const char *owner, char out[ALIAS_MAX + 1])
{
    char made[ALIAS_MAX + 1];
    int n = snprintf(made, sizeof made, PREFIX "%s:%s", site, owner);
    if (n < 0 || (size_t)n >= sizeof made || !is_site(site, strlen(site)) || !owner_is_valid(owner))
        return false;
    memcpy(out, made, sizeof made);
    return true;
}

bool alias_parse(const char *text, struct alias *ret)
{
    if (strncmp(text, PREFIX, strlen(PREFIX)) != 0)
        return false;
    const char *site = text + strlen(PREFIX);
    size_t len = strcspn(site, ":");
    if (site[len] != ':' || !is_site(site, len) || !owner_is_valid(site + len + 1))
        return false;
    *ret = (struct alias){0};
    memcpy(ret->site, site, len);
    memcpy(ret->owner, site + len + 1, strlen(site + len + 1));
    return true;
}

/* FNV-1a, 64 bits. */
static uint64_t hash_more(uint64_t hash, const char *text)
{
    for (const unsigned char *p = (const unsigned char *)text; *p; p++)
        hash = (hash ^ *p) * 1099511628211ULL;
    return (hash ^ 0xff) * 1099511628211ULL; /* an end that no text holds */
}

void alias_mac(const char *site, const char *owner, uint8_t out[6])
{
    uint64_t hash = hash_more(hash_more(14695981039346656037ULL, site), owner);
    hash = (hash ^ hash >> 33) * 0xff51afd7ed558ccdULL; /* owners that are nearly alike, too */
    hash ^= hash >> 33;
    out[0] = (uint8_t)((hash >> 40 & 0xfc) | 0x02);
    for (int i = 1; i < 6; i++)
        out[i] = (uint8_t)(hash >> (8 * (5 - i)));
}
