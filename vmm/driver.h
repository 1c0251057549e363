/*
 * Drivers: one table of verbs for everything that can hold a VM, a network or a disk.
 *
 * All of them are rows of one table (agent/drivers.c); adding a backend is one file and one row.
 * An instance is one connection to one backend; its verbs block and run on worker threads. `open`,
 * `close`, `probe` and `observe` are called by one thread at a time; the other verbs may run on
 * several threads of the same instance at once (never two for the same thing), also beside
 * `observe`. An instance that was never observed costs no caches and no event registration (the
 * fence has such a one of its own). Verbs are level-triggered: they look at what is there, do what
 * is missing, and may be repeated after any crash: nothing doubles. What is ours carries our mark
 * (site, key, hash of the spec, the spec itself) in the thing itself; a verb that would touch a
 * thing without our mark fails with HM_E_CONFLICT unless the spec says `adopt`. "Unknown" is not
 * "absent": a backend that can't be asked gives an error, never an empty list. What takes longer
 * than a call may (a download) goes on behind the verb, which returns HM_E_IN_PROGRESS, with how far
 * it is in words, until it is done: it is asked again after 2 s, or once on_change was called.
 */
#ifndef HM_VMM_DRIVER_H
#define HM_VMM_DRIVER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <jansson.h>

#include "base/error.h"

/* One vocabulary for all kinds: a network or disk is RUNNING when active/usable, else OFF. */
#define THING_STATES(X)                                                                            \
    X(ABSENT, "absent")                                                                            \
    X(OFF, "off")                                                                                  \
    X(RUNNING, "running")                                                                          \
    X(PAUSED, "paused")                                                                            \
    X(MAKING,                                                                                      \
      "making") /* it is not all there yet, and goes on by itself; `reason` says how far */        \
    X(STOPPING, "stopping")                                                                        \
    X(CRASHED, "crashed")                                                                          \
    X(UNKNOWN, "unknown")

enum thing_state {
#define THING_STATE_ENUM(id, text) THING_##id,
    THING_STATES(THING_STATE_ENUM)
#undef THING_STATE_ENUM
};
const char *thing_state_name(enum thing_state state);

/* What is noted, in the thing itself, about its last run (docs/adr/0035-run-notes.md). */
#define RUN_STATES(X)                                                                              \
    X(NONE, "none")       /* no note: never started, or by hands that leave none */                \
    X(STARTED, "started") /* and no order of ours has ended it since */                            \
    X(STOPPED, "stopped") /* by our order */                                                       \
    X(REVIVED, "revived") /* the same, because it was not well: it is to be started again */       \
    X(ENDED, "ended")     /* by itself, by a clean shutdown of the guest */                        \
    X(FAILED, "failed")   /* by itself, any other way */

enum run_state {
#define RUN_STATE_ENUM(id, text) RUN_##id,
    RUN_STATES(RUN_STATE_ENUM)
#undef RUN_STATE_ENUM
};
const char *run_state_name(enum run_state state);

struct run_note {
    enum run_state state;
    uint64_t epoch;        /* of the lease under which it was started; 0: pinned to the site */
    uint32_t restarts;     /* since it was last started on purpose, and */
    uint32_t streak;       /* those since it was last well for long */
    int64_t began_ms;      /* BOOTTIME when it was started */
    int64_t loop_since_ms; /* wall clock when the streak became a crash loop; 0: it is none */
};

/* Something that a running thing lacks of its host, and what it is: "the host has no room left for its disk vda (...)". */
struct thing_fault {
    enum hm_code code; /* of `text`; NULL text: nothing ails it */
    char *text;
    int64_t since_ms;  /* wall clock */
    bool stands_still; /* it was stopped for that, and goes on when somebody resumes it */
};

struct thing_shared;
struct vm_stats_list;

/* One thing as observed. Strings and spec belong to it, or to the copy that `shared` holds. Read
 * them, don't change them; thing_clear() knows. */
struct thing {
    char *kind, *name;
    enum thing_state state;
    char *reason;    /* the backend's word for why ("crashed", "destroyed"), or NULL */
    bool marked;     /* carries a harmony mark */
    char *mark_site; /* of the mark; NULL without one */
    char *mark_key;  /* document key that it was made from */
    char *mark_hash; /* spec_hash() of `spec` */
    json_t *spec;    /* the spec that was last applied to it, in normal form; NULL without mark */
    char *drift;     /* what was changed behind our back, in words; NULL: nothing seen */
    bool autostart;
    bool shut_down;      /* off, or about to be, by a clean shutdown of the guest */
    struct run_note run; /* as kept in it */
    struct thing_fault fault;
    json_t *details;             /* for the status: addresses, vcpus, memory, id, ... may be NULL */
    struct thing_shared *shared; /* the driver's own (vmm/thing.h); NULL: nothing is shared */
};
struct things {
    struct thing *items;
    size_t count;
};
void thing_clear(struct thing *t);
void things_clear(struct things *list);

/* stop_grace where a spec does not say it, or there is none: as in proto/kind_vm.c. */
enum { STOP_GRACE_DEFAULT_MS = 30000 };

/* What a verb is to do it to. Borrowed for the call. */
struct order {
    const char *kind, *name, *key, *site;
    const json_t *spec; /* in normal form; NULL for stop, kill, remove when no document exists */
    /* A VM's spec as this host connects it: cards on networks that the agent makes itself name their
     * bridge (agent/nics.h). What is built follows it, what is marked follows `spec`. NULL: `spec`. */
    const json_t *placed;
    /* kill: the UUID of the VM that was observed under this name and key with our mark; NULL:
     * none was. By it alone it is killed when the backend does not answer. */
    const char *seen_uuid;
    int64_t grace_ms; /* stop: how long the guest has before it is stopped hard; 0: at once */
    bool primary;     /* placement: primary: the backend's own autostart and restart must be off */
    struct run_note run; /* start, stop, note: what is to be kept in the thing; of kinds that run */
};

/*
 * An operation (proto/operation.h) as a backend carries it out. Like a verb it blocks on a worker, may
 * run beside `observe`, and touches only what carries our mark. It never brings up a VM of placement
 * primary that is off: that is for the lease alone.
 */
struct driver_call {
    struct order order; /* grace_ms is 0 */
    const json_t *args; /* verified against the operation's table */
    int64_t until_ns;   /* BOOTTIME: nobody waits for it any longer */
    /* How far it is, for who waits: percent (-1: unknown) and a few words. Any thread, until the
     * operation returns. */
    void (*progress)(void *data, int percent, const char *text);
    void *data;
};
struct driver_result {
    json_t *value; /* the answer, a new reference; NULL: {} */
    /* Of one that streams, one of, or both: */
    int fd;       /* a socket or pipe, for both directions where it takes input; -1: none. Beside a
                   * file for input alone: the file is followed until its end */
    char *path;   /* a file that grows, on this host; NULL: none */
    int64_t from; /* of that file: where what was asked for begins, */
    size_t
        back; /* in the one that it was so many rotations ago: PATH.0 for 1 (vmm/console_times.h) */
};
/* reboot: the guest has its grace, as far as somebody waits for it (driver_call.c). */
int64_t driver_call_grace(const struct driver_call *call);
/* logs: the console's log `path`, which is taken over, from where `since` says (vmm/console_times.h). */
int driver_call_log(const struct driver_call *call, char *path, struct driver_result *ret,
                    struct hm_error *err);

/* console: why there is none to be had. */
int driver_console_fail_off(const char *vm, struct hm_error *err);
int driver_console_fail_taken(const char *vm, struct hm_error *err);

/* Not for people: does the agent in the guest answer? HM_E_REFUSED: no; all else: it could not be asked. */
#define DRIVER_GUEST_PING "guest-ping"

struct driver_operation {
    const char *name; /* NULL ends the table */
    /* On failure nothing is left in *ret, which comes as {NULL, -1, NULL, 0}. */
    int (*run)(void *self, const struct driver_call *call, struct driver_result *ret,
               struct hm_error *err);
};

struct driver_options {
    const char *uri;       /* libvirt connection */
    const char *image_dir; /* folder of the pool `default` */
    const char *accel;     /* auto | kvm | tcg */
    const char *site;
    const char *image_ca;   /* authorities for downloads; NULL: the system's */
    int64_t image_stall_ms; /* a download from which nothing came for so long has failed; 0: 60 s */
    const char *state_dir;  /* for what is remembered across restarts */
    const char *runtime_dir;  /* for what holds for one boot of the host (vmm/accel_trial.h) */
    const char *vmm_program;  /* cloud-hypervisor; NULL: found where programs are */
    const char *vmm_firmware; /* for its guests without a kernel; NULL: none */
    /* Called from any thread when something may have changed (event, connection lost): observe
     * again. It must not call the driver, and is not called after close() has returned. May be
     * NULL. */
    void (*on_change)(void *data);
    void *data;
};

/* Those of struct driver that are told an order and nothing else, and that a backend may give by kind. */
#define DRIVER_VERBS(X)                                                                            \
    X(create)                                                                                      \
    X(update)                                                                                      \
    X(start) X(stop) X(kill) X(verify_stopped) X(remove) X(pause) X(resume) X(reboot) X(note)

struct driver {
    const char *name;         /* "libvirt" */
    const char *const *kinds; /* document kinds it holds, NULL-terminated */
    bool
        opens_taps; /* a card on a network of the agent's own is a TAP that it opens, not a bridge */
    int (*check_options)(const struct driver_options *options,
                         struct hm_error *err); /* form only */
    /* Connect. On failure nothing is kept and it may be called again. Options are copied. */
    int (*open)(const struct driver_options *options, void **ret_self, struct hm_error *err);
    void (*close)(void *self);
    /* What this backend is and can do, for status and `--check`: a new reference. */
    int (*probe)(void *self, json_t **ret_facts, struct hm_error *err);
    /* Everything there, marked or not. One bulk call in the steady state. */
    int (*observe)(void *self, struct things *ret, struct hm_error *err);
    /* What our VMs that run use (vmm/vm_stats.h), by one bulk call; called by the thread that observes. NULL: it
     * does not say. */
    int (*stats)(void *self, struct vm_stats_list *ret, struct hm_error *err);
    int (*create)(void *self, const struct order *o,
                  struct hm_error *err); /* define; not started */
    int (*update)(void *self, const struct order *o,
                  struct hm_error *err); /* live part and redefine */
    int (*start)(void *self, const struct order *o, struct hm_error *err);
    int (*stop)(void *self, const struct order *o, struct hm_error *err); /* graceful, then hard */
    int (*kill)(void *self, const struct order *o, struct hm_error *err); /* at once */
    /* Its processors stand still, all else stays; HM_E_REFUSED when it is off. NULL, or
     * HM_E_UNSUPPORTED: nothing that could stand still. The same holds for the next two. */
    int (*pause)(void *self, const struct order *o, struct hm_error *err);
    int (*resume)(void *self, const struct order *o, struct hm_error *err);
    /* Asked, and after grace_ms reset hard; its process stays if the backend can ask (ADR 50). Done when it begins to boot. Repeated
     * after a crash it reboots once more. HM_E_REFUSED when it does not run. */
    int (*reboot)(void *self, const struct order *o, struct hm_error *err);
    /* The backend can't be reached: end what runs o->seen_uuid on this host, without asking. 1: seen
     * ended, which is no proof that it stays off; 0: nothing is seen here. NULL: not a thing of this
     * backend. */
    int (*kill_seen)(const struct driver_options *options, const struct order *o,
                     struct hm_error *err);
    /* The TAP of a card of the VM of that document on a bridge of the host; with opens_taps. */
    void (*bridge_tap)(const char *key, size_t index, char out[16]);
    /* The word by which the process of the VM of that UUID is known on this host (agent/fence_plan.h): the caller's.
     * NULL: the UUID itself. */
    char *(*process_word)(const struct driver_options *options, const char *uuid);
    int (*verify_stopped)(void *self, const struct order *o,
                          struct hm_error *err);                            /* 0 only if seen */
    int (*remove)(void *self, const struct order *o, struct hm_error *err); /* absent: fine (> 0) */
    /* Keep o->run in the thing, and change nothing else. NULL: it keeps none. */
    int (*note)(void *self, const struct order *o, struct hm_error *err);
    bool (*is_alive)(void *self);              /* the connection, without a round trip */
    const struct driver_operation *operations; /* NULL: none */
};

#endif
