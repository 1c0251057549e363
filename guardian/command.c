#include "guardian/command.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "guardian/log.h"
#include "guardian/procfs.h"

enum { NOT_EXECUTED = 127 };

/* What a hook of the agent is told, as far as the guardian knows it (docs/failover/hooks.md). */
struct environment {
    char site[GUARD_NAME_MAX + 16], group[GUARD_NAME_MAX + 16], epoch[48], generation[48];
    char *pointers[8];
};

static void fill_environment(struct environment *e, const char *site, const char *group,
                             struct epoch epoch)
{
    static char path[] = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
    static char reason[] = "HARMONY_REASON=guardian-fired";
    snprintf(e->site, sizeof e->site, "HARMONY_SITE=%s", site);
    snprintf(e->group, sizeof e->group, "HARMONY_GROUP=%s", group);
    snprintf(e->epoch, sizeof e->epoch, "HARMONY_EPOCH=%" PRIu64, epoch.epoch);
    snprintf(e->generation, sizeof e->generation, "HARMONY_GENERATION=%" PRIu64, epoch.generation);
    char *all[] = {path, reason, e->site, e->group, e->epoch, e->generation, NULL};
    memcpy(e->pointers, all, sizeof all);
}

/* In the child, which may only do what is safe between fork(2) and execve(2). */
static _Noreturn void execute(const struct plan_entry *e, char **environment)
{
    sigset_t none;
    sigemptyset(&none);
    setsid();
    for (int s = 1; s < NSIG; s++)
        signal(s, SIG_DFL);
    sigprocmask(SIG_SETMASK, &none, NULL);
    file_write(AT_FDCWD, "/proc/self/oom_score_adj", "0");
    int null = open("/dev/null", O_RDWR);
    dup2(null, STDIN_FILENO);
    dup2(STDERR_FILENO, STDOUT_FILENO);
    syscall(SYS_close_range, 3, ~0u, 0);
    execve(e->word[0], (char **)(uintptr_t)e->word, environment);
    _exit(NOT_EXECUTED);
}

static bool start(struct command *c, const struct plan_entry *e, char **environment)
{
    pid_t pid = fork();
    if (pid == 0)
        execute(e, environment);
    if (pid < 0) {
        say(LOG_ERROR, "%s can't be run: %s", e->word[0], strerror(errno));
        return false;
    }
    c->pid = pid;
    c->killed = false;
    c->pidfd = process_open(pid); /* not waited for yet, so it is this one */
    say(LOG_WARN, "runs %s", e->word[0]);
    return true;
}

void command_init(struct command *c)
{
    *c = (struct command){.pidfd = -1};
}

static enum command_result start_next(struct command *c, const struct guard_plan *plan,
                                      const char *site, const char *group, struct epoch epoch)
{
    struct environment environment;
    struct plan_entry e;
    if (!plan_next_of(plan, GUARD_COMMAND, &c->at, &e))
        return COMMAND_WORKED;
    fill_environment(&environment, site, group, epoch);
    return start(c, &e, environment.pointers) ? COMMAND_RUNS : COMMAND_FAILED;
}

enum command_result command_begin(struct command *c, const struct guard_plan *plan,
                                  const char *site, const char *group, struct epoch epoch)
{
    if (c->pid) {
        say(LOG_ERROR, "the command of an earlier fire can't be killed: none is run now");
        return COMMAND_FAILED;
    }
    c->at = 0;
    return start_next(c, plan, site, group, epoch);
}

/* False while it runs. */
static bool reap(struct command *c, bool *worked)
{
    siginfo_t info = {0};
    if (waitid(P_PID, (id_t)c->pid, &info, WEXITED | WNOHANG) == 0 && info.si_pid == 0)
        return false;
    *worked = info.si_code == CLD_EXITED && info.si_status == 0 && !c->killed;
    if (!*worked)
        say(LOG_ERROR, "the command has failed: %s %d",
            info.si_code == CLD_EXITED ? "exit code" : "signal", info.si_status);
    if (c->pidfd >= 0)
        close(c->pidfd);
    c->pid = 0;
    c->pidfd = -1;
    return true;
}

enum command_result command_check(struct command *c, const struct guard_plan *plan,
                                  const char *site, const char *group, struct epoch epoch)
{
    bool worked = false;
    if (c->pid && !reap(c, &worked))
        return COMMAND_RUNS;
    return worked ? start_next(c, plan, site, group, epoch) : COMMAND_FAILED;
}

void command_is_last(struct command *c)
{
    c->at = SIZE_MAX;
}

void command_kill(struct command *c)
{
    if (!c->pid || c->killed)
        return;
    say(LOG_ERROR, "the command has not ended in time, and is killed");
    c->killed = true;
    kill(-c->pid, SIGKILL); /* not waited for yet, so the group is still its own */
    kill(c->pid, SIGKILL);  /* before its setsid() */
}
