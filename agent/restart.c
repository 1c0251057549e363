#include "agent/restart.h"

#include <errno.h>
#include <linux/close_range.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agent/config.h"
#include "base/alloc.h"
#include "base/workq.h"

enum { PATH_BYTES_MAX = 4096, FIRST_FREE = STDERR_FILENO + 1 };

static struct {
    char program[PATH_BYTES_MAX];
    char *const *argv;
} self;

void restart_remember(char *const *argv)
{
    ssize_t len = readlink("/proc/self/exe", self.program, sizeof self.program - 1);
    self.program[len > 0 ? len : 0] = '\0';
    self.argv = argv;
}

/* -- Would it come up? --------------------------------------------------------- */

struct job {
    struct restart_check *owner;
    char *path;
    struct agent_config config; /* as it is on the disk */
    int result;
    struct hm_error err;
};

struct restart_check {
    struct hm_workq *queue;
    struct job *job;
    const struct agent_config *now;
    void (*done)(void *data, const struct hm_error *err);
    void *data;
};

static void job_free(void *data)
{
    struct job *job = data;
    config_clear(&job->config);
    free(job->path);
    free(job);
}

static void read_config(void *data)
{
    struct job *job = data;
    job->result = config_load(job->path, &job->config, &job->err);
}

/* By which the guardian, and the next agent, know what this one leads. */
static int check_same(const struct agent_config *now, const struct agent_config *then,
                      struct hm_error *err)
{
    const struct {
        const char *name, *now, *then;
    } fields[] = {
        {"site_id", now->site_id, then->site_id},
        {"state_dir", now->state_dir, then->state_dir},
        {"runtime_dir", now->runtime_dir, then->runtime_dir},
        {"failover.group", now->failover.group, then->failover.group},
        {"guardian.socket", now->guardian.socket, then->guardian.socket},
    };
    for (size_t i = 0; i < HM_COUNT(fields); i++)
        if (strcmp(fields[i].now, fields[i].then) != 0)
            return hm_fail(err, HM_E_CONFLICT,
                           "%s can't change in a restart in place (%s -> %s): stop the agent and "
                           "its guardian, then start both",
                           fields[i].name, fields[i].now, fields[i].then);
    return 0;
}

/* When it is late the worker may still be inside: all but the path is its own then. */
static void config_read(void *data, bool timed_out)
{
    struct job *job = data;
    struct restart_check *c = job->owner;
    struct hm_error err;
    int r;
    if (timed_out)
        r = hm_fail(&err, HM_E_TIMEOUT, "%s can't be read in time: its disk may hang", job->path);
    else if (job->result < 0) {
        r = job->result;
        err = job->err;
    } else
        r = check_same(c->now, &job->config, &err);
    c->done(c->data, r < 0 ? &err : NULL);
}

struct restart_check *restart_check_begin(uv_loop_t *loop, const char *config_path,
                                          const struct agent_config *now, int64_t deadline_ns,
                                          void (*done)(void *data, const struct hm_error *err),
                                          void *data)
{
    struct restart_check *c = hm_alloc(sizeof *c);
    *c = (struct restart_check){.now = now, .done = done, .data = data};
    c->queue = hm_workq_new(loop, "restart", 1, 1);
    c->job = hm_alloc(sizeof *c->job);
    *c->job = (struct job){.owner = c, .path = hm_strdup(config_path)};
    struct hm_job job = {.work = read_config,
                         .done = config_read,
                         .release = job_free,
                         .orphan = job_free,
                         .data = c->job,
                         .deadline_ns = deadline_ns};
    if (hm_workq_submit(c->queue, &job, NULL) < 0)
        abort(); /* it is empty */
    return c;
}

void restart_check_free(struct restart_check *c)
{
    if (!c)
        return;
    hm_workq_free(c->queue);
    free(c);
}

/* -- Now ----------------------------------------------------------------------- */

/* What would end the old agent while it turns into the new one is for the new one to hear. */
static const int held[] = {SIGHUP, SIGTERM, SIGINT};

static void hold_signals(int how)
{
    sigset_t set;
    sigemptyset(&set);
    for (size_t i = 0; i < HM_COUNT(held); i++)
        sigaddset(&set, held[i]);
    pthread_sigmask(how, &set, NULL);
}

void restart_signals_wanted(void)
{
    hold_signals(SIG_UNBLOCK);
}

/* What waits for the thread that executes anew waits for the new agent. */
static pthread_t executes;

static void hand_over(int signal_number)
{
    pthread_kill(executes, signal_number);
}

/* Threads of libraries are still there, block nothing, and are given what this one does not take. */
void restart_hold_signals(void)
{
    const struct sigaction to_this_thread = {.sa_handler = hand_over, .sa_flags = SA_RESTART};
    executes = pthread_self();
    hold_signals(SIG_BLOCK);
    for (size_t i = 0; i < HM_COUNT(held); i++)
        sigaction(held[i], &to_this_thread, NULL);
}

void restart_pass_on(int signal_number)
{
    restart_hold_signals();
    raise(signal_number);
}

int restart_now(struct hm_error *err)
{
    close_range(FIRST_FREE, ~0U, CLOSE_RANGE_CLOEXEC);
    execv(self.program, self.argv);
    return hm_fail(err, HM_E_PROCESS, "%s can't be executed anew: %s", self.program,
                   strerror(errno));
}
