/* What can be asked of a VM on cloud-hypervisor beside the verbs. Thread: any. */
#include "base/alloc.h"
#include "base/clock.h"
#include "proto/field.h"
#include "vmm/ch.h"

enum { AFTER_GRACE_MS = 15000 };

/* Ours, or why not. */
static int find(const struct ch *ch, const struct order *o, struct hm_error *err)
{
    struct ch_vm vm;
    int r = ch_vm_find_ours(ch, o, &vm, err);
    ch_vm_clear(&vm);
    return r == 0 ? ch_vm_fail_absent(o, err) : r;
}

/* The guest has its grace, as far as somebody waits for it. */
static int64_t grace_of(const struct driver_call *call)
{
    int64_t grace = spec_int(call->order.spec, "stop_grace", 30000);
    int64_t left = (call->until_ns - hm_boottime_ns()) / HM_MS - AFTER_GRACE_MS;
    grace = spec_int(call->args, "grace", grace);
    return grace < left ? grace : left > 0 ? left : 0;
}

static int reboot(void *self, const struct driver_call *call, struct driver_result *ret,
                  struct hm_error *err)
{
    struct order order = call->order;
    order.grace_ms = grace_of(call);
    (void)ret;
    return ch_vm_reboot(self, &order, err);
}

static int logs(void *self, const struct driver_call *call, struct driver_result *ret,
                struct hm_error *err)
{
    int r = find(self, &call->order, err);
    if (r < 0)
        return r;
    ret->path = ch_console_path(self, call->order.name);
    return 0;
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
