/*
 * TAPs by /dev/net/tun. Blocks briefly. Thread: any.
 * Source: Documentation/networking/tuntap.rst.
 */
#ifndef HM_NETALLOC_TAP_H
#define HM_NETALLOC_TAP_H

#include "base/error.h"

/* A TAP that lives as long as *ret_fd, which is the caller's to close. HM_E_BUSY: one of that name is
 * open in a process. */
int tap_create(const char *name, int *ret_fd, struct hm_error *err);

int tap_keep(int fd, const char *name, struct hm_error *err); /* it outlives its descriptor */

/* Held while it goes, so that no process can open it meanwhile. HM_E_BUSY: one has it open. */
int tap_delete(const char *name, struct hm_error *err);

#endif
