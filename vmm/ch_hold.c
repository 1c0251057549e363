/* That a guest stands still because this run of the agent is about to have it go on (ch_memory.h). */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>

#include "vmm/ch_memory.h"

static char run_name[2 * sizeof(uint64_t) + 1];

static void name_this_run(void)
{
    uint64_t number = 0;
    if (getrandom(&number, sizeof number, 0) != (ssize_t)sizeof number)
        abort(); /* a kernel without getrandom(2) */
    snprintf(run_name, sizeof run_name, "%016llx", (unsigned long long)number);
}

/* An agent that executes itself anew is another run, though its pid stays. */
static const char *this_run(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, name_this_run);
    return run_name;
}

static json_t *note_of(const struct ch_pid *pid, const char *run)
{
    return json_pack("{s:s*, s:i, s:I}", "agent", run, "pid", pid->pid, "start_time",
                     (json_int_t)pid->start);
}

/* -- Between what was left and what is under way ------------------------------------------------- */

/* Of one VM at a time: a VMM that does not answer holds up nobody else. */
static struct {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    json_t *taken; /* names as keys; NULL: none yet */
} turns = {.lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};

static void take_turn(const char *vm)
{
    pthread_mutex_lock(&turns.lock);
    if (!turns.taken)
        turns.taken = json_object();
    while (json_object_get(turns.taken, vm))
        pthread_cond_wait(&turns.changed, &turns.lock);
    json_object_set_new(turns.taken, vm, json_true());
    pthread_mutex_unlock(&turns.lock);
}

static void end_turn(const char *vm)
{
    pthread_mutex_lock(&turns.lock);
    json_object_del(turns.taken, vm);
    pthread_cond_broadcast(&turns.changed);
    pthread_mutex_unlock(&turns.lock);
}

int ch_hold_note(struct ch *ch, const char *vm, const struct ch_pid *pid, bool *ret_was_left,
                 struct hm_error *err)
{
    take_turn(vm);
    bool was_left = ch_hold_is_left(ch, vm, pid);
    int r = ch_record_write_hold(ch->records, vm, note_of(pid, this_run()), err);
    end_turn(vm);
    if (ret_was_left)
        *ret_was_left = was_left;
    return r;
}

int ch_hold_leave(const struct ch *ch, const char *vm, const struct ch_pid *pid,
                  struct hm_error *err)
{
    return ch_record_write_hold(ch->records, vm, note_of(pid, NULL), err);
}

bool ch_hold_end_left(struct ch *ch, const char *vm, const char *socket, const struct ch_pid *pid)
{
    take_turn(vm);
    bool goes_on = ch_hold_is_left(ch, vm, pid) && ch_vm_go_on(ch, vm, socket, NULL) >= 0;
    end_turn(vm);
    return goes_on;
}

int ch_hold_forget(const struct ch *ch, const char *vm, struct hm_error *err)
{
    return ch_record_forget_hold(ch->records, vm, err);
}

void ch_hold_forget_left(const struct ch *ch, const char *vm, const struct ch_pid *pid)
{
    take_turn(vm);
    if (ch_hold_is_left(ch, vm, pid))
        ch_hold_forget(ch, vm, NULL);
    end_turn(vm);
}

bool ch_hold_is_left(const struct ch *ch, const char *vm, const struct ch_pid *pid)
{
    json_t *note = NULL, *of_now = note_of(pid, this_run());
    bool is_there = ch_record_read_hold(ch->records, vm, &note, NULL) > 0;
    bool is_ours = json_equal(note, of_now);
    json_object_del(note, "agent");
    json_object_del(of_now, "agent");
    bool is_of_this_vmm = json_equal(note, of_now);
    json_decref(note);
    json_decref(of_now);
    return is_there && is_of_this_vmm && !is_ours;
}
