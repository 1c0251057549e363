/* Starts as the real one does, and ends as it does: see fake_vmm.h. */
#include "fake_vmm.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

int64_t now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

void die(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    fputs("fake_vmm: ", stderr);
    vfprintf(stderr, format, args);
    fputc('\n', stderr);
    va_end(args);
    exit(1);
}

static void direct_log(const char *path)
{
    int fd = path[0] ? open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600) : -1;
    if (path[0] && fd < 0)
        die("log file %s: %m", path);
    if (fd >= 0)
        dup2(fd, STDERR_FILENO);
}

static int watch_signals(void)
{
    sigset_t ours;
    sigemptyset(&ours);
    sigaddset(&ours, SIGTERM);
    sigaddset(&ours, SIGINT);
    sigprocmask(SIG_BLOCK, &ours, NULL);
    signal(SIGPIPE, SIG_IGN);
    return signalfd(-1, &ours, SFD_CLOEXEC);
}

/* v53 locks a file beside the socket, so that it knows a stale one; older ones just bind. */
static void claim_socket(const char *path, int version)
{
    if (version < 53)
        return;
    char beside[PATH_LIMIT + sizeof(".lock")];
    snprintf(beside, sizeof(beside), "%s.lock", path);
    int fd = open(beside, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    struct flock whole = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    if (fd < 0)
        die("%s: %m", beside);
    if (fcntl(fd, F_OFD_SETLK, &whole))
        die("API socket %s is in use by another instance", path);
    unlink(path);
}

static int open_socket(const struct options *options)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    const char *path = options->api_socket;
    if (strlen(path) >= sizeof(address.sun_path))
        die("API socket %s: path must be shorter than SUN_LEN", path);
    claim_socket(path, options->version);
    memcpy(address.sun_path, path, strlen(path));
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof(address)) || listen(fd, 128))
        die("Error creating API server's socket: %s", os_error(errno));
    return fd;
}

int main(int argc, char **argv)
{
    struct vmm v = {.serial = -1, .keyboard = -1, .serial_listener = -1, .serial_client = -1};
    umask(077);
    read_options(argc, argv, &v.options);
    direct_log(v.options.log_file);
    int signals = watch_signals();
    if (v.options.event_monitor[0])
        event_open(v.options.event_monitor);
    event("vmm", "starting", NULL);
    int listener = open_socket(&v.options);
    serve(&v, listener, signals);
    free(vm_delete(&v).text);
    unlink(v.options.api_socket);
    return 0;
}
