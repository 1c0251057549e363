#include "guardian/loop.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "guardian/clock.h"
#include "guardian/fence.h"
#include "guardian/log.h"
#include "guardian/serve.h"
#include "guardian/talk.h"
#include "guardian/upgrade.h"

enum { MESSAGES_AT_ONCE = 16 };

#define ENDING_LIMIT (1 * SEC) /* how long a cgroup that does not go holds up the end */

int loop_open(struct guardian *g)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGHUP);
    sigprocmask(SIG_BLOCK, &set, NULL);
    signal(SIGPIPE, SIG_IGN);
    g->signal_fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    g->timer_fd = timerfd_create(CLOCK_BOOTTIME, TFD_CLOEXEC | TFD_NONBLOCK);
    return g->signal_fd < 0 || g->timer_fd < 0 ? -1 : 0;
}

/* -- Leaving ------------------------------------------------------------------- */

static bool may_leave(const struct guardian *g, int64_t now_ns)
{
    const struct held *h = &g->held;
    if (!h->leaving || h->lease.armed || h->ladder.mode == LADDER_CLIMBING)
        return false;
    return !h->ending || now_ns >= h->leaving_ns + ENDING_LIMIT || h->ladder.mode == LADDER_ENDED;
}

/* When a cgroup that does not go no longer holds up the end. */
static int64_t leave_due_ns(const struct guardian *g)
{
    bool waits = g->held.leaving && g->held.ending && !g->held.lease.armed &&
                 g->held.ladder.mode == LADDER_REST;
    return waits ? g->held.leaving_ns + ENDING_LIMIT : GUARD_NEVER;
}

static void leave(struct guardian *g, int64_t now_ns)
{
    if (g->held.leaving)
        return;
    g->held.leaving = true;
    g->held.leaving_ns = now_ns;
    g->talk.news = true;
    say(LOG_INFO, "was asked to end%s",
        g->held.lease.armed ? ": waits until the agent disarms, or fires at the deadline" : "");
}

static void take_signals(struct guardian *g, int64_t now_ns)
{
    struct signalfd_siginfo info;
    while (read(g->signal_fd, &info, sizeof info) == (ssize_t)sizeof info) {
        if (info.ssi_signo == SIGHUP)
            g->upgrade_wanted = true;
        else
            leave(g, now_ns);
    }
}

/* -- The deadline -------------------------------------------------------------- */

/* Before anything else that happens at this instant. */
static int64_t look_at_deadline(struct guardian *g)
{
    int64_t now = clock_boot_ns();
    if (lease_is_due(&g->held.lease, now))
        fence_fire(g, now, "the deadline has passed");
    return now;
}

static int64_t next_due(const struct guardian *g)
{
    int64_t due = lease_deadline(&g->held.lease);
    int64_t others[] = {fence_due_ns(g), talk_due_ns(g), leave_due_ns(g)};
    for (unsigned i = 0; i < sizeof others / sizeof *others; i++)
        due = others[i] < due ? others[i] : due;
    return due;
}

static void set_timer(const struct guardian *g)
{
    int64_t due = next_due(g);
    struct itimerspec at = {0}; /* zero: never */
    if (due != GUARD_NEVER) {
        due = due < 1 ? 1 : due;
        at.it_value.tv_sec = due / SEC;
        at.it_value.tv_nsec = due % SEC;
    }
    timerfd_settime(g->timer_fd, TFD_TIMER_ABSTIME, &at, NULL);
}

/* -- One turn ------------------------------------------------------------------ */

static void hear(struct guardian *g)
{
    for (int i = 0; i < MESSAGES_AT_ONCE; i++) {
        int64_t now = look_at_deadline(g);
        if (g->talk.in_size == 0 && !talk_receive(g, now))
            break;
        serve_message(g, now);
        if (g->talk.in_size > 0)
            break; /* it has to wait */
    }
    int64_t now = clock_boot_ns();
    if (g->talk.fd >= 0 && !g->held.greeted && now >= g->talk.hello_by_ns)
        talk_close(g);
}

static void wait_for_something(struct guardian *g)
{
    struct talk *t = &g->talk;
    short talking = (short)((talk_listens(t) ? POLLIN : 0) |
                            (t->out_waits || (t->news && g->held.greeted) ? POLLOUT : 0));
    struct pollfd fds[] = {
        {.fd = g->timer_fd, .events = POLLIN},
        {.fd = g->signal_fd, .events = POLLIN},
        {.fd = g->killer.done_fd, .events = POLLIN},
        {.fd = g->cutter.done_fd, .events = POLLIN},
        {.fd = g->command.pidfd, .events = POLLIN}, /* -1 is passed over */
        {.fd = t->fd >= 0 ? -1 : t->listen_fd, .events = POLLIN},
        {.fd = talking ? t->fd : -1, .events = talking},
    };
    set_timer(g);
    poll(fds, sizeof fds / sizeof *fds, -1);
    uint64_t expirations;
    if (fds[0].revents && read(g->timer_fd, &expirations, sizeof expirations) < 0)
        return; /* it was set anew: the turn looks at everything all the same */
}

void loop_run(struct guardian *g)
{
    while (!g->over) {
        int64_t now = look_at_deadline(g);
        fence_step(g, now);
        take_signals(g, now);
        talk_accept(g, now);
        hear(g);
        fence_step(g, look_at_deadline(g));
        talk_flush(g);
        if (g->upgrade_wanted && upgrade_is_possible(g))
            upgrade(g);
        g->over = may_leave(g, now);
        if (!g->over)
            wait_for_something(g);
    }
}
