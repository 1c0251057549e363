/*
 * HTTP/1.1 on the socket as the real one's server speaks it: keep-alive, bodies of 51200 bytes at
 * most, ten connections, requests one at a time in the order in which they came.
 */
#include "fake_vmm.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

enum { CONNECTIONS_MAX = 10, OTHERS = 4, HEAD_MAX = 8192, ROOM = HEAD_MAX + BODY_MAX + 1 };

struct connection {
    int fd; /* -1: free */
    char *data;
    size_t size;
};

static struct connection connections[CONNECTIONS_MAX];
/* The call that is being answered slowly, and when; -1: for ever. */
static struct {
    bool on;
    int64_t until;
} busy;

static void hang_up(struct connection *c)
{
    close(c->fd);
    free(c->data);
    *c = (struct connection){.fd = -1};
}

static void send_all(int fd, const char *data, size_t size)
{
    while (size > 0) {
        ssize_t sent = send(fd, data, size, MSG_NOSIGNAL);
        if (sent < 0 && errno == EINTR)
            continue;
        if (sent < 0)
            return; /* whoever asked is gone */
        data += sent;
        size -= (size_t)sent;
    }
}

static void send_answer(int fd, const char *server, const struct answer *answer)
{
    char *reply = NULL;
    int size =
        answer->status == 204
            ? asprintf(&reply, "HTTP/1.1 204 \r\nServer: %s\r\nConnection: keep-alive\r\n\r\n",
                       server)
            : asprintf(&reply,
                       "HTTP/1.1 %d \r\nServer: %s\r\nConnection: keep-alive\r\n"
                       "Content-Type: application/json\r\nContent-Length: %zu\r\n\r\n%s",
                       answer->status, server, strlen(answer->text), answer->text);
    if (size < 0)
        die("out of memory");
    send_all(fd, reply, (size_t)size);
    free(reply);
}

/* -- requests ---------------------------------------------------------------------------------- */

struct request {
    char method[16], path[256];
    const char *body; /* NULL: none */
    size_t body_size, size;
    bool wants_continue, is_bad;
};

static size_t content_length(const char *head, size_t size)
{
    static const char name[] = "\r\ncontent-length:";
    for (size_t i = 0; i + strlen(name) < size; i++)
        if (strncasecmp(head + i, name, strlen(name)) == 0)
            return strtoul(head + i + strlen(name), NULL, 10);
    return 0;
}

static bool expects_continue(const char *head, size_t size)
{
    static const char name[] = "\r\nexpect: 100-continue";
    for (size_t i = 0; i + strlen(name) < size; i++)
        if (strncasecmp(head + i, name, strlen(name)) == 0)
            return true;
    return false;
}

/* Whether a request is there: whole, or past being read. */
static bool parse(const struct connection *c, struct request *ret)
{
    const char *end = c->size ? memmem(c->data, c->size, "\r\n\r\n", 4) : NULL;
    *ret = (struct request){.is_bad = !end && c->size > HEAD_MAX};
    if (!end)
        return ret->is_bad;
    size_t head = (size_t)(end - c->data) + 4;
    ret->is_bad = sscanf(c->data, "%15[A-Z] %255s HTTP/1.", ret->method, ret->path) != 2;
    ret->body_size = content_length(c->data, head);
    ret->size = head + ret->body_size;
    ret->wants_continue = expects_continue(c->data, head);
    ret->body = ret->body_size ? c->data + head : NULL;
    return ret->is_bad || ret->body_size > BODY_MAX || c->size >= ret->size;
}

static void refuse_too_large(struct connection *c, size_t size)
{
    char *said = NULL;
    if (asprintf(&said,
                 "{ \"error\": \"Request payload with size %zu is larger than the limit of %d "
                 "allowed by server.\nAll previous unanswered requests will be dropped.\" }",
                 size, BODY_MAX) < 0)
        die("out of memory");
    struct answer answer = {400, said};
    send_answer(c->fd, "Firecracker API", &answer);
    free(said);
    hang_up(c);
}

/* Carries out the fault of a call that goes no further. */
static bool is_prevented(struct connection *c, const struct fault *fault)
{
    static const char garbage[] = "\x01\x02 this is not HTTP \xff\xfe\r\n\r\n{\"x\":";
    switch (fault->sort) {
    case FAULT_HANG:
        busy.on = true;
        busy.until = -1;
        return true;
    case FAULT_SLOW:
        if (!busy.on) {
            busy.on = true;
            busy.until = now_ms() + fault->ms;
            return true;
        }
        busy.on = false; /* its time has come */
        return false;
    case FAULT_GARBAGE:
        send_all(c->fd, garbage, sizeof(garbage) - 1);
        hang_up(c);
        return true;
    case FAULT_DIE:
        kill(getpid(), SIGKILL);
        return true;
    default:
        return false;
    }
}

static void answer_request(struct vmm *v, struct connection *c, const struct request *request)
{
    static struct fault pending;
    const char *call = strrchr(request->path, '/');
    struct fault fault = busy.on ? pending : fault_for(v, call ? call + 1 : request->path);
    pending = fault;
    if (is_prevented(c, &fault))
        return;
    struct answer answer =
        handle(v, request->method, request->path, request->body, request->body_size);
    if (fault.sort == FAULT_CLOSE)
        hang_up(c);
    else {
        send_answer(c->fd, "Cloud Hypervisor API", &answer);
        c->size -= request->size;
        memmove(c->data, c->data + request->size, c->size);
    }
    free(answer.text);
}

/* The request that it holds, if it is whole. */
static void look_for_request(struct vmm *v, struct connection *c)
{
    struct request request;
    if (!parse(c, &request)) {
        if (request.wants_continue && c->size == request.size - request.body_size)
            send_all(c->fd, "HTTP/1.1 100 \r\n\r\n", 17);
        return;
    }
    if (request.body_size > BODY_MAX)
        refuse_too_large(c, request.body_size);
    else if (request.is_bad)
        hang_up(c);
    else
        answer_request(v, c, &request);
}

static void hear(struct vmm *v, struct connection *c)
{
    ssize_t got = recv(c->fd, c->data + c->size, ROOM - c->size, MSG_DONTWAIT);
    if (got < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (got <= 0) {
        hang_up(c);
        return;
    }
    c->size += (size_t)got;
    look_for_request(v, c);
}

static void take_connection(int listener)
{
    static const struct answer full = {503, (char *)"Too many open connections."};
    int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
    for (size_t i = 0; fd >= 0 && i < CONNECTIONS_MAX; i++)
        if (connections[i].fd < 0) {
            connections[i] = (struct connection){.fd = fd, .data = malloc(ROOM)};
            return;
        }
    if (fd >= 0) {
        send_answer(fd, "Firecracker API", &full);
        close(fd);
    }
}

/* -- the loop ---------------------------------------------------------------------------------- */

static int until_something(const struct vmm *v)
{
    int64_t due = guest_due(v);
    if (busy.on && busy.until >= 0) {
        int64_t left = busy.until > now_ms() ? busy.until - now_ms() : 0;
        due = due < 0 || left < due ? left : due;
    }
    return (int)due;
}

static bool is_hung(void)
{
    return busy.on && busy.until < 0;
}

/* The request that was put off, and those that came meanwhile. */
static void go_on(struct vmm *v)
{
    for (size_t i = 0; i < CONNECTIONS_MAX && !is_hung(); i++)
        while (connections[i].fd >= 0 && connections[i].size && !v->ends) {
            size_t before = connections[i].size;
            look_for_request(v, &connections[i]);
            if (connections[i].fd < 0 || connections[i].size == before)
                break;
        }
}

void serve(struct vmm *v, int listener, int signals)
{
    for (size_t i = 0; i < CONNECTIONS_MAX; i++)
        connections[i].fd = -1;
    while (!v->ends) {
        struct pollfd polled[CONNECTIONS_MAX + OTHERS] = {
            {.fd = is_hung() ? -1 : signals, .events = POLLIN},
            {.fd = busy.on ? -1 : listener, .events = POLLIN},
            {.fd = v->serial_listener, .events = POLLIN},
            {.fd = serial_is_heard(v) ? v->keyboard : -1, .events = POLLIN},
        };
        for (size_t i = 0; i < CONNECTIONS_MAX; i++)
            polled[i + OTHERS] = (struct pollfd){busy.on ? -1 : connections[i].fd, POLLIN, 0};
        poll(polled, CONNECTIONS_MAX + OTHERS, until_something(v));
        guest_act(v);
        if (polled[0].revents)
            v->ends = true;
        if (polled[2].revents)
            serial_accept(v);
        if (polled[3].revents && serial_is_heard(v))
            serial_hear(v);
        for (size_t i = 0; i < CONNECTIONS_MAX && !busy.on && !v->ends; i++)
            if (polled[i + OTHERS].revents && connections[i].fd >= 0)
                hear(v, &connections[i]);
        if (polled[1].revents && !busy.on && !v->ends)
            take_connection(listener);
        if (busy.on && busy.until >= 0 && busy.until <= now_ms())
            go_on(v);
    }
}
