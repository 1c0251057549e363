/* The operations on snapshots of a VM: of its disks while it is off, and of its memory too while it runs. */
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "proto/field.h"
#include "vmm/ch_memory.h"
#include "vmm/ch_snapshot.h"
#include "vmm/snapshot_name.h"

struct task {
    struct ch *ch;
    const struct driver_call *call;
    const struct ch_vm *vm;
    const char *name; /* of the snapshot; NULL: all */
};

/* -- Create ------------------------------------------------------------------------------------------- */

static int create(const struct task *t, const struct ch_disk_set *set, json_t **ret,
                  struct hm_error *err)
{
    bool memory = spec_bool(t->call->args, "memory");
    if (memory && t->vm->is_alive) {
        int known = ch_vm_check_run(&t->call->order, t->vm, err);
        return known < 0 ? known : ch_vm_save(t->ch, t->call, t->vm, ret, err);
    }
    if (memory)
        return hm_fail(
            err, HM_E_REFUSED,
            "vm %s is off, so it holds nothing in memory; without --memory its disks can "
            "be kept",
            set->vm);
    int r = ch_memory_remove(t->ch, set->vm, t->name, err); /* of an earlier one of that name */
    if (r >= 0)
        r = ch_snapshot_make(set, t->name, err);
    if (r >= 0)
        *ret = json_pack("{s:s}", "snapshot", t->name);
    return r;
}

/* -- List --------------------------------------------------------------------------------------------- */

static int list(const struct task *t, const struct ch_disk_set *set, json_t **ret,
                struct hm_error *err)
{
    size_t i;
    json_t *snapshot;
    int r = ch_snapshot_list(set, ret, err);
    json_array_foreach(r < 0 ? NULL : json_object_get(*ret, "snapshots"), i, snapshot)
    {
        if (ch_memory_exists(t->ch, set->vm, spec_str(snapshot, "name")))
            json_object_set_new(snapshot, "memory", json_true());
    }
    return r;
}

/* -- Apply -------------------------------------------------------------------------------------------- */

/* As this host would connect them, for what a guest sees of it. */
static json_t *cards_of(const json_t *spec)
{
    size_t i;
    json_t *nic, *cards = json_deep_copy(json_object_get(spec, "networks"));
    json_array_foreach(cards, i, nic)
    {
        json_object_del(nic, "network");
    }
    return json_pack("{s:o*}", "networks", cards);
}

/* 1: its guest can go on from there; 0: there is no memory. */
static int check_memory(const struct task *t, const struct ch_disk_set *set, struct hm_error *err)
{
    struct order o = t->call->order;
    json_t *placed = cards_of(t->vm->mark.spec), *config = NULL, *held = NULL;
    if (spec_bool(t->call->args, "disk_only") || !ch_memory_exists(t->ch, set->vm, t->name)) {
        json_decref(placed);
        return 0;
    }
    o.spec = t->vm->mark.spec;
    o.placed = placed;
    int r = ch_vm_config(t->ch, &o, true, &config, err);
    if (r >= 0)
        r = ch_memory_read(t->ch, set->vm, t->name, config, &held, err);
    json_decref(held);
    json_decref(config);
    json_decref(placed);
    return r < 0 ? r : 1;
}

static int apply(const struct task *t, const struct ch_disk_set *set, json_t **ret,
                 struct hm_error *err)
{
    bool keeps = set->protect || !spec_bool(t->call->args, "discard");
    char kept[SNAPSHOT_NAME_MAX];
    int r = ch_snapshot_find(set, t->name, err);
    int memory = r < 0 ? 0 : check_memory(t, set, err);
    if (r >= 0)
        r = memory < 0 ? memory : ch_resume_forget(t->ch, set->vm, err);
    snapshot_name_auto(NULL, kept);
    if (r >= 0 && keeps)
        r = ch_snapshot_make(set, kept, err);
    if (r >= 0)
        r = ch_snapshot_put_back(set, t->name, err);
    if (r >= 0 && memory > 0)
        r = ch_disk_set_note_resume(set, t->name, err);
    if (r >= 0)
        *ret = json_pack("{s:s, s:s*, s:b}", "snapshot", t->name, "kept_as", keeps ? kept : NULL,
                         "memory", memory > 0);
    return r;
}

/* -- Delete ------------------------------------------------------------------------------------------- */

static int drop(const struct task *t, const struct ch_disk_set *set, json_t **ret,
                struct hm_error *err)
{
    int had_memory = ch_memory_remove(t->ch, set->vm, t->name, err);
    int r = had_memory < 0 ? had_memory : ch_snapshot_drop(set, t->name, err);
    if (r >= 0)
        *ret = json_pack("{s:s, s:b}", "snapshot", t->name, "existed", r == 0 || had_memory == 0);
    return r;
}

/* -- The operations ----------------------------------------------------------------------------------- */

typedef int (*action)(const struct task *t, const struct ch_disk_set *set, json_t **ret,
                      struct hm_error *err);
enum needs { ANY, OFF, OFF_OR_MEMORY };

static int check_off(const struct task *t, enum needs needs, struct hm_error *err)
{
    const char *vm = t->call->order.name;
    bool memory = needs == OFF_OR_MEMORY && spec_bool(t->call->args, "memory");
    if (needs == ANY || memory || !t->vm->is_alive)
        return 0;
    return hm_fail(
        err, HM_E_UNSUPPORTED,
        "vm %s runs, and cloud-hypervisor knows no snapshots of disks: stop it first "
        "(harmonyctl stop)%s",
        vm,
        needs == OFF_OR_MEMORY
            ? ", or give --memory: it stands still while its memory is saved, and goes on"
            : "");
}

static int run(action act, enum needs needs, struct ch *ch, const struct driver_call *call,
               struct driver_result *ret, struct hm_error *err)
{
    struct ch_disk_set set = {0};
    struct ch_vm vm;
    struct task t = {.ch = ch, .call = call, .vm = &vm, .name = spec_str(call->args, "snapshot")};
    int r = ch_vm_find_ours(ch, &call->order, &vm, err);
    if (r == 0)
        r = ch_vm_fail_absent(&call->order, err);
    if (r >= 0 && needs != ANY)
        r = snapshot_name_check(t.name, err);
    if (r >= 0)
        r = check_off(&t, needs, err);
    if (r >= 0)
        r = ch_disk_set_of(ch, call->order.name, vm.mark.spec, &set, err);
    if (r >= 0)
        r = act(&t, &set, &ret->value, err);
    ch_disk_set_clear(&set);
    ch_vm_clear(&vm);
    return r < 0 ? r : 0;
}

#define OPERATION(name, act, needs)                                                                \
    int ch_op_snapshot_##name(void *self, const struct driver_call *call,                          \
                              struct driver_result *ret, struct hm_error *err)                     \
    {                                                                                              \
        return run(act, needs, self, call, ret, err);                                              \
    }
OPERATION(create, create, OFF_OR_MEMORY)
OPERATION(list, list, ANY)
OPERATION(apply, apply, OFF)
OPERATION(delete, drop, OFF)
