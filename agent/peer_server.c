#include "agent/peer_server.h"

#include <stdlib.h>
#include <string.h>

#include "agent/peer_conn.h"
#include "agent/peer_tls.h"
#include "base/alloc.h"
#include "base/clock.h"
#include "base/log.h"
#include "proto/address.h"

#define PEER_LOG        "peers"
#define HANDSHAKE_LIMIT (5000 * HM_MS)
#define IDLE_LIMIT      (15000 * HM_MS) /* clients ping at least every 2 s */
#define RETRY           (2000 * HM_MS)
#define WARN_PAUSE      (10000 * HM_MS)

enum { UNPROVEN_MAX = 8, ACCEPTS_PER_S_MAX = 20, CONNS_MAX = UNPROVEN_MAX + CLUSTER_SITES_MAX };

struct accepted {
    struct peer_server *server;
    struct peer_conn *conn; /* NULL: free */
    struct hb_site site;    /* unset: not proven yet */
    int64_t began, heard;
};

struct peer_server {
    struct peer_server_options options;
    struct cluster_config group;
    bool has_group;
    uv_tcp_t *listener; /* NULL: does not listen */
    int64_t retry_at;
    struct hm_error failed;
    struct accepted accepted[CONNS_MAX];
    int64_t warned;
    int64_t second_began; /* in which so many were accepted: */
    unsigned in_second;
};

/* -- Connections ------------------------------------------------------------------------------------ */

static void close_slot(struct accepted *a, const char *sentence)
{
    struct hm_error why;
    hm_fail(&why, HM_E_REFUSED, "%s", sentence);
    if (a->conn)
        peer_conn_close(a->conn, &why);
}

/* The one other site of the group that the certificate names. */
static bool site_of(const struct peer_server *s, const SSL *tls, struct hb_site *ret)
{
    unsigned named = 0;
    for (unsigned i = 0; s->has_group && i < s->group.site_count; i++) {
        const struct hb_site *site = &s->group.sites[i];
        if (hb_site_equal(site, &s->options.site) || !peer_tls_names(tls, site->text))
            continue;
        *ret = *site;
        named++;
    }
    return named == 1;
}

static void replace_older(struct accepted *newer)
{
    struct peer_server *s = newer->server;
    for (unsigned i = 0; i < CONNS_MAX; i++) {
        struct accepted *a = &s->accepted[i];
        if (a != newer && a->conn && hb_site_equal(&a->site, &newer->site))
            close_slot(a, "replaced by a newer one");
    }
}

/* Somebody of the authority, so probably a mistake; not too often all the same. */
static void warn(struct peer_server *s, const char *sentence)
{
    int64_t now = hm_boottime_ns();
    if (s->warned != 0 && now - s->warned < WARN_PAUSE)
        return;
    s->warned = now;
    hm_log(HM_LOG_WARN, PEER_LOG, "refused a connection: %s", sentence);
}

static bool on_proven(void *data, struct peer_conn *conn, const SSL *tls, struct hm_error *why)
{
    struct accepted *a = data;
    (void)conn;
    if (!site_of(a->server, tls, &a->site)) {
        hm_fail(why, HM_E_REFUSED,
                "a certificate that names no other site of this group, or several");
        warn(a->server, why->text);
        return false;
    }
    a->heard = hm_boottime_ns();
    replace_older(a);
    return true;
}

static void on_message(void *data, struct peer_conn *conn, const struct peer_message *m)
{
    struct accepted *a = data;
    struct peer_server *s = a->server;
    struct peer_message pong = {.kind = PEER_PONG, .group = s->options.group, .nonce = m->nonce};
    a->heard = hm_boottime_ns();
    if (!hb_site_equal(&m->group, &s->options.group))
        close_slot(a, "it is of another group");
    else if (m->kind == PEER_PING)
        peer_conn_send(conn, &pong);
    else if (m->kind == PEER_ASK)
        s->options.asked(s->options.data, &a->site, m);
    else
        close_slot(a, "it answers where it was not asked");
}

static void on_closed(void *data, struct peer_conn *conn, const struct hm_error *why)
{
    struct accepted *a = data;
    (void)conn;
    hm_log(HM_LOG_DEBUG, PEER_LOG, "the connection of %s is closed: %s",
           hb_site_is_set(&a->site) ? a->site.text : "a stranger", why->text);
    a->conn = NULL;
    a->site = (struct hb_site){0};
}

/* A free one; else that of the stranger who is there longest. */
static struct accepted *slot_for_stranger(struct peer_server *s)
{
    struct accepted *oldest = NULL, *unused = NULL;
    unsigned strangers = 0;
    for (unsigned i = 0; i < CONNS_MAX; i++) {
        struct accepted *a = &s->accepted[i];
        if (!a->conn) {
            unused = a;
        } else if (!hb_site_is_set(&a->site)) {
            strangers++;
            if (!oldest || a->began < oldest->began)
                oldest = a;
        }
    }
    if (unused && strangers < UNPROVEN_MAX)
        return unused;
    if (oldest)
        close_slot(oldest, "too many connections that are not proven");
    return oldest;
}

/* -- Listening ---------------------------------------------------------------------------------------- */

static void free_handle(uv_handle_t *handle)
{
    free(handle);
}

/* Taken from the system's queue, and closed: cheaper than a handshake. */
static void turn_away(uv_stream_t *listener)
{
    uv_tcp_t *tcp = hm_alloc(sizeof *tcp);
    uv_tcp_init(listener->loop, tcp);
    uv_accept(listener, (uv_stream_t *)tcp);
    uv_close((uv_handle_t *)tcp, free_handle);
}

static bool too_many(struct peer_server *s, int64_t now)
{
    if (now - s->second_began >= 1000 * HM_MS) {
        s->second_began = now;
        s->in_second = 0;
    }
    return ++s->in_second > ACCEPTS_PER_S_MAX;
}

static void on_connection(uv_stream_t *listener, int status)
{
    struct peer_server *s = listener->data;
    struct hm_error why;
    int64_t now = hm_boottime_ns();
    if (status < 0)
        return;
    struct accepted *a = too_many(s, now) ? NULL : slot_for_stranger(s);
    if (!a) {
        turn_away(listener);
        return;
    }
    struct peer_conn_events events = {
        .proven = on_proven, .message = on_message, .closed = on_closed, .data = a};
    *a = (struct accepted){.server = s, .began = now, .heard = now};
    if (peer_conn_accept(listener, s->options.tls, &events, &a->conn, &why) < 0)
        hm_log(HM_LOG_DEBUG, PEER_LOG, "a connection was not accepted: %s", why.text);
}

static int bind_listener(struct peer_server *s)
{
    char host[HOST_TEXT_MAX + 1];
    uint16_t port = 0;
    union {
        struct sockaddr any;
        struct sockaddr_in v4;
        struct sockaddr_in6 v6;
    } address;
    const char *colon = strrchr(s->options.listen, ':');
    bool any_port = colon && !strcmp(colon, ":0"); /* for tests */
    if (any_port)
        memcpy(host, "127.0.0.1", sizeof "127.0.0.1");
    else if (!host_port_parse(s->options.listen, host, &port))
        return UV_EINVAL;
    int r = uv_ip4_addr(host, port, &address.v4);
    if (r < 0)
        r = uv_ip6_addr(host, port, &address.v6);
    return r < 0 ? r : uv_tcp_bind(s->listener, &address.any, 0);
}

static void stop_listening(struct peer_server *s)
{
    if (s->listener)
        uv_close((uv_handle_t *)s->listener, free_handle);
    s->listener = NULL;
}

static void listen_now(struct peer_server *s)
{
    struct hm_error before = s->failed;
    s->listener = hm_alloc(sizeof *s->listener);
    uv_tcp_init(s->options.loop, s->listener);
    s->listener->data = s;
    int r = bind_listener(s);
    if (r == 0)
        r = uv_listen((uv_stream_t *)s->listener, 16, on_connection);
    if (r == 0) {
        s->failed = (struct hm_error){0};
        hm_log(HM_LOG_INFO, PEER_LOG, "listens on %s", s->options.listen);
        return;
    }
    stop_listening(s);
    s->retry_at = hm_boottime_ns() + RETRY;
    hm_fail(&s->failed, HM_E_IO, "failover.peer.listen: cannot listen on %s: %s; trying again",
            s->options.listen, uv_strerror(r));
    if (strcmp(before.text, s->failed.text) != 0)
        hm_log(HM_LOG_ERROR, PEER_LOG, "%s", s->failed.text);
}

/* -- All ------------------------------------------------------------------------------------------------ */

void peer_server_tick(struct peer_server *s, int64_t now)
{
    if (!s->listener && now >= s->retry_at)
        listen_now(s);
    for (unsigned i = 0; i < CONNS_MAX; i++) {
        struct accepted *a = &s->accepted[i];
        bool proven = hb_site_is_set(&a->site);
        if (a->conn && !proven && now - a->began > HANDSHAKE_LIMIT)
            close_slot(a, "it does not finish the TLS handshake");
        else if (a->conn && proven && now - a->heard > IDLE_LIMIT)
            close_slot(a, "nothing is heard of it");
    }
}

void peer_server_answer(struct peer_server *s, const struct hb_site *to,
                        const struct peer_message *answer)
{
    for (unsigned i = 0; i < CONNS_MAX; i++) {
        struct accepted *a = &s->accepted[i];
        if (a->conn && hb_site_equal(&a->site, to)) {
            peer_conn_send(a->conn, answer);
            return;
        }
    }
}

void peer_server_set_group(struct peer_server *s, const struct cluster_config *config)
{
    s->group = *config;
    s->has_group = true;
    for (unsigned i = 0; i < CONNS_MAX; i++) {
        struct accepted *a = &s->accepted[i];
        if (a->conn && hb_site_is_set(&a->site) && cluster_config_rank(config, &a->site) == 0)
            close_slot(a, "its site is no longer of this group");
    }
}

const char *peer_server_why_not(const struct peer_server *s)
{
    return s->failed.text;
}

int peer_server_port(const struct peer_server *s)
{
    struct sockaddr_storage name;
    int len = sizeof name;
    if (!s->listener || uv_tcp_getsockname(s->listener, (struct sockaddr *)&name, &len) < 0)
        return 0;
    return ntohs(name.ss_family == AF_INET6 ? ((struct sockaddr_in6 *)&name)->sin6_port
                                            : ((struct sockaddr_in *)&name)->sin_port);
}

struct peer_server *peer_server_new(const struct peer_server_options *options)
{
    struct peer_server *s = hm_alloc(sizeof *s);
    s->options = *options;
    listen_now(s);
    return s;
}

void peer_server_free(struct peer_server *s)
{
    if (!s)
        return;
    stop_listening(s);
    for (unsigned i = 0; i < CONNS_MAX; i++)
        if (s->accepted[i].conn)
            peer_conn_drop(s->accepted[i].conn);
    free(s);
}
