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

/* What the PROCESS entries of a plan look for. Few options have many values (-uuid, for each VM), and
 * most words of a command line follow none of them: only those are compared with all. */
enum { KILL_OPTIONS_MAX = 16 };
struct names {
    const struct guard_plan *plan;
    const char *option[KILL_OPTIONS_MAX]; /* each once; in the plan */
    unsigned count;
    bool too_many; /* there are more: each word is compared with all */
};
void kill_names(struct names *ret, const struct guard_plan *plan);

/* Walks a command line word by word. Returns true once one of the names matches. */
struct words {
    char last[GUARD_WORD_MAX + 1], word[GUARD_WORD_MAX + 1];
    size_t len;
    bool too_long;
};
bool kill_matches(const struct names *names, struct words *w, const char *bytes, size_t len);

#endif
