/*
 * A running VM without a stop of its process: paused, resumed, rebooted. Thread: any.
 */
#include <stdlib.h>

#include <libvirt/virterror.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "vmm/lv_vm.h"

enum { ASK_AGAIN_MS = 5000, POLL_MS = 100, RESET_WAIT_MS = 5000 };

static int refuse(const struct order *o, const char *what, struct hm_error *err)
{
    return hm_fail(err, HM_E_REFUSED, "vm %s %s", o->name, what);
}

typedef int (*domain_verb)(struct lv *lv, const struct order *o, virDomainPtr dom, int state,
                           struct hm_error *err);

/* On a domain of ours that is there, with its state. */
static int with_domain(struct lv *lv, const struct order *o, domain_verb verb, struct hm_error *err)
{
    struct domain_info info = {0};
    LV_DOMAIN dom = NULL;
    int r = lv_find_our_domain(lv, o, &dom, &info, err);
    domain_info_clear(&info);
    if (r == 0)
        r = lv_fail_absent(o, err);
    int state = r < 0 ? r : lv_vm_state(lv, o, dom, err);
    if (state < 0)
        return state;
    r = verb(lv, o, dom, state, err);
    lv_touch_domain(lv, dom);
    return r;
}

/* -- Pause and resume -------------------------------------------------------------------------- */

static bool is_up(int state)
{
    return state == VIR_DOMAIN_RUNNING || state == VIR_DOMAIN_BLOCKED;
}

/* A guest that put itself to sleep stands still already. */
static int pause_domain(struct lv *lv, const struct order *o, virDomainPtr dom, int state,
                        struct hm_error *err)
{
    if (state == VIR_DOMAIN_PAUSED || state == VIR_DOMAIN_PMSUSPENDED)
        return 0;
    if (!is_up(state))
        return refuse(o, "does not run, so it can't be paused", err);
    if (virDomainSuspend(dom) < 0)
        return lv_fail(lv, err, "vm %s: pause it", o->name);
    return 0;
}

static int resume_domain(struct lv *lv, const struct order *o, virDomainPtr dom, int state,
                         struct hm_error *err)
{
    if (is_up(state))
        return 0;
    if (state != VIR_DOMAIN_PAUSED && state != VIR_DOMAIN_PMSUSPENDED)
        return refuse(o, "is not paused but off; start it", err);
    int r = state == VIR_DOMAIN_PAUSED ? virDomainResume(dom) : virDomainPMWakeup(dom, 0);
    return r < 0 ? lv_fail(lv, err, "vm %s: resume it", o->name) : 0;
}

int lv_vm_pause(struct lv *lv, const struct order *o, struct hm_error *err)
{
    return with_domain(lv, o, pause_domain, err);
}

int lv_vm_resume(struct lv *lv, const struct order *o, struct hm_error *err)
{
    return with_domain(lv, o, resume_domain, err);
}

/* -- Reboot ------------------------------------------------------------------------------------ */

/* Whether it has begun to boot again. The registration frees its part later than the verb. */
struct reboot {
    struct lv *lv;
    atomic_bool seen;
    atomic_int users;
};

static void drop(void *data)
{
    struct reboot *r = data;
    if (atomic_fetch_sub(&r->users, 1) > 1)
        return;
    lv_unref(r->lv);
    free(r);
}

static void on_reboot(virConnectPtr conn, virDomainPtr dom, void *data)
{
    (void)conn, (void)dom;
    struct reboot *r = data;
    atomic_store(&r->seen, true);
    pthread_mutex_lock(&r->lv->lock);
    pthread_cond_broadcast(&r->lv->changed);
    pthread_mutex_unlock(&r->lv->lock);
}

/* Its registration's number, or < 0. */
static int watch(struct lv *lv, const struct order *o, virDomainPtr dom, struct reboot **ret,
                 struct hm_error *err)
{
    struct reboot *r = hm_alloc(sizeof *r);
    *r = (struct reboot){.lv = lv, .users = 2};
    lv_ref(lv);
    int id = virConnectDomainEventRegisterAny(lv->conn, dom, VIR_DOMAIN_EVENT_ID_REBOOT,
                                              VIR_DOMAIN_EVENT_CALLBACK(on_reboot), r, drop);
    if (id >= 0) {
        *ret = r;
        return id;
    }
    lv_fail(lv, err, "vm %s: listen for its reboot", o->name);
    r->users = 1;
    drop(r);
    return -(int)HM_E_LIBVIRT;
}

static bool begins_within(struct reboot *r, int64_t ms)
{
    int64_t deadline = hm_boottime_ns() + ms * HM_MS;
    while (!atomic_load(&r->seen)) {
        int64_t left = (deadline - hm_boottime_ns()) / HM_MS;
        if (left <= 0)
            return false;
        lv_wait_event(r->lv, left < POLL_MS ? left : POLL_MS);
    }
    return true;
}

/* The button, which libvirt turns into a reboot, again and again: early boot misses it. */
static bool ask(struct reboot *r, const struct order *o, virDomainPtr dom)
{
    int64_t deadline = hm_boottime_ns() + o->grace_ms * HM_MS;
    for (;;) {
        int64_t left = (deadline - hm_boottime_ns()) / HM_MS;
        if (left <= 0)
            return false;
        virDomainReboot(dom, VIR_DOMAIN_REBOOT_ACPI_POWER_BTN);
        if (begins_within(r, left < ASK_AGAIN_MS ? left : ASK_AGAIN_MS))
            return true;
    }
}

static int reset(struct lv *lv, const struct order *o, virDomainPtr dom, struct reboot *r,
                 struct hm_error *err)
{
    if (virDomainReset(dom, 0) < 0)
        return lv_fail(lv, err, "vm %s: reset it", o->name);
    if (begins_within(r, RESET_WAIT_MS))
        return 0;
    return hm_fail(err, HM_E_TIMEOUT, "vm %s was reset and has not begun to boot after %d s",
                   o->name, RESET_WAIT_MS / 1000);
}

static int reboot_domain(struct lv *lv, const struct order *o, virDomainPtr dom, int state,
                         struct hm_error *err)
{
    if (!is_up(state))
        return refuse(o,
                      state == VIR_DOMAIN_PAUSED ? "is paused; resume it, then reboot it"
                                                 : "does not run, so it can't be rebooted",
                      err);
    struct reboot *reboot = NULL;
    int id = watch(lv, o, dom, &reboot, err);
    if (id < 0)
        return id;
    int r = ask(reboot, o, dom) ? 0 : reset(lv, o, dom, reboot, err);
    virConnectDomainEventDeregisterAny(lv->conn, id);
    drop(reboot);
    return r;
}

int lv_vm_reboot(struct lv *lv, const struct order *o, struct hm_error *err)
{
    return with_domain(lv, o, reboot_domain, err);
}
