/*
 * Inside the driver for cloud-hypervisor: one instance, and what its files share.
 *
 * A VM is its record (ch_record.h); it runs when the VMM of its socket does. The socket's name follows from
 * the VM's UUID (vm_uuid.h), so the process of a VM can be found, and ended, by its command line alone. The loop
 * and its thread are there once a VMM was talked to: a host without such VMs pays for neither. Verbs may run
 * on several threads at once, never two for one VM; ch_observe() by one at a time.
 */
#ifndef HM_VMM_CH_H
#define HM_VMM_CH_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "vmm/ch_http.h"
#include "vmm/ch_process.h"
#include "vmm/ch_record.h"
#include "vmm/ch_reply.h"
#include "vmm/domain_xml.h"
#include "vmm/driver.h"

enum {
    CH_ANSWER_MS = 10000, /* a call that changes nothing, or little */
    CH_BOOT_MS = 60000,   /* the kernel and the memory may come from a slow disk */
    CH_KILL_WAIT_MS = 5000,
    CH_MEMORY_MS = 600000, /* its memory goes to the disk, or comes from it */
};

/* What stays of what a VM writes while it runs, at least (log_file.h). */
enum {
    CH_CONSOLE_KEPT = 16 << 20, /* of its console's log */
    CH_SAID_KEPT = 1 << 20,     /* of vmm.log, and of events */
};

struct ch_cache;

struct ch {
    char *site, *records, *sockets, *image_dir, *boot;
    char *program;  /* of the configuration; NULL: found in PATH */
    char *firmware; /* for guests without a kernel; NULL: none */
    bool has_landlock;

    pthread_mutex_t lock; /* guards: */
    struct ch_loop *loop;
    struct ch_http *http;
    json_t *between; /* VMs that are between two VMMs, name -> why; NULL: none yet */

    void (*on_change)(void *data);
    void *data;
    struct ch_talks *talks;      /* consoles on which somebody types (ch_typing.h) */
    struct ch_cache *cache;      /* ch_observe()'s */
    struct ch_console *consoles; /* ch_stats()'s: of those that ran at its last look */
    size_t console_count;
};

/* -- The instance (ch_open.c) --------------------------------------------------------------------- */

int ch_open(const struct driver_options *options, struct ch **ret, struct hm_error *err);
void ch_close(struct ch *ch);
char *ch_sockets_path(const char *runtime_dir);             /* the caller's */
char *ch_socket_of(const char *sockets, const char *uuid);  /* the caller's */
char *ch_socket_path(const struct ch *ch, const char *key); /* of the VM of that document */
/* Where the program is; the caller's. HM_E_UNSUPPORTED: there is none. */
int ch_program_find(const struct ch *ch, char **ret, struct hm_error *err);
char *ch_console_path(const struct ch *ch,
                      const char *vm); /* what its serial console says; the caller's */
/* A folder from which its VMM may open files while it runs; the caller's. */
char *ch_plugged_path(const struct ch *ch, const char *vm);
int ch_need_loop(struct ch *ch, struct hm_error *err);

/* -- Talking to a VMM (ch_api.c) -------------------------------------------------------------------- */

/* A call that answers with nothing. `what` it is for: "boot it". `body` is taken over; NULL: none. */
int ch_put(struct ch *ch, const char *vm, const char *socket, const char *what, const char *call,
           json_t *body, int64_t timeout_ms, struct hm_error *err);
int ch_ping(struct ch *ch, const char *vm, const char *socket, struct ch_version *ret,
            struct hm_error *err);
int ch_ask_info_for(struct ch *ch, const char *vm, const char *socket, int64_t timeout_ms,
                    struct ch_info *ret, struct hm_error *err);
int ch_ask_info(struct ch *ch, const char *vm, const char *socket, struct ch_info *ret,
                struct hm_error *err);

/* -- One VM (ch_vm.c) ------------------------------------------------------------------------------- */

struct ch_vm {
    bool is_defined;
    struct mark mark;      /* of its definition */
    bool has_process;      /* one was started; */
    struct ch_process run; /* that one */
    bool is_alive;
    struct ch_pid pid; /* while it is */
    char *socket;      /* of the process that is alive, else that of its key */
};
/* What is there under the order's name. *ret is to be cleared in every case. */
int ch_vm_look(const struct ch *ch, const char *name, const char *key, struct ch_vm *ret,
               struct hm_error *err);
/* The same by a walk through /proc that was made already. */
int ch_vm_look_among(const struct ch *ch, const char *name, const struct ch_processes *processes,
                     struct ch_vm *ret, struct hm_error *err);
void ch_vm_clear(struct ch_vm *vm);
/* The same, and it must be ours: 1; 0: there is none. */
int ch_vm_find_ours(const struct ch *ch, const struct order *o, struct ch_vm *ret,
                    struct hm_error *err);
int ch_vm_fail_absent(const struct order *o, struct hm_error *err);
/* Of one that runs: HM_E_REFUSED if it isn't known what it was started from. */
int ch_vm_check_run(const struct order *o, const struct ch_vm *vm, struct hm_error *err);

/* It has no VMM for a moment, or one without its guest, and is not off for anybody meanwhile. `why` NULL: it is over. */
void ch_vm_set_between(struct ch *ch, const char *name, const char *why);
char *ch_vm_between(struct ch *ch, const char *name); /* why; the caller's; NULL: it is not */

int ch_vm_create(struct ch *ch, const struct order *o, struct hm_error *err);
int ch_vm_update(struct ch *ch, const struct order *o, struct hm_error *err);
int ch_vm_remove(struct ch *ch, const struct order *o, struct hm_error *err);
int ch_vm_note(struct ch *ch, const struct order *o, struct hm_error *err);
int ch_vm_keep_note(const struct ch *ch, const struct order *o, struct hm_error *err);
/* What puts it off and on again by itself says first that it does: if the agent dies in between, the next one starts it, whatever
 * its restart_policy. *ret_before is what ch_vm_note_on() puts back once it runs again. */
int ch_vm_note_off(const struct ch *ch, const char *name, struct run_note *ret_before,
                   struct hm_error *err);
void ch_vm_note_on(const struct ch *ch, const char *name, const struct run_note *before);

/* -- Starting and ending it (ch_start.c, ch_power.c) ------------------------------------------------- */

int ch_vm_start(struct ch *ch, const struct order *o, struct hm_error *err);
/* What its VMM is told of the order's spec: a new reference. `runs`: its disks are open already. */
int ch_vm_config(const struct ch *ch, const struct order *o, bool runs, json_t **ret,
                 struct hm_error *err);
int ch_vm_stop(struct ch *ch, const struct order *o, struct hm_error *err);
int ch_vm_kill(struct ch *ch, const struct order *o, struct hm_error *err);
int ch_vm_pause(struct ch *ch, const struct order *o, struct hm_error *err);
int ch_vm_resume(struct ch *ch, const struct order *o, struct hm_error *err);
int ch_vm_reboot(struct ch *ch, const struct order *o, struct hm_error *err);
int ch_vm_verify_stopped(struct ch *ch, const struct order *o, struct hm_error *err);
/* From its pause; also from that in which it is brought back, of which no later start may make use then. */
int ch_vm_go_on(struct ch *ch, const char *name, const char *socket, struct hm_error *err);
/* A VMM that is well ends by itself when it is told to, and what it has not written yet gets to the disk: 1. 0: it did
 * not say so, or has not been seen to end in time. */
int ch_vm_shut_down(struct ch *ch, const char *name, const struct ch_vm *vm);
int ch_vm_kill_seen(const struct driver_options *options, const struct order *o,
                    struct hm_error *err);
/* SIGKILL, seen ended, and nothing left of that run. */
int ch_vm_end(struct ch *ch, const char *name, const struct ch_vm *vm, struct hm_error *err);
/* The sockets of a run that has ended: its own, and what is in the way of the next one. */
void ch_vm_drop_sockets(const struct ch_vm *vm);
/* What a run that has ended left behind: its record, socket and cgroup. */
int ch_vm_forget_run(const struct ch *ch, const char *name, const struct ch_vm *vm,
                     struct hm_error *err);

/* A start that failed because something is in use: adds who has one of the disks of that configuration open
 * (ch_stranger.c). */
void ch_blame_stranger(const struct ch *ch, const json_t *config, struct hm_error *err);

/* What runs as the order says, as far as that can be done while it runs (ch_hot.c). */
int ch_vm_change_running(struct ch *ch, const struct order *o, const struct ch_vm *vm,
                         struct hm_error *err);

/* -- Its disks (ch_disk.c) ---------------------------------------------------------------------------- */

/* Volumes of its own are made, those of disk documents found, images looked into. Fills in path and format of
 * each. `runs`: none is grown, since the VMM has them open. */
int ch_disks_prepare(const struct ch *ch, const struct order *o, bool runs, struct vm_disks *disks,
                     struct hm_error *err);
int ch_disks_remove_ephemeral(const struct ch *ch, const struct order *o, const json_t *spec,
                              struct hm_error *err);

/* -- What a VMM is told (ch_config.c; pure) ----------------------------------------------------------- */

struct ch_build {
    const char *key;
    const json_t *spec;   /* in normal form */
    const json_t *placed; /* networks[] as this host connects them */
    const struct vm_disks *disks;
    const char *firmware;
    bool landlock;
    const char *plugged; /* a folder of which it may open files later on */
    bool has_taps;       /* this host has TAPs */
};
/* The body of vm.create: a new reference. HM_E_UNSUPPORTED, HM_E_INVALID: what can't be had, and why. */
int ch_config(const struct ch_build *b, json_t **ret, struct hm_error *err);
/* Elements of it, for what is plugged in later; the caller's. */
json_t *ch_config_disk(const struct vm_disk *d);
int ch_config_nic(const char *key, const json_t *placed, size_t index, json_t **ret,
                  struct hm_error *err);
enum { CH_TAP_TEXT = 16, CH_ID_MAX = 72 };
void ch_disk_id(const struct vm_disk *d, char out[CH_ID_MAX]);
/* That of such a list which has this id, borrowed; NULL: none. */
const json_t *ch_config_find(const json_t *list, const char *id);
/* The TAP of a card: of the agent's own where it says so, else one that the VMM makes. */
void ch_tap_name(const char *key, const json_t *nic, size_t index, char out[CH_TAP_TEXT]);
/* Their names, and what else the record of a run holds of its cards: new references. */
json_t *ch_taps(const char *key, const json_t *placed);

/* -- What a VMM that runs holds, against what it is told (ch_hardware.c; pure) ------------------------- */

/* `config` (of ch_config) with the guest's memory as its VMM says that it was put together while it ran: what memory that
 * is saved now belongs to; a new reference. `vm` is for the sentence. HM_E_REFUSED: its VMM holds other hardware. */
int ch_config_held(const char *vm, const json_t *config, const json_t *held, json_t **ret,
                   struct hm_error *err);
/* Of two of them: the same for a guest, wherever its disks and cards are on the host. */
bool ch_config_is_same_hardware(const json_t *a, const json_t *b);

/* -- Its cards on bridges of the host (ch_bridge.c) --------------------------------------------------- */

/* TAPs that the VMM has made, into their bridges. */
int ch_bridges_join(const char *key, const json_t *placed, struct hm_error *err);
/* A TAP that the agent makes itself is there: its VMM would make one that is plugged into nothing. */
int ch_tap_check(const char *vm, const json_t *card, struct hm_error *err);
/* The first that is there and in another bridge, or in none, in words; NULL: all are where they belong. The caller's. */
char *ch_bridges_left(const char *key, const json_t *placed);

/* -- Its cgroup (ch_cgroup.c) --------------------------------------------------------------------------- */

/* A scope of systemd's, else a cgroup of its own; the process is moved into it. Its folder, the caller's; NULL:
 * this host has none for us, and its own session has to do. */
char *ch_cgroup_join(const char *vm, const char *socket, const struct ch_pid *pid);
void ch_cgroup_kill(const char *cgroup);   /* all that is in it; NULL is allowed */
void ch_cgroup_sweep(void);                /* empty ones, whose VMM ended while no agent looked */
void ch_cgroup_remove(const char *cgroup); /* if it is empty and no scope, which systemd removes; NULL is allowed */

/* What can be asked of it beside the verbs (ch_operation.c). */
extern const struct driver_operation ch_operations[];
#define CH_OPERATION(name)                                                                         \
    int ch_op_##name(void *self, const struct driver_call *call, struct driver_result *ret,        \
                     struct hm_error *err)
CH_OPERATION(snapshot_create); /* ch_snapshot_op.c */
CH_OPERATION(snapshot_list);
CH_OPERATION(snapshot_apply);
CH_OPERATION(snapshot_delete);

/* -- Looking (ch_observe.c) ------------------------------------------------------------------------------- */

int ch_observe(struct ch *ch, struct things *ret, struct hm_error *err);
void ch_cache_free(struct ch *ch);
struct vm_stats_list;
int ch_stats(struct ch *ch, struct vm_stats_list *ret, struct hm_error *err); /* ch_stats.c */
void ch_consoles_free(struct ch *ch);

#endif
