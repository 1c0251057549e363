/*
 * Which accelerator a guest gets, and why. Blocks for some system calls. Thread: any.
 *
 * `auto` is kvm only on plain hardware KVM: /dev/kvm answers and kvm_pvm is not loaded (paravirtual
 * KVM starts tiny guests and spins on a stock kernel, so a quick probe would lie). Else tcg.
 * Whether a stock kernel reaches its userspace, tried once per boot, would tell more; until then a
 * host with kvm_pvm can be told `kvm` by configuration.
 */
#ifndef HM_VMM_ACCEL_H
#define HM_VMM_ACCEL_H

#include <stdbool.h>

struct accel {
    bool kvm;
    char reason[160]; /* "tcg because kvm_pvm is loaded" */
};

/* `wish`: auto, kvm, tcg. `dev` and `modules` are /dev/kvm and /sys/module (others in tests). */
void accel_choose(const char *wish, const char *dev, const char *modules, struct accel *ret);

#define ACCEL_DEV     "/dev/kvm"
#define ACCEL_MODULES "/sys/module"

#endif
