#include "vmm/accel.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <linux/kvm.h>

enum { KVM_STABLE_API = 12 }; /* Documentation/virt/kvm/api.rst, 4.1 */

static void answer(struct accel *ret, bool kvm, const char *why)
{
    ret->kvm = kvm;
    snprintf(ret->reason, sizeof ret->reason, "%s because %s", kvm ? "kvm" : "tcg", why);
}

static bool module_is_loaded(const char *modules, const char *name)
{
    char path[256];
    snprintf(path, sizeof path, "%s/%s", modules, name);
    return access(path, F_OK) == 0;
}

static void ask_device(const char *dev, struct accel *ret)
{
    int fd = open(dev, O_RDWR | O_CLOEXEC);
    if (fd < 0) {
        char why[128];
        snprintf(why, sizeof why, "%.64s can't be opened: %.40s", dev, strerror(errno));
        answer(ret, false, why);
        return;
    }
    bool usable = ioctl(fd, KVM_GET_API_VERSION, 0) == KVM_STABLE_API;
    close(fd);
    char why[128];
    snprintf(why, sizeof why, "%.64s %s", dev, usable ? "answers" : "does not answer as KVM does");
    answer(ret, usable, why);
}

void accel_choose(const char *wish, const char *dev, const char *modules, struct accel *ret)
{
    if (wish && !strcmp(wish, "kvm"))
        answer(ret, true, "the configuration says so");
    else if (wish && !strcmp(wish, "tcg"))
        answer(ret, false, "the configuration says so");
    else if (module_is_loaded(modules, "kvm_pvm"))
        answer(ret, false, "kvm_pvm is loaded");
    else
        ask_device(dev, ret);
}
