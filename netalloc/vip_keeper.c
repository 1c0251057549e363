#include "netalloc/vip_keeper.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/clock.h"

#define HELD_NS (1000 * HM_MS) /* between two looks */
#define IDLE_NS (5000 * HM_MS) /* likewise, while none is held */

struct vip_keeper {
    struct vip_keeper_options options;
    int wake;            /* eventfd */
    struct vip_set *set; /* the thread's, which frees it */
    size_t count;

    pthread_mutex_t lock; /* of all below */
    bool hold, is_closed;
    uint64_t ordered, answered;
    struct hm_error failed; /* the last try */
    struct vip_now *now;
    unsigned users; /* the owner, the thread: the last one frees */
};

/* -- Both sides ----------------------------------------------------------------------- */

static void leave(struct vip_keeper *k)
{
    pthread_mutex_lock(&k->lock);
    bool is_last = --k->users == 0;
    pthread_mutex_unlock(&k->lock);
    if (!is_last)
        return;
    vip_set_free(k->set);
    close(k->wake);
    pthread_mutex_destroy(&k->lock);
    free(k->now);
    free(k);
}

static void wake(struct vip_keeper *k)
{
    uint64_t one = 1;
    ssize_t written = write(k->wake, &one, sizeof one);
    (void)written; /* full: it is woken already */
}

/* -- The thread ----------------------------------------------------------------------- */

/* A permission is asked for under the lock: its owner may be gone otherwise. */
static bool may(void *data)
{
    struct vip_keeper *k = data;
    pthread_mutex_lock(&k->lock);
    bool yes = !k->is_closed && k->hold && k->options.set.may(k->options.set.data);
    pthread_mutex_unlock(&k->lock);
    return yes;
}

struct order {
    uint64_t number; /* 0: nobody has told anything yet */
    bool hold;
};

/* False: it is over. */
static bool take_order(struct vip_keeper *k, struct order *ret)
{
    pthread_mutex_lock(&k->lock);
    bool goes_on = !k->is_closed;
    *ret = (struct order){k->ordered, k->hold};
    pthread_mutex_unlock(&k->lock);
    return goes_on;
}

static bool is_news(const struct vip_now *a, const struct vip_now *b)
{
    return a->state != b->state || a->is_silent != b->is_silent ||
           a->is_contested != b->is_contested || a->defended != b->defended ||
           strcmp(a->why.text, b->why.text) != 0;
}

/* With the lock. */
static bool publish_states(struct vip_keeper *k)
{
    bool news = false;
    for (size_t i = 0; i < k->count; i++) {
        struct vip_now now = vip_set_now(k->set, i);
        news |= is_news(&now, &k->now[i]);
        k->now[i] = now;
    }
    return news;
}

/* `failed` NULL: nothing was tried. */
static void publish(struct vip_keeper *k, const struct order *order, const struct hm_error *failed)
{
    pthread_mutex_lock(&k->lock);
    bool news = publish_states(k);
    if (failed) {
        news |= k->answered != order->number;
        k->answered = order->number;
        k->failed = *failed;
    }
    if (news && !k->is_closed)
        k->options.on_news(k->options.data);
    pthread_mutex_unlock(&k->lock);
}

/* Returns when to look again. */
static int64_t carry_out(struct vip_keeper *k, const struct order *order)
{
    struct hm_error failed = {0};
    int r = 0;
    if (order->number == 0)
        vip_set_look(k->set);
    else if (order->hold)
        r = vip_set_hold(k->set, hm_boottime_ns(), &failed);
    else
        r = vip_set_give_up(k->set, &failed);
    if (r >= 0)
        failed = (struct hm_error){0};
    if (r >= 0 && order->hold)
        vip_set_attend(k->set, hm_boottime_ns()); /* announced before anybody counts on it */
    publish(k, order, order->number ? &failed : NULL);
    return hm_boottime_ns() + (order->hold || r < 0 ? HELD_NS : IDLE_NS);
}

static int timeout_ms(int64_t until_ns)
{
    int64_t left = until_ns - hm_boottime_ns();
    return left <= 0 ? 0 : (int)(left / HM_MS + 1);
}

static void wait_until(struct vip_keeper *k, struct pollfd *fds, int64_t until_ns)
{
    uint64_t count;
    fds[0] = (struct pollfd){.fd = k->wake, .events = POLLIN};
    nfds_t n = vip_set_poll(k->set, hm_boottime_ns(), fds + 1);
    if (poll(fds, n + 1, timeout_ms(until_ns)) > 0 && fds[0].revents) {
        ssize_t got = read(k->wake, &count, sizeof count);
        (void)got;
    }
}

static int64_t earlier(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static void keep(struct vip_keeper *k, struct pollfd *fds)
{
    struct order order, last = {0};
    int64_t look_at = 0;
    while (take_order(k, &order)) {
        if (order.number != last.number || hm_boottime_ns() >= look_at)
            look_at = carry_out(k, &order);
        last = order;
        vip_set_attend(k->set, hm_boottime_ns());
        publish(k, &order, NULL);
        wait_until(k, fds, earlier(look_at, vip_set_due_ns(k->set)));
    }
}

static void *thread(void *arg)
{
    struct vip_keeper *k = arg;
    struct pollfd *fds = hm_alloc((k->count + 1) * sizeof *fds);
    keep(k, fds);
    free(fds);
    vip_set_free(k->set); /* close() of a packet socket waits for the kernel; the loop must not */
    k->set = NULL;
    leave(k);
    return NULL;
}

/* -- The owner ------------------------------------------------------------------------ */

static int start(struct vip_keeper *k, struct hm_error *err)
{
    pthread_t id;
    int e = pthread_create(&id, NULL, thread, k);
    if (e != 0)
        return hm_fail(err, HM_E_IO, "start the thread of the virtual IPs: %s", strerror(e));
    pthread_setname_np(id, "vip");
    pthread_detach(id);
    return 0;
}

static struct vip_keeper *make(const struct vip_keeper_options *options)
{
    struct vip_keeper *k = hm_alloc(sizeof *k);
    *k = (struct vip_keeper){.options = *options, .count = options->set.count, .users = 1};
    pthread_mutex_init(&k->lock, NULL);
    k->now = hm_alloc((k->count + 1) * sizeof *k->now);
    k->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    return k;
}

int vip_keeper_new(const struct vip_keeper_options *options, struct vip_keeper **ret,
                   struct hm_error *err)
{
    struct vip_keeper *k = make(options);
    struct vip_set_options set = options->set;
    set.may = may;
    set.data = k;
    int r = k->wake < 0 ? hm_fail(err, HM_E_IO, "eventfd: %s", strerror(errno))
                        : vip_set_new(&set, &k->set, err);
    bool is_needed = r >= 0 && (k->count > 0 || vip_set_has_leftovers(k->set));
    if (is_needed) {
        k->users++;
        r = start(k, err);
        k->users -= r < 0;
    }
    if (r < 0 || !is_needed) {
        leave(k);
        k = NULL;
    }
    if (r >= 0)
        *ret = k;
    return r;
}

void vip_keeper_free(struct vip_keeper *k)
{
    if (!k)
        return;
    pthread_mutex_lock(&k->lock);
    k->is_closed = true;
    pthread_mutex_unlock(&k->lock);
    wake(k);
    leave(k);
}

uint64_t vip_keeper_tell(struct vip_keeper *k, bool hold)
{
    pthread_mutex_lock(&k->lock);
    uint64_t order = ++k->ordered;
    k->hold = hold;
    pthread_mutex_unlock(&k->lock);
    wake(k);
    return order;
}

bool vip_keeper_answered(struct vip_keeper *k, uint64_t order, struct hm_error *ret_failed)
{
    pthread_mutex_lock(&k->lock);
    bool is_answered = k->answered >= order;
    if (is_answered)
        *ret_failed = k->failed;
    pthread_mutex_unlock(&k->lock);
    return is_answered;
}

struct vip_now vip_keeper_now(struct vip_keeper *k, size_t i)
{
    pthread_mutex_lock(&k->lock);
    struct vip_now now = k->now[i];
    pthread_mutex_unlock(&k->lock);
    return now;
}
