/*
 * The trial: does a stock kernel reach its userspace under this host's KVM?
 *
 * QEMU runs an installed kernel (not the running one, which may know paravirtual KVM) with an initramfs
 * made here, whose only program says one sentence on the serial console. The record of it lies in
 * runtime_dir and holds for one boot of the host. The trial blocks for up to its deadline, and is for a
 * worker thread. Thread: any, one trial at a time.
 */
#ifndef HM_VMM_ACCEL_TRIAL_H
#define HM_VMM_ACCEL_TRIAL_H

#include <stdint.h>

#include "base/error.h"
#include "vmm/accel.h"

enum { ACCEL_TRIAL_MS = 30000 };

struct accel_record {
    enum accel_trial_result result;
    char text
        [128]; /* "a stock kernel (/boot/vmlinuz-6.1.0-56-amd64) reached its userspace in 2 s" */
};

/* What was found out in this boot of the host; UNKNOWN if nothing was, or it can't be read. */
void accel_record_read(const char *runtime_dir, struct accel_record *ret);

struct accel_trial {
    const char *qemu;  /* NULL: the usual places */
    const char *boot;  /* folder with kernels, vmlinuz-VERSION */
    const char *accel; /* "kvm"; tests prove the trial itself with "tcg" */
    const char *dir;   /* for the initramfs while it runs */
    int64_t timeout_ms;
};

/* Run it. Every outcome is a result. */
void accel_trial_run(const struct accel_trial *trial, struct accel_record *ret);

/* The same on this host, with ACCEL_TRIAL_MS, and remember it in runtime_dir. */
int accel_trial_run_and_record(const char *runtime_dir, struct accel_record *ret,
                               struct hm_error *err);

/* Would `auto` gain by a trial? Not if one was brought to an end in this boot. */
bool accel_trial_is_due(const char *wish, const struct accel_host *host);

#endif
