/* Operations of the libvirt driver: what can be asked of a VM beside the verbs. Thread: any. */
#include <stdlib.h>

#include <libvirt/virterror.h>

#include "base/alloc.h"
#include "proto/field.h"
#include "vmm/lv_console.h"
#include "vmm/lv_snapshot.h"
#include "vmm/lv_vm.h"

/* Ours, or why not. */
static int find_vm(struct lv *lv, const struct order *o, virDomainPtr *ret, char **ret_console,
                   struct hm_error *err)
{
    struct domain_info info = {0};
    int r = lv_check_alive(lv, err);
    if (r >= 0)
        r = lv_find_our_domain(lv, o, ret, &info, err);
    if (r == 0)
        r = lv_fail_absent(o, err);
    if (r > 0 && ret_console) {
        const char *console = spec_str(info.details, "console");
        *ret_console = console ? hm_strdup(console) : NULL;
    }
    domain_info_clear(&info);
    return r;
}

/* -- reboot ------------------------------------------------------------------------------------ */

static int reboot(void *self, const struct driver_call *call, struct driver_result *ret,
                  struct hm_error *err)
{
    struct order order = call->order;
    order.grace_ms = driver_call_grace(call);
    (void)ret;
    int r = lv_check_alive(self, err);
    return r < 0 ? r : lv_vm_reboot(self, &order, err);
}

/* -- logs -------------------------------------------------------------------------------------- */

static int logs(void *self, const struct driver_call *call, struct driver_result *ret,
                struct hm_error *err)
{
    struct lv *lv = self;
    LV_DOMAIN dom = NULL;
    char *console = NULL;
    int r = find_vm(lv, &call->order, &dom, &console, err);
    if (r < 0)
        return r;
    if (console && lv->is_local)
        return driver_call_log(call, console, ret, err);
    free(console);
    return hm_fail(err, HM_E_UNSUPPORTED, "vm %s: what it writes on its console is kept %s",
                   call->order.name,
                   console ? "on the host of its libvirtd, out of reach" : "nowhere");
}

/* -- console ----------------------------------------------------------------------------------- */

static int console(void *self, const struct driver_call *call, struct driver_result *ret,
                   struct hm_error *err)
{
    struct lv *lv = self;
    const char *vm = call->order.name;
    LV_DOMAIN dom = NULL;
    int r = find_vm(lv, &call->order, &dom, NULL, err);
    int active = r < 0 ? r : virDomainIsActive(dom);
    if (r >= 0 && active < 0)
        r = lv_fail(lv, err, "vm %s: ask whether it runs", vm);
    if (r >= 0 && active == 0)
        r = driver_console_fail_off(vm, err);
    return r < 0 ? r : lv_console_open(lv, vm, dom, spec_bool(call->args, "force"), &ret->fd, err);
}

const struct driver_operation lv_operations[] = {
    {"console", console},
    {"reboot", reboot},
    {"logs", logs},
    {DRIVER_GUEST_PING, lv_guest_ping},
    {"snapshot-create", lv_op_snapshot_create},
    {"snapshot-list", lv_op_snapshot_list},
    {"snapshot-apply", lv_op_snapshot_apply},
    {"snapshot-delete", lv_op_snapshot_delete},
    {NULL, NULL},
};
