#include "vmm/snapshot_name.h"

#include <stdio.h>
#include <time.h>

#include "base/clock.h"
#include "proto/doc.h"

int snapshot_name_check(const char *name, struct hm_error *err)
{
    if (name && name_is_valid(name) && (name[0] < '0' || name[0] > '9'))
        return 0;
    return hm_fail(
        err, HM_E_INVALID,
        "\"%.80s\" is no name for a snapshot: small letters, digits and dashes, beginning "
        "with a letter",
        name ? name : "");
}

void snapshot_name_auto(const char *tag, char out[SNAPSHOT_NAME_MAX])
{
    char stamp[32];
    int64_t now_ms = hm_wall_ns() / HM_MS;
    time_t now = (time_t)(now_ms / 1000);
    struct tm utc;
    gmtime_r(&now, &utc);
    strftime(stamp, sizeof stamp, "%Y%m%dt%H%M%S", &utc);
    snprintf(out, SNAPSHOT_NAME_MAX, "auto-%s-%03d%s%s", stamp, (int)(now_ms % 1000),
             tag ? "-" : "", tag ? tag : "");
}
