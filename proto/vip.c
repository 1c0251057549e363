#include "proto/vip.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

#include "proto/text.h"

enum { PREFIX_DIGITS_MAX = 3 };

/* -- Text ------------------------------------------------------------------------ */

/* "24", "128"; no sign, no leading zero. */
static bool parse_prefix(const char *text, unsigned most, unsigned *ret)
{
    size_t digits = strspn(text, "0123456789");
    unsigned value = 0;
    if (digits == 0 || digits > PREFIX_DIGITS_MAX || text[digits] || *text == '0')
        return false;
    for (const char *c = text; *c; c++)
        value = 10 * value + (unsigned)(*c - '0');
    *ret = value;
    return value <= most;
}

static bool parse(const char *text, struct vip_address *ret)
{
    char address[VIP_TEXT_MAX + 1];
    struct vip_address a = {.is_v6 = strchr(text, ':') != NULL};
    const char *slash = strchr(text, '/');
    if (!slash || (size_t)(slash - text) > VIP_TEXT_MAX)
        return false;
    snprintf(address, sizeof address, "%.*s", (int)(slash - text), text);
    if (inet_pton(a.is_v6 ? AF_INET6 : AF_INET, address, a.bytes) != 1 ||
        !parse_prefix(slash + 1, a.is_v6 ? 128 : 32, &a.prefix))
        return false;
    *ret = a;
    return true;
}

void vip_address_text(const struct vip_address *a, char out[VIP_TEXT_MAX + 1])
{
    char address[INET6_ADDRSTRLEN] = "";
    inet_ntop(a->is_v6 ? AF_INET6 : AF_INET, a->bytes, address, sizeof address);
    snprintf(out, VIP_TEXT_MAX + 1, "%s/%u", address, a->prefix % 1000);
}

/* -- Meaning ---------------------------------------------------------------------- */

size_t vip_address_size(const struct vip_address *a)
{
    return a->is_v6 ? 16 : 4;
}

/* Is every bit of the host part `bit`? */
static bool host_part_is_all(const struct vip_address *a, unsigned bit)
{
    for (unsigned i = a->prefix; i < 8 * vip_address_size(a); i++)
        if (((unsigned)a->bytes[i / 8] >> (7 - i % 8) & 1u) != bit)
            return false;
    return true;
}

static const char *why_not_v4(const struct vip_address *a)
{
    if (a->bytes[0] == 0)
        return "is of no network";
    if (a->bytes[0] == 127)
        return "is the loopback's";
    if (a->bytes[0] >= 240)
        return "is reserved";
    if (a->bytes[0] >= 224)
        return "is a multicast group's";
    if (a->prefix < 31 && host_part_is_all(a, 0))
        return "is the network's own address";
    if (a->prefix < 31 && host_part_is_all(a, 1))
        return "is the network's broadcast address";
    return NULL;
}

static const char *why_not_v6(const struct vip_address *a)
{
    static const uint8_t zeros[16], loopback[16] = {[15] = 1}, mapped[12] = {[10] = 0xff, 0xff};
    if (!memcmp(a->bytes, zeros, 16))
        return "is of no network";
    if (!memcmp(a->bytes, loopback, 16))
        return "is the loopback's";
    if (!memcmp(a->bytes, mapped, 12))
        return "is an IPv4 address written as IPv6";
    if (a->bytes[0] == 0xff)
        return "is a multicast group's";
    if (a->prefix < 127 && host_part_is_all(a, 0))
        return "is the routers' anycast address of its network";
    return NULL;
}

int vip_address_parse(const char *text, struct vip_address *ret, struct hm_error *err)
{
    char shown[TEXT_QUOTE_MAX];
    struct vip_address a;
    text_quote(text, shown);
    if (!parse(text, &a))
        return hm_fail(err, HM_E_INVALID,
                       "%s is no address with its prefix (192.0.2.10/24, 2001:db8::10/64)", shown);
    const char *why = a.is_v6 ? why_not_v6(&a) : why_not_v4(&a);
    if (why)
        return hm_fail(err, HM_E_INVALID, "%s %s: no host can have it alone", shown, why);
    *ret = a;
    return 0;
}

bool vip_address_is_same(const struct vip_address *a, const struct vip_address *b)
{
    return a->is_v6 == b->is_v6 && !memcmp(a->bytes, b->bytes, sizeof a->bytes);
}
