#include "vmm/ch_typing.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/pidfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/alloc.h"
#include "vmm/ch_process.h"
#include "vmm/driver.h"

enum { TYPED_MAX = 4096 };

struct talk {
    struct ch_talks *all;
    struct talk *next;
    struct ch_pid pid;
    int vmm; /* its pidfd */
    int socket, terminal;
    size_t len;
    char typed[TYPED_MAX]; /* and not taken yet */
};

struct ch_talks {
    pthread_mutex_t lock; /* guards: */
    unsigned refs;        /* the instance, and each thread */
    struct talk *first;   /* those that nobody has ended yet */
};

/* -- All of them ---------------------------------------------------------------------------------- */

struct ch_talks *ch_talks_new(void)
{
    struct ch_talks *all = hm_alloc(sizeof *all);
    pthread_mutex_init(&all->lock, NULL);
    all->refs = 1;
    return all;
}

static void drop_ref(struct ch_talks *all)
{
    pthread_mutex_lock(&all->lock);
    bool last = --all->refs == 0;
    pthread_mutex_unlock(&all->lock);
    if (!last)
        return;
    pthread_mutex_destroy(&all->lock);
    free(all);
}

static struct talk **find(struct ch_talks *all, const struct ch_pid *pid)
{
    struct talk **at = &all->first;
    while (*at && ((*at)->pid.pid != pid->pid || (*at)->pid.start != pid->start))
        at = &(*at)->next;
    return at;
}

/* With the lock held; its thread sees the end of the socket. */
static void tell_to_end(struct talk **at)
{
    shutdown((*at)->socket, SHUT_RDWR);
    *at = (*at)->next;
}

void ch_talks_end(struct ch_talks *all)
{
    pthread_mutex_lock(&all->lock);
    while (all->first)
        tell_to_end(&all->first);
    pthread_mutex_unlock(&all->lock);
    drop_ref(all);
}

/* -- One, on its thread ------------------------------------------------------------------------------ */

static void free_talk(struct talk *t)
{
    close(t->vmm);
    close(t->terminal);
    close(t->socket);
    free(t);
}

static void end(struct talk *t)
{
    struct ch_talks *all = t->all;
    pthread_mutex_lock(&all->lock);
    struct talk **at = &all->first;
    while (*at && *at != t)
        at = &(*at)->next;
    if (*at)
        *at = t->next;
    pthread_mutex_unlock(&all->lock);
    free_talk(t);
    drop_ref(all);
}

/* False: nothing more will come. */
static bool take(struct talk *t)
{
    ssize_t n = recv(t->socket, t->typed + t->len, TYPED_MAX - t->len, 0);
    if (n < 0)
        return errno == EAGAIN || errno == EINTR;
    t->len += (size_t)n;
    return n > 0;
}

static bool give(struct talk *t)
{
    ssize_t n = t->len > 0 ? write(t->terminal, t->typed, t->len) : 0;
    if (n < 0)
        return errno == EAGAIN || errno == EINTR;
    t->len -= (size_t)n;
    memmove(t->typed, t->typed + n, t->len);
    return true;
}

static bool go_on(struct talk *t)
{
    bool has_room = t->len < TYPED_MAX;
    struct pollfd polled[] = {
        {.fd = t->vmm, .events = POLLIN},
        {.fd = t->socket, .events = has_room ? POLLIN : 0},
        {.fd = t->len > 0 ? t->terminal : -1, .events = POLLOUT},
    };
    if (poll(polled, HM_COUNT(polled), -1) < 0)
        return errno == EINTR;
    if (polled[0].revents)
        return false;
    if (polled[1].revents && (!has_room || !take(t)))
        return false;
    return give(t);
}

static void *carry(void *data)
{
    struct talk *t = data;
    while (go_on(t))
        ;
    end(t);
    return NULL;
}

/* Signals are the main thread's. */
static int start_thread(struct talk *t)
{
    sigset_t every, before;
    pthread_attr_t alone;
    pthread_t thread;
    sigfillset(&every);
    pthread_attr_init(&alone);
    pthread_attr_setdetachstate(&alone, PTHREAD_CREATE_DETACHED);
    pthread_sigmask(SIG_SETMASK, &every, &before);
    int r = pthread_create(&thread, &alone, carry, t);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    pthread_attr_destroy(&alone);
    return r;
}

/* -- Beginning ------------------------------------------------------------------------------------------ */

/* One that an older agent started has a log there, or nothing. */
static bool is_terminal(int fd)
{
    int number;
    return ioctl(fd, TIOCGPTN, &number) == 0;
}

static int fail_without_terminal(const char *vm, struct hm_error *err)
{
    return hm_fail(err, HM_E_UNSUPPORTED,
                   "vm %s: its VMM was started without a terminal, by an older agent or on a host "
                   "that had none left: nobody can type on it before it is restarted",
                   vm);
}

#define WHY_NOT_PERMITTED                                                                          \
    " (it takes CAP_SYS_PTRACE, kernel.yama.ptrace_scope below 3, and in a container a filter "    \
    "that lets pidfd_getfd pass)"

static int fetch_terminal(struct talk *t, const char *vm, struct hm_error *err)
{
    t->terminal = pidfd_getfd(t->vmm, CH_TYPING_FD, 0);
    if (t->terminal >= 0 && is_terminal(t->terminal))
        return 0;
    if (t->terminal >= 0 || errno == EBADF)
        return fail_without_terminal(vm, err);
    if (errno == ESRCH)
        return driver_console_fail_off(vm, err);
    return hm_fail(err, HM_E_PROCESS, "vm %s: its terminal can't be fetched from its process: %s%s",
                   vm, strerror(errno), errno == EPERM ? WHY_NOT_PERMITTED : "");
}

static int open_all(struct talk *t, const char *vm, int *ret_fd, struct hm_error *err)
{
    int ends[2];
    int r = ch_pid_hold(&t->pid, &t->vmm, err);
    if (r <= 0)
        return r < 0 ? hm_wrap(err, "vm %s", vm) : driver_console_fail_off(vm, err);
    r = fetch_terminal(t, vm, err);
    if (r < 0)
        return r;
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends) < 0)
        return hm_fail(err, HM_E_IO, "vm %s: make a socket for its console: %s", vm,
                       strerror(errno));
    t->socket = ends[0];
    *ret_fd = ends[1];
    return 0;
}

/* With the lock held. */
static int begin(struct talk *t, const char *vm, bool force, struct hm_error *err)
{
    struct talk **other = find(t->all, &t->pid);
    if (*other && !force)
        return driver_console_fail_taken(vm, err);
    int r = start_thread(t);
    if (r != 0)
        return hm_fail(err, HM_E_IO, "vm %s: start a thread for its console: %s", vm, strerror(r));
    if (*other)
        tell_to_end(other);
    t->all->refs++;
    t->next = t->all->first;
    t->all->first = t;
    return 0;
}

int ch_type(struct ch_talks *all, const char *vm, const struct ch_pid *pid, bool force, int *ret_fd,
            struct hm_error *err)
{
    struct talk *t = hm_alloc(sizeof *t);
    *t = (struct talk){.all = all, .pid = *pid, .vmm = -1, .socket = -1, .terminal = -1};
    int fd = -1, r = open_all(t, vm, &fd, err);
    if (r >= 0) {
        pthread_mutex_lock(&all->lock);
        r = begin(t, vm, force, err);
        pthread_mutex_unlock(&all->lock);
    }
    if (r >= 0) {
        *ret_fd = fd;
        return 0;
    }
    if (fd >= 0)
        close(fd);
    free_talk(t);
    return r;
}
