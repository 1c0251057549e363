/*
 * One connection between two agents: TCP on the loop, TLS in memory, messages of one size.
 *
 * What the other side does costs a bounded amount of memory and time: one that is not proven may send no more
 * than a handshake, one that sends too much, too often, or reads nothing is closed. Deadlines are the
 * owner's: peer_conn_close(). A message is sent at once or dropped; nothing is promised of its arrival.
 *
 * A connection ends with exactly one `closed`, from peer_conn_close() or from the loop; it is freed by itself
 * later. Thread: the loop's.
 */
#ifndef HM_AGENT_PEER_CONN_H
#define HM_AGENT_PEER_CONN_H

#include <stdbool.h>

#include <openssl/ssl.h>
#include <uv.h>

#include "base/error.h"
#include "proto/peer_message.h"

struct peer_conn;

struct peer_conn_events {
    /* The handshake is done; the certificate is of the authority, its name is the owner's to judge. False,
     * with *why: closed. */
    bool (*proven)(void *data, struct peer_conn *conn, const SSL *tls, struct hm_error *why);
    void (*message)(void *data, struct peer_conn *conn, const struct peer_message *message);
    void (*closed)(void *data, struct peer_conn *conn, const struct hm_error *why);
    void *data;
};

/* `ctx` and what `events` points to outlive the connection. */
int peer_conn_open(uv_loop_t *loop, SSL_CTX *ctx, const struct sockaddr *address,
                   const struct peer_conn_events *events, struct peer_conn **ret,
                   struct hm_error *err);
int peer_conn_accept(uv_stream_t *listener, SSL_CTX *ctx, const struct peer_conn_events *events,
                     struct peer_conn **ret, struct hm_error *err);

/* False: not proven yet, closing, or the other side does not read; it was dropped. */
bool peer_conn_send(struct peer_conn *conn, const struct peer_message *message);

bool peer_conn_is_proven(const struct peer_conn *conn);
void peer_conn_close(struct peer_conn *conn, const struct hm_error *why);
void peer_conn_drop(struct peer_conn *conn); /* its owner goes: closed, and nobody is told */

#endif
