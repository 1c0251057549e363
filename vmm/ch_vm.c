#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/file.h"
#include "proto/doc.h"
#include "vmm/ch_memory.h"
#include "vmm/run_note.h"
#include "vmm/seed.h"

/* -- Finding -------------------------------------------------------------------------------------- */

void ch_vm_clear(struct ch_vm *vm)
{
    mark_clear(&vm->mark);
    ch_process_clear(&vm->run);
    free(vm->socket);
    *vm = (struct ch_vm){0};
}

/* Where the definition can't be read, the run may still tell whose it is. */
static int read_records(const struct ch *ch, const char *name, struct ch_vm *ret,
                        struct hm_error *err)
{
    int defined = ch_record_read(ch->records, name, &ret->mark, err);
    int ran = ch_record_read_process(ch->records, name, &ret->run, defined < 0 ? NULL : err);
    ret->is_defined = defined > 0;
    ret->has_process = ran > 0;
    return defined < 0 ? defined : ran;
}

/* By its record, if that is of this boot of the host. */
static bool is_alive_by_record(const struct ch *ch, const struct ch_vm *vm)
{
    return vm->has_process && !strcmp(vm->run.boot, ch->boot) && ch_pid_is_alive(&vm->run.pid);
}

/* Which is looked for by its socket, whatever any record says. `among` NULL: in a walk of its own. */
static int find_process(const struct ch_processes *among, const char *socket, struct ch_pid *ret,
                        struct hm_error *err)
{
    return among ? ch_processes_find(among, socket, ret) : ch_process_find(socket, ret, err);
}

static void take_socket(struct ch_vm *vm, const char *socket)
{
    free(vm->socket);
    vm->socket = hm_strdup(socket);
}

/* One that was adopted has the socket of its earlier key, until its next start. 1: it is alive. */
static int find_alive(const struct ch *ch, const struct ch_processes *among, struct ch_vm *vm,
                      struct hm_error *err)
{
    bool has_another = vm->has_process && strcmp(vm->run.socket, vm->socket) != 0;
    if (is_alive_by_record(ch, vm)) {
        take_socket(vm, vm->run.socket);
        vm->pid = vm->run.pid;
        return 1;
    }
    int found = has_another ? find_process(among, vm->run.socket, &vm->pid, err) : 0;
    if (found > 0)
        take_socket(vm, vm->run.socket);
    return found ? found : find_process(among, vm->socket, &vm->pid, err);
}

static int look(const struct ch *ch, const char *name, const char *key,
                const struct ch_processes *among, struct ch_vm *ret, struct hm_error *err)
{
    *ret = (struct ch_vm){0};
    int r = read_records(ch, name, ret, err);
    if (r < 0)
        return r;
    const char *made_from = ret->is_defined ? ret->mark.key : key;
    ret->socket = ch_socket_path(ch, made_from ? made_from : "");
    int found = find_alive(ch, among, ret, err);
    ret->is_alive = found > 0;
    return found < 0 ? hm_wrap(err, "vm %s", name) : 0;
}

int ch_vm_look(const struct ch *ch, const char *name, const char *key, struct ch_vm *ret,
               struct hm_error *err)
{
    return look(ch, name, key, NULL, ret, err);
}

int ch_vm_look_among(const struct ch *ch, const char *name, const struct ch_processes *processes,
                     struct ch_vm *ret, struct hm_error *err)
{
    return look(ch, name, NULL, processes, ret, err);
}

int ch_vm_find_ours(const struct ch *ch, const struct order *o, struct ch_vm *ret,
                    struct hm_error *err)
{
    int r = ch_vm_look(ch, o->name, o->key, ret, err);
    if (r < 0 || !ret->is_defined)
        return r;
    r = mark_check_ours(&ret->mark, o, err);
    return r < 0 ? r : 1;
}

int ch_vm_fail_absent(const struct order *o, struct hm_error *err)
{
    return hm_fail(err, HM_E_VM_NOT_FOUND, "vm %s does not exist", o->name);
}

/* It may be of another spec than the definition, with cards that are placed otherwise. */
int ch_vm_check_run(const struct order *o, const struct ch_vm *vm, struct hm_error *err)
{
    if (vm->has_process && vm->run.mark.spec)
        return 0;
    return hm_fail(err, HM_E_REFUSED,
                   "vm %s: the record of what it was started from is gone; stop and start it",
                   o->name);
}

/* -- Between two VMMs ------------------------------------------------------------------------------ */

void ch_vm_set_between(struct ch *ch, const char *name, const char *why)
{
    pthread_mutex_lock(&ch->lock);
    if (!ch->between)
        ch->between = json_object();
    if (why)
        json_object_set_new(ch->between, name, json_string(why));
    else
        json_object_del(ch->between, name);
    pthread_mutex_unlock(&ch->lock);
}

char *ch_vm_between(struct ch *ch, const char *name)
{
    pthread_mutex_lock(&ch->lock);
    const char *why = json_string_value(json_object_get(ch->between, name));
    char *copy = why ? hm_strdup(why) : NULL;
    pthread_mutex_unlock(&ch->lock);
    return copy;
}

/* -- Defining ------------------------------------------------------------------------------------- */

/* Said when it is declared, not only when it is to boot. */
static int check_cards(const struct order *o, struct hm_error *err)
{
    size_t i;
    json_t *nic;
    const json_t *spec = o->placed ? o->placed : o->spec;
    json_array_foreach(json_object_get(spec, "networks"), i, nic)
    {
        const char *network = spec_str(nic, "network");
        if (network)
            return hm_fail(
                err, HM_E_UNSUPPORTED,
                "vm %s: network %s is not one that the agent makes itself; on "
                "cloud-hypervisor a card needs a network with backend native, or a bridge",
                o->name, network);
    }
    return 0;
}

static int prepare_disks(const struct ch *ch, const struct order *o, bool runs,
                         struct hm_error *err)
{
    struct vm_disks disks;
    vm_disks_of(o->spec, &disks);
    int r = ch_disks_prepare(ch, o, runs, &disks, err);
    vm_disks_clear(&disks);
    return r;
}

static int define(const struct ch *ch, const struct order *o, const struct ch_vm *vm,
                  struct hm_error *err)
{
    struct mark mark;
    int r = prepare_disks(ch, o, vm->is_alive, err);
    if (r < 0)
        return hm_wrap(err, "vm %s", o->name);
    mark_of_order(o, &mark);
    if (!vm->is_defined || strcmp(vm->mark.hash, mark.hash) != 0 ||
        strcmp(vm->mark.key, mark.key) != 0)
        r = ch_record_write(ch->records, o->name, &mark, err);
    mark_clear(&mark);
    return r;
}

int ch_vm_create(struct ch *ch, const struct order *o, struct hm_error *err)
{
    struct ch_vm vm;
    int r = ch_vm_look(ch, o->name, o->key, &vm, err);
    if (r >= 0 && vm.is_defined)
        r = mark_check(&vm.mark, o, err);
    if (r >= 0)
        r = check_cards(o, err);
    if (r >= 0)
        r = define(ch, o, &vm, err);
    ch_vm_clear(&vm);
    return r < 0 ? r : 0;
}

/* -- The run note --------------------------------------------------------------------------------- */

int ch_vm_keep_note(const struct ch *ch, const struct order *o, struct hm_error *err)
{
    struct run_note kept = ch_record_read_note(ch->records, o->name);
    if (o->run.state == RUN_NONE || run_note_is_same(&o->run, &kept))
        return 0;
    return ch_record_write_note(ch->records, o->name, &o->run, err);
}

int ch_vm_note_off(const struct ch *ch, const char *name, struct run_note *ret_before,
                   struct hm_error *err)
{
    struct run_note note = ch_record_read_note(ch->records, name);
    *ret_before = note;
    if (note.state != RUN_STARTED)
        return 0;
    note.state = RUN_STOPPED;
    return ch_record_write_note(ch->records, name, &note, err);
}

/* Where it can't be kept: that it runs is noted at the next look, as a new run. */
void ch_vm_note_on(const struct ch *ch, const char *name, const struct run_note *before)
{
    if (before->state == RUN_STARTED)
        ch_record_write_note(ch->records, name, before, NULL);
}

int ch_vm_note(struct ch *ch, const struct order *o, struct hm_error *err)
{
    struct ch_vm vm;
    int r = ch_vm_find_ours(ch, o, &vm, err);
    ch_vm_clear(&vm);
    if (r == 0)
        return ch_vm_fail_absent(o, err);
    return r < 0 ? r : ch_vm_keep_note(ch, o, err);
}

/* -- Removing ------------------------------------------------------------------------------------- */

/* Its ephemeral disks go before the definition that names them, so a crash between leaves a VM that is
 * removed again, not a volume that nobody knows. */
int ch_vm_remove(struct ch *ch, const struct order *o, struct hm_error *err)
{
    struct ch_vm vm;
    int found = ch_vm_find_ours(ch, o, &vm, err), r = found;
    if (found > 0)
        r = ch_vm_end(ch, o->name, &vm, err);
    if (found > 0 && r >= 0)
        r = ch_disks_remove_ephemeral(ch, o, vm.mark.spec, err);
    if (found > 0 && r >= 0)
        r = seed_remove(ch->image_dir, o->name, err);
    if (found > 0 && r >= 0)
        r = ch_memory_remove_all(ch, o->name, err);
    if (found > 0 && r >= 0)
        r = ch_record_remove(ch->records, o->name, err);
    ch_vm_clear(&vm);
    return r < 0 ? r : found == 0;
}

/* -- Changing ------------------------------------------------------------------------------------- */

/* What needs a restart waits for that, with the mark of the run. */
int ch_vm_update(struct ch *ch, const struct order *o, struct hm_error *err)
{
    struct ch_vm vm;
    int r = ch_vm_create(ch, o, err);
    if (r < 0)
        return r;
    r = ch_vm_look(ch, o->name, o->key, &vm, err);
    if (r >= 0 && vm.is_alive)
        r = ch_vm_change_running(ch, o, &vm, err);
    ch_vm_clear(&vm);
    return r < 0 ? r : 0;
}
