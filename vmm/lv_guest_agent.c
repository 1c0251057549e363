/*
 * The QEMU guest agent, which answers from inside the guest. A ping that it does not answer is HM_E_REFUSED; every
 * other failure is that of the host, and says nothing about the guest. Thread: any.
 * Source: https://libvirt.org/html/libvirt-libvirt-qemu.html, https://www.qemu.org/docs/master/interop/qemu-ga-ref.html
 */
#include <stdlib.h>

#include <libvirt/libvirt-qemu.h>
#include <libvirt/virterror.h>

#include "base/clock.h"
#include "vmm/lv_vm.h"

enum { LEAST_S = 1, MARGIN_S = 2 }; /* libvirt answers before nobody waits any more */

static int seconds_left(const struct driver_call *call)
{
    int64_t left = (call->until_ns - hm_boottime_ns()) / (1000 * HM_MS) - MARGIN_S;
    return left > LEAST_S ? (int)left : LEAST_S;
}

/* Not connected, or connected and silent: that is what a guest without a living agent looks like. */
static bool is_silence(void)
{
    return lv_last_is(VIR_ERR_AGENT_UNRESPONSIVE) || lv_last_is(VIR_ERR_AGENT_UNSYNCED) ||
           lv_last_is(VIR_ERR_OPERATION_TIMEOUT);
}

static int ping(struct lv *lv, const struct driver_call *call, virDomainPtr dom,
                struct hm_error *err)
{
    char *answer =
        virDomainQemuAgentCommand(dom, "{\"execute\":\"guest-ping\"}", seconds_left(call), 0);
    if (answer) {
        free(answer);
        return 0;
    }
    if (is_silence())
        return hm_fail(err, HM_E_REFUSED, "the guest agent does not answer");
    return lv_fail(lv, err, "vm %s: ask its guest agent", call->order.name);
}

int lv_guest_ping(void *self, const struct driver_call *call, struct driver_result *ret,
                  struct hm_error *err)
{
    struct lv *lv = self;
    struct domain_info info = {0};
    LV_DOMAIN dom = NULL;
    (void)ret;
    if (!lv->is_qemu)
        return hm_fail(err, HM_E_UNSUPPORTED, "%s has no guest agents", lv->uri);
    int r = lv_check_alive(lv, err);
    if (r >= 0)
        r = lv_find_our_domain(lv, &call->order, &dom, &info, err);
    domain_info_clear(&info);
    if (r == 0)
        return hm_fail(err, HM_E_VM_NOT_FOUND, "vm %s does not exist", call->order.name);
    return r < 0 ? r : ping(lv, call, dom, err);
}
