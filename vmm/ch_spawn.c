/* Starting a VMM: forked twice, held at a gate, then executed (ch_process.h). */
#include <errno.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/spawn.h"
#include "vmm/ch_process.h"
#include "vmm/log_file.h"
#include "vmm/procfs.h"

enum {
    TERMINAL_FD = CH_TYPING_FD + 1, /* until it becomes stdin, as the next becomes stdout */
    CONSOLE_FD,
    FIRST_FREE,
    EXIT_NOT_STARTED = 127,
    EXEC_WAIT_MS = 10000, /* the program may be on a disk that is slow */
    TAIL_MAX = 600,
};

/* -- In the child: only what signal-safety(7) allows ------------------------------------------------ */

/* The agent's own is far from the default: a guest shall not be spared in its place. */
static void default_oom_score(void)
{
    int fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);
    if (fd < 0)
        return;
    ssize_t unused = write(fd, "0", 1);
    (void)unused;
    close(fd);
}

struct ends {
    int pid[2], go[2], verdict[2]; /* read, write */
    int terminal[2];               /* the end that is read, and the one that is typed on */
    int console, log;
};

/* While it waits it has the gate, the verdict and the log as 0-2, what will be its own, and nothing else: held copies
 * of another one's gate would keep that from closing. */
static void wait_at_gate(const struct ends *e)
{
    pid_t self = getpid();
    char go;
    ssize_t told = write(e->pid[1], &self, sizeof self);
    dup2(e->go[0], STDIN_FILENO);
    dup2(e->verdict[1], STDOUT_FILENO);
    dup2(e->log, STDERR_FILENO);
    dup2(e->terminal[1], CH_TYPING_FD);
    dup2(e->terminal[0], TERMINAL_FD);
    dup2(e->console, CONSOLE_FD);
    close_range(FIRST_FREE, ~0U, 0);
    if (told != (ssize_t)sizeof self || read(STDIN_FILENO, &go, 1) != 1)
        _exit(EXIT_NOT_STARTED);
}

static void become(char *const *argv, const struct ends *e) __attribute__((noreturn));
static void become(char *const *argv, const struct ends *e)
{
    static char *const environment[] = {(char *)"PATH=/usr/sbin:/usr/bin:/sbin:/bin", NULL};
    setsid();
    hm_default_signals();
    default_oom_score();
    wait_at_gate(e);
    int verdict = fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, FIRST_FREE);
    dup2(TERMINAL_FD, STDIN_FILENO);
    dup2(CONSOLE_FD, STDOUT_FILENO);
    close(TERMINAL_FD);
    close(CONSOLE_FD);
    execve(argv[0], argv, environment);
    int why = errno;
    ssize_t unused = write(verdict, &why, sizeof why);
    (void)unused;
    _exit(EXIT_NOT_STARTED);
}

/* -- In the parent -------------------------------------------------------------------------------- */

static void close_end(int *fd)
{
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
}

static void close_all(struct ends *e)
{
    for (int i = 0; i < 2; i++) {
        close_end(&e->pid[i]);
        close_end(&e->go[i]);
        close_end(&e->verdict[i]);
        close_end(&e->terminal[i]);
    }
    close_end(&e->console);
    close_end(&e->log);
}

/* The numbers below become the child's. -1: errno says why; `fd` is closed either way. */
static int move_up(int fd)
{
    int moved = fd < 0 ? -1 : fcntl(fd, F_DUPFD_CLOEXEC, FIRST_FREE), why = errno;
    if (fd >= 0)
        close(fd);
    errno = why;
    return moved;
}

static int move_both(int ends[2])
{
    ends[0] = move_up(ends[0]);
    ends[1] = move_up(ends[1]);
    return ends[0] < 0 || ends[1] < 0 ? -1 : 0;
}

static int open_pipe(int ends[2])
{
    return pipe2(ends, O_CLOEXEC) < 0 ? -1 : move_both(ends);
}

/* Whatever is typed passes as it is, without an echo. */
static bool make_raw(int terminal)
{
    struct termios mode;
    if (tcgetattr(terminal, &mode) < 0)
        return false;
    cfmakeraw(&mode);
    return tcsetattr(terminal, TCSANOW, &mode) == 0;
}

static bool try_terminal(int ends[2])
{
    ends[1] = posix_openpt(O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
    if (ends[1] < 0 || unlockpt(ends[1]) < 0)
        return false;
    ends[0] = ioctl(ends[1], TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC);
    return ends[0] >= 0 && make_raw(ends[0]);
}

/* That a host has no terminal left keeps no VM from running; nobody can type on it then. */
static int open_terminal(int ends[2])
{
    if (try_terminal(ends))
        return move_both(ends);
    close_end(&ends[0]);
    close_end(&ends[1]);
    ends[0] = open("/dev/null", O_RDONLY | O_CLOEXEC);
    ends[1] = open("/dev/null", O_WRONLY | O_CLOEXEC);
    return move_both(ends);
}

static int open_output(const char *path)
{
    return move_up(open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0600));
}

static int open_ends(const struct ch_spawn *spawn, struct ends *e)
{
    memset(e, -1, sizeof *e);
    if (open_pipe(e->pid) < 0 || open_pipe(e->go) < 0 || open_pipe(e->verdict) < 0 ||
        open_terminal(e->terminal) < 0)
        return -1;
    e->console = open_output(spawn->console);
    e->log = e->console < 0 ? -1 : open_output(spawn->log);
    return e->log < 0 ? -1 : 0;
}

/* The child ends at once; its own child is nobody's that this process would have to reap. */
static bool fork_twice(char *const *argv, const struct ends *e)
{
    sigset_t all, before;
    int status = 0;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    pid_t child = fork();
    if (child == 0) {
        pid_t vmm = fork();
        if (vmm == 0)
            become(argv, e);
        _exit(vmm < 0 ? EXIT_FAILURE : EXIT_SUCCESS);
    }
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    while (child > 0 && waitpid(child, &status, 0) < 0 && errno == EINTR)
        ;
    return child > 0 && status == 0;
}

int ch_spawn(const struct ch_spawn *spawn, struct ch_gate *ret, struct hm_error *err)
{
    struct ends e;
    struct ch_gate gate = {.go = -1, .verdict = -1};
    pid_t pid = 0;
    if (open_ends(spawn, &e) < 0) {
        int r = hm_fail(err, HM_E_IO, "cannot start %s (its log is %s, its console %s): %s",
                        spawn->argv[0], spawn->log, spawn->console, strerror(errno));
        close_all(&e);
        return r;
    }
    bool forked = fork_twice(spawn->argv, &e);
    close_end(&e.pid[1]);
    close_end(&e.verdict[1]);
    close_end(&e.go[0]);
    bool is_there = forked && read(e.pid[0], &pid, sizeof pid) == (ssize_t)sizeof pid &&
                    ch_pid_of(pid, &gate.pid);
    if (is_there) {
        gate.go = e.go[1];
        gate.verdict = e.verdict[0];
        e.go[1] = e.verdict[0] = -1;
        *ret = gate;
    }
    close_all(&e);
    return is_there
               ? 0
               : hm_fail(err, HM_E_PROCESS, "cannot start %s: no process for it", spawn->argv[0]);
}

void ch_gate_refuse(struct ch_gate *gate)
{
    close_end(&gate->go);
    close_end(&gate->verdict);
}

/* The end of the pipe without a word: its program runs, or it was ended by somebody. */
static int read_verdict(struct ch_gate *gate)
{
    int why = 0;
    if (!pidfd_wait(gate->verdict, EXEC_WAIT_MS))
        return ETIMEDOUT;
    return read(gate->verdict, &why, sizeof why) == (ssize_t)sizeof why ? why : 0;
}

int ch_gate_open(struct ch_gate *gate, const char *program, struct hm_error *err)
{
    bool sent = write(gate->go, "g", 1) == 1;
    int why = sent ? read_verdict(gate) : EPIPE;
    if (why == ETIMEDOUT)
        ch_pid_kill(&gate->pid, 0, NULL);
    ch_gate_refuse(gate);
    return why ? hm_fail(err, HM_E_PROCESS, "cannot start %s: %s", program, strerror(why)) : 0;
}

/* -- Its log -------------------------------------------------------------------------------------- */

char *ch_log_tail(const char *path)
{
    size_t len;
    char *text = log_end(path, TAIL_MAX, &len);
    while (len > 0 && (text[len - 1] == '\n' || text[len - 1] == ' '))
        len--;
    text[len] = '\0';
    for (char *c = text; *c; c++)
        if (*c == '\n' || *c == '\t')
            *c = ' ';
        else if ((unsigned char)*c < 0x20 || (unsigned char)*c >= 0x7f)
            *c = '?';
    return text;
}
