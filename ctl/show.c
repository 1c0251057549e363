#include "ctl/show.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/alloc.h"

/* The bytes of the well-formed UTF-8 sequence at `s`, or 0 (RFC 3629: no overlong, no surrogate).
 */
static size_t decode_utf8(const unsigned char *s, size_t len, uint32_t *ret)
{
    static const uint32_t smallest[] = {0, 0, 0x80, 0x800, 0x10000};
    if (s[0] < 0x80) {
        *ret = s[0];
        return 1;
    }
    size_t n = s[0] >= 0xf0 ? 4 : s[0] >= 0xe0 ? 3 : s[0] >= 0xc0 ? 2 : 0;
    if (n == 0 || s[0] > 0xf4 || n > len)
        return 0;
    uint32_t c = s[0] & (0xffu >> (n + 1));
    for (size_t i = 1; i < n; i++) {
        if ((s[i] & 0xc0) != 0x80)
            return 0;
        c = c << 6 | (s[i] & 0x3fu);
    }
    if (c < smallest[n] || c > 0x10ffff || (c >= 0xd800 && c <= 0xdfff))
        return 0;
    *ret = c;
    return n;
}

/* C0, DEL, C1 (a terminal may take U+009B for CSI), line separators, and marks that turn text
 * round. */
static bool is_harmless(uint32_t c)
{
    if (c < 0x20 || (c >= 0x7f && c < 0xa0))
        return false;
    if (c == 0x061c || c == 0xfeff || (c >= 0x200b && c <= 0x200f))
        return false;
    return !(c >= 0x2028 && c <= 0x202e) && !(c >= 0x2060 && c <= 0x206f);
}

void show_clean(struct hm_buf *out, const char *s, size_t len)
{
    const unsigned char *at = (const unsigned char *)s;
    while (len > 0) {
        uint32_t c;
        size_t n = decode_utf8(at, len, &c);
        if (n > 0 && is_harmless(c))
            hm_buf_add(out, at, n);
        else
            hm_buf_puts(out, "?");
        n = n ? n : 1;
        at += n;
        len -= n;
    }
}

char *show_cleaned(const char *s)
{
    struct hm_buf out = {0};
    if (s)
        show_clean(&out, s, strlen(s));
    return hm_buf_steal(&out);
}

size_t show_width(const char *clean)
{
    size_t n = 0;
    for (const char *p = clean; *p; p++)
        n += ((unsigned char)*p & 0xc0) != 0x80;
    return n;
}

void show_pad(struct hm_buf *out, size_t from, size_t to)
{
    for (; from < to; from++)
        hm_buf_puts(out, " ");
}

void show_mood(struct hm_buf *out, const char *clean, enum mood mood, bool colour)
{
    static const char *const start[] = {
        [MOOD_GOOD] = "\033[32m",
        [MOOD_CHANGE] = "\033[33m",
        [MOOD_BAD] = "\033[31m",
        [MOOD_FAINT] = "\033[2m",
    };
    if (!colour || mood == MOOD_PLAIN) {
        hm_buf_puts(out, clean);
        return;
    }
    hm_buf_printf(out, "%s%s\033[0m", start[mood], clean);
}

void show_duration(int64_t ms, char out[SHOW_TIME_MAX])
{
    int64_t s = ms / 1000;
    if (ms < 0)
        snprintf(out, SHOW_TIME_MAX, "0.0 s");
    else if (s < 10)
        snprintf(out, SHOW_TIME_MAX, "%lld.%lld s", (long long)s, (long long)(ms % 1000 / 100));
    else if (s < 120)
        snprintf(out, SHOW_TIME_MAX, "%lld s", (long long)s);
    else if (s < 600)
        snprintf(out, SHOW_TIME_MAX, "%lld min %lld s", (long long)(s / 60), (long long)(s % 60));
    else if (s < 7200)
        snprintf(out, SHOW_TIME_MAX, "%lld min", (long long)(s / 60));
    else if (s < 2 * 86400)
        snprintf(out, SHOW_TIME_MAX, "%lld h %lld min", (long long)(s / 3600),
                 (long long)(s / 60 % 60));
    else
        snprintf(out, SHOW_TIME_MAX, "%lld d %lld h", (long long)(s / 86400),
                 (long long)(s / 3600 % 24));
}

void show_latency(int64_t us, char out[SHOW_TIME_MAX])
{
    if (us < 0)
        snprintf(out, SHOW_TIME_MAX, "-");
    else if (us < 10000)
        snprintf(out, SHOW_TIME_MAX, "%.1f ms", (double)us / 1e3);
    else if (us < 1000000)
        snprintf(out, SHOW_TIME_MAX, "%lld ms", (long long)((us + 500) / 1000));
    else
        snprintf(out, SHOW_TIME_MAX, "%.2f s", (double)us / 1e6);
}

void show_latencies(int64_t min_us, int64_t max_us, char out[SHOW_TIME_MAX])
{
    char low[SHOW_TIME_MAX], high[SHOW_TIME_MAX];
    show_latency(min_us, low);
    show_latency(max_us, high);
    if (strcmp(low, high) == 0)
        snprintf(out, SHOW_TIME_MAX, "%s", high);
    else if (max_us < 10000)
        snprintf(out, SHOW_TIME_MAX, "%.1f-%.1f ms", (double)min_us / 1e3, (double)max_us / 1e3);
    else if (max_us < 1000000)
        snprintf(out, SHOW_TIME_MAX, "%lld-%lld ms", (long long)((min_us + 500) / 1000),
                 (long long)((max_us + 500) / 1000));
    else
        snprintf(out, SHOW_TIME_MAX, "%.2f-%.2f s", (double)min_us / 1e6, (double)max_us / 1e6);
}

void show_span(int64_t ns, char out[SHOW_TIME_MAX])
{
    if (ns < 10000000000)
        show_latency(ns / 1000, out);
    else
        show_duration(ns / 1000000, out);
}

static struct tm utc_of(int64_t wall_ns)
{
    time_t seconds = (time_t)(wall_ns / 1000000000);
    struct tm tm = {0};
    gmtime_r(&seconds, &tm); /* only a year beyond an int fails: no such stamp fits into wall_ns */
    return tm;
}

void show_clock(int64_t wall_ns, char out[SHOW_TIME_MAX])
{
    struct tm tm = utc_of(wall_ns);
    int tenth = wall_ns < 0 ? 0 : (int)(wall_ns / 100000000 % 10);
    snprintf(out, SHOW_TIME_MAX, "%02d:%02d:%02d.%d", tm.tm_hour, tm.tm_min, tm.tm_sec, tenth);
}

void show_date(int64_t wall_ns, char out[SHOW_TIME_MAX])
{
    struct tm tm = utc_of(wall_ns);
    snprintf(out, SHOW_TIME_MAX, "%04d-%02d-%02d", tm.tm_year + 1900, tm.tm_mon + 1, tm.tm_mday);
}
