/* What operations of all backends do alike (vmm/driver.h). */
#include <stdlib.h>

#include "base/clock.h"
#include "proto/field.h"
#include "vmm/console_times.h"
#include "vmm/driver.h"

enum { AFTER_GRACE_MS = 15000 }; /* a reset, and to see that it boots */

int64_t driver_call_grace(const struct driver_call *call)
{
    int64_t grace = spec_int(call->order.spec, "stop_grace", STOP_GRACE_DEFAULT_MS);
    int64_t left = (call->until_ns - hm_boottime_ns()) / HM_MS - AFTER_GRACE_MS;
    grace = spec_int(call->args, "grace", grace);
    return grace < left ? grace : left > 0 ? left : 0;
}

int driver_call_log(const struct driver_call *call, char *path, struct driver_result *ret,
                    struct hm_error *err)
{
    int64_t since = spec_int(call->args, "since", -1);
    struct console_place place = {0};
    int r = since < 0 ? 0 : console_times_since(path, hm_wall_ns() / HM_MS - since, &place, err);
    if (r < 0) {
        free(path);
        return r;
    }
    ret->path = path;
    ret->back = place.back;
    ret->from = place.from;
    return r;
}

int driver_console_fail_off(const char *vm, struct hm_error *err)
{
    return hm_fail(err, HM_E_REFUSED, "vm %s is off: there is no console to talk to", vm);
}

int driver_console_fail_taken(const char *vm, struct hm_error *err)
{
    return hm_fail(err, HM_E_BUSY,
                   "vm %s: somebody else has its console open; --force takes it over", vm);
}
