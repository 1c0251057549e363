#include "netalloc/dhcp.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/file.h"
#include "base/run.h"
#include "netalloc/dhcp_text.h"
#include "proto/address.h"

#define PROGRAM       "dnsmasq"
#define CONFIG_OPTION "--conf-file="

enum {
    START_MS = 10000,
    TERM_MS = 3000,
    KILL_MS = 2000,
    SAID_MAX = 64 * 1024,
    HOSTS_MAX = 16 << 20
};

bool dhcp_is_wanted(const struct net *net)
{
    return net->prefix && (net->dhcp || net->dns || net->has6);
}

/* -- Paths ------------------------------------------------------------------------------------- */

/* FNV-1a, 64 bits: tells a configuration from the one before. */
static uint64_t hash_of(const char *text)
{
    uint64_t hash = 14695981039346656037ULL;
    for (const unsigned char *p = (const unsigned char *)text; *p; p++)
        hash = (hash ^ *p) * 1099511628211ULL;
    return hash;
}

void dhcp_prepare(const struct net *net, const char *runtime_dir, const char *leases,
                  struct dhcp *ret)
{
    struct dhcp d = {.dir = hm_printf("%s/native/%s", runtime_dir, net->name),
                     .leases = hm_strdup(leases)};
    d.hosts = hm_printf("%s/hosts", d.dir);
    d.names = hm_printf("%s/names", d.dir);
    d.pid_file = hm_printf("%s/dnsmasq.pid", d.dir);
    struct dhcp_paths paths = {d.hosts, d.names, d.leases, d.pid_file};
    d.config_text = dhcp_config_text(net, &paths);
    d.config =
        hm_printf("%s/dnsmasq-%016llx.conf", d.dir, (unsigned long long)hash_of(d.config_text));
    *ret = d;
}

void dhcp_clear(struct dhcp *d)
{
    char *texts[] = {d->dir, d->config, d->hosts, d->names, d->pid_file, d->leases, d->config_text};
    for (size_t i = 0; i < HM_COUNT(texts); i++)
        free(texts[i]);
    *d = (struct dhcp){0};
}

/* -- The process ------------------------------------------------------------------------------- */

struct found {
    int pid, pidfd; /* -1: none */
    bool current;
};

/* In the same network namespace: else it serves another bridge of that name. */
static bool is_in_our_network(int pid)
{
    char path[48];
    struct stat ours, its;
    snprintf(path, sizeof path, "/proc/%d/ns/net", pid);
    return stat("/proc/self/ns/net", &ours) == 0 && stat(path, &its) == 0 &&
           ours.st_ino == its.st_ino && ours.st_dev == its.st_dev;
}

/* Its command line is "dnsmasq", "--conf-file=DIR/dnsmasq-....conf" and no more. */
static bool is_ours(int pid, const struct dhcp *d, bool *ret_current)
{
    char path[48];
    HM_AUTOFREE char *line = hm_alloc(4096 + 1);
    HM_AUTOFREE char *start = hm_printf(CONFIG_OPTION "%s/dnsmasq-", d->dir);
    snprintf(path, sizeof path, "/proc/%d/cmdline", pid);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? -1 : read(fd, line, 4096);
    if (fd >= 0)
        close(fd);
    const char *option = n > 0 ? line + strlen(line) + 1 : line;
    if (n <= 0 || option >= line + n || strcmp(line, PROGRAM) != 0 ||
        strncmp(option, start, strlen(start)) != 0 || option + strlen(option) + 1 != line + n)
        return false;
    *ret_current = !strcmp(option + strlen(CONFIG_OPTION), d->config);
    return is_in_our_network(pid);
}

/* The pidfd holds the process: what is seen after it was opened is what is signalled later. */
static struct found look_at(int pid, const struct dhcp *d)
{
    struct found f = {.pid = pid, .pidfd = pid > 1 ? pidfd_open(pid, 0) : -1};
    if (f.pidfd >= 0 && !is_ours(pid, d, &f.current)) {
        close(f.pidfd);
        f.pidfd = -1;
    }
    return f;
}

static int pid_in_file(const struct dhcp *d)
{
    HM_AUTOFREE char *text = NULL;
    if (hm_file_read(d->pid_file, 32, &text, NULL, NULL) < 0)
        return 0;
    long pid = strtol(text, NULL, 10);
    return pid > 1 && pid <= 1 << 22 ? (int)pid : 0;
}

static struct found find_by_file(const struct dhcp *d)
{
    return look_at(pid_in_file(d), d);
}

/* One whose pid file is lost is found in /proc. */
static struct found find_anywhere(const struct dhcp *d)
{
    struct found f = find_by_file(d);
    DIR *proc = f.pidfd < 0 ? opendir("/proc") : NULL;
    for (const struct dirent *e; proc && f.pidfd < 0 && (e = readdir(proc));)
        if (e->d_name[0] >= '1' && e->d_name[0] <= '9')
            f = look_at((int)strtol(e->d_name, NULL, 10), d);
    if (proc)
        closedir(proc);
    return f;
}

static bool has_ended(int pidfd, int ms)
{
    struct pollfd ended = {.fd = pidfd, .events = POLLIN};
    return poll(&ended, 1, ms) > 0;
}

static int end_process(const struct dhcp *d, int pidfd, struct hm_error *err)
{
    pidfd_send_signal(pidfd, SIGTERM, NULL, 0);
    if (has_ended(pidfd, TERM_MS))
        return 0;
    pidfd_send_signal(pidfd, SIGKILL, NULL, 0);
    if (has_ended(pidfd, KILL_MS))
        return 0;
    return hm_fail(err, HM_E_TIMEOUT, "dnsmasq of %s got SIGKILL and is still there", d->config);
}

bool dhcp_is_served(const struct dhcp *d)
{
    struct found f = find_by_file(d);
    if (f.pidfd >= 0)
        close(f.pidfd);
    return f.pidfd >= 0 && f.current;
}

/* -- Files ------------------------------------------------------------------------------------- */

/* It gives up root before it reads its hosts. Every folder on the way must let it through. */
static int check_reachable(const char *dir, struct hm_error *err)
{
    HM_AUTOFREE char *path = hm_strdup(dir);
    for (char *slash = path + strlen(path); slash; slash = strrchr(path, '/')) {
        struct stat st;
        *slash = '\0';
        if (*path && stat(path, &st) == 0 && !(st.st_mode & S_IXOTH))
            return hm_fail(err, HM_E_REFUSED,
                           "dnsmasq, which does not run as root, can't get to %s: others may not "
                           "enter %s; chmod o+x, or give the agent another runtime_dir",
                           dir, path);
    }
    return 0;
}

static int write_text(const char *path, char *text, struct hm_error *err)
{
    int r = hm_file_write_atomic(path, text, strlen(text), 0644, err);
    free(text);
    return r;
}

static int write_hosts(const struct dhcp *d, const struct net *net, const struct pool *pool,
                       struct hm_error *err)
{
    int r = write_text(d->hosts, dhcp_hosts_text(net, pool), err);
    return r < 0 ? r : write_text(d->names, dhcp_names_text(net, pool), err);
}

/* Configurations of before, or all of the folder. */
static void clean(const struct dhcp *d, bool everything)
{
    DIR *dir = opendir(d->dir);
    for (const struct dirent *e; dir && (e = readdir(dir));) {
        HM_AUTOFREE char *path = hm_printf("%s/%s", d->dir, e->d_name);
        bool old = !strncmp(e->d_name, "dnsmasq-", 8) && strcmp(path, d->config) != 0;
        if (old || (everything && e->d_name[0] != '.'))
            unlink(path);
    }
    if (dir)
        closedir(dir);
    if (everything)
        rmdir(d->dir);
}

/* -- Serving ----------------------------------------------------------------------------------- */

static int run_it(const struct dhcp *d, struct hm_error *err)
{
    HM_AUTOFREE char *option = hm_printf(CONFIG_OPTION "%s", d->config);
    char *const argv[] = {(char[]){PROGRAM}, option, NULL};
    struct hm_ran ran = {0};
    int r = hm_run(argv, START_MS, SAID_MAX, &ran, err);
    if (r < 0)
        return hm_wrap(err, "dnsmasq (package dnsmasq-base) for %s", d->config);
    if (ran.exit_code)
        r = hm_fail(err, HM_E_PROCESS, "dnsmasq exited with %d: %s", ran.exit_code, ran.err);
    hm_ran_clear(&ran);
    return r;
}

static int start(const struct dhcp *d, struct hm_error *err)
{
    int r = check_reachable(d->dir, err);
    if (r >= 0)
        r = write_text(d->config, hm_strdup(d->config_text), err);
    if (r >= 0)
        r = run_it(d, err);
    if (r >= 0)
        clean(d, false);
    return r;
}

/* Where its pid file is lost, or names somebody else, it can't be told of anything. */
static int tell(const struct dhcp *d, const struct found *f, struct hm_error *err)
{
    int r = f->pid == pid_in_file(d) ? 0 : write_text(d->pid_file, hm_printf("%d\n", f->pid), err);
    if (r >= 0)
        pidfd_send_signal(f->pidfd, SIGHUP, NULL, 0);
    return r;
}

int dhcp_serve(const struct dhcp *d, const struct net *net, const struct pool *pool,
               struct hm_error *err)
{
    int r = hm_mkdirs(d->dir, 0755, err);
    if (r >= 0)
        r = write_hosts(d, net, pool, err);
    if (r < 0)
        return r;
    struct found f = find_anywhere(d);
    if (f.pidfd < 0)
        return start(d, err);
    r = f.current ? tell(d, &f, err) : end_process(d, f.pidfd, err);
    close(f.pidfd);
    return r < 0 || f.current ? r : start(d, err);
}

int dhcp_tell(const struct dhcp *d, const struct net *net, const struct pool *pool,
              struct hm_error *err)
{
    struct found f = find_by_file(d);
    if (f.pidfd < 0)
        return 0;
    int r = write_hosts(d, net, pool, err);
    if (r >= 0)
        pidfd_send_signal(f.pidfd, SIGHUP, NULL, 0);
    close(f.pidfd);
    return r;
}

int dhcp_end(const struct dhcp *d, struct hm_error *err)
{
    struct found f = find_anywhere(d);
    int r = f.pidfd < 0 ? 0 : end_process(d, f.pidfd, err);
    if (f.pidfd >= 0)
        close(f.pidfd);
    if (r >= 0)
        clean(d, true);
    return r;
}

uint32_t dhcp_remembers(const struct dhcp *d, const uint8_t mac[6])
{
    HM_AUTOFREE char *text = NULL;
    char start[MAC_TEXT_MAX + 1], address[IPV4_TEXT_MAX + 1];
    uint32_t found = 0;
    mac_text(mac, start);
    if (hm_file_read(d->hosts, HOSTS_MAX, &text, NULL, NULL) < 0)
        return 0;
    const char *line = strstr(text, start);
    if (!line || line[MAC_TEXT_MAX] != ',' || (line != text && line[-1] != '\n'))
        return 0;
    snprintf(address, sizeof address, "%.*s", (int)strcspn(line + MAC_TEXT_MAX + 1, ",\n"),
             line + MAC_TEXT_MAX + 1);
    return ipv4_parse(address, &found) ? found : 0;
}
