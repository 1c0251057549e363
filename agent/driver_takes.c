/* What a driver makes, of drivers.h: without the table, which brings all of them along. */
#include <string.h>

#include "agent/drivers.h"
#include "proto/field.h"

bool driver_holds(const struct driver *d, const char *kind)
{
    for (const char *const *k = d->kinds; *k; k++)
        if (!strcmp(*k, kind))
            return true;
    return false;
}

bool driver_takes(const struct driver *d, const char *kind, const json_t *spec)
{
    const char *backend = spec ? spec_str(spec, "backend") : NULL;
    return driver_holds(d, kind) && (!backend || !strcmp(d->name, backend));
}
