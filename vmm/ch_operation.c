/* What can be asked of a VM on cloud-hypervisor beside the verbs. Thread: any. */
#include "vmm/ch.h"

/* Ours, or why not. */
static int find(const struct ch *ch, const struct order *o, struct hm_error *err)
{
    struct ch_vm vm;
    int r = ch_vm_find_ours(ch, o, &vm, err);
    ch_vm_clear(&vm);
    return r == 0 ? ch_vm_fail_absent(o, err) : r;
}

static int reboot(void *self, const struct driver_call *call, struct driver_result *ret,
                  struct hm_error *err)
{
    struct order order = call->order;
    order.grace_ms = driver_call_grace(call);
    (void)ret;
    return ch_vm_reboot(self, &order, err);
}

static int logs(void *self, const struct driver_call *call, struct driver_result *ret,
                struct hm_error *err)
{
    int r = find(self, &call->order, err);
    return r < 0 ? r : driver_call_log(call, ch_console_path(self, call->order.name), ret, err);
}

const struct driver_operation ch_operations[] = {
    {"reboot", reboot},
    {"logs", logs},
    {"snapshot-create", ch_op_snapshot_create},
    {"snapshot-list", ch_op_snapshot_list},
    {"snapshot-apply", ch_op_snapshot_apply},
    {"snapshot-delete", ch_op_snapshot_delete},
    {NULL, NULL},
};
