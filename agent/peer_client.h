/*
 * The way to one other agent of the group: a connection that is kept open ahead of need, so that an outage of
 * NATS needs no handshake. Lost, it is made anew with a back-off of 0.1 s doubling to 5 s, with jitter; one over
 * which nothing is heard is lost too. A name is looked up anew each time. Thread: the loop's.
 */
#ifndef HM_AGENT_PEER_CLIENT_H
#define HM_AGENT_PEER_CLIENT_H

#include <stdbool.h>
#include <stdint.h>

#include <openssl/ssl.h>
#include <uv.h>

#include "base/error.h"
#include "proto/cluster_config.h"
#include "proto/peer_message.h"

struct peer_client;

struct peer_client_options {
    uv_loop_t *loop;
    SSL_CTX *tls;                          /* borrowed */
    struct hb_site site;                   /* that its certificate has to name */
    char address[CLUSTER_ADDRESS_MAX + 1]; /* checked by cluster_config */
    struct hb_site group;                  /* other groups' messages are refused */
    void (*answered)(void *data, const struct hb_site *site, const struct peer_message *answer);
    void (*changed)(void *data); /* the status has: connected, or not any more */
    void *data;
};

struct peer_client *peer_client_new(const struct peer_client_options *options);
void peer_client_free(struct peer_client *client); /* the loop must run once more */

/* Every `every_ns` at the latest: connects, pings, gives up. Nothing heard for 3 x ping_ns: lost. */
void peer_client_tick(struct peer_client *client, int64_t now_ns, int64_t ping_ns);

void peer_client_ask(struct peer_client *client, const struct peer_message *ask);

struct peer_client_status {
    bool connected;   /* something of it was heard over the connection that is open */
    int64_t heard_ns; /* BOOTTIME of the last answer or pong; 0: never */
    const char *why;  /* the last failure, "" while connected; borrowed */
};
struct peer_client_status peer_client_status(const struct peer_client *client);
bool peer_client_is_for(const struct peer_client *client, const struct hb_site *site,
                        const char *address);

#endif
