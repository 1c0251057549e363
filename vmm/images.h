/*
 * The driver of the image store: documents of kind image-file.
 *
 * create, update and start begin or join the download and come back at once: HM_E_IN_PROGRESS until the
 * image is there. Meanwhile it is seen as THING_MAKING, with how far it is; complete it is RUNNING; and
 * OFF is what waits for the next attempt. Only files of ours are removed, and only when no document
 * needs them any more (vmm/image_store.h). docs/adr/0024-image-store.md.
 */
#ifndef HM_VMM_IMAGES_H
#define HM_VMM_IMAGES_H

#include "vmm/driver.h"

extern const struct driver images_driver;

#endif
