/* The serial console: a file, a terminal, a socket, or nothing. */
#include "fake_vmm.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <termios.h>
#include <unistd.h>

static struct answer cannot_open(const char *what, int number)
{
    return refuse(500, "Error creating console devices", what, os_error(number), NULL);
}

static struct answer open_file(struct vmm *v, const char *path)
{
    v->serial = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    return v->serial < 0 ? cannot_open("Failed to create file for console", errno) : FINE;
}

static struct answer open_terminal(struct vmm *v, json_t *config)
{
    char path[64];
    v->serial = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
    if (v->serial < 0 || grantpt(v->serial) || unlockpt(v->serial) ||
        ptsname_r(v->serial, path, sizeof(path)))
        return cannot_open("Failed to create a pty", errno);
    struct termios raw;
    tcgetattr(v->serial, &raw);
    cfmakeraw(&raw);
    tcsetattr(v->serial, TCSANOW, &raw);
    fcntl(v->serial, F_SETFL, O_NONBLOCK); /* nobody may be reading */
    json_object_set_new(config, "file", json_string(path));
    return FINE;
}

static struct answer open_socket(struct vmm *v, const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
    v->serial_listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    unlink(path);
    if (bind(v->serial_listener, (struct sockaddr *)&address, sizeof(address)) ||
        listen(v->serial_listener, 1))
        return cannot_open("Failed to create a socket for console", errno);
    return FINE;
}

/* The output is stdout, whatever that is; input is taken from a terminal alone. */
static void open_own_terminal(struct vmm *v)
{
    v->serial = fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 3);
    if (!isatty(STDIN_FILENO))
        return;
    v->keyboard = fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 3);
    fcntl(v->keyboard, F_SETFL, fcntl(v->keyboard, F_GETFL) | O_NONBLOCK);
}

struct answer open_serial(struct vmm *v)
{
    json_t *config = json_object_get(v->config, "serial");
    const char *mode = text(config, "mode"), *file = text(config, "file");
    if (strcmp(mode, "File") == 0 && file)
        return open_file(v, file);
    if (strcmp(mode, "Pty") == 0)
        return open_terminal(v, config);
    if (strcmp(mode, "Socket") == 0 && text(config, "socket"))
        return open_socket(v, text(config, "socket"));
    if (strcmp(mode, "Tty") == 0)
        open_own_terminal(v);
    return FINE;
}

static void close_one(int *fd)
{
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
}

void close_serial(struct vmm *v)
{
    close_one(&v->serial);
    close_one(&v->keyboard);
    close_one(&v->serial_client);
    if (v->serial_listener >= 0)
        unlink(text(json_object_get(v->config, "serial"), "socket"));
    close_one(&v->serial_listener);
}

void serial_accept(struct vmm *v)
{
    close_one(&v->serial_client);
    v->serial_client = accept4(v->serial_listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
}

void serial_say(struct vmm *v, const char *format, ...)
{
    char line[4096 + 64];
    va_list args;
    va_start(args, format);
    int size = vsnprintf(line, sizeof(line), format, args);
    va_end(args);
    size = size < (int)sizeof(line) ? size : (int)sizeof(line) - 1;
    int fd = v->serial_client >= 0 ? v->serial_client : v->serial;
    if (fd >= 0 && write(fd, line, (size_t)size) < 0) {
        /* a terminal that nobody reads is full: the guest's bytes are lost */
    }
}

bool serial_is_heard(const struct vmm *v)
{
    return v->keyboard >= 0 && v->booted && v->state == VM_RUNNING;
}

void serial_hear(struct vmm *v)
{
    char typed[64]; /* as many at a time as the real one */
    ssize_t size = read(v->keyboard, typed, sizeof(typed));
    if (size > 0)
        guest_hear(v, typed, (size_t)size);
    else if (size == 0 || errno != EAGAIN)
        close_one(&v->keyboard); /* its other end is gone */
}
