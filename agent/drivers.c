#include "agent/drivers.h"

#include <string.h>

#include "proto/field.h"
#if HM_WITH_NETALLOC
#include "netalloc/native.h"
#endif
#include "vmm/cloud_hypervisor.h"
#include "vmm/images.h"
#include "vmm/libvirt.h"

/* One row per backend; libvirt is the first. */
static const struct driver *const drivers[] = {
    &libvirt_driver,
#if HM_WITH_NETALLOC
    &native_driver,
#endif
    &images_driver,  &cloud_hypervisor_driver, NULL,
};

const struct driver *const *drivers_all(void)
{
    return drivers;
}

const struct driver *const *drivers_without_libvirt(void)
{
    return drivers + 1;
}

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
