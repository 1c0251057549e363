#include "agent/drivers.h"

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

const struct driver *const *drivers_of(const struct agent_config *c)
{
    return c->libvirt.enabled ? drivers_all() : drivers_without_libvirt();
}

struct driver_options driver_options_of(const struct agent_config *c)
{
    return (struct driver_options){
        .uri = c->libvirt.uri,
        .image_dir = c->libvirt.image_dir,
        .accel = c->libvirt.accel,
        .site = c->site_id,
        .image_ca = c->images.ca_file,
        .image_stall_ms = c->images.stall_timeout_ms,
        .state_dir = c->state_dir,
        .runtime_dir = c->runtime_dir,
        .vmm_program = c->cloud_hypervisor.program,
        .vmm_firmware = c->cloud_hypervisor.firmware,
    };
}
