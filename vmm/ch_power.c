/* A VM that runs: paused, resumed, rebooted, stopped, ended. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "vmm/ch_folder.h"
#include "vmm/ch_memory.h"
#include "vmm/procfs.h"

enum {
    ASK_AGAIN_MS = 5000, /* a guest that was still booting did not hear the first button press */
    SHUTDOWN_MS = 5000
};

/* -- Its end ------------------------------------------------------------------------------------------ */

static void drop_socket(const char *path)
{
    HM_AUTOFREE char *its_lock = hm_printf("%s.lock", path);
    unlink(its_lock);
    unlink(path);
}

void ch_vm_drop_sockets(const struct ch_vm *vm)
{
    drop_socket(vm->socket);
    if (vm->has_process)
        drop_socket(vm->run.socket);
}

/* The socket last: as long as it is there, nobody takes its name for free. */
int ch_vm_forget_run(const struct ch *ch, const char *name, const struct ch_vm *vm,
                     struct hm_error *err)
{
    HM_AUTOFREE char *plugged = ch_plugged_path(ch, name);
    ch_cgroup_remove(vm->run.cgroup);
    ch_folder_drop(
        plugged,
        NULL); /* links to its disks, by which its VMM was let open what came while it ran */
    int r = ch_record_forget_process(ch->records, name, err);
    if (r >= 0)
        r = ch_hold_forget(ch, name, err);
    ch_vm_drop_sockets(vm);
    return r;
}

int ch_vm_end(struct ch *ch, const char *name, const struct ch_vm *vm, struct hm_error *err)
{
    ch_cgroup_kill(vm->run.cgroup);
    int r = vm->is_alive ? ch_pid_kill(&vm->pid, CH_KILL_WAIT_MS, err) : 0;
    return r < 0 ? hm_wrap(err, "vm %s", name) : ch_vm_forget_run(ch, name, vm, err);
}

/* -- Going on ----------------------------------------------------------------------------------------- */

int ch_vm_go_on(struct ch *ch, const char *name, const char *socket, struct hm_error *err)
{
    int r = ch_resume_forget(ch, name, err);
    if (r >= 0)
        r = ch_put(ch, name, socket, "resume it", "vm.resume", NULL, CH_ANSWER_MS, err);
    return r < 0 ? r : ch_hold_forget(ch, name, err);
}

/* -- Stop --------------------------------------------------------------------------------------------- */

static int64_t at_most(int64_t ms, int64_t most)
{
    return ms < most ? ms : most;
}

/* Whether the guest heard it is seen by nothing but its end. */
static void press_button(struct ch *ch, const struct order *o, const struct ch_vm *vm, int64_t ms)
{
    ch_put(ch, o->name, vm->socket, "press its power button", "vm.power-button", NULL,
           at_most(ms, CH_ANSWER_MS), NULL);
}

static bool is_paused(struct ch *ch, const struct order *o, const struct ch_vm *vm, int64_t ms)
{
    struct ch_info info = {0};
    int r = ch_ask_info_for(ch, o->name, vm->socket, at_most(ms, CH_ANSWER_MS), &info, NULL);
    bool is = r >= 0 && info.state == CH_STATE_PAUSED;
    ch_info_clear(&info);
    return is;
}

/* True: it has ended within its grace, which a VMM that does not answer does not make longer. */
static bool is_asked_to_end(struct ch *ch, const struct order *o, const struct ch_vm *vm, int pidfd)
{
    int64_t deadline = hm_boottime_ns() + o->grace_ms * HM_MS;
    if (is_paused(ch, o, vm, o->grace_ms)) /* it can't hear the button */
        ch_vm_go_on(ch, o->name, vm->socket, NULL);
    for (;;) {
        int64_t left = (deadline - hm_boottime_ns()) / HM_MS;
        if (left <= 0)
            return false;
        press_button(ch, o, vm, left);
        left = (deadline - hm_boottime_ns()) / HM_MS;
        if (pidfd_wait(pidfd, at_most(left, ASK_AGAIN_MS)))
            return true;
    }
}

/* 1: it has ended within its grace, or before; 0: not. */
static int ask_to_stop(struct ch *ch, const struct order *o, const struct ch_vm *vm,
                       struct hm_error *err)
{
    int pidfd, held = ch_pid_hold(&vm->pid, &pidfd, err);
    if (held <= 0)
        return held < 0 ? hm_wrap(err, "vm %s", o->name) : 1;
    bool ended = is_asked_to_end(ch, o, vm, pidfd);
    close(pidfd);
    return ended;
}

int ch_vm_shut_down(struct ch *ch, const char *name, const struct ch_vm *vm)
{
    int pidfd, held = ch_pid_hold(&vm->pid, &pidfd, NULL);
    if (held <= 0)
        return held == 0;
    bool ended = ch_put(ch, name, vm->socket, "stop it hard", "vmm.shutdown", NULL, SHUTDOWN_MS,
                        NULL) >= 0 &&
                 pidfd_wait(pidfd, SHUTDOWN_MS);
    close(pidfd);
    return ended;
}

static int stop_alive(struct ch *ch, const struct order *o, const struct ch_vm *vm,
                      struct hm_error *err)
{
    int ended = o->grace_ms > 0 ? ask_to_stop(ch, o, vm, err) : 0;
    if (ended < 0)
        return ended;
    if (!ended && o->grace_ms > 0 && !o->primary)
        ch_vm_shut_down(ch, o->name, vm);
    return ch_vm_end(ch, o->name, vm, err);
}

/* A note that can't be kept (a full disk) keeps nothing from being killed. */
static int stop_noted(struct ch *ch, const struct order *o, const struct ch_vm *vm, bool is_kill,
                      struct hm_error *err)
{
    /* Before the stop: that it went off may be seen sooner than this call ends, if it ever does. */
    int r = ch_vm_keep_note(ch, o, is_kill ? NULL : err);
    if (r < 0 && !is_kill)
        return r;
    return vm->is_alive ? stop_alive(ch, o, vm, err) : ch_vm_forget_run(ch, o->name, vm, err);
}

static int stop(struct ch *ch, const struct order *o, bool is_kill, struct hm_error *err)
{
    struct ch_vm vm;
    int found = ch_vm_find_ours(ch, o, &vm, err);
    int r = found > 0 ? stop_noted(ch, o, &vm, is_kill, err) : found;
    ch_vm_clear(&vm);
    return r < 0 ? r : found == 0;
}

int ch_vm_stop(struct ch *ch, const struct order *o, struct hm_error *err)
{
    return stop(ch, o, false, err);
}

/* By its socket alone, whose name follows from our site and the document's key. 1: it was there; 0: not. */
static int kill_by_socket(const char *socket, const struct order *o, struct hm_error *err)
{
    struct ch_pid pid;
    int found = ch_process_find(socket, &pid, err);
    if (found <= 0)
        return found;
    return ch_pid_kill(&pid, CH_KILL_WAIT_MS, err) < 0 ? hm_wrap(err, "vm %s", o->name) : 1;
}

/* A record that can't be read, or written, keeps nothing alive. What is not found by its socket may be seen by its
 * record. */
int ch_vm_kill(struct ch *ch, const struct order *o, struct hm_error *err)
{
    struct order at_once = *o;
    HM_AUTOFREE char *socket = ch_socket_path(ch, o->key);
    at_once.grace_ms = 0;
    int r = stop(ch, &at_once, true, err);
    if (r == 0 || r == -(int)HM_E_CONFLICT)
        return r;
    r = kill_by_socket(socket, o, err);
    return r < 0 ? r : ch_vm_verify_stopped(ch, o, err);
}

int ch_vm_kill_seen(const struct driver_options *options, const struct order *o,
                    struct hm_error *err)
{
    if (!o->seen_uuid || !options->runtime_dir)
        return 0;
    HM_AUTOFREE char *sockets = ch_sockets_path(options->runtime_dir);
    HM_AUTOFREE char *socket = ch_socket_of(sockets, o->seen_uuid);
    return kill_by_socket(socket, o, err);
}

int ch_vm_verify_stopped(struct ch *ch, const struct order *o, struct hm_error *err)
{
    struct ch_vm vm;
    struct ch_pid pid = {0};
    HM_AUTOFREE char *socket = ch_socket_path(ch, o->key);
    int r = ch_vm_look(ch, o->name, o->key, &vm, NULL);
    int found = r >= 0 ? vm.is_alive : ch_process_find(socket, &pid, err);
    int number = r >= 0 ? vm.pid.pid : pid.pid;
    ch_vm_clear(&vm);
    if (found <= 0)
        return found < 0 ? hm_wrap(err, "vm %s", o->name) : 0;
    return hm_fail(err, HM_E_REFUSED, "vm %s is not off: its process %d is there", o->name, number);
}

/* -- Standing still ------------------------------------------------------------------------------------ */

typedef int (*alive_verb)(struct ch *ch, const struct order *o, const struct ch_vm *vm,
                          enum ch_state state, struct hm_error *err);

/* On one of ours, with what its VMM says of it. */
static int with_state(struct ch *ch, const struct order *o, alive_verb verb, struct hm_error *err)
{
    struct ch_vm vm;
    struct ch_info info = {.state = CH_STATE_NONE};
    int r = ch_vm_find_ours(ch, o, &vm, err);
    if (r == 0)
        r = ch_vm_fail_absent(o, err);
    if (r > 0 && vm.is_alive)
        r = ch_ask_info(ch, o->name, vm.socket, &info, err);
    if (r >= 0)
        r = verb(ch, o, &vm, info.state, err);
    ch_info_clear(&info);
    ch_vm_clear(&vm);
    return r;
}

static int refuse(const struct order *o, const char *what, struct hm_error *err)
{
    return hm_fail(err, HM_E_REFUSED, "vm %s %s", o->name, what);
}

static int pause_it(struct ch *ch, const struct order *o, const struct ch_vm *vm,
                    enum ch_state state, struct hm_error *err)
{
    if (state == CH_STATE_PAUSED)
        return 0;
    if (state != CH_STATE_RUNNING)
        return refuse(o, "does not run, so it can't be paused", err);
    return ch_put(ch, o->name, vm->socket, "pause it", "vm.pause", NULL, CH_ANSWER_MS, err);
}

static int resume_it(struct ch *ch, const struct order *o, const struct ch_vm *vm,
                     enum ch_state state, struct hm_error *err)
{
    if (state == CH_STATE_RUNNING)
        return 0;
    if (state != CH_STATE_PAUSED)
        return refuse(o, "is not paused but off; start it", err);
    return ch_vm_go_on(ch, o->name, vm->socket, err);
}

int ch_vm_pause(struct ch *ch, const struct order *o, struct hm_error *err)
{
    return with_state(ch, o, pause_it, err);
}

int ch_vm_resume(struct ch *ch, const struct order *o, struct hm_error *err)
{
    return with_state(ch, o, resume_it, err);
}

/* -- Reboot -------------------------------------------------------------------------------------------- */

static int start_again(struct ch *ch, const struct order *o, const struct ch_vm *vm,
                       struct hm_error *err)
{
    struct order again = *o;
    json_t *placed = json_pack("{s:O*}", "networks", vm->run.placed);
    again.spec = vm->run.mark.spec;
    again.placed = placed;
    again.run.state = RUN_NONE;
    int r = ch_vm_start(ch, &again, err);
    json_decref(placed);
    return r < 0 ? r : 1;
}

/* There is no button that asks for it: the guest is asked to shut down, and is booted once more as it ran. */
static int boot_anew(struct ch *ch, const struct order *o, const struct ch_vm *vm,
                     struct hm_error *err)
{
    struct run_note before;
    int r = ch_vm_check_run(o, vm, err);
    if (r >= 0)
        r = ch_vm_note_off(ch, o->name, &before, err);
    if (r < 0)
        return r;
    ch_vm_set_between(ch, o->name, "it is rebooted, and comes up again in a moment");
    int ended = ask_to_stop(ch, o, vm, err);
    r = ended > 0 ? start_again(ch, o, vm, err) : ended;
    ch_vm_set_between(ch, o->name, NULL);
    if (r >= 0 || ended < 0)
        ch_vm_note_on(ch, o->name, &before);
    return r;
}

static int reboot(struct ch *ch, const struct order *o, const struct ch_vm *vm, enum ch_state state,
                  struct hm_error *err)
{
    bool is_primary = !strncmp(o->key, "primary.", 8);
    if (state == CH_STATE_NONE || state == CH_STATE_CREATED)
        return refuse(o, "does not run, so it can't be rebooted", err);
    if (is_primary && o->grace_ms > 0)
        return hm_fail(
            err, HM_E_UNSUPPORTED,
            "vm %s: cloud-hypervisor can't ask a guest to reboot, and one of placement primary is "
            "started under its lease alone; reset it (grace 0s), or reboot it from inside",
            o->name);
    int r = o->grace_ms > 0 ? boot_anew(ch, o, vm, err) : 0;
    if (r != 0)
        return r < 0 ? r : 0;
    return ch_put(ch, o->name, vm->socket, "reset it", "vm.reboot", NULL, CH_BOOT_MS, err);
}

int ch_vm_reboot(struct ch *ch, const struct order *o, struct hm_error *err)
{
    return with_state(ch, o, reboot, err);
}
