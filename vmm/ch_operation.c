/* What can be asked of a VM on cloud-hypervisor beside the verbs. Thread: any. */
#include <stdlib.h>
#include <sys/stat.h>

#include "base/alloc.h"
#include "proto/field.h"
#include "vmm/ch.h"
#include "vmm/ch_typing.h"

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

/* What it says from now on is in its log, and what is typed goes another way. */
static int console(void *self, const struct driver_call *call, struct driver_result *ret,
                   struct hm_error *err)
{
    const struct ch *ch = self;
    struct ch_vm vm;
    struct stat st;
    const char *name = call->order.name;
    HM_AUTOFREE char *path = ch_console_path(ch, name);
    int64_t length = stat(path, &st) == 0 ? st.st_size : 0;
    int r = ch_vm_find_ours(ch, &call->order, &vm, err);
    if (r == 0)
        r = ch_vm_fail_absent(&call->order, err);
    else if (r > 0 && !vm.is_alive)
        r = driver_console_fail_off(name, err);
    else if (r > 0)
        r = ch_type(ch->talks, name, &vm.pid, spec_bool(call->args, "force"), &ret->fd, err);
    ch_vm_clear(&vm);
    if (r < 0)
        return r;
    ret->path = hm_strdup(path);
    ret->from = length;
    return 0;
}

const struct driver_operation ch_operations[] = {
    {"reboot", reboot},
    {"logs", logs},
    {"console", console},
    {"snapshot-create", ch_op_snapshot_create},
    {"snapshot-list", ch_op_snapshot_list},
    {"snapshot-apply", ch_op_snapshot_apply},
    {"snapshot-delete", ch_op_snapshot_delete},
    {NULL, NULL},
};
