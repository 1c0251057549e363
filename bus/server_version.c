#include "bus/server_version.h"

#include <errno.h>
#include <jansson.h>
#include <netdb.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/clock.h"

enum { BUDGET_MS = 1000, GREETING_MAX = 65536 };

bool bus_parse_server_version(const char *greeting, size_t len, int ret_version[3])
{
    memset(ret_version, 0, 3 * sizeof *ret_version);
    if (len < 5 || memcmp(greeting, "INFO ", 5) != 0)
        return false;
    json_t *info = json_loadb(greeting + 5, len - 5, JSON_DISABLE_EOF_CHECK, NULL);
    const char *text = json_string_value(json_object_get(info, "version"));
    int v[3];
    bool known = text && sscanf(text, "%4d.%4d.%4d", &v[0], &v[1], &v[2]) == 3;
    if (known)
        memcpy(ret_version, v, sizeof v);
    json_decref(info);
    return known;
}

/* "nats://user:pass@[::1]:4222" -> "::1", "4222". Cuts `url` in place. */
static void split_address(char *url, const char **ret_host, const char **ret_port)
{
    char *mark = strstr(url, "://"), *host = mark ? mark + 3 : url, *at = strrchr(host, '@');
    host = at ? at + 1 : host;
    char *colon = strrchr(host, ':'), *bracket = strchr(host, ']');
    *ret_port = "4222";
    if (colon && (!bracket || colon > bracket)) {
        *colon = '\0';
        *ret_port = colon + 1;
    }
    if (*host == '[' && bracket) {
        *bracket = '\0';
        host++;
    }
    *ret_host = host;
}

static bool wait_for(int fd, short events, int64_t deadline_ns)
{
    int64_t left_ms = (deadline_ns - hm_boottime_ns()) / HM_MS;
    struct pollfd p = {.fd = fd, .events = events};
    return left_ms > 0 && poll(&p, 1, (int)left_ms) == 1;
}

static int dial(const char *host, const char *port, int64_t deadline_ns)
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM}, *list = NULL;
    if (getaddrinfo(host, port, &hints, &list) != 0)
        return -1;
    int fd = -1;
    for (struct addrinfo *a = list; a && fd < 0; a = a->ai_next) {
        fd = socket(a->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        if (fd < 0)
            continue;
        int failed = 0;
        socklen_t size = sizeof failed;
        bool up = connect(fd, a->ai_addr, a->ai_addrlen) == 0 ||
                  (errno == EINPROGRESS && wait_for(fd, POLLOUT, deadline_ns));
        if (up && getsockopt(fd, SOL_SOCKET, SO_ERROR, &failed, &size) == 0 && !failed)
            break;
        close(fd);
        fd = -1;
    }
    freeaddrinfo(list);
    return fd;
}

static size_t read_line(int fd, char *out, size_t size, int64_t deadline_ns)
{
    size_t len = 0;
    while (len < size && !memchr(out, '\n', len) && wait_for(fd, POLLIN, deadline_ns)) {
        ssize_t n = recv(fd, out + len, size - len, 0);
        if (n <= 0)
            break;
        len += (size_t)n;
    }
    return len;
}

bool bus_fetch_server_version(const char *url, int ret_version[3])
{
    int64_t deadline_ns = hm_boottime_ns() + BUDGET_MS * HM_MS;
    HM_AUTOFREE char *copy = hm_strdup(url);
    const char *host, *port;
    memset(ret_version, 0, 3 * sizeof *ret_version);
    split_address(copy, &host, &port);
    int fd = dial(host, port, deadline_ns);
    if (fd < 0)
        return false;
    HM_AUTOFREE char *greeting = hm_alloc(GREETING_MAX);
    size_t len = read_line(fd, greeting, GREETING_MAX, deadline_ns);
    close(fd);
    return bus_parse_server_version(greeting, len, ret_version);
}
