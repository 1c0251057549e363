#include "agent/guard_launch.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "base/spawn.h"

#define PROGRAM  "harmony-guardian"
#define PAUSE_NS (1000 * HM_MS)

enum { FIRST_FREE = STDERR_FILENO + 1, LINK_MAX_BYTES = 4096 };

/* systemd says so to the process that it starts itself, not to what that starts. */
static bool is_unit_of_systemd(void)
{
    const char *pid = getenv("SYSTEMD_EXEC_PID");
    return pid && strtol(pid, NULL, 10) == (long)getpid();
}

bool guard_is_ours_to_launch(const struct agent_config *c)
{
    return c->guardian.start == GUARDIAN_START_AGENT ||
           (c->guardian.start == GUARDIAN_START_AUTO && !is_unit_of_systemd());
}

/* -- The program -------------------------------------------------------------- */

/* `folder` is `len` bytes long. */
static char *program_in(const char *folder, size_t len)
{
    char *path = hm_printf("%.*s/%s", (int)len, folder, PROGRAM);
    if (len > 0 && access(path, X_OK) == 0)
        return path;
    free(path);
    return NULL;
}

static char *beside_this_program(void)
{
    char self[LINK_MAX_BYTES];
    ssize_t len = readlink("/proc/self/exe", self, sizeof self);
    while (len > 0 && self[len - 1] != '/')
        len--;
    return len > 1 ? program_in(self, (size_t)len - 1) : NULL;
}

static char *program_on(const char *path)
{
    char *found = NULL;
    while (path && *path && !found) {
        size_t len = strcspn(path, ":");
        found = program_in(path, len);
        path += len + (path[len] == ':');
    }
    return found;
}

char *guard_program(void)
{
    char *found = beside_this_program();
    return found ? found : program_on(getenv("PATH"));
}

/* -- Starting it -------------------------------------------------------------- */

/* In the child's child: only what signal-safety(7) allows. */
static void become(char *const *argv, int output) __attribute__((noreturn));
static void become(char *const *argv, int output)
{
    int null = open("/dev/null", O_RDWR);
    dup2(null, STDIN_FILENO);
    dup2(output, STDOUT_FILENO);
    dup2(output, STDERR_FILENO);
    close_range(FIRST_FREE, ~0U, CLOSE_RANGE_CLOEXEC);
    hm_default_signals();
    execv(argv[0], argv);
    _exit(EXIT_FAILURE);
}

/* The child ends at once; its own child is nobody's that this process would have to reap. */
static int start(char *const *argv, int output, struct hm_error *err)
{
    sigset_t all, before;
    int status = 0;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    pid_t child = fork();
    if (child == 0) {
        setsid();
        pid_t guardian = fork();
        if (guardian == 0)
            become(argv, output);
        _exit(guardian < 0 ? EXIT_FAILURE : EXIT_SUCCESS);
    }
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (child > 0 && waitpid(child, &status, 0) == child && status == 0)
        return 0;
    return hm_fail(err, HM_E_PROCESS, "cannot start %s: no process for it", argv[0]);
}

static int open_output(const struct agent_config *c)
{
    HM_AUTOFREE char *path = hm_printf("%s/guardian.log", c->runtime_dir);
    int fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0600);
    return fd >= 0 ? fd : open("/dev/null", O_WRONLY | O_CLOEXEC);
}

enum { ARGV_MAX = 12 };

/* The configuration's texts. */
static void make_argv(const struct agent_config *c, char *program, char *ret[ARGV_MAX])
{
    char *const argv[ARGV_MAX] = {program,
                                  (char *)"--socket",
                                  c->guardian.socket,
                                  (char *)"--site",
                                  c->site_id,
                                  (char *)"--group",
                                  c->failover.group,
                                  (char *)"--state",
                                  c->runtime_dir,
                                  c->guardian.cgroup ? (char *)"--cgroup" : NULL,
                                  c->guardian.cgroup,
                                  NULL};
    memcpy(ret, argv, sizeof argv);
}

static int start_program(const struct agent_config *c, char *program, struct hm_error *err)
{
    char *argv[ARGV_MAX];
    make_argv(c, program, argv);
    int output = open_output(c);
    int r = start(argv, output, err);
    if (output >= 0)
        close(output);
    return r;
}

static int find_program(char **ret, struct hm_error *err)
{
    *ret = guard_program();
    if (*ret)
        return 0;
    return hm_fail(err, HM_E_NOT_FOUND,
                   "there is no " PROGRAM " beside harmonyd or in PATH: install it; this site "
                   "can't lead without one");
}

int guard_become(const struct agent_config *c, struct hm_error *err)
{
    char *argv[ARGV_MAX];
    HM_AUTOFREE char *program = NULL;
    int r = find_program(&program, err);
    if (r >= 0)
        r = hm_mkdirs(c->runtime_dir, 0755, err);
    if (r < 0)
        return r;
    make_argv(c, program, argv);
    execv(program, argv);
    return hm_fail(err, HM_E_PROCESS, "%s can't be executed: %s", program, strerror(errno));
}

int guard_launch(const struct agent_config *c, int64_t *last, struct hm_error *err)
{
    int64_t now = hm_boottime_ns();
    if (*last && now - *last < PAUSE_NS)
        return 0;
    *last = now;
    HM_AUTOFREE char *program = NULL;
    int r = find_program(&program, err);
    if (r >= 0)
        r = start_program(c, program, err);
    if (r >= 0)
        hm_log(HM_LOG_INFO, "guardian", "started %s; it writes to %s/guardian.log", program,
               c->runtime_dir);
    return r;
}
