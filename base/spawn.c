#include "base/spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

enum { OUT, ERR, VERDICT, PIPES, FIRST_FREE = STDERR_FILENO + 1, EXIT_NOT_STARTED = 127 };

struct pipes {
    int ends[PIPES][2]; /* read, write; -1: closed */
};

static void close_end(int *fd)
{
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
}

static void close_ends(struct pipes *pipes, int side)
{
    for (int i = 0; i < PIPES; i++)
        close_end(&pipes->ends[i][side]);
}

/* Above 0-2, which the child's are put onto: an agent may have been started with one of them closed. */
static int move_up(int *fd)
{
    int moved = fcntl(*fd, F_DUPFD_CLOEXEC, FIRST_FREE);
    if (moved < 0)
        return -1;
    close(*fd);
    *fd = moved;
    return 0;
}

static int open_pipes(struct pipes *pipes)
{
    memset(pipes, -1, sizeof *pipes);
    for (int i = 0; i < PIPES; i++) {
        int *ends = pipes->ends[i];
        if (pipe2(ends, O_CLOEXEC) < 0 || move_up(&ends[0]) < 0 || move_up(&ends[1]) < 0)
            return -1;
    }
    return fcntl(pipes->ends[VERDICT][0], F_SETFL, O_NONBLOCK);
}

/* -- In the child: only what signal-safety(7) allows --------------------------- */

void hm_default_signals(void)
{
    struct sigaction by_default = {.sa_handler = SIG_DFL};
    sigset_t none;
    for (int s = 1; s < NSIG; s++)
        sigaction(s, &by_default, NULL); /* fails for SIGKILL and SIGSTOP: as wanted */
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
}

static void take_descriptors(const struct pipes *pipes)
{
    int null = open("/dev/null", O_RDONLY);
    dup2(null, STDIN_FILENO);
    dup2(pipes->ends[OUT][1], STDOUT_FILENO);
    dup2(pipes->ends[ERR][1], STDERR_FILENO);
    /* Libraries open sockets without O_CLOEXEC; a child that lives on must not hold them open. */
    close_range(FIRST_FREE, ~0U, CLOSE_RANGE_CLOEXEC);
}

/* 0: whoever writes it. */
static int join_cgroup(int join)
{
    return join < 0 || write(join, "0", 1) == 1 ? 0 : -1;
}

static void become(char *const *argv, char *const *envp, int join, const struct pipes *pipes)
    __attribute__((noreturn));
static void become(char *const *argv, char *const *envp, int join, const struct pipes *pipes)
{
    setsid();
    hm_default_signals();
    int joined = join_cgroup(join);
    int why = errno;
    take_descriptors(pipes);
    if (joined == 0) {
        execvpe(argv[0], argv, envp);
        why = errno;
    }
    ssize_t unused = write(pipes->ends[VERDICT][1], &why, sizeof why);
    (void)unused;
    _exit(EXIT_NOT_STARTED);
}

/* -- In the parent ------------------------------------------------------------- */

/* No handler of ours may run in the child before it has reset them. */
static pid_t fork_with_signals_blocked(char *const *argv, char *const *envp, int join,
                                       const struct pipes *pipes)
{
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    pid_t pid = fork();
    if (pid == 0)
        become(argv, envp, join, pipes);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return pid;
}

static int fail(const char *program, struct pipes *pipes, struct hm_error *err)
{
    int why = errno;
    close_ends(pipes, 0);
    close_ends(pipes, 1);
    return hm_fail(err, HM_E_PROCESS, "cannot start %s: %s", program, strerror(why));
}

int hm_spawn(char *const *argv, char *const *envp, int join, struct hm_spawned *ret,
             struct hm_error *err)
{
    struct pipes pipes;
    if (open_pipes(&pipes) < 0)
        return fail(argv[0], &pipes, err);
    pid_t pid = fork_with_signals_blocked(argv, envp, join, &pipes);
    if (pid < 0)
        return fail(argv[0], &pipes, err);
    close_ends(&pipes, 1);
    *ret = (struct hm_spawned){.pid = pid,
                               .out = pipes.ends[OUT][0],
                               .err = pipes.ends[ERR][0],
                               .verdict = pipes.ends[VERDICT][0]};
    return 0;
}

int hm_spawn_errno(const struct hm_spawned *spawned)
{
    int why;
    return read(spawned->verdict, &why, sizeof why) == (ssize_t)sizeof why ? why : 0;
}
