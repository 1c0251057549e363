#include "proto/units.h"

#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/alloc.h"

struct unit {
    const char *name;
    int64_t factor;
};

/* Largest first: the first one that divides exactly is the one to show. */
static const struct unit sizes[] = {
    {"TiB", 1LL << 40}, {"TB", 1000000000000LL},
    {"GiB", 1LL << 30}, {"GB", 1000000000LL},
    {"MiB", 1LL << 20}, {"MB", 1000000LL},
    {"KiB", 1LL << 10}, {"KB", 1000LL},
    {"B", 1},           {NULL, 0},
};
static const struct unit durations[] = {
    {"d", 86400000LL}, {"h", 3600000LL}, {"m", 60000LL}, {"s", 1000LL}, {"ms", 1}, {NULL, 0},
};

/* The leading digits; NULL when there are none or they overflow. Returns what follows them. */
static const char *read_number(const char *text, int64_t *ret)
{
    const char *p = text;
    int64_t value = 0;
    for (; *p >= '0' && *p <= '9'; p++)
        if (__builtin_mul_overflow(value, 10, &value) ||
            __builtin_add_overflow(value, *p - '0', &value))
            return NULL;
    *ret = value;
    return p == text ? NULL : p;
}

static bool parse(const struct unit *units, const char *text, int64_t *ret)
{
    int64_t number;
    const char *suffix = read_number(text, &number);
    if (!suffix)
        return false;
    for (const struct unit *u = units; u->name; u++)
        if (!strcmp(u->name, suffix))
            return !__builtin_mul_overflow(number, u->factor, ret);
    return false;
}

bool size_parse(const char *text, int64_t *ret_bytes)
{
    return parse(sizes, text, ret_bytes);
}

bool duration_parse(const char *text, int64_t *ret_ms)
{
    return parse(durations, text, ret_ms);
}

static void render(const struct unit *units, const char *smallest, int64_t value,
                   char out[UNIT_TEXT_MAX])
{
    for (const struct unit *u = units; u->name && value != 0; u++)
        if (value % u->factor == 0) {
            snprintf(out, UNIT_TEXT_MAX, "%" PRId64 "%s", value / u->factor, u->name);
            return;
        }
    snprintf(out, UNIT_TEXT_MAX, "0%s", smallest);
}

void size_text(int64_t bytes, char out[UNIT_TEXT_MAX])
{
    render(sizes, "B", bytes, out);
}

void duration_text(int64_t ms, char out[UNIT_TEXT_MAX])
{
    render(durations, "s", ms, out);
}

/* "20 GB", "20gb", "20G": the number, and the suffix without the space before it. */
static const char *split(const char *text, int64_t *ret_number)
{
    const char *suffix = read_number(text, ret_number);
    return suffix ? suffix + strspn(suffix, " ") : NULL;
}

bool size_hint(const char *text, char out[UNIT_HINT_MAX])
{
    int64_t n;
    const char *suffix = split(text, &n);
    char first[2] = {suffix && *suffix ? *suffix : '\0', '\0'};
    if (!*first || !strpbrk(first, "KkMmGgTt") || strlen(suffix) > 3)
        return false;
    char k = *first >= 'a' ? (char)(*first - 'a' + 'A') : *first;
    char binary[UNIT_TEXT_MAX];
    snprintf(binary, sizeof binary, "%" PRId64 "%ciB", n, k);
    snprintf(out, UNIT_HINT_MAX, "use %" PRId64 "%cB or %s", n, k, binary);
    return size_parse(binary, &n); /* not so when it is too large */
}

bool duration_hint(const char *text, char out[UNIT_HINT_MAX])
{
    static const struct {
        const char *written, *unit;
    } words[] = {{"ms", "ms"},    {"msec", "ms"},   {"s", "s"},   {"sec", "s"},  {"secs", "s"},
                 {"second", "s"}, {"seconds", "s"}, {"m", "m"},   {"min", "m"},  {"mins", "m"},
                 {"minute", "m"}, {"minutes", "m"}, {"h", "h"},   {"hour", "h"}, {"hours", "h"},
                 {"d", "d"},      {"day", "d"},     {"days", "d"}};
    int64_t n;
    const char *suffix = split(text, &n);
    for (size_t i = 0; suffix && i < HM_COUNT(words); i++)
        if (!strcasecmp(words[i].written, suffix)) {
            snprintf(out, UNIT_HINT_MAX, "use %" PRId64 "%s", n, words[i].unit);
            return true;
        }
    return false;
}

static void pattern(const struct unit *units, char out[UNIT_HINT_MAX])
{
    size_t n = (size_t)snprintf(out, UNIT_HINT_MAX, "^[0-9]+(");
    for (const struct unit *u = units; u->name; u++)
        n += (size_t)snprintf(out + n, UNIT_HINT_MAX - n, "%s%s", u->name, u[1].name ? "|" : ")$");
}

void size_pattern(char out[UNIT_HINT_MAX])
{
    pattern(sizes, out);
}

void duration_pattern(char out[UNIT_HINT_MAX])
{
    pattern(durations, out);
}
