#include <string.h>

#include "proto/field.h"
#include "vmm/driver.h"
#include "vmm/libvirt.h"

/* One row per backend. */
static const struct driver *const drivers[] = {
    &libvirt_driver,
    NULL,
};

const struct driver *const *drivers_all(void)
{
    return drivers;
}

const struct driver *driver_find(const char *name)
{
    for (const struct driver *const *d = drivers; *d; d++)
        if (!strcmp((*d)->name, name))
            return *d;
    return NULL;
}

static bool holds(const struct driver *d, const char *kind)
{
    for (const char *const *k = d->kinds; *k; k++)
        if (!strcmp(*k, kind))
            return true;
    return false;
}

const struct driver *driver_for_kind(const char *kind, const json_t *spec)
{
    const char *backend = spec ? spec_str(spec, "backend") : NULL;
    for (const struct driver *const *d = drivers; *d; d++)
        if (holds(*d, kind) && (!backend || !strcmp((*d)->name, backend)))
            return *d;
    return NULL;
}
