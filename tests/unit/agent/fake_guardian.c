#include "fake_guardian.h"

#include <check.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static void nothing(uv_handle_t *handle)
{
    (void)handle;
}

void fake_guardian_send(struct fake_guardian *g, const void *bytes, size_t len)
{
    ck_assert_int_eq(send(g->agent, bytes, len, MSG_NOSIGNAL), (ssize_t)len);
}

static void say(struct fake_guardian *g, uint32_t seq, enum guard_error error)
{
    g->state.header = (struct guard_header){.magic = GUARD_MAGIC,
                                            .version = GUARD_VERSION,
                                            .type = GUARD_STATE,
                                            .size = sizeof g->state,
                                            .seq = seq};
    g->state.error = error;
    fake_guardian_send(g, &g->state, sizeof g->state);
}

void fake_guardian_answer(struct fake_guardian *g)
{
    say(g, g->last_seq, GUARD_OK);
}

static enum guard_error take_set(struct fake_guardian *g, const struct guard_set *set)
{
    g->sets++;
    if (g->refuses != GUARD_OK)
        return g->refuses;
    if (set->lease.phase != GUARD_NONE && set->lease.epoch <= g->state.fired_epoch)
        return GUARD_FIRED;
    g->state.lease = set->lease;
    return GUARD_OK;
}

static enum guard_error take_plan(struct fake_guardian *g, const void *bytes, size_t len)
{
    g->plans++;
    memset(&g->plan, 0, sizeof g->plan);
    memcpy(&g->plan, bytes, len);
    enum guard_error error = g->refuses != GUARD_OK ? g->refuses : g->refuses_plans;
    if (error == GUARD_OK)
        g->state.plan = g->plan.plan.number;
    return error;
}

static enum guard_error take(struct fake_guardian *g, const void *bytes, size_t len)
{
    const struct guard_header *h = bytes;
    ck_assert_uint_ge(len, sizeof *h);
    ck_assert_uint_eq(h->magic, GUARD_MAGIC);
    ck_assert_uint_eq(h->size, len);
    g->last_seq = h->seq;
    if (h->type == GUARD_SET)
        return take_set(g, bytes);
    if (h->type == GUARD_PLAN)
        return take_plan(g, bytes, len);
    ck_assert_uint_eq(h->type, GUARD_HELLO);
    memcpy(&g->hello, bytes, sizeof g->hello);
    g->hellos++;
    return GUARD_OK;
}

void fake_guardian_hang_up(struct fake_guardian *g)
{
    if (g->agent < 0)
        return;
    uv_poll_stop(&g->reads);
    uv_close((uv_handle_t *)&g->reads, nothing);
    uv_run(g->loop, UV_RUN_NOWAIT);
    close(g->agent);
    g->agent = -1;
}

static void on_readable(uv_poll_t *poll, int status, int events)
{
    static _Alignas(8) char bytes[GUARD_MESSAGE_MAX];
    struct fake_guardian *g = poll->data;
    (void)status;
    (void)events;
    ssize_t len = recv(g->agent, bytes, sizeof bytes, MSG_DONTWAIT);
    if (len < 0)
        return;
    if (len == 0) {
        uv_poll_stop(&g->reads);
        return;
    }
    enum guard_error error = take(g, bytes, (size_t)len);
    const struct guard_set *set = (const struct guard_set *)bytes;
    bool arms = set->header.type == GUARD_SET && set->lease.phase == GUARD_ARMED;
    if (!g->mute && !(arms && g->holds_back))
        say(g, g->last_seq, error);
}

static void on_connection(uv_poll_t *poll, int status, int events)
{
    struct fake_guardian *g = poll->data;
    (void)status;
    (void)events;
    int fd = accept4(g->listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (fd < 0)
        return;
    fake_guardian_hang_up(g);
    g->agent = fd;
    uv_poll_init(g->loop, &g->reads, fd);
    g->reads.data = g;
    uv_poll_start(&g->reads, UV_READABLE, on_readable);
    uv_unref((uv_handle_t *)&g->reads); /* it keeps no loop running */
}

void fake_guardian_open(struct fake_guardian *g, uv_loop_t *loop, const char *path)
{
    struct sockaddr_un at = {.sun_family = AF_UNIX};
    g->loop = loop;
    g->agent = -1;
    snprintf(g->path, sizeof g->path, "%s", path);
    snprintf(at.sun_path, sizeof at.sun_path, "%s", path);
    unlink(path);
    g->listener = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    ck_assert_int_ge(g->listener, 0);
    ck_assert_int_eq(bind(g->listener, (struct sockaddr *)&at, sizeof at), 0);
    ck_assert_int_eq(listen(g->listener, 4), 0);
    if (!g->state.instance)
        g->state.instance = 1;
    g->state.holds = GUARD_HOLDS_CGROUP2;
    uv_poll_init(loop, &g->accepts, g->listener);
    g->accepts.data = g;
    uv_poll_start(&g->accepts, UV_READABLE, on_connection);
    uv_unref((uv_handle_t *)&g->accepts);
}

void fake_guardian_close(struct fake_guardian *g)
{
    fake_guardian_hang_up(g);
    uv_poll_stop(&g->accepts);
    uv_close((uv_handle_t *)&g->accepts, nothing);
    uv_run(g->loop, UV_RUN_NOWAIT);
    close(g->listener);
    g->listener = -1;
    unlink(g->path);
    g->state = (struct guard_state){.instance = g->state.instance + 1};
}

void fake_guardian_fire(struct fake_guardian *g, bool verified)
{
    g->state.fired_generation = g->state.lease.generation;
    g->state.fired_epoch = g->state.lease.epoch;
    g->state.rung = GUARD_RUNG_KILL;
    g->state.verified = verified;
    say(g, 0, GUARD_OK);
}

bool fake_guardian_has(const struct fake_guardian *g, enum guard_entry_type type, const char *a,
                       const char *b)
{
    size_t at = sizeof g->plan.plan;
    for (uint32_t i = 0; i < g->plan.plan.entries; i++) {
        const struct guard_entry *e = (const struct guard_entry *)(g->plan.bytes + at);
        const char *first = (const char *)(e + 1), *second = first + strlen(first) + 1;
        if (e->type == type && !strcmp(first, a) && (!b || (e->words > 1 && !strcmp(second, b))))
            return true;
        at += (sizeof *e + e->bytes + 7) & ~(size_t)7;
    }
    return false;
}
