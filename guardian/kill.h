/*
 * One look at everything that is to be killed: the epochs' cgroups and the plan's names. What is found
 * gets SIGKILL at once; nothing is waited for. A process that was found is looked for by pid and start
 * time until it is dead, even when it no longer shows its name. No allocation.
 * Thread: one at a time (a worker's; reading a stuck process's command line may block).
 */
#ifndef HM_GUARDIAN_KILL_H
#define HM_GUARDIAN_KILL_H

#include "guardian/cgroup.h"
#include "guardian/plan.h"

enum { KILL_FOUND_MAX = 512 };

struct killing {
    struct {
        int32_t pid;
        uint64_t start;
    } found[KILL_FOUND_MAX];
    unsigned count;
};

/* `spare`: a process that is not touched though it may carry a name (the command that runs); 0: none.
 * `keep`: the epoch's cgroup that stays. Returns how much is left: 0 is verified. */
unsigned kill_all(struct killing *k, const struct guard_plan *plan, const struct cgroups *cgroups,
                  const char *keep, int32_t spare);

/* Walks a command line word by word. Returns true once some PROCESS entry of `plan` matches. */
struct words {
    char last[GUARD_WORD_MAX + 1], word[GUARD_WORD_MAX + 1];
    size_t len;
    bool too_long;
};
bool kill_matches(const struct guard_plan *plan, struct words *w, const char *bytes, size_t len);

#endif
