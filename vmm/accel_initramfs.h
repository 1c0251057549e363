/*
 * The smallest userspace: an initramfs with /dev/console and an /init that says ACCEL_SENTENCE and
 * waits. x86-64 only. Pure. Thread: any.
 */
#ifndef HM_VMM_ACCEL_INITRAMFS_H
#define HM_VMM_ACCEL_INITRAMFS_H

#include "base/buf.h"

#define ACCEL_SENTENCE "harmony: userspace reached"

void accel_initramfs(struct hm_buf *ret); /* appended; hm_buf_free() it */

#endif
