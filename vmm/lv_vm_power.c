#include <string.h>

#include <libvirt/virterror.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "proto/field.h"
#include "vmm/lv_vm.h"

enum {
    POLL_MS = 100,         /* between looks at a guest's state; an event makes it sooner */
    ASK_AGAIN_MS = 5000,   /* a guest that was still booting did not hear the first button press */
    DESTROY_WAIT_MS = 5000 /* a destroyed guest is off at once, one in state `shutdown` soon */
};

int lv_vm_state(struct lv *lv, const struct order *o, virDomainPtr dom, struct hm_error *err)
{
    int state = VIR_DOMAIN_NOSTATE;
    if (virDomainGetState(dom, &state, NULL, 0) == 0)
        return state;
    if (lv_last_is(VIR_ERR_NO_DOMAIN))
        return VIR_DOMAIN_SHUTOFF;
    return lv_fail(lv, err, "vm %s: ask for its state", o->name);
}

/* 1: it is off; 0: it is not, after that time. */
static int wait_until_off(struct lv *lv, const struct order *o, virDomainPtr dom, int64_t ms,
                          struct hm_error *err)
{
    int64_t deadline = hm_boottime_ns() + ms * HM_MS;
    for (;;) {
        int state = lv_vm_state(lv, o, dom, err);
        if (state < 0)
            return state;
        if (state == VIR_DOMAIN_SHUTOFF)
            return 1;
        int64_t left = (deadline - hm_boottime_ns()) / HM_MS;
        if (left <= 0)
            return 0;
        lv_wait_event(lv, left < POLL_MS ? left : POLL_MS);
    }
}

/* -- Start ------------------------------------------------------------------------------------- */

static bool stands_still(const struct order *o)
{
    const char *power = spec_str(o->spec, "power");
    return power && !strcmp(power, "paused");
}

/* Why it did not start; with huge pages what the host has to have for that, which QEMU's sentence does not say. */
static void explain_start(struct lv *lv, const struct order *o, struct hm_error *why)
{
    int64_t page = spec_int(o->spec, "hugepages", 0);
    if (!page) {
        lv_fail(lv, why, "vm %s: start it", o->name);
        return;
    }
    int64_t memory = spec_int(o->spec, "max_memory", spec_int(o->spec, "memory", 0));
    lv_fail(lv, why,
            "vm %s: start it on %lld pages of %lld KiB (hugepages; the host sets them aside with "
            "vm.nr_hugepages and has hugetlbfs mounted)",
            o->name, (long long)((memory + page - 1) / page), (long long)(page / 1024));
}

static int boot(struct lv *lv, const struct order *o, virDomainPtr dom, struct hm_error *err)
{
    /* A memory image that was saved under an earlier lease must not come back to life. */
    unsigned flags = o->primary ? VIR_DOMAIN_START_FORCE_BOOT : 0;
    flags |= stands_still(o) ? VIR_DOMAIN_START_PAUSED : 0;
    int r = virDomainCreateWithFlags(dom, flags);
    if (r < 0 && flags && lv_last_is(VIR_ERR_INVALID_ARG)) /* a backend that has neither */
        r = virDomainCreateWithFlags(dom, 0);
    if (r == 0)
        return 0;
    struct hm_error why;
    explain_start(lv, o, &why);
    return lv_fail_unless(virDomainIsActive(dom) == 1, &why, err);
}

static int resume(struct lv *lv, const struct order *o, virDomainPtr dom, struct hm_error *err)
{
    if (virDomainResume(dom) < 0)
        return lv_fail(lv, err, "vm %s: resume it", o->name);
    return 0;
}

static int start_from(struct lv *lv, const struct order *o, virDomainPtr dom, int state,
                      struct hm_error *err)
{
    switch (state) {
    case VIR_DOMAIN_RUNNING:
    case VIR_DOMAIN_BLOCKED:
        return 0;
    case VIR_DOMAIN_PAUSED:
        return stands_still(o) ? 0 : resume(lv, o, dom, err);
    case VIR_DOMAIN_SHUTDOWN:
        if (wait_until_off(lv, o, dom, DESTROY_WAIT_MS, err) <= 0)
            return hm_fail(err, HM_E_BUSY, "vm %s is still shutting down", o->name);
        return boot(lv, o, dom, err);
    case VIR_DOMAIN_CRASHED: { /* its process was kept for a look at it */
        int r = lv_vm_destroy(lv, o, dom, err);
        return r < 0 ? r : boot(lv, o, dom, err);
    }
    default:
        return boot(lv, o, dom, err);
    }
}

/* It was defined when the host, or the configuration, had another accelerator. */
static bool has_other_type(const struct lv *lv, const struct order *o,
                           const struct domain_info *info)
{
    const char *type = json_string_value(json_object_get(info->shape, "type"));
    return o->spec && type && strcmp(type, lv_domain_type(lv, o->spec)) != 0;
}

/* Its disks, once more: one may have gone, been replaced, or not be finished. */
static int check_disks(struct lv *lv, const struct order *o, struct hm_error *err)
{
    struct vm_disks disks;
    vm_disks_of(o->spec, &disks);
    int r = lv_disks_prepare(lv, o, &disks, err);
    vm_disks_clear(&disks);
    return r < 0 ? hm_wrap(err, "vm %s", o->name) : 0;
}

static int start_domain(struct lv *lv, const struct order *o, virDomainPtr dom,
                        const struct domain_info *info, struct hm_error *err)
{
    int state = lv_vm_state(lv, o, dom, err);
    int r = state;
    if (state == VIR_DOMAIN_SHUTOFF && has_other_type(lv, o, info))
        r = lv_vm_create(lv, o, err);
    else if (state == VIR_DOMAIN_SHUTOFF && o->spec)
        r = check_disks(lv, o, err);
    if (r >= 0)
        r = start_from(lv, o, dom, state, err);
    /* After the start: a note that it was started, though it never was, would keep it down for ever. */
    return r < 0 ? r : lv_vm_keep_note(lv, o, dom, &info->run, err);
}

int lv_vm_start(struct lv *lv, const struct order *o, struct hm_error *err)
{
    struct domain_info info = {0};
    LV_DOMAIN dom = NULL;
    int r = lv_find_our_domain(lv, o, &dom, &info, err);
    if (r == 0)
        r = lv_fail_absent(o, err);
    else if (r > 0)
        r = start_domain(lv, o, dom, &info, err);
    domain_info_clear(&info);
    if (dom)
        lv_touch_domain(lv, dom);
    return r;
}

/* -- Stop -------------------------------------------------------------------------------------- */

static int destroy(struct lv *lv, const struct order *o, virDomainPtr dom, struct hm_error *err)
{
    if (virDomainDestroyFlags(dom, VIR_DOMAIN_DESTROY_DEFAULT) == 0)
        return 0;
    struct hm_error why;
    lv_fail(lv, &why, "vm %s: stop it hard", o->name);
    return lv_fail_unless(virDomainIsActive(dom) == 0, &why, err);
}

int lv_vm_destroy(struct lv *lv, const struct order *o, virDomainPtr dom, struct hm_error *err)
{
    int state = lv_vm_state(lv, o, dom, err);
    if (state < 0 || state == VIR_DOMAIN_SHUTOFF)
        return state < 0 ? state : 0;
    int r = destroy(lv, o, dom, err);
    int off = r < 0 ? r : wait_until_off(lv, o, dom, DESTROY_WAIT_MS, err);
    if (off == 0)
        return hm_fail(err, HM_E_TIMEOUT, "vm %s was stopped hard and is still not off after %d s",
                       o->name, DESTROY_WAIT_MS / 1000);
    return off < 0 ? off : 0;
}

/* libvirt's own hard stop begins with SIGTERM and gives a stuck QEMU 10 s. What has had its grace and
 * nobody waits for may have them; a fence has not. */
static int stop_hard(struct lv *lv, const struct order *o, virDomainPtr dom, struct hm_error *err)
{
    int r = o->primary || o->grace_ms == 0 ? lv_vm_kill_process(lv, o, dom, err) : 0;
    return r < 0 ? r : lv_vm_destroy(lv, o, dom, err);
}

static void press_button(virDomainPtr dom)
{
    if (virDomainShutdownFlags(dom, VIR_DOMAIN_SHUTDOWN_ACPI_POWER_BTN) < 0 &&
        lv_last_is(VIR_ERR_INVALID_ARG)) /* a backend with a way of its own */
        virDomainShutdownFlags(dom, 0);
}

/* Ask again and again, since early boot and some guests miss it, and look at nothing but whether
 * it goes off: a press that failed is followed by the next one, or by the hard stop. 1: it is off.
 */
static int ask_to_stop(struct lv *lv, const struct order *o, virDomainPtr dom, struct hm_error *err)
{
    int64_t deadline = hm_boottime_ns() + o->grace_ms * HM_MS;
    for (;;) {
        int64_t left = (deadline - hm_boottime_ns()) / HM_MS;
        if (left <= 0)
            return 0;
        press_button(dom);
        int off = wait_until_off(lv, o, dom, left < ASK_AGAIN_MS ? left : ASK_AGAIN_MS, err);
        if (off != 0)
            return off;
    }
}

static int stop_domain(struct lv *lv, const struct order *o, virDomainPtr dom, struct hm_error *err)
{
    int state = lv_vm_state(lv, o, dom, err);
    if (state < 0 || state == VIR_DOMAIN_SHUTOFF)
        return state < 0 ? state : 0;
    /* A paused guest can't hear the button. */
    if (state == VIR_DOMAIN_PAUSED && o->grace_ms > 0 && resume(lv, o, dom, NULL) < 0)
        return stop_hard(lv, o, dom, err);
    int off = state == VIR_DOMAIN_CRASHED ? 0 : ask_to_stop(lv, o, dom, err);
    return off != 0 ? (off < 0 ? off : 0) : stop_hard(lv, o, dom, err);
}

int lv_vm_stop(struct lv *lv, const struct order *o, struct hm_error *err)
{
    struct domain_info info = {0};
    LV_DOMAIN dom = NULL;
    int found = lv_find_our_domain(lv, o, &dom, &info, err);
    /* Before the stop: that it went off may be seen sooner than this call ends, if it ever does. */
    int r = found > 0 ? lv_vm_keep_note(lv, o, dom, &info.run, err) : found;
    domain_info_clear(&info);
    if (found <= 0)
        return found < 0 ? found : 1;
    if (r >= 0)
        r = stop_domain(lv, o, dom, err);
    lv_touch_domain(lv, dom);
    return r;
}

int lv_vm_verify_stopped(struct lv *lv, const struct order *o, struct hm_error *err)
{
    LV_DOMAIN dom = NULL;
    int found = lv_find_domain(lv, o->name, &dom, err);
    if (found <= 0)
        return found;
    int state = lv_vm_state(lv, o, dom, err);
    if (state < 0)
        return state;
    if (state != VIR_DOMAIN_SHUTOFF)
        return hm_fail(err, HM_E_REFUSED, "vm %s is not off", o->name);
    char uuid[LV_UUID_MAX];
    if (virDomainGetUUIDString(dom, uuid) < 0)
        return lv_fail(lv, err, "vm %s: ask for its UUID", o->name);
    struct lv_processes processes;
    lv_processes_read(lv, &processes);
    int pid = lv_processes_find(&processes, uuid);
    lv_processes_clear(&processes);
    if (pid > 0)
        return hm_fail(err, HM_E_REFUSED, "vm %s is off, says libvirt, but its process %d is there",
                       o->name, pid);
    return 0;
}
