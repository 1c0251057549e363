/* harmony-guardian: ends the workload at the lease's deadline, whatever becomes of the agent. */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "guardian/clock.h"
#include "guardian/fence.h"
#include "guardian/log.h"
#include "guardian/loop.h"
#include "guardian/procfs.h"
#include "guardian/realtime.h"
#include "guardian/talk.h"
#include "guardian/upgrade.h"

enum { EXIT_RUNTIME = 1, EXIT_USAGE = 2, GO_ON = -1 };

static const char usage[] =
    "usage: harmony-guardian --socket PATH --site NAME --group NAME --state DIR [--cgroup DIR]\n"
    "\n"
    "Ends this host's workload at the deadline of its lease, also when the agent can't.\n"
    "\n"
    "  --socket PATH      where the agent finds it (runtime_dir/guardian.sock)\n"
    "  --site NAME        the agent's site_id\n"
    "  --group NAME       the failover group\n"
    "  --state DIR        a folder for its lock and the plan; on a tmpfs (runtime_dir)\n"
    "  --cgroup DIR       make the workload's cgroups here; default: below the guardian's own\n"
    "  --log-level LEVEL  error, warn, info (default) or debug\n"
    "  --version          print the version and exit\n"
    "  --help             print this and exit\n"
    "\n"
    "SIGTERM: end, once nothing is armed any more. SIGHUP: execute the program anew, keeping\n"
    "everything. exit codes: 0 ended as asked, 1 failed, or what it fired at may still run,\n"
    "2 wrong usage\n";

static struct guardian guardian;
static struct options options = {.resume_fd = -1};

/* -- The command line ---------------------------------------------------------- */

static bool take_number(const char *text, int *ret)
{
    uint64_t n = 0;
    if (!plan_number_parse(text, &n) || n > INT32_MAX)
        return false;
    *ret = (int)n;
    return true;
}

static bool take_option(int o, const char *value)
{
    enum log_level level;
    switch (o) {
    case 's':
        options.socket = value;
        return true;
    case 'n':
        options.site = value;
        return message_is_name(value);
    case 'g':
        options.group = value;
        return message_is_name(value);
    case 'd':
        options.state = value;
        return true;
    case 'c':
        options.cgroup = value;
        return *value == '/';
    case 'R':
        return take_number(value, &options.resume_fd);
    default:
        if (!log_level_from_name(value, &level))
            return false;
        log_setup(level);
        return true;
    }
}

static int parse_arguments(int argc, char **argv)
{
    static const struct option known[] = {
        {"socket", required_argument, NULL, 's'}, {"site", required_argument, NULL, 'n'},
        {"group", required_argument, NULL, 'g'},  {"state", required_argument, NULL, 'd'},
        {"cgroup", required_argument, NULL, 'c'}, {"log-level", required_argument, NULL, 'l'},
        {"resume", required_argument, NULL, 'R'}, {"version", no_argument, NULL, 'V'},
        {"help", no_argument, NULL, 'h'},         {NULL, 0, NULL, 0},
    };
    int o;
    while ((o = getopt_long(argc, argv, "h", known, NULL)) != -1) {
        if (o == 'V') {
            puts("harmony-guardian " HM_VERSION);
            return 0;
        }
        if (o == 'h' || o == '?' || !take_option(o, optarg)) {
            fputs(usage, o == 'h' ? stdout : stderr);
            return o == 'h' ? 0 : EXIT_USAGE;
        }
    }
    options.argv = argv;
    if (options.socket && options.site && options.group && options.state && optind == argc)
        return GO_ON;
    fputs(usage, stderr);
    return EXIT_USAGE;
}

/* -- Starting ------------------------------------------------------------------ */

static int failed(const char *what, const char *which)
{
    say(LOG_ERROR, "%s %s: %s", what, which, strerror(errno));
    return EXIT_RUNTIME;
}

/* Where this is not permitted it works all the same, only later on a busy host. */
static void become_realtime(void)
{
    if (realtime_lock_memory() < 0)
        say(LOG_WARN, "memory can't be locked (%s): may be late when the host swaps",
            strerror(errno));
    if (realtime_schedule() < 0)
        say(LOG_WARN, "SCHED_FIFO is not permitted (%s): may be late on a busy host",
            strerror(errno));
    if (file_write(AT_FDCWD, "/proc/self/oom_score_adj", "-1000") < 0)
        say(LOG_WARN, "can't be kept from the OOM killer: %s", strerror(errno));
}

/* FNV-1a: tells the guardians of one host apart. */
static uint32_t hash(uint32_t h, const char *text)
{
    do {
        h = (h ^ (unsigned char)*text) * 16777619u;
    } while (*text++);
    return h;
}

static int open_cgroups(struct guardian *g)
{
    char why[GUARD_PATH_MAX + 1];
    uint32_t key = hash(hash(2166136261u, options.site), options.state);
    if (cgroups_open(&g->cgroups, options.cgroup, options.group, key, why) < 0) {
        say(LOG_ERROR, "%s", why);
        return EXIT_RUNTIME;
    }
    if (!g->cgroups.holds)
        say(LOG_WARN, "can't hold what hooks start: %s", why);
    return GO_ON;
}

/* "A guardian that finds the plan of one that died ends everything in it at once." */
static void find_what_was_left(struct guardian *g)
{
    struct kept kept;
    int64_t now = clock_boot_ns();
    struct held *h = &g->held;
    h->ending = true;
    g->ended_ns = g->look_ns = now;
    switch (keep_read(&g->keep, &kept, &h->plan)) {
    case KEEP_NOTHING:
        plan_make_empty(&h->plan.plan);
        break;
    case KEEP_DAMAGED:
        plan_make_empty(&h->plan.plan);
        say(LOG_ERROR, "the plan in %s is damaged: only the epochs' cgroups are ended",
            options.state);
        break;
    case KEEP_PLAN:
        h->lease = kept.lease;
        if (strcmp(kept.cgroup, g->cgroups.path) != 0)
            memcpy(h->old_cgroup, kept.cgroup, sizeof h->old_cgroup);
        /* The dead one's watchdog is running: fed until the ladder has ended. */
        if (kept.lease.armed && fence_feed(g, &h->plan.plan, now) < 0)
            say(LOG_ERROR, "the plan's watchdog can't be opened: %s", strerror(errno));
        fence_fire(g, now, "a guardian died, and left its plan");
        break;
    }
}

static int begin_anew(struct guardian *g)
{
    if (keep_open(&g->keep, options.state) < 0)
        return failed(errno == EWOULDBLOCK ? "another guardian has the folder"
                                           : "can't use the folder",
                      options.state);
    int code = open_cgroups(g);
    if (code != GO_ON)
        return code;
    if (talk_listen(&g->talk, options.socket) < 0)
        return failed(errno == EADDRINUSE ? "another guardian listens at" : "can't listen at",
                      options.socket);
    if (getrandom(&g->held.instance, sizeof g->held.instance, 0) < 0)
        return failed("no random number from", "the kernel");
    find_what_was_left(g);
    return GO_ON;
}

/* Else a socket could become fd 2, and be sent the log. */
static void fill_standard_descriptors(void)
{
    int fd;
    do {
        fd = open("/dev/null", O_RDWR | O_CLOEXEC);
    } while (fd >= 0 && fd <= STDERR_FILENO);
    if (fd >= 0)
        close(fd);
}

static int start(struct guardian *g)
{
    g->options = &options;
    fill_standard_descriptors();
    if (process_start_time(getpid()) == PROCESS_UNKNOWN ||
        process_start_time(getpid()) == PROCESS_DEAD)
        return failed("can't see processes in", "/proc");
    talk_init(&g->talk);
    command_init(&g->command);
    watchdog_init(&g->watchdog);
    g->cgroups.fd = -1;
    g->command_by_ns = GUARD_NEVER;
    bool resumed = options.resume_fd >= 0 && upgrade_resume(g);
    fence_begin(g, clock_boot_ns()); /* an upgrade goes on at once */
    become_realtime();
    if (upgrade_init(g) < 0 || loop_open(g) < 0 || fence_start_workers(g) < 0)
        return failed("can't start", "its parts");
    int code = resumed ? GO_ON : begin_anew(g);
    if (code == GO_ON)
        say(LOG_INFO, "%s for %s/%s at %s", resumed ? "goes on" : "is here", options.site,
            options.group, options.socket);
    return code;
}

/* -- Ending -------------------------------------------------------------------- */

/* What could not be ended stays on file for the next one. */
static int finish(struct guardian *g)
{
    const struct held *h = &g->held;
    bool clean = h->ladder.mode == LADDER_REST ? !h->ending : h->ladder.verified;
    unlink(options.socket);
    if (clean) {
        keep_remove(&g->keep);
        watchdog_close(&g->watchdog);
        cgroups_close(&g->cgroups);
    }
    say(clean ? LOG_INFO : LOG_ERROR, "has ended%s", clean ? "" : "; something may still run");
    return clean ? 0 : EXIT_RUNTIME;
}

int main(int argc, char **argv)
{
    int code = parse_arguments(argc, argv);
    if (code == GO_ON)
        code = start(&guardian);
    if (code != GO_ON)
        return code;
    loop_run(&guardian);
    return finish(&guardian);
}
