/*
 * Which accelerator a guest gets, and why. Blocks for some system calls. Thread: any.
 *
 * `auto` is kvm on plain hardware KVM. Paravirtual KVM (the module kvm_pvm) starts tiny guests and spins
 * on a stock kernel, so there it is kvm only once a stock kernel was seen to reach its userspace since
 * the host booted (vmm/accel_trial.h), else tcg.
 */
#ifndef HM_VMM_ACCEL_H
#define HM_VMM_ACCEL_H

#include <stdbool.h>

enum { ACCEL_TEXT_MAX = 192 };

/* What is known about a stock kernel under KVM, since this boot of the host. */
#define ACCEL_TRIALS(X)                                                                            \
    X(UNKNOWN)    /* not tried, or not to its end */                                               \
    X(PASSED)     /* it reached its userspace */                                                   \
    X(FAILED)     /* it did not */                                                                 \
    X(IMPOSSIBLE) /* there was nothing to try it with */

enum accel_trial_result {
#define ACCEL_TRIAL_ENUM(id) ACCEL_TRIAL_##id,
    ACCEL_TRIALS(ACCEL_TRIAL_ENUM)
#undef ACCEL_TRIAL_ENUM
};

struct accel_facts {
    const char *wish;        /* auto, kvm, tcg; NULL is auto */
    bool device;             /* /dev/kvm answers as KVM does */
    const char *device_text; /* "/dev/kvm answers", or why it does not */
    bool paravirtual;        /* kvm_pvm is loaded */
    enum accel_trial_result trial;
    const char *trial_text; /* how it ended; not for UNKNOWN */
};

struct accel {
    bool kvm;
    bool trial_awaited;          /* the end of a trial would tell more */
    char reason[ACCEL_TEXT_MAX]; /* "tcg because /dev/kvm can't be opened: ..." */
};

/* The decision alone. Pure. */
void accel_decide(const struct accel_facts *facts, struct accel *ret);

/* Look at this host, and decide. `runtime_dir` is where trials are remembered; NULL: nowhere. */
struct accel_host {
    const char *dev, *modules; /* /dev/kvm, /sys/module (others in tests) */
    const char *runtime_dir;
};
#define ACCEL_DEV     "/dev/kvm"
#define ACCEL_MODULES "/sys/module"
void accel_choose(const char *wish, const struct accel_host *host, struct accel *ret);

#endif
