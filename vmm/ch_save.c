/*
 * A snapshot of a guest that runs, with its memory (docs/adr/0063-memory-in-snapshots.md).
 *
 * It is paused, its VMM saves its memory and ends; then nobody has its disks open, so their snapshot is made; and a new
 * VMM goes on from the saved memory. All that the guest notices is a clock that stood still. If it can't be brought back it
 * is booted, as after a power cut; whoever asked is told. An agent that dies in between leaves a VM that stands still,
 * which the next one has go on (hold.json), or one that is off, which the next one starts: from the memory if that was noted already.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/file.h"
#include "proto/field.h"
#include "vmm/ch_folder.h"
#include "vmm/ch_memory.h"
#include "vmm/ch_snapshot.h"

struct save {
    struct ch *ch;
    const struct ch_vm *vm;
    const char *name;   /* of the snapshot */
    struct order order; /* as it runs */
    struct run_note note;
    struct ch_disk_set set;
    json_t *config; /* that its memory belongs to */
    char *
        folder; /* where its VMM writes: its Landlock rules let it write nowhere else that is empty */
    bool runs, stands_still; /* as its VMM said; neither: it has not */
    bool is_declared_paused;
    int64_t until_ns; /* BOOTTIME: nobody waits for it any longer; 0: no bound */
};

static void tell(const struct driver_call *call, int percent, const char *text)
{
    if (call->progress)
        call->progress(call->data, percent, text);
}

/* -- May it be done? -------------------------------------------------------------------------------- */

static int check_pinned(const struct order *o, struct hm_error *err)
{
    if (strncmp(o->key, "primary.", 8) != 0)
        return 0;
    return hm_fail(err, HM_E_UNSUPPORTED,
                   "vm %s: one of placement primary runs under its lease alone, and what it holds "
                   "in memory does not outlive that",
                   o->name);
}

/* Who paused it by hand would find it running afterwards. */
static int check_pause(struct save *s, const struct ch_info *info, bool was_left,
                       struct hm_error *err)
{
    const char *power = spec_str(s->order.spec, "power");
    s->is_declared_paused = power && !strcmp(power, "paused");
    s->runs = info->state == CH_STATE_RUNNING;
    s->stands_still = info->state == CH_STATE_PAUSED;
    if (!s->runs && !s->stands_still)
        return hm_fail(err, HM_E_REFUSED, "vm %s holds no guest that runs", s->order.name);
    if (s->stands_still && !s->is_declared_paused && !was_left)
        return hm_fail(err, HM_E_REFUSED,
                       "vm %s was paused by hand; have it go on first, or declare power: paused",
                       s->order.name);
    return 0;
}

/* What it runs as, and that its VMM holds nothing else. */
static int read_hardware(struct save *s, bool was_left, struct hm_error *err)
{
    struct ch_info info = {0};
    json_t *config = NULL;
    int r = ch_ask_info(s->ch, s->order.name, s->vm->socket, &info, err);
    if (r >= 0)
        r = check_pause(s, &info, was_left, err);
    if (r >= 0)
        r = ch_vm_config(s->ch, &s->order, true, &config, err);
    if (r >= 0)
        r = ch_config_held(s->order.name, config, info.config, &s->config, err);
    json_decref(config);
    ch_info_clear(&info);
    return r;
}

static int check(struct save *s, struct hm_error *err)
{
    int r = check_pinned(&s->order, err);
    if (r >= 0)
        r = ch_disk_set_of(s->ch, s->order.name, s->order.spec, &s->set, err);
    if (r >= 0)
        r = ch_snapshot_check(&s->set, s->name, err);
    if (r >= 0)
        r = ch_memory_check_room(s->ch, s->order.name,
                                 (uint64_t)spec_int(s->order.spec, "memory", 0), err);
    return r;
}

/* From here on nobody else has it go on. What may stand still since an earlier run of the agent stays for who sees it next. */
static int hold(struct save *s, struct hm_error *err)
{
    bool was_left = false;
    int r = ch_hold_note(s->ch, s->order.name, &s->vm->pid, &was_left, err);
    if (r < 0)
        return r;
    r = read_hardware(s, was_left, err);
    if (r < 0 && was_left && !s->runs)
        ch_hold_leave(s->ch, s->order.name, &s->vm->pid, NULL);
    else if (r < 0 || s->is_declared_paused)
        ch_hold_forget(s->ch, s->order.name, NULL);
    return r;
}

/* -- Its memory ------------------------------------------------------------------------------------- */

static int make_folder(const struct save *s, struct hm_error *err)
{
    ch_folder_drop(s->folder, NULL); /* what an earlier one has left */
    if (mkdir(s->folder, 0700) == 0)
        return 0;
    return hm_fail(err, HM_E_IO, "vm %s: cannot make %s for its memory: %s", s->order.name,
                   s->folder, strerror(errno));
}

static int pause_it(const struct save *s, struct hm_error *err)
{
    return s->stands_still ? 0
                           : ch_put(s->ch, s->order.name, s->vm->socket, "pause it", "vm.pause",
                                    NULL, CH_ANSWER_MS, err);
}

/* It runs on, if its VMM is well; if that is busy or hangs, as soon as it is seen to stand still. Not if it never did: who
 * pauses it later does so by hand. */
static void let_go_on(const struct save *s)
{
    struct hm_error why = {0};
    if (!s->is_declared_paused && ch_vm_go_on(s->ch, s->order.name, s->vm->socket, &why) < 0) {
        if (why.code == HM_E_REFUSED)
            ch_hold_forget(s->ch, s->order.name, NULL);
        else
            ch_hold_leave(s->ch, s->order.name, &s->vm->pid, NULL);
    }
    ch_folder_drop(s->folder, NULL);
}

/* Somebody may have had it go on meanwhile, by hand: then its memory is not that of its disks. */
static int check_still(const struct save *s, struct hm_error *err)
{
    struct ch_info info = {0};
    int r = ch_ask_info(s->ch, s->order.name, s->vm->socket, &info, err);
    if (r >= 0 && info.state != CH_STATE_PAUSED)
        r = hm_fail(err, HM_E_CONFLICT, "vm %s: somebody had it go on while its memory was saved",
                    s->order.name);
    ch_info_clear(&info);
    return r;
}

/* Until nobody waits for it any longer. */
static int64_t time_left_ms(const struct save *s)
{
    int64_t left = (s->until_ns - hm_boottime_ns()) / HM_MS;
    return s->until_ns == 0 || left > CH_MEMORY_MS ? CH_MEMORY_MS : left > 0 ? left : 0;
}

static int write_memory(const struct save *s, struct hm_error *err)
{
    int r = make_folder(s, err);
    if (r >= 0)
        r = pause_it(s, err);
    json_t *where = json_pack("{s:o}", "destination_url", json_sprintf("file://%s", s->folder));
    if (r >= 0)
        r = ch_put(s->ch, s->order.name, s->vm->socket, "save its memory", "vm.snapshot", where,
                   time_left_ms(s), err);
    else
        json_decref(where);
    if (r >= 0)
        r = check_still(s, err);
    if (r < 0)
        let_go_on(s);
    return r;
}

/* -- Between two VMMs --------------------------------------------------------------------------------- */

/* Its memory fits its disks only if all that it had written got there. 1: it did; 0: its VMM had to be killed. */
static int end_vmm(const struct save *s, struct hm_error *err)
{
    bool is_clean = ch_vm_shut_down(s->ch, s->order.name, s->vm);
    ch_cgroup_kill(s->vm->run.cgroup);
    int r = 0;
    if (is_clean)
        r = ch_memory_take(s->ch, s->order.name, s->name, s->folder, err);
    ch_folder_drop(s->folder, NULL);
    int ended = ch_vm_end(s->ch, s->order.name, s->vm, err);
    if (ended < 0 || r < 0)
        return ended < 0 ? ended : r;
    return is_clean ? 1
                    : hm_fail(err, HM_E_TIMEOUT,
                              "vm %s: its VMM did not end in time and was killed", s->order.name);
}

/* -- Its new VMM -------------------------------------------------------------------------------------- */

static int start_again(const struct save *s, struct hm_error *err)
{
    int r = ch_vm_start(s->ch, &s->order, err);
    if (r >= 0)
        ch_vm_note_on(s->ch, s->order.name, &s->note);
    return r;
}

/* What can't be brought back is booted; either way it runs again. */
static int boot_anew(const struct save *s, struct hm_error *err)
{
    struct hm_error why = *err, also;
    ch_resume_forget(s->ch, s->order.name, NULL);
    ch_memory_remove(s->ch, s->order.name, s->name, NULL);
    if (start_again(s, &also) < 0)
        return hm_fail(err, why.code, "%s; it is off, and could not be booted: %s", why.text,
                       also.text);
    return hm_fail(err, why.code, "%s; it was booted anew, as after a power cut", why.text);
}

static int go_on(const struct save *s, struct hm_error *err)
{
    struct hm_error why = {0};
    int made = ch_snapshot_make(&s->set, s->name, &why);
    int r = ch_memory_seal(s->ch, s->order.name, s->name, s->config, err);
    if (r >= 0)
        r = ch_disk_set_note_resume(&s->set, s->name, err);
    if (r >= 0)
        r = start_again(s, err);
    if (r < 0)
        return boot_anew(s, err);
    if (made >= 0)
        return 0;
    ch_memory_remove(s->ch, s->order.name, s->name, NULL);
    return hm_fail(err, why.code, "%s; vm %s runs on without a snapshot", why.text, s->order.name);
}

static int save(struct save *s, const struct driver_call *call, struct hm_error *err)
{
    tell(call, -1, "its memory is written; it stands still");
    int r = write_memory(s, err);
    if (r < 0)
        return r;
    r = ch_vm_note_off(s->ch, s->order.name, &s->note, err);
    if (r < 0) {
        let_go_on(s);
        return r;
    }
    tell(call, -1, "its disks are kept");
    ch_vm_set_between(s->ch, s->order.name,
                      "its memory was saved, and it goes on from there in a moment");
    r = end_vmm(s, err);
    r = r < 0 ? boot_anew(s, err) : go_on(s, err);
    ch_vm_set_between(s->ch, s->order.name, NULL);
    return r;
}

int ch_vm_save(struct ch *ch, const struct driver_call *call, const struct ch_vm *vm, json_t **ret,
               struct hm_error *err)
{
    HM_AUTOFREE char *plugged = ch_plugged_path(ch, call->order.name);
    json_t *placed = json_pack("{s:O*}", "networks", vm->run.placed);
    struct save s = {.ch = ch,
                     .vm = vm,
                     .name = spec_str(call->args, "snapshot"),
                     .order = call->order,
                     .until_ns = call->until_ns,
                     .folder = hm_printf("%s/memory", plugged)};
    struct hm_error why = {0}; /* read again on the way, err or not */
    int64_t began = hm_boottime_ns();
    s.order.spec = vm->run.mark.spec;
    s.order.placed = placed;
    s.order.run.state = RUN_NONE;
    int r = check(&s, &why);
    if (r >= 0)
        r = hold(&s, &why);
    if (r >= 0)
        r = save(&s, call, &why);
    if (r >= 0)
        *ret = json_pack("{s:s, s:b, s:I}", "snapshot", s.name, "memory", 1, "stood_still_ms",
                         (json_int_t)((hm_boottime_ns() - began) / HM_MS));
    ch_disk_set_clear(&s.set);
    json_decref(s.config);
    json_decref(placed);
    free(s.folder);
    return r < 0 ? hm_fail(err, why.code, "%s", why.text) : 0;
}
