#include "agent/guard.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/clock.h"

enum {
    RETRY_FIRST_MS = 10,
    RETRY_MOST_MS = 1000,
    UNANSWERED_MAX = 1024, /* messages; who lets that many wait is lost */
    LATE_LOOP_MS = 50,     /* a loop that was this late has not waited for the guardian */
    SEND_BUFFER = 4 * GUARD_MESSAGE_MAX,
};

/* One connection: it outlives its end until the loop has let go of it. */
struct link {
    struct guard *owner; /* NULL: it has ended */
    uv_poll_t poll;
    int fd;
};

struct guard {
    struct guard_options options;
    struct link *link; /* NULL: none */
    uv_timer_t timer;  /* the next try, or the limit of the oldest answer */
    int64_t timer_due_ns, retry_ms;
    uint32_t connection; /* counts */
    uint32_t sent, answered;
    int64_t sent_ns[UNANSWERED_MAX]; /* of message k: [k modulo its size] */
    bool up;
    bool parting;   /* not up any more, but what its owner makes of that is told still */
    bool has_lease; /* `lease` was told on this connection */
    struct guard_lease lease;
    struct guard_state state;
    struct hm_error trouble, broken; /* broken: found while sending, told by the timer */
};

static void on_timer(uv_timer_t *timer);

static void set_timer(struct guard *g, int64_t due_ns)
{
    int64_t left = due_ns - hm_boottime_ns();
    g->timer_due_ns = due_ns;
    uv_update_time(g->options.loop);
    uv_timer_start(&g->timer, on_timer, left > 0 ? (uint64_t)(left / HM_MS + 1) : 0, 0);
}

/* -- The connection ------------------------------------------------------------ */

static void link_closed(uv_handle_t *handle)
{
    struct link *link = handle->data;
    close(link->fd);
    free(link);
}

static void end_link(struct guard *g)
{
    if (!g->link)
        return;
    g->link->owner = NULL;
    uv_close((uv_handle_t *)&g->link->poll, link_closed);
    g->link = NULL;
}

static void retry_later(struct guard *g)
{
    set_timer(g, hm_boottime_ns() + g->retry_ms * HM_MS);
    g->retry_ms = g->retry_ms * 2 < RETRY_MOST_MS ? g->retry_ms * 2 : RETRY_MOST_MS;
}

/* One that only hangs reads it when it goes on: else it would give a lease that has ended to the next
 * agent. */
static void lost(struct guard *g, const struct hm_error *why)
{
    g->parting = g->up;
    g->up = false;
    g->trouble = *why;
    if (g->parting)
        g->options.on_lost(g->options.data, &g->trouble);
    g->parting = false;
    end_link(g);
    retry_later(g);
}

/* Not from inside the call that found out. */
static void lost_soon(struct guard *g, const char *what, const char *why)
{
    if (!g->broken.code)
        hm_fail(&g->broken, HM_E_CONNECTION, "the guardian at %s %s%s%s", g->options.path, what,
                *why ? ": " : "", why);
    set_timer(g, 0);
}

/* -- What it says -------------------------------------------------------------- */

/* What no guardian would take is none that it holds. */
static bool is_in_range(const struct guard_state *s)
{
    const struct guard_lease *l = &s->lease;
    return l->begun_ns >= 0 && l->deadline_ns >= 0 && s->fired_ns >= 0 && l->fence_limit_ns >= 0 &&
           l->fence_limit_ns <= GUARD_RUNG_LIMIT_MAX_MS * HM_MS;
}

static bool is_state(const struct guard_state *s, ssize_t len)
{
    return len == (ssize_t)sizeof *s && s->header.magic == GUARD_MAGIC &&
           s->header.version == GUARD_VERSION && s->header.type == GUARD_STATE &&
           s->header.size == sizeof *s && is_in_range(s);
}

static int check_hello(const struct guard *g, const struct guard_state *s, struct hm_error *err)
{
    if (s->error == GUARD_OK)
        return 0;
    return hm_fail(err, HM_E_CONFLICT, "the guardian at %s does not take this agent: %s",
                   g->options.path, *s->text ? s->text : "it is another site's or group's");
}

static bool answers(const struct guard *g, uint32_t seq)
{
    return seq > g->answered && seq <= g->sent;
}

static void watch_answers(struct guard *g)
{
    if (g->answered < g->sent)
        set_timer(g, g->sent_ns[(g->answered + 1) % UNANSWERED_MAX] + g->options.answer_ms * HM_MS);
    else if (!g->broken.code)
        uv_timer_stop(&g->timer);
}

static void take_state(struct guard *g, const struct guard_state *s)
{
    struct hm_error refused;
    g->state = *s;
    g->state.cgroup[GUARD_PATH_MAX] = g->state.text[GUARD_PATH_MAX] = '\0';
    if (answers(g, s->header.seq)) {
        g->answered = s->header.seq;
        watch_answers(g);
    }
    if (g->up) {
        g->options.on_state(g->options.data, &g->state);
    } else if (g->answered > 0 && check_hello(g, &g->state, &refused) < 0) {
        lost(g, &refused);
    } else if (g->answered > 0) {
        g->up = true;
        g->retry_ms = RETRY_FIRST_MS;
        g->trouble = (struct hm_error){0};
        g->options.on_up(g->options.data, &g->state);
    }
}

/* Returns false when there is nothing (more) to take, or nobody to take it from. */
static bool take_one(struct guard *g)
{
    struct guard_state s;
    struct hm_error why;
    ssize_t len = recv(g->link->fd, &s, sizeof s, MSG_DONTWAIT | MSG_TRUNC);
    if (len < 0 && (errno == EAGAIN || errno == EINTR))
        return false;
    if (len <= 0)
        hm_fail(&why, HM_E_CONNECTION, "the guardian at %s has ended%s%s", g->options.path,
                len < 0 ? ": " : "", len < 0 ? strerror(errno) : "");
    else if (!is_state(&s, len))
        hm_fail(&why, HM_E_UNSUPPORTED,
                "the guardian at %s is of another version than this agent: restart it",
                g->options.path);
    else {
        take_state(g, &s);
        return g->link != NULL;
    }
    lost(g, &why);
    return false;
}

/* A callback may have ended this connection, or the whole: `link` knows. */
static void take_all(struct link *link)
{
    while (link->owner && take_one(link->owner))
        ;
}

static void on_readable(uv_poll_t *poll, int status, int events)
{
    (void)status;
    (void)events;
    take_all(poll->data);
}

/* -- What it is told ----------------------------------------------------------- */

static void tell(struct guard *g, struct guard_header *message, enum guard_type type, size_t size)
{
    if (g->broken.code)
        return;
    if (g->sent - g->answered >= UNANSWERED_MAX) {
        lost_soon(g, "does not answer", "");
        return;
    }
    g->sent++;
    g->sent_ns[g->sent % UNANSWERED_MAX] = hm_boottime_ns();
    *message = (struct guard_header){.magic = GUARD_MAGIC,
                                     .version = GUARD_VERSION,
                                     .type = (uint16_t)type,
                                     .size = (uint32_t)size,
                                     .seq = g->sent};
    if (send(g->link->fd, message, size, MSG_DONTWAIT | MSG_NOSIGNAL) != (ssize_t)size)
        lost_soon(g, "can't be told anything", strerror(errno));
    else if (g->sent == g->answered + 1)
        watch_answers(g);
}

void guard_set(struct guard *g, const struct guard_lease *lease)
{
    bool is_heard = g->up || g->parting;
    if (!is_heard || (g->has_lease && !memcmp(&g->lease, lease, sizeof *lease)))
        return;
    struct guard_set set = {.lease = *lease};
    g->lease = *lease;
    g->has_lease = true;
    tell(g, &set.header, GUARD_SET, sizeof set);
}

void guard_plan(struct guard *g, struct guard_plan *plan, size_t size)
{
    if (g->up)
        tell(g, &plan->header, GUARD_PLAN, size);
}

static uint64_t named(const struct guard *g, uint32_t seq)
{
    return (uint64_t)g->connection << 32 | seq;
}

uint64_t guard_told(const struct guard *g)
{
    return g->up ? named(g, g->sent) : 0;
}

bool guard_has_answered(const struct guard *g, uint64_t told)
{
    return g->up && told >> 32 == g->connection && told <= named(g, g->answered);
}

/* -- Looking for it ------------------------------------------------------------ */

static void say_hello(struct guard *g)
{
    struct guard_hello hello = {0};
    snprintf(hello.site, sizeof hello.site, "%s", g->options.site);
    snprintf(hello.group, sizeof hello.group, "%s", g->options.group);
    tell(g, &hello.header, GUARD_HELLO, sizeof hello);
}

static void begin_with(struct guard *g, int fd)
{
    int room = SEND_BUFFER;
    setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &room, sizeof room); /* a whole plan, beside others */
    struct link *link = hm_alloc(sizeof *link);
    *link = (struct link){.owner = g, .fd = fd};
    uv_poll_init(g->options.loop, &link->poll, fd);
    link->poll.data = link;
    uv_poll_start(&link->poll, UV_READABLE, on_readable);
    g->link = link;
    g->connection++;
    g->sent = g->answered = 0;
    g->has_lease = false;
    g->broken = (struct hm_error){0};
    say_hello(g);
}

static int connect_to(const char *path, struct hm_error *err)
{
    struct sockaddr_un at = {.sun_family = AF_UNIX};
    if (strlen(path) >= sizeof at.sun_path)
        return hm_fail(err, HM_E_INVALID, "the guardian's socket %s: the path is too long", path);
    memcpy(at.sun_path, path, strlen(path) + 1);
    int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd >= 0 && connect(fd, (struct sockaddr *)&at, sizeof at) == 0)
        return fd;
    int why = errno;
    if (fd >= 0)
        close(fd);
    bool is_absent = why == ENOENT || why == ECONNREFUSED;
    return hm_fail(err, is_absent ? HM_E_NOT_FOUND : HM_E_CONNECTION,
                   "no guardian at %s: %s; this site can't lead without one", path, strerror(why));
}

static void look_for_it(struct guard *g)
{
    int fd = connect_to(g->options.path, &g->trouble);
    if (fd >= 0) {
        begin_with(g, fd);
        return;
    }
    if (g->trouble.code == HM_E_NOT_FOUND && g->options.launch)
        g->options.launch(g->options.data, &g->trouble);
    retry_later(g);
}

/* -- The time ------------------------------------------------------------------ */

/* What has come meanwhile counts, however late this loop looks at it. */
static void look_at_answers(struct guard *g, bool was_late)
{
    struct hm_error why;
    struct link *link = g->link;
    uint32_t before = g->answered;
    take_all(link);
    if (!link->owner || g->answered > before || g->answered == g->sent)
        return;
    if (was_late) {
        set_timer(g, hm_boottime_ns() + g->options.answer_ms * HM_MS);
        return;
    }
    hm_fail(&why, HM_E_TIMEOUT, "the guardian at %s has not answered for %lld ms", g->options.path,
            (long long)g->options.answer_ms);
    lost(g, &why);
}

static void on_timer(uv_timer_t *timer)
{
    struct guard *g = timer->data;
    bool was_late = hm_boottime_ns() - g->timer_due_ns > LATE_LOOP_MS * HM_MS;
    if (!g->link)
        look_for_it(g);
    else if (g->broken.code)
        lost(g, &g->broken);
    else
        look_at_answers(g, was_late);
}

/* -- Life ---------------------------------------------------------------------- */

struct guard *guard_new(const struct guard_options *options)
{
    struct guard *g = hm_alloc(sizeof *g);
    g->options = *options;
    if (!g->options.answer_ms)
        g->options.answer_ms = GUARD_ANSWER_MS;
    g->retry_ms = RETRY_FIRST_MS;
    hm_fail(&g->trouble, HM_E_NOT_FOUND, "the guardian at %s has not answered yet", options->path);
    uv_timer_init(options->loop, &g->timer);
    g->timer.data = g;
    return g;
}

void guard_connect(struct guard *g)
{
    look_for_it(g);
}

static void timer_closed(uv_handle_t *handle)
{
    free(handle->data);
}

void guard_free(struct guard *g)
{
    if (!g)
        return;
    end_link(g);
    uv_close((uv_handle_t *)&g->timer, timer_closed);
}

bool guard_is_up(const struct guard *g)
{
    return g->up;
}

const char *guard_trouble(const struct guard *g)
{
    return g->up ? "" : g->trouble.text;
}

const struct guard_state *guard_last(const struct guard *g)
{
    return &g->state;
}
