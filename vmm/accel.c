#include "vmm/accel.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <linux/kvm.h>

#include "vmm/accel_trial.h"

enum { KVM_STABLE_API = 12 }; /* Documentation/virt/kvm/api.rst, 4.1 */

/* -- The decision ------------------------------------------------------------------------------ */

static void answer(struct accel *ret, bool kvm, const char *because, const char *more)
{
    ret->kvm = kvm;
    snprintf(ret->reason, sizeof ret->reason, "%s because %s%s", kvm ? "kvm" : "tcg", because,
             more);
}

static void decide_by_trial(const struct accel_facts *f, struct accel *ret)
{
    switch (f->trial) {
    case ACCEL_TRIAL_UNKNOWN:
        ret->trial_awaited = true;
        answer(ret, false, "kvm_pvm is loaded, and no stock kernel was seen to boot under it yet",
               "");
        break;
    case ACCEL_TRIAL_PASSED:
        answer(ret, true, f->trial_text, ", although kvm_pvm is loaded");
        break;
    case ACCEL_TRIAL_FAILED:
    case ACCEL_TRIAL_IMPOSSIBLE:
        answer(ret, false, "kvm_pvm is loaded, and ", f->trial_text);
        break;
    }
}

void accel_decide(const struct accel_facts *f, struct accel *ret)
{
    *ret = (struct accel){0};
    if (f->wish && !strcmp(f->wish, "kvm"))
        answer(ret, true, "the configuration says so", "");
    else if (f->wish && !strcmp(f->wish, "tcg"))
        answer(ret, false, "the configuration says so", "");
    else if (!f->device)
        answer(ret, false, f->device_text, "");
    else if (!f->paravirtual)
        answer(ret, true, f->device_text, "");
    else
        decide_by_trial(f, ret);
}

/* -- This host --------------------------------------------------------------------------------- */

static bool module_is_loaded(const char *modules, const char *name)
{
    char path[256];
    snprintf(path, sizeof path, "%s/%s", modules, name);
    return access(path, F_OK) == 0;
}

static bool ask_device(const char *dev, char text[ACCEL_TEXT_MAX])
{
    int fd = open(dev, O_RDWR | O_CLOEXEC);
    if (fd < 0) {
        snprintf(text, ACCEL_TEXT_MAX, "%.64s can't be opened: %.40s", dev, strerror(errno));
        return false;
    }
    bool usable = ioctl(fd, KVM_GET_API_VERSION, 0) == KVM_STABLE_API;
    close(fd);
    snprintf(text, ACCEL_TEXT_MAX, "%.64s %s", dev,
             usable ? "answers" : "does not answer as KVM does");
    return usable;
}

void accel_choose(const char *wish, const struct accel_host *host, struct accel *ret)
{
    char device_text[ACCEL_TEXT_MAX];
    struct accel_record record = {0};
    struct accel_facts facts = {.wish = wish, .device_text = device_text};
    facts.device = ask_device(host->dev, device_text);
    facts.paravirtual = module_is_loaded(host->modules, "kvm_pvm");
    if (host->runtime_dir)
        accel_record_read(host->runtime_dir, &record);
    facts.trial = record.result;
    facts.trial_text = record.text;
    accel_decide(&facts, ret);
}
