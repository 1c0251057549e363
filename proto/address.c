#include "proto/address.h"

#include <stdio.h>
#include <string.h>

/* A decimal number of at most `max`, without leading zeros. Returns what follows it, or NULL. */
static const char *read_decimal(const char *p, unsigned max, unsigned *ret)
{
    unsigned value = 0;
    const char *start = p;
    for (; *p >= '0' && *p <= '9' && p - start < 5; p++)
        value = value * 10 + (unsigned)(*p - '0');
    bool leading_zero = *start == '0' && p - start > 1;
    if (p == start || leading_zero || value > max)
        return NULL;
    *ret = value;
    return p;
}

static const char *read_ipv4(const char *p, uint32_t *ret)
{
    uint32_t address = 0;
    for (int i = 0; i < 4; i++) {
        unsigned octet;
        if (i > 0 && *p++ != '.')
            return NULL;
        p = read_decimal(p, 255, &octet);
        if (!p)
            return NULL;
        address = address << 8 | octet;
    }
    *ret = address;
    return p;
}

bool ipv4_parse(const char *text, uint32_t *ret)
{
    const char *end = read_ipv4(text, ret);
    return end && !*end;
}

void ipv4_text(uint32_t address, char out[IPV4_TEXT_MAX + 1])
{
    snprintf(out, IPV4_TEXT_MAX + 1, "%u.%u.%u.%u", address >> 24, address >> 16 & 255,
             address >> 8 & 255, address & 255);
}

bool cidr_parse(const char *text, uint32_t *ret_address, unsigned *ret_prefix)
{
    const char *p = read_ipv4(text, ret_address);
    if (!p || *p != '/')
        return false;
    p = read_decimal(p + 1, 32, ret_prefix);
    return p && !*p;
}

void cidr_text(uint32_t address, unsigned prefix, char out[CIDR_TEXT_MAX + 1])
{
    char ip[IPV4_TEXT_MAX + 1];
    ipv4_text(address, ip);
    snprintf(out, CIDR_TEXT_MAX + 1, "%s/%u", ip, prefix & 63);
}

uint32_t cidr_mask(unsigned prefix)
{
    return prefix == 0 ? 0 : UINT32_MAX << (32 - prefix);
}

/* Where the host ends, and its first character in *from; NULL: it is none. */
static const char *host_end(const char *text, const char **from)
{
    static const char of_names[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-";
    bool bracketed = text[0] == '[';
    *from = text + bracketed;
    const char *end = *from + strspn(*from, bracketed ? "0123456789abcdefABCDEF:." : of_names);
    bool hyphen_first = **from == '-' || **from == '.';
    if (end == *from || end - *from > HOST_TEXT_MAX || hyphen_first || (bracketed && *end != ']'))
        return NULL;
    return end;
}

bool host_port_parse(const char *text, char out_host[HOST_TEXT_MAX + 1], uint16_t *ret_port)
{
    const char *from, *end = host_end(text, &from);
    unsigned port = 0;
    if (!end)
        return false;
    const char *colon = end + (*end == ']');
    const char *rest = *colon == ':' ? read_decimal(colon + 1, UINT16_MAX, &port) : NULL;
    if (!rest || *rest || port == 0)
        return false;
    memcpy(out_host, from, (size_t)(end - from));
    out_host[end - from] = '\0';
    *ret_port = (uint16_t)port;
    return true;
}

static int hex_digit(char c)
{
    static const char digits[] = "0123456789abcdef";
    char lower = c >= 'A' && c <= 'F' ? (char)(c - 'A' + 'a') : c;
    const char *at = lower ? strchr(digits, lower) : NULL;
    return at ? (int)(at - digits) : -1;
}

bool mac_parse(const char *text, uint8_t ret[6])
{
    if (strlen(text) != MAC_TEXT_MAX)
        return false;
    for (int i = 0; i < 6; i++) {
        int high = hex_digit(text[3 * i]), low = hex_digit(text[3 * i + 1]);
        if (high < 0 || low < 0 || (i < 5 && text[3 * i + 2] != ':'))
            return false;
        ret[i] = (uint8_t)(high << 4 | low);
    }
    return true;
}

void mac_text(const uint8_t mac[6], char out[MAC_TEXT_MAX + 1])
{
    snprintf(out, MAC_TEXT_MAX + 1, "%02x:%02x:%02x:%02x:%02x:%02x", mac[0], mac[1], mac[2], mac[3],
             mac[4], mac[5]);
}

static bool label_is_valid(const char *label, size_t n)
{
    static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-";
    return n >= 1 && n <= 63 && strspn(label, letters) >= n && label[0] != '-' &&
           label[n - 1] != '-';
}

bool dns_name_is_valid(const char *name)
{
    if (strlen(name) > DNS_NAME_MAX)
        return false;
    for (;;) {
        size_t n = strcspn(name, ".");
        if (!label_is_valid(name, n))
            return false;
        if (!name[n])
            return true;
        name += n + 1;
    }
}
