#include "guardian/talk.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "guardian/clock.h"
#include "guardian/log.h"

enum { BACKLOG = 4 };

_Static_assert(sizeof(struct guard_state) == 672, "no holes");

/* -- Listening ----------------------------------------------------------------- */

void talk_init(struct talk *t)
{
    t->listen_fd = t->fd = -1;
    t->in_size = 0;
    t->out_waits = t->news = t->close_soon = false;
}

static bool somebody_listens(const struct sockaddr_un *address)
{
    int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    int r = connect(fd, (const struct sockaddr *)address, sizeof *address);
    bool nobody = r < 0 && (errno == ECONNREFUSED || errno == ENOENT);
    close(fd);
    return !nobody;
}

static int bind_at(int fd, const struct sockaddr_un *address)
{
    mode_t before = umask(0177);
    int r = bind(fd, (const struct sockaddr *)address, sizeof *address);
    umask(before);
    return r < 0 ? -1 : listen(fd, BACKLOG);
}

int talk_listen(struct talk *t, const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    errno = ENAMETOOLONG;
    if (strlen(path) >= sizeof address.sun_path)
        return -1;
    memcpy(address.sun_path, path, strlen(path));
    errno = EADDRINUSE;
    if (somebody_listens(&address))
        return -1;
    unlink(path);
    t->listen_fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    return t->listen_fd < 0 ? -1 : bind_at(t->listen_fd, &address);
}

/* -- The connection ------------------------------------------------------------ */

static bool is_permitted(int fd)
{
    struct ucred who = {.uid = (uid_t)-1};
    socklen_t size = sizeof who;
    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &who, &size) < 0)
        return false;
    if (who.uid == 0 || who.uid == geteuid())
        return true;
    say(LOG_WARN, "process %d of user %u is not this host's agent: not served", who.pid, who.uid);
    return false;
}

void talk_accept(struct guardian *g, int64_t now_ns)
{
    struct talk *t = &g->talk;
    if (t->fd >= 0)
        return;
    int fd = accept4(t->listen_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (fd < 0)
        return;
    if (!is_permitted(fd)) {
        close(fd);
        return;
    }
    t->fd = fd;
    t->hello_by_ns = now_ns + GUARD_HELLO_MAX_MS * MS;
    t->in_size = 0;
    t->out_waits = t->news = t->close_soon = false;
    g->held.greeted = false;
}

void talk_close(struct guardian *g)
{
    struct talk *t = &g->talk;
    if (t->fd < 0)
        return;
    if (g->held.greeted)
        say(LOG_INFO, "the agent has closed the connection%s",
            g->held.lease.armed ? "; the deadline runs on" : "");
    close(t->fd);
    t->fd = -1;
    t->in_size = 0;
    t->out_waits = t->close_soon = false;
    g->held.greeted = false;
}

bool talk_listens(const struct talk *t)
{
    return t->fd >= 0 && t->in_size == 0 && !t->out_waits;
}

bool talk_receive(struct guardian *g, int64_t now_ns)
{
    struct talk *t = &g->talk;
    if (!talk_listens(t))
        return false;
    ssize_t n = recv(t->fd, &t->in, sizeof t->in, MSG_DONTWAIT | MSG_TRUNC);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return false;
    if (n <= 0) {
        talk_close(g);
        return false;
    }
    if ((size_t)n < sizeof(struct guard_header))
        memset((char *)&t->in + n, 0, sizeof(struct guard_header) - (size_t)n);
    t->in_size = (size_t)n;
    t->in_ns = now_ns;
    return true;
}

/* -- STATE --------------------------------------------------------------------- */

static void fill_cgroup(const struct guardian *g, char ret[GUARD_PATH_MAX + 1])
{
    if (*g->held.cgroup)
        snprintf(ret, GUARD_PATH_MAX + 1, "%.200s/%s", g->cgroups.path, g->held.cgroup);
}

static void fill_state(const struct guardian *g, struct guard_state *s, uint32_t seq,
                       enum guard_error error, const char *text)
{
    const struct held *h = &g->held;
    memset(s, 0, sizeof *s);
    s->header = (struct guard_header){.magic = GUARD_MAGIC,
                                      .version = GUARD_VERSION,
                                      .type = GUARD_STATE,
                                      .size = sizeof *s,
                                      .seq = seq};
    s->error = error;
    s->leaving = h->leaving;
    s->instance = h->instance;
    s->plan = h->plan.plan.number;
    s->lease = h->lease.held;
    s->fired_generation = h->lease.fired.generation;
    s->fired_epoch = h->lease.fired.epoch;
    s->fired_ns = h->lease.fired_ns;
    s->rung = h->ladder.rung;
    s->verified = h->ladder.verified;
    s->climbing = h->ladder.mode == LADDER_CLIMBING;
    s->holds = g->cgroups.holds;
    fill_cgroup(g, s->cgroup);
    snprintf(s->text, sizeof s->text, "%s", text);
}

/* False: it has to wait. A connection that is broken is closed. */
static bool send_state(struct guardian *g, const struct guard_state *s)
{
    if (send(g->talk.fd, s, sizeof *s, MSG_DONTWAIT | MSG_NOSIGNAL) == (ssize_t)sizeof *s)
        return true;
    if (errno == EAGAIN || errno == EINTR || errno == ENOBUFS)
        return false;
    talk_close(g);
    return true;
}

void talk_answer(struct guardian *g, enum guard_error error, const char *text)
{
    struct talk *t = &g->talk;
    fill_state(g, &t->out, t->in.header.seq, error, text);
    t->in_size = 0;
    t->out_waits = true;
    if (error != GUARD_OK)
        say(LOG_WARN, "refused: %s", text);
    talk_flush(g);
}

void talk_flush(struct guardian *g)
{
    struct talk *t = &g->talk;
    if (t->fd >= 0 && t->out_waits)
        t->out_waits = !send_state(g, &t->out);
    if (t->fd >= 0 && !t->out_waits && t->news && g->held.greeted) {
        struct guard_state news;
        fill_state(g, &news, 0, GUARD_OK, g->text);
        t->news = !send_state(g, &news);
    }
    if (t->fd >= 0 && t->close_soon && !t->out_waits)
        talk_close(g);
}

int64_t talk_due_ns(const struct guardian *g)
{
    const struct talk *t = &g->talk;
    if (t->fd < 0)
        return GUARD_NEVER;
    if (t->in_size > 0)
        return t->in_ns + GUARD_ANSWER_MAX_MS * MS;
    return g->held.greeted ? GUARD_NEVER : t->hello_by_ns;
}
