#include "agent/peer_client.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "agent/peer_conn.h"
#include "agent/peer_tls.h"
#include "base/alloc.h"
#include "base/clock.h"
#include "base/log.h"
#include "proto/address.h"

#define PEER_LOG         "peers"
#define HANDSHAKE_LIMIT  (5000 * HM_MS)
#define BACK_OFF_FIRST   (100 * HM_MS)
#define BACK_OFF_LONGEST (5000 * HM_MS)

/* Outlives a client that is freed while a name is looked up. */
struct lookup {
    uv_getaddrinfo_t request;
    struct peer_client *client; /* NULL: freed, or it has given up waiting */
    uint16_t port;
};

struct peer_client {
    struct peer_client_options options;
    struct peer_conn *conn; /* NULL: none */
    struct lookup *lookup;
    bool connected;                         /* something was heard over `conn` */
    int64_t began, heard, last_heard, sent; /* BOOTTIME; of `conn`, but last_heard: ever */
    int64_t retry_at, back_off;
    uint64_t pings;
    struct hm_error failed;
};

/* -- Lost, and made anew -------------------------------------------------------------------------- */

static int64_t jitter(int64_t most)
{
    uint32_t number = 0;
    if (getrandom(&number, sizeof number, GRND_NONBLOCK) != (ssize_t)sizeof number)
        return 0;
    return (int64_t)((uint64_t)most * number >> 32);
}

/* The same failure again is not said again. */
static void note_failure(struct peer_client *p, const struct hm_error *why)
{
    bool was_connected = p->connected, again = !strcmp(p->failed.text, why->text);
    p->connected = false;
    p->failed = *why;
    if (!again || was_connected)
        hm_log(HM_LOG_WARN, PEER_LOG, "%s (%s): %s", p->options.site.text, p->options.address,
               why->text);
    p->options.changed(p->options.data);
}

static void lost(struct peer_client *p, const struct hm_error *why)
{
    int64_t longer = p->back_off * 2 < BACK_OFF_LONGEST ? p->back_off * 2 : BACK_OFF_LONGEST;
    p->back_off = p->back_off == 0 ? BACK_OFF_FIRST : longer;
    p->retry_at = hm_boottime_ns() + p->back_off * 3 / 4 + jitter(p->back_off / 2);
    note_failure(p, why);
}

/* -- The connection --------------------------------------------------------------------------------- */

static bool on_proven(void *data, struct peer_conn *conn, const SSL *tls, struct hm_error *why)
{
    struct peer_client *p = data;
    (void)conn;
    if (peer_tls_names(tls, p->options.site.text))
        return true;
    hm_fail(why, HM_E_REFUSED, "its certificate does not name %s", p->options.site.text);
    return false;
}

static void heard(struct peer_client *p)
{
    p->heard = p->last_heard = hm_boottime_ns();
    if (p->connected)
        return;
    p->connected = true;
    p->back_off = 0;
    p->failed = (struct hm_error){0};
    hm_log(HM_LOG_INFO, PEER_LOG, "connected to %s (%s)", p->options.site.text, p->options.address);
    p->options.changed(p->options.data);
}

static void on_message(void *data, struct peer_conn *conn, const struct peer_message *m)
{
    struct peer_client *p = data;
    struct hm_error why;
    if (!hb_site_equal(&m->group, &p->options.group)) {
        hm_fail(&why, HM_E_REFUSED, "it is of the group %s, not %s", m->group.text,
                p->options.group.text);
        peer_conn_close(conn, &why);
    } else if (m->kind != PEER_PONG && m->kind != PEER_ANSWER) {
        hm_fail(&why, HM_E_REFUSED, "it asks where it was asked");
        peer_conn_close(conn, &why);
    } else {
        heard(p);
        if (m->kind == PEER_ANSWER)
            p->options.answered(p->options.data, &p->options.site, m);
    }
}

static void on_closed(void *data, struct peer_conn *conn, const struct hm_error *why)
{
    struct peer_client *p = data;
    (void)conn;
    p->conn = NULL;
    lost(p, why);
}

static void open_to(struct peer_client *p, const struct sockaddr *address)
{
    struct peer_conn_events events = {
        .proven = on_proven, .message = on_message, .closed = on_closed, .data = p};
    struct hm_error why;
    p->began = p->heard = hm_boottime_ns();
    p->sent = 0;
    if (peer_conn_open(p->options.loop, p->options.tls, address, &events, &p->conn, &why) < 0)
        lost(p, &why);
}

/* -- Looking up ------------------------------------------------------------------------------------- */

static void on_looked_up(uv_getaddrinfo_t *request, int status, struct addrinfo *found)
{
    struct lookup *l = request->data;
    struct peer_client *p = l->client;
    struct hm_error why;
    if (p)
        p->lookup = NULL;
    if (p && status < 0) {
        hm_fail(&why, HM_E_CONNECTION, "its name can't be looked up: %s", uv_strerror(status));
        lost(p, &why);
    } else if (p) {
        if (found->ai_family == AF_INET6)
            ((struct sockaddr_in6 *)found->ai_addr)->sin6_port = htons(l->port);
        else
            ((struct sockaddr_in *)found->ai_addr)->sin_port = htons(l->port);
        open_to(p, found->ai_addr);
    }
    uv_freeaddrinfo(found);
    free(l);
}

static void look_up(struct peer_client *p, const char *host, uint16_t port)
{
    struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM};
    struct lookup *l = hm_alloc(sizeof *l);
    struct hm_error why;
    l->client = p;
    l->port = port;
    l->request.data = l;
    int r = uv_getaddrinfo(p->options.loop, &l->request, on_looked_up, host, NULL, &hints);
    if (r == 0) {
        p->lookup = l;
        p->began = hm_boottime_ns();
        return;
    }
    free(l);
    hm_fail(&why, HM_E_CONNECTION, "its name can't be looked up: %s", uv_strerror(r));
    lost(p, &why);
}

static void connect_now(struct peer_client *p)
{
    char host[HOST_TEXT_MAX + 1];
    uint16_t port = 0;
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
    host_port_parse(p->options.address, host, &port);
    if (uv_ip4_addr(host, port, &v4) == 0)
        open_to(p, (const struct sockaddr *)&v4);
    else if (uv_ip6_addr(host, port, &v6) == 0)
        open_to(p, (const struct sockaddr *)&v6);
    else
        look_up(p, host, port);
}

/* -- Time ------------------------------------------------------------------------------------------- */

static void send_message(struct peer_client *p, const struct peer_message *m)
{
    if (p->conn && peer_conn_send(p->conn, m))
        p->sent = hm_boottime_ns();
}

static void ping(struct peer_client *p)
{
    struct peer_message m = {.kind = PEER_PING, .group = p->options.group, .nonce = ++p->pings};
    send_message(p, &m);
}

static void watch_connection(struct peer_client *p, int64_t now, int64_t ping_ns)
{
    struct hm_error why;
    bool proven = peer_conn_is_proven(p->conn);
    int64_t limit = proven && p->connected ? 3 * ping_ns : HANDSHAKE_LIMIT;
    if (now - p->heard > limit) {
        hm_fail(&why, HM_E_TIMEOUT, "nothing heard of it for %" PRId64 " ms",
                (int64_t)((now - p->heard) / HM_MS));
        peer_conn_close(p->conn, &why);
    } else if (proven && now - p->sent >= ping_ns) {
        ping(p);
    }
}

void peer_client_tick(struct peer_client *p, int64_t now, int64_t ping_ns)
{
    if (p->conn)
        watch_connection(p, now, ping_ns);
    else if (!p->lookup && now >= p->retry_at)
        connect_now(p);
}

void peer_client_ask(struct peer_client *p, const struct peer_message *ask)
{
    send_message(p, ask);
}

/* -- Life ------------------------------------------------------------------------------------------- */

struct peer_client_status peer_client_status(const struct peer_client *p)
{
    return (struct peer_client_status){p->connected, p->last_heard, p->failed.text};
}

bool peer_client_is_for(const struct peer_client *p, const struct hb_site *site,
                        const char *address)
{
    return hb_site_equal(&p->options.site, site) && !strcmp(p->options.address, address);
}

struct peer_client *peer_client_new(const struct peer_client_options *options)
{
    struct peer_client *p = hm_alloc(sizeof *p);
    p->options = *options;
    return p;
}

void peer_client_free(struct peer_client *p)
{
    if (!p)
        return;
    if (p->lookup)
        p->lookup->client = NULL;
    if (p->conn)
        peer_conn_drop(p->conn);
    free(p);
}
