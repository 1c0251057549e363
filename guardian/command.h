/*
 * The operator's commands of a plan, one after the other, each in a session of its own. One that does not
 * end is killed with its whole process group; while one can't be killed, no other is started. No
 * allocation. Thread: the loop's.
 */
#ifndef HM_GUARDIAN_COMMAND_H
#define HM_GUARDIAN_COMMAND_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "guardian/lease.h"
#include "guardian/plan.h"

struct command {
    pid_t pid;   /* 0: none runs */
    int pidfd;   /* of it: poll for POLLIN; -1 */
    size_t at;   /* in the plan: where the next one is looked for */
    bool killed; /* SIGKILL was sent */
};

enum command_result {
    COMMAND_RUNS,
    COMMAND_WORKED, /* all of them have exited with 0 */
    COMMAND_FAILED, /* one has not, or could not be started */
};

void command_init(struct command *c);

/* Start the plan's first command. FAILED too when one of an earlier fire still runs. */
enum command_result command_begin(struct command *c, const struct guard_plan *plan,
                                  const char *site, const char *group, struct epoch epoch);
/* Has it ended? Starts the next one when it has worked. */
enum command_result command_check(struct command *c, const struct guard_plan *plan,
                                  const char *site, const char *group, struct epoch epoch);
/* The one that runs is the last one: no further one is started. */
void command_is_last(struct command *c);
/* It has had its time. What it has started goes with it, unless that left its process group. */
void command_kill(struct command *c);

#endif
