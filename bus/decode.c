#include "bus/decode.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include "base/alloc.h"
#include "base/clock.h"

static int base64_digit(char c)
{
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26;
    if (c >= '0' && c <= '9')
        return c - '0' + 52;
    return c == '+' ? 62 : c == '/' ? 63 : -1;
}

static size_t padding_of(const char *text, size_t len)
{
    return len == 0 ? 0 : (size_t)(text[len - 1] == '=') + (size_t)(text[len - 2] == '=');
}

char *bus_base64(const char *text, size_t *ret_len)
{
    size_t len = strlen(text);
    if (len % 4 != 0)
        return NULL;
    size_t padding = padding_of(text, len), digits = len - padding, used = 0;
    unsigned char *out = hm_alloc(len / 4 * 3 + 1);
    uint32_t bits = 0;
    for (size_t i = 0; i < len; i++) {
        int digit = i < digits ? base64_digit(text[i]) : 0;
        if (digit < 0) {
            free(out);
            return NULL;
        }
        bits = bits << 6 | (uint32_t)digit;
        if (i % 4 == 3)
            for (int shift = 16; shift >= 0; shift -= 8)
                out[used++] = (unsigned char)(bits >> shift);
    }
    *ret_len = used - padding;
    out[*ret_len] = '\0';
    return (char *)out;
}

/* ".481123456": at most nine digits count. Returns where the fraction ends. */
static const char *parse_fraction(const char *text, int64_t *ret_ns)
{
    *ret_ns = 0;
    if (*text != '.')
        return text;
    int64_t unit = 100000000;
    for (text++; *text >= '0' && *text <= '9'; text++, unit /= 10)
        *ret_ns += (*text - '0') * unit;
    return text;
}

static bool parse_zone(const char *text, int64_t *ret_seconds)
{
    int hours, minutes, used = 0;
    *ret_seconds = 0;
    if (!strcmp(text, "Z"))
        return true;
    if ((*text != '+' && *text != '-') || strspn(text + 1, "0123456789:") != 5 ||
        sscanf(text + 1, "%2d:%2d%n", &hours, &minutes, &used) != 2 || used != 5 || text[6] ||
        hours > 23 || minutes > 59)
        return false;
    *ret_seconds = (*text == '-' ? -1 : 1) * (hours * 3600 + minutes * 60);
    return true;
}

bool bus_parse_stamp(const char *text, int64_t *ret_ns)
{
    struct tm tm = {0};
    int64_t fraction, zone;
    const char *rest = strptime(text, "%Y-%m-%dT%H:%M:%S", &tm);
    if (!rest || !hm_time_is_in_range(&tm)) /* Go's zero time is of the year 1 */
        return false;
    rest = parse_fraction(rest, &fraction);
    if (!parse_zone(rest, &zone))
        return false;
    int64_t seconds = (int64_t)timegm(&tm) - zone;
    *ret_ns = seconds * 1000000000 + fraction;
    return *ret_ns >= 0 && *ret_ns < HM_TIME_END_NS;
}

static const char *skip_name(const char *line, const char *name)
{
    size_t len = strlen(name);
    if (strncasecmp(line, name, len) != 0 || line[len] != ':')
        return NULL;
    line += len + 1;
    return line + strspn(line, " \t");
}

bool bus_header_in_block(const char *block, const char *name, char *out, size_t out_size)
{
    for (const char *line = block; line; line = strstr(line, "\r\n")) {
        line += strspn(line, "\r\n");
        const char *value = skip_name(line, name);
        if (!value)
            continue;
        snprintf(out, out_size, "%.*s", (int)strcspn(value, "\r\n"), value);
        return true;
    }
    return false;
}
