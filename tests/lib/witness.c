/*
 * The witness: a workload that leaves evidence. It appends (BOOTTIME, epoch, site) every 2 ms to
 * DIR/SITE.records, so outage and overlap of a failover are read from what served, never from what
 * the agent believes. Hooks start it on promotion and stop it on fencing.
 *
 *   witness start --dir DIR [--site SITE --epoch N]  0 once the first record is written; by
 *                                                    default what a hook is told: HARMONY_SITE,
 *                                                    HARMONY_EPOCH
 *   witness stop --dir DIR                           0 only if none runs (any more)
 *   witness report FILE...                           outage and overlap as JSON
 *
 * One witness runs per DIR. It holds a lock on DIR/lock, which the kernel drops when it is gone: so
 * `stop` finds the process without a pid file, can't hit a recycled pid, and sees its end.
 * It links nothing of harmony.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum {
    PERIOD_NS = 2 * 1000 * 1000,
    RECORD_SIZE = 64, /* "%019d %010u %-32s\n": all records are as long, and readable */
    SITE_MAX = 32,
    STOP_LIMIT_MS = 2000,
    PATH_LIMIT = 1024,
};
/* A silence longer than this ends an interval of service: a stopped process does not serve. */
static const int64_t SERVING_GAP_NS = 50 * 1000 * 1000;

static void die(const char *fmt, ...) __attribute__((format(printf, 1, 2), noreturn));
static void die(const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    fputs("witness: ", stderr);
    vfprintf(stderr, fmt, args);
    fputc('\n', stderr);
    va_end(args);
    exit(1);
}

static int64_t boottime_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_BOOTTIME, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

static void sleep_ns(int64_t ns)
{
    struct timespec wait = {.tv_sec = ns / 1000000000, .tv_nsec = ns % 1000000000};
    nanosleep(&wait, NULL);
}

static int open_in(const char *dir, const char *name, int flags)
{
    char path[PATH_LIMIT];
    if (snprintf(path, sizeof(path), "%s/%s", dir, name) >= (int)sizeof(path))
        die("path is too long: %s", dir);
    int fd = open(path, flags | O_CLOEXEC, 0644);
    if (fd < 0)
        die("%s: %s", path, strerror(errno));
    return fd;
}

/* -- start ------------------------------------------------------------------------------------- */

static bool take_lock(int fd)
{
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    return fcntl(fd, F_SETLK, &lock) == 0;
}

static void write_record(int fd, const char *site, uint64_t epoch)
{
    char record[RECORD_SIZE + 1];
    snprintf(record, sizeof(record), "%019" PRId64 " %010" PRIu64 " %-*s\n", boottime_ns(), epoch,
             SITE_MAX, site);
    if (write(fd, record, RECORD_SIZE) != RECORD_SIZE)
        _exit(1); /* disk full: half a record would be false evidence */
}

static void leave_terminal(void)
{
    setsid();
    int null = open("/dev/null", O_RDWR);
    for (int fd = 0; fd <= 2; fd++)
        dup2(null, fd);
    if (null > 2)
        close(null);
}

/* The child: never returns. One byte into `ready` says that it serves. */
static void serve(const char *dir, const char *site, uint64_t epoch, int ready)
    __attribute__((noreturn));
static void serve(const char *dir, const char *site, uint64_t epoch, int ready)
{
    char name[SITE_MAX + sizeof(".records")];
    snprintf(name, sizeof(name), "%s.records", site);
    int lock = open_in(dir, "lock", O_RDWR | O_CREAT);
    if (!take_lock(lock))
        die("one runs in %s already: stop it first", dir);
    int records = open_in(dir, name, O_WRONLY | O_CREAT | O_APPEND);
    write_record(records, site, epoch);
    if (write(ready, "", 1) != 1)
        die("its starter is gone");
    close(ready);
    leave_terminal();
    for (;;) {
        sleep_ns(PERIOD_NS);
        write_record(records, site, epoch);
    }
}

static int start(const char *dir, const char *site, const char *epoch_text)
{
    char *end;
    errno = 0;
    uint64_t epoch = strtoull(epoch_text, &end, 10);
    if (errno || *end || end == epoch_text || epoch > 9999999999)
        die("--epoch %s is not a number", epoch_text);
    if (!*site || strlen(site) > SITE_MAX || strpbrk(site, "/ \n\""))
        die("--site %s: a name of at most %d characters is needed", site, SITE_MAX);
    int ready[2];
    if (pipe2(ready, O_CLOEXEC))
        die("pipe: %s", strerror(errno));
    pid_t child = fork();
    if (child < 0)
        die("fork: %s", strerror(errno));
    if (child == 0) {
        close(ready[0]);
        serve(dir, site, epoch, ready[1]);
    }
    close(ready[1]);
    char byte;
    return read(ready[0], &byte, 1) == 1 ? 0 : 1;
}

/* -- stop -------------------------------------------------------------------------------------- */

/* The process that holds the lock, or 0. */
static pid_t holder(int fd)
{
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    if (fcntl(fd, F_GETLK, &lock))
        die("lock: %s", strerror(errno));
    if (lock.l_type == F_UNLCK)
        return 0;
    if (lock.l_pid <= 0)
        die("one runs outside of this pid namespace and can't be stopped from here");
    return lock.l_pid;
}

static int stop(const char *dir)
{
    int lock = open_in(dir, "lock", O_RDWR | O_CREAT);
    int64_t give_up = boottime_ns() + (int64_t)STOP_LIMIT_MS * 1000000;
    for (pid_t pid; (pid = holder(lock)) != 0; sleep_ns(200 * 1000)) {
        if (kill(pid, SIGKILL) && errno != ESRCH)
            die("kill %d: %s", (int)pid, strerror(errno));
        if (boottime_ns() > give_up)
            die("process %d did not end within %d ms", (int)pid, STOP_LIMIT_MS);
    }
    return 0;
}

/* -- report ------------------------------------------------------------------------------------ */

/* One site serving in one epoch, without a silence. */
struct interval {
    char site[SITE_MAX + 1];
    uint64_t epoch;
    int64_t first_ns, last_ns, longest_gap_ns;
    uint64_t records;
};

struct history {
    struct interval *items;
    size_t count;
};

static struct interval *add_interval(struct history *h)
{
    h->items = realloc(h->items, (h->count + 1) * sizeof(*h->items));
    if (!h->items)
        die("out of memory");
    return &h->items[h->count++];
}

/* `mine`: intervals of the file being read start here; the last one may go on. */
static void add_record(struct history *h, size_t mine, const struct interval *seen)
{
    struct interval *last = h->count > mine ? &h->items[h->count - 1] : NULL;
    int64_t gap = last ? seen->first_ns - last->last_ns : 0;
    if (!last || last->epoch != seen->epoch || strcmp(last->site, seen->site) != 0 ||
        gap > SERVING_GAP_NS) {
        *add_interval(h) = *seen;
        return;
    }
    last->last_ns = seen->last_ns;
    last->records++;
    if (gap > last->longest_gap_ns)
        last->longest_gap_ns = gap;
}

static void read_records(struct history *h, const char *path)
{
    FILE *file = fopen(path, "re");
    if (!file)
        die("%s: %s", path, strerror(errno));
    size_t mine = h->count;
    char line[RECORD_SIZE + 1];
    for (size_t n = 1; fread(line, RECORD_SIZE, 1, file) == 1; n++) {
        line[RECORD_SIZE] = 0;
        struct interval seen = {.records = 1};
        if (sscanf(line, "%" SCNd64 " %" SCNu64 " %32s", &seen.first_ns, &seen.epoch, seen.site) !=
                3 ||
            line[RECORD_SIZE - 1] != '\n')
            die("%s: record %zu is damaged", path, n);
        seen.last_ns = seen.first_ns;
        add_record(h, mine, &seen);
    }
    fclose(file);
}

static int by_start(const void *a, const void *b)
{
    const struct interval *x = a, *y = b;
    return (x->first_ns > y->first_ns) - (x->first_ns < y->first_ns);
}

static double ms(int64_t ns)
{
    return (double)ns / 1e6;
}

static void print_intervals(const struct history *h)
{
    printf("  \"intervals\": [");
    for (size_t i = 0; i < h->count; i++) {
        const struct interval *v = &h->items[i];
        printf("%s\n    {\"site\": \"%s\", \"epoch\": %" PRIu64 ", \"first_ns\": %" PRId64
               ", \"last_ns\": %" PRId64 ", \"records\": %" PRIu64 ", \"longest_gap_ms\": %.3f}",
               i ? "," : "", v->site, v->epoch, v->first_ns, v->last_ns, v->records,
               ms(v->longest_gap_ns));
    }
    printf("\n  ],\n");
}

/* In order of their starts: how long nobody served before each one, and how long two did. */
static void print_handovers(const struct history *h)
{
    int64_t served_until = 0, covered_until = 0, outage = 0, overlap = 0;
    size_t before = 0; /* the interval that served last */
    printf("  \"handovers\": [");
    for (size_t i = 0; i < h->count; i++) {
        const struct interval *from = &h->items[before], *to = &h->items[i];
        if (i > 0) {
            int64_t silent = to->first_ns > served_until ? to->first_ns - served_until : 0;
            int64_t start = to->first_ns > covered_until ? to->first_ns : covered_until;
            int64_t end = to->last_ns < served_until ? to->last_ns : served_until;
            int64_t both = end > start ? end - start : 0;
            covered_until = end > covered_until ? end : covered_until;
            printf("%s\n    {\"from\": \"%s\", \"from_epoch\": %" PRIu64 ", \"to\": \"%s\", "
                   "\"to_epoch\": %" PRIu64 ", \"at_ns\": %" PRId64
                   ", \"outage_ms\": %.3f, \"overlap_ms\": %.3f}",
                   i > 1 ? "," : "", from->site, from->epoch, to->site, to->epoch, to->first_ns,
                   ms(silent), ms(both));
            outage = silent > outage ? silent : outage;
            overlap += both;
        }
        if (to->last_ns > served_until) {
            served_until = to->last_ns;
            before = i;
        }
    }
    printf("\n  ],\n  \"longest_outage_ms\": %.3f,\n  \"overlap_ms\": %.3f\n", ms(outage),
           ms(overlap));
}

static int report(char **files, int count)
{
    struct history h = {0};
    for (int i = 0; i < count; i++)
        read_records(&h, files[i]);
    if (h.count)
        qsort(h.items, h.count, sizeof(*h.items), by_start);
    printf("{\n");
    print_intervals(&h);
    print_handovers(&h);
    printf("}\n");
    free(h.items);
    return 0;
}

/* -- command line ------------------------------------------------------------------------------ */

/* The option's value, else the environment's (`variable` may be NULL). */
static const char *option(int argc, char **argv, const char *name, const char *variable)
{
    for (int i = 2; i + 1 < argc; i += 2)
        if (strcmp(argv[i], name) == 0)
            return argv[i + 1];
    const char *value = variable ? getenv(variable) : NULL;
    if (!value)
        die("%s is missing", name);
    return value;
}

int main(int argc, char **argv)
{
    if (argc >= 4 && argc % 2 == 0 && strcmp(argv[1], "start") == 0)
        return start(option(argc, argv, "--dir", NULL),
                     option(argc, argv, "--site", "HARMONY_SITE"),
                     option(argc, argv, "--epoch", "HARMONY_EPOCH"));
    if (argc == 4 && strcmp(argv[1], "stop") == 0)
        return stop(option(argc, argv, "--dir", NULL));
    if (argc > 2 && strcmp(argv[1], "report") == 0)
        return report(argv + 2, argc - 2);
    die("usage: witness start --dir DIR [--site SITE --epoch N] | stop --dir DIR | report FILE...");
}
