/*
 * Changes of a running VM: what hot_plan() finds, carried out one by one. Each is done when libvirt
 * and, where it has a say, the guest are seen to have done it. Thread: any.
 */
#include <stdlib.h>
#include <string.h>

#include <libvirt/virterror.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "vmm/hot.h"
#include "vmm/lv_vm.h"

enum {
    CONSENT_WAIT_MS =
        20000,           /* how long a guest has to let go of a device, or its balloon of memory */
    ASK_AGAIN_MS = 5000, /* one that was still booting did not hear the first request */
    POLL_MS = 100,       /* between looks; an event makes it sooner */
};

struct change {
    struct lv *lv;
    const struct order *o;
    virDomainPtr dom;
};

/* Looks again and again. 1: it is so; 0: not within that time. */
static int wait_until(const struct change *c, int64_t ms,
                      int (*is_so)(const struct change *c, const void *arg, struct hm_error *err),
                      const void *arg, struct hm_error *err)
{
    int64_t deadline = hm_boottime_ns() + ms * HM_MS;
    for (;;) {
        int r = is_so(c, arg, err);
        int64_t left = (deadline - hm_boottime_ns()) / HM_MS;
        if (r != 0 || left <= 0)
            return r;
        lv_wait_event(c->lv, left < POLL_MS ? left : POLL_MS);
    }
}

/* -- Processors and memory --------------------------------------------------------------------- */

static int set_vcpus(const struct change *c, const struct hot_step *s, struct hm_error *err)
{
    if (virDomainSetVcpusFlags(c->dom, (unsigned)s->number, VIR_DOMAIN_AFFECT_LIVE) == 0)
        return 0;
    return lv_fail(c->lv, err, "vm %s: give it %lld vcpus", c->o->name, (long long)s->number);
}

static int has_memory(const struct change *c, const void *arg, struct hm_error *err)
{
    const struct hot_step *s = arg;
    virDomainInfo info;
    if (virDomainGetInfo(c->dom, &info) < 0)
        return lv_fail(c->lv, err, "vm %s: ask for its memory", c->o->name);
    return info.memory >> 10 >= (unsigned long)s->number >> 10;
}

static int fail_memory(const struct change *c, const struct hot_step *s, struct hm_error *err)
{
    virDomainInfo info = {0};
    virDomainGetInfo(c->dom, &info);
    return hm_fail(err, HM_E_TIMEOUT,
                   "vm %s has %lu MiB instead of %lld MiB after %d s: the balloon driver of its "
                   "guest does not let go of it; restart the guest",
                   c->o->name, info.memory >> 10, (long long)s->number >> 10,
                   CONSENT_WAIT_MS / 1000);
}

static int set_memory(const struct change *c, const struct hot_step *s, struct hm_error *err)
{
    if (virDomainSetMemoryFlags(c->dom, (unsigned long)s->number, VIR_DOMAIN_AFFECT_LIVE) < 0)
        return lv_fail(c->lv, err, "vm %s: give it %lld MiB", c->o->name,
                       (long long)s->number >> 10);
    int r = wait_until(c, CONSENT_WAIT_MS, has_memory, s, err);
    return r == 0 ? fail_memory(c, s, err) : r < 0 ? r : 0;
}

/* -- Devices ----------------------------------------------------------------------------------- */

static int is_gone(const struct change *c, const void *arg, struct hm_error *err)
{
    const struct hot_step *s = arg;
    HM_AUTOFREE char *xml = virDomainGetXMLDesc(c->dom, 0);
    if (!xml)
        return lv_fail(c->lv, err, "vm %s: read its XML", c->o->name);
    int r = hot_has_device(xml, s->alias, err);
    return r < 0 ? r : r == 0;
}

/* One that was asked already refuses to be asked twice: only whether it is gone counts. */
static int detach(const struct change *c, const struct hot_step *s, struct hm_error *err)
{
    struct hm_error why = {0};
    for (int asked = 0; asked < CONSENT_WAIT_MS / ASK_AGAIN_MS; asked++) {
        if (virDomainDetachDeviceAlias(c->dom, s->alias, VIR_DOMAIN_AFFECT_LIVE) < 0)
            lv_fail(c->lv, &why, "asked");
        int r = wait_until(c, ASK_AGAIN_MS, is_gone, s, err);
        if (r != 0)
            return r < 0 ? r : 0;
    }
    return hm_fail(err, HM_E_TIMEOUT,
                   "vm %s: its guest has not let go of the %s within %d s%s%s; it is asked again",
                   c->o->name, s->name, CONSENT_WAIT_MS / 1000, why.code ? ": " : "",
                   why.code ? why.text : "");
}

static int attach(const struct change *c, const struct hot_step *s, struct hm_error *err)
{
    if (virDomainAttachDeviceFlags(c->dom, s->xml, VIR_DOMAIN_AFFECT_LIVE) == 0)
        return 0;
    return lv_fail(c->lv, err, "vm %s: plug in the %s", c->o->name, s->name);
}

/* Never by force: a guest that has locked the tray still reads what is in it. */
static int change_medium(const struct change *c, const struct hot_step *s, struct hm_error *err)
{
    if (virDomainUpdateDeviceFlags(c->dom, s->xml, VIR_DOMAIN_AFFECT_LIVE) == 0)
        return 0;
    return lv_fail(c->lv, err, "vm %s: change what is in %s", c->o->name, s->name);
}

/* -- All of it --------------------------------------------------------------------------------- */

static int carry_out(const struct change *c, const struct hot_step *s, struct hm_error *err)
{
    switch (s->what) {
    case HOT_VCPUS:
        return set_vcpus(c, s, err);
    case HOT_MEMORY:
        return set_memory(c, s, err);
    case HOT_DETACH:
        return detach(c, s, err);
    case HOT_ATTACH:
        return attach(c, s, err);
    case HOT_MEDIUM:
        return change_medium(c, s, err);
    }
    return 0;
}

int lv_vm_change_running(struct lv *lv, const struct order *o, virDomainPtr dom,
                         struct hm_error *err)
{
    struct change c = {lv, o, dom};
    struct hot_steps steps = {0};
    HM_AUTOFREE char *live = virDomainGetXMLDesc(dom, 0);
    HM_AUTOFREE char *defined = live ? virDomainGetXMLDesc(dom, VIR_DOMAIN_XML_INACTIVE) : NULL;
    if (!defined)
        return lv_fail(lv, err, "vm %s: read its XML", o->name);
    int r = hot_plan(live, defined, &steps, err);
    if (r < 0)
        return hm_wrap(err, "vm %s", o->name);
    for (size_t i = 0; r >= 0 && i < steps.count; i++)
        r = carry_out(&c, &steps.items[i], err);
    hot_steps_clear(&steps);
    return r;
}
