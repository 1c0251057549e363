#include "vmm/lv_console.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <libvirt/virterror.h>

#include "base/alloc.h"

enum { FROM_GUEST_MAX = 64 * 1024, TO_GUEST_MAX = 4096, PIECE = 4096, NOTE_MAX = 80 };

/* Built under `lock`, since the first callback may come before the second is registered. */
struct bridge {
    pthread_mutex_t lock;
    unsigned refs; /* registrations of callbacks, and who builds it; under the lock */
    virStreamPtr stream;
    int fd, watch; /* -1: closed, not registered */
    size_t from_len, to_len;
    uint64_t lost; /* bytes of the guest that had no room */
    char from_guest[FROM_GUEST_MAX], to_guest[TO_GUEST_MAX];
};

/* -- Life ------------------------------------------------------------------------------------- */

static void drop_ref(void *data)
{
    struct bridge *b = data;
    pthread_mutex_lock(&b->lock);
    bool last = --b->refs == 0;
    pthread_mutex_unlock(&b->lock);
    if (!last)
        return;
    pthread_mutex_destroy(&b->lock);
    free(b);
}

/* With the lock held. The registrations end from a clean stack, and with them the bridge. */
static void take_down(struct bridge *b, virStreamPtr *ret_stream)
{
    *ret_stream = b->stream;
    b->stream = NULL;
    if (b->watch >= 0)
        virEventRemoveHandle(b->watch);
    if (b->fd >= 0)
        close(b->fd);
    b->watch = b->fd = -1;
}

/* Without the lock: the end of the stream's registration may come at once. */
static void end_stream(virStreamPtr stream)
{
    if (!stream)
        return;
    virStreamEventRemoveCallback(stream);
    virStreamAbort(stream);
    virStreamFree(stream);
}

/* -- From the guest --------------------------------------------------------------------------- */

static void keep(struct bridge *b, const char *bytes, size_t len)
{
    size_t room = FROM_GUEST_MAX - NOTE_MAX - b->from_len;
    size_t taken = b->lost ? 0 : len < room ? len : room;
    memcpy(b->from_guest + b->from_len, bytes, taken);
    b->from_len += taken;
    b->lost += len - taken;
}

/* Once half of it is free again. */
static void note_loss(struct bridge *b)
{
    if (!b->lost || b->from_len > FROM_GUEST_MAX / 2)
        return;
    int len = snprintf(b->from_guest + b->from_len, NOTE_MAX,
                       "\r\n[harmony: %llu bytes were not shown]\r\n", (unsigned long long)b->lost);
    b->from_len += (size_t)len;
    b->lost = 0;
}

/* false: the stream is over. */
static bool take_from_stream(struct bridge *b)
{
    char piece[PIECE];
    for (;;) {
        int n = virStreamRecv(b->stream, piece, sizeof piece);
        if (n == -2)
            return true;
        if (n <= 0)
            return false;
        keep(b, piece, (size_t)n);
    }
}

static bool give_to_socket(struct bridge *b)
{
    while (b->from_len > 0) {
        ssize_t n = send(b->fd, b->from_guest, b->from_len, MSG_NOSIGNAL);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return errno == EAGAIN;
        b->from_len -= (size_t)n;
        memmove(b->from_guest, b->from_guest + n, b->from_len);
        note_loss(b);
    }
    return true;
}

/* -- To the guest ----------------------------------------------------------------------------- */

static bool take_from_socket(struct bridge *b)
{
    ssize_t n = recv(b->fd, b->to_guest + b->to_len, TO_GUEST_MAX - b->to_len, 0);
    if (n < 0)
        return errno == EAGAIN || errno == EINTR;
    b->to_len += (size_t)n;
    return n > 0;
}

static bool give_to_stream(struct bridge *b)
{
    while (b->to_len > 0) {
        int n = virStreamSend(b->stream, b->to_guest, b->to_len);
        if (n == -2)
            return true;
        if (n < 0)
            return false;
        b->to_len -= (size_t)n;
        memmove(b->to_guest, b->to_guest + n, b->to_len);
    }
    return true;
}

/* -- Events ----------------------------------------------------------------------------------- */

static void wait_for_events(struct bridge *b)
{
    int of_stream = VIR_STREAM_EVENT_READABLE | (b->to_len ? VIR_STREAM_EVENT_WRITABLE : 0);
    int of_socket = (b->to_len < TO_GUEST_MAX ? VIR_EVENT_HANDLE_READABLE : 0) |
                    (b->from_len ? VIR_EVENT_HANDLE_WRITABLE : 0);
    virStreamEventUpdateCallback(b->stream, of_stream);
    virEventUpdateHandle(b->watch, of_socket);
}

/* What was left by the guest when it ended is still given. */
static void go_on(struct bridge *b, bool goes_on)
{
    virStreamPtr ended = NULL;
    pthread_mutex_lock(&b->lock);
    b->refs++;
    if (b->stream) {
        goes_on = give_to_socket(b) && goes_on && give_to_stream(b);
        if (goes_on)
            wait_for_events(b);
        else
            take_down(b, &ended);
    }
    pthread_mutex_unlock(&b->lock);
    end_stream(ended);
    drop_ref(b);
}

static void on_stream(virStreamPtr stream, int events, void *data)
{
    struct bridge *b = data;
    (void)stream;
    pthread_mutex_lock(&b->lock);
    bool goes_on = !b->stream || take_from_stream(b);
    pthread_mutex_unlock(&b->lock);
    go_on(b, goes_on && !(events & (VIR_STREAM_EVENT_ERROR | VIR_STREAM_EVENT_HANGUP)));
}

static void on_socket(int watch, int fd, int events, void *data)
{
    struct bridge *b = data;
    (void)watch, (void)fd;
    bool goes_on = !(events & (VIR_EVENT_HANDLE_ERROR | VIR_EVENT_HANDLE_HANGUP));
    pthread_mutex_lock(&b->lock);
    if (b->stream && goes_on && (events & VIR_EVENT_HANDLE_READABLE))
        goes_on = take_from_socket(b);
    pthread_mutex_unlock(&b->lock);
    go_on(b, goes_on);
}

/* -- Opening ---------------------------------------------------------------------------------- */

/* With the lock held; on failure the caller takes it down. */
static int register_events(struct lv *lv, struct bridge *b, const char *vm, struct hm_error *err)
{
    b->refs++;
    if (virStreamEventAddCallback(b->stream, VIR_STREAM_EVENT_READABLE, on_stream, b, drop_ref) <
        0) {
        b->refs--;
        return lv_fail(lv, err, "vm %s: follow its console", vm);
    }
    b->refs++;
    b->watch = virEventAddHandle(b->fd, VIR_EVENT_HANDLE_READABLE, on_socket, b, drop_ref);
    if (b->watch >= 0)
        return 0;
    b->refs--;
    return lv_fail(lv, err, "vm %s: follow its console", vm);
}

/* `stream` and `fd` are taken over. */
static int build(struct lv *lv, const char *vm, virStreamPtr stream, int fd, struct hm_error *err)
{
    struct bridge *b = hm_alloc(sizeof *b);
    b->refs = 1;
    b->stream = stream;
    b->fd = fd;
    b->watch = -1;
    pthread_mutex_init(&b->lock, NULL);
    pthread_mutex_lock(&b->lock);
    virStreamPtr failed = NULL;
    int r = register_events(lv, b, vm, err);
    if (r < 0)
        take_down(b, &failed);
    pthread_mutex_unlock(&b->lock);
    end_stream(failed);
    drop_ref(b);
    return r;
}

static int open_stream(struct lv *lv, const char *vm, virDomainPtr dom, bool force,
                       virStreamPtr *ret, struct hm_error *err)
{
    virStreamPtr stream = virStreamNew(lv->conn, VIR_STREAM_NONBLOCK);
    if (!stream)
        return lv_fail(lv, err, "vm %s: make a stream", vm);
    if (virDomainOpenConsole(dom, NULL, stream, force ? VIR_DOMAIN_CONSOLE_FORCE : 0) == 0) {
        *ret = stream;
        return 0;
    }
    bool taken = lv_last_is(VIR_ERR_OPERATION_FAILED);
    int r = lv_fail(lv, err, "vm %s: open its console", vm);
    virStreamFree(stream);
    return taken ? driver_console_fail_taken(vm, err) : r;
}

int lv_console_open(struct lv *lv, const char *vm, virDomainPtr dom, bool force, int *ret_fd,
                    struct hm_error *err)
{
    virStreamPtr stream = NULL;
    int ends[2];
    int r = open_stream(lv, vm, dom, force, &stream, err);
    if (r < 0)
        return r;
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends) < 0) {
        r = hm_fail(err, HM_E_IO, "vm %s: make a socket for its console: %s", vm, strerror(errno));
        virStreamAbort(stream);
        virStreamFree(stream);
        return r;
    }
    r = build(lv, vm, stream, ends[0], err);
    if (r < 0)
        close(ends[1]);
    else
        *ret_fd = ends[1];
    return r;
}
