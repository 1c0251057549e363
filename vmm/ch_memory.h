/*
 * The memory of a guest as vm.snapshot saves it, beside its disks' snapshot of the same instant and the same name
 * (docs/adr/0063-memory-in-snapshots.md).
 *
 * <image_dir>/harmony-memory/VM/SNAPSHOT/, mode 0700: state.json and memory-ranges as the VMM has written them, and
 * about.json, the configuration that they belong to as this agent says it. That is written last: without it there is no
 * such memory. config.json, which the VMM reads when it restores, is written by this agent each time: what a VMM wrote may
 * be its guest's word, and would name any file of the host. Blocks on the disk; thread: any, one for a VM.
 */
#ifndef HM_VMM_CH_MEMORY_H
#define HM_VMM_CH_MEMORY_H

#include "vmm/ch.h"

bool ch_memory_exists(const struct ch *ch, const char *vm, const char *snapshot);
/* Room for that many bytes more, with some to spare; HM_E_NO_SPACE. */
int ch_memory_check_room(const struct ch *ch, const char *vm, uint64_t bytes, struct hm_error *err);
/* What a VMM that has ended has written into `from`. What was there under that name is replaced. It is not there yet: */
int ch_memory_take(const struct ch *ch, const char *vm, const char *snapshot, const char *from,
                   struct hm_error *err);
/* once its disks' snapshot is, it belongs to that, and to the guest of `config` (ch_config_held). */
int ch_memory_seal(const struct ch *ch, const char *vm, const char *snapshot, const json_t *config,
                   struct hm_error *err);
/* May a guest of `config` go on from it? HM_E_NOT_FOUND; HM_E_REFUSED: it is of other hardware. *ret: the configuration
 * that it belongs to, a new reference. */
int ch_memory_read(const struct ch *ch, const char *vm, const char *snapshot, const json_t *config,
                   json_t **ret, struct hm_error *err);
char *ch_memory_path(const struct ch *ch, const char *vm,
                     const char *snapshot); /* its folder; the caller's */
/* > 0: there was none. */
int ch_memory_remove(const struct ch *ch, const char *vm, const char *snapshot,
                     struct hm_error *err);
int ch_memory_remove_all(const struct ch *ch, const char *vm, struct hm_error *err);

/*
 * The next start of that VM goes on from it, once, as long as nobody writes to these disks (paths) meanwhile: what a
 * guest has in memory fits what its disks held at that instant, and would destroy any other.
 */
int ch_resume_note(const struct ch *ch, const char *vm, const char *snapshot, const json_t *disks,
                   struct hm_error *err);
int ch_resume_forget(const struct ch *ch, const char *vm, struct hm_error *err);
/* 1: *ret (the caller's) is the folder to restore from, made ready for the guest of `config`; 0: it boots.
 * HM_E_REFUSED: it was to go on and can't; that is said once, and the next start boots it. */
int ch_resume_look(const struct ch *ch, const char *vm, const json_t *config, char **ret,
                   struct hm_error *err);

/*
 * It stands still, in this VMM, because this run of the agent paused it or brought it back, and will have it go on. What an
 * agent that is no more has left so goes on when the next one sees it; whoever else paused it is not overruled.
 */
int ch_hold_note(struct ch *ch, const char *vm, const struct ch_pid *pid, bool *ret_was_left,
                 struct hm_error *err); /* ret_was_left: may be NULL; it was held by another run */
/* The same of what this run could not have go on: whoever sees it next does. */
int ch_hold_leave(const struct ch *ch, const char *vm, const struct ch_pid *pid,
                  struct hm_error *err);
int ch_hold_forget(const struct ch *ch, const char *vm, struct hm_error *err);
bool ch_hold_is_left(const struct ch *ch, const char *vm, const struct ch_pid *pid);
/* It was seen to run: what was left of it is over. */
void ch_hold_forget_left(const struct ch *ch, const char *vm, const struct ch_pid *pid);
/* What was left goes on: true. Never beside ch_hold_note(), after which it is this run's. */
bool ch_hold_end_left(struct ch *ch, const char *vm, const char *socket, const struct ch_pid *pid);

#endif
