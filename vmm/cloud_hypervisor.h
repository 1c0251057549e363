/*
 * The driver for cloud-hypervisor: one VMM process for each VM that runs, which outlives the agent.
 *
 * docs/cloud-hypervisor.md says what it does and what it refuses. Opening it asks nothing of the host: without
 * the program nothing can be started, and all else works.
 */
#ifndef HM_VMM_CLOUD_HYPERVISOR_H
#define HM_VMM_CLOUD_HYPERVISOR_H

#include "vmm/driver.h"

extern const struct driver cloud_hypervisor_driver;

#endif
