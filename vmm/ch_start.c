/* Bringing a VM up: its VMM behind a gate, then vm.create and vm.boot. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/file.h"
#include "proto/field.h"
#include "vmm/ch_memory.h"
#include "vmm/console_times.h"
#include "vmm/log_file.h"

enum { UP_MS = 10000, LOOK_MS = 2 };

static bool stands_still(const struct order *o)
{
    const char *power = spec_str(o->spec, "power");
    return power && !strcmp(power, "paused");
}

static const json_t *cards_of(const struct order *o)
{
    return json_object_get(o->placed ? o->placed : o->spec, "networks");
}

/* -- The console ------------------------------------------------------------------------------------- */

static bool is_empty(const char *path)
{
    struct stat st;
    return lstat(path, &st) == 0 && S_ISREG(st.st_mode) && st.st_size == 0;
}

/* The VMM begins an empty file; what the run before has said stays beside it, also while starts fail. */
static int make_console(const struct ch *ch, const char *vm, struct hm_error *err)
{
    HM_AUTOFREE char *dir = hm_printf("%s/console", ch->image_dir);
    HM_AUTOFREE char *path = ch_console_path(ch, vm), *before = hm_printf("%s.1", path);
    HM_AUTOFREE char *cut = hm_printf("%s.0", path);
    int r = hm_mkdirs(dir, 0755, err);
    log_bound(path, CH_CONSOLE_KEPT);
    unlink(cut);
    if (r >= 0 && !is_empty(path) && rename(path, before) < 0 && errno != ENOENT)
        r = hm_fail(err, HM_E_IO, "cannot put %s aside: %s", path, strerror(errno));
    console_times_forget(path);
    return r;
}

/* -- Its process ------------------------------------------------------------------------------------- */

static int fail_ended(const char *vm, const char *log, struct hm_error *err)
{
    HM_AUTOFREE char *said = ch_log_tail(log);
    return hm_fail(err, HM_E_VMM, "vm %s: cloud-hypervisor ended at once: %s", vm,
                   *said ? said : "it gave no reason");
}

/* Until it answers, or has ended; it is up within some 20 ms. The file of the socket is there before somebody
 * listens on it. */
static int wait_until_up(struct ch *ch, const char *vm, const char *socket,
                         const struct ch_pid *pid, const char *log, struct hm_error *err)
{
    const struct timespec pause = {.tv_nsec = LOOK_MS * HM_MS};
    struct ch_version version;
    int64_t until = hm_boottime_ns() + UP_MS * HM_MS;
    struct hm_error why;
    for (;;) {
        bool is_there = access(socket, F_OK) == 0;
        int r = is_there ? ch_ping(ch, vm, socket, &version, &why) : -(int)HM_E_CONNECTION;
        if (r >= 0)
            return ch_version_check(&version, err) < 0 ? hm_wrap(err, "vm %s", vm) : 0;
        if (!ch_pid_is_alive(pid))
            return fail_ended(vm, log, err);
        if (r != -(int)HM_E_CONNECTION)
            return hm_fail(err, why.code, "%s", why.text);
        if (hm_boottime_ns() >= until)
            return hm_fail(err, HM_E_TIMEOUT,
                           "vm %s: cloud-hypervisor does not listen on its socket %s", vm, socket);
        nanosleep(&pause, NULL);
    }
}

static int64_t length_of(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 ? st.st_size : 0;
}

/* What is on disk about it before its program runs. */
static int record_process(const struct ch *ch, const struct order *o, const struct ch_pid *pid,
                          const char *socket, const char *cgroup, struct hm_error *err)
{
    HM_AUTOFREE char *log = ch_log_path(ch->records, o->name);
    struct ch_process p = {.pid = *pid,
                           .boot = hm_strdup(ch->boot),
                           .socket = hm_strdup(socket),
                           .cgroup = cgroup ? hm_strdup(cgroup) : NULL,
                           .taps = ch_taps(o->key, cards_of(o)),
                           .said = length_of(log),
                           .placed = json_incref((json_t *)(uintptr_t)cards_of(o))};
    mark_of_order(o, &p.mark);
    int r = ch_record_write_process(ch->records, o->name, &p, err);
    ch_process_clear(&p);
    return r;
}

/* No record names its cgroup, so nobody would find that again. */
static void turn_away(struct ch_gate *gate, const char *cgroup)
{
    ch_gate_refuse(gate);
    ch_pid_kill(&gate->pid, CH_KILL_WAIT_MS, NULL);
    ch_cgroup_remove(cgroup);
}

static int spawn(const struct ch *ch, const struct order *o, const char *socket, const char *log,
                 struct ch_pid *ret, struct hm_error *err)
{
    char *program = NULL;
    int r = ch_program_find(ch, &program, err);
    if (r < 0)
        return hm_wrap(err, "vm %s", o->name);
    HM_AUTOFREE char *word = ch_socket_word(socket), *console = ch_console_path(ch, o->name);
    HM_AUTOFREE char *events_path = ch_events_path(ch->records, o->name);
    HM_AUTOFREE char *events = hm_printf("path=%s", events_path);
    char *const argv[] = {program,
                          (char *)(uintptr_t)CH_SOCKET_OPTION,
                          word,
                          (char *)(uintptr_t) "--event-monitor",
                          events,
                          (char *)(uintptr_t) "--seccomp",
                          (char *)(uintptr_t) "true",
                          NULL};
    struct ch_spawn s = {.argv = argv, .console = console, .log = log};
    struct ch_gate gate = {0};
    r = ch_spawn(&s, &gate, err);
    if (r >= 0) {
        HM_AUTOFREE char *cgroup = ch_cgroup_join(o->name, socket, &gate.pid);
        r = record_process(ch, o, &gate.pid, socket, cgroup, err);
        if (r < 0)
            turn_away(&gate, cgroup);
        else
            r = ch_gate_open(&gate, program, err);
    }
    free(program);
    *ret = gate.pid;
    return r;
}

/* -- The guest --------------------------------------------------------------------------------------- */

int ch_vm_config(const struct ch *ch, const struct order *o, bool runs, json_t **ret,
                 struct hm_error *err)
{
    struct vm_disks disks;
    HM_AUTOFREE char *plugged = ch_plugged_path(ch, o->name);
    vm_disks_of(o->spec, &disks);
    int r = ch_disks_prepare(ch, o, runs, &disks, err);
    struct ch_build build = {.key = o->key,
                             .spec = o->spec,
                             .placed = cards_of(o),
                             .disks = &disks,
                             .firmware = ch->firmware,
                             .landlock = ch->has_landlock,
                             .plugged = plugged,
                             .has_taps = access("/dev/net/tun", F_OK) == 0};
    if (r >= 0)
        r = ch_config(&build, ret, err);
    vm_disks_clear(&disks);
    return r < 0 ? hm_wrap(err, "vm %s", o->name) : 0;
}

/* Where it has to be told of its guest before it is there. */
static int make_folders(const struct ch *ch, const struct order *o, struct hm_error *err)
{
    HM_AUTOFREE char *plugged = ch_plugged_path(ch, o->name);
    int r = make_console(ch, o->name, err);
    if (r >= 0)
        r = hm_mkdirs(plugged, 0700, err);
    if (r >= 0)
        r = hm_mkdirs(ch->sockets, 0700, err);
    return r < 0 ? hm_wrap(err, "vm %s", o->name) : 0;
}

static int create_and_boot(struct ch *ch, const struct order *o, const char *socket,
                           const json_t *config, struct hm_error *err)
{
    int r = ch_put(ch, o->name, socket, "configure it", "vm.create",
                   json_incref((json_t *)(uintptr_t)config), CH_ANSWER_MS, err);
    return r < 0 ? r : ch_put(ch, o->name, socket, "boot it", "vm.boot", NULL, CH_BOOT_MS, err);
}

/* It comes up paused. That it may go on from that memory ends before it does: it is what its disks fit once. */
static int restore(struct ch *ch, const struct order *o, const char *socket, const char *memory,
                   struct hm_error *err)
{
    json_t *from = json_pack("{s:o}", "source_url", json_sprintf("file://%s", memory));
    int r = ch_put(ch, o->name, socket, "go on from its saved memory", "vm.restore", from,
                   CH_MEMORY_MS, err);
    if (r >= 0)
        r = ch_resume_forget(ch, o->name, err);
    return r;
}

static int check_taps(const struct order *o, struct hm_error *err)
{
    size_t i;
    json_t *card;
    int r = 0;
    json_array_foreach((json_t *)(uintptr_t)cards_of(o), i, card)
    {
        r = r < 0 ? r : ch_tap_check(o->name, card, err);
    }
    return r;
}

/* What can fail without a word to the VMM, so that the memory, of which use is made once, is as it was. */
static int make_ready(struct ch *ch, const struct order *o, const struct ch_pid *pid,
                      const char *memory, struct hm_error *err)
{
    int r = check_taps(o, err);
    if (r >= 0 && memory && !stands_still(o))
        r = ch_hold_note(ch, o->name, pid, NULL, err);
    return r;
}

/* `memory`: the folder with what it goes on from; NULL: it boots. */
static int bring_up(struct ch *ch, const struct order *o, const char *socket, const json_t *config,
                    const char *memory, struct hm_error *err)
{
    int r =
        memory ? restore(ch, o, socket, memory, err) : create_and_boot(ch, o, socket, config, err);
    if (r >= 0)
        r = ch_bridges_join(o->key, cards_of(o), err);
    if (r >= 0 && !memory && stands_still(o))
        r = ch_put(ch, o->name, socket, "pause it", "vm.pause", NULL, CH_ANSWER_MS, err);
    if (r >= 0 && memory && !stands_still(o))
        r = ch_vm_go_on(ch, o->name, socket, err);
    return r;
}

/* What a start that failed has left is gone before it is tried again. */
static int give_up(struct ch *ch, const struct order *o, struct hm_error *err)
{
    struct ch_vm vm;
    struct hm_error why = *err;
    if (ch_vm_look(ch, o->name, o->key, &vm, NULL) >= 0)
        ch_vm_end(ch, o->name, &vm, NULL);
    ch_vm_clear(&vm);
    *err = why;
    return -(int)why.code;
}

/* A guest that can't be brought back is booted by the next start. */
static int give_up_memory(struct ch *ch, const struct order *o, struct hm_error *err)
{
    struct hm_error why = *err;
    if (ch_resume_forget(ch, o->name, err) < 0)
        return -(int)err->code;
    return hm_fail(err, why.code, "%s; its next start boots it", why.text);
}

/* What a run that ended by itself has left. That its guest shut down shall not be said of the next one, whose VMM may end
 * before it has told of anything. */
static void forget_before(const struct ch *ch, const char *name, const struct ch_vm *vm)
{
    HM_AUTOFREE char *events = ch_events_path(ch->records, name);
    unlink(events);
    ch_vm_drop_sockets(vm);
    ch_cgroup_remove(vm->run.cgroup);
}

static int run(struct ch *ch, const struct order *o, const struct ch_vm *vm, const json_t *config,
               const char *memory, struct hm_error *err)
{
    HM_AUTOFREE char *log = ch_log_path(ch->records, o->name), *socket = ch_socket_path(ch, o->key);
    struct ch_pid pid;
    forget_before(ch, o->name, vm);
    log_bound(log, CH_SAID_KEPT);
    int r = spawn(ch, o, socket, log, &pid, err);
    if (r >= 0)
        r = wait_until_up(ch, o->name, socket, &pid, log, err);
    if (r >= 0)
        r = make_ready(ch, o, &pid, memory, err);
    if (r < 0)
        return give_up(ch, o, err);
    r = bring_up(ch, o, socket, config, memory, err);
    if (r < 0)
        give_up(ch, o, err);
    return r < 0 && memory ? give_up_memory(ch, o, err) : r;
}

static int boot(struct ch *ch, const struct order *o, const struct ch_vm *vm, struct hm_error *err)
{
    json_t *config = NULL;
    char *memory = NULL;
    struct hm_error why = {0}; /* what ends up in a start's error is read again, err or not */
    int r = ch_vm_config(ch, o, false, &config, &why);
    if (r >= 0)
        r = ch_resume_look(ch, o->name, config, &memory, &why);
    if (r >= 0)
        r = make_folders(ch, o, &why);
    if (r >= 0)
        r = run(ch, o, vm, config, memory, &why);
    if (r < 0 && why.code == HM_E_BUSY)
        ch_blame_stranger(ch, config, &why);
    json_decref(config);
    free(memory);
    return r < 0 ? hm_fail(err, why.code, "%s", why.text) : 0;
}

/* -- The verb ---------------------------------------------------------------------------------------- */

/* One that an agent which died had begun to bring up is begun anew. */
static int start_alive(struct ch *ch, const struct order *o, const struct ch_vm *vm,
                       struct hm_error *err)
{
    struct ch_info info = {0};
    int r = ch_ask_info(ch, o->name, vm->socket, &info, err);
    enum ch_state state = info.state;
    ch_info_clear(&info);
    if (r < 0)
        return r;
    if (state == CH_STATE_PAUSED && !stands_still(o))
        return ch_vm_go_on(ch, o->name, vm->socket, err);
    if (state == CH_STATE_RUNNING)
        return ch_bridges_join(o->key, vm->run.placed, err);
    if (state == CH_STATE_PAUSED)
        return 0;
    r = ch_vm_end(ch, o->name, vm, err);
    return r < 0 ? r : boot(ch, o, vm, err);
}

int ch_vm_start(struct ch *ch, const struct order *o, struct hm_error *err)
{
    struct ch_vm vm;
    int r = ch_vm_find_ours(ch, o, &vm, err);
    if (r == 0)
        r = ch_vm_fail_absent(o, err);
    else if (r > 0 && vm.is_alive)
        r = start_alive(ch, o, &vm, err);
    else if (r > 0)
        r = boot(ch, o, &vm, err);
    ch_vm_clear(&vm);
    /* After the start: a note that it was started, though it never was, would keep it down for ever. */
    return r < 0 ? r : ch_vm_keep_note(ch, o, err);
}
