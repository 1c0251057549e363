#include "guardian/clock.h"

#include <stdio.h>
#include <time.h>

static int64_t read_clock(clockid_t clock)
{
    struct timespec ts;
    clock_gettime(clock, &ts);
    return ts.tv_sec * SEC + ts.tv_nsec;
}

int64_t clock_boot_ns(void)
{
    return read_clock(CLOCK_BOOTTIME);
}

int64_t clock_wall_ns(void)
{
    return read_clock(CLOCK_REALTIME);
}

struct date {
    int year, month, day;
};

/* Days since 1970-01-01 as a date (Howard Hinnant's civil_from_days): gmtime_r() may read files and
 * allocate. */
static struct date date_of(int64_t days)
{
    int64_t z = days + 719468;
    int64_t era = z / 146097;
    int64_t doe = z - era * 146097;
    int64_t yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
    int64_t doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
    int64_t mp = (5 * doy + 2) / 153;
    int month = (int)(mp < 10 ? mp + 3 : mp - 9);
    return (struct date){.year = (int)(yoe + era * 400 + (month <= 2)),
                         .month = month,
                         .day = (int)(doy - (153 * mp + 2) / 5 + 1)};
}

void clock_text(int64_t wall_ns, char ret[CLOCK_TEXT_MAX])
{
    int64_t seconds = (wall_ns > 0 ? wall_ns : 0) / SEC;
    struct date d = date_of(seconds / 86400);
    int of_day = (int)(seconds % 86400);
    snprintf(ret, CLOCK_TEXT_MAX, "%04d-%02d-%02dT%02d:%02d:%02d.%03dZ", d.year % 10000, d.month,
             d.day, of_day / 3600, of_day / 60 % 60, of_day % 60,
             (int)((wall_ns > 0 ? wall_ns : 0) / MS % 1000));
}

int64_t clock_later(int64_t a, int64_t b)
{
    return a > INT64_MAX - b ? INT64_MAX : a + b;
}
