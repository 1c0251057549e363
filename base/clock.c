#include "base/clock.h"

#include <stdio.h>
#include <time.h>

static int64_t read_clock(clockid_t id)
{
    struct timespec t;
    clock_gettime(id, &t);
    return (int64_t)t.tv_sec * 1000000000LL + t.tv_nsec;
}

int64_t hm_boottime_ns(void)
{
    return read_clock(CLOCK_BOOTTIME);
}

int64_t hm_wall_ns(void)
{
    return read_clock(CLOCK_REALTIME);
}

void hm_time_text(int64_t wall_ns, char out[HM_TIME_TEXT_MAX])
{
    time_t seconds = (time_t)(wall_ns / 1000000000LL);
    int ms = (int)(wall_ns / HM_MS % 1000);
    struct tm tm;
    char day[24];
    if (!gmtime_r(&seconds, &tm) || !strftime(day, sizeof day, "%Y-%m-%dT%H:%M:%S", &tm)) {
        snprintf(out, HM_TIME_TEXT_MAX, "?");
        return;
    }
    snprintf(out, HM_TIME_TEXT_MAX, "%s.%03dZ", day, ms < 0 ? 0 : ms);
}

/* Nanoseconds since 1970 end in 2262. */
bool hm_time_is_in_range(const struct tm *tm)
{
    return tm->tm_year >= 70 && tm->tm_year < 300;
}

bool hm_time_parse(const char *text, int64_t *ret_ns)
{
    struct tm tm = {0};
    int ms, end = 0;
    const char *rest = strptime(text, "%Y-%m-%dT%H:%M:%S", &tm);
    if (!rest || sscanf(rest, ".%3dZ%n", &ms, &end) != 1 || end != 5 || rest[end] || ms < 0 ||
        !hm_time_is_in_range(&tm))
        return false;
    *ret_ns = (int64_t)timegm(&tm) * 1000000000LL + ms * HM_MS;
    return true;
}
