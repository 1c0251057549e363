#include "ctl/request_text.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "ctl/show.h"

#define SECOND_NS 1000000000LL
#define DAY_NS    (24 * 3600 * SECOND_NS)

static bool of_form(const char *text, const char *form, struct tm *ret)
{
    *ret = (struct tm){0};
    const char *rest = strptime(text, form, ret);
    return rest && *rest == '\0' && (ret->tm_year == 0 || hm_time_is_in_range(ret));
}

bool request_time(const char *text, int64_t now_ns, int64_t *ret_ns)
{
    struct tm tm;
    if (hm_time_parse(text, ret_ns))
        return true;
    if (of_form(text, "%Y-%m-%dT%H:%M:%SZ", &tm) || of_form(text, "%Y-%m-%dT%H:%MZ", &tm)) {
        *ret_ns = (int64_t)timegm(&tm) * SECOND_NS;
        return true;
    }
    if (!of_form(text, "%H:%M", &tm))
        return false;
    int64_t today = now_ns - now_ns % DAY_NS + (tm.tm_hour * 60 + tm.tm_min) * 60 * SECOND_NS;
    *ret_ns = today > now_ns ? today : today + DAY_NS;
    return true;
}

char *request_text(const struct failover_request *r)
{
    char at[HM_TIME_TEXT_MAX];
    HM_AUTOFREE char *by = show_cleaned(r->by), *why = show_cleaned(r->why);
    hm_time_text(r->at_ns, at);
    bool forced = r->action == FAILOVER_PROMOTE;
    return hm_printf("%s %s%s%s, by %s%s%s", forced ? "forced promotion of" : "switchover to",
                     r->site.text, r->at_ns ? ", planned for " : "", r->at_ns ? at : "", by,
                     *why ? ": " : "", why);
}
