#include "agent/peer_conn.h"

#include <stdlib.h>
#include <string.h>

#include <openssl/err.h>

#include "agent/peer_tls.h"
#include "base/alloc.h"
#include "base/clock.h"

enum {
    READ_BYTES = 4096,
    UNSENT_MAX_BYTES = 32 * 1024, /* the other side does not read */
    MESSAGES_PER_S_MAX = 200,     /* a leader with the shortest interval asks 40 times */
};

struct peer_conn {
    uv_tcp_t tcp;
    uv_connect_t connecting;
    struct peer_conn_events events;
    SSL *tls;
    BIO *from_net, *to_net; /* of `tls` */
    bool proven, closing;
    uint8_t message[PEER_MESSAGE_SIZE]; /* the next one, */
    size_t have;                        /* of which so much is there */
    int64_t second_began;               /* in which so many messages came: */
    unsigned in_second;
    char raw[READ_BYTES];
};

struct outgoing {
    uv_write_t request;
    char bytes[];
};

/* -- Its end ---------------------------------------------------------------------------------- */

static void on_closed(uv_handle_t *handle)
{
    struct peer_conn *c = handle->data;
    SSL_free(c->tls);
    free(c);
}

void peer_conn_close(struct peer_conn *c, const struct hm_error *why)
{
    if (c->closing)
        return;
    c->closing = true;
    c->events.closed(c->events.data, c, why);
    uv_close((uv_handle_t *)&c->tcp, on_closed);
}

void peer_conn_drop(struct peer_conn *c)
{
    if (c->closing)
        return;
    c->closing = true;
    uv_close((uv_handle_t *)&c->tcp, on_closed);
}

static void close_for_uv(struct peer_conn *c, const char *what, int status)
{
    struct hm_error why;
    hm_fail(&why, HM_E_CONNECTION, "%s: %s", what, uv_strerror(status));
    peer_conn_close(c, &why);
}

static void close_for(struct peer_conn *c, const char *sentence)
{
    struct hm_error why;
    hm_fail(&why, HM_E_REFUSED, "%s", sentence);
    peer_conn_close(c, &why);
}

static void close_for_tls(struct peer_conn *c, const char *what)
{
    struct hm_error why;
    long verified = SSL_get_verify_result(c->tls);
    if (verified != X509_V_OK)
        hm_fail(&why, HM_E_REFUSED, "%s: %s", what, X509_verify_cert_error_string(verified));
    else
        peer_tls_fail(&why, what);
    peer_conn_close(c, &why);
}

/* -- Out ---------------------------------------------------------------------------------------- */

static void on_written(uv_write_t *request, int status)
{
    struct peer_conn *c = request->handle->data;
    free(request->data);
    if (status < 0 && status != UV_ECANCELED)
        close_for_uv(c, "sending failed", status);
}

/* What TLS has to say to the other side, with or without a message of ours. */
static void flush(struct peer_conn *c)
{
    size_t pending = BIO_ctrl_pending(c->to_net);
    if (pending == 0 || c->closing)
        return;
    if (uv_stream_get_write_queue_size((uv_stream_t *)&c->tcp) + pending > UNSENT_MAX_BYTES) {
        close_for(c, "the other side reads nothing");
        return;
    }
    struct outgoing *out = hm_alloc(sizeof *out + pending);
    int n = BIO_read(c->to_net, out->bytes, (int)pending);
    uv_buf_t buf = uv_buf_init(out->bytes, n > 0 ? (unsigned)n : 0);
    out->request.data = out;
    int r = uv_write(&out->request, (uv_stream_t *)&c->tcp, &buf, 1, on_written);
    if (r < 0) {
        free(out);
        close_for_uv(c, "sending failed", r);
    }
}

bool peer_conn_send(struct peer_conn *c, const struct peer_message *message)
{
    uint8_t bytes[PEER_MESSAGE_SIZE];
    if (!c->proven || c->closing)
        return false;
    peer_message_encode(message, bytes);
    ERR_clear_error();
    if (SSL_write(c->tls, bytes, sizeof bytes) != (int)sizeof bytes) {
        close_for_tls(c, "sending failed");
        return false;
    }
    flush(c);
    return !c->closing;
}

/* -- In ----------------------------------------------------------------------------------------- */

static bool too_many(struct peer_conn *c)
{
    int64_t now = hm_boottime_ns();
    if (now - c->second_began >= 1000 * HM_MS) {
        c->second_began = now;
        c->in_second = 0;
    }
    return ++c->in_second > MESSAGES_PER_S_MAX;
}

static void take_message(struct peer_conn *c)
{
    struct peer_message m;
    struct hm_error why;
    c->have = 0;
    if (too_many(c))
        close_for(c, "the other side sends too many messages");
    else if (peer_message_decode(c->message, &m, &why) < 0)
        peer_conn_close(c, &why);
    else
        c->events.message(c->events.data, c, &m);
}

static void take_messages(struct peer_conn *c)
{
    while (!c->closing) {
        ERR_clear_error();
        int n = SSL_read(c->tls, c->message + c->have, (int)(sizeof c->message - c->have));
        if (n <= 0) {
            int error = SSL_get_error(c->tls, n);
            if (error == SSL_ERROR_ZERO_RETURN)
                close_for(c, "the other side has closed it");
            else if (error != SSL_ERROR_WANT_READ && error != SSL_ERROR_WANT_WRITE)
                close_for_tls(c, "the other side refuses");
            return;
        }
        c->have += (size_t)n;
        if (c->have == sizeof c->message)
            take_message(c);
    }
}

static void shake_hands(struct peer_conn *c)
{
    struct hm_error why;
    ERR_clear_error();
    int r = SSL_do_handshake(c->tls);
    int error = r == 1 ? SSL_ERROR_NONE : SSL_get_error(c->tls, r);
    flush(c); /* also what tells the other side why not */
    if (c->closing || error == SSL_ERROR_WANT_READ)
        return;
    if (error != SSL_ERROR_NONE) {
        close_for_tls(c, "the TLS handshake failed");
        return;
    }
    c->proven = c->events.proven(c->events.data, c, c->tls, &why);
    if (!c->proven)
        peer_conn_close(c, &why);
}

static void advance(struct peer_conn *c)
{
    if (!c->proven && !c->closing)
        shake_hands(c);
    if (c->proven)
        take_messages(c);
    flush(c);
}

static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *buf)
{
    struct peer_conn *c = handle->data;
    (void)suggested;
    *buf = uv_buf_init(c->raw, sizeof c->raw);
}

static void on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf)
{
    struct peer_conn *c = stream->data;
    if (n < 0) {
        close_for_uv(c, "the connection has ended", (int)n);
    } else if (n > 0) {
        BIO_write(c->from_net, buf->base, (int)n);
        advance(c);
    }
}

/* -- Its beginning -------------------------------------------------------------------------------- */

static int conn_new(uv_loop_t *loop, SSL_CTX *ctx, const struct peer_conn_events *events,
                    struct peer_conn **ret, struct hm_error *err)
{
    struct peer_conn *c = hm_alloc(sizeof *c);
    c->events = *events;
    c->tls = SSL_new(ctx);
    c->from_net = BIO_new(BIO_s_mem());
    c->to_net = BIO_new(BIO_s_mem());
    if (!c->tls || !c->from_net || !c->to_net) {
        BIO_free(c->from_net);
        BIO_free(c->to_net);
        SSL_free(c->tls);
        free(c);
        return peer_tls_fail(err, "no memory for TLS");
    }
    SSL_set_bio(c->tls, c->from_net, c->to_net);
    uv_tcp_init(loop, &c->tcp);
    c->tcp.data = c;
    *ret = c;
    return 0;
}

static void begin(struct peer_conn *c)
{
    uv_tcp_nodelay(&c->tcp, 1);
    uv_read_start((uv_stream_t *)&c->tcp, on_alloc, on_read);
}

static void on_connected(uv_connect_t *request, int status)
{
    struct peer_conn *c = request->handle->data;
    if (c->closing)
        return;
    if (status < 0) {
        close_for_uv(c, "cannot connect", status);
        return;
    }
    begin(c);
    advance(c);
}

/* Not `closed`: its owner never had it. */
static int give_up(struct peer_conn *c, int status, struct hm_error *err)
{
    peer_conn_drop(c);
    return hm_fail(err, HM_E_CONNECTION, "cannot connect: %s", uv_strerror(status));
}

int peer_conn_open(uv_loop_t *loop, SSL_CTX *ctx, const struct sockaddr *address,
                   const struct peer_conn_events *events, struct peer_conn **ret,
                   struct hm_error *err)
{
    struct peer_conn *c = NULL;
    int rc = conn_new(loop, ctx, events, &c, err);
    if (rc < 0)
        return rc;
    SSL_set_connect_state(c->tls);
    int r = uv_tcp_connect(&c->connecting, &c->tcp, address, on_connected);
    if (r < 0)
        return give_up(c, r, err);
    *ret = c;
    return 0;
}

int peer_conn_accept(uv_stream_t *listener, SSL_CTX *ctx, const struct peer_conn_events *events,
                     struct peer_conn **ret, struct hm_error *err)
{
    struct peer_conn *c = NULL;
    int rc = conn_new(listener->loop, ctx, events, &c, err);
    if (rc < 0)
        return rc;
    SSL_set_accept_state(c->tls);
    int r = uv_accept(listener, (uv_stream_t *)&c->tcp);
    if (r < 0)
        return give_up(c, r, err);
    begin(c);
    *ret = c;
    return 0;
}

bool peer_conn_is_proven(const struct peer_conn *c)
{
    return c->proven && !c->closing;
}
