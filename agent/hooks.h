/*
 * Hooks: the operator's programs, run at the turning points of the failover group.
 *
 * Each is an argv of the agent's own configuration, run without a shell and off the loop, with
 * HARMONY_SITE, HARMONY_GROUP, HARMONY_EPOCH, HARMONY_FROM_EPOCH, HARMONY_LEADER, HARMONY_REASON and
 * HARMONY_CGROUP in its environment, a limit, and bounded output. Exit code 0 is success. At the limit
 * its whole process group is killed. The epoch is a fencing token: storage that can refuse older ones
 * should be told it.
 *
 * What the promote hook starts belongs to its epoch: it runs in the cgroup that the guardian made for it,
 * with all that it leaves running, and nothing can join that any more once the epoch has been ended.
 *
 * A hook runs once at a time. One that was killed and is still there (uninterruptible) has failed
 * and is not run again by this agent: two of them at once could undo each other.
 *
 * Thread: the loop's. Nothing blocks but fork(2).
 */
#ifndef HM_AGENT_HOOKS_H
#define HM_AGENT_HOOKS_H

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

#include "base/error.h"

/* id, name in the configuration, when it runs */
#define HOOKS(X)                                                                                   \
    X(PROBE, "probe", "every heartbeat: could this site lead, is what runs here well?")            \
    X(PROMOTE, "promote", "after the documents of placement primary were started")                 \
    X(FENCE, "fence", "stop what the promote hook started; before the documents are stopped")      \
    X(FOLLOW, "follow",                                                                            \
      "another site serves now: follow it (replicate from it); again until it succeeds")           \
    X(RESYNC, "resync",                                                                            \
      "this site served before and may have diverged: catch up; it can't lead before")

enum hook {
#define HOOK_ENUM(id, name, when) HOOK_##id,
    HOOKS(HOOK_ENUM)
#undef HOOK_ENUM
        HOOK_COUNT,
};

enum {
    HOOK_LIMIT_MS = 10000,
    HOOK_OUTPUT_MAX = 16 * 1024
}; /* default limit; stdout, stderr each */

const char *hook_name(enum hook hook);

struct hook_command {
    char *const *argv; /* ends in NULL; NULL: no such hook. Borrowed for the life of the hooks */
    int64_t limit_ms;  /* 0: HOOK_LIMIT_MS */
};
struct hooks_options {
    uv_loop_t *loop;
    const char *site, *group; /* borrowed likewise */
    struct hook_command commands[HOOK_COUNT];
};

struct hook_context {
    uint64_t epoch;
    uint64_t from_epoch; /* promote: of the record that this site took over from; else: of the one
                          * that is stored, as last read. 0: none, or it can't be read */
    const char *leader;  /* "" when nobody leads, or it is unknown */
    const char *reason;  /* one sentence */
    const char *cgroup;  /* folder of the cgroup to run in, joined first; NULL: the agent's own */
};

/* `err` is NULL on success. `out` is what it wrote to stdout (bounded). */
typedef void (*hook_done)(void *data, const struct hm_error *err, const char *out, int64_t took_ns);

struct hooks;

struct hooks *hooks_new(const struct hooks_options *options);
/* Kills what runs; no `done` is called after it. The loop must run until the children are reaped.
 */
void hooks_free(struct hooks *hooks);

bool hooks_has(const struct hooks *hooks, enum hook hook);
int64_t hooks_limit_ms(const struct hooks *hooks, enum hook hook); /* its own; 0: there is none */
bool hooks_running(const struct hooks *hooks, enum hook hook);
bool hooks_stuck(const struct hooks *hooks, enum hook hook); /* was killed and is still there */

/*
 * Run it for at most the smaller of its limit and `limit_ms` (0: its limit alone). Returns 1 when
 * it runs (`done` follows, never from inside this call), 0 when none is configured (`done` is not
 * called), negative when it could not be started, runs already (HM_E_BUSY) or is stuck
 * (HM_E_REFUSED).
 */
int hooks_run(struct hooks *hooks, enum hook hook, const struct hook_context *context,
              int64_t limit_ms, hook_done done, void *data, struct hm_error *err);

/* Kill it if it runs; its `done` follows with an error. */
void hooks_kill(struct hooks *hooks, enum hook hook);

#endif
