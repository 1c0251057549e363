/*
 * Where the other agents of the group ask: one TCP port, mutual TLS, a connection for each site.
 *
 * Strangers cost little: at most 8 connections that are not proven yet (the oldest goes first), each for at most
 * 5 s; at most 20 new ones in a second. A site that connects anew replaces its old connection. A port that can't be
 * had is tried again. Thread: the loop's.
 */
#ifndef HM_AGENT_PEER_SERVER_H
#define HM_AGENT_PEER_SERVER_H

#include <stdint.h>

#include <openssl/ssl.h>
#include <uv.h>

#include "base/error.h"
#include "proto/cluster_config.h"
#include "proto/peer_message.h"

struct peer_server;

struct peer_server_options {
    uv_loop_t *loop;
    SSL_CTX *tls;         /* borrowed */
    const char *listen;   /* a numeric address and port; borrowed */
    struct hb_site site;  /* of this agent: nobody else may show its certificate here */
    struct hb_site group; /* other groups' messages are refused */
    /* `from` is what its certificate names. Answer with peer_server_answer(). */
    void (*asked)(void *data, const struct hb_site *from, const struct peer_message *ask);
    void *data;
};

struct peer_server *peer_server_new(const struct peer_server_options *options);
void peer_server_free(struct peer_server *server); /* the loop must run once more */

/* Whose certificates are accepted. Who is not of the group any more is closed. */
void peer_server_set_group(struct peer_server *server, const struct cluster_config *config);

void peer_server_tick(struct peer_server *server, int64_t now_ns);
void peer_server_answer(struct peer_server *server, const struct hb_site *to,
                        const struct peer_message *answer);

/* Why it does not listen; "" if it does. Borrowed. */
const char *peer_server_why_not(const struct peer_server *server);
/* The port that it listens on, for tests with port 0; 0: none. */
int peer_server_port(const struct peer_server *server);

#endif
